#pragma once

#include <string>
#include <string_view>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"

namespace hufu::config {

/// The longest length of time that can be written: a year. More is a slip of the pen.
inline constexpr Milliseconds kLongestDuration = std::chrono::hours(24 * 366);

/// Reads a number and its unit, "90s", "1.5s", "500ms", "30m", "2h", "30d": 0 to kLongestDuration,
/// in whole milliseconds. Fault::config for everything else, white space, signs and exponents
/// included.
Result<Milliseconds> parse_duration(std::string_view text);

/// The shortest form that `parse_duration` reads back to the same value: "90s", "30m", "1.5s".
/// `duration` must not be negative.
std::string format_duration(Milliseconds duration);

}  // namespace hufu::config
