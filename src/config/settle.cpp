#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "config/address_rules.hpp"
#include "config/app_rules.hpp"
#include "config/draft.hpp"
#include "config/sink_rules.hpp"
#include "config/store_uri.hpp"
#include "config/timing_rules.hpp"
#include "platform/placeholders.hpp"

// What is left when all has been read: values that depend on the machine, and what can only be
// checked when more than one value is known.

namespace hufu::config {
namespace {

using platform::PlatformDescription;
using platform::SettingDescription;

std::string where(const Draft& draft, const std::string& key) {
  Origin origin = draft.loaded.origin(key);
  return origin.source == Origin::Source::fallback ? key : origin.text() + ": " + key;
}

/// Where the first of the settings that `message` names was set by somebody: there it is mended.
Origin first_set(const Draft& draft, std::string_view message) {
  Origin first;
  std::size_t named_at = std::string_view::npos;
  for (const auto& [key, origin] : draft.loaded.origins) {
    const std::size_t at = message.find(key);
    if (origin.source == Origin::Source::fallback || at >= named_at) continue;
    named_at = at;
    first = origin;
  }
  return first;
}

/// No two sinks may write to one place: each would take it for its own.
void check_places(Draft& draft) {
  for (const SharedPlace& shared : find_shared_places(draft.loaded.config.apps)) {
    const int line = draft.sink_lines[shared.sink];
    draft.complain(line, draft.loaded.file + ":" + std::to_string(line) + ": " + shared.sink,
                   shared.error);
  }
}

/// Where the store and its keys are, unless somebody said so.
void settle_store(Draft& draft) {
  Config& config = draft.loaded.config;
  if (!draft.loaded.origins.contains("store")) {
    if (auto place = default_store(draft.sources.environment)) {
      config.store = std::move(*place);
    } else {
      draft.complain(0, "store", place.error());
    }
  } else if (auto good = check_store(config.store, draft.sources.stores); !good) {
    draft.complain(draft.loaded.origin("store").line, where(draft, "store"), good.error());
  } else if (is_shared_store(config.store) && config.key_file.empty()) {
    if (auto place = default_key_file(draft.sources.environment)) {
      config.key_file = std::move(*place);
    } else {
      draft.complain(0, "key_file", place.error());
    }
  }
}

void complain_at(Draft& draft, const std::string& key, const Error& error) {
  draft.complain(draft.loaded.origin(key).line, where(draft, key), error);
}

/// No URL may show secrets on its way, unless that is allowed.
void check_addresses(Draft& draft) {
  for (const auto& [name, platform] : draft.loaded.config.platforms) {
    if (platform.allow_http) continue;
    const Error error{Fault::config,
                      "plain http:// to another machine shows secrets and tokens to everybody on "
                      "the way",
                      "Write https://, or allow_http = true below [platform." + name +
                          "] where that network is trusted",
                      {},
                      {}};
    const std::string prefix = "platform." + name + ".";
    if (leaves_in_the_clear(platform.base_url)) complain_at(draft, prefix + "base_url", error);
    const bool fallback = std::any_of(platform.fallback.begin(), platform.fallback.end(),
                                      [](const auto& url) { return leaves_in_the_clear(url); });
    if (fallback) complain_at(draft, prefix + "fallback", error);
  }
}

/// The key of `[platform.NAME]` whose path has this placeholder.
std::string_view path_with(const CustomPlatform& custom, std::string_view placeholder) {
  const auto names = platform::placeholders_in(custom.path);
  return std::find(names.begin(), names.end(), placeholder) != names.end() ? "path" : "probe.path";
}

/// A setting that a path needs and no app of the file has: most likely the path is wrong. Returns
/// the settings that were complained about, "acme.tenant". (Apps of the store may come without the
/// file having any.)
std::set<std::string> check_placeholders(Draft& draft) {
  const Config& config = draft.loaded.config;
  std::set<std::string> complained;
  for (const auto& entry : config.platforms) {
    if (!entry.second.custom) continue;
    const std::string& name = entry.first;  // A lambda takes no part of a structured binding.
    const PlatformDescription* described = draft.catalog.find(name);
    for (const SettingDescription& setting : described->settings) {
      auto is_of_it = [&](const AppConfig& app) { return app.platform == name; };
      auto sets_it = [&](const AppConfig& app) {
        return app.platform == name && !hufu::setting(app.settings, setting.name).empty();
      };
      const auto& apps = config.apps;
      if (!setting.required || std::none_of(apps.begin(), apps.end(), is_of_it) ||
          std::any_of(apps.begin(), apps.end(), sets_it)) {
        continue;
      }
      const std::string key =
          "platform." + name + "." + std::string(path_with(*entry.second.custom, setting.name));
      complain_at(
          draft, key,
          Error{Fault::config,
                "nobody sets {" + setting.name + "}: no app of " + name + " has such a setting",
                "Write " + setting.name + " = \"…\" below the app, or another placeholder",
                {},
                {}});
      complained.insert(name + "." + setting.name);
    }
  }
  return complained;
}

/// What the catalog says about the apps.
void check_apps(Draft& draft) {
  const std::set<std::string> complained = check_placeholders(draft);
  for (const AppConfig& app : draft.loaded.config.apps) {
    const std::string prefix = "app." + app.id + ".";
    const auto& origins = draft.loaded.origins;
    auto complain = [&](const platform::AppProblem& problem) {
      const std::string key = origins.contains(prefix + problem.key) ? problem.key : "id";
      const Origin origin = draft.loaded.origin(prefix + key);
      draft.complain(origin.line, origin.text() + ": app " + app.id, problem.error);
    };
    for (const platform::AppProblem& problem : check_app(draft.catalog, app)) {
      if (draft.unreadable.contains(prefix + problem.key) ||
          complained.contains(app.platform + "." + problem.key)) {
        continue;
      }
      complain(problem);
    }
    const PlatformDescription* platform = draft.catalog.find(app.platform);
    if (platform == nullptr) continue;
    auto missing = missing_credential(*platform, app.credentials);
    // One that was read and found unusable is not missing.
    if (missing && !origins.contains(prefix + missing->key)) complain(*missing);
  }
}

/// What can be used but looks damaged.
void look_for_damage(Draft& draft) {
  for (const AppConfig& app : draft.loaded.config.apps) {
    const PlatformDescription* platform = draft.catalog.find(app.platform);
    if (platform == nullptr) continue;
    for (auto& [key, error] : find_damage_in(*platform, app)) {
      error.fault = Fault::config;
      error.message = where(draft, "app." + app.id + "." + key) + ": " + error.message;
      draft.loaded.warnings.push_back(std::move(error));
    }
  }
}

void check_legacy_documents(Draft& draft) {
  const Config& config = draft.loaded.config;
  for (const AppConfig& app : config.apps) {
    const auto good =
        check_legacy_document(app.legacy_document, app.legacy_collection, config.store);
    if (!good) complain_at(draft, "app." + app.id + ".legacy_document", good.error());
  }
}

}  // namespace

void settle(Draft& draft) {
  settle_store(draft);
  check_addresses(draft);
  check_apps(draft);
  look_for_damage(draft);
  check_legacy_documents(draft);
  check_places(draft);
  for (const Error& problem : check_timings(draft.loaded.config, draft.catalog)) {
    const Origin origin = first_set(draft, problem.message);
    draft.complain(origin.line, origin.text(), problem);
  }
}

}  // namespace hufu::config
