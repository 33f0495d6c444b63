#include "platform/catalog_json.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

namespace hufu::platform {
namespace {

namespace json = boost::json;
using Shape = RenewalRule::Shape;

json::string text_of(std::string_view text) { return json::string(text.data(), text.size()); }

std::int64_t seconds_of(Milliseconds span) {
  return std::chrono::floor<std::chrono::seconds>(span).count();
}

json::object object_of(const SettingDescription& setting) {
  json::array values;
  for (const std::string& value : setting.values) values.push_back(text_of(value));
  return {{"name", setting.name},
          {"values", std::move(values)},
          {"default", setting.fallback},
          {"required", setting.required},
          {"meaning", setting.meaning}};
}

json::object object_of(const CredentialDescription& credential) {
  return {{"name", credential.name},
          {"required", credential.required},
          {"meaning", credential.meaning}};
}

json::object object_of(const PlatformDescription& platform, const KindDescription& kind) {
  json::object object = {{"name", kind.name},
                         {"main", kind.name == main_kind(platform)},
                         {"issuer", issuer_name(platform, kind)}};
  if (kind.when) object["when"] = json::object{{kind.when->setting, kind.when->value}};
  json::array needs;
  for (const Need& need : kind.needs) {
    needs.push_back(
        json::object{{"of", need.of == Need::Of::parent ? "parent" : "self"}, {"kind", need.kind}});
  }
  object["needs"] = std::move(needs);
  object["renewal"] = text_of(name_of(kind.rule.shape));
  if (kind.rule.shape == Shape::rotating) object["overlap"] = seconds_of(kind.rule.overlap);
  if (kind.rule.shape == Shape::windowed) object["window"] = seconds_of(kind.rule.overlap);
  object["longest_lifetime"] = seconds_of(kind.rule.longest_life);
  object["probed"] = kind.probe.has_value();
  return object;
}

json::object object_of(const PlatformDescription& platform) {
  json::object object = {{"name", platform.name}, {"title", platform.title}};
  if (!platform.parent.empty()) object["parent"] = platform.parent;
  json::array settings;
  for (const SettingDescription& each : platform.settings) settings.push_back(object_of(each));
  object["settings"] = std::move(settings);
  json::array credentials;
  for (const CredentialDescription& each : platform.credentials) {
    credentials.push_back(object_of(each));
  }
  object["credentials"] = std::move(credentials);
  json::array kinds;
  for (const KindDescription& each : platform.kinds) kinds.push_back(object_of(platform, each));
  object["kinds"] = std::move(kinds);
  return object;
}

}  // namespace

std::string to_json(const PlatformDescription& platform) {
  return json::serialize(object_of(platform));
}

std::string to_json(const Catalog& catalog) {
  json::array platforms;
  for (const PlatformDescription& each : catalog.platforms()) platforms.push_back(object_of(each));
  return json::serialize(json::object{{"platforms", std::move(platforms)}});
}

}  // namespace hufu::platform
