#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/fields.hpp"
#include "config/load.hpp"
#include "config/store_uri.hpp"
#include "platform/catalog.hpp"
#include "platform/timing.hpp"

namespace hufu::config {
namespace {

using platform::PlatformDescription;
using platform::SettingDescription;

constexpr std::string_view kMask = "********";

/// Collects what `config show` prints.
class Effective {
 public:
  explicit Effective(const Loaded& loaded)
      : loaded_(loaded), config_(loaded.config), catalog_(loaded.config) {}

  std::vector<Setting> all() && {
    add_settings();
    for (const PlatformDescription* platform : catalog_.in_use(config_)) add_platform(*platform);
    for (const AppConfig& app : config_.apps) add_app(app);
    return std::move(all_);
  }

 private:
  void add(std::string key, std::string value) {
    Origin origin = loaded_.origin(key);
    all_.push_back({std::move(key), std::move(value), std::move(origin)});
  }

  template <class Target>
  void add_fields(std::span<const Field<Target>> fields, const Target& target,
                  const std::string& prefix) {
    for (const auto& field : fields) {
      add(prefix + std::string(field.name), show_value(field.view(target)));
    }
  }

  void add_settings() {
    for (const auto& field : settings()) {
      std::string value = show_value(field.view(config_));
      if (field.name.starts_with("timing.") && value.empty()) value = usual(field.name.substr(7));
      add(std::string(field.name), field.name == "store" ? masked_store(value) : value);
      if (field.name == "store") {
        add("store_password", config_.store_password.empty() ? "" : std::string(kMask));
      }
    }
  }

  /// A length of time where nobody says anything.
  static std::string usual(std::string_view name) { return show_timing(Timing(), name); }

  static std::string show_timing(const Timing& timing, std::string_view name) {
    const TimingOverrides all{timing.use_slack, timing.refresh_ahead, timing.overlap, timing.lease,
                              timing.request_timeout};
    const auto field = std::find_if(timing_fields().begin(), timing_fields().end(),
                                    [&](const auto& each) { return each.name == name; });
    return show_value(field->view(all));
  }

  void add_platform(const PlatformDescription& platform) {
    const PlatformConfig& config = platform::config_of(config_, platform.name);
    const std::string prefix = "platform." + platform.name + ".";
    for (const auto& field : platform_fields()) {
      std::string value = show_value(field.view(config));
      if (field.name == "base_url" && value.empty()) value = platform.base_url;
      add(prefix + std::string(field.name), field.name == "proxy" ? masked_store(value) : value);
    }
    if (config.custom) {
      add_fields(custom_platform_fields(), *config.custom, prefix);
      if (config.custom->probe) {
        add_fields(probe_fields(), *config.custom->probe, prefix + "probe.");
      }
    }
    // Of its times, those that are not as [timing] says.
    const Timing timing = platform::timing_for(config_, platform);
    for (const auto& field : timing_fields()) {
      std::string general = show_value(field.view(config_.timing));
      if (general.empty()) general = usual(field.name);
      const std::string value = show_timing(timing, field.name);
      if (value != general) add(prefix + "timing." + std::string(field.name), value);
    }
  }

  void add_app(const AppConfig& app) {
    const std::string prefix = "app." + app.id + ".";
    add_fields(app_fields(), app, prefix);
    if (const PlatformDescription* platform = catalog_.find(app.platform)) {
      for (const SettingDescription& setting : platform->settings) {
        add(prefix + setting.name,
            std::string(platform::effective_setting(*platform, app.settings, setting.name)));
      }
      for (const auto& described : platform->credentials) {
        const bool there = !credential(app.credentials, described.name).empty();
        add(prefix + described.name, there ? std::string(kMask) : "");
      }
    }
    for (std::size_t i = 0; i < app.sinks.size(); ++i) {
      add_sink(prefix + "sink." + std::to_string(i + 1) + ".", app.sinks[i]);
    }
  }

  /// A sink is one thing or another: only what was written is shown of it.
  void add_sink(const std::string& prefix, const SinkConfig& sink) {
    for (const auto& field : sink_fields()) {
      std::string value = show_value(field.view(sink));
      if (value.empty()) continue;
      add(prefix + std::string(field.name), field.name == "redis" ? masked_store(value) : value);
    }
    if (!sink.password.empty()) add(prefix + "password", std::string(kMask));
  }

  const Loaded& loaded_;
  const Config& config_;
  const platform::Catalog catalog_;
  std::vector<Setting> all_;
};

}  // namespace

std::vector<Setting> effective(const Loaded& loaded) { return Effective(loaded).all(); }

}  // namespace hufu::config
