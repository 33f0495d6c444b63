#include "server/routes.hpp"

#include <array>
#include <utility>

#include "server/access_log.hpp"
#include "server/health_routes.hpp"
#include "server/metrics_route.hpp"
#include "server/openapi.hpp"
#include "server/platform_routes.hpp"
#include "server/problem.hpp"
#include "server/query.hpp"
#include "server/v1_routes.hpp"

namespace hufu::server {
namespace {

constexpr std::array kTable = {
    // As the platform itself.
    Route{"GET", "/cgi-bin/token", Guard::platform, Right::read, token_as_platform},
    Route{"POST", "/cgi-bin/token", Guard::platform, Right::read, token_as_platform},
    Route{"POST", "/cgi-bin/stable_token", Guard::platform, Right::read, stable_token_as_platform},

    // Hufu's own.
    Route{"GET", "/v1/apps/{app}/token", Guard::key, Right::read, get_token},
    Route{"POST", "/v1/apps/{app}/token/report", Guard::key, Right::report, report_token},
    Route{"POST", "/v1/apps/{app}/token/refresh", Guard::key, Right::refresh, refresh_token},
    Route{"GET", "/v1/apps", Guard::key, Right::admin, list_apps},
    Route{"GET", "/v1/apps/{app}", Guard::key, Right::admin, get_app},
    Route{"PUT", "/v1/apps/{app}", Guard::key, Right::admin, put_app},
    Route{"DELETE", "/v1/apps/{app}", Guard::key, Right::admin, delete_app},
    Route{"GET", "/v1/status", Guard::key, Right::read, get_status},

    // For whoever watches over it.
    Route{"GET", "/healthz", Guard::open, Right::read, healthz},
    Route{"GET", "/readyz", Guard::open, Right::read, readyz},
    Route{"GET", "/metrics", Guard::open, Right::read, metrics},
    Route{"GET", "/openapi.json", Guard::open, Right::read, openapi},
};
static_assert(kTable.size() <= Metrics::kMostRoutes);

constexpr std::string_view kPlatformPrefix = "/cgi-bin/";

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
  if (path.substr(name - 1).starts_with(kPlatformPrefix)) path.remove_prefix(name - 1);
}

/// Whether `path` is what `pattern` says; `app` is what stands in the place of "{app}".
bool matches(std::string_view pattern, std::string_view path, std::string_view& app) noexcept {
  std::size_t hole = pattern.find("{app}");
  if (hole == std::string_view::npos) return pattern == path;
  if (!path.starts_with(pattern.substr(0, hole))) return false;
  path.remove_prefix(hole);
  pattern.remove_prefix(hole + std::string_view("{app}").size());
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

void answer_stray(const Call& call, std::string_view path, const std::string& allowed) {
  if (path.starts_with(kPlatformPrefix)) return stray_as_platform(call, path);
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

Routes::Routes(std::shared_ptr<Services> services, std::string base_path)
    : services_(std::move(services)), base_path_(std::move(base_path)) {
  while (base_path_.ends_with('/')) base_path_.pop_back();
}

void Routes::handle(const net::Request& request, net::Exchange& exchange) {
  std::string_view path = request.path;
  bool ours = strip(path, base_path_);
  if (ours) drop_extra_slashes(path);

  Found found = ours ? find_route(request.method, path) : Found{};
  if (found.route == nullptr) {
    Call call(services_, request, exchange, nullptr, {});
    return answer_stray(call, ours ? path : std::string_view(), found.allowed);
  }

  Value app = Value::of_path(found.app);
  Call call(services_, request, exchange, found.route, app.text());
  if (found.route->guard == Guard::key) {
    // An app whose name cannot be read is one that nobody has been given.
    std::string_view asked = app.broken() ? std::string_view("%") : app.text();
    switch (services_->keys.check(bearer_key(request), found.route->right, asked)) {
      case Access::granted: break;
      case Access::unauthenticated: return reply_unauthenticated(call);
      case Access::forbidden: return reply_forbidden(call, found.route->right);
    }
    if (app.broken()) return reply_problem(call, 404, unknown_app());
  }
  found.route->handle(call);
}

Services::Services(keeper::AsyncKeeper& the_keeper, const Clock& the_clock, std::string the_version,
                   std::shared_ptr<const KeeperCounters> the_counters)
    : keeper(the_keeper),
      clock(the_clock),
      version(std::move(the_version)),
      counters(std::move(the_counters)),
      metrics([] {
        std::vector<std::string> labels;
        for (const Route& route : kTable) {
          labels.push_back(std::string(route.method) + " " + std::string(route.path));
        }
        return labels;
      }()) {}

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

LaterAnswer Call::later() const { return {services_, exchange_.defer(), route_, request_.peer}; }

}  // namespace hufu::server
