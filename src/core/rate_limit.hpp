#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "hufu/clock.hpp"

namespace hufu {

/// Lets one event of a kind pass in each interval, and counts those that it holds back: for log
/// lines on what goes on and on.
///
/// It remembers a bounded number of kinds. When there are more at a time, the others share one
/// interval.
///
/// Thread-safety: all members may be called from any thread.
class RateLimit {
 public:
  explicit RateLimit(Milliseconds interval = std::chrono::minutes(1),
                     std::size_t most_kinds = 10'000)
      : interval_(interval), most_kinds_(most_kinds) {}

  /// Whether this event passes; then, how many of its kind were held back since the last that did.
  std::optional<std::uint64_t> admit(std::string_view kind, SteadyTime now) {
    std::lock_guard lock(mutex_);
    Kind& known = find(kind, now);
    if (known.passed && now - *known.passed < interval_) {
      ++known.held_back;
      return std::nullopt;
    }
    known.passed = now;
    return std::exchange(known.held_back, 0);
  }

 private:
  struct Kind {
    std::optional<SteadyTime> passed;  ///< When the last one did.
    std::uint64_t held_back = 0;
  };

  Kind& find(std::string_view kind, SteadyTime now) {
    if (auto found = kinds_.find(kind); found != kinds_.end()) return found->second;
    if (kinds_.size() >= most_kinds_) {
      std::erase_if(kinds_,
                    [&](const auto& each) { return now - *each.second.passed >= interval_; });
    }
    return kinds_.size() < most_kinds_ ? kinds_[std::string(kind)] : others_;
  }

  const Milliseconds interval_;
  const std::size_t most_kinds_;
  std::mutex mutex_;
  std::map<std::string, Kind, std::less<>> kinds_;
  Kind others_;  ///< For which there is no room.
};

}  // namespace hufu
