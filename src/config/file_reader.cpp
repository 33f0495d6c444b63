#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "config/toml_reader.hpp"

namespace hufu::config {
namespace {

bool is_section(const std::string& name) {
  std::string prefix = name + ".";
  auto all = settings();
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& field) { return field.name.starts_with(prefix); });
}

/// What may stand in a section, named as in it; at the top, if it is empty.
std::vector<std::string_view> names_in(const std::string& section) {
  std::vector<std::string_view> names;
  if (section.empty()) names = {"app", "platform", "store_password"};
  std::string prefix = section.empty() ? "" : section + ".";
  for (const auto& field : settings()) {
    if (!field.name.starts_with(prefix)) continue;
    std::string_view name = field.name.substr(prefix.size());
    name = name.substr(0, name.find('.'));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

/// The keys at the top (`section` empty) or of a section such as "timing"; platforms and apps
/// excepted.
void read_section(const TomlReader& toml, const toml::table& table, const std::string& section) {
  std::string prefix = section.empty() ? "" : section + ".";
  Config& config = toml.draft().loaded.config;
  for (const auto& [key, node] : table) {
    std::string name = prefix + std::string(key.str());
    if (const auto* field = setting(name)) {
      toml.read_field(*field, config, node, name);
    } else if (name == "store_password") {
      toml.read_secret(config.store_password, name, node);
    } else if (is_section(name)) {
      const auto* inner = toml.table_of(
          node, name, "Write [" + name + "] on a line of its own, and its keys below it");
      if (inner != nullptr) read_section(toml, *inner, name);
    } else if (name != "platform" && name != "app") {
      toml.unknown_key(key, prefix, names_in(section));
    }
  }
}

/// Platforms before apps, which are read by what their platforms say.
void read_all(const TomlReader& toml, const toml::table& table) {
  read_section(toml, table, {});
  if (const toml::node* platforms = table.get("platform")) read_platforms(toml, *platforms);
  if (const toml::node* apps = table.get("app")) read_apps(toml, *apps);
}

/// Words of keys whose values may be secrets, or hold one.
constexpr std::array<std::string_view, 8> kDelicate = {"secret", "password", "store", "redis",
                                                       "token",  "key",      "proxy", "code"};

/// What the parser says about a text it cannot read. It may repeat what it stumbled on, so it is
/// not asked where that could be a secret.
std::string description(const toml::parse_error& error, std::string_view text) {
  auto line = error.source().begin.line;
  for (toml::source_index i = 1; i < line && !text.empty(); ++i) {
    auto end = text.find('\n');
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  const std::string_view here = text.substr(0, text.find('\n'));
  const bool delicate = std::any_of(kDelicate.begin(), kDelicate.end(), [&](std::string_view word) {
    return here.find(word) != std::string_view::npos;
  });
  return delicate ? "this is not TOML" : "this is not TOML: " + std::string(error.description());
}

}  // namespace

bool read_file_into(Draft& draft, const std::string& name, std::string&& text) {
  draft.loaded.file = name;
  bool readable = true;
  try {
    toml::table table = toml::parse(text, name);
    read_all(TomlReader(draft, name), table);
  } catch (const toml::parse_error& error) {
    int line = static_cast<int>(error.source().begin.line);
    draft.complain(line, name + ":" + std::to_string(line),
                   Error{Fault::config,
                         description(error, text),
                         "See docs/configuration.md for an example",
                         {},
                         {}});
    readable = false;
  }
  wipe(text);
  return readable;
}

}  // namespace hufu::config
