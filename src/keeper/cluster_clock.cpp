#include "keeper/cluster_clock.hpp"

#include <algorithm>
#include <optional>

#include "keeper/await.hpp"

namespace hufu::keeper {
using std::chrono::seconds;

namespace {

/// The store is asked for the time until one answer was this quick, but not more than `kMostLooks`
/// times: the quicker the answer, the better is known when it was true.
constexpr Milliseconds kQuick{5};
constexpr int kMostLooks = 5;
/// The line is moved no more often than this, and no further at once: 400 millionths, where two
/// clocks that nobody corrects part by 200 at most.
constexpr Milliseconds kBetweenSteps = seconds(5);
constexpr Milliseconds kLongestStep{2};
/// A store whose clock is further off than this was set, and is not followed.
constexpr Milliseconds kFurthestFollowed = seconds(60);
/// A wall clock that moved by more than this was set.
constexpr Milliseconds kWasSet = seconds(2);

}  // namespace

Task<Result<void>> ClusterClock::start() {
  Milliseconds best = Milliseconds::max();
  for (int look = 0; look < kMostLooks && best > kQuick; ++look) {
    const SteadyTime asked = loop_.clock().steady();
    auto time = co_await await<Result<std::optional<WallTime>>>(
        [this](auto done) { store_->time(std::move(done)); });
    health_.changes_read(time ? nullptr : &time.error());
    if (!time) co_return tl::unexpected(std::move(time.error()));
    if (!*time) break;
    const Milliseconds took = loop_.clock().steady() - asked;
    if (took >= best) continue;
    best = took;
    loop_.set_origin(asked + took / 2 - (*time)->time_since_epoch());
  }
  wall_ahead_ = loop_.clock().wall() - loop_.now();
  co_return Result<void>();
}

void ClusterClock::follow(SteadyTime asked, WallTime there) {
  if (asked - followed_at_ < kBetweenSteps) return;
  followed_at_ = asked;
  // Only what the answer's way here may not account for.
  const Milliseconds way = (loop_.clock().steady() - asked) / 2;
  const SteadyTime origin = loop_.origin();
  const Milliseconds behind = asked + way - there.time_since_epoch() - origin;
  if (abs(behind) <= way + Milliseconds(1) || abs(behind) > kFurthestFollowed) return;
  loop_.set_origin(origin + std::clamp(behind, -kLongestStep, kLongestStep));
}

void ClusterClock::watch_wall_clock() {
  const Milliseconds ahead = loop_.clock().wall() - loop_.now();
  if (abs(ahead - wall_ahead_) > kWasSet) observer_.clock_stepped(ahead - wall_ahead_);
  wall_ahead_ = ahead;
  loop_.at(loop_.now() + seconds(5), [this] {
    if (!loop_.stopping()) watch_wall_clock();
  });
}

}  // namespace hufu::keeper
