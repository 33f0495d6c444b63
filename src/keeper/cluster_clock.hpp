#pragma once

#include <memory>

#include "keeper/event_loop.hpp"
#include "keeper/observer.hpp"
#include "keeper/store_health.hpp"

namespace hufu::keeper {

/// Keeps the keeper's line of time where the store's clock is, if it has one, and notices when this
/// machine's wall clock was set.
///
/// Not thread-safe: the keeper's own thread only.
class ClusterClock {
 public:
  ClusterClock(EventLoop& loop, StoreHealth& health, Observer& observer,
               std::shared_ptr<TokenStore> store)
      : loop_(loop), health_(health), observer_(observer), store_(std::move(store)) {}

  /// Puts the line where the store's clock is; before anything is decided.
  Task<Result<void>> start();
  /// Two machines' clocks do not run at one pace for ever: keeps the line with the store's. `asked`
  /// is when the store was asked for the time that it told as `there`.
  void follow(SteadyTime asked, WallTime there);
  /// Looks at the wall clock from now on.
  void watch_wall_clock();

 private:
  EventLoop& loop_;
  StoreHealth& health_;
  Observer& observer_;
  std::shared_ptr<TokenStore> store_;
  SteadyTime followed_at_{};    ///< When the line was moved, or found in its place.
  Milliseconds wall_ahead_{0};  ///< How far the wall clock is ahead of the line.
};

}  // namespace hufu::keeper
