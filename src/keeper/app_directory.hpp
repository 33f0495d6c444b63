#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "hufu/config.hpp"
#include "keeper/async_keeper.hpp"
#include "keeper/records.hpp"
#include "store/registry.hpp"

namespace hufu::keeper {

/// Names the first credential that an app of the platform must have and that is not among these;
/// empty: none is missing.
using MissingCredential =
    std::function<std::string(const std::string& platform, const Credentials&)>;

/// The apps: of the configuration, and in the store; which kinds each keeps, to whom it belongs,
/// and where its credentials are. An app of the configuration hides one of the store by the same
/// name.
///
/// Thread-safety: `info`, `page`, `knows` and `is_secret_of` may be called from any thread;
/// everything else is the keeper's own thread.
class AppDirectory {
 public:
  struct Parts {
    Records& records;
    std::shared_ptr<store::Registry> registry;  ///< None: the apps of the config are all there are.
    /// A server has read everything; a single command asks the store for what it needs.
    bool background = true;
    bool legacy_documents = false;  ///< The store keeps documents for programs before Hufu.
    MissingCredential missing_credential{};  ///< None: any one credential is enough.
  };
  explicit AppDirectory(Parts parts) : parts_(std::move(parts)) {}

  struct Events {
    std::function<void(RowHandle)> added;               ///< A row came, or its issuer changed.
    std::function<void(const Key&, KeyState)> removed;  ///< A row went, with what was known of it.
    /// Other credentials than before: they deserve a try of their own.
    std::function<void(const std::string& app)> credentials_changed;
  };
  void on(Events events) { events_ = std::move(events); }

  // ---- apps of the config
  Result<void> take_config_apps(std::vector<AppConfig> apps);
  /// The config was read again: apps that came, went or changed.
  Task<Result<void>> replace_config_apps(std::vector<AppConfig> apps);
  [[nodiscard]] bool is_from_config(const std::string& app) const {
    return config_credentials_.contains(app);
  }

  // ---- apps of the store
  void take_app(const store::AppRow& app);
  /// Brings an app up to what the store (or the config) says of it; false if that cannot be read.
  Task<bool> reload_app(std::string id);
  /// Makes or replaces an app; credentials that are left out stay. Changes of one app are made one
  /// after the other, so that none takes back what another has saved. That holds for this process:
  /// a registry cannot compare, and of two nodes that put the same app in the same moment the later
  /// one may write a credential as it was before.
  Task<Result<AppInfo>> put(AppConfig app);
  Task<Result<bool>> remove(std::string id);

  // ---- rows
  /// The row of a key; makes the one of a kind that is asked for for the first time.
  Task<Result<RowHandle>> locate(Key key);
  /// The same for a record that was found in the store; empty where its app or kind is unknown.
  std::optional<RowHandle> row_of_record(const Key& key);
  /// Whether the token is renewed ahead though nobody asks for it.
  [[nodiscard]] bool is_kept(RowHandle row) const;
  /// The app that `app` belongs to; empty where it belongs to none.
  [[nodiscard]] std::string parent_of(const std::string& app) const;
  [[nodiscard]] std::vector<std::string> children_of(const std::string& app) const;
  [[nodiscard]] Settings settings_of(const std::string& app) const;
  Task<Result<Credentials>> credentials_of(std::string app);

  // ---- what other threads may ask
  [[nodiscard]] std::optional<AppInfo> info(std::string_view id) const;
  [[nodiscard]] AppPage page(const AppQuery& query, WallTime now) const;
  [[nodiscard]] bool is_secret_of(std::string_view app, std::string_view secret) const;
  [[nodiscard]] bool is_child_of(std::string_view app, std::string_view parent) const;
  /// Ids of the platform's apps that share an account, in order; null if there are none.
  [[nodiscard]] std::shared_ptr<const std::vector<std::string>> apps_of_account(
      std::string_view platform, std::string_view account) const;
  /// The name of the app's platform, good for the life of this object; empty: there is no such app.
  /// Allocates nothing.
  [[nodiscard]] std::string_view platform_of(std::string_view app) const;
  /// Whether the app is one of those that `scope` names.
  [[nodiscard]] bool is_in_scope(const Scope& scope, std::string_view app) const;

  [[nodiscard]] static Error unknown_app(std::string_view app);

 private:
  /// What only some apps have, so that a million plain ones need no room for it.
  struct More {
    Settings settings;                     ///< Where there are others than `endpoint`.
    std::vector<std::string> credentials;  ///< Names, where there are others than `secret`.
    std::string parent;
    std::vector<std::string> keep;
    std::string legacy_document;
    std::string legacy_collection;
  };
  /// Where apps share accounts of their platform: its name, and the account.
  using Account = std::pair<std::string, std::string>;
  struct AccountOrder {
    using is_transparent = void;
    using View = std::pair<std::string_view, std::string_view>;
    bool operator()(const View& a, const View& b) const noexcept { return a < b; }
  };

  Task<void> begin_change(const std::string& id);
  void end_change(const std::string& id);
  Task<Result<AppInfo>> put_alone(AppConfig& app);
  Task<Result<bool>> remove_alone(const std::string& id);
  Result<void> check(const AppConfig& app);
  [[nodiscard]] Result<void> check_credentials(const store::AppRow& app) const;
  [[nodiscard]] Result<void> check_legacy_document(const AppConfig& app) const;
  void put_rows(const std::string& id, std::uint16_t app_class, bool secret_login, bool from_config,
                const store::SecretTag& tag);
  std::pair<Key, KeyState> take_down(RowHandle row);
  void remove_rows(const std::string& id);
  void set_more(const std::string& id, std::optional<More> more);
  /// Files the app under its account; under none where that is empty.
  void set_account(const std::string& id, const AppClass& of, const Settings& settings);
  void take_out_of_account(const std::string& id);
  [[nodiscard]] const More* more_of(std::string_view id) const;
  [[nodiscard]] bool is_in(StateFilter filter, const std::string& app, WallTime now) const;
  [[nodiscard]] AppInfo info_of(std::string id, const AppFacts& facts) const;
  [[nodiscard]] TokenTable& table() const noexcept { return parts_.records.table(); }

  Parts parts_;
  Events events_;
  std::unordered_map<std::string, Credentials> config_credentials_;
  std::map<std::string, More, std::less<>> more_;
  std::map<std::string, std::set<std::string>> children_;
  std::unordered_map<std::string, Account> account_of_;
  std::map<Account, std::shared_ptr<const std::vector<std::string>>, AccountOrder> by_account_;
  /// Apps that are being changed, with those who wait for their turn to change them.
  std::map<std::string, std::deque<Done<bool>>> changing_;
  mutable std::shared_mutex mutex_;  ///< Of more_ and by_account_, which other threads read.
};

}  // namespace hufu::keeper
