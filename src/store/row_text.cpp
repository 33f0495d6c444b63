#include "store/row_text.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <cstdint>
#include <utility>

#include "store/record_text.hpp"

namespace hufu::store {
namespace {

constexpr std::pair<bool Rights::*, std::string_view> kRights[] = {
    {&Rights::see, "see"},         {&Rights::read, "read"},       {&Rights::report, "report"},
    {&Rights::refresh, "refresh"}, {&Rights::gateway, "gateway"}, {&Rights::admin, "admin"}};

constexpr std::string_view kMargin = "margin=";

namespace json = boost::json;

/// Calls `read(value)` with what `text` holds; false where it is no JSON, or `read` says so. A
/// million of these are read when a server starts: small ones take no memory from the heap.
template <class Read>
bool read_json(std::string_view text, Read read) {
  std::array<unsigned char, 1024> buffer;  // NOLINT(*-member-init): it would be cleared each time
  json::monotonic_resource memory(buffer.data(), buffer.size());
  json::parse_options options;
  options.allow_invalid_utf8 = true;  // What was put is given back as it came.
  boost::system::error_code error;
  const json::value value = json::parse(text, error, &memory, options);
  return !error && read(value);
}

/// Calls `take(name, text)` for each member of an object that stands as it does where nothing had
/// to be escaped, which is nearly always; false where it stands otherwise, or `take` says so.
template <class Take>
bool read_unescaped_texts(std::string_view text, Take& take) {
  if (text.find('\\') != std::string_view::npos) return false;
  std::size_t at = 0;
  const auto skip = [&](char expected) {
    const bool there = at < text.size() && text[at] == expected;
    if (there) ++at;
    return there;
  };
  const auto quoted = [&](std::string_view& inside) {
    if (!skip('"')) return false;
    const std::size_t end = text.find('"', at);
    if (end == std::string_view::npos) return false;
    inside = text.substr(at, end - at);
    at = end + 1;
    return true;
  };
  if (!skip('{')) return false;
  do {
    std::string_view name;
    std::string_view member;
    if (!quoted(name) || !skip(':') || !quoted(member)) return false;
    if (!take(name, member)) return false;
  } while (skip(','));
  return skip('}') && at == text.size();
}

/// Calls `take(name, text)` for each member of an object; false where it is none, a member is no
/// text, or `take` says so. May be told of a member twice.
template <class Take>
bool read_texts(std::string_view text, Take take) {
  if (text.empty() || read_unescaped_texts(text, take)) return true;
  return read_json(text, [&](const json::value& value) {
    if (!value.is_object()) return false;
    for (const auto& [name, member] : value.get_object()) {
      if (!member.is_string() ||
          !take(std::string_view(name), std::string_view(member.get_string()))) {
        return false;
      }
    }
    return true;
  });
}

/// Reads an object into `map`; `set(value, text)` says what the value of a member is. False where
/// it is none, or `set` says so. The rows of a scan nearly all have the same names: then no memory
/// is taken from the heap.
template <class Map, class Set>
bool read_map(std::string_view text, Map& map, Set set) {
  auto next = map.begin();
  const auto set_next = [&](std::string_view name, std::string_view value) {
    return next != map.end() && next->first == name && set((next++)->second, value);
  };
  if (!map.empty() && read_unescaped_texts(text, set_next) && next == map.end()) return true;
  map.clear();
  return read_texts(text, [&](std::string_view name, std::string_view value) {
    return set(map[std::string(name)], value);
  });
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

std::string rights_text_of(const ApiKeyRow& key) {
  std::string text = text_of(key.rights);
  if (key.margin.count() == 0) return text;
  if (!text.empty()) text += ',';
  return text.append(kMargin).append(std::to_string(key.margin.count()));
}

std::chrono::seconds margin_from(std::string_view text) {
  const auto at = text.find(kMargin);
  if (at == std::string_view::npos) return {};
  const std::string_view digits = text.substr(at + kMargin.size());
  std::int64_t seconds = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  return std::chrono::seconds(seconds);
}

std::string text_of(const std::vector<std::string>& texts) {
  return texts.empty() ? std::string() : json::serialize(json::value_from(texts));
}

std::optional<std::vector<std::string>> texts_from(std::string_view text) {
  std::vector<std::string> texts;
  if (text.empty()) return texts;
  const bool readable = read_json(text, [&](const json::value& value) {
    if (!value.is_array() || value.get_array().empty()) return false;
    for (const auto& item : value.get_array()) {
      if (!item.is_string()) return false;
      texts.emplace_back(std::string_view(item.get_string()));
    }
    return true;
  });
  if (!readable) return std::nullopt;
  return texts;
}

std::string text_of(const Settings& settings) {
  if (settings.empty()) return {};
  json::object object;
  for (const auto& [name, value] : settings) object[name] = value;
  return json::serialize(object);
}

bool read_settings(std::string_view text, Settings& settings) {
  return read_map(text, settings, [](std::string& setting, std::string_view value) {
    setting = value;
    return true;
  });
}

std::optional<Settings> settings_from(std::string_view text) {
  Settings settings;
  if (!read_settings(text, settings)) return std::nullopt;
  return settings;
}

std::string text_of(const Credentials& credentials) {
  if (credentials.empty()) return {};
  json::object object;
  for (const auto& [name, value] : credentials) object[name] = hex_of(value.reveal());
  return json::serialize(object);
}

bool read_credentials(std::string_view text, Credentials& credentials) {
  return read_map(text, credentials, [](Secret& credential, std::string_view hex) {
    auto bytes = bytes_from_hex(hex);
    if (!bytes) return false;
    credential = Secret(std::move(*bytes));
    return true;
  });
}

bool read_credential_names(std::string_view text, Credentials& credentials) {
  return read_map(text, credentials, [](Secret& credential, std::string_view) {
    credential.assign({});
    return true;
  });
}

std::optional<Credentials> credentials_from(std::string_view text) {
  Credentials credentials;
  if (!read_credentials(text, credentials)) return std::nullopt;
  return credentials;
}

std::optional<Credentials> credential_names_from(std::string_view text) {
  Credentials names;
  if (!read_credential_names(text, names)) return std::nullopt;
  return names;
}

std::optional<std::string> text_with(std::string_view text, std::string_view name,
                                     const Secret& from, const Secret& to) {
  auto credentials = credentials_from(text);
  if (!credentials) return std::nullopt;
  const auto found = credentials->find(name);
  if (found == credentials->end() || !found->second.same_as(from.reveal())) return std::nullopt;
  found->second = to.clone();
  return text_of(*credentials);
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
