#include "server/health_routes.hpp"

#include <string>

#include "server/json.hpp"

namespace hufu::server {
namespace {

/// Why this node should not be asked for tokens; empty if it should.
std::string_view obstacle(const keeper::Health& health) noexcept {
  if (!health.started) return "starting";
  if (!health.store_ok) return "the store cannot be used";
  if (health.apps > 0 && health.usable == 0) return "no app has a usable token";
  return {};
}

}  // namespace

void healthz(const Call& call) { call.reply({200, "application/json", {}, R"({"alive":true})"}); }

void readyz(const Call& call) {
  keeper::Health health = call.services().keeper.health();
  std::string_view why_not = obstacle(health);
  std::string body = why_not.empty() ? R"({"ready":true)" : R"({"ready":false,"reason":)";
  if (!why_not.empty()) append_string(body, why_not);
  body += R"(,"apps":)";
  append_number(body, static_cast<std::int64_t>(health.apps));
  body += R"(,"usable":)";
  append_number(body, static_cast<std::int64_t>(health.usable));
  body += R"(,"without_token":[)";
  for (std::size_t i = 0; i < health.without.size(); ++i) {
    if (i > 0) body += ',';
    append_string(body, health.without[i]);
  }
  body += R"(],"without_token_total":)";
  append_number(body, static_cast<std::int64_t>(health.apps - health.usable));
  body += '}';
  call.reply({why_not.empty() ? 200 : 503, "application/json", {}, body});
}

}  // namespace hufu::server
