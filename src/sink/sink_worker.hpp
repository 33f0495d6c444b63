#pragma once

#include <chrono>
#include <condition_variable>
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

/// How long after a `put` to look again while the token stands: soon enough that a promise which
/// grew meanwhile, because a renewal is late, is written down before the one that stands there
/// ends; and soon enough to mend what somebody did to the place.
Milliseconds until_next_look(std::chrono::seconds promise) noexcept;

/// How long to wait after that many failures in a row.
Milliseconds until_next_try(int failures) noexcept;

/// One thread that brings tokens to the sinks of one target, in turn: a target that hangs holds up
/// nobody else.
///
/// Nothing waits in line but the names of sinks, each at most once: what a token is, and for how
/// long it is promised, is read at the moment at which it is brought. So the newest always wins,
/// and a try that comes late promises less.
///
/// Thread-safety: `notify` may be called from any thread, everything else is the owner's.
class SinkWorker {
 public:
  struct Entry {
    Key key;                     ///< Whose token.
    std::string place;           ///< "redis 127.0.0.1:6379 wx:access_token:wx1", for people.
    std::unique_ptr<Sink> sink;  ///< Made with the worker's clock.
  };
  struct Target {
    std::string kind;                 ///< "redis" or "file".
    std::vector<Entry> entries;       ///< All of one target.
    std::function<void()> interrupt;  ///< Ends what the thread may be waiting for; may be none.
  };

  /// Begins to bring what is promised already. `clock` and `observer` outlive the worker.
  SinkWorker(Target target, ReadToken read, const Clock& clock, keeper::Observer& observer);
  SinkWorker(const SinkWorker&) = delete;
  SinkWorker& operator=(const SinkWorker&) = delete;
  ~SinkWorker() { end(); }

  /// What is handed out for `key` has changed. Returns at once.
  void notify(const Key& key);
  /// Ends the thread, within moments; what stands in the sinks stays there.
  void end();

 private:
  /// A sink, and how it stands with it. The thread's own, but for what is in the lists below.
  struct EntryState {
    Entry entry;
    Secret held;  ///< The token that was put last; empty: none.
    int failures = 0;
  };

  void work();
  /// Brings one sink up to date; how long until the next look. `told`: the keeper spoke of it.
  Milliseconds visit(EntryState& entry, bool told);
  Milliseconds conclude(EntryState& entry, keeper::SinkResult result, const Result<void>& outcome,
                        Milliseconds next);
  void schedule(std::size_t entry, SteadyTime due);

  const Target target_;
  const ReadToken read_;
  const Clock& clock_;
  keeper::Observer& observer_;
  std::vector<EntryState> entries_;
  std::multimap<Key, std::size_t> by_key_;

  std::mutex mutex_;  ///< Of everything below.
  std::condition_variable wake_;
  std::vector<SteadyTime> due_;                        ///< Of each entry.
  std::vector<bool> told_;                             ///< Of each entry.
  std::set<std::pair<SteadyTime, std::size_t>> line_;  ///< The same in order.
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace hufu::sink
