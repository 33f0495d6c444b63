#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/store.hpp"
#include "store/cluster.hpp"
#include "store/registry.hpp"
#include "store/seal_ledger.hpp"
#include "store/sqlite/sqlite_clock.hpp"
#include "store/sqlite/sqlite_database.hpp"
#include "store/sqlite/sqlite_opening.hpp"
#include "store/worker.hpp"

namespace hufu::store {

/// A store in one SQLite file, which any number of processes of one machine may share.
///
/// Durability: write-ahead log with synchronous=FULL, so whatever was reported as done has been
/// fsynced. One thread writes, and commits everything that has queued up as one transaction (group
/// commit): an fsync is shared by all who wait for it, an operation that fails takes none of its
/// neighbours down. Another thread, on a connection of its own, reads: no load waits for a commit
/// or a checkpoint. `done` is called on one of the two.
///
/// Leases are judged, and rows stamped, by a clock of the file's own, which all processes share:
/// see sqlite_clock.hpp. The lease of a process of this machine that is gone is free at once.
///
/// A file that is removed or replaced while it is open is of no use any more: from then on
/// everything fails with Fault::store.
class SqliteStore final : public TokenStore, public Registry, public SealLedger, public Cluster {
 public:
  /// As `open_sqlite`. `clock` must outlive the store.
  static Result<std::shared_ptr<SqliteStore>> open(SqliteOptions options, const Clock& clock);
  /// Does what was asked for and calls every `done`. Not from inside a `done`.
  ~SqliteStore() override;

  /// Whether the file can only be read: whatever would write fails with Fault::store.
  [[nodiscard]] bool is_read_only() const { return writing_ == nullptr; }
  /// What an operator should know, a sentence each.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  void load(const Key& key, Done<Result<Record>> done) override;
  void acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) override;
  void commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) override;
  void add_in_doubt(const Key& key, InDoubtCall in_doubt_call, Done<Result<void>> done) override;
  void changes(std::string cursor, Done<Result<Changes>> done) override;
  void time(Done<Result<std::optional<WallTime>>> done) override;
  /// Reads some thousand records at a time, so that a load need not wait for the end. A record that
  /// is written meanwhile is seen as it was, or as it is.
  void scan(std::function<void(Key&&, Record&&)> visit, Done<Result<void>> done) override;

  void put_app(AppRow app, Done<Result<void>> done) override;
  void load_app(const std::string& id, Done<Result<std::optional<AppRow>>> done) override;
  void remove_app(const std::string& id, Done<Result<bool>> done) override;
  void scan_apps(std::function<void(AppRow&&)> visit, Done<Result<void>> done) override;
  void put_key(ApiKeyRow key, Done<Result<bool>> done) override;
  void revoke_key(const std::string& name, Done<Result<bool>> done) override;
  void list_keys(Done<Result<std::vector<ApiKeyRow>>> done) override;

  void noted_keys(Done<Result<std::vector<KeyNote>>> done) override;
  void note_key(KeyNote note, Done<Result<void>> done) override;
  void note_first_key(KeyNote note, Done<Result<bool>> done) override;
  void reseal_token(const Key& key, Secret from, Secret to, Done<Result<bool>> done) override;
  void reseal_refresh_token(const Key& key, Secret from, Secret to,
                            Done<Result<bool>> done) override;
  void reseal_credential(const std::string& app, const std::string& name, Secret from, Secret to,
                         Done<Result<bool>> done) override;

  void announce(NodeRow node, Milliseconds forget, Done<Result<void>> done) override;
  void leave(const std::string& name, Done<Result<void>> done) override;
  void view(Done<Result<ClusterView>> done) override;

 private:
  class Job;
  template <class T, class Work>
  class JobOf;
  template <class Next>
  class ScanOf;
  using Jobs = std::vector<std::unique_ptr<Job>>;

  SqliteStore(SqliteOptions options, SqliteClock clock, SqliteConnections connections);

  /// Queues `work(database)`, which returns a Result<T>, for one of the two threads.
  template <class T, class Work>
  void write(Done<Result<T>> done, Work work);
  template <class T, class Work>
  void read(Done<Result<T>> done, Work work);
  void queue_read(std::unique_ptr<Job> job);
  [[nodiscard]] Error closing() const;
  [[nodiscard]] Error moved() const;

  void write_batch(Jobs& jobs);
  void read_batch(Jobs& jobs);
  bool commit_together(std::span<std::unique_ptr<Job>> jobs);

  Result<AcquireOutcome> acquire(SqliteDatabase& db, const LeaseRequest& lease_request);
  Result<WriteOutcome> store(SqliteDatabase& db, const Lease& lease, const Record& next);
  Changes read_changes(SqliteDatabase& db, const std::string& cursor);
  /// `sql` takes the new text, app, kind and the old text.
  void reseal(const char* sql, const Key& key, Secret from, Secret to, Done<Result<bool>> done);
  /// Notes a change in the log; returns its number.
  std::int64_t append_change(SqliteDatabase& db, std::string_view app, std::string_view kind);

  const SqliteOptions options_;
  const SqliteClock clock_;
  const std::string identity_;
  const std::vector<std::string> warnings_;
  /// The writer's thread only; null where the file can only be read.
  const std::unique_ptr<SqliteDatabase> writing_;
  const std::unique_ptr<SqliteDatabase>
      reading_;                     ///< The reader's thread only, like the two below.
  std::int64_t seen_version_ = -1;  ///< `PRAGMA data_version` when `seen_cursor_` was the present.
  std::string seen_cursor_;
  Worker<std::unique_ptr<Job>> writer_;
  Worker<std::unique_ptr<Job>> reader_;
};

}  // namespace hufu::store
