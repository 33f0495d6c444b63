#include "keeper/app_directory.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "keeper/await.hpp"

namespace hufu::keeper {
namespace {

constexpr std::string_view kEndpoint = "endpoint";

std::vector<std::string> names_of(const Credentials& credentials) {
  std::vector<std::string> names;
  for (const auto& [name, secret] : credentials) names.push_back(name);
  return names;
}

bool is_plain(const Settings& settings) {
  return settings.empty() || (settings.size() == 1 && settings.begin()->first == kEndpoint);
}

bool is_plain(const Credentials& credentials) {
  return credentials.size() == 1 && credentials.begin()->first == kSecret;
}

}  // namespace

// ---- apps of the config

Result<void> AppDirectory::take_config_apps(std::vector<AppConfig> apps) {
  std::unordered_map<std::string, Credentials> credentials;
  std::vector<std::pair<AppConfig*, std::uint16_t>> accepted;
  for (AppConfig& app : apps) {
    const auto app_class = parts_.records.issuers().class_of(
        app.platform, std::string(setting(app.settings, kEndpoint)));
    if (!app_class) return tl::unexpected(app_class.error());
    if (auto checked = check(app); !checked) return checked;
    accepted.emplace_back(&app, *app_class);
    credentials.emplace(app.id, clone(app.credentials));
  }
  for (const auto& [id, before] : std::exchange(config_credentials_, std::move(credentials))) {
    if (!config_credentials_.contains(id)) remove_rows(id);
  }
  for (const auto& [app, app_class] : accepted) {
    set_account(app->id, parts_.records.issuers().app_class(app_class), app->settings);
    set_more(app->id, More{std::move(app->settings), names_of(app->credentials),
                           std::move(app->parent), std::move(app->keep),
                           std::move(app->legacy_document), std::move(app->legacy_collection)});
    const Secret& secret = credential(app->credentials, kSecret);
    put_rows(app->id, app_class, app->secret_login, true,
             secret.empty() ? store::SecretTag{}
                            : parts_.records.sealer().tag(app->id, secret.reveal()));
  }
  return {};
}

Task<Result<void>> AppDirectory::replace_config_apps(std::vector<AppConfig> apps) {
  std::set<std::string> concerned;
  for (const auto& [id, credentials] : config_credentials_) concerned.insert(id);
  for (const AppConfig& app : apps) concerned.insert(app.id);
  auto taken = take_config_apps(std::move(apps));
  if (!taken) co_return taken;
  // An app that left the file may still be in the store; one that came may have tokens there.
  for (const std::string& id : concerned) co_await reload_app(id);
  co_return Result<void>();
}

/// What cannot be checked without knowing the platform's kinds and the store.
Result<void> AppDirectory::check(const AppConfig& app) {
  const auto app_class = parts_.records.issuers().class_of(
      app.platform, std::string(setting(app.settings, kEndpoint)));
  if (!app_class) return tl::unexpected(app_class.error());
  for (const std::string& kind : app.keep) {
    auto issuer = parts_.records.issuers().issuer_of(*app_class, kind);
    if (!issuer) return tl::unexpected(issuer.error());
  }
  return {};
}

Result<void> AppDirectory::check_legacy_document(const AppConfig& app) const {
  const std::string& collection = app.legacy_collection;
  if (app.legacy_document.empty() && !collection.empty()) {
    return fail(Fault::usage, "legacy_collection names no document",
                "add legacy_document, like \"access_token\"");
  }
  if (collection.starts_with("hufu_") || collection.starts_with("system.") ||
      collection.find('$') != std::string::npos) {
    return fail(Fault::usage, "legacy_collection is not a collection of another program",
                "name the one that the program reads, like \"tokens\"");
  }
  if (!app.legacy_document.empty() && !parts_.legacy_documents) {
    return fail(Fault::usage, "this store keeps no legacy document",
                "leave legacy_document out, or use a MongoDB store");
  }
  return {};
}

/// Whether the app, with what it had before, has the credentials that it cannot do without.
Result<void> AppDirectory::check_credentials(const store::AppRow& app) const {
  std::string missing;
  if (parts_.missing_credential) {
    missing = parts_.missing_credential(app.platform, app.credentials);
  } else if (app.credentials.empty()) {
    missing = kSecret;
  }
  if (missing.empty()) return {};
  return fail(Fault::usage, "app " + app.id + " needs its " + missing,
              "send it as \"" + missing + "\"");
}

// ---- apps of the store

void AppDirectory::take_app(const store::AppRow& app) {
  if (is_from_config(app.id)) return;
  const auto app_class = parts_.records.issuers().class_of(
      app.platform, std::string(setting(app.settings, kEndpoint)));
  if (!app_class) return;
  std::optional<More> more;
  if (!is_plain(app.settings) || !is_plain(app.credentials) || !app.parent.empty() ||
      !app.keep.empty() || !app.legacy_document.empty()) {
    more = More{app.settings, names_of(app.credentials), app.parent,
                app.keep,     app.legacy_document,       app.legacy_collection};
  }
  set_account(app.id, parts_.records.issuers().app_class(*app_class), app.settings);
  set_more(app.id, std::move(more));
  put_rows(app.id, *app_class, app.secret_login, false, app.tag);
}

Task<bool> AppDirectory::reload_app(std::string id) {
  if (!is_from_config(id)) {
    if (!parts_.registry) {
      remove_rows(id);
      co_return true;
    }
    const SteadyTime asked = parts_.records.loop().clock().steady();
    auto app = co_await await<Result<std::optional<store::AppRow>>>(
        [&](auto done) { parts_.registry->load_app(id, std::move(done)); });
    parts_.records.health().record_read(app ? nullptr : &app.error(), asked);
    if (!app) co_return false;
    if (is_from_config(id)) co_return true;
    if (!*app) {
      remove_rows(id);
      co_return true;
    }
    take_app(**app);
  }
  bool read = true;
  for (const RowHandle row : table().rows_of(id)) {
    read = co_await parts_.records.reload(row) && read;
  }
  co_return read;
}

/// Returns when nobody else changes the app; `end_change` lets the next one in.
Task<void> AppDirectory::begin_change(const std::string& id) {
  if (changing_.try_emplace(id).second) co_return;
  co_await await<bool>([&](Done<bool> turn) { changing_[id].push_back(std::move(turn)); });
}

void AppDirectory::end_change(const std::string& id) {
  const auto changing = changing_.find(id);
  if (changing->second.empty()) {
    changing_.erase(changing);
    return;
  }
  const Done<bool> turn = std::move(changing->second.front());
  changing->second.pop_front();
  turn(true);
}

Task<Result<AppInfo>> AppDirectory::put(AppConfig app) {
  const std::string id = app.id;
  co_await begin_change(id);
  auto put = co_await put_alone(app);
  end_change(id);
  co_return std::move(put);
}

Task<Result<AppInfo>> AppDirectory::put_alone(AppConfig& app) {
  if (is_from_config(app.id)) {
    co_return fail(Fault::usage, "app " + app.id + " stands in the config",
                   "change it there, and reload with SIGHUP");
  }
  if (!parts_.registry) {
    co_return fail(Fault::store, "this store keeps no apps", "name them in the config");
  }
  if (auto checked = check(app); !checked) co_return tl::unexpected(checked.error());
  if (auto checked = check_legacy_document(app); !checked) {
    co_return tl::unexpected(checked.error());
  }
  auto present = co_await await<Result<std::optional<store::AppRow>>>(
      [&](auto done) { parts_.registry->load_app(app.id, std::move(done)); });
  if (!present) co_return tl::unexpected(present.error());

  store::AppRow row;
  row.id = app.id;
  row.platform = std::move(app.platform);
  row.parent = std::move(app.parent);
  row.settings = std::move(app.settings);
  row.credentials = std::move(app.credentials);
  row.keep = std::move(app.keep);
  row.secret_login = app.secret_login;
  row.legacy_document = std::move(app.legacy_document);
  row.legacy_collection = std::move(app.legacy_collection);
  if (*present) {
    // Those that were left out stay; the ones that came are in place already.
    for (auto& [name, secret] : (*present)->credentials) {
      row.credentials.try_emplace(name, std::move(secret));
    }
  }
  if (auto checked = check_credentials(row); !checked) {
    co_return tl::unexpected(checked.error());
  }
  if (const Secret& secret = credential(row.credentials, kSecret); !secret.empty()) {
    row.tag = parts_.records.sealer().tag(row.id, secret.reveal());
  }
  auto written = co_await await<Result<void>>(
      [&](auto done) { parts_.registry->put_app(std::move(row), std::move(done)); });
  parts_.records.health().written(written ? nullptr : &written.error());
  if (!written) co_return tl::unexpected(written.error());
  co_await reload_app(app.id);
  auto put = info(app.id);
  if (!put) co_return tl::unexpected(unknown_app(app.id));
  co_return std::move(*put);
}

Task<Result<bool>> AppDirectory::remove(std::string id) {
  co_await begin_change(id);
  auto removed = co_await remove_alone(id);
  end_change(id);
  co_return std::move(removed);
}

Task<Result<bool>> AppDirectory::remove_alone(const std::string& id) {
  if (is_from_config(id)) {
    co_return fail(Fault::usage, "app " + id + " stands in the config",
                   "take it out there, and reload with SIGHUP");
  }
  if (!parts_.registry) co_return false;
  auto removed = co_await await<Result<bool>>(
      [&](auto done) { parts_.registry->remove_app(id, std::move(done)); });
  parts_.records.health().written(removed ? nullptr : &removed.error());
  if (removed && !is_from_config(id)) remove_rows(id);
  co_return std::move(removed);
}

// ---- rows

void AppDirectory::put_rows(const std::string& id, std::uint16_t app_class, bool secret_login,
                            bool from_config, const store::SecretTag& tag) {
  Issuers& issuers = parts_.records.issuers();
  const auto before = table().facts(id);
  const AppClass& of = issuers.app_class(app_class);
  // With another main kind the old main row goes, and so does one that was of the new kind.
  std::vector<std::pair<Key, KeyState>> gone;
  const auto old_main = before ? table().find(Key{id, {}}) : std::nullopt;
  if (old_main && table().key(*old_main).kind != of.main_kind) {
    gone.push_back(take_down(*old_main));
    if (const auto same_kind = table().find(Key{id, of.main_kind})) {
      gone.push_back(take_down(*same_kind));
    }
  }
  const RowHandle main =
      table().put_app(id, {app_class, secret_login, from_config, tag}, of.main_kind);
  table().set_issuer(main, of.main_issuer);
  const More* const more = more_of(id);
  if (!before && more == nullptr) {
    // A plain app that comes has this row only: nearly all of a million when a server starts.
    if (events_.added) events_.added(main);
    return;
  }
  if (more != nullptr) {
    for (const std::string& kind : more->keep) {
      if (kind != of.main_kind) table().put(Key{id, kind});
    }
  }
  for (const RowHandle row : table().rows_of(id)) {
    if (row != main) {
      const auto issuer = issuers.issuer_of(app_class, table().key(row).kind);
      if (!issuer) {
        // The app moved to a platform that has no such kind.
        gone.push_back(take_down(row));
        table().remove(row);
        continue;
      }
      table().set_issuer(row, *issuer);
    }
    if (events_.added) events_.added(row);
  }
  for (auto& [key, state] : gone) {
    if (events_.removed) events_.removed(key, std::move(state));
  }
  if (before && before->tag != tag && events_.credentials_changed) events_.credentials_changed(id);
}

/// What was known of a row that is about to go, under its name.
std::pair<Key, KeyState> AppDirectory::take_down(RowHandle row) {
  auto state = parts_.records.states().extract(row);
  return {table().key(row), state ? std::move(*state) : KeyState()};
}

void AppDirectory::remove_rows(const std::string& id) {
  take_out_of_account(id);
  set_more(id, std::nullopt);
  std::vector<std::pair<Key, KeyState>> gone;
  for (const RowHandle row : table().rows_of(id)) gone.push_back(take_down(row));
  table().remove_app(id);
  // Whoever waits finds the row gone. A renewal in flight ends by itself: its fence is gone too.
  for (auto& [key, state] : gone) {
    if (events_.removed) events_.removed(key, std::move(state));
  }
}

Task<Result<RowHandle>> AppDirectory::locate(Key key) {
  if (parts_.background) {
    if (auto row = table().find(key)) co_return *row;
  }
  auto facts = table().facts(key.app);
  if (!facts && parts_.registry && !key.app.empty()) {
    co_await reload_app(key.app);
    facts = table().facts(key.app);
  }
  if (!facts) co_return tl::unexpected(unknown_app(key.app));

  auto row = table().find(key);
  if (!row) {
    const auto issuer = parts_.records.issuers().issuer_of(facts->app_class, key.kind);
    if (!issuer) co_return tl::unexpected(issuer.error());
    row = table().put(key);
    table().set_issuer(*row, *issuer);
  }
  const RowHandle found = *row;
  Key name = table().key(found);
  auto record = co_await parts_.records.load(std::move(name));
  if (!record) co_return tl::unexpected(record.error());
  if (!table().stands(found)) co_return tl::unexpected(unknown_app(key.app));
  parts_.records.apply_record(found, *record);
  co_return found;
}

std::optional<RowHandle> AppDirectory::row_of_record(const Key& key) {
  if (auto row = table().find(key)) return row;
  const auto facts = table().facts(key.app);
  if (!facts) return std::nullopt;
  const auto issuer = parts_.records.issuers().issuer_of(facts->app_class, key.kind);
  if (!issuer) return std::nullopt;
  const RowHandle row = table().put(key);
  table().set_issuer(row, *issuer);
  // Nobody knows whether it is still asked for: it is kept for one life more.
  table().note_asked(row);
  return row;
}

bool AppDirectory::is_kept(RowHandle row) const {
  const Key key = table().key(row);
  const More* more = more_of(key.app);
  if (more == nullptr) return table().state(row)->is_main;
  if (table().state(row)->is_main && more->parent.empty()) return true;
  return std::find(more->keep.begin(), more->keep.end(), key.kind) != more->keep.end();
}

// ---- what is known of an app

void AppDirectory::set_more(const std::string& id, std::optional<More> more) {
  const auto present = more_.find(id);
  if (present == more_.end() && !more) return;
  if (present != more_.end() && !present->second.parent.empty()) {
    const auto family = children_.find(present->second.parent);
    family->second.erase(id);
    if (family->second.empty()) children_.erase(family);
  }
  if (more && !more->parent.empty()) children_[more->parent].insert(id);
  std::unique_lock lock(mutex_);
  if (more) {
    more_.insert_or_assign(id, std::move(*more));
  } else {
    more_.erase(present);
  }
}

void AppDirectory::set_account(const std::string& id, const AppClass& of,
                               const Settings& settings) {
  Account account;
  if (!of.account.empty()) account = {of.platform, std::string(setting(settings, of.account))};
  const auto present = account_of_.find(id);
  if (present == account_of_.end() ? account.second.empty() : present->second == account) return;
  take_out_of_account(id);
  if (account.second.empty()) return;
  account_of_.emplace(id, account);
  std::unique_lock lock(mutex_);
  auto& apps = by_account_[account];
  // Readers may hold the list as it was.
  auto longer = apps ? std::make_shared<std::vector<std::string>>(*apps)
                     : std::make_shared<std::vector<std::string>>();
  longer->insert(std::lower_bound(longer->begin(), longer->end(), id), id);
  apps = std::move(longer);
}

void AppDirectory::take_out_of_account(const std::string& id) {
  const auto present = account_of_.find(id);
  if (present == account_of_.end()) return;
  std::unique_lock lock(mutex_);
  const auto apps = by_account_.find(present->second);
  if (apps->second->size() == 1) {
    by_account_.erase(apps);
  } else {
    auto shorter = std::make_shared<std::vector<std::string>>(*apps->second);
    shorter->erase(std::find(shorter->begin(), shorter->end(), id));
    apps->second = std::move(shorter);
  }
  account_of_.erase(present);
}

const AppDirectory::More* AppDirectory::more_of(std::string_view id) const {
  const auto found = more_.find(id);
  return found == more_.end() ? nullptr : &found->second;
}

std::string AppDirectory::parent_of(const std::string& app) const {
  const More* more = more_of(app);
  return more == nullptr ? std::string() : more->parent;
}

std::vector<std::string> AppDirectory::children_of(const std::string& app) const {
  const auto found = children_.find(app);
  if (found == children_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

Settings AppDirectory::settings_of(const std::string& app) const {
  if (const More* more = more_of(app)) return more->settings;
  const auto info = this->info(app);
  return info ? info->settings : Settings();
}

Task<Result<Credentials>> AppDirectory::credentials_of(std::string app) {
  if (const auto found = config_credentials_.find(app); found != config_credentials_.end()) {
    co_return clone(found->second);
  }
  if (parts_.registry) {
    auto row = co_await await<Result<std::optional<store::AppRow>>>(
        [&](auto done) { parts_.registry->load_app(app, std::move(done)); });
    if (!row) co_return tl::unexpected(row.error());
    if (*row) co_return std::move((*row)->credentials);
  }
  co_return tl::unexpected(unknown_app(app));
}

std::optional<AppInfo> AppDirectory::info(std::string_view id) const {
  const auto facts = table().facts(id);
  if (!facts) return std::nullopt;
  return info_of(std::string(id), *facts);
}

AppInfo AppDirectory::info_of(std::string id, const AppFacts& facts) const {
  const AppClass& of = parts_.records.issuers().app_class(facts.app_class);
  AppInfo info;
  info.id = std::move(id);
  info.platform = of.platform;
  info.secret_login = facts.secret_login;
  info.from_config = facts.from_config;
  std::shared_lock lock(mutex_);
  if (const More* more = more_of(info.id)) {
    info.settings = more->settings;
    info.credentials = more->credentials;
    info.parent = more->parent;
    info.keep = more->keep;
    info.legacy_document = more->legacy_document;
    if (!more->legacy_document.empty()) {
      info.legacy_collection =
          more->legacy_collection.empty() ? kLegacyCollection : more->legacy_collection;
    }
  } else {
    info.credentials = {std::string(kSecret)};
    if (!of.endpoint.empty()) info.settings.emplace(kEndpoint, of.endpoint);
  }
  return info;
}

AppPage AppDirectory::page(const AppQuery& query, WallTime now) const {
  // A page that filters looks at so many apps at most; what it did not get to is for the next.
  constexpr std::size_t kMostLookedAt = 10'000;
  AppPage page;
  std::string after = query.after;
  for (std::size_t looked_at = 0; looked_at < kMostLookedAt;) {
    const auto ids = table().ids_after(after, std::min<std::size_t>(query.limit + 1, 1001));
    for (const std::string& id : ids) {
      if (page.apps.size() == query.limit) {
        page.next = after;
        return page;
      }
      after = id;
      ++looked_at;
      if (!is_in_scope(query.scope, id)) continue;
      if (!query.part.empty() && id.find(query.part) == std::string::npos) continue;
      auto info = this->info(id);
      if (!info) continue;
      if (!query.platform.empty() && info->platform != query.platform) continue;
      if (!query.parent.empty() && info->parent != query.parent) continue;
      if (!is_in(query.state, id, now)) continue;
      page.apps.push_back(std::move(*info));
    }
    if (ids.size() < std::min<std::size_t>(query.limit + 1, 1001)) return page;
  }
  page.next = after;
  return page;
}

bool AppDirectory::is_in(StateFilter filter, const std::string& app, WallTime now) const {
  switch (filter) {
    case StateFilter::any: return true;
    case StateFilter::failing: return parts_.records.is_failing(app);
    case StateFilter::fresh: return table().state_of(app, now) == TokenState::fresh;
    case StateFilter::stale: return table().state_of(app, now) == TokenState::stale;
    case StateFilter::unusable: return table().state_of(app, now) == TokenState::unusable;
    case StateFilter::missing: return table().state_of(app, now) == TokenState::missing;
  }
  return false;
}

bool AppDirectory::is_child_of(std::string_view app, std::string_view parent) const {
  std::shared_lock lock(mutex_);
  const More* more = more_of(app);
  return more != nullptr && !more->parent.empty() && more->parent == parent;
}

std::shared_ptr<const std::vector<std::string>> AppDirectory::apps_of_account(
    std::string_view platform, std::string_view account) const {
  std::shared_lock lock(mutex_);
  const auto found = by_account_.find(AccountOrder::View(platform, account));
  return found == by_account_.end() ? nullptr : found->second;
}

std::string_view AppDirectory::platform_of(std::string_view app) const {
  const auto facts = table().facts(app);
  if (!facts) return {};
  return parts_.records.issuers().app_class(facts->app_class).platform;
}

bool AppDirectory::is_in_scope(const Scope& scope, std::string_view app) const {
  if (scope.empty()) return true;
  return std::any_of(scope.begin(), scope.end(), [&](std::string_view entry) {
    if (!entry.ends_with('/')) return entry == app;
    entry.remove_suffix(1);
    return is_child_of(app, entry);
  });
}

bool AppDirectory::is_secret_of(std::string_view app, std::string_view secret) const {
  const auto facts = table().facts(app);
  if (!facts || !facts->secret_login || facts->tag == store::SecretTag{}) return false;
  const store::SecretTag tag = parts_.records.sealer().tag(app, secret);
  return CRYPTO_memcmp(tag.data(), facts->tag.data(), tag.size()) == 0;
}

Error AppDirectory::unknown_app(std::string_view app) {
  if (app.empty()) {
    return {Fault::unknown_app, "no app was named", "name one of: hufu app list", {}, {}};
  }
  return {Fault::unknown_app,
          "there is no app " + std::string(app.substr(0, 128)),
          "see which there are: hufu app list",
          {},
          {}};
}

}  // namespace hufu::keeper
