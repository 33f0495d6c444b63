#include <openssl/crypto.h>

#include <algorithm>
#include <set>

#include "keeper/await.hpp"
#include "keeper/heart.hpp"

namespace hufu::keeper {

// ---- issuers: one for each platform, endpoint and kind that some app uses

Result<std::uint16_t> Heart::issuer_index(const std::string& platform, const std::string& endpoint,
                                          const std::string& kind) {
  const std::string name = platform + "/" + (endpoint.empty() ? "stable" : endpoint) + "/" + kind;
  for (std::size_t i = 0; i < issuers_.size(); ++i) {
    if (issuers_[i].issuer->name() == name) return static_cast<std::uint16_t>(i);
  }
  auto issuer = parts_.make_issuer(platform, endpoint, kind);
  if (!issuer) return tl::unexpected(issuer.error());
  const Terms terms{(*issuer)->rule(), parts_.timing.use_slack, parts_.timing.refresh_ahead,
                    parts_.timing.lease};
  std::unique_lock lock(issuers_mutex_);
  issuers_.push_back({platform, endpoint, std::move(*issuer), terms});
  return static_cast<std::uint16_t>(issuers_.size() - 1);
}

// ---- apps of the config

Result<void> Heart::take_config_apps(std::vector<AppConfig> apps) {
  std::unordered_map<std::string, Secret> secrets;
  std::vector<std::pair<const AppConfig*, std::uint16_t>> accepted;
  for (const AppConfig& app : apps) {
    auto issuer = issuer_index(app.platform, std::string(setting(app.settings, "endpoint")),
                               std::string(kAccessToken));
    if (!issuer) return tl::unexpected(issuer.error());
    accepted.emplace_back(&app, *issuer);
    secrets.emplace(app.id, credential(app.credentials, kSecret).clone());
  }
  for (const auto& [id, secret] : std::exchange(config_secrets_, std::move(secrets))) {
    if (!config_secrets_.contains(id)) remove_rows(id);
  }
  for (const auto& [app, issuer] : accepted) {
    note_copy(app->id, app->legacy_document, app->legacy_collection);
    put_row(app->id, issuer, app->secret_login, true,
            parts_.sealer->tag(app->id, credential(app->credentials, kSecret).reveal()));
  }
  return {};
}

void Heart::set_config_apps(std::vector<AppConfig> apps, Done<Result<void>> done) {
  auto shared = std::make_shared<std::vector<AppConfig>>(std::move(apps));
  enter<Result<void>>(std::move(done), [this, shared]() -> Task<Result<void>> {
    return replace_config_apps(std::move(*shared));
  });
}

Heart::Task<Result<void>> Heart::replace_config_apps(std::vector<AppConfig> apps) {
  std::set<std::string> concerned;
  for (const auto& [id, secret] : config_secrets_) concerned.insert(id);
  for (const AppConfig& app : apps) concerned.insert(app.id);
  auto taken = take_config_apps(std::move(apps));
  if (!taken) co_return taken;
  // An app that left the file may still be in the store; one that came may have tokens there.
  for (const std::string& id : concerned) co_await reload_app(id);
  co_return Result<void>();
}

// ---- apps of the store

void Heart::take_app(const store::AppRow& app) {
  if (config_secrets_.contains(app.id)) return;
  const auto issuer = issuer_index(app.platform, std::string(setting(app.settings, "endpoint")),
                                   std::string(kAccessToken));
  if (!issuer) return;
  note_copy(app.id, app.legacy_document, app.legacy_collection);
  put_row(app.id, *issuer, app.secret_login, false, app.tag);
}

void Heart::note_copy(const std::string& app, const std::string& document,
                      const std::string& collection) {
  if (document.empty() && !copies_.contains(app)) return;
  std::unique_lock lock(issuers_mutex_);
  copies_.erase(app);
  if (document.empty()) return;
  copies_.emplace(
      app, CopyPlace{collection.empty() ? std::string(kLegacyCollection) : collection, document});
}

void Heart::put_row(const std::string& app, std::uint16_t issuer, bool secret_login,
                    bool from_config, const store::SecretTag& tag) {
  const AppFacts facts{issuer, secret_login, from_config, tag};
  const RowId row = table_.put(Key{app}, facts);
  // The app's other kinds move with it. By number: what is made on the way joins the list.
  // NOLINTNEXTLINE(modernize-loop-convert): so iterators would not last
  for (std::size_t i = 0; i < issuers_.size(); ++i) {
    const std::string_view name = issuers_[i].issuer->name();
    const std::string_view kind = name.substr(name.rfind('/') + 1);
    if (kind == kAccessToken) continue;
    const Key key{app, std::string(kind)};
    if (!table_.find(key)) continue;
    const auto other = issuer_index(issuers_[issuer].platform, issuers_[issuer].endpoint, key.kind);
    if (other) table_.put(key, {*other, false, from_config, tag});
  }
  rebound(row);
  if (started_) reschedule(row);
}

void Heart::remove_rows(const std::string& app) {
  note_copy(app, {}, {});
  std::set<std::string> kinds{std::string(kAccessToken)};
  for (const KnownIssuer& known : issuers_) {
    const std::string_view name = known.issuer->name();
    kinds.emplace(name.substr(name.rfind('/') + 1));
  }
  for (const std::string& kind : kinds) {
    const auto row = table_.find(Key{app, kind});
    if (!row) continue;
    auto file = cases_.extract(*row);
    table_.remove(Key{app, kind});
    if (parts_.listener != nullptr) parts_.listener->changed(Key{app, kind});
    // Whoever waits finds the row gone. A renewal in flight ends by itself: its fence is gone too.
    if (!file.empty()) {
      for (const Watcher& watcher : file.mapped().watchers) watcher.wake(false);
    }
  }
}

/// Brings a row up to what the store (or the config) says of its app; false if that cannot be read.
Heart::Task<bool> Heart::reload_app(std::string id) {
  if (!config_secrets_.contains(id)) {
    if (!parts_.registry) {
      remove_rows(id);
      co_return true;
    }
    const SteadyTime asked = clock_.steady();
    auto app = co_await await<Result<std::optional<store::AppRow>>>(
        [&](auto done) { parts_.registry->load_app(id, std::move(done)); });
    note_record(app ? nullptr : &app.error(), asked);
    if (!app) co_return false;
    if (config_secrets_.contains(id)) co_return true;
    if (!*app) {
      remove_rows(id);
      co_return true;
    }
    take_app(**app);
  }
  Key key{std::move(id)};
  if (const auto row = table_.find(key)) co_return co_await reload(*row, std::move(key));
  co_return true;
}

void Heart::put_app(AppConfig app, Done<Result<AppInfo>> done) {
  auto shared = std::make_shared<AppConfig>(std::move(app));
  enter<Result<AppInfo>>(std::move(done), [this, shared] { return put(std::move(*shared)); });
}

Heart::Task<Result<AppInfo>> Heart::put(AppConfig app) {
  if (config_secrets_.contains(app.id)) {
    co_return fail(Fault::usage, "app " + app.id + " stands in the config",
                   "change it there, and reload with SIGHUP");
  }
  if (!parts_.registry) {
    co_return fail(Fault::store, "this store keeps no apps", "name them in the config");
  }
  const auto issuer = issuer_index(app.platform, std::string(setting(app.settings, "endpoint")),
                                   std::string(kAccessToken));
  if (!issuer) co_return tl::unexpected(issuer.error());

  const auto& collection = app.legacy_collection;
  if (app.legacy_document.empty() && !collection.empty()) {
    co_return fail(Fault::usage, "legacy_collection names no document",
                   "add legacy_document, like \"access_token\"");
  }
  if (collection.starts_with("hufu_") || collection.starts_with("system.") ||
      collection.find('$') != std::string::npos) {
    co_return fail(Fault::usage, "legacy_collection is not a collection of another program",
                   "name the one that the program reads, like \"tokens\"");
  }
  if (!app.legacy_document.empty() && !parts_.tokens->keeps_copies()) {
    co_return fail(Fault::usage, "this store keeps no legacy document",
                   "leave legacy_document out, or use a MongoDB store");
  }

  store::AppRow row;
  row.id = app.id;
  row.legacy_document = app.legacy_document;
  row.legacy_collection = app.legacy_collection;
  row.platform = app.platform;
  row.settings = app.settings;
  row.secret_login = app.secret_login;
  row.credentials = std::move(app.credentials);
  if (credential(row.credentials, kSecret).empty()) {
    auto present = co_await await<Result<std::optional<store::AppRow>>>(
        [&](auto done) { parts_.registry->load_app(app.id, std::move(done)); });
    if (!present) co_return tl::unexpected(present.error());
    if (!*present)
      co_return fail(Fault::usage, "a new app needs its secret", "send it as \"secret\"");
    row.credentials = std::move((*present)->credentials);
  }
  row.tag = parts_.sealer->tag(row.id, credential(row.credentials, kSecret).reveal());
  auto written = co_await await<Result<void>>(
      [&](auto done) { parts_.registry->put_app(std::move(row), std::move(done)); });
  note_write(written ? nullptr : &written.error());
  if (!written) co_return tl::unexpected(written.error());
  co_await reload_app(app.id);
  const auto facts = table_.facts(app.id);
  if (!facts) co_return tl::unexpected(unknown_app(app.id));
  co_return info(app.id, *facts);
}

void Heart::remove_app(std::string id, Done<Result<bool>> done) {
  enter<Result<bool>>(std::move(done), [this, id = std::move(id)] { return remove(id); });
}

Heart::Task<Result<bool>> Heart::remove(std::string id) {
  if (config_secrets_.contains(id)) {
    co_return fail(Fault::usage, "app " + id + " stands in the config",
                   "take it out there, and reload with SIGHUP");
  }
  if (!parts_.registry) co_return false;
  auto removed = co_await await<Result<bool>>(
      [&](auto done) { parts_.registry->remove_app(id, std::move(done)); });
  note_write(removed ? nullptr : &removed.error());
  if (removed && !config_secrets_.contains(id)) remove_rows(id);
  co_return std::move(removed);
}

// ---- what other threads may ask

bool Heart::is_secret_of(std::string_view app, std::string_view secret) const {
  const auto facts = table_.facts(app);
  if (!facts || !facts->secret_login) return false;
  const store::SecretTag tag = parts_.sealer->tag(app, secret);
  return CRYPTO_memcmp(tag.data(), facts->tag.data(), tag.size()) == 0;
}

bool Heart::knows(std::string_view app) const { return table_.knows(app); }

std::optional<AppInfo> Heart::app(std::string_view id) const {
  const auto facts = table_.facts(id);
  if (!facts) return std::nullopt;
  return info(std::string(id), *facts);
}

std::vector<AppInfo> Heart::apps(std::string_view after, std::size_t limit) const {
  std::vector<AppInfo> page;
  for (auto& [id, facts] : table_.apps_after(after, limit)) page.push_back(info(id, facts));
  return page;
}

AppInfo Heart::info(std::string id, const AppFacts& facts) const {
  std::shared_lock lock(issuers_mutex_);
  const KnownIssuer& issuer = issuers_[facts.issuer];
  AppInfo info;
  info.id = std::move(id);
  info.platform = issuer.platform;
  info.settings.emplace("endpoint", issuer.endpoint);
  info.secret_login = facts.secret_login;
  info.from_config = facts.from_config;
  if (const auto found = copies_.find(info.id); found != copies_.end()) {
    info.legacy_document = found->second.name;
    info.legacy_collection = found->second.collection;
  }
  return info;
}

Error Heart::unknown_app(std::string_view app) const {
  if (app.empty()) {
    return {Fault::unknown_app, "no app was named", "name one of: hufu app list", {}, {}};
  }
  return {Fault::unknown_app,
          "there is no app " + std::string(app.substr(0, 128)),
          "see which there are: hufu app list",
          {},
          {}};
}

Health Heart::health() const {
  std::lock_guard lock(health_mutex_);
  // A million rows are counted in tens of milliseconds: once a second is enough.
  if (health_at_ == WallTime{} || now() - health_at_ >= std::chrono::seconds(1)) {
    TokenTable::Census census = table_.census(now(), 100);
    health_.apps = census.apps;
    health_.usable = census.usable;
    health_.without = std::move(census.without);
    health_at_ = now();
  }
  health_.started = started_;
  health_.store_ok = store_ok_;
  return health_;
}

void Heart::status(Done<Result<std::vector<TokenStatus>>> done) {
  using Answer = Result<std::vector<TokenStatus>>;
  enter<Answer>(std::move(done), [this] { return list_status(); });
}

Heart::Task<Result<std::vector<TokenStatus>>> Heart::list_status() {
  if (!parts_.background) {
    if (auto read = co_await read_store(); !read) co_return tl::unexpected(read.error());
  }
  std::vector<TokenStatus> lines;
  lines.reserve(table_.size());
  table_.for_each([&](RowId row) { lines.push_back(status_of(row)); });
  std::sort(lines.begin(), lines.end(),
            [](const TokenStatus& a, const TokenStatus& b) { return a.key < b.key; });
  co_return std::move(lines);
}

TokenStatus Heart::status_of(RowId row) const {
  const RowOutline outline = *table_.outline(row);
  const Case* file = case_at(row);
  TokenStatus line;
  line.key = outline.key;
  line.issuer = std::string(issuers_[outline.facts.issuer].issuer->name());
  line.revision = outline.revision;
  line.renew_at = due_at(row);
  line.renewing = is_in_flight(row);
  if (file != nullptr) line.failure = file->failure;
  if (!outline.has_token) return line;

  line.fingerprint = outline.fingerprint;
  line.obtained_at = outline.obtained_at;
  line.expires_at = outline.expires_at;
  line.suspect = in_doubt(row);
  const std::int64_t promise = outline.bounds.promise(now());
  if (promise >= 1) {
    line.expires_in = std::chrono::seconds(promise);
    line.state = now() < outline.bounds.renew_at ? TokenState::fresh : TokenState::stale;
  } else if (const auto suspect = suspect_grant(row, outline.key)) {
    line.expires_in = suspect->expires_in;
    line.state = TokenState::stale;
  } else {
    line.state = TokenState::unusable;
  }
  return line;
}

}  // namespace hufu::keeper
