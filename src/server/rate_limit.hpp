#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "hufu/clock.hpp"

namespace hufu::server {

/// Lets one line a minute through to the log, of something that anybody may cause as often as they
/// like.
///
/// Thread-safety: `pass` may be called from any thread.
class RateLimit {
 public:
  static constexpr Milliseconds kSpacing = std::chrono::minutes(1);

  /// How many were held back since the last that passed, if this one may pass.
  std::optional<std::uint64_t> pass(SteadyTime now) noexcept {
    const Milliseconds::rep time = now.time_since_epoch().count();
    Milliseconds::rep next = next_.load(std::memory_order_relaxed);
    if (time < next ||
        !next_.compare_exchange_strong(next, time + kSpacing.count(), std::memory_order_relaxed)) {
      held_back_.fetch_add(1, std::memory_order_relaxed);
      return std::nullopt;
    }
    return held_back_.exchange(0, std::memory_order_relaxed);
  }

 private:
  std::atomic<Milliseconds::rep> next_{0};
  std::atomic<std::uint64_t> held_back_{0};
};

}  // namespace hufu::server
