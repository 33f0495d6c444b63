#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/store.hpp"
#include "net/redis/redis_client.hpp"
#include "store/cluster.hpp"
#include "store/connection_pool.hpp"
#include "store/redis/redis_feed.hpp"
#include "store/redis/redis_keys.hpp"
#include "store/registry.hpp"
#include "store/seal_ledger.hpp"

namespace hufu::store {

struct RedisOptions {
  net::RedisUri uri;
  std::string name = "hufu";  ///< Of this store among those that share a Redis; see RedisKeys.
  /// A lease and a commit wait until so many replicas have them, for a second at most.
  unsigned wait_replicas = 0;
  /// At least so many changes are remembered for those who follow the feed.
  std::size_t change_log = 100'000;
  PoolOptions pool{};
  net::RedisPatience patience{};
  /// Shared by the stores of one process that are on the same Redis: what one writes the others
  /// know at once. Null: one of its own.
  std::shared_ptr<ChangeSignal> signal{};

  /// What a URI says; its query may hold `prefix` (the name) and `wait_replicas` beside what the
  /// client knows. `password` is that of its user where the URI holds none. Fault::config, without
  /// repeating the URI, if it cannot be read.
  static Result<RedisOptions> from_uri(std::string_view text, const Secret& password);
};

/// A store in a Redis, 6 or later, which nodes on any number of machines may share.
///
/// Every conditional step is one Lua script, so it takes place as a whole or not at all. Leases are
/// judged, and rows stamped, by the server's clock; the one thing that this machine says is that a
/// process of its own is gone, whose lease is then free at once. Acquiring a lease and a commit
/// are one round trip each.
///
/// Durability is what the operator configured: `warnings` says what may be lost,
/// docs/stores/redis.md what that means. Fences never repeat, not even where a failover or a
/// restart lost the latest writes: they follow the server's time. What was lost is noticed, and
/// told by `changes` as "everything".
///
/// What another process wrote is told by `changes` as soon as Redis has passed word of it, a moment
/// after the write was answered; where word is lost, a few seconds later.
class RedisStore final : public TokenStore, public Registry, public SealLedger, public Cluster {
 public:
  /// Connects, and makes what there has to be. Blocks. Fault::store if it cannot be used.
  static Result<std::shared_ptr<RedisStore>> open(RedisOptions options, const Clock& clock);
  /// Does what was asked for (a scan ends early, as failed) and calls every `done`. Not from inside
  /// a `done`.
  ~RedisStore() override;

  /// What an operator should know of how this Redis was set up when it was opened.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// Whether word of changes is being heard at this moment.
  [[nodiscard]] bool is_listening() const { return feed_.is_listening(); }

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
  [[nodiscard]] std::uint64_t unconfirmed() const override { return unconfirmed_; }

 private:
  using Connection = net::RedisConnection;
  using Reply = net::RedisReply;
  using Texts = std::vector<std::string>;

  RedisStore(RedisOptions options, const Clock& clock);

  Result<void> set_up(Connection& connection);
  /// Queues `work(connection)`, which returns a Result<T>; `write` tells the feed of it.
  template <class T, class Work>
  void read(Done<Result<T>> done, Work work);
  template <class T, class Work>
  void write(Done<Result<T>> done, Work work);
  /// A script whose first two arguments are the channel and the length of the log.
  Result<Reply> run_with_log(Connection& connection, const net::RedisScript& script,
                             const Texts& keys, const Texts& arguments) const;
  /// The same where the script answers whether it changed anything.
  void write_if(Done<Result<bool>> done, const net::RedisScript& script, Texts keys,
                Texts arguments);

  Result<AcquireOutcome> acquire(Connection& connection, const LeaseRequest& lease_request);
  Result<WriteOutcome> store(Connection& connection, const Lease& lease, const Record& next);
  void wait_for_replicas(Connection& connection);
  Result<Changes> read_changes(Connection& connection, const std::string& cursor,
                               std::uint64_t notified);
  Result<ClusterView> read_view(Connection& connection) const;
  Result<void> read_leases(Connection& connection, ClusterView& view) const;
  void note(KeyNote note, const char* which, Done<Result<bool>> done);

  /// Visits the hash of every member of a sorted set of equal scores, in the order of the members.
  Result<void> walk(Connection& connection, const std::string& set,
                    const std::function<std::string(std::string_view)>& key_of,
                    std::span<const std::string_view> fields,
                    const std::function<Result<void>(std::string_view, const Reply&)>& visit) const;

  const RedisOptions options_;
  const RedisKeys keys_;
  const std::shared_ptr<ChangeSignal> signal_;
  std::vector<std::string> warnings_;
  std::atomic<std::uint64_t> unconfirmed_ = 0;
  std::atomic<bool> closing_ = false;
  RedisFeed feed_;
  ConnectionPool<Connection> pool_;  ///< Last: its threads use all of the above.
};

}  // namespace hufu::store
