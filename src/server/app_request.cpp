#include "server/app_request.hpp"

#include <algorithm>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/text.hpp"
#include "platform/app_check.hpp"

namespace hufu::server {
namespace {

namespace json = boost::json;

tl::unexpected<Error> wrong(std::string message, std::string next_step = {}) {
  return fail(Fault::usage, std::move(message), std::move(next_step));
}

/// For the value of a member whose name is known to the caller.
tl::unexpected<Error> must_be(std::string_view name, std::string_view what) {
  return wrong(std::string(name) + " is " + std::string(what));
}

std::optional<std::string_view> text_of(const json::value& value) noexcept {
  const json::string* text = value.if_string();
  if (text == nullptr) return std::nullopt;
  return std::string_view(text->data(), text->size());
}

// ---- One function a kind of member

Result<void> set(std::string& target, std::string_view name, const json::value& value) {
  const auto text = text_of(value);
  if (!text) return must_be(name, "a text");
  target = *text;
  return {};
}

Result<void> set(bool& target, std::string_view name, const json::value& value) {
  if (!value.is_bool()) return must_be(name, "true or false");
  target = value.get_bool();
  return {};
}

Result<void> set(std::vector<std::string>& target, std::string_view name,
                 const json::value& value) {
  const json::array* list = value.if_array();
  if (list == nullptr) return must_be(name, "a list of texts");
  for (const json::value& each : *list) {
    const auto text = text_of(each);
    if (!text) return must_be(name, "a list of texts");
    target.emplace_back(*text);
  }
  return {};
}

Result<void> set_setting(Settings& target, std::string_view name, const json::value& value) {
  std::string text;
  if (const auto written = text_of(value)) {
    text = *written;
  } else if (value.is_bool()) {
    text = value.get_bool() ? "true" : "false";
  } else if (value.is_int64()) {
    text = std::to_string(value.get_int64());
  } else if (value.is_uint64()) {
    text = std::to_string(value.get_uint64());
  } else {
    return must_be(name, "a text, a whole number, true or false");
  }
  target.insert_or_assign(std::string(name), std::move(text));
  return {};
}

Result<void> set_credential(Credentials& target, std::string_view name, const json::value& value) {
  const std::string_view text = trimmed(text_of(value).value_or(""));
  if (text.empty()) {
    return wrong(std::string(name) + " is a credential of the app, as text",
                 "Leave it out of a change to keep the one that is stored");
  }
  target.insert_or_assign(std::string(name), Secret(text));
  return {};
}

Result<void> set_member(AppConfig& app, const platform::PlatformDescription& platform,
                        std::string_view name, const json::value& value) {
  if (name == "id") {
    if (text_of(value) == std::string_view(app.id)) return {};
    return wrong("id is another one than in the path", "Leave it out");
  }
  if (name == "sink") {
    return wrong("an app in the store has no sinks", "Put it into the configuration file");
  }
  if (name == "platform") return {};  // Read before all others.
  if (name == "parent") return set(app.parent, name, value);
  if (name == "keep") return set(app.keep, name, value);
  if (name == "secret_login") return set(app.secret_login, name, value);
  if (name == "legacy_document") return set(app.legacy_document, name, value);
  if (name == "legacy_collection") return set(app.legacy_collection, name, value);
  if (find_setting(platform, name) != nullptr) return set_setting(app.settings, name, value);
  if (find_credential(platform, name) != nullptr) {
    return set_credential(app.credentials, name, value);
  }
  return wrong("Unknown in the body: " + quoted(name), suggestion(name, app_names(platform)));
}

}  // namespace

Result<AppConfig> app_from(const platform::Catalog& catalog, std::string_view id,
                           const json::object& body, bool known) {
  if (auto good = platform::check_app_id(id); !good) return tl::unexpected(good.error());
  AppConfig app;
  app.id = id;
  // The platform first, because it says what else an app may have.
  if (const json::value* name = body.if_contains("platform")) {
    if (auto read = set(app.platform, "platform", *name); !read) {
      return tl::unexpected(read.error());
    }
  }
  const platform::PlatformDescription* platform = catalog.find(app.platform);
  if (platform == nullptr) {
    return wrong("unknown platform " + quoted(app.platform),
                 suggestion(app.platform, catalog.names()));
  }
  for (const auto& member : body) {
    const std::string_view name(member.key().data(), member.key().size());
    if (auto read = set_member(app, *platform, name, member.value()); !read) {
      return tl::unexpected(read.error());
    }
  }
  if (auto problems = check_app(catalog, app); !problems.empty()) {
    return tl::unexpected(platform::named(std::move(problems.front())));
  }
  if (const auto missing = missing_credential(*platform, app.credentials); missing && !known) {
    return wrong("a new app of " + platform->name + " needs " + missing->key,
                 "Send it as a text: \"" + missing->key + "\": \"…\"");
  }
  return app;
}

}  // namespace hufu::server
