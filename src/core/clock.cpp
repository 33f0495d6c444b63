#include "hufu/clock.hpp"

#include <time.h>

#include <random>

namespace hufu {
namespace {

Milliseconds read(clockid_t id) noexcept {
  timespec now{};
  clock_gettime(id, &now);
  return std::chrono::seconds(now.tv_sec) + Milliseconds(now.tv_nsec / 1'000'000);
}

class SystemClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const noexcept override { return WallTime(read(CLOCK_REALTIME)); }
  [[nodiscard]] SteadyTime steady() const noexcept override {
    return SteadyTime(read(CLOCK_BOOTTIME));
  }
};

Milliseconds stretch(Milliseconds span, double factor) noexcept {
  return Milliseconds(static_cast<Milliseconds::rep>(static_cast<double>(span.count()) * factor));
}

}  // namespace

const Clock& system_clock() noexcept {
  static const SystemClock clock;
  return clock;
}

ScaledClock::ScaledClock(double speed)
    : speed_(speed), wall_origin_(system_clock().wall()), steady_origin_(system_clock().steady()) {}

SteadyTime ScaledClock::steady() const noexcept {
  return steady_origin_ + stretch(system_clock().steady() - steady_origin_, speed_);
}

// Derived from the steady clock, so that both lines of a rehearsal run alike.
WallTime ScaledClock::wall() const noexcept { return wall_origin_ + (steady() - steady_origin_); }

Milliseconds ScaledClock::real(Milliseconds shown) const noexcept {
  return stretch(shown, 1.0 / speed_);
}

SystemRandom::SystemRandom() {
  std::random_device device;
  state_ = (std::uint64_t{device()} << 32) | device();
}

// SplitMix64 (Steele, Lea, Flood 2014): more than enough to spread renewals.
double SystemRandom::uniform() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

}  // namespace hufu
