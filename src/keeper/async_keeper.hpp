#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/issuer.hpp"
#include "hufu/keeper.hpp"
#include "hufu/store.hpp"
#include "keeper/token_view.hpp"
#include "store/cluster.hpp"
#include "store/registry.hpp"

namespace hufu::keeper {

/// A token that was refused, named by its value or by its fingerprint.
using Refused = std::variant<Secret, Fingerprint>;

/// The token that somebody has, for `AsyncKeeper::wait`.
struct Seen {
  std::uint64_t revision = 0;
  Fingerprint fingerprint{};
  bool operator==(const Seen&) const = default;
};

/// A token that an operator renewed.
struct Refreshed {
  Grant grant;
  /// Until when the ones before it work; empty where they do not any more, or there were none.
  std::optional<WallTime> older_work_until{};
};

/// An app as the keeper knows it; its credentials stay where they are kept.
struct AppInfo {
  std::string id;
  std::string platform;
  Settings settings{};
  std::vector<std::string> credentials{};  ///< Their names, in order.
  std::string parent{};
  std::vector<std::string> keep{};
  bool secret_login = true;
  bool from_config = false;  ///< In the config file or environment: cannot be put or removed.
  /// The document that programs other than Hufu read, and its collection; both empty: none.
  std::string legacy_document{};
  std::string legacy_collection{};
};

/// Which rows a page of a list shows. States are those of an app's main kind.
enum class StateFilter { any, fresh, stale, unusable, missing, failing };

/// What somebody may see: apps by their ids, and all children of an app by its id and a slash
/// ("wx1", "wxcomponent/"). Empty: everything.
using Scope = std::vector<std::string>;

/// Which apps a page shows: those after `after`, in order of id.
struct AppQuery {
  std::string after{};
  std::size_t limit = 100;
  std::string platform{};  ///< Empty: any.
  std::string parent{};    ///< Empty: any.
  std::string part{};      ///< Of the id; empty: any.
  StateFilter state = StateFilter::any;
  Scope scope{};
};
struct AppPage {
  std::vector<AppInfo> apps;
  std::string next{};  ///< What to ask `after` for the next page; empty: there is none.
};

/// Which tokens a page shows: those after `after`, in order of app and kind.
struct StatusQuery {
  std::string after{};      ///< `StatusPage::next` of the page before.
  std::size_t limit = 100;  ///< 0: the counts alone.
  std::string app{};        ///< Empty: any.
  StateFilter state = StateFilter::any;
  Scope scope{};  ///< The counts are those of the scope, too.
};
/// How many tokens are in which state; `failing` ones are counted in their state as well.
struct TokenCounts {
  std::uint64_t fresh = 0;
  std::uint64_t stale = 0;
  std::uint64_t unusable = 0;
  std::uint64_t missing = 0;
  std::uint64_t failing = 0;
};
struct StatusPage {
  TokenCounts counts;
  std::vector<TokenStatus> tokens;
  std::string next{};  ///< Empty: there is no further page.
};

/// How well the keeper is, for health checks.
struct Health {
  bool started = false;   ///< Everything in the store has been read.
  bool store_ok = false;  ///< The store was read and written when it was last tried.
  std::size_t apps = 0;
  std::size_t usable = 0;            ///< Apps whose main token can be handed out.
  std::vector<std::string> without;  ///< Apps without a usable one: the first 100, sorted.
};

/// What `hufu status` shows.
struct Status {
  StatusPage page;
  store::ClusterView cluster;  ///< Who shares the store; `now` goes with all times in here.
  bool store_ok = true;        ///< As in Health.
};

/// The keeper's one interface: nothing blocks, everything is answered through `done`, on the
/// keeper's own thread. What blocks (`hufu::Keeper`, the commands) is a thin adaptor over it.
/// An empty kind in a Key stands for the main kind of the app's platform.
///
/// Thread-safety: all members may be called from any thread.
class AsyncKeeper {
 public:
  virtual ~AsyncKeeper() = default;

  /// The hot path: if the key's token is fresh, or stale and what is wished for, calls
  /// `use(TokenView)` under a shared lock and returns true. Allocates nothing. False: call `get`.
  template <class Use>
  bool read(std::string_view app, std::string_view kind, Wish wish, Use&& use) const {
    return read(
        app, kind, wish,
        [](void* target, const TokenView& view) {
          (*static_cast<std::remove_reference_t<Use>*>(target))(view);
        },
        &use);
  }
  virtual bool read(std::string_view app, std::string_view kind, Wish wish,
                    void (*use)(void*, const TokenView&), void* target) const = 0;

  /// Fault::unknown_app where there is no such app, Fault::unknown_kind where its platform has no
  /// such kind.
  virtual void get(Key key, Wish wish, Done<Result<Grant>> done) = 0;
  virtual void report(Key key, Refused refused, Done<Result<Report>> done) = 0;
  virtual void refresh(Key key, Done<Result<Refreshed>> done) = 0;
  /// A hint that the current token may be dead: it is probed, unless that was done a moment ago (at
  /// most once a minute for an app, twice as long after each probe that said alive, up to ten
  /// minutes), and renewed if it is. Answers with the usable token after `patience` at the latest.
  virtual void recheck(Key key, Milliseconds patience, Done<Result<Grant>> done) = 0;
  /// Answers as soon as the usable token of `key` is not the one that was seen, or with an empty
  /// Grant when `patience` is over. Fault::unknown_app as soon as the app is gone.
  virtual void wait(Key key, Seen seen, Milliseconds patience,
                    Done<Result<std::optional<Grant>>> done) = 0;
  /// Every `wait` is answered empty at once; who still may, asks again.
  virtual void interrupt_waits() = 0;
  /// As `interrupt_waits`, and those that come later are answered at once, too: for a process that
  /// is about to stop.
  virtual void end_waits() = 0;
  /// Answers true as soon as everything in the store has been read after the start, at once where
  /// it has been; false when `patience` is over.
  virtual void when_started(Milliseconds patience, Done<bool> done) = 0;
  /// Lets the platform judge the app's credentials, whatever is stored, by a call that displaces
  /// nothing; where the platform has none, by a probe of the token that they brought, or by a
  /// renewal where there is no such token.
  virtual void try_credentials(std::string app, Done<Result<void>> done) = 0;

  /// Whose token this is: calls `use(app, kind)` under a shared lock and returns true if `token` is
  /// one that was handed out, the current one or an older one whose promise has not ended. The full
  /// value is compared, in constant time. Allocates nothing.
  template <class Use>
  bool owner_of(std::string_view token, Use&& use) const {
    return owner_of(
        token,
        [](void* target, std::string_view app, std::string_view kind) {
          (*static_cast<std::remove_reference_t<Use>*>(target))(app, kind);
        },
        &use);
  }
  virtual bool owner_of(std::string_view token,
                        void (*use)(void*, std::string_view app, std::string_view kind),
                        void* target) const = 0;
  /// Whether `secret` is the real secret of `app`, and the app lets it open the drop-in routes.
  /// Constant time in the secret; takes no lock that a renewal holds.
  [[nodiscard]] virtual bool is_secret_of(std::string_view app, std::string_view secret) const = 0;
  [[nodiscard]] virtual bool knows(std::string_view app) const = 0;
  /// Whether there is such an app, and it belongs to `parent`. Allocates nothing.
  [[nodiscard]] virtual bool is_child_of(std::string_view app, std::string_view parent) const = 0;
  /// The name of the app's platform, good for the life of the keeper; empty: there is no such app.
  /// Allocates nothing.
  [[nodiscard]] virtual std::string_view platform_of(std::string_view app) const = 0;
  /// Ids of the platform's apps that share one account of it (agents of one corporation), in order;
  /// null if there are none. Allocates nothing.
  [[nodiscard]] virtual std::shared_ptr<const std::vector<std::string>> apps_of_account(
      std::string_view platform, std::string_view account) const = 0;
  [[nodiscard]] virtual std::optional<AppInfo> app(std::string_view id) const = 0;
  [[nodiscard]] virtual AppPage apps(const AppQuery& query) const = 0;
  /// Durable once `done` reports success. Fault::usage for an app of the config file, Fault::config
  /// for an unknown platform, kind or setting. Of an app that exists, credentials that are left out
  /// stay as they are.
  virtual void put_app(AppConfig app, Done<Result<AppInfo>> done) = 0;
  virtual void remove_app(std::string id, Done<Result<bool>> done) = 0;

  virtual void status(StatusQuery query, Done<Result<StatusPage>> done) = 0;
  /// Who shares the store, and who holds which lease; empty where the store cannot tell.
  virtual void cluster(Done<Result<store::ClusterView>> done) = 0;
  [[nodiscard]] virtual Health health() const = 0;
};

}  // namespace hufu::keeper
