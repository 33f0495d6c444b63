#include "cli/local.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "net/http_client.hpp"
#include "platform/catalog.hpp"
#include "store/blocking.hpp"

namespace hufu::cli {
using store::await;

Result<std::unique_ptr<Local>> Local::open(const Context& context) {
  auto loaded = context.config();
  if (!loaded) return tl::unexpected(loaded.error());
  return open(std::move(loaded->config), *context.clock);
}

Result<std::unique_ptr<Local>> Local::open(Config config, const Clock& clock) {
  std::unique_ptr<Local> local(new Local);
  local->lasts_ = !config.store.starts_with("memory:");
  local->timing_ = config.timing;
  local->platforms_ = config.platforms;
  library::Surroundings surroundings;
  surroundings.clock = &clock;
  surroundings.background = false;
  auto assembly = library::Assembly::build(std::move(config), surroundings);
  if (!assembly) return tl::unexpected(assembly.error());
  local->assembly_ = std::move(*assembly);
  if (auto started = local->assembly_->start(); !started) return tl::unexpected(started.error());
  return local;
}

Result<void> check_no_server(const Context& context) {
  const bool named = context.server_flag.has_value() ||
                     config::find(context.sources.environment, "HUFU_SERVER") != nullptr;
  if (!named) return {};
  return fail(Fault::usage, "this works on the store itself, not through a server",
              "Run it where the store is, without --server and HUFU_SERVER");
}

Result<std::unique_ptr<Local>> open_store_itself(const Context& context) {
  if (auto itself = check_no_server(context); !itself) return tl::unexpected(itself.error());
  return Local::open(context);
}

// ---- Tokens

Result<Grant> Local::get(const Key& key, std::chrono::seconds min_ttl) {
  return await<Result<Grant>>(
      [&](auto done) { assembly_->keeper().get(key, min_ttl, std::move(done)); });
}

Result<Report> Local::report(const Key& key, const Secret& refused) {
  return await<Result<Report>>(
      [&](auto done) { assembly_->keeper().report(key, refused.clone(), std::move(done)); });
}

Result<Grant> Local::refresh(const Key& key) {
  return await<Result<Grant>>(
      [&](auto done) { assembly_->keeper().refresh(key, std::move(done)); });
}

Result<keeper::Status> Local::status() {
  auto tokens = await<Result<std::vector<TokenStatus>>>(
      [&](auto done) { assembly_->keeper().status(std::move(done)); });
  if (!tokens) return tl::unexpected(tokens.error());
  auto cluster = await<Result<store::ClusterView>>(
      [&](auto done) { assembly_->keeper().cluster(std::move(done)); });
  if (!cluster) return tl::unexpected(cluster.error());
  return keeper::Status{std::move(*tokens), std::move(*cluster), true};
}

// ---- Apps

namespace {

keeper::AppInfo info_of(const store::AppRow& app) {
  keeper::AppInfo info;
  info.id = app.id;
  info.platform = app.platform;
  info.settings = app.settings;
  info.secret_login = app.secret_login;
  info.legacy_document = app.legacy_document;
  if (!app.legacy_document.empty()) {
    info.legacy_collection =
        app.legacy_collection.empty() ? kLegacyCollection : app.legacy_collection;
  }
  return info;
}

}  // namespace

Result<std::vector<keeper::AppInfo>> Local::apps() {
  auto all = assembly_->keeper().apps({}, std::numeric_limits<std::size_t>::max());
  // Those of the configuration; one of the store by the same name is hidden by it.
  std::erase_if(all, [](const keeper::AppInfo& app) { return !app.from_config; });
  const std::size_t configured = all.size();
  auto known = [&](const std::string& id) {
    return std::any_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(configured),
                       [&](const keeper::AppInfo& app) { return app.id == id; });
  };
  auto read = await<Result<void>>([&](auto done) {
    registry().scan_apps(
        [&](store::AppRow row) {
          if (known(row.id)) return;
          all.push_back(info_of(row));
        },
        std::move(done));
  });
  if (!read) return tl::unexpected(read.error());
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return all;
}

Result<keeper::AppInfo> Local::app(const std::string& id) {
  if (auto known = assembly_->keeper().app(id)) return std::move(*known);
  auto row = await<Result<std::optional<store::AppRow>>>(
      [&](auto done) { registry().load_app(id, std::move(done)); });
  if (!row) return tl::unexpected(row.error());
  if (!*row) {
    return fail(Fault::unknown_app, "there is no app " + id.substr(0, 128),
                "See which there are: hufu app list");
  }
  return info_of(**row);
}

Result<bool> Local::put_app(AppConfig app) {
  if (auto lasts = must_last(); !lasts) return tl::unexpected(lasts.error());
  auto before = this->app(app.id);
  if (!before && before.error().fault != Fault::unknown_app) {
    return tl::unexpected(before.error());
  }
  auto stored = await<Result<keeper::AppInfo>>(
      [&](auto done) { assembly_->keeper().put_app(std::move(app), std::move(done)); });
  if (!stored) return tl::unexpected(stored.error());
  return before.has_value();
}

Result<void> Local::remove_app(const std::string& id) {
  auto removed =
      await<Result<bool>>([&](auto done) { assembly_->keeper().remove_app(id, std::move(done)); });
  if (!removed) return tl::unexpected(removed.error());
  if (*removed) return {};
  return fail(Fault::unknown_app, "there is no app " + id.substr(0, 128) + " in the store",
              "See which there are: hufu app list");
}

Result<std::vector<std::string>> Local::first_apps() {
  std::vector<std::string> ids;
  for (keeper::AppInfo& app : assembly_->keeper().apps({}, 3)) ids.push_back(std::move(app.id));
  if (ids.size() > 1) return ids;
  auto all = apps();
  if (!all) return tl::unexpected(all.error());
  ids.clear();
  for (std::size_t i = 0; i < std::min<std::size_t>(all->size(), 3); ++i) {
    ids.push_back((*all)[i].id);
  }
  return ids;
}

Result<void> Local::must_last() const {
  if (lasts_) return {};
  return fail(Fault::usage, "the store is memory:, which would be gone with this command",
              "Name the store that the server uses: --store sqlite:/var/lib/hufu/hufu.db");
}

// ---- A try of the credentials

Result<Record> Local::load(const Key& key) {
  return await<Result<Record>>([&](auto done) { assembly_->tokens()->load(key, std::move(done)); });
}

Result<std::shared_ptr<Issuer>> Local::issuer_of(const std::string& id) {
  auto app = this->app(id);
  if (!app) return tl::unexpected(app.error());
  const auto found = platforms_.find(app->platform);
  return platform::make_issuer(app->platform, setting(app->settings, "endpoint"), kAccessToken,
                               timing_,
                               found == platforms_.end() ? PlatformConfig() : found->second,
                               std::make_shared<net::HttpClient>());
}

Result<Trial> Local::try_app(const std::string& id) {
  const Key key{id};
  auto issuer = issuer_of(id);
  if (!issuer) return tl::unexpected(issuer.error());
  auto before = load(key);
  if (!before) return tl::unexpected(before.error());

  auto grant = get(key, std::chrono::seconds(0));
  // Whoever asks has mended something a moment ago: a backoff does not count, as for a refresh.
  const bool backing_off = before->failure && before->failure->next_attempt_at > assembly_->now();
  if (!grant && backing_off) grant = refresh(key);
  if (!grant) return tl::unexpected(grant.error());
  if (grant->revision != before->revision) return Trial::fetched;

  if (before->failure) {
    // The token lives, but its renewal fails. A rotating one is due anyway; of a windowed one a
    // refresh would end the living token at once, so what the platform said last has to do.
    if ((*issuer)->rule().shape != RenewalRule::Shape::rotating) {
      return tl::unexpected(before->failure->error);
    }
    auto renewed = refresh(key);
    if (renewed) return Trial::fetched;
    if (renewed.error().fault != Fault::too_soon) return tl::unexpected(renewed.error());
  }

  const auto result = await<ProbeResult>(
      [&](auto done) { (*issuer)->probe(grant->token, timing_.request_timeout, std::move(done)); });
  switch (result) {
    case ProbeResult::alive: return Trial::alive;
    case ProbeResult::unknown:
      return fail(Fault::unreachable, "the platform could not be asked about the token of " + id,
                  "See what stands in the way: hufu doctor");
    case ProbeResult::dead: break;
  }
  auto judged = report(key, grant->token);
  if (!judged) return tl::unexpected(judged.error());
  if (judged->outcome != ReportOutcome::throttled) return Trial::renewed;
  return fail(Fault::throttled,
              "the stored token of " + id + " is dead, and its renewal must wait a moment",
              "Try again in 30 s; find out who else renews this app's token");
}

}  // namespace hufu::cli
