#include "config/load.hpp"

#include <algorithm>
#include <climits>
#include <map>

#include "config/address_rules.hpp"
#include "config/app_rules.hpp"
#include "config/draft.hpp"
#include "config/secret_source.hpp"
#include "config/sink_rules.hpp"
#include "config/store_uri.hpp"
#include "config/timing_rules.hpp"
#include "core/text.hpp"

namespace hufu::config {
namespace {

constexpr std::string_view kMask = "********";

/// False if a file that counts cannot be read: then nothing else is worth a word.
bool read_file(Draft& draft) {
  struct Candidate {
    std::string path;
    std::string named_by;  ///< Empty: a place that is merely looked at.
  };
  std::vector<Candidate> candidates;
  if (draft.sources.file) {
    candidates = {{*draft.sources.file, "--config"}};
  } else if (const auto* path = find(draft.sources.environment, "HUFU_CONFIG")) {
    candidates = {{*path, "HUFU_CONFIG"}};
  } else {
    candidates = {{"./hufu.toml", {}}, {"/etc/hufu/hufu.toml", {}}};
  }

  for (const Candidate& candidate : candidates) {
    auto text = draft.sources.read_file(candidate.path);
    if (text) return read_file_into(draft, candidate.path, std::move(*text));
    if (text.error().missing && candidate.named_by.empty()) continue;
    std::string named = candidate.named_by.empty() ? "" : ", named by " + candidate.named_by;
    draft.complain(0, "configuration file " + quoted(candidate.path) + named,
                   Error{Fault::config,
                         text.error().missing ? "it does not exist"
                                              : "it cannot be read: " + text.error().reason,
                         text.error().missing ? "Create it, or name another one"
                                              : "Make it readable for the user that runs hufu",
                         {},
                         {}});
    return false;
  }
  return true;
}

/// WECHAT_APPID + WECHAT_APPSECRET (+ WECHAT_ENDPOINT): an app of its own, or new values for the
/// file's app of that id.
void read_app_from_environment(Draft& draft) {
  const Environment& environment = draft.sources.environment;
  const std::string* id = find(environment, "WECHAT_APPID");
  const std::string* secret = find(environment, "WECHAT_APPSECRET");
  const std::string* endpoint = find(environment, "WECHAT_ENDPOINT");

  auto complain = [&](const std::string& name, std::string message, std::string next) {
    draft.complain(0, "environment " + name,
                   Error{Fault::config, std::move(message), std::move(next), {}, {}});
  };
  if (id == nullptr) {
    // The file may take a secret from the very variable; then it is not half of an app.
    bool stray = secret != nullptr && !draft.secret_variables.contains("WECHAT_APPSECRET");
    if (stray || endpoint != nullptr) {
      complain(stray ? "WECHAT_APPSECRET" : "WECHAT_ENDPOINT", "it is set, but WECHAT_APPID is not",
               "Set WECHAT_APPID to the id of that app, or unset the other");
    }
    return;
  }
  if (secret == nullptr) {
    return complain("WECHAT_APPID", "it is set, but WECHAT_APPSECRET is not",
                    "Set WECHAT_APPSECRET to the secret of that app, or unset WECHAT_APPID");
  }
  if (auto good = check_app_id(*id); !good) {
    return complain("WECHAT_APPID", good.error().message, good.error().next_step);
  }

  auto& apps = draft.loaded.config.apps;
  auto app = std::find_if(apps.begin(), apps.end(),
                          [&](const AppConfig& candidate) { return candidate.id == *id; });
  if (app == apps.end()) {
    AppConfig added;
    added.id = *id;
    app = apps.insert(apps.end(), std::move(added));
  }
  auto note = [&](std::string_view name, std::string variable) {
    draft.loaded.origins["app." + *id + "." + std::string(name)] = {Origin::Source::environment,
                                                                    std::move(variable), 0};
  };
  note("id", "WECHAT_APPID");
  note("secret", "WECHAT_APPSECRET");
  auto value = secret_from_environment(environment, "WECHAT_APPSECRET");
  if (value) {
    app->credentials.insert_or_assign(std::string(kSecret), std::move(*value));
  } else {
    complain("WECHAT_APPSECRET", value.error().message, value.error().next_step);
  }
  if (endpoint == nullptr) return;
  if (auto known = check_issuer("wechat", *endpoint); !known) {
    return complain("WECHAT_ENDPOINT", known.error().message, known.error().next_step);
  }
  app->platform = "wechat";
  app->settings["endpoint"] = *endpoint;
  note("endpoint", "WECHAT_ENDPOINT");
}

void read_environment(Draft& draft) {
  for (const auto& field : settings()) {
    if (field.environment.empty()) continue;
    if (const auto* value = find(draft.sources.environment, field.environment)) {
      draft.set(field, draft.loaded.config, *value,
                {Origin::Source::environment, std::string(field.environment), 0},
                std::string(field.name));
    }
  }
  if (const auto* url = find(draft.sources.environment, "WECHAT_BASE_URL")) {
    draft.set(platform_fields().front(), draft.loaded.config.platforms["wechat"], *url,
              {Origin::Source::environment, "WECHAT_BASE_URL", 0}, "platform.wechat.base_url");
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
  read_app_from_environment(draft);
}

void read_flags(Draft& draft) {
  for (const auto& [key, value] : draft.sources.flags) {
    if (const auto* field = setting(key)) {
      draft.set(*field, draft.loaded.config, value,
                {Origin::Source::flag, std::string(field->flag), 0}, key);
    }
  }
}

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
  std::map<std::string, std::string> taken;  // Place and the sink that has it.
  for (const auto& app : draft.loaded.config.apps) {
    for (std::size_t i = 0; i < app.sinks.size(); ++i) {
      const std::string name = "app." + app.id + ".sink." + std::to_string(i + 1);
      for (const std::string& place : places_of(app.sinks[i], app)) {
        const auto [first, fresh] = taken.emplace(place, name);
        if (fresh || first->second == name) continue;
        const int line = draft.sink_lines[name];
        draft.complain(line, draft.loaded.file + ":" + std::to_string(line) + ": " + name,
                       Error{Fault::config,
                             "it goes to the same place as " + first->second,
                             "Remove one of the two, or tell them apart by {app}",
                             {},
                             {}});
        break;
      }
    }
  }
}

/// Fills in what depends on the machine, and checks what depends on more than one value.
void settle(Draft& draft) {
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

  for (const auto& [name, platform] : config.platforms) {
    if (platform.allow_http || !leaves_in_the_clear(platform.base_url)) continue;
    std::string key = "platform." + name + ".base_url";
    draft.complain(draft.loaded.origin(key).line, where(draft, key),
                   Error{Fault::config,
                         "plain http:// to another machine shows secrets and tokens to everybody "
                         "on the way",
                         "Write https://, or allow_http = true below [platform." + name +
                             "] where that network is trusted",
                         {},
                         {}});
  }

  for (const auto& app : config.apps) {
    const std::string field = "app." + app.id + ".legacy_document";
    const auto good =
        check_legacy_document(app.legacy_document, app.legacy_collection, config.store);
    if (!good) draft.complain(draft.loaded.origin(field).line, where(draft, field), good.error());
  }

  for (const auto& app : config.apps) {
    if (draft.loaded.origins.contains("app." + app.id + ".secret")) continue;
    std::string id = "app." + app.id + ".id";
    draft.complain(draft.loaded.origin(id).line, draft.loaded.origin(id).text() + ": app " + app.id,
                   Error{Fault::config,
                         "it has no secret",
                         "Write secret = { env = \"NAME\" } or secret = { file = \"PATH\" }",
                         {},
                         {}});
  }

  check_places(draft);

  if (auto good = check_timing(config.timing); !good) {
    const Origin origin = first_set(draft, good.error().message);
    draft.complain(origin.line, origin.text(), good.error());
  }
}

}  // namespace

std::string Origin::text() const {
  switch (source) {
    case Source::fallback: return "default";
    case Source::file: return where;
    case Source::environment: return "environment " + where;
    case Source::flag: return "flag " + where;
  }
  return where;
}

Origin Loaded::origin(std::string_view key) const {
  auto found = origins.find(key);
  return found == origins.end() ? Origin() : found->second;
}

Examined Draft::finish() && {
  // Those that are not of the file come last.
  auto place = [](int line) { return line == 0 ? INT_MAX : line; };
  std::stable_sort(problems_.begin(), problems_.end(),
                   [&](const auto& a, const auto& b) { return place(a.first) < place(b.first); });
  Examined result{std::move(loaded), {}};
  for (auto& [line, problem] : problems_) result.problems.push_back(std::move(problem));
  return result;
}

Examined examine(const Sources& sources) {
  Draft draft(sources);
  if (read_file(draft)) {
    read_environment(draft);
    read_flags(draft);
    settle(draft);
  }
  return std::move(draft).finish();
}

Result<Loaded> load(const Sources& sources) {
  Examined examined = examine(sources);
  if (!examined.problems.empty()) return tl::unexpected(std::move(examined.problems.front()));
  return std::move(examined.loaded);
}

std::vector<Setting> effective(const Loaded& loaded) {
  std::vector<Setting> result;
  auto add = [&](std::string key, std::string value) {
    Origin origin = loaded.origin(key);
    result.push_back({std::move(key), std::move(value), std::move(origin)});
  };
  // A sink is one thing or another: only what was written is shown of it.
  auto add_sink = [&](const std::string& prefix, const SinkConfig& sink) {
    for (const auto& field : sink_fields()) {
      std::string value = show_value(field.view(sink));
      if (value.empty()) continue;
      add(prefix + std::string(field.name), field.name == "redis" ? masked_store(value) : value);
    }
    if (!sink.password.empty()) add(prefix + "password", std::string(kMask));
  };
  const Config& config = loaded.config;
  for (const auto& field : settings()) {
    std::string value = show_value(field.view(config));
    add(std::string(field.name), field.name == "store" ? masked_store(value) : value);
    if (field.name == "store") {
      add("store_password", config.store_password.empty() ? "" : std::string(kMask));
    }
  }
  for (const auto& [name, platform] : config.platforms) {
    for (const auto& field : platform_fields()) {
      add("platform." + name + "." + std::string(field.name), show_value(field.view(platform)));
    }
  }
  for (const auto& app : config.apps) {
    std::string prefix = "app." + app.id + ".";
    for (const auto& field : app_fields()) {
      add(prefix + std::string(field.name), show_value(field.view(app)));
    }
    const std::string_view endpoint = hufu::setting(app.settings, "endpoint");
    add(prefix + "endpoint", std::string(endpoint.empty() ? "stable" : endpoint));
    add(prefix + "secret", credential(app.credentials, kSecret).empty() ? "" : std::string(kMask));
    for (std::size_t i = 0; i < app.sinks.size(); ++i) {
      add_sink(prefix + "sink." + std::to_string(i + 1) + ".", app.sinks[i]);
    }
  }
  return result;
}

}  // namespace hufu::config
