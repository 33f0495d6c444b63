#include "config/timing_rules.hpp"

#include "config/duration.hpp"

namespace hufu::config {
namespace {

std::string value(std::string_view name, Milliseconds span) {
  return "timing." + std::string(name) + " (" + format_duration(span) + ")";
}

}  // namespace

Result<void> check_timing(const Timing& timing) {
  const struct {
    std::string_view name;
    Milliseconds value;
    Milliseconds standard;
  } spans[] = {
      {"use_slack", timing.use_slack, Timing().use_slack},
      {"refresh_ahead", timing.refresh_ahead, Timing().refresh_ahead},
      {"overlap", timing.overlap, Timing().overlap},
      {"lease", timing.lease, Timing().lease},
      {"request_timeout", timing.request_timeout, Timing().request_timeout},
  };
  for (const auto& span : spans) {
    if (span.value > Milliseconds(0)) continue;
    std::string name = "timing." + std::string(span.name);
    return fail(Fault::config, name + " must be longer than 0s",
                "Leave it out: then it is " + format_duration(span.standard));
  }

  if (timing.overlap <= timing.use_slack) {
    return fail(Fault::config,
                value("overlap", timing.overlap) + " must be longer than " +
                    value("use_slack", timing.use_slack),
                "Lower timing.use_slack: how long the platform keeps a displaced token alive is "
                "not ours to choose");
  }
  Milliseconds room = timing.overlap - timing.use_slack;
  if (timing.lease >= room) {
    return fail(Fault::config,
                value("lease", timing.lease) + " must be shorter than timing.overlap − " +
                    "timing.use_slack (" + format_duration(timing.overlap) + " − " +
                    format_duration(timing.use_slack) + " = " + format_duration(room) + ")",
                "Lower timing.lease below " + format_duration(room));
  }
  if (timing.request_timeout >= timing.lease) {
    return fail(Fault::config,
                value("request_timeout", timing.request_timeout) + " must be shorter than " +
                    value("lease", timing.lease),
                "Lower timing.request_timeout below " + format_duration(timing.lease));
  }
  if (timing.refresh_ahead <= timing.use_slack) {
    return fail(Fault::config,
                value("refresh_ahead", timing.refresh_ahead) + " must be longer than " +
                    value("use_slack", timing.use_slack),
                "Raise timing.refresh_ahead above " + format_duration(timing.use_slack));
  }
  return {};
}

}  // namespace hufu::config
