#include "server/routes.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "server/access_log.hpp"
#include "server/drop_in_routes.hpp"
#include "server/openapi.hpp"
#include "server/problem.hpp"
#include "server/query.hpp"
#include "server/route_table.hpp"

namespace hufu::server {
namespace {

/// How long a request waits for the store to be read.
constexpr Milliseconds kStartPatience = std::chrono::seconds(1);

/// `path` without `base`, which must end where a segment ends.
bool strip(std::string_view& path, std::string_view base) noexcept {
  if (!path.starts_with(base)) return false;
  path.remove_prefix(base.size());
  return path.starts_with('/');
}

/// "http://host/" + "/cgi-bin/token" is what several SDKs make of a host that ends in a slash.
void drop_extra_slashes(const RouteTable& routes, std::string_view& path) noexcept {
  const std::size_t name = path.find_first_not_of('/');
  if (name == std::string_view::npos || name < 2) return;
  const std::string_view plain = path.substr(name - 1);
  if (routes.is_drop_in(plain) || routes.dialect_below(plain) != nullptr) path = plain;
}

/// Nothing at this path knows the method, or there is nothing.
void reply_unmatched(const Call& call, std::string_view path, std::span<const Route> others) {
  if (drop_in_unmatched(call, path, others)) return;
  if (others.empty()) {
    return reply_problem(call, 404,
                         {Fault::usage,
                          "There is nothing at this path",
                          "See /openapi.json for what there is",
                          {},
                          {}});
  }
  std::string allowed;
  for (const Route& route : others) {
    if (!allowed.empty()) allowed += ", ";
    allowed += route.method;
    if (route.method == "GET") allowed += ", HEAD";
  }
  reply_problem(call, 405, {Fault::usage, "This path does not know this method", {}, {}, {}},
                "Allow: " + allowed + "\r\n");
}

/// A request that is handled after its own memory is gone. Of its headers, those that a handler
/// looks at.
class KeptRequest final : public net::Request {
 public:
  /// `token_header`: where a platform's own route is shown a token; empty: in no header.
  KeptRequest(const net::Request& request, std::string_view token_header)
      : method_(request.method),
        path_(request.path),
        query_(request.query),
        body_(request.body),
        peer_(request.peer),
        authorization_(request.header("Authorization")),
        if_none_match_(request.header("If-None-Match")),
        token_header_(token_header),
        token_(token_header.empty() ? std::string_view() : request.header(token_header)) {
    method = method_;
    path = path_;
    query = query_.reveal();
    body = body_.reveal();
    peer = peer_;
  }
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept override {
    if (same_but_case(name, "Authorization")) return authorization_.reveal();
    if (same_but_case(name, "If-None-Match")) return if_none_match_;
    if (same_but_case(name, token_header_)) return token_.reveal();
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
  std::string token_header_;
  Secret token_;
};

std::string_view token_header_of(const Route* route) noexcept {
  if (route == nullptr || route->drop_in == nullptr) return {};
  const platform::TokenPlace& token = route->drop_in->first().route.token;
  return token.in == platform::TokenPlace::In::header ? std::string_view(token.name)
                                                      : std::string_view();
}

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
  if (ours) drop_extra_slashes(*services->routes, path);

  const auto found = ours ? services->routes->find(request.method, path) : RouteTable::Found{};
  if (found.route == nullptr) {
    const Call call(services, request, exchange, nullptr, {}, attempt);
    return reply_unmatched(call, ours ? path : std::string_view(), found.others);
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

std::vector<std::string> labels_of(const RouteTable& table) {
  std::vector<std::string> labels;
  for (const Route& route : table.routes()) {
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

/// Every code that is answered where a platform is served in its place: its own and Hufu's.
std::vector<std::string> drop_in_codes_of(const platform::Catalog& catalog) {
  std::vector<std::string> codes;
  for (const platform::PlatformDescription& each : catalog.platforms()) {
    const platform::DropInFailures& own = each.drop_in_failures;
    for (const std::string& code :
         {own.busy, own.no_id, own.unknown_app, own.no_secret, own.wrong_secret,
          own.wrong_grant_type, own.no_token, own.dead_token, own.unknown_kind, own.wrong_parameter,
          own.get_required, own.post_required, own.unknown_path}) {
      if (!own.body.empty() && !code.empty()) codes.push_back(code);
    }
    for (const platform::KindDescription& kind : each.kinds) {
      if (!kind.drop_in) continue;
      for (const auto& [code, mapping] : kind.errors) codes.push_back(code);
    }
  }
  return codes;
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

void Routes::handle(const net::Request& request, net::Exchange& exchange) {
  dispatch(services_, request, exchange, Call::Attempt::first);
}

Services::Services(keeper::AsyncKeeper& the_keeper, const Clock& the_clock, About the_about)
    : keeper(the_keeper),
      clock(the_clock),
      about(std::move(the_about)),
      routes(std::make_unique<const RouteTable>(about.catalog)),
      openapi(openapi_document(about.catalog, *routes)),
      keys(the_keeper),
      metrics(labels_of(*routes), drop_in_codes_of(about.catalog)),
      authority_kinds(authority_kinds_of(about.catalog)) {
  while (about.base_path.ends_with('/')) about.base_path.pop_back();
}

Services::~Services() = default;

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
  services_->metrics.answered_later(services_->routes->index_of(route_), reply.status, took);
  log_request(route_, reply.status, peer_);
  pending_->reply(reply);
}

void Call::reply(const net::Reply& reply) const {
  services_->metrics.answered_at_once(services_->routes->index_of(route_), reply.status);
  log_request(route_, reply.status, request_.peer);
  exchange_.reply(reply);
}

bool Call::handle_when_started() const {
  if (attempt_ == Attempt::second || !services_->starting()) return false;
  services_->keeper.when_started(
      kStartPatience, [services = services_,
                       request = std::make_shared<KeptRequest>(request_, token_header_of(route_)),
                       pending = exchange_.defer()](bool /*started*/) {
        KeptExchange exchange(pending);
        dispatch(services, *request, exchange, Attempt::second);
      });
  return true;
}

LaterAnswer Call::later() const { return {services_, exchange_.defer(), route_, request_.peer}; }

}  // namespace hufu::server
