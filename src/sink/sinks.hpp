#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "hufu/config.hpp"
#include "keeper/token_listener.hpp"
#include "sink/legacy_document_sink.hpp"
#include "sink/sink_worker.hpp"

namespace hufu::sink {

/// The main kind of a platform.
using MainKindOf = std::function<std::string(const std::string& platform)>;

/// All sinks of a configuration, with a worker for each Redis and one for all files; and the legacy
/// documents of all apps, those of the store included, with one worker for the store.
///
/// Several nodes may have the same sinks: each writes a token once, when it hears of it, and keeps
/// it there as long as nobody puts another. So a node that died after a commit is missed by nobody,
/// and one that is cut off undoes nothing. Where a slow node writes the older token after the newer
/// one, it does so once and within moments of that renewal, which left the older one its overlap;
/// it hears of the newer one next.
///
/// Thread-safety: `changed` is called by the keeper's thread, everything else by the owner's.
class Sinks final : public keeper::TokenListener {
 public:
  /// Both outlive the sinks.
  Sinks(const Clock& clock, keeper::Observer& observer) : clock_(clock), observer_(observer) {}

  /// Makes the sinks of these apps, which do nothing before `start`. Fault::config if one makes no
  /// sense; what was there before goes on then.
  Result<void> prepare(const std::vector<AppConfig>& apps, const MainKindOf& main_kind_of);
  /// Puts what was prepared in the place of what was there before, and sets it to work. What stands
  /// in sinks that are gone is left to its end; a file stays.
  void start(const ReadToken& read);
  /// Keeps legacy documents as well, from now on: which apps have one, `find_name` says whenever
  /// `changed` tells of them. Once, before the keeper starts.
  void start_legacy_documents(std::shared_ptr<LegacyDocumentTarget> target,
                              FindLegacyName find_name, const ReadToken& read);
  /// Returns when all changes that were told of have been tried once.
  void drain();
  /// Ends all workers.
  void stop();

  void changed(const Key& key) override;

 private:
  using Workers = std::vector<std::shared_ptr<SinkWorker>>;
  [[nodiscard]] Workers workers();

  const Clock& clock_;
  keeper::Observer& observer_;
  std::vector<SinkWorker::Target> prepared_;
  std::mutex mutex_;  ///< Of what follows.
  Workers workers_;
  std::shared_ptr<SinkWorker> legacy_documents_;
};

}  // namespace hufu::sink
