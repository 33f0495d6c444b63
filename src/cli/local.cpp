#include "cli/local.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

#include "store/blocking.hpp"

namespace hufu::cli {
using store::await;

namespace {

constexpr std::size_t kPage = 1000;  // What a keeper shows at once.

}  // namespace

Result<std::unique_ptr<Local>> Local::open(const Context& context) {
  auto loaded = context.config();
  if (!loaded) return tl::unexpected(loaded.error());
  return open(std::move(loaded->config), *context.clock);
}

Result<std::unique_ptr<Local>> Local::open(Config config, const Clock& clock) {
  std::unique_ptr<Local> local(new Local);
  local->lasts_ = !config.store.starts_with("memory:");
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
  const keeper::Wish wish{min_ttl.count(), false};
  return await<Result<Grant>>(
      [&](auto done) { assembly_->keeper().get(key, wish, std::move(done)); });
}

Result<Report> Local::report(const Key& key, const Secret& refused) {
  return await<Result<Report>>(
      [&](auto done) { assembly_->keeper().report(key, refused.clone(), std::move(done)); });
}

Result<keeper::Refreshed> Local::refresh(const Key& key) {
  return await<Result<keeper::Refreshed>>(
      [&](auto done) { assembly_->keeper().refresh(key, std::move(done)); });
}

Result<keeper::Status> Local::status() {
  keeper::Status status;
  keeper::StatusQuery query;
  query.limit = kPage;
  do {
    auto page = await<Result<keeper::StatusPage>>(
        [&](auto done) { assembly_->keeper().status(query, std::move(done)); });
    if (!page) return tl::unexpected(page.error());
    status.page.counts = page->counts;
    std::move(page->tokens.begin(), page->tokens.end(), std::back_inserter(status.page.tokens));
    query.after = std::move(page->next);
  } while (!query.after.empty());
  auto cluster = await<Result<store::ClusterView>>(
      [&](auto done) { assembly_->keeper().cluster(std::move(done)); });
  if (!cluster) return tl::unexpected(cluster.error());
  status.cluster = std::move(*cluster);
  return status;
}

// ---- Apps

namespace {

keeper::AppInfo info_of(const store::AppRow& app) {
  keeper::AppInfo info;
  info.id = app.id;
  info.platform = app.platform;
  info.settings = app.settings;
  for (const auto& [name, secret] : app.credentials) info.credentials.push_back(name);
  info.parent = app.parent;
  info.keep = app.keep;
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
  // Those of the configuration; one of the store by the same name is hidden by it.
  std::vector<keeper::AppInfo> all;
  keeper::AppQuery query;
  query.limit = kPage;
  do {
    keeper::AppPage page = assembly_->keeper().apps(query);
    std::copy_if(std::make_move_iterator(page.apps.begin()),
                 std::make_move_iterator(page.apps.end()), std::back_inserter(all),
                 [](const keeper::AppInfo& app) { return app.from_config; });
    query.after = std::move(page.next);
  } while (!query.after.empty());
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
  keeper::AppQuery query;
  query.limit = 3;
  for (keeper::AppInfo& app : assembly_->keeper().apps(query).apps)
    ids.push_back(std::move(app.id));
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

Result<Trial> Local::try_app(const std::string& id) {
  const Key key{id, {}};
  auto app = this->app(id);
  if (!app) return tl::unexpected(app.error());
  auto tried = await<Result<void>>(
      [&](auto done) { assembly_->keeper().try_credentials(id, std::move(done)); });
  if (!tried) return tl::unexpected(tried.error());

  // They are good. Then the token: one that is missing, for a backoff say, can be had at once; one
  // that is there is judged.
  auto before = main_revision(id);
  if (!before) return tl::unexpected(before.error());
  auto grant = get(key, std::chrono::seconds(0));
  if (!grant) {
    auto fetched = refresh(key);
    if (!fetched) return tl::unexpected(fetched.error());
    return Trial::fetched;
  }
  if (grant->revision != *before) return Trial::fetched;
  auto judged = report(key, grant->token);
  if (!judged) return tl::unexpected(judged.error());
  switch (judged->outcome) {
    case ReportOutcome::alive:
    case ReportOutcome::unverified: return Trial::alive;
    case ReportOutcome::throttled: break;
    default: return Trial::renewed;
  }
  return fail(Fault::throttled,
              "the stored token of " + id + " is dead, and its renewal must wait a moment",
              "Try again in 30 s; find out who else renews this app's token");
}

/// The revision of the app's main token; 0 where there is none.
Result<std::uint64_t> Local::main_revision(const std::string& id) {
  keeper::StatusQuery query;
  query.app = id;
  auto page = await<Result<keeper::StatusPage>>(
      [&](auto done) { assembly_->keeper().status(query, std::move(done)); });
  if (!page) return tl::unexpected(page.error());
  return page->tokens.empty() ? 0 : page->tokens.front().revision;
}

}  // namespace hufu::cli
