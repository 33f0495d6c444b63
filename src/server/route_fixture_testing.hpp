#pragma once

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

/// Answers at once, on the calling thread. What it was asked is in `asked`, in order.
class FakeKeeper final : public keeper::AsyncKeeper {
 public:
  struct App {
    keeper::AppInfo info;
    std::string secret;
    std::optional<Grant> readable;  ///< What the hot path finds.
  };

  App& add(const std::string& id, std::string_view token = {}) {
    App& app = apps_[id];
    app.info = {id, "wechat", "stable", true, false};
    if (!token.empty()) app.readable = grant(id, token);
    return app;
  }
  App& at(const std::string& id) { return apps_.at(id); }

  /// Called instead of the default behaviour, where set.
  std::function<Result<Grant>(const Key&)> on_get;
  std::function<void(Done<Result<Grant>>)> on_get_later;  ///< Keeps `done` for another moment.
  std::function<Result<Report>(const Key&)> on_report;
  std::function<Result<Grant>(const Key&)> on_refresh;
  std::function<Result<std::optional<Grant>>()> on_wait;
  std::optional<Error> change_error;
  std::vector<TokenStatus> statuses;
  store::ClusterView view;
  keeper::Health healthy{true, true, 1, 1, {}};
  std::vector<std::string> asked;
  std::optional<AppConfig> put;

  bool read(std::string_view app, std::string_view kind, std::int64_t /*min_ttl*/,
            void (*use)(void*, const keeper::TokenView&), void* target) const override {
    auto found = apps_.find(app);
    if (found == apps_.end() || !found->second.readable || kind != kAccessToken) return false;
    const Grant& there = *found->second.readable;
    use(target, {there.token.reveal(), there.expires_in.count(), there.expires_at, there.revision,
                 there.fingerprint});
    return true;
  }
  using AsyncKeeper::read;

  void get(Key key, std::chrono::seconds min_ttl, Done<Result<Grant>> done) override {
    asked.push_back("get " + key.app + " " + key.kind + " " + std::to_string(min_ttl.count()));
    if (!apps_.contains(key.app)) return done(fail(Fault::unknown_app, "no such app"));
    if (on_get_later) return on_get_later(std::move(done));
    done(on_get ? on_get(key) : grant(key.app, "fetched", 2));
  }
  void report(Key key, keeper::Refused refused, Done<Result<Report>> done) override {
    asked.push_back("report " + key.app + " " + key.kind + " " + name_of(refused));
    if (!apps_.contains(key.app)) return done(fail(Fault::unknown_app, "no such app"));
    done(on_report ? on_report(key) : Report{ReportOutcome::renewed, grant(key.app, "renewed", 3)});
  }
  void refresh(Key key, Done<Result<Grant>> done) override {
    asked.push_back("refresh " + key.app + " " + key.kind);
    if (!apps_.contains(key.app)) return done(fail(Fault::unknown_app, "no such app"));
    done(on_refresh ? on_refresh(key) : grant(key.app, "refreshed", 4));
  }
  void wait(Key key, std::uint64_t seen, Milliseconds patience,
            Done<Result<std::optional<Grant>>> done) override {
    asked.push_back("wait " + key.app + " " + std::to_string(seen) + " " +
                    std::to_string(patience.count()));
    done(on_wait ? on_wait() : Result<std::optional<Grant>>());
  }
  void end_waits() override { asked.emplace_back("end_waits"); }
  [[nodiscard]] bool is_secret_of(std::string_view app, std::string_view secret) const override {
    auto found = apps_.find(app);
    return found != apps_.end() && found->second.info.secret_login &&
           !found->second.secret.empty() && found->second.secret == secret;
  }
  [[nodiscard]] bool knows(std::string_view app) const override {
    return apps_.find(app) != apps_.end();
  }
  [[nodiscard]] std::optional<keeper::AppInfo> app(std::string_view id) const override {
    auto found = apps_.find(id);
    if (found == apps_.end()) return std::nullopt;
    return found->second.info;
  }
  [[nodiscard]] std::vector<keeper::AppInfo> apps(std::string_view after,
                                                  std::size_t limit) const override {
    std::vector<keeper::AppInfo> page;
    for (auto app = apps_.upper_bound(after); app != apps_.end() && page.size() < limit; ++app) {
      page.push_back(app->second.info);
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
    info.secret_login = app.secret_login;
    put = std::move(app);
    done(info);
  }
  void remove_app(std::string id, Done<Result<bool>> done) override {
    asked.push_back("remove " + id);
    if (change_error) return done(tl::unexpected<Error>(*change_error));
    done(apps_.contains(id));
  }
  void cluster(Done<Result<store::ClusterView>> done) override { done(view); }
  void status(Done<Result<std::vector<TokenStatus>>> done) override {
    asked.emplace_back("status");
    done(statuses);
  }
  [[nodiscard]] keeper::Health health() const override { return healthy; }

 private:
  static std::string name_of(const keeper::Refused& refused) {
    if (const auto* token = std::get_if<Secret>(&refused)) return std::string(token->reveal());
    return "#" + std::get<Fingerprint>(refused).hex();
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
      : services(std::make_shared<Services>(keeper, clock, "1.2.3", counters)),
        routes(services, std::move(base_path)) {}

  /// A key that is known from now on.
  std::string key(store::Rights rights, std::vector<std::string> apps = {}) {
    NewApiKey made = make_api_key().value();
    rows_.push_back(
        {"key " + std::to_string(rows_.size()), made.hash, std::move(apps), rights, {}});
    services->keys.reload(rows_);
    return std::string(made.key.reveal());
  }

  struct Ask {
    std::string_view method;
    std::string_view target;
    std::string key{};
    std::string body{};
    std::vector<std::pair<std::string, std::string>> headers{};
  };
  Answered ask(Ask what) {
    FakeRequest request;
    std::size_t in_doubt_call = what.target.find('?');
    request.method = what.method;
    request.path = what.target.substr(0, in_doubt_call);
    if (in_doubt_call != std::string_view::npos)
      request.query = what.target.substr(in_doubt_call + 1);
    request.body = what.body;
    request.peer = "192.0.2.1";
    request.headers = std::move(what.headers);
    if (!what.key.empty()) request.headers.emplace_back("authorization", "Bearer " + what.key);
    auto answered = std::make_shared<Answered>();
    FakeExchange exchange(answered);
    routes.handle(request, exchange);
    return *answered;
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
