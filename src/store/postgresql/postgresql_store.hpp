#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/store.hpp"
#include "store/cluster.hpp"
#include "store/connection_pool.hpp"
#include "store/postgresql/postgresql_connection.hpp"
#include "store/postgresql/postgresql_feed.hpp"
#include "store/registry.hpp"
#include "store/seal_ledger.hpp"

namespace hufu::store {

struct PostgresqlOptions {
  Secret uri;       ///< "postgresql://…"; see postgresql_address.hpp.
  Secret password;  ///< Where the URI holds none; may be empty.
  PoolOptions pool{};
  /// At least so many changes are remembered for those who follow the feed.
  std::size_t change_log = 100'000;
};

/// A store in a PostgreSQL database (13 and later), which any number of machines may share,
/// directly or through a pooler in transaction mode.
///
/// Durability: `synchronous_commit` is left as the operator set it, and `warnings()` says so where
/// that is less than a disk. Every operation is one statement and so one transaction, its entry in
/// the change log and its notification included: it takes place as a whole or not at all. Only a
/// refused `acquire_lease` asks a second time, for the reason.
///
/// Time is the database's: leases end and records are stamped by its clock, read inside the
/// statement, after it has waited for whoever came first. A lease with more time left than it was
/// given, by over a minute, counts as over: that clock was set back.
///
/// An operation takes five seconds at most, then it fails with Fault::store; whether it took place
/// is unknown then, as it is when the connection is lost.
class PostgresqlStore final : public TokenStore,
                              public Registry,
                              public SealLedger,
                              public Cluster {
 public:
  /// Connects and brings the schema up to date. Blocks. Fault::config where the URI cannot be read,
  /// Fault::store where the database cannot be used.
  static Result<std::shared_ptr<PostgresqlStore>> open(PostgresqlOptions options,
                                                       const Clock& clock);
  /// Does what was asked for and calls every `done`. Not from inside a `done`.
  ~PostgresqlStore() override;

  /// What an operator should know of how the database is set up, a sentence each.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// Statements sent so far, each a round trip; those of the listener aside.
  [[nodiscard]] std::uint64_t round_trips() const { return *round_trips_; }

  void load(const Key& key, Done<Result<Record>> done) override;
  void acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) override;
  void commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) override;
  void add_in_doubt(const Key& key, InDoubtCall in_doubt_call, Done<Result<void>> done) override;
  /// Tells at once what this process did; what others did, as soon as the database has told us. See
  /// postgresql_feed.hpp.
  void changes(std::string cursor, Done<Result<Changes>> done) override;
  void time(Done<Result<std::optional<WallTime>>> done) override;
  /// Reads some thousand records at a time, in order of key. A record that is written meanwhile is
  /// seen as it was, or as it is.
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
  using Address = std::shared_ptr<const PostgresqlAddress>;
  using RoundTrips = std::shared_ptr<std::atomic<std::uint64_t>>;

  PostgresqlStore(const PostgresqlOptions& options, const Clock& clock, Address address,
                  RoundTrips round_trips, std::vector<std::string> warnings);

  /// Queues `work(connection)`, which returns a Result<T> or throws PostgresqlFailure.
  template <class T, class Work>
  void run(Done<Result<T>> done, Work work);
  /// As `run`, for what changes something that the feed tells.
  template <class T, class Work>
  void write(Done<Result<T>> done, Work work);

  /// `sql`, which has to outlive the store, takes app, kind, the old and the new text.
  void reseal(const std::string& sql, const Key& key, Secret from, Secret to,
              Done<Result<bool>> done);
  Result<AcquireOutcome> acquire(PostgresqlConnection& connection,
                                 const LeaseRequest& lease_request);
  template <class Row, class Visit>
  void scan_on(const std::string& sql, Row after, Visit visit, Done<Result<void>> done);

  const Address address_;
  const RoundTrips round_trips_;
  std::atomic<std::uint64_t> listener_round_trips_{0};
  const std::vector<std::string> warnings_;
  PostgresqlFeed feed_;
  ConnectionPool<PostgresqlConnection> pool_;  ///< Last: its threads use all of the above.
};

}  // namespace hufu::store
