#include <iterator>
#include <utility>

#include "hufu/keeper.hpp"
#include "library/assembly.hpp"
#include "store/blocking.hpp"

namespace hufu {
namespace {

/// The keeper as a program that embeds it sees it: every call waits for its answer.
class BlockingKeeper final : public Keeper {
 public:
  explicit BlockingKeeper(std::unique_ptr<library::Assembly> assembly)
      : assembly_(std::move(assembly)), keeper_(assembly_->keeper()) {}

  Result<Grant> get(std::string_view app, const GetOptions& options) override {
    auto key = key_of(app, options.kind);
    if (!key) return tl::unexpected(key.error());
    const keeper::Wish wish{options.min_ttl.count(), false};
    Grant grant;
    const bool at_once = keeper_.read(key->app, key->kind, wish, [&](const keeper::TokenView& v) {
      grant = Grant{*key,         Secret(v.token), std::chrono::seconds(v.expires_in),
                    v.expires_at, v.revision,      v.fingerprint,
                    false};
    });
    if (at_once) return grant;
    return store::await<Result<Grant>>(
        [&](auto done) { keeper_.get(*key, wish, std::move(done)); });
  }

  Result<Report> report(std::string_view app, const Secret& token, std::string_view kind) override {
    auto key = key_of(app, kind);
    if (!key) return tl::unexpected(key.error());
    return store::await<Result<Report>>(
        [&](auto done) { keeper_.report(*key, token.clone(), std::move(done)); });
  }

  Result<Grant> refresh(std::string_view app, std::string_view kind) override {
    auto key = key_of(app, kind);
    if (!key) return tl::unexpected(key.error());
    auto refreshed = store::await<Result<keeper::Refreshed>>(
        [&](auto done) { keeper_.refresh(*key, std::move(done)); });
    if (!refreshed) return tl::unexpected(refreshed.error());
    return std::move(refreshed->grant);
  }

  Result<std::vector<TokenStatus>> status() override {
    std::vector<TokenStatus> all;
    keeper::StatusQuery query;
    query.limit = 1000;
    do {
      auto page = store::await<Result<keeper::StatusPage>>(
          [&](auto done) { keeper_.status(query, std::move(done)); });
      if (!page) return tl::unexpected(page.error());
      std::move(page->tokens.begin(), page->tokens.end(), std::back_inserter(all));
      query.after = std::move(page->next);
    } while (!query.after.empty());
    return all;
  }

 private:
  [[nodiscard]] Result<Key> key_of(std::string_view app, std::string_view kind) const {
    if (!app.empty()) return Key{std::string(app), std::string(kind)};
    keeper::AppQuery query;
    query.limit = 2;
    const auto apps = keeper_.apps(query).apps;
    if (apps.size() == 1) return Key{apps.front().id, std::string(kind)};
    return fail(Fault::unknown_app,
                apps.empty() ? "no app is configured" : "several apps are configured",
                apps.empty() ? "add one to Config::apps" : "say which one");
  }

  std::unique_ptr<library::Assembly> assembly_;
  keeper::AsyncKeeper& keeper_;
};

}  // namespace

Result<std::unique_ptr<Keeper>> Keeper::open(Config config) {
  auto assembly = library::Assembly::build(std::move(config), {});
  if (!assembly) return tl::unexpected(assembly.error());
  if (auto started = (*assembly)->start(); !started) return tl::unexpected(started.error());
  return std::make_unique<BlockingKeeper>(std::move(*assembly));
}

}  // namespace hufu
