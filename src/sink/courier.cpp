#include "sink/courier.hpp"

#include <pthread.h>

#include <algorithm>

namespace hufu::sink {
namespace {

using std::chrono::seconds;

constexpr Milliseconds kLongestPause = seconds(10);
constexpr Milliseconds kShortestPause{200};
/// A thread that waits looks at the clock this often: it may run faster, or the machine may have
/// slept.
constexpr Milliseconds kLongestNap = seconds(1);

}  // namespace

Milliseconds until_next_look(seconds promise) noexcept {
  return std::clamp<Milliseconds>(Milliseconds(promise) / 3, kShortestPause, kLongestPause);
}

Milliseconds until_next_try(int failures) noexcept {
  Milliseconds pause = seconds(1);
  for (int i = 1; i < failures && pause < kLongestPause; ++i) pause *= 2;
  return std::min(pause, kLongestPause);
}

Courier::Courier(Route route, ReadToken read, const Clock& clock, keeper::Observer& observer)
    : route_{std::move(route.kind), {}, std::move(route.interrupt)},
      read_(std::move(read)),
      clock_(clock),
      observer_(observer) {
  for (Address& address : route.addresses) {
    by_key_.emplace(address.key, stops_.size());
    stops_.push_back({std::move(address), {}, 0});
  }
  const SteadyTime now = clock_.steady();
  due_.assign(stops_.size(), now);
  told_.assign(stops_.size(), false);
  for (std::size_t i = 0; i < stops_.size(); ++i) line_.emplace(now, i);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "hufu-sink");
    work();
  });
}

void Courier::nudge(const Key& key) {
  const auto [first, last] = by_key_.equal_range(key);
  if (first == last) return;
  {
    std::lock_guard lock(mutex_);
    for (auto it = first; it != last; ++it) {
      told_[it->second] = true;
      schedule(it->second, clock_.steady());
    }
  }
  wake_.notify_one();
}

void Courier::end() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(ended_, true)) return;
  }
  wake_.notify_one();
  if (route_.interrupt) route_.interrupt();
  thread_.join();
}

void Courier::schedule(std::size_t stop, SteadyTime due) {
  line_.erase({due_[stop], stop});
  due_[stop] = due;
  line_.emplace(due, stop);
}

void Courier::work() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    const auto [due, stop] = *line_.begin();
    const Milliseconds early = due - clock_.steady();
    if (early > Milliseconds(0)) {
      wake_.wait_for(lock, std::min(kLongestNap, clock_.real(early) + Milliseconds(1)));
      continue;
    }
    const bool told = told_[stop];
    told_[stop] = false;
    schedule(stop, SteadyTime::max());
    lock.unlock();
    const Milliseconds pause = visit(stops_[stop], told);
    lock.lock();
    // Unless somebody has nudged meanwhile.
    if (!told_[stop]) schedule(stop, clock_.steady() + pause);
  }
}

Milliseconds Courier::visit(Stop& stop, bool told) {
  const SteadyTime now = clock_.steady();
  if (std::optional<Grant> grant = read_(stop.address.key)) {
    Sink& sink = *stop.address.sink;
    const SteadyTime until = now + grant->expires_in;
    const bool again = stop.held.same_as(grant->token.reveal());
    auto put = again ? sink.keep(*grant, until) : sink.put(*grant, until);
    if (put) stop.held = std::move(grant->token);
    return conclude(stop, keeper::SinkResult::put, put, until_next_look(grant->expires_in));
  }
  // Nothing was ever put there, and the keeper, who may not have read its store yet, says nothing.
  if (!told && stop.held.empty()) return kLongestPause;
  auto gone = stop.address.sink->withdraw(stop.held);
  if (gone) stop.held = Secret();
  return conclude(stop, keeper::SinkResult::withdrawn, gone, kLongestPause);
}

Milliseconds Courier::conclude(Stop& stop, keeper::SinkResult result, const Result<void>& outcome,
                               Milliseconds next) {
  {
    std::lock_guard lock(mutex_);
    if (ended_) return next;  // Interrupted, most likely: that is nobody's fault.
  }
  observer_.sink_written(route_.kind, outcome ? result : keeper::SinkResult::failed);
  if (outcome) {
    if (std::exchange(stop.failures, 0) > 0) observer_.sink_changed(stop.address.place, nullptr);
    return next;
  }
  if (++stop.failures == 1) observer_.sink_changed(stop.address.place, &outcome.error());
  return until_next_try(stop.failures);
}

}  // namespace hufu::sink
