#include "keeper/membership.hpp"

#include <optional>
#include <utility>

#include "core/process.hpp"
#include "keeper/await.hpp"

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

}  // namespace

Task<void> Membership::announce() {
  started_at_ = parts_.loop.now();
  while (!parts_.loop.stopping()) {
    co_await announce_now();
    co_await parts_.loop.sleep(parts_.health.writable() ? kBetweenAnnouncements : kBetweenTries);
  }
  co_await await<Result<void>>(
      [this](auto done) { parts_.cluster->leave(process_identity(), std::move(done)); });
}

Task<void> Membership::announce_now() {
  if (announcing_ || parts_.loop.stopping()) co_return;
  announcing_ = true;
  // Asked anew each time: that is how people see a clock that somebody set.
  const SteadyTime asked = parts_.loop.clock().steady();
  auto time = co_await await<Result<std::optional<WallTime>>>(
      [this](auto done) { parts_.store->time(std::move(done)); });
  store::NodeRow me;
  me.name = process_identity();
  me.host = host_name();
  me.version = parts_.version;
  me.listen = address_;
  me.started_at = started_at_;
  if (time && *time) {
    me.clock_ahead = parts_.loop.clock().wall() - **time;
    parts_.clock.follow(asked, **time);
  }
  me.fenced = parts_.fenced;
  auto announced = co_await await<Result<void>>(
      [&](auto done) { parts_.cluster->announce(std::move(me), kForgotten, std::move(done)); });
  announcing_ = false;
  note_unconfirmed();
  parts_.health.announced(announced ? nullptr : &announced.error());
}

void Membership::note_unconfirmed() {
  const std::uint64_t count = parts_.cluster->unconfirmed();
  if (count > unconfirmed_) parts_.observer.unconfirmed(count - unconfirmed_);
  unconfirmed_ = count;
  const WallTime now = parts_.loop.now();
  if (count == unconfirmed_logged_ || now - unconfirmed_at_ < kBetweenWarnings) return;
  parts_.observer.replicas_behind(count - unconfirmed_logged_);
  unconfirmed_logged_ = count;
  unconfirmed_at_ = now;
}

Task<Result<store::ClusterView>> Membership::cluster_view() {
  if (!parts_.cluster) {
    store::ClusterView nobody;
    nobody.now = parts_.loop.now();
    co_return std::move(nobody);
  }
  co_return co_await await<Result<store::ClusterView>>(
      [this](auto done) { parts_.cluster->view(std::move(done)); });
}

}  // namespace hufu::keeper
