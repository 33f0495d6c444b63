#include "server/route_table.hpp"

#include <algorithm>
#include <array>

#include "server/drop_in_routes.hpp"
#include "server/health_routes.hpp"
#include "server/metrics_route.hpp"
#include "server/openapi.hpp"
#include "server/v1_apps.hpp"
#include "server/v1_status.hpp"
#include "server/v1_tokens.hpp"

namespace hufu::server {
namespace {

constexpr std::array kOwn = {
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

constexpr std::string_view kApp = "{app}";

/// Whether `path` is what `pattern` says; `app` is what stands in the place of "{app}".
bool matches(std::string_view pattern, std::string_view path, std::string_view& app) noexcept {
  const std::size_t placeholder = pattern.find(kApp);
  if (!path.starts_with(pattern.substr(0, placeholder))) return false;
  path.remove_prefix(placeholder);
  pattern.remove_prefix(placeholder + kApp.size());
  app = path.substr(0, path.find('/'));
  return !app.empty() && path.substr(app.size()) == pattern;
}

}  // namespace

RouteTable::RouteTable(const platform::Catalog& catalog) : drop_ins_(catalog) {
  for (const auto& path : drop_ins_.paths) {
    for (const std::string& method : path->methods) {
      routes_.push_back({method, path->path, Guard::drop_in, Right::read,
                         path->first().route.id.empty() ? drop_in_by_token : drop_in_by_credentials,
                         path.get()});
    }
  }
  routes_.insert(routes_.end(), kOwn.begin(), kOwn.end());
  for (std::size_t i = 0; i < routes_.size();) {
    const std::string_view path = routes_[i].path;
    const std::size_t first = i;
    while (i < routes_.size() && routes_[i].path == path) ++i;
    const Lines lines{first, i - first};
    if (path.find(kApp) == std::string_view::npos) {
      by_path_.emplace(path, lines);
    } else {
      with_app_.push_back(lines);
    }
  }
}

std::size_t RouteTable::index_of(const Route* route) const noexcept {
  return route == nullptr ? routes_.size() : static_cast<std::size_t>(route - routes_.data());
}

RouteTable::Found RouteTable::find(std::string_view method, std::string_view path) const noexcept {
  if (method == "HEAD") method = "GET";
  Found found;
  if (const auto exact = by_path_.find(path); exact != by_path_.end()) {
    found.others = lines(exact->second);
  } else {
    for (const Lines& each : with_app_) {
      if (!matches(routes_[each.first].path, path, found.app)) continue;
      found.others = lines(each);
      break;
    }
  }
  for (const Route& route : found.others) {
    if (route.method == method) return {&route, found.app, {}};
  }
  return found;
}

bool RouteTable::is_drop_in(std::string_view path) const noexcept {
  const auto found = by_path_.find(path);
  return found != by_path_.end() && routes_[found->second.first].guard == Guard::drop_in;
}

const DropInDialect* RouteTable::dialect_below(std::string_view path) const noexcept {
  for (const auto& dialect : drop_ins_.below_prefix) {
    if (path.starts_with(dialect->failures.prefix)) return dialect.get();
  }
  return nullptr;
}

}  // namespace hufu::server
