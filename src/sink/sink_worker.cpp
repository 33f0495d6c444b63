#include "sink/sink_worker.hpp"

#include <pthread.h>

#include <algorithm>

namespace hufu::sink {
namespace {

using std::chrono::seconds;

constexpr Milliseconds kLongestPause = seconds(10);
constexpr Milliseconds kShortestPause{200};
/// A thread that waits reads the clock this often: it may run faster than real time, or the machine
/// may have slept.
constexpr Milliseconds kLongestWait = seconds(1);

}  // namespace

Milliseconds check_interval(seconds promise) noexcept {
  return std::clamp<Milliseconds>(Milliseconds(promise) / 3, kShortestPause, kLongestPause);
}

Milliseconds retry_delay(int failures) noexcept {
  Milliseconds pause = seconds(1);
  for (int i = 1; i < failures && pause < kLongestPause; ++i) pause *= 2;
  return std::min(pause, kLongestPause);
}

SinkWorker::SinkWorker(Target target, ReadToken read, const Clock& clock,
                       keeper::Observer& observer)
    : kind_(std::move(target.kind)),
      find_entry_(std::move(target.find_entry)),
      interrupt_(std::move(target.interrupt)),
      read_(std::move(read)),
      clock_(clock),
      observer_(observer) {
  for (Entry& entry : target.entries) add(std::move(entry));
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "hufu-sink");
    work();
  });
}

void SinkWorker::notify(const Key& key) {
  {
    std::lock_guard lock(mutex_);
    if (!notify_entries(key)) {
      if (!find_entry_) return;
      unknown_.insert(key);
    }
  }
  wake_.notify_one();
}

bool SinkWorker::notify_entries(const Key& key) {
  const auto [first, last] = by_key_.equal_range(key);
  for (auto it = first; it != last; ++it) {
    it->second->notified = true;
    schedule(*it->second, clock_.steady());
  }
  return first != last;
}

void SinkWorker::drain() {
  std::unique_lock lock(mutex_);
  progress_.wait(lock, [this] { return stopped_ || is_drained(); });
}

void SinkWorker::stop() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  wake_.notify_one();
  progress_.notify_all();
  if (interrupt_) interrupt_();
  thread_.join();
}

SinkWorker::EntryState& SinkWorker::add(Entry entry) {
  EntryState& state = entries_.emplace_back();
  state.entry = std::move(entry);
  state.due = clock_.steady();
  by_key_.emplace(state.entry.key, &state);
  queue_.emplace(state.due, &state);
  return state;
}

void SinkWorker::schedule(EntryState& state, SteadyTime due) {
  queue_.erase({state.due, &state});
  state.due = due;
  queue_.emplace(due, &state);
}

bool SinkWorker::is_drained() const {
  return !busy_ && unknown_.empty() &&
         std::none_of(entries_.begin(), entries_.end(),
                      [](const EntryState& state) { return state.notified; });
}

void SinkWorker::work() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    if (!unknown_.empty()) {
      const Key key = std::move(unknown_.extract(unknown_.begin()).value());
      if (notify_entries(key)) continue;  // Found since.
      busy_ = true;
      lock.unlock();
      auto entry = find_entry_(key);
      lock.lock();
      if (entry) add(std::move(*entry)).notified = true;
    } else if (queue_.empty()) {
      wake_.wait(lock);
    } else if (const Milliseconds early = queue_.begin()->first - clock_.steady();
               early > Milliseconds(0)) {
      wake_.wait_for(lock, std::min(kLongestWait, clock_.real(early) + Milliseconds(1)));
    } else {
      EntryState& state = *queue_.begin()->second;
      const bool notified = std::exchange(state.notified, false);
      schedule(state, SteadyTime::max());
      busy_ = true;
      lock.unlock();
      const Milliseconds pause = update(state, notified);
      lock.lock();
      // Unless there was a notification meanwhile.
      if (!state.notified) schedule(state, clock_.steady() + pause);
    }
    if (std::exchange(busy_, false)) progress_.notify_all();
  }
}

Milliseconds SinkWorker::update(EntryState& state, bool notified) {
  const SteadyTime now = clock_.steady();
  Sink& sink = *state.entry.sink;
  if (std::optional<Grant> grant = read_(state.entry.key)) {
    const SteadyTime until = now + grant->expires_in;
    const bool same = state.held.same_as(grant->token.reveal());
    auto written = same ? sink.keep(*grant, until) : sink.put(*grant, until);
    if (written) state.held = std::move(grant->token);
    return finish_update(state, keeper::SinkResult::put, written,
                         check_interval(grant->expires_in));
  }
  // Nothing was ever put there, and the keeper, which may not have read its store yet, says
  // nothing.
  if (!notified && state.held.empty()) return kLongestPause;
  auto withdrawn = sink.withdraw(state.held);
  if (withdrawn) state.held = Secret();
  return finish_update(state, keeper::SinkResult::withdrawn, withdrawn, kLongestPause);
}

Milliseconds SinkWorker::finish_update(EntryState& state, keeper::SinkResult result,
                                       const Result<void>& outcome, Milliseconds next) {
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return next;  // Interrupted, most likely, which is no failure.
  }
  observer_.sink_written(kind_, outcome ? result : keeper::SinkResult::failed);
  if (outcome) {
    if (std::exchange(state.failures, 0) > 0) observer_.sink_changed(state.entry.place, nullptr);
    return next;
  }
  if (++state.failures == 1) observer_.sink_changed(state.entry.place, &outcome.error());
  return retry_delay(state.failures);
}

}  // namespace hufu::sink
