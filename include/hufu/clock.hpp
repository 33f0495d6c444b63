#pragma once

#include <chrono>
#include <cstdint>

namespace hufu {

using Milliseconds = std::chrono::milliseconds;

/// A moment on the wall: what is stored, shown and compared across machines.
using WallTime = std::chrono::sys_time<Milliseconds>;

/// Tag of the steady time line. It never steps, and it goes on while the machine sleeps
/// (CLOCK_BOOTTIME), so a token does not look fresh after a suspend.
struct SteadyTimeline {
  using duration = Milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<SteadyTimeline>;
  static constexpr bool is_steady = true;
};

/// A moment on the steady time line: what every decision inside one process is made with.
using SteadyTime = SteadyTimeline::time_point;

/// Both clocks, handed in wherever time matters. Thread-safety: every implementation may be read
/// from any thread at any moment.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime wall() const noexcept = 0;
  [[nodiscard]] virtual SteadyTime steady() const noexcept = 0;
  /// Real time that passes while `shown` passes on this clock: less than `shown` on a clock that
  /// was sped up, `shown` itself on the system's. What timers of the operating system are set to.
  [[nodiscard]] virtual Milliseconds real(Milliseconds shown) const noexcept { return shown; }
};

/// The operating system's clocks.
const Clock& system_clock() noexcept;

/// Both system clocks from now on `speed` times as fast: what lets a rehearsal of two hours take
/// seconds. Holds 0 < speed; starts at the system's present moment.
class ScaledClock final : public Clock {
 public:
  explicit ScaledClock(double speed);
  [[nodiscard]] WallTime wall() const noexcept override;
  [[nodiscard]] SteadyTime steady() const noexcept override;
  [[nodiscard]] Milliseconds real(Milliseconds shown) const noexcept override;

 private:
  double speed_;
  WallTime wall_origin_;
  SteadyTime steady_origin_;
};

/// Where jitter comes from, so that a test can choose the outcome.
class Random {
 public:
  virtual ~Random() = default;
  /// A number in [0, 1). Called from the keeper's own thread only.
  virtual double uniform() = 0;
};

/// Seeded from the operating system. Not for keys or nonces: those come from OpenSSL.
class SystemRandom final : public Random {
 public:
  SystemRandom();
  double uniform() override;

 private:
  std::uint64_t state_;
};

}  // namespace hufu
