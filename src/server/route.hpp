#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/rate_limit.hpp"
#include "hufu/clock.hpp"
#include "keeper/async_keeper.hpp"
#include "net/http_server.hpp"
#include "platform/catalog.hpp"
#include "server/key_table.hpp"
#include "server/metrics.hpp"
#include "server/recent_asks.hpp"

namespace hufu::server {

class Call;
struct DropInPath;
class RouteTable;

/// What a caller has to show.
enum class Guard {
  open,     ///< Nothing: what the route tells is no secret.
  drop_in,  ///< A credential where the platform itself wants it; judged by the route.
  key,      ///< `Authorization: Bearer KEY`, with the right and the app.
};

/// One line of the table of everything that can be asked (RouteTable).
struct Route {
  std::string_view method;  ///< A GET also answers HEAD.
  std::string_view path;    ///< "{app}" stands for one segment, the id of an app.
  Guard guard = Guard::open;
  Right right = Right::read;  ///< Needed, unless the guard is open.
  void (*handle)(const Call& call) = nullptr;
  const DropInPath* drop_in = nullptr;  ///< What a platform's own route is.
};

/// What the routes work with. Shared with every answer that is still under way, so that one that
/// comes after the server was stopped finds everything in place.
struct Services {
  /// What the server was told about itself.
  struct About {
    std::string version;
    std::string base_path;  ///< "" or "/wechat": stands before every path of the table.
    std::shared_ptr<const KeeperCounters> counters;  ///< What the keeper has told; may be none.
    platform::Catalog catalog;                       ///< What can be kept.
    std::function<std::uint64_t()> log_lines_dropped = {};  ///< As Server::Options has it.
  };
  Services(keeper::AsyncKeeper& the_keeper, const Clock& the_clock, About the_about);
  ~Services();

  keeper::AsyncKeeper& keeper;  ///< Outlives this object.
  const Clock& clock;           ///< Outlives this object.
  About about;                  ///< The base path without a slash at its end.
  const std::unique_ptr<const RouteTable> routes;
  const std::string openapi;  ///< The document that describes them.
  KeyTable keys;
  Metrics metrics;
  RecentAsks recent_asks;
  RateLimit refused_credentials;  ///< Of the log lines about them.
  /// Kinds whose tokens are handed out only to keys that name the app, and to administrators.
  std::vector<std::string> authority_kinds;

  /// Whether `kind` is one of those. Allocates nothing.
  [[nodiscard]] bool carries_authority(std::string_view kind) const noexcept;

  /// Whether the store is still being read after the start.
  [[nodiscard]] bool starting() const;
  /// Whether `app` is not known, but may be as soon as the store has been read.
  [[nodiscard]] bool may_yet_know(std::string_view app) const;

 private:
  mutable std::atomic<bool> started_{false};
};

/// The one answer to one request, counted and logged as it is given.
class Answer {
 public:
  virtual ~Answer() = default;
  /// Once.
  virtual void reply(const net::Reply& reply) const = 0;
};

/// An answer that comes later, from any thread. A value, so that a callback can hold it.
class LaterAnswer final : public Answer {
 public:
  LaterAnswer(std::shared_ptr<Services> services, std::shared_ptr<net::Pending> pending,
              const Route* route, std::string_view peer);
  void reply(const net::Reply& reply) const override;
  [[nodiscard]] Services& services() const noexcept { return *services_; }

 private:
  std::shared_ptr<Services> services_;
  std::shared_ptr<net::Pending> pending_;
  const Route* route_;
  std::string peer_;
  SteadyTime begun_;
};

/// One request on its way through the handler of its route. Lives until the handler returns.
class Call final : public Answer {
 public:
  /// How often the request has been handled before: at most once, see `handle_when_started`.
  enum class Attempt { first, second };

  Call(const std::shared_ptr<Services>& services, const net::Request& request,
       net::Exchange& exchange, const Route* route, std::string_view app, Attempt attempt,
       Admission admission = {})
      : request_(request),
        app_(app),
        services_(services),
        exchange_(exchange),
        route_(route),
        attempt_(attempt),
        admission_(admission) {}

  [[nodiscard]] const net::Request& request() const noexcept { return request_; }
  /// What is being handled; null where nothing is at the path.
  [[nodiscard]] const Route* route() const noexcept { return route_; }
  /// The {app} of the path, decoded; empty where the route has none.
  [[nodiscard]] std::string_view app() const noexcept { return app_; }
  [[nodiscard]] Services& services() const noexcept { return *services_; }
  /// What the key is worth that a route with Guard::key was asked with.
  [[nodiscard]] const Admission& admission() const noexcept { return admission_; }

  void reply(const net::Reply& reply) const override;
  /// Takes the answer out of this call's hands.
  [[nodiscard]] LaterAnswer later() const;
  /// While the store is being read after a start: takes the request out of this call's hands, has
  /// it handled anew when that is over, or after a second, and returns true. False where there is
  /// nothing to wait for, or was waited before.
  [[nodiscard]] bool handle_when_started() const;

 private:
  const net::Request& request_;
  std::string_view app_;
  const std::shared_ptr<Services>& services_;
  net::Exchange& exchange_;
  const Route* route_;
  Attempt attempt_;
  Admission admission_;
};

/// The key of `Authorization: Bearer KEY` (RFC 6750; the scheme in any case), else empty.
std::string_view bearer_key(const net::Request& request) noexcept;

}  // namespace hufu::server
