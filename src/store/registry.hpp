#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/secret.hpp"
#include "hufu/store.hpp"

namespace hufu::store {

/// Recognises an app's secret without holding it: the first 16 bytes of an HMAC under the local
/// key.
using SecretTag = std::array<std::uint8_t, 16>;

/// An app that is kept in the store, beside those of the config file.
struct AppRow {
  std::string id;
  std::string platform;
  std::string parent{};
  Settings settings{};
  /// Sealed one by one in a raw registry, plain above a SealedRegistry. From a scan the names stand
  /// here with empty texts.
  Credentials credentials{};
  std::vector<std::string> keep{};
  bool secret_login = true;
  SecretTag tag{};        ///< Of the credential "secret"; zero where the app has none.
  WallTime created_at{};  ///< Set by the registry on the first write.
  WallTime updated_at{};  ///< Set by the registry on every write.
  /// As in AppConfig; kept by a MongoDB store.
  std::string legacy_document{};
  std::string legacy_collection{};
};

/// What a key of a business server may do.
struct Rights {
  bool read = false;
  bool report = false;
  bool refresh = false;
  bool gateway = false;
  bool admin = false;
  bool see = false;  ///< The status without tokens; `read` includes it.
  bool operator==(const Rights&) const = default;
};

/// A key of a business server; only its hash is kept.
struct ApiKeyRow {
  std::string name;
  std::array<std::uint8_t, 32> hash{};  ///< SHA-256 of the whole key.
  std::vector<std::string> apps;  ///< Ids, and "PARENT/" for all children of an app; empty: all.
  Rights rights;
  WallTime created_at{};  ///< Set by the registry.
  /// What the platforms' own routes add to the `expires_in` that they answer this key with, for an
  /// SDK that takes as much off again; at most an hour.
  std::chrono::seconds margin{0};
};

/// Apps and API keys in the database. The same promises as TokenStore: success is durable, `done`
/// comes exactly once on any thread, nothing blocks. Changes appear in `TokenStore::changes`.
class Registry {
 public:
  virtual ~Registry() = default;

  /// Makes or replaces an app. Its failure (backoff) is forgotten, its tokens are kept.
  virtual void put_app(AppRow app, Done<Result<void>> done) = 0;
  /// With secret; empty if there is none.
  virtual void load_app(const std::string& id, Done<Result<std::optional<AppRow>>> done) = 0;
  /// Removes an app and its tokens, leases included; false, and nothing is changed, if there is no
  /// such app (the tokens of an app of the config file are nobody's to remove here).
  virtual void remove_app(const std::string& id, Done<Result<bool>> done) = 0;
  /// Every app, without its secret, in no order; `visit` runs on one thread at a time.
  virtual void scan_apps(std::function<void(AppRow&&)> visit, Done<Result<void>> done) = 0;

  /// False, and nothing is changed, if there is a key of that name.
  virtual void put_key(ApiKeyRow key, Done<Result<bool>> done) = 0;
  /// False if there was none.
  virtual void revoke_key(const std::string& name, Done<Result<bool>> done) = 0;
  /// In order of name.
  virtual void list_keys(Done<Result<std::vector<ApiKeyRow>>> done) = 0;
};

}  // namespace hufu::store
