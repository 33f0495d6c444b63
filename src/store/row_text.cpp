#include "store/row_text.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "store/record_text.hpp"

namespace hufu::store {
namespace {

constexpr std::pair<bool Rights::*, std::string_view> kRights[] = {{&Rights::read, "read"},
                                                                   {&Rights::report, "report"},
                                                                   {&Rights::refresh, "refresh"},
                                                                   {&Rights::gateway, "gateway"},
                                                                   {&Rights::admin, "admin"}};

namespace json = boost::json;

/// Nothing where it is no JSON of that kind.
std::optional<json::value> parsed(std::string_view text, json::kind kind) {
  json::parse_options options;
  options.allow_invalid_utf8 = true;  // What was put is given back as it came.
  boost::system::error_code error;
  json::value value = json::parse(text, error, {}, options);
  if (error || value.kind() != kind) return std::nullopt;
  return value;
}

/// Calls `take(name, text)` for each member; false where one is no text, or `take` says so.
template <class Take>
bool read_texts(std::string_view text, Take take) {
  if (text.empty()) return true;
  const auto value = parsed(text, json::kind::object);
  if (!value) return false;
  for (const auto& [name, member] : value->get_object()) {
    if (!member.is_string() || !take(std::string(name), std::string_view(member.get_string()))) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string text_of(const Rights& rights) {
  std::string text;
  for (auto [right, name] : kRights) {
    if (!(rights.*right)) continue;
    if (!text.empty()) text += ',';
    text += name;
  }
  return text;
}

Rights rights_from(std::string_view text) {
  Rights rights;
  for (auto [right, name] : kRights) {
    for (std::size_t at = 0; at < text.size();) {
      std::size_t end = std::min(text.find(',', at), text.size());
      if (text.substr(at, end - at) == name) rights.*right = true;
      at = end + 1;
    }
  }
  return rights;
}

std::string text_of(const std::vector<std::string>& texts) {
  return texts.empty() ? std::string() : json::serialize(json::value_from(texts));
}

std::optional<std::vector<std::string>> texts_from(std::string_view text) {
  std::vector<std::string> texts;
  if (text.empty()) return texts;
  const auto list = parsed(text, json::kind::array);
  if (!list || list->get_array().empty()) return std::nullopt;
  for (const auto& item : list->get_array()) {
    if (!item.is_string()) return std::nullopt;
    texts.emplace_back(std::string_view(item.get_string()));
  }
  return texts;
}

std::string text_of(const Settings& settings) {
  if (settings.empty()) return {};
  json::object object;
  for (const auto& [name, value] : settings) object[name] = value;
  return json::serialize(object);
}

std::optional<Settings> settings_from(std::string_view text) {
  Settings settings;
  const bool readable = read_texts(text, [&](std::string name, std::string_view value) {
    settings.insert_or_assign(std::move(name), std::string(value));
    return true;
  });
  if (!readable) return std::nullopt;
  return settings;
}

std::string text_of(const Credentials& credentials) {
  if (credentials.empty()) return {};
  json::object object;
  for (const auto& [name, value] : credentials) object[name] = hex_of(value.reveal());
  return json::serialize(object);
}

std::optional<Credentials> credentials_from(std::string_view text) {
  Credentials credentials;
  const bool readable = read_texts(text, [&](std::string name, std::string_view hex) {
    auto bytes = bytes_from_hex(hex);
    if (!bytes) return false;
    credentials.insert_or_assign(std::move(name), Secret(std::move(*bytes)));
    return true;
  });
  if (!readable) return std::nullopt;
  return credentials;
}

Credentials names_of(const Credentials& credentials) {
  Credentials names;
  for (const auto& [name, value] : credentials) names.emplace(name, Secret());
  return names;
}

Error damaged_app(std::string_view id) {
  return {Fault::store,
          "the app " + std::string(id) + " in the database cannot be read",
          "add it again, with its credentials, or restore the database from a backup",
          {},
          {}};
}

Error damaged_api_key(std::string_view name) {
  return {Fault::store,
          "the API key " + std::string(name) + " in the database cannot be read",
          "revoke it and make a new one",
          {},
          {}};
}

}  // namespace hufu::store
