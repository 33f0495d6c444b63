#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/token.hpp"
#include "keeper/observer.hpp"
#include "sink/sink.hpp"

namespace hufu::sink {

/// What is handed out for a key at this moment; empty if nothing is. Callable from any thread.
using ReadToken = std::function<std::optional<Grant>(const Key&)>;

/// How long after a success to check an entry again while its token is promised: soon enough that a
/// promise which grew meanwhile, because a renewal is late, is written down before the one that
/// stands there ends; and soon enough to mend what somebody did to the place.
Milliseconds check_interval(std::chrono::seconds promise) noexcept;

/// How long to wait after that many failures in a row.
Milliseconds retry_delay(int failures) noexcept;

/// One thread that keeps the sinks of one target up to date, in turn: a target that hangs holds up
/// nobody else.
///
/// What is queued are the entries to update, each at most once: what a token is, and for how long
/// it is promised, is read at the moment at which it is written. So the newest always wins, and a
/// write that is late promises less.
///
/// Thread-safety: `notify` may be called from any thread, everything else is the owner's.
class SinkWorker {
 public:
  /// The sink of one token.
  struct Entry {
    Key key;
    std::string place;           ///< "redis 127.0.0.1:6379 wx:access_token:wx1", for people.
    std::unique_ptr<Sink> sink;  ///< Made with the worker's clock.
  };
  struct Target {
    std::string kind;            ///< "redis", "file" or "mongodb".
    std::vector<Entry> entries;  ///< Those that are known at the start.
    /// Makes an entry for a key that has none and was notified of; nothing where it needs none.
    /// Called on the worker's thread, each time. May be empty: no key needs one.
    std::function<std::optional<Entry>(const Key&)> find_entry;
    std::function<void()> interrupt;  ///< Ends what the thread may be waiting for; may be empty.
  };

  /// Begins to write what is promised already. `clock` and `observer` outlive the worker.
  SinkWorker(Target target, ReadToken read, const Clock& clock, keeper::Observer& observer);
  SinkWorker(const SinkWorker&) = delete;
  SinkWorker& operator=(const SinkWorker&) = delete;
  ~SinkWorker() { stop(); }

  /// What is handed out for `key` has changed. Returns at once.
  void notify(const Key& key);
  /// Returns when everything that it was notified of has been tried once.
  void drain();
  /// Ends the thread, within moments; what stands in the sinks stays there.
  void stop();

 private:
  /// An entry and its state. The thread's own, but for what stands below the line.
  struct EntryState {
    Entry entry;
    Secret held;  ///< The token that was put last; empty: none.
    int failures = 0;
    // ---- guarded by mutex_
    SteadyTime due{};
    bool notified = false;
  };

  void work();
  /// Brings one entry up to date; how long until the next check.
  Milliseconds update(EntryState& state, bool notified);
  Milliseconds finish_update(EntryState& state, keeper::SinkResult result,
                             const Result<void>& outcome, Milliseconds next);
  EntryState& add(Entry entry);
  /// Makes the entries of `key` due; false where there is none.
  bool notify_entries(const Key& key);
  void schedule(EntryState& state, SteadyTime due);
  [[nodiscard]] bool is_drained() const;

  const std::string kind_;
  const std::function<std::optional<Entry>(const Key&)> find_entry_;
  const std::function<void()> interrupt_;
  const ReadToken read_;
  const Clock& clock_;
  keeper::Observer& observer_;

  std::mutex mutex_;  ///< Of everything below.
  std::condition_variable wake_;
  std::condition_variable progress_;
  std::deque<EntryState> entries_;  ///< Grows at its end: what points into it stays valid.
  std::multimap<Key, EntryState*> by_key_;
  std::set<std::pair<SteadyTime, EntryState*>> queue_;  ///< All entries, the next one first.
  std::set<Key> unknown_;  ///< Notified of; whether they need an entry is to be found out.
  bool busy_ = false;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace hufu::sink
