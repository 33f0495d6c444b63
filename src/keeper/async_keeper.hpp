#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/issuer.hpp"
#include "hufu/keeper.hpp"
#include "hufu/store.hpp"
#include "keeper/token_table.hpp"
#include "store/cluster.hpp"
#include "store/registry.hpp"

namespace hufu::keeper {

/// A token that was refused, named by its value or by its fingerprint.
using Refused = std::variant<Secret, Fingerprint>;

/// An app as the keeper knows it; its secret stays where it is kept.
struct AppInfo {
  std::string id;
  std::string platform;
  std::string endpoint;
  bool secret_login = true;
  bool from_config = false;  ///< In the config file or environment: cannot be put or removed.
  /// The document that programs other than Hufu read, and its collection; both empty: none.
  std::string legacy_document{};
  std::string legacy_collection{};
};

/// How well the keeper is, for health checks.
struct Health {
  bool started = false;   ///< Everything in the store has been read.
  bool store_ok = false;  ///< The store was read and written when it was last tried.
  std::size_t apps = 0;
  std::size_t usable = 0;            ///< Apps whose access token can be handed out.
  std::vector<std::string> without;  ///< Apps without a usable one: the first 100, sorted.
};

/// What `hufu status` shows.
struct Status {
  std::vector<TokenStatus> tokens;  ///< Sorted by key.
  store::ClusterView cluster;       ///< Who shares the store; `now` goes with all times in here.
  bool store_ok = true;             ///< As in Health.
};

/// The keeper as the server uses it: nothing blocks, everything is answered through `done`, on the
/// keeper's own thread. Thread-safety: all members may be called from any thread.
class AsyncKeeper {
 public:
  virtual ~AsyncKeeper() = default;

  /// The hot path: if the key's token is fresh, or stale and promised for `min_ttl` seconds, calls
  /// `use(TokenView)` under a shared lock and returns true. Allocates nothing. False: call `get`.
  template <class Use>
  bool read(std::string_view app, std::string_view kind, std::int64_t min_ttl, Use&& use) const {
    return read(
        app, kind, min_ttl,
        [](void* target, const TokenView& view) {
          (*static_cast<std::remove_reference_t<Use>*>(target))(view);
        },
        &use);
  }
  virtual bool read(std::string_view app, std::string_view kind, std::int64_t min_ttl,
                    void (*use)(void*, const TokenView&), void* target) const = 0;

  virtual void get(Key key, std::chrono::seconds min_ttl, Done<Result<Grant>> done) = 0;
  virtual void report(Key key, Refused refused, Done<Result<Report>> done) = 0;
  virtual void refresh(Key key, Done<Result<Grant>> done) = 0;
  /// Answers as soon as the revision of `key` is not `seen` and its token is usable, or with an
  /// empty Grant when `patience` is over.
  virtual void wait(Key key, std::uint64_t seen, Milliseconds patience,
                    Done<Result<std::optional<Grant>>> done) = 0;
  /// Every `wait` is answered empty at once, and those that come later too: for a process that is
  /// about to stop, so that nobody's patience holds it up.
  virtual void end_waits() = 0;

  /// Whether `secret` is the real secret of `app`, and the app lets it open the drop-in routes.
  /// Constant time in the secret; takes no lock that a renewal holds.
  [[nodiscard]] virtual bool is_secret_of(std::string_view app, std::string_view secret) const = 0;
  [[nodiscard]] virtual bool knows(std::string_view app) const = 0;
  [[nodiscard]] virtual std::optional<AppInfo> app(std::string_view id) const = 0;
  /// Apps in order of id, at most `limit`, those after `after`.
  [[nodiscard]] virtual std::vector<AppInfo> apps(std::string_view after,
                                                  std::size_t limit) const = 0;
  /// Durable once `done` reports success. Fault::usage for an app of the config file, Fault::config
  /// for an unknown platform or endpoint. An app that exists may be put without its secret (empty):
  /// the old one stays.
  virtual void put_app(AppConfig app, Done<Result<AppInfo>> done) = 0;
  virtual void remove_app(std::string id, Done<Result<bool>> done) = 0;

  virtual void status(Done<Result<std::vector<TokenStatus>>> done) = 0;
  /// Who shares the store, and who holds which lease; empty where the store cannot tell.
  virtual void cluster(Done<Result<store::ClusterView>> done) = 0;
  [[nodiscard]] virtual Health health() const = 0;
};

}  // namespace hufu::keeper
