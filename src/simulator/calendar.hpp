#pragma once

#include <chrono>

#include "hufu/clock.hpp"

namespace hufu::simulator {

// Numbers of the periods that quotas are counted in. The platform counts its days in Beijing.

inline constexpr std::chrono::hours kBeijing{8};

inline std::int64_t day_of(WallTime now) {
  return std::chrono::floor<std::chrono::days>(now + kBeijing).time_since_epoch().count();
}

inline std::int64_t minute_of(WallTime now) {
  return std::chrono::floor<std::chrono::minutes>(now).time_since_epoch().count();
}

inline std::int64_t month_of(WallTime now) {
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(now + kBeijing));
  return std::int64_t{static_cast<int>(date.year())} * 12 + static_cast<unsigned>(date.month());
}

}  // namespace hufu::simulator
