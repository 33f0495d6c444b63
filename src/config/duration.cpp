#include "config/duration.hpp"

#include <array>
#include <cstdint>

#include "core/text.hpp"

namespace hufu::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};
// "ms" stands before "m" and "s": the first one that ends a text is its unit.
constexpr std::int64_t kHour = 3'600'000;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::array<Unit, 5> kUnits = {
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", kHour}, {"d", kDay}}};

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

tl::unexpected<Error> bad(std::string_view text, std::string_view why) {
  return fail(
      Fault::config, quoted(text) + " is not a length of time: " + std::string(why),
      "Write a number and a unit, like \"90s\", \"1.5s\", \"500ms\", \"30m\", \"2h\" or \"30d\"");
}

}  // namespace

Result<Milliseconds> parse_duration(std::string_view text) {
  if (text.empty()) return bad(text, "it is empty");
  if (text.front() == '-') return bad(text, "it is negative");

  const Unit* unit = nullptr;
  for (const Unit& candidate : kUnits) {
    if (text.ends_with(candidate.name)) {
      unit = &candidate;
      break;
    }
  }
  if (unit == nullptr) {
    return bad(text, is_digit(text.back()) ? "its unit is missing" : "its unit is unknown");
  }

  std::string_view number = text.substr(0, text.size() - unit->name.size());
  auto point = number.find('.');
  std::string_view whole = number.substr(0, point);
  std::string_view fraction =
      point == std::string_view::npos ? std::string_view("0") : number.substr(point + 1);
  if (whole.empty() || fraction.empty()) return bad(text, "its number is incomplete");

  constexpr std::int64_t kLimit = kLongestDuration.count();
  std::int64_t units = 0;
  for (char c : whole) {
    if (!is_digit(c)) return bad(text, "its number holds something else than digits");
    units = units * 10 + (c - '0');
    if (units > kLimit) return bad(text, "it is longer than a year");
  }
  if (units > kLimit / unit->milliseconds) return bad(text, "it is longer than a year");

  // As a whole number over a power of ten, so that no rounding of binary fractions creeps in. A day
  // has 86,400,000 = 2^10·3^3·5^5 milliseconds: with more than 10 digits none comes out whole.
  while (fraction.ends_with('0')) fraction.remove_suffix(1);
  if (fraction.size() > 10) return bad(text, "it is finer than a millisecond");
  std::int64_t part = 0;
  std::int64_t scale = 1;
  for (char c : fraction) {
    if (!is_digit(c)) return bad(text, "its number holds something else than digits");
    part = part * 10 + (c - '0');
    scale *= 10;
  }
  if (part * unit->milliseconds % scale != 0) return bad(text, "it is finer than a millisecond");

  Milliseconds result(units * unit->milliseconds + part * unit->milliseconds / scale);
  if (result > kLongestDuration) return bad(text, "it is longer than a year");
  return result;
}

std::string format_duration(Milliseconds duration) {
  std::int64_t count = duration.count();
  if (count == 0) return "0s";
  if (count % kDay == 0) return std::to_string(count / kDay) + "d";
  if (count % kHour == 0) return std::to_string(count / kHour) + "h";
  if (count % 60'000 == 0) return std::to_string(count / 60'000) + "m";
  if (count < 1'000) return std::to_string(count) + "ms";

  std::string seconds = std::to_string(count / 1'000);
  if (count % 1'000 != 0) {
    std::string fraction = std::to_string(1'000 + count % 1'000).substr(1);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    seconds += "." + fraction;
  }
  return seconds + "s";
}

}  // namespace hufu::config
