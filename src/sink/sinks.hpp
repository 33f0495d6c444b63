#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "hufu/config.hpp"
#include "keeper/token_listener.hpp"
#include "sink/sink_worker.hpp"

namespace hufu::sink {

/// All sinks of a configuration, with a worker for each Redis and one for all files.
///
/// Several nodes may have the same sinks: each brings a token once, when it hears of it, and keeps
/// it there as long as nobody puts another. So a node that died after a commit is missed by nobody,
/// and one that is cut off undoes nothing. Where a slow node brings the older token after the newer
/// one, it does so once and within moments of that renewal, which left the older one its overlap;
/// it hears of the newer one next.
///
/// Thread-safety: `changed` is called by the keeper's thread, everything else by the owner's.
class Sinks final : public keeper::TokenListener {
 public:
  /// Both outlive the sinks.
  Sinks(const Clock& clock, keeper::Observer& observer) : clock_(clock), observer_(observer) {}

  /// Makes the sinks of these apps, which stand still until `acquire_lease`. Fault::config if one
  /// makes no sense; what was there before goes on then.
  Result<void> prepare(const std::vector<AppConfig>& apps);
  /// Puts what was prepared in the place of what was there before, and sets it to work. What stands
  /// in sinks that are gone is left to its end; a file stays.
  void begin(const ReadToken& read);
  /// Ends all workers.
  void end();

  void changed(const Key& key) override;

 private:
  const Clock& clock_;
  keeper::Observer& observer_;
  std::vector<SinkWorker::Target> prepared_;
  std::mutex mutex_;  ///< Of the list.
  std::vector<std::unique_ptr<SinkWorker>> workers_;
};

}  // namespace hufu::sink
