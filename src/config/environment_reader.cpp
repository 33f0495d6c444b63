#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "config/app_rules.hpp"
#include "config/draft.hpp"
#include "config/secret_source.hpp"

namespace hufu::config {
namespace {

using platform::PlatformDescription;
using platform::SettingDescription;

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return result;
}

/// Variables that define one app of a platform without a file, "WECHAT_APPID" for one: an app of
/// its own, or new values for the file's app of that id.
class EnvironmentReader {
 public:
  EnvironmentReader(Draft& draft, const PlatformDescription& platform)
      : draft_(draft),
        environment_(draft.sources.environment),
        platform_(platform),
        base_url_(platform.environment + "_BASE_URL"),
        app_id_(platform.environment + "_APPID"),
        secret_(platform.environment + "_APPSECRET") {}

  void read() {
    if (const auto* url = find(environment_, base_url_)) {
      draft_.set(platform_fields().front(), draft_.loaded.config.platforms[platform_.name], *url,
                 origin_of(base_url_), "platform." + platform_.name + ".base_url");
    }
    const std::string* id = find(environment_, app_id_);
    if (id == nullptr) return check_that_nothing_is_half();
    if (find(environment_, secret_) == nullptr) {
      return complain(app_id_, "it is set, but " + secret_ + " is not",
                      "Set " + secret_ + " to the secret of that app, or unset " + app_id_);
    }
    if (auto good = check_app_id(*id); !good) {
      return complain(app_id_, good.error().message, good.error().next_step);
    }
    read_app(app_of(*id));
  }

 private:
  static Origin origin_of(const std::string& variable) {
    return {Origin::Source::environment, variable, 0};
  }

  void complain(const std::string& variable, std::string message, std::string next) {
    draft_.complain(0, "environment " + variable,
                    Error{Fault::config, std::move(message), std::move(next), {}, {}});
  }

  [[nodiscard]] std::string variable_of(const SettingDescription& setting) const {
    return platform_.environment + "_" + upper(setting.name);
  }

  /// Without an id, nothing else of an app makes sense.
  void check_that_nothing_is_half() {
    auto check = [&](const std::string& variable) {
      if (find(environment_, variable) == nullptr) return;
      complain(variable, "it is set, but " + app_id_ + " is not",
               "Set " + app_id_ + " to the id of that app, or unset the other");
    };
    // The file may take a secret from the very variable; then it is not half of an app.
    if (!draft_.secret_variables.contains(secret_)) check(secret_);
    for (const SettingDescription& setting : platform_.settings) check(variable_of(setting));
  }

  AppConfig& app_of(const std::string& id) {
    auto& apps = draft_.loaded.config.apps;
    auto app = std::find_if(apps.begin(), apps.end(),
                            [&](const AppConfig& each) { return each.id == id; });
    if (app != apps.end()) return *app;
    AppConfig added;
    added.id = id;
    return apps.emplace_back(std::move(added));
  }

  void read_app(AppConfig& app) {
    const std::string prefix = "app." + app.id + ".";
    auto& origins = draft_.loaded.origins;
    app.platform = platform_.name;
    origins[prefix + "id"] = origin_of(app_id_);
    origins[prefix + "secret"] = origin_of(secret_);
    auto value = secret_from_environment(environment_, secret_);
    if (value) {
      app.credentials.insert_or_assign(std::string(kSecret), std::move(*value));
    } else {
      complain(secret_, value.error().message, value.error().next_step);
    }
    for (const SettingDescription& setting : platform_.settings) {
      const std::string variable = variable_of(setting);
      if (const std::string* text = find(environment_, variable)) {
        app.settings[setting.name] = *text;
        origins[prefix + setting.name] = origin_of(variable);
      }
    }
  }

  Draft& draft_;
  const Environment& environment_;
  const PlatformDescription& platform_;
  const std::string base_url_;
  const std::string app_id_;
  const std::string secret_;
};

}  // namespace

void read_environment(Draft& draft) {
  for (const auto& field : settings()) {
    if (field.environment.empty()) continue;
    if (const auto* value = find(draft.sources.environment, field.environment)) {
      draft.set(field, draft.loaded.config, *value,
                {Origin::Source::environment, std::string(field.environment), 0},
                std::string(field.name));
    }
  }
  if (find(draft.sources.environment, "HUFU_STORE_PASSWORD") != nullptr) {
    auto password = secret_from_environment(draft.sources.environment, "HUFU_STORE_PASSWORD");
    if (password) {
      draft.loaded.config.store_password = std::move(*password);
      draft.loaded.origins["store_password"] = {Origin::Source::environment, "HUFU_STORE_PASSWORD",
                                                0};
    } else {
      draft.complain(0, "environment HUFU_STORE_PASSWORD", password.error());
    }
  }
  for (const PlatformDescription& platform : draft.catalog.platforms()) {
    if (!platform.environment.empty()) EnvironmentReader(draft, platform).read();
  }
}

}  // namespace hufu::config
