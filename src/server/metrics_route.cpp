#include "server/metrics_route.hpp"

#include <string>
#include <utility>
#include <vector>

namespace hufu::server {
namespace {

void reply_metrics(const Answer& answer, Services& services, keeper::Health health,
                   std::vector<TokenStatus> tokens) {
  std::string body =
      services.metrics.render({services.version, services.clock.wall(), std::move(health),
                               services.counters.get(), services.keys.size(), std::move(tokens)});
  answer.reply({200, "text/plain; version=0.0.4; charset=utf-8", {}, body});
}

}  // namespace

void metrics(const Call& call) {
  keeper::Health health = call.services().keeper.health();
  if (!health.started || health.apps > Metrics::kMostApps) {
    return reply_metrics(call, call.services(), std::move(health), {});
  }
  call.services().keeper.status([answer = call.later(), health = std::move(health)](
                                    Result<std::vector<TokenStatus>> status) mutable {
    // Numbers about the rest are better than none.
    std::vector<TokenStatus> tokens;
    if (status) tokens = *std::move(status);
    reply_metrics(answer, answer.services(), std::move(health), std::move(tokens));
  });
}

}  // namespace hufu::server
