#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/store.hpp"
#include "store/cluster.hpp"
#include "store/lease_rule.hpp"
#include "store/registry.hpp"
#include "store/seal_ledger.hpp"

namespace hufu::store {

/// A database that lasts as long as its object: for `hufu dev`, for tests, and for programs that
/// embed Hufu and would rather fetch anew than write a file.
///
/// Every verb calls `done` before it returns, outside the store's lock. What is stored is seen by
/// everybody who holds the object. "Durable" means: until it is destroyed.
class MemoryStore final : public TokenStore, public Registry, public SealLedger, public Cluster {
 public:
  /// Tells of at least the last `change_log` changes.
  explicit MemoryStore(const Clock& clock, std::size_t change_log = 100'000);

  void load(const Key& key, Done<Result<Record>> done) override;
  void acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) override;
  void commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) override;
  void add_in_doubt(const Key& key, InDoubtCall in_doubt_call, Done<Result<void>> done) override;
  void changes(std::string cursor, Done<Result<Changes>> done) override;
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
  struct Slot {
    Record record;
    LeaseState lease;
    std::vector<InDoubtCall> unseen_in_doubt;  ///< Added since the lease was acquired.
  };
  WriteOutcome store(const Lease& lease, Record next);
  template <class Find>
  bool swap(const Key& changed, const Secret& from, Secret to, Find find);
  /// Notes a change of a token (app and kind), an app (no kind) or the API keys (neither).
  std::uint64_t append_change(Key what);

  const Clock& clock_;
  const std::size_t change_log_;
  std::mutex mutex_;  ///< Guards all below.
  std::map<Key, Slot> slots_;
  std::map<std::string, AppRow> apps_;
  std::map<std::string, ApiKeyRow> keys_;
  std::vector<KeyNote> notes_;
  std::map<std::string, NodeRow> nodes_;
  std::deque<Key> log_;  ///< The latest changes, the last of them number `sequence_`.
  std::uint64_t sequence_ = 0;
};

}  // namespace hufu::store
