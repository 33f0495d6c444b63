#pragma once

#include <algorithm>
#include <boost/json.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keeper/async_keeper.hpp"
#include "net/http_server.hpp"
#include "server/api_key.hpp"
#include "server/query.hpp"
#include "server/route.hpp"
#include "server/routes.hpp"
#include "testing/fake_clock.hpp"

/// What a test of the routes stands on: a keeper that says what it is told to, keys, and a client
/// without a socket.
namespace hufu::server::testing {

inline Grant grant(std::string app, std::string_view token, std::uint64_t revision = 1) {
  return {Key{std::move(app)},
          Secret(token),
          std::chrono::seconds(7000),
          hufu::testing::FakeClock::kStart + std::chrono::seconds(7020),
          revision,
          Fingerprint{0x0a1b2c3d},
          false};
}

/// Answers at once, on the calling thread, but for what a test holds back. What it was asked is in
/// `asked`, in order.
class FakeKeeper final : public keeper::AsyncKeeper {
 public:
  struct App {
    keeper::AppInfo info;
    std::string secret;
    /// What the hot path finds, by kind.
    std::map<std::string, Grant, std::less<>> readable;
  };

  App& add(const std::string& id, std::string_view token = {}) {
    App& app = apps_[id];
    app.info = {};
    app.info.id = id;
    app.info.platform = "wechat";
    app.info.settings = {{"endpoint", "stable"}};
    app.info.credentials = {"secret"};
    if (!token.empty()) put_token(id, kAccessToken, token);
    return app;
  }
  void put_token(const std::string& id, std::string_view kind, std::string_view token,
                 std::uint64_t revision = 1) {
    Grant readable = grant(id, token, revision);
    readable.key.kind = kind;
    apps_.at(id).readable.insert_or_assign(std::string(kind), std::move(readable));
  }
  void add_child(const std::string& id, const std::string& parent, std::string_view token = {}) {
    add(id, token).info.parent = parent;
  }
  App& at(const std::string& id) { return apps_.at(id); }
  void erase(const std::string& id) { apps_.erase(id); }

  /// Called instead of the default behaviour, where set.
  std::function<Result<Grant>(const Key&)> on_get;
  std::function<void(Done<Result<Grant>>)> on_get_later;  ///< Keeps `done` for another moment.
  std::function<Result<Grant>(const Key&)> on_recheck;
  std::function<Result<Report>(const Key&)> on_report;
  std::function<Result<keeper::Refreshed>(const Key&)> on_refresh;
  std::function<Result<std::optional<Grant>>()> on_wait;
  std::optional<Error> change_error;
  std::vector<TokenStatus> statuses;
  std::optional<keeper::TokenCounts> counts;  ///< Of the statuses, where it is not set.
  std::string next_status;
  store::ClusterView view;
  keeper::Health healthy{true, true, 1, 1, {}};
  std::vector<std::string> asked;
  std::optional<AppConfig> put;
  mutable std::optional<keeper::AppQuery> apps_query;
  std::optional<keeper::StatusQuery> status_query;

  /// While this is set, `wait` and `when_started` hold back their answers.
  bool holds = false;
  std::function<void()> on_held;  ///< Called after `wait` has held back an answer, where set.
  std::vector<Done<Result<std::optional<Grant>>>> waiting;
  std::vector<Done<bool>> starting;

  /// What is held back of `wait` is answered.
  void answer_waits(const std::function<Result<std::optional<Grant>>()>& outcome) {
    auto answered = std::exchange(waiting, {});
    for (auto& done : answered) done(outcome());
  }
  /// Everything in the store has been read, or a second has passed.
  void end_start(bool started) {
    healthy.started = started;
    auto answered = std::exchange(starting, {});
    for (auto& done : answered) done(started);
  }

  bool read(std::string_view app, std::string_view kind, keeper::Wish /*wish*/,
            void (*use)(void*, const keeper::TokenView&), void* target) const override {
    auto found = apps_.find(app);
    if (found == apps_.end()) return false;
    auto readable = found->second.readable.find(kind.empty() ? kAccessToken : kind);
    if (readable == found->second.readable.end()) return false;
    const Grant& there = readable->second;
    use(target, {there.token.reveal(), there.expires_in.count(), there.expires_at, there.revision,
                 there.fingerprint, readable->first});
    return true;
  }
  using AsyncKeeper::read;

  void get(Key key, keeper::Wish wish, Done<Result<Grant>> done) override {
    asked.push_back("get " + name_of(key) + " " + std::to_string(wish.min_ttl) +
                    (wish.outside_window ? " outside the window" : ""));
    if (!apps_.contains(key.app)) return done(fail(Fault::unknown_app, "no such app"));
    if (on_get_later) return on_get_later(std::move(done));
    if (on_get) return done(on_get(key));
    Grant fetched = grant(key.app, "fetched", 2);
    if (!key.kind.empty()) fetched.key.kind = key.kind;
    done(std::move(fetched));
  }
  void recheck(Key key, Milliseconds patience, Done<Result<Grant>> done) override {
    asked.push_back("recheck " + name_of(key) + " " + std::to_string(patience.count()));
    done(on_recheck ? on_recheck(key) : grant(key.app, "rechecked", 2));
  }
  void report(Key key, keeper::Refused refused, Done<Result<Report>> done) override {
    asked.push_back("report " + name_of(key) + " " + name_of(refused));
    if (!apps_.contains(key.app)) return done(fail(Fault::unknown_app, "no such app"));
    done(on_report ? on_report(key) : Report{ReportOutcome::renewed, grant(key.app, "renewed", 3)});
  }
  void refresh(Key key, Done<Result<keeper::Refreshed>> done) override {
    asked.push_back("refresh " + name_of(key));
    if (!apps_.contains(key.app)) return done(fail(Fault::unknown_app, "no such app"));
    done(on_refresh ? on_refresh(key) : keeper::Refreshed{grant(key.app, "refreshed", 4)});
  }
  void wait(Key key, keeper::Seen seen, Milliseconds patience,
            Done<Result<std::optional<Grant>>> done) override {
    asked.push_back("wait " + name_of(key) + " " + std::to_string(seen.revision) + "-" +
                    seen.fingerprint.hex() + " " + std::to_string(patience.count()));
    if (holds) {
      waiting.push_back(std::move(done));
      if (on_held) on_held();
      return;
    }
    done(on_wait ? on_wait() : Result<std::optional<Grant>>());
  }
  void interrupt_waits() override {
    answer_waits([] { return std::optional<Grant>(); });
  }
  void end_waits() override { asked.emplace_back("end_waits"); }
  void when_started(Milliseconds patience, Done<bool> done) override {
    asked.push_back("when_started " + std::to_string(patience.count()));
    if (holds) return starting.push_back(std::move(done));
    done(healthy.started);
  }
  void try_credentials(std::string /*app*/, Done<Result<void>> done) override { done({}); }

  bool owner_of(std::string_view token,
                void (*use)(void*, std::string_view app, std::string_view kind),
                void* target) const override {
    for (const auto& [id, app] : apps_) {
      for (const auto& [kind, readable] : app.readable) {
        if (readable.token.reveal() != token) continue;
        use(target, id, kind);
        return true;
      }
    }
    return false;
  }
  using AsyncKeeper::owner_of;
  [[nodiscard]] bool is_secret_of(std::string_view app, std::string_view secret) const override {
    auto found = apps_.find(app);
    return found != apps_.end() && found->second.info.secret_login &&
           !found->second.secret.empty() && found->second.secret == secret;
  }
  [[nodiscard]] bool knows(std::string_view app) const override {
    return apps_.find(app) != apps_.end();
  }
  [[nodiscard]] bool is_child_of(std::string_view app, std::string_view parent) const override {
    auto found = apps_.find(app);
    return found != apps_.end() && !parent.empty() && found->second.info.parent == parent;
  }
  [[nodiscard]] std::string_view platform_of(std::string_view app) const override {
    auto found = apps_.find(app);
    return found == apps_.end() ? std::string_view() : found->second.info.platform;
  }
  [[nodiscard]] std::shared_ptr<const std::vector<std::string>> apps_of_account(
      std::string_view platform, std::string_view account) const override {
    auto ids = std::make_shared<std::vector<std::string>>();
    for (const auto& [id, app] : apps_) {
      const bool of_account =
          std::any_of(app.info.settings.begin(), app.info.settings.end(),
                      [&](const auto& setting) { return setting.second == account; });
      if (app.info.platform == platform && of_account) ids->push_back(id);
    }
    return ids->empty() ? nullptr : ids;
  }
  [[nodiscard]] std::optional<keeper::AppInfo> app(std::string_view id) const override {
    auto found = apps_.find(id);
    if (found == apps_.end()) return std::nullopt;
    return found->second.info;
  }
  [[nodiscard]] keeper::AppPage apps(const keeper::AppQuery& query) const override {
    apps_query = query;
    keeper::AppPage page;
    for (auto app = apps_.upper_bound(query.after); app != apps_.end(); ++app) {
      if (!is_in(query.scope, app->first)) continue;
      if (page.apps.size() == query.limit) {
        page.next = page.apps.back().id;
        break;
      }
      page.apps.push_back(app->second.info);
    }
    return page;
  }
  void put_app(AppConfig app, Done<Result<keeper::AppInfo>> done) override {
    asked.push_back("put " + app.id);
    if (change_error) return done(tl::unexpected<Error>(*change_error));
    keeper::AppInfo info;
    info.id = app.id;
    info.platform = app.platform;
    info.settings = app.settings;
    info.parent = app.parent;
    info.keep = app.keep;
    info.secret_login = app.secret_login;
    for (const auto& [name, secret] : app.credentials) info.credentials.push_back(name);
    put = std::move(app);
    done(info);
  }
  void remove_app(std::string id, Done<Result<bool>> done) override {
    asked.push_back("remove " + id);
    if (change_error) return done(tl::unexpected<Error>(*change_error));
    done(apps_.contains(id));
  }
  void cluster(Done<Result<store::ClusterView>> done) override { done(view); }
  void status(keeper::StatusQuery query, Done<Result<keeper::StatusPage>> done) override {
    asked.emplace_back("status");
    keeper::StatusPage page;
    for (const TokenStatus& status : statuses) {
      if (!is_in(query.scope, status.key.app)) continue;
      count(page.counts, status);
      if (page.tokens.size() < query.limit) page.tokens.push_back(status);
    }
    if (counts) page.counts = *counts;
    page.next = next_status;
    status_query = std::move(query);
    done(std::move(page));
  }
  [[nodiscard]] keeper::Health health() const override { return healthy; }

 private:
  static std::string name_of(const Key& key) {
    return key.app + (key.kind.empty() ? "" : " " + key.kind);
  }
  static std::string name_of(const keeper::Refused& refused) {
    if (const auto* token = std::get_if<Secret>(&refused)) return std::string(token->reveal());
    return "#" + std::get<Fingerprint>(refused).hex();
  }
  [[nodiscard]] bool is_in(const keeper::Scope& scope, std::string_view app) const {
    return scope.empty() || std::any_of(scope.begin(), scope.end(), [&](const std::string& part) {
             return part.ends_with('/')
                        ? is_child_of(app, std::string_view(part).substr(0, part.size() - 1))
                        : part == app;
           });
  }
  static void count(keeper::TokenCounts& counts, const TokenStatus& status) {
    switch (status.state) {
      case TokenState::fresh: ++counts.fresh; break;
      case TokenState::stale: ++counts.stale; break;
      case TokenState::unusable: ++counts.unusable; break;
      case TokenState::missing: ++counts.missing; break;
    }
    if (status.failure) ++counts.failing;
  }

  std::map<std::string, App, std::less<>> apps_;
};

/// What a client sees.
struct Answered {
  int times = 0;  ///< How often it was answered: 1, if all is well.
  bool later = false;
  int status = 0;
  std::string content_type;
  std::string headers;
  std::string body;

  void set(const net::Reply& reply) {
    ++times;
    status = reply.status;
    content_type = reply.content_type;
    headers = reply.headers;
    body = reply.body;
  }
  [[nodiscard]] boost::json::object json() const { return boost::json::parse(body).as_object(); }
  /// A member as JSON text; "" where there is none.
  [[nodiscard]] std::string at(std::string_view name) const {
    boost::json::object object = json();
    const boost::json::value* value = object.if_contains(name);
    return value == nullptr ? std::string() : boost::json::serialize(*value);
  }
  [[nodiscard]] bool has_header(std::string_view line) const {
    return ("\r\n" + headers).find("\r\n" + std::string(line) + "\r\n") != std::string::npos;
  }
};

class FakeRequest final : public net::Request {
 public:
  std::vector<std::pair<std::string, std::string>> headers;
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept override {
    for (const auto& [key, value] : headers) {
      if (same_but_case(key, name)) return value;
    }
    return {};
  }
};

class FakeExchange final : public net::Exchange {
 public:
  explicit FakeExchange(std::shared_ptr<Answered> answered) : answered_(std::move(answered)) {}
  void reply(const net::Reply& reply) override { answered_->set(reply); }
  std::shared_ptr<net::Pending> defer() override {
    struct FakePending final : net::Pending {
      std::shared_ptr<Answered> answered;
      void reply(const net::Reply& reply) override { answered->set(reply); }
      [[nodiscard]] bool abandoned() const noexcept override { return false; }
    };
    auto pending = std::make_shared<FakePending>();
    pending->answered = answered_;
    answered_->later = true;
    return pending;
  }

 private:
  std::shared_ptr<Answered> answered_;
};

/// Everything in place: routes over a fake keeper, and an endless supply of keys.
class RouteFixture {
 public:
  explicit RouteFixture(std::string base_path = {})
      : services(std::make_shared<Services>(
            keeper, clock, Services::About{"1.2.3", std::move(base_path), counters, {}})),
        routes(services) {}

  /// A key that is known from now on.
  std::string key(store::Rights rights, std::vector<std::string> apps = {},
                  std::chrono::seconds margin = {}) {
    NewApiKey made = make_api_key().value();
    store::ApiKeyRow row;
    row.name = "key " + std::to_string(rows_.size());
    row.hash = made.hash;
    row.apps = std::move(apps);
    row.rights = rights;
    row.margin = margin;
    rows_.push_back(std::move(row));
    services->keys.reload(rows_);
    return std::string(made.key.reveal());
  }
  /// What Server does when the keys changed: from now on none is known.
  void revoke_keys() {
    rows_.clear();
    services->keys.reload(rows_);
    keeper.interrupt_waits();
  }

  struct Ask {
    std::string_view method;
    std::string_view target;
    std::string key{};
    std::string body{};
    std::vector<std::pair<std::string, std::string>> headers{};
    std::string_view peer = "192.0.2.1";
  };
  Answered ask(Ask what) { return *ask_later(std::move(what)); }
  /// The same where the answer may come later.
  std::shared_ptr<Answered> ask_later(Ask what) {
    FakeRequest request;
    std::size_t question = what.target.find('?');
    request.method = what.method;
    request.path = what.target.substr(0, question);
    if (question != std::string_view::npos) request.query = what.target.substr(question + 1);
    request.body = what.body;
    request.peer = what.peer;
    request.headers = std::move(what.headers);
    if (!what.key.empty()) request.headers.emplace_back("authorization", "Bearer " + what.key);
    auto answered = std::make_shared<Answered>();
    FakeExchange exchange(answered);
    routes.handle(request, exchange);
    return answered;
  }

  hufu::testing::FakeClock clock;
  FakeKeeper keeper;
  std::shared_ptr<KeeperCounters> counters = std::make_shared<KeeperCounters>();
  std::shared_ptr<Services> services;
  Routes routes;

 private:
  std::vector<store::ApiKeyRow> rows_;
};

}  // namespace hufu::server::testing
