#pragma once

#include <atomic>

#include "hufu/clock.hpp"

namespace hufu::simulator {

/// Another clock, plus every span that a rehearsal has skipped.
///
/// Whoever is to live in the same rehearsal (the keeper of `hufu dev`) is handed this very object,
/// so that a skipped hour has passed for both sides. Operating system timers that are already set
/// know nothing of a skip. Thread-safety: every member may be called from any thread.
class MovableClock final : public Clock {
 public:
  /// `base` outlives this object.
  explicit MovableClock(const Clock& base) : base_(base) {}

  [[nodiscard]] WallTime wall() const noexcept override { return base_.wall() + skipped(); }
  [[nodiscard]] SteadyTime steady() const noexcept override { return base_.steady() + skipped(); }
  [[nodiscard]] Milliseconds real(Milliseconds shown) const noexcept override {
    return base_.real(shown);
  }

  /// Moves both lines forward by `span`, which is not negative.
  void advance(Milliseconds span) noexcept { skipped_ += span.count(); }

 private:
  [[nodiscard]] Milliseconds skipped() const noexcept { return Milliseconds(skipped_.load()); }

  const Clock& base_;
  std::atomic<Milliseconds::rep> skipped_{0};
};

}  // namespace hufu::simulator
