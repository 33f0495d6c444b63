#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/store.hpp"
#include "store/cluster.hpp"
#include "store/connection_pool.hpp"
#include "store/legacy_documents.hpp"
#include "store/mongodb/mongodb_connection.hpp"
#include "store/registry.hpp"
#include "store/seal_ledger.hpp"

namespace hufu::store {

struct MongoOptions {
  Secret uri;       ///< As the driver takes it, "mongodb://…" or "mongodb+srv://…".
  Secret password;  ///< Of the user in the URI, where the URI holds none.
  PoolOptions pool{};
};

/// All interfaces of a store on one MongoDB database, 4.4 or later: a replica set or a standalone
/// server, shared by any number of processes on any number of machines.
///
/// Records, apps and API keys are documents of one collection, `hufu_records`, told apart by their
/// (app, kind), which is unique: a record has both, an app no kind, an API key no app and its name
/// for a kind. So one small poll shows everything that changed (see FeedCursor), and every change
/// is one conditional step on one document. What was removed leaves a document with `gone` set: the
/// feed tells of it, and the fences of a record that is made again go on where they were.
/// `hufu_sealing_keys`, `hufu_nodes` and `hufu_meta` hold the rest.
///
/// Time: stamps are set by the server ($currentDate). The ends of leases are judged by its clock as
/// ServerClock knows it, with the round trip at the lease's expense nowhere: an end is written
/// rather late and taken for reached rather late.
///
/// Round trips: one for a lease that is granted, one for a commit, an in-doubt call or a look at
/// the changes; some more for the first lease of a key, for one that is refused, and every half
/// minute one for the time.
class MongoStore final : public TokenStore,
                         public Registry,
                         public SealLedger,
                         public Cluster,
                         public LegacyDocuments {
 public:
  /// Connects and makes what is missing: collections, indexes, the note of the schema's version.
  /// Blocks. Fault::config where the URI cannot be read, Fault::store where the database cannot be
  /// used.
  static Result<std::shared_ptr<MongoStore>> open(MongoOptions options, const Clock& clock);
  /// Does what was asked for and calls every `done`. Not from inside a `done`.
  ~MongoStore() override;

  /// What an operator should know of how this database is set up, a sentence each.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  void load(const Key& key, Done<Result<Record>> done) override;
  void acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) override;
  void commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) override;
  void add_in_doubt(const Key& key, InDoubtCall in_doubt_call, Done<Result<void>> done) override;
  void changes(std::string cursor, Done<Result<Changes>> done) override;
  void time(Done<Result<std::optional<WallTime>>> done) override;
  /// Reads a thousand records at a time. A record that is written meanwhile is seen as it was, or
  /// as it is.
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

  void find(LegacyName name, Done<Result<std::vector<LegacyDocument>>> done) override;
  void make(LegacyName name, Secret token, WallTime promised_until,
            Done<Result<bool>> done) override;
  void replace(LegacyName name, LegacyDocument found, Secret token, WallTime promised_until,
               Done<Result<bool>> done) override;
  [[nodiscard]] WallTime at(SteadyTime moment) const override { return clock_.at(moment); }

 private:
  MongoStore(MongoAddress address, PoolOptions pool, const Clock& clock);

  /// Queues `work(connection)`, which returns a Result<T> and may throw MongoFailure.
  template <class T, class Work>
  void run(Done<Result<T>> done, Work work);

  Result<void> prepare(MongoConnection& connection);
  void refresh_clock(MongoConnection& connection);
  Result<AcquireOutcome> acquire(MongoConnection& connection, const LeaseRequest& lease_request);
  void swap(std::string id, std::string field, Secret from, Secret to, Done<Result<bool>> done);
  Result<Changes> read_changes(MongoConnection& connection, const std::string& cursor);

  const MongoAddress address_;
  ServerClock clock_;
  std::string identity_;            ///< Of the database: cursors of another one make no sense.
  std::atomic<Stamp> settled_ = 0;  ///< What a majority had when some poll ended.
  std::vector<std::string> warnings_;
  ConnectionPool<MongoConnection> pool_;  ///< Last: its threads use all of the above.
};

}  // namespace hufu::store
