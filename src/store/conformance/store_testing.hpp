#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "hufu/store.hpp"
#include "store/blocking.hpp"
#include "store/cluster.hpp"
#include "store/registry.hpp"
#include "store/seal_ledger.hpp"

/// Every verb as a plain blocking call that fails the test where the store fails, and records to
/// try them on.
namespace hufu::store::testing {

inline constexpr Milliseconds kLease = std::chrono::seconds(30);

/// The value, or a failed test and a default.
template <class T>
T must(Result<T> result) {
  if (result) {
    if constexpr (std::is_void_v<T>) {
      return;
    } else {
      return std::move(*result);
    }
  }
  ADD_FAILURE() << result.error().message << " (" << result.error().next_step << ")";
  return T();
}

/// The value; ends the program where there is none and no default could stand in.
template <class T>
T must_value(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().message << " (" << result.error().next_step << ")";
    std::abort();
  }
  return std::move(*result);
}

inline Result<Record> try_load(TokenStore& store, const Key& key) {
  return await<Result<Record>>([&](auto done) { store.load(key, done); });
}
inline Record load(TokenStore& store, const Key& key) { return must(try_load(store, key)); }

inline LeaseRequest lease_request(const Key& key, std::uint64_t seen, WallTime called_at,
                                  std::string holder = "node-a") {
  return {key, seen, std::move(holder), kLease, {called_at, called_at + std::chrono::minutes(5)},
          {}};
}

inline Result<AcquireOutcome> try_acquire(TokenStore& store, LeaseRequest lease_request) {
  return await<Result<AcquireOutcome>>(
      [&](auto done) { store.acquire_lease(std::move(lease_request), std::move(done)); });
}
inline AcquireOutcome acquire(TokenStore& store, LeaseRequest lease_request) {
  return must(try_acquire(store, std::move(lease_request)));
}
/// The same where the lease must be free.
inline Acquired granted(TokenStore& store, LeaseRequest what) {
  AcquireOutcome outcome = acquire(store, std::move(what));
  if (auto* granted = std::get_if<Acquired>(&outcome)) return std::move(*granted);
  ADD_FAILURE() << "not granted";
  return {};
}

inline Result<WriteOutcome> try_commit(TokenStore& store, const Lease& lease, Record next) {
  return await<Result<WriteOutcome>>(
      [&](auto done) { store.commit(lease, std::move(next), std::move(done)); });
}
inline WriteOutcome commit(TokenStore& store, const Lease& lease, Record next) {
  return must(try_commit(store, lease, std::move(next)));
}
inline void add_in_doubt(TokenStore& store, const Key& key, InDoubtCall in_doubt_call) {
  must(await<Result<void>>(
      [&](auto done) { store.add_in_doubt(key, in_doubt_call, std::move(done)); }));
}
inline Changes changes(TokenStore& store, std::string cursor) {
  return must(await<Result<Changes>>(
      [&](auto done) { store.changes(std::move(cursor), std::move(done)); }));
}
inline std::vector<std::pair<Key, Record>> scan(TokenStore& store) {
  std::vector<std::pair<Key, Record>> found;
  must(await<Result<void>>([&](auto done) {
    store.scan(
        [&](Key key, Record record) { found.emplace_back(std::move(key), std::move(record)); },
        std::move(done));
  }));
  return found;
}

inline std::vector<KeyNote> noted_keys(SealLedger& ledger) {
  return must(await<Result<std::vector<KeyNote>>>([&](auto done) { ledger.noted_keys(done); }));
}
inline void note_key(SealLedger& ledger, KeyNote note) {
  must(await<Result<void>>([&](auto done) { ledger.note_key(std::move(note), std::move(done)); }));
}
inline bool note_first_key(SealLedger& ledger, KeyNote note) {
  return must(await<Result<bool>>(
      [&](auto done) { ledger.note_first_key(std::move(note), std::move(done)); }));
}
inline bool reseal_token(SealLedger& ledger, const Key& key, std::string_view from,
                         std::string_view to) {
  return must(await<Result<bool>>(
      [&](auto done) { ledger.reseal_token(key, Secret(from), Secret(to), std::move(done)); }));
}
inline bool reseal_refresh_token(SealLedger& ledger, const Key& key, std::string_view from,
                                 std::string_view to) {
  return must(await<Result<bool>>([&](auto done) {
    ledger.reseal_refresh_token(key, Secret(from), Secret(to), std::move(done));
  }));
}
inline bool reseal_credential(SealLedger& ledger, const std::string& app, std::string_view name,
                              std::string_view from, std::string_view to) {
  return must(await<Result<bool>>([&](auto done) {
    ledger.reseal_credential(app, std::string(name), Secret(from), Secret(to), std::move(done));
  }));
}

inline void announce(Cluster& cluster, NodeRow node,
                     Milliseconds forget = std::chrono::minutes(10)) {
  must(await<Result<void>>(
      [&](auto done) { cluster.announce(std::move(node), forget, std::move(done)); }));
}
inline void leave(Cluster& cluster, const std::string& name) {
  must(await<Result<void>>([&](auto done) { cluster.leave(name, std::move(done)); }));
}
inline ClusterView view(Cluster& cluster) {
  return must(await<Result<ClusterView>>([&](auto done) { cluster.view(std::move(done)); }));
}
/// What the database's clock says, where it has one.
inline std::optional<WallTime> time_of(TokenStore& store) {
  return must(await<Result<std::optional<WallTime>>>([&](auto done) { store.time(done); }));
}

inline void put_app(Registry& registry, AppRow app) {
  must(await<Result<void>>([&](auto done) { registry.put_app(std::move(app), done); }));
}
inline std::optional<AppRow> load_app(Registry& registry, const std::string& id) {
  return must(await<Result<std::optional<AppRow>>>(
      [&](auto done) { registry.load_app(id, std::move(done)); }));
}
inline bool remove_app(Registry& registry, const std::string& id) {
  return must(await<Result<bool>>([&](auto done) { registry.remove_app(id, done); }));
}
inline std::vector<AppRow> scan_apps(Registry& registry) {
  std::vector<AppRow> found;
  must(await<Result<void>>([&](auto done) {
    registry.scan_apps([&](AppRow app) { found.push_back(std::move(app)); }, std::move(done));
  }));
  return found;
}
inline bool put_key(Registry& registry, ApiKeyRow key) {
  return must(await<Result<bool>>([&](auto done) { registry.put_key(std::move(key), done); }));
}
inline bool revoke_key(Registry& registry, const std::string& name) {
  return must(await<Result<bool>>([&](auto done) { registry.revoke_key(name, done); }));
}
inline std::vector<ApiKeyRow> list_keys(Registry& registry) {
  return must(await<Result<std::vector<ApiKeyRow>>>([&](auto done) { registry.list_keys(done); }));
}

/// A first token such as a keeper would commit after `base` was granted.
inline Record next_token(const Record& base, std::string_view value, WallTime now) {
  Record next;
  next.token = Token{Secret(value), now, now + std::chrono::hours(2), "wechat/stable/access_token"};
  next.revision = base.revision + 1;
  next.renew_at = now + std::chrono::minutes(90);
  return next;
}

/// Acquires a lease and commits a token; returns what is stored then.
inline Record put_token(TokenStore& store, const Key& key, std::string_view value, WallTime now) {
  Record before = load(store, key);
  Acquired grant = granted(store, lease_request(key, before.revision, now));
  EXPECT_EQ(commit(store, grant.lease, next_token(grant.record, value, now)),
            WriteOutcome::written);
  return load(store, key);
}

inline AppRow app_row(std::string id, std::string_view secret) {
  AppRow app;
  app.id = std::move(id);
  app.platform = "wechat";
  app.settings["endpoint"] = "stable";
  app.credentials.emplace(kSecret, Secret(secret));
  app.tag[0] = 7;
  return app;
}

}  // namespace hufu::store::testing
