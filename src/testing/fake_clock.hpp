#pragma once

#include <atomic>

#include "hufu/clock.hpp"

namespace hufu::testing {

/// Both clocks under a test's hand. They start at a fixed moment and move only when told to.
class FakeClock final : public Clock {
 public:
  static constexpr WallTime kStart{std::chrono::seconds(1'800'000'000)};

  [[nodiscard]] WallTime wall() const noexcept override {
    return WallTime(Milliseconds(wall_.load()));
  }
  [[nodiscard]] SteadyTime steady() const noexcept override {
    return SteadyTime(Milliseconds(steady_.load()));
  }

  /// Time passes: both clocks move.
  void advance(Milliseconds span) noexcept {
    steady_ += span.count();
    wall_ += span.count();
  }
  /// Somebody sets the wall clock: only that one moves.
  void step_wall(Milliseconds span) noexcept { wall_ += span.count(); }

 private:
  std::atomic<Milliseconds::rep> wall_{kStart.time_since_epoch().count()};
  std::atomic<Milliseconds::rep> steady_{1'000'000};
};

/// A source of chance that always gives the same number; 0.5 unless told otherwise.
class FixedJitter final : public Random {
 public:
  explicit FixedJitter(double value = 0.5) : value_(value) {}
  double uniform() override { return value_; }
  void load(double value) { value_ = value; }

 private:
  double value_;
};

}  // namespace hufu::testing
