#include "server/routes.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <map>
#include <utility>

#include "server/access_log.hpp"
#include "server/health_routes.hpp"
#include "server/metrics_route.hpp"
#include "server/openapi.hpp"
#include "server/problem.hpp"
#include "server/query.hpp"
#include "server/v1_apps.hpp"
#include "server/v1_status.hpp"
#include "server/v1_tokens.hpp"
#include "server/wechat_routes.hpp"

namespace hufu::server {
namespace {

constexpr std::array kTable = {
    // As WeChat itself.
    Route{"GET", "/cgi-bin/token", Guard::drop_in, Right::read, wechat_token},
    Route{"POST", "/cgi-bin/token", Guard::drop_in, Right::read, wechat_token},
    Route{"POST", "/cgi-bin/stable_token", Guard::drop_in, Right::read, wechat_stable_token},
    Route{"GET", kTicketPath, Guard::drop_in, Right::read, wechat_ticket},
    Route{"POST", kTicketPath, Guard::drop_in, Right::read, wechat_ticket},

    // Hufu's own.
    Route{"GET", "/v1/apps/{app}/token", Guard::key, Right::read, get_token},
    Route{"POST", "/v1/apps/{app}/token/report", Guard::key, Right::report, report_token},
    Route{"POST", "/v1/apps/{app}/token/refresh", Guard::key, Right::refresh, refresh_token},
    Route{"GET", "/v1/apps", Guard::key, Right::admin, list_apps},
    Route{"GET", "/v1/apps/{app}", Guard::key, Right::admin, get_app},
    Route{"PUT", "/v1/apps/{app}", Guard::key, Right::admin, put_app},
    Route{"DELETE", "/v1/apps/{app}", Guard::key, Right::admin, delete_app},
    Route{"GET", "/v1/platforms", Guard::key, Right::see, list_platforms},
    Route{"GET", "/v1/status", Guard::key, Right::see, get_status},

    // For whoever watches over it.
    Route{"GET", "/healthz", Guard::open, Right::read, healthz},
    Route{"GET", "/readyz", Guard::open, Right::read, readyz},
    Route{"GET", "/metrics", Guard::open, Right::read, metrics},
    Route{"GET", "/openapi.json", Guard::open, Right::read, openapi},
};
static_assert(kTable.size() <= Metrics::kMostRoutes);

/// How long a request waits for the store to be read.
constexpr Milliseconds kStartPatience = std::chrono::seconds(1);

constexpr std::string_view kWeChatPrefix = "/cgi-bin/";

/// `path` without `base`, which must end where a segment ends.
bool strip(std::string_view& path, std::string_view base) noexcept {
  if (!path.starts_with(base)) return false;
  path.remove_prefix(base.size());
  return path.starts_with('/');
}

/// "http://host/" + "/cgi-bin/token" is what several SDKs make of a host that ends in a slash.
void drop_extra_slashes(std::string_view& path) noexcept {
  std::size_t name = path.find_first_not_of('/');
  if (name == std::string_view::npos || name < 2) return;
  if (path.substr(name - 1).starts_with(kWeChatPrefix)) path.remove_prefix(name - 1);
}

/// Whether `path` is what `pattern` says; `app` is what stands in the place of "{app}".
bool matches(std::string_view pattern, std::string_view path, std::string_view& app) noexcept {
  std::size_t placeholder = pattern.find("{app}");
  if (placeholder == std::string_view::npos) return pattern == path;
  if (!path.starts_with(pattern.substr(0, placeholder))) return false;
  path.remove_prefix(placeholder);
  pattern.remove_prefix(placeholder + std::string_view("{app}").size());
  app = path.substr(0, path.find('/'));
  return !app.empty() && path.substr(app.size()) == pattern;
}

struct Found {
  const Route* route = nullptr;
  std::string_view app;  ///< Not decoded.
  std::string allowed;   ///< Methods of this path, where the one that was used is none of them.
};

Found find_route(std::string_view method, std::string_view path) {
  if (method == "HEAD") method = "GET";
  Found found;
  for (const Route& route : kTable) {
    std::string_view app;
    if (!matches(route.path, path, app)) continue;
    if (route.method == method) {
      found.route = &route;
      found.app = app;
      return found;
    }
    if (!found.allowed.empty()) found.allowed += ", ";
    found.allowed += route.method;
    if (route.method == "GET") found.allowed += ", HEAD";
  }
  return found;
}

void reply_unmatched(const Call& call, std::string_view path, const std::string& allowed) {
  if (path.starts_with(kWeChatPrefix)) return wechat_unmatched(call, path);
  if (allowed.empty()) {
    return reply_problem(call, 404,
                         {Fault::usage,
                          "There is nothing at this path",
                          "See /openapi.json for what there is",
                          {},
                          {}});
  }
  reply_problem(call, 405, {Fault::usage, "This path does not know this method", {}, {}, {}},
                "Allow: " + allowed + "\r\n");
}

/// A request that is handled after its own memory is gone. Of its headers, those that a handler
/// looks at.
class KeptRequest final : public net::Request {
 public:
  explicit KeptRequest(const net::Request& request)
      : method_(request.method),
        path_(request.path),
        query_(request.query),
        body_(request.body),
        peer_(request.peer),
        authorization_(request.header("Authorization")),
        if_none_match_(request.header("If-None-Match")) {
    method = method_;
    path = path_;
    query = query_.reveal();
    body = body_.reveal();
    peer = peer_;
  }
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept override {
    if (same_but_case(name, "Authorization")) return authorization_.reveal();
    if (same_but_case(name, "If-None-Match")) return if_none_match_;
    return {};
  }

 private:
  std::string method_;
  std::string path_;
  Secret query_;
  Secret body_;
  std::string peer_;
  Secret authorization_;
  std::string if_none_match_;
};

/// The exchange of such a request.
class KeptExchange final : public net::Exchange {
 public:
  explicit KeptExchange(std::shared_ptr<net::Pending> pending) : pending_(std::move(pending)) {}
  void reply(const net::Reply& reply) override { pending_->reply(reply); }
  std::shared_ptr<net::Pending> defer() override { return pending_; }

 private:
  std::shared_ptr<net::Pending> pending_;
};

/// An app whose name cannot be read is one that nobody has been given.
std::string_view asked_for(const Value& app) noexcept {
  return app.broken() ? std::string_view("%") : app.text();
}

void handle_guarded(const Call& call, const Route& route, const Value& app) {
  const Services& services = call.services();
  if (call.admission().access == Access::unauthenticated) return reply_unauthenticated(call);
  const bool may_come = !app.text().empty() && services.may_yet_know(app.text());
  if (may_come && call.handle_when_started()) return;
  if (!call.admission().granted()) return reply_forbidden(call, route.right);
  if (app.broken()) return reply_problem(call, 404, unknown_app());
  if (may_come) return reply_starting(call);
  route.handle(call);
}

void dispatch(const std::shared_ptr<Services>& services, const net::Request& request,
              net::Exchange& exchange, Call::Attempt attempt) {
  std::string_view path = request.path;
  const bool ours = strip(path, services->about.base_path);
  if (ours) drop_extra_slashes(path);

  const Found found = ours ? find_route(request.method, path) : Found{};
  if (found.route == nullptr) {
    const Call call(services, request, exchange, nullptr, {}, attempt);
    return reply_unmatched(call, ours ? path : std::string_view(), found.allowed);
  }

  const Route& route = *found.route;
  const Value app = Value::of_path(found.app);
  if (route.guard != Guard::key) {
    return route.handle(Call(services, request, exchange, &route, app.text(), attempt));
  }
  const Admission admission =
      services->keys.check(bearer_key(request), route.right, asked_for(app));
  handle_guarded(Call(services, request, exchange, &route, app.text(), attempt, admission), route,
                 app);
}

std::vector<std::string> labels_of_routes() {
  std::vector<std::string> labels;
  for (const Route& route : kTable) {
    labels.push_back(std::string(route.method) + " " + std::string(route.path));
  }
  return labels;
}

std::vector<std::string> authority_kinds_of(const platform::Catalog& catalog) {
  std::vector<std::string> kinds;
  for (const platform::PlatformDescription& platform : catalog.platforms()) {
    for (const platform::KindDescription& kind : platform.kinds) {
      if (kind.authority) kinds.push_back(kind.name);
    }
  }
  return kinds;
}

/// Every code that a platform may refuse with what is served here in its place.
std::vector<int> drop_in_errcodes_of(const platform::Catalog& catalog) {
  std::vector<int> codes;
  for (const platform::PlatformDescription& each : catalog.platforms()) {
    for (const platform::KindDescription& kind : each.kinds) {
      if (!kind.drop_in) continue;
      for (const auto& [code, mapping] : kind.errors) {
        int number = 0;
        const auto read = std::from_chars(code.data(), code.data() + code.size(), number);
        if (read.ptr == code.data() + code.size() && number != 0) codes.push_back(number);
      }
    }
  }
  return codes;
}

/// The kinds that are served on WeChat's ticket route, by the `type` that asks for each.
std::map<std::string, std::string, std::less<>> ticket_kinds_of(const platform::Catalog& catalog) {
  std::map<std::string, std::string, std::less<>> kinds;
  for (const platform::PlatformDescription& each : catalog.platforms()) {
    for (const platform::KindDescription& kind : each.kinds) {
      if (!kind.drop_in || kind.drop_in->path != kTicketPath) continue;
      const auto type = kind.drop_in->query.find("type");
      if (type != kind.drop_in->query.end()) kinds.emplace(type->second, kind.name);
    }
  }
  return kinds;
}

}  // namespace

std::string_view bearer_key(const net::Request& request) noexcept {
  constexpr std::string_view kScheme = "Bearer ";
  std::string_view value = request.header("Authorization");
  if (!same_but_case(value.substr(0, kScheme.size()), kScheme)) return {};
  value.remove_prefix(kScheme.size());
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  return value;
}

std::span<const Route> route_table() noexcept { return kTable; }

std::size_t index_of(const Route* route) noexcept {
  return route == nullptr ? kTable.size() : static_cast<std::size_t>(route - kTable.data());
}

void Routes::handle(const net::Request& request, net::Exchange& exchange) {
  dispatch(services_, request, exchange, Call::Attempt::first);
}

Services::Services(keeper::AsyncKeeper& the_keeper, const Clock& the_clock, About the_about)
    : keeper(the_keeper),
      clock(the_clock),
      about(std::move(the_about)),
      keys(the_keeper),
      metrics(labels_of_routes(), drop_in_errcodes_of(about.catalog)),
      authority_kinds(authority_kinds_of(about.catalog)),
      ticket_kinds(ticket_kinds_of(about.catalog)) {
  while (about.base_path.ends_with('/')) about.base_path.pop_back();
}

bool Services::carries_authority(std::string_view kind) const noexcept {
  return std::find(authority_kinds.begin(), authority_kinds.end(), kind) != authority_kinds.end();
}

bool Services::starting() const {
  if (started_.load(std::memory_order_acquire)) return false;
  if (!keeper.health().started) return true;
  started_.store(true, std::memory_order_release);
  return false;
}

bool Services::may_yet_know(std::string_view app) const {
  return !started_.load(std::memory_order_acquire) && !keeper.knows(app) && starting();
}

LaterAnswer::LaterAnswer(std::shared_ptr<Services> services, std::shared_ptr<net::Pending> pending,
                         const Route* route, std::string_view peer)
    : services_(std::move(services)),
      pending_(std::move(pending)),
      route_(route),
      peer_(peer),
      begun_(services_->clock.steady()) {}

void LaterAnswer::reply(const net::Reply& reply) const {
  Milliseconds took = services_->clock.steady() - begun_;
  services_->metrics.answered_later(index_of(route_), reply.status, took);
  log_request(route_, reply.status, peer_);
  pending_->reply(reply);
}

void Call::reply(const net::Reply& reply) const {
  services_->metrics.answered_at_once(index_of(route_), reply.status);
  log_request(route_, reply.status, request_.peer);
  exchange_.reply(reply);
}

bool Call::handle_when_started() const {
  if (attempt_ == Attempt::second || !services_->starting()) return false;
  services_->keeper.when_started(
      kStartPatience, [services = services_, request = std::make_shared<KeptRequest>(request_),
                       pending = exchange_.defer()](bool /*started*/) {
        KeptExchange exchange(pending);
        dispatch(services, *request, exchange, Attempt::second);
      });
  return true;
}

LaterAnswer Call::later() const { return {services_, exchange_.defer(), route_, request_.peer}; }

}  // namespace hufu::server
