#include "config/timing_rules.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "config/duration.hpp"
#include "config/fields.hpp"
#include "platform/timing.hpp"

namespace hufu::config {
namespace {

using platform::KindDescription;
using platform::PlatformDescription;
using Shape = RenewalRule::Shape;

/// A length of time and the key to blame for it.
struct Span {
  std::string key;
  Milliseconds value{};

  [[nodiscard]] std::string text() const { return key + " (" + format_duration(value) + ")"; }
};

bool ends_its_predecessor(const KindDescription& kind) {
  return kind.rule.shape == Shape::rotating || kind.rule.shape == Shape::windowed;
}

class Check {
 public:
  Check(const Config& config, const PlatformDescription& platform)
      : config_(config),
        platform_(platform),
        prefix_("platform." + platform.name + "."),
        timing_(platform::timing_for(config, platform)),
        use_slack_{key_of("use_slack"), timing_.use_slack},
        refresh_ahead_{key_of("refresh_ahead"), timing_.refresh_ahead},
        lease_{key_of("lease"), timing_.lease},
        request_timeout_{key_of("request_timeout"), timing_.request_timeout} {}

  Result<void> run() const {
    for (const Span* span : {&use_slack_, &refresh_ahead_, &lease_, &request_timeout_}) {
      if (auto good = longer_than_nothing(*span); !good) return good;
    }
    for (const KindDescription& kind : platform_.kinds) {
      if (!ends_its_predecessor(kind)) continue;
      const Span overlap{overlap_key(kind), platform::overlap_for(config_, platform_, kind)};
      // One that its own description lacks is told with the rest of that description.
      if (is_described() && overlap.value == Milliseconds(0)) continue;
      if (auto good = leaves_room_for_a_lease(overlap); !good) return good;
    }
    if (request_timeout_.value >= lease_.value) {
      return must_be_shorter(request_timeout_, lease_);
    }
    if (refresh_ahead_.value <= use_slack_.value) {
      return fail(Fault::config,
                  refresh_ahead_.text() + " must be longer than " + use_slack_.text(),
                  "Raise " + refresh_ahead_.key + " above " + format_duration(use_slack_.value));
    }
    for (const KindDescription& kind : platform_.kinds) {
      const Span life{prefix_ + "longest_lifetime", kind.rule.longest_life};
      if (use_slack_.value >= life.value) return must_be_shorter(use_slack_, life);
    }
    return {};
  }

 private:
  Result<void> longer_than_nothing(const Span& span) const {
    if (span.value > Milliseconds(0)) return {};
    return fail(Fault::config, span.key + " must be longer than 0s",
                "Leave it out, or write a longer one");
  }

  Result<void> leaves_room_for_a_lease(const Span& overlap) const {
    if (auto good = longer_than_nothing(overlap); !good) return good;
    if (overlap.value <= use_slack_.value) {
      return fail(
          Fault::config, overlap.text() + " must be longer than " + use_slack_.text(),
          "Lower " + use_slack_.key +
              ": how long the platform keeps a displaced token alive is not ours to choose");
    }
    const Milliseconds room = overlap.value - use_slack_.value;
    if (lease_.value < room) return {};
    return fail(Fault::config,
                lease_.text() + " must be shorter than " + overlap.key + " − " + use_slack_.key +
                    " (" + format_duration(overlap.value) + " − " +
                    format_duration(use_slack_.value) + " = " + format_duration(room) + ")",
                "Lower " + lease_.key + " below " + format_duration(room));
  }

  static Result<void> must_be_shorter(const Span& what, const Span& than) {
    return fail(Fault::config, what.text() + " must be shorter than " + than.text(),
                "Lower " + what.key + " below " + format_duration(than.value));
  }

  /// "platform.acme.timing.lease" where that was set, else "timing.lease".
  [[nodiscard]] std::string key_of(std::string_view name) const {
    const TimingOverrides& own = platform::config_of(config_, platform_.name).timing;
    const auto field = std::find_if(timing_fields().begin(), timing_fields().end(),
                                    [&](const auto& each) { return each.name == name; });
    const bool is_set = !show_value(field->view(own)).empty();
    return (is_set ? prefix_ : std::string()) + "timing." + std::string(name);
  }

  /// Whether the overlap is as the configuration describes the platform.
  [[nodiscard]] bool is_described() const {
    const PlatformConfig& own = platform::config_of(config_, platform_.name);
    return own.custom && !own.timing.overlap && !config_.timing.overlap;
  }

  [[nodiscard]] std::string overlap_key(const KindDescription& kind) const {
    if (!is_described()) return key_of("overlap");
    return prefix_ + (kind.rule.shape == Shape::windowed ? "window" : "overlap");
  }

  const Config& config_;
  const PlatformDescription& platform_;
  const std::string prefix_;
  const Timing timing_;
  const Span use_slack_;
  const Span refresh_ahead_;
  const Span lease_;
  const Span request_timeout_;
};

}  // namespace

Result<void> check_timing(const Config& config, const PlatformDescription& platform) {
  return Check(config, platform).run();
}

std::vector<Error> check_timings(const Config& config, const platform::Catalog& catalog) {
  std::vector<const PlatformDescription*> platforms = catalog.in_use(config);
  const PlatformDescription* usual = catalog.find(AppConfig().platform);
  if (std::find(platforms.begin(), platforms.end(), usual) == platforms.end()) {
    platforms.push_back(usual);
  }
  std::vector<Error> problems;
  for (const PlatformDescription* platform : platforms) {
    auto good = check_timing(config, *platform);
    if (good) continue;
    // What [timing] says concerns several platforms alike.
    const bool known = std::any_of(problems.begin(), problems.end(), [&](const Error& each) {
      return each.message == good.error().message;
    });
    if (!known) problems.push_back(std::move(good.error()));
  }
  return problems;
}

}  // namespace hufu::config
