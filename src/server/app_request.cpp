#include "server/app_request.hpp"

#include <algorithm>
#include <array>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <utility>

namespace hufu::server {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestText = 512;

tl::unexpected<Error> wrong(std::string message, std::string next_step = {}) {
  return fail(Fault::usage, std::move(message), std::move(next_step));
}

/// Names of credentials, whatever the platform: all other names are settings.
constexpr std::array<std::string_view, 6> kCredentials = {
    kSecret, "callback_token", "aes_key", "previous_aes_key", "refresh_token", "permanent_code"};
bool is_credential(std::string_view name) noexcept {
  return std::find(kCredentials.begin(), kCredentials.end(), name) != kCredentials.end();
}

std::string_view text_of(const json::value& value) noexcept {
  const json::string* text = value.if_string();
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

std::string_view without_white_space(std::string_view text) noexcept {
  constexpr std::string_view kWhite = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kWhite);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhite) - first + 1);
}

/// Plain ASCII without blanks, as all names are.
bool is_name(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 128 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// ---- One function a kind of member. `name` may be shown: the caller knows it.

Result<void> set_name(std::string& target, std::string_view name, const json::value& value) {
  if (!is_name(text_of(value))) return wrong(std::string(name) + " is a name");
  target = text_of(value);
  return {};
}

/// A name that may also be empty, which means none.
Result<void> set_optional_name(std::string& target, std::string_view name,
                               const json::value& value) {
  if (!value.is_string() || text_of(value).size() > 128) {
    return wrong(std::string(name) + " is a name");
  }
  target = text_of(value);
  return {};
}

Result<void> set_flag(bool& target, std::string_view name, const json::value& value) {
  if (!value.is_bool()) return wrong(std::string(name) + " is true or false");
  target = value.get_bool();
  return {};
}

Result<void> set_names(std::vector<std::string>& target, std::string_view name,
                       const json::value& value) {
  const json::array* names = value.if_array();
  const bool good = names != nullptr &&
                    std::all_of(names->begin(), names->end(),
                                [](const json::value& each) { return is_name(text_of(each)); });
  if (!good) return wrong(std::string(name) + " is a list of names");
  for (const json::value& each : *names) target.emplace_back(text_of(each));
  return {};
}

Result<void> set_credential(Credentials& target, std::string_view name, const json::value& value) {
  const std::string_view text = without_white_space(text_of(value));
  if (text.empty()) {
    return wrong(std::string(name) + " is a credential of the app, as text",
                 "Leave it out of a change to keep the one that is stored");
  }
  target.insert_or_assign(std::string(name), Secret(text));
  return {};
}

/// A setting as text: written as a text, a number or a boolean.
Result<void> set_setting(Settings& target, std::string_view name, const json::value& value) {
  std::string text;
  if (value.is_string()) {
    text = text_of(value);
  } else if (value.is_bool()) {
    text = value.get_bool() ? "true" : "false";
  } else if (value.is_int64()) {
    text = std::to_string(value.get_int64());
  } else if (value.is_uint64()) {
    text = std::to_string(value.get_uint64());
  } else {
    return wrong(std::string(name.substr(0, 64)) + " is a text, a whole number, true or false");
  }
  if (!is_name(name) || text.size() > kLongestText) {
    return wrong("a setting has a name without blanks, and at most 512 characters");
  }
  target.insert_or_assign(std::string(name), std::move(text));
  return {};
}

Result<void> set_member(AppConfig& app, std::string_view name, const json::value& value) {
  if (name == "id") {
    if (text_of(value) == app.id) return {};
    return wrong("id is another one than in the path", "Leave it out");
  }
  if (name == "sink") {
    return wrong("an app in the store has no sinks", "Put it into the configuration file");
  }
  if (name == "platform") return set_name(app.platform, name, value);
  if (name == "parent") return set_optional_name(app.parent, name, value);
  if (name == "keep") return set_names(app.keep, name, value);
  if (name == "secret_login") return set_flag(app.secret_login, name, value);
  if (name == "legacy_document") return set_optional_name(app.legacy_document, name, value);
  if (name == "legacy_collection") return set_optional_name(app.legacy_collection, name, value);
  if (is_credential(name)) return set_credential(app.credentials, name, value);
  return set_setting(app.settings, name, value);
}

}  // namespace

Result<AppConfig> app_from(std::string_view id, const json::object& body, bool known) {
  if (!is_app_id(id)) {
    return wrong("The id of an app is 1 to 128 characters of plain ASCII without blanks and /");
  }
  AppConfig app;
  app.id = id;
  for (const auto& member : body) {
    const std::string_view name(member.key().data(), member.key().size());
    if (auto set = set_member(app, name, member.value()); !set) return tl::unexpected(set.error());
  }
  // What else a platform needs, its description says; without any credential, none can be served.
  if (app.credentials.empty() && !known && app.parent.empty()) {
    return wrong("secret is the app's secret, as text");
  }
  return app;
}

}  // namespace hufu::server
