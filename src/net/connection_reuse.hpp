#pragma once

#include <algorithm>
#include <chrono>

#include "hufu/clock.hpp"

namespace hufu::net {

/// Whether connections to one host are worth a second request.
///
/// A request that fails on a connection which was used before may have met a server, or a firewall,
/// that drops such connections, and the other kept ones are no better. So reuse pauses then, and
/// for twice as long each time that the first reuse after a pause fails again.
///
/// Thread-safety: none.
class ConnectionReuse {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr Milliseconds kLongestPause = std::chrono::hours(1);

  explicit ConnectionReuse(Milliseconds first_pause) : first_pause_(first_pause) {}

  /// Whether each request gets a connection of its own.
  [[nodiscard]] bool paused(Time now) const { return now < paused_until_; }

  /// A request on a reused connection got no answer.
  void failed(Time now) {
    if (paused(now)) return;  // It was sent before the pause began.
    pause_ = pause_ == Milliseconds(0) ? first_pause_ : std::min(2 * pause_, kLongestPause);
    paused_until_ = now + pause_;
  }
  /// A request on a reused connection got its answer.
  void succeeded(Time now) {
    if (!paused(now)) pause_ = Milliseconds(0);
  }

 private:
  Milliseconds first_pause_;
  Milliseconds pause_{0};  ///< The last one; 0: reuse has worked since.
  Time paused_until_{};
};

}  // namespace hufu::net
