#pragma once

#include <algorithm>
#include <chrono>
#include <string>

#include "hufu/clock.hpp"
#include "hufu/issuer.hpp"
#include "store/registry.hpp"

namespace hufu::keeper {

/// The day on which the platform counts `when`: days there end at midnight in China (UTC+8).
inline std::chrono::sys_days day_of(WallTime when) {
  return std::chrono::floor<std::chrono::days>(when + std::chrono::hours(8));
}

/// How long until the platform's next day begins.
inline Milliseconds until_next_day(WallTime now) {
  const auto tomorrow = day_of(now) + std::chrono::days(1);
  return std::chrono::time_point_cast<Milliseconds>(tomorrow) - (now + std::chrono::hours(8));
}

/// Whether a renewal caused by a report at `now` follows the latest one in a row. A sticky issuer
/// knows no overlap, and yet its row must not end with every call.
inline bool goes_on(const Budget& budget, const RenewalRule& rule, WallTime now) {
  return now - budget.report_counted_at <=
         std::max<Milliseconds>(rule.overlap, std::chrono::minutes(5));
}

/// Whether the platform would grant a forced call at `now`.
inline bool may_force(const Budget& budget, const RenewalRule& rule, WallTime now) {
  if (rule.forced_a_day == 0) return false;
  if (!budget.forced_at) return true;
  if (now - *budget.forced_at < rule.forced_apart) return false;
  return day_of(*budget.forced_at) != day_of(now) || budget.forced < rule.forced_a_day;
}

/// Renewals by report in a row, and how far apart they lie after that.
inline constexpr int kReportsInARow = 3;
inline constexpr Milliseconds kBetweenThrottled = std::chrono::seconds(30);

/// Until when a renewal caused by a report must wait.
inline WallTime throttled_until(const Budget& budget, const RenewalRule& rule, WallTime now) {
  WallTime until{};
  if (goes_on(budget, rule, now) && budget.report_count >= kReportsInARow) {
    until = budget.report_counted_at + kBetweenThrottled;
  }
  if (rule.shape == RenewalRule::Shape::windowed && budget.forced_at) {
    until = std::max(until, *budget.forced_at + rule.forced_apart);
    const bool exhausted =
        day_of(*budget.forced_at) == day_of(now) && budget.forced >= rule.forced_a_day;
    if (exhausted) until = std::max(until, budget.report_counted_at + kBetweenThrottled);
  }
  return until;
}

/// Names credentials in a record of failure, without telling anything about them: when the name
/// changes, what was refused before deserves a new try.
inline std::string credentials_name(const store::SecretTag& tag) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string name;
  for (std::size_t i = 0; i < 4; ++i) {
    name += kDigits[tag[i] >> 4];
    name += kDigits[tag[i] & 0xf];
  }
  return name;
}

}  // namespace hufu::keeper
