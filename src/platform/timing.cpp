#include "platform/timing.hpp"

#include <string>

namespace hufu::platform {
namespace {

using Shape = RenewalRule::Shape;

void override_with(const TimingOverrides& chosen, Timing& timing) {
  timing.use_slack = chosen.use_slack.value_or(timing.use_slack);
  timing.refresh_ahead = chosen.refresh_ahead.value_or(timing.refresh_ahead);
  timing.overlap = chosen.overlap.value_or(timing.overlap);
  timing.lease = chosen.lease.value_or(timing.lease);
  timing.request_timeout = chosen.request_timeout.value_or(timing.request_timeout);
}

}  // namespace

const PlatformConfig& config_of(const Config& config, std::string_view platform) {
  static const PlatformConfig kNone{};
  const auto found = config.platforms.find(std::string(platform));
  return found == config.platforms.end() ? kNone : found->second;
}

Milliseconds overlap_for(const Config& config, const PlatformDescription& platform,
                         const KindDescription& kind) {
  const Shape shape = kind.rule.shape;
  if (shape != Shape::rotating && shape != Shape::windowed) return Milliseconds(0);
  const auto& own = config_of(config, platform.name).timing.overlap;
  return own.value_or(config.timing.overlap.value_or(kind.rule.overlap));
}

Timing timing_for(const Config& config, const PlatformDescription& platform) {
  Timing timing;
  override_with(platform.timing, timing);
  override_with(config.timing, timing);
  override_with(config_of(config, platform.name).timing, timing);
  if (!platform.kinds.empty()) {
    timing.overlap = overlap_for(config, platform, platform.kinds.front());
  }
  return timing;
}

}  // namespace hufu::platform
