#include "config/sink_rules.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "config/text.hpp"
#include "net/redis/redis_uri.hpp"
#include "sink/layout.hpp"

namespace hufu::config {
namespace {

SinkProblem problem(std::string_view key, std::string message, std::string next_step) {
  return {key, Error{Fault::config, std::move(message), std::move(next_step), {}, {}}};
}

std::optional<SinkProblem> check_file(const SinkConfig& sink) {
  for (const auto& [key, present] : {std::pair<std::string_view, bool>("sdk", !sink.sdk.empty()),
                                     {"key", !sink.key.empty()},
                                     {"prefix", !sink.prefix.empty()},
                                     {"password", !sink.password.empty()}}) {
    if (present) return problem(key, "it goes with redis, not with file", "Leave it out");
  }
  if (sink.file.ends_with('/')) {
    return problem("file", "it is a directory", "Name a file in it");
  }
  return std::nullopt;
}

/// The SDKs whose keys for apps of `platform` can be written.
std::vector<std::string_view> sdks_for(std::string_view platform) {
  std::vector<std::string_view> names;
  for (const sink::Sdk& each : sink::sdks()) {
    if (each.platform == platform) names.push_back(each.name);
  }
  return names;
}

SinkProblem no_such_sdk(const SinkConfig& sink, const AppConfig& app) {
  if (const auto reason = sink::why_not(sink.sdk, app.platform); !reason.empty()) {
    return problem("sdk",
                   "Hufu does not write the keys of " + sink.sdk + ": " + std::string(reason),
                   "Hand that SDK a token of your own, which Hufu gives: see "
                   "docs/how-to/point-an-sdk-here.md");
  }
  const std::vector<std::string_view> names = sdks_for(app.platform);
  const std::string_view meant = nearest(sink.sdk, names);
  const auto& all = sink::sdks();
  const bool is_known = std::any_of(all.begin(), all.end(),
                                    [&](const sink::Sdk& each) { return each.name == sink.sdk; });
  return problem("sdk",
                 is_known
                     ? "the keys of " + sink.sdk + " for apps of " + app.platform + " are not known"
                     : "unknown SDK " + config::quoted(sink.sdk),
                 !meant.empty()  ? "Did you mean " + config::quoted(meant) + "?"
                 : names.empty() ? "Write key instead, like key = \"tokens:{app}\""
                                 : "Known are: " + listed(names) + "; or write key instead");
}

std::optional<SinkProblem> check_sdk(const SinkConfig& sink, const AppConfig& app) {
  const sink::Sdk* sdk = sink::find_sdk(sink.sdk, app.platform);
  if (sdk == nullptr) return no_such_sdk(sink, app);
  if (!sink.prefix.empty() && !takes_prefix(*sdk)) {
    return problem("prefix", "the keys of " + sink.sdk + " have none to choose", "Leave it out");
  }
  if (sink.format != "raw") {
    return problem("format", "the SDK decides how the token is written", "Leave it out");
  }
  if (!sink.kind.empty()) {
    return problem("kind", "the SDK's keys of every kind that the app keeps are written",
                   "Leave it out, and name the kinds in the app's keep");
  }
  for (const std::string& kind : sink::kinds_of(sink, app, kAccessToken)) {
    auto layout = sink::layout_of(sink, app, kind);
    if (!layout) return SinkProblem{"sdk", std::move(layout.error())};
  }
  return std::nullopt;
}

std::optional<SinkProblem> check_key(const SinkConfig& sink, const AppConfig& app) {
  if (!sink.prefix.empty()) {
    return problem("prefix", "it goes with sdk, not with key", "Write it into key itself");
  }
  auto key = sink::key_of(sink.key, app);
  if (!key) return SinkProblem{"key", std::move(key.error())};
  return std::nullopt;
}

std::optional<SinkProblem> check_redis(const SinkConfig& sink, const AppConfig& app) {
  auto uri = net::RedisUri::parse(sink.redis, sink.password);
  if (!uri) return SinkProblem{"redis", std::move(uri.error())};
  if (!uri->options.empty()) {
    return problem(
        "redis",
        "the URI of Redis has an unknown option " + config::quoted(uri->options.begin()->first),
        "Leave it out");
  }
  if (sink.sdk.empty() == sink.key.empty()) {
    const std::vector<std::string_view> names = sdks_for(app.platform);
    return problem("", "it needs either sdk or key, which say what is written to that Redis",
                   "Write key = \"tokens:{app}\"" +
                       (names.empty() ? "" : ", or the name of an SDK: " + listed(names)));
  }
  return sink.sdk.empty() ? check_key(sink, app) : check_sdk(sink, app);
}

/// A token that nobody keeps would be there at times, after somebody asked for it.
std::optional<SinkProblem> check_kind(const SinkConfig& sink, const AppConfig& app,
                                      std::string_view main_kind) {
  if (sink.kind.empty() || sink.kind == main_kind) return std::nullopt;
  const auto& keep = app.keep;
  if (std::find(keep.begin(), keep.end(), sink.kind) != keep.end()) return std::nullopt;
  return problem("kind", "the app does not keep the kind " + config::quoted(sink.kind),
                 "Add it to the app's keep: keep = [" + config::quoted(sink.kind) + "]");
}

}  // namespace

std::optional<SinkProblem> check_sink(const SinkConfig& sink, const AppConfig& app,
                                      std::string_view main_kind) {
  if (sink.redis.empty() == sink.file.empty()) {
    return problem("", "it is either a Redis or a file",
                   "Write redis = \"redis://HOST:6379/0\" or file = \"/run/hufu/NAME\"");
  }
  if (auto wrong = sink.file.empty() ? check_redis(sink, app) : check_file(sink)) return wrong;
  return check_kind(sink, app, main_kind);
}

std::vector<Place> places_of(const SinkConfig& sink, const AppConfig& app) {
  if (!sink.file.empty()) {
    return {{"", std::filesystem::path(sink.file).lexically_normal().string()}};
  }
  std::vector<Place> places;
  for (const std::string& kind : sink::kinds_of(sink, app, kAccessToken)) {
    auto layout = sink::layout_of(sink, app, kind);
    if (!layout) continue;
    for (std::string& key : layout->keys) places.push_back({sink.redis, std::move(key)});
  }
  return places;
}

std::vector<SharedPlace> find_shared_places(const std::vector<AppConfig>& apps) {
  std::vector<SharedPlace> shared;
  std::map<Place, std::string> taken;  // And the sink that has it.
  for (const AppConfig& app : apps) {
    for (std::size_t i = 0; i < app.sinks.size(); ++i) {
      const SinkConfig& sink = app.sinks[i];
      const std::string name = "app." + app.id + ".sink." + std::to_string(i + 1);
      for (const Place& place : places_of(sink, app)) {
        const auto [first, fresh] = taken.emplace(place, name);
        if (fresh || first->second == name) continue;
        const std::string message =
            "it goes to the same place as " + first->second + ", " + config::quoted(place.name);
        const char* next_step =
            sink.sdk.empty() ? "Remove one of the two, or tell them apart by {app}"
                             : "Remove one of the two, or give each another database or prefix: "
                               "programs of both would read that key";
        shared.push_back({name, Error{Fault::config, message, next_step, {}, {}}});
        break;
      }
    }
  }
  return shared;
}

}  // namespace hufu::config
