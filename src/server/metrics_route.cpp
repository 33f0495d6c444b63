#include "server/metrics_route.hpp"

#include <string>
#include <utility>

namespace hufu::server {
namespace {

/// For each of a few apps, some kinds.
constexpr std::size_t kMostTokens = 4 * Metrics::kMostApps;

void reply_metrics(const Answer& answer, Services& services, keeper::Health health,
                   keeper::StatusPage page) {
  const auto& dropped = services.about.log_lines_dropped;
  const std::string body =
      services.metrics.render({services.about.version, services.clock.wall(), std::move(health),
                               services.about.counters.get(), services.keys.size(), page.counts,
                               dropped ? dropped() : 0, std::move(page.tokens)});
  answer.reply({200, "text/plain; version=0.0.4; charset=utf-8", {}, body});
}

}  // namespace

void metrics(const Call& call) {
  keeper::Health health = call.services().keeper.health();
  if (!health.started) return reply_metrics(call, call.services(), std::move(health), {});
  keeper::StatusQuery query;
  query.limit = health.apps > Metrics::kMostApps ? 0 : kMostTokens;
  call.services().keeper.status(
      std::move(query),
      [answer = call.later(), health = std::move(health)](Result<keeper::StatusPage> page) mutable {
        // Numbers about the rest are better than none.
        reply_metrics(answer, answer.services(), std::move(health),
                      page ? *std::move(page) : keeper::StatusPage{});
      });
}

}  // namespace hufu::server
