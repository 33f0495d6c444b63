#include <algorithm>

#include "core/process.hpp"
#include "keeper/await.hpp"
#include "keeper/heart.hpp"

namespace hufu::keeper {
using std::chrono::seconds;

namespace {

constexpr Milliseconds kBetweenAnnouncements = seconds(5);
/// While the store could not be written: so soon is it noticed that it can be again.
constexpr Milliseconds kBetweenTries = seconds(1);
/// Of the same: a log that is full of them hides the rest.
constexpr Milliseconds kBetweenWarnings = seconds(60);
/// A node that nobody has heard of for so long is no longer shown.
constexpr Milliseconds kForgotten = std::chrono::minutes(10);
/// The database is asked for the time until one answer was this quick, but not more than
/// `kMostLooks` times: the quicker the answer, the better is known when it was true.
constexpr Milliseconds kQuick{5};
constexpr int kMostLooks = 5;
/// So far does the keeper's line follow between two regular announcements: 400 millionths, where
/// two clocks that nobody corrects part by 200 at most.
constexpr Milliseconds kLongestStep{2};
/// A database that is further off than this was set, and is not followed.
constexpr Milliseconds kFurthestFollowed = seconds(60);

}  // namespace

// ---- the time there

/// Puts the keeper's line where the database's clock is, if it has one.
Heart::Task<Result<void>> Heart::keep_to_store_clock() {
  Milliseconds best = Milliseconds::max();
  for (int look = 0; look < kMostLooks && best > kQuick; ++look) {
    const SteadyTime asked = clock_.steady();
    auto time = co_await await<Result<std::optional<WallTime>>>(
        [this](auto done) { parts_.tokens->time(std::move(done)); });
    note_read(time ? nullptr : &time.error());
    if (!time) co_return tl::unexpected(time.error());
    if (!*time) break;
    const Milliseconds took = clock_.steady() - asked;
    if (took >= best) continue;
    best = took;
    origin_ = asked + took / 2 - (*time)->time_since_epoch();
  }
  wall_ahead_ = clock_.wall() - now();
  started_at_ = now();
  co_return Result<void>();
}

/// Two machines' clocks do not run at one pace for ever: keeps the line with the database's, beyond
/// what the answer's way there may account for.
void Heart::follow_store_clock(SteadyTime asked, WallTime there) {
  // While something is wrong there are more announcements than that.
  if (asked - followed_at_ < kBetweenAnnouncements) return;
  followed_at_ = asked;
  const Milliseconds way = (clock_.steady() - asked) / 2;
  const SteadyTime origin = origin_;
  const Milliseconds behind = asked + way - there.time_since_epoch() - origin;
  if (abs(behind) <= way + Milliseconds(1) || abs(behind) > kFurthestFollowed) return;
  origin_ = origin + std::clamp(behind, -kLongestStep, kLongestStep);
}

// ---- the others

Heart::Task<void> Heart::announce() {
  while (!stopping_) {
    co_await tell_about_me();
    co_await sleep(writable_ ? kBetweenAnnouncements : kBetweenTries);
  }
  co_await await<Result<void>>(
      [this](auto done) { parts_.cluster->leave(process_identity(), std::move(done)); });
}

/// Tells the others, and finds out whether the store can be written.
Heart::Task<void> Heart::tell_about_me() {
  if (announcing_ || stopping_) co_return;
  announcing_ = true;
  // Asked anew each time: that is how people see a clock that somebody set.
  const SteadyTime asked = clock_.steady();
  auto time = co_await await<Result<std::optional<WallTime>>>(
      [this](auto done) { parts_.tokens->time(std::move(done)); });
  store::NodeRow me;
  me.name = process_identity();
  me.host = host_name();
  me.version = parts_.version;
  me.listen = address_;
  me.started_at = started_at_;
  if (time && *time) {
    me.clock_ahead = clock_.wall() - **time;
    follow_store_clock(asked, **time);
  }
  me.fenced = fenced_;
  auto announced = co_await await<Result<void>>(
      [&](auto done) { parts_.cluster->announce(std::move(me), kForgotten, std::move(done)); });
  announcing_ = false;
  note_unconfirmed();
  note_store(writable_, announced ? nullptr : &announced.error());
}

void Heart::note_unconfirmed() {
  const std::uint64_t count = parts_.cluster->unconfirmed();
  if (count > unconfirmed_) observer_.unconfirmed(count - unconfirmed_);
  unconfirmed_ = count;
  if (count == unconfirmed_logged_ || now() - unconfirmed_at_ < kBetweenWarnings) return;
  observer_.replicas_behind(count - unconfirmed_logged_);
  unconfirmed_logged_ = count;
  unconfirmed_at_ = now();
}

void Heart::cluster(Done<Result<store::ClusterView>> done) {
  enter<Result<store::ClusterView>>(std::move(done), [this] { return look_around(); });
}

Heart::Task<Result<store::ClusterView>> Heart::look_around() {
  store::ClusterView nobody;
  nobody.now = now();
  if (!parts_.cluster) co_return std::move(nobody);
  co_return co_await await<Result<store::ClusterView>>(
      [this](auto done) { parts_.cluster->view(std::move(done)); });
}

}  // namespace hufu::keeper
