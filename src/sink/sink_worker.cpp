#include "sink/sink_worker.hpp"

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

SinkWorker::SinkWorker(Target target, ReadToken read, const Clock& clock,
                       keeper::Observer& observer)
    : target_{std::move(target.kind), {}, std::move(target.interrupt)},
      read_(std::move(read)),
      clock_(clock),
      observer_(observer) {
  for (Entry& entry : target.entries) {
    by_key_.emplace(entry.key, entries_.size());
    entries_.push_back({std::move(entry), {}, 0});
  }
  const SteadyTime now = clock_.steady();
  due_.assign(entries_.size(), now);
  told_.assign(entries_.size(), false);
  for (std::size_t i = 0; i < entries_.size(); ++i) line_.emplace(now, i);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "hufu-sink");
    work();
  });
}

void SinkWorker::notify(const Key& key) {
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

void SinkWorker::end() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(ended_, true)) return;
  }
  wake_.notify_one();
  if (target_.interrupt) target_.interrupt();
  thread_.join();
}

void SinkWorker::schedule(std::size_t entry, SteadyTime due) {
  line_.erase({due_[entry], entry});
  due_[entry] = due;
  line_.emplace(due, entry);
}

void SinkWorker::work() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    const auto [due, entry] = *line_.begin();
    const Milliseconds early = due - clock_.steady();
    if (early > Milliseconds(0)) {
      wake_.wait_for(lock, std::min(kLongestNap, clock_.real(early) + Milliseconds(1)));
      continue;
    }
    const bool told = told_[entry];
    told_[entry] = false;
    schedule(entry, SteadyTime::max());
    lock.unlock();
    const Milliseconds pause = visit(entries_[entry], told);
    lock.lock();
    // Unless somebody has nudged meanwhile.
    if (!told_[entry]) schedule(entry, clock_.steady() + pause);
  }
}

Milliseconds SinkWorker::visit(EntryState& entry, bool told) {
  const SteadyTime now = clock_.steady();
  if (std::optional<Grant> grant = read_(entry.entry.key)) {
    Sink& sink = *entry.entry.sink;
    const SteadyTime until = now + grant->expires_in;
    const bool again = entry.held.same_as(grant->token.reveal());
    auto put = again ? sink.keep(*grant, until) : sink.put(*grant, until);
    if (put) entry.held = std::move(grant->token);
    return conclude(entry, keeper::SinkResult::put, put, until_next_look(grant->expires_in));
  }
  // Nothing was ever put there, and the keeper, who may not have read its store yet, says nothing.
  if (!told && entry.held.empty()) return kLongestPause;
  auto gone = entry.entry.sink->withdraw(entry.held);
  if (gone) entry.held = Secret();
  return conclude(entry, keeper::SinkResult::withdrawn, gone, kLongestPause);
}

Milliseconds SinkWorker::conclude(EntryState& entry, keeper::SinkResult result,
                                  const Result<void>& outcome, Milliseconds next) {
  {
    std::lock_guard lock(mutex_);
    if (ended_) return next;  // Interrupted, most likely: that is nobody's fault.
  }
  observer_.sink_written(target_.kind, outcome ? result : keeper::SinkResult::failed);
  if (outcome) {
    if (std::exchange(entry.failures, 0) > 0) observer_.sink_changed(entry.entry.place, nullptr);
    return next;
  }
  if (++entry.failures == 1) observer_.sink_changed(entry.entry.place, &outcome.error());
  return until_next_try(entry.failures);
}

}  // namespace hufu::sink
