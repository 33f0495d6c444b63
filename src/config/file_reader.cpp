#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <optional>

#include "config/app_rules.hpp"
#include "config/draft.hpp"
#include "config/secret_source.hpp"
#include "config/sink_rules.hpp"
#include "core/text.hpp"

namespace hufu::config {
namespace {

/// What a TOML node is called in a message.
std::string_view kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "a list";
    case toml::node_type::string: return "text";
    case toml::node_type::integer: return "a whole number";
    case toml::node_type::floating_point: return "a fraction";
    case toml::node_type::boolean: return "true or false";
    default: return "a date or time";
  }
}

/// A node's value in the form in which variables and flags come, if it is of the field's type.
std::optional<std::string> as_text(const toml::node& node, std::string_view type) {
  if (type == "boolean" && node.is_boolean()) return node.as_boolean()->get() ? "true" : "false";
  if (type == "integer" && node.is_integer()) return std::to_string(node.as_integer()->get());
  if ((type == "text" || type == "duration") && node.is_string()) return node.as_string()->get();
  return std::nullopt;
}

std::string_view example_of(std::string_view type) {
  if (type == "boolean") return "Write true or false, without quotes";
  if (type == "integer") return "Write a whole number, without quotes";
  if (type == "duration") return "Write a length of time in quotes, like \"30s\"";
  return "Write it in quotes";
}

/// Walks one file. Every member reads one part of it and notes in the draft what is wrong there.
class FileReader {
 public:
  FileReader(Draft& draft, std::string name) : draft_(draft), name_(std::move(name)) {}

  /// The keys at the top (`section` empty) or of a section such as "timing".
  void read_section(const toml::table& table, const std::string& section) {
    std::string prefix = section.empty() ? "" : section + ".";
    for (const auto& [key, node] : table) {
      std::string name = prefix + std::string(key.str());
      if (const auto* field = setting(name)) {
        read_field(*field, draft_.loaded.config, node, name);
      } else if (name == "store_password") {
        read_secret(draft_.loaded.config.store_password, name, node);
      } else if (name == "platform") {
        read_platforms(node);
      } else if (name == "app") {
        read_apps(node);
      } else if (is_section(name)) {
        if (const auto* inner = node.as_table()) {
          read_section(*inner, name);
        } else {
          complain(node, name, std::string(kind_of(node)) + " where a table is expected",
                   "Write [" + name + "] on a line of its own, and its keys below it");
        }
      } else {
        unknown_key(key, prefix, names_in(section));
      }
    }
  }

 private:
  static bool is_section(const std::string& name) {
    std::string prefix = name + ".";
    auto all = settings();
    return std::any_of(all.begin(), all.end(),
                       [&](const auto& field) { return field.name.starts_with(prefix); });
  }

  /// What may stand in a section, named as in it.
  static std::vector<std::string_view> names_in(const std::string& section) {
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

  static int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }
  static int line_of(const toml::key& key) { return static_cast<int>(key.source().begin.line); }

  [[nodiscard]] std::string place(int line) const { return name_ + ":" + std::to_string(line); }

  [[nodiscard]] Origin origin_of(const toml::node& node) const {
    return {Origin::Source::file, place(line_of(node)), line_of(node)};
  }

  template <class Where>
  void complain(const Where& where, const std::string& key, std::string message, std::string next) {
    int line = line_of(where);
    draft_.complain(line, place(line) + ": " + key,
                    Error{Fault::config, std::move(message), std::move(next), {}, {}});
  }

  /// `prefix` is "" or ends with a dot; `known` are the names that may stand behind it.
  void unknown_key(const toml::key& key, const std::string& prefix,
                   const std::vector<std::string_view>& known) {
    std::string next;
    if (std::string home = home_of(key.str()); !home.empty()) {
      next = std::move(home);
    } else if (std::string_view meant = nearest(key.str(), known); !meant.empty()) {
      next = "Did you mean " + prefix + std::string(meant) + "?";
    } else {
      next = "Known here: " + listed(known);
    }
    int line = line_of(key);
    draft_.complain(line, place(line),
                    Error{Fault::config,
                          "unknown key " + printable(prefix + std::string(key.str())),
                          std::move(next),
                          {},
                          {}});
  }

  /// A key as it is shown: bare where it is a plain word, quoted where it could be anything.
  static std::string printable(const std::string& name) {
    bool plain = name.size() <= 60 &&
                 std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
    return plain ? name : quoted(name);
  }

  /// Where a key that stands in the wrong section belongs; empty if it is known nowhere.
  static std::string home_of(std::string_view key) {
    for (const auto& field : settings()) {
      auto dot = field.name.rfind('.');
      if (dot == std::string_view::npos && field.name == key) {
        return "It belongs above the first [section]";
      }
      if (dot != std::string_view::npos && field.name.substr(dot + 1) == key) {
        return "It belongs below [" + std::string(field.name.substr(0, dot)) + "]";
      }
    }
    return {};
  }

  template <class Target>
  bool read_field(const Field<Target>& field, Target& target, const toml::node& node,
                  const std::string& key) {
    std::string_view type = type_of(field.view(target));
    auto text = as_text(node, type);
    if (!text) {
      complain(node, key,
               std::string(kind_of(node)) + " where a " + std::string(type) + " is expected",
               std::string(example_of(type)));
      return false;
    }
    return draft_.set(field, target, *text, origin_of(node), key);
  }

  void read_platforms(const toml::node& node) {
    const auto* platforms = node.as_table();
    if (platforms == nullptr) {
      return complain(node, "platform", std::string(kind_of(node)) + " where a table is expected",
                      "Write [platform.wechat] on a line of its own, and its keys below it");
    }
    for (const auto& [key, inner] : *platforms) {
      std::string name(key.str());
      auto known = known_platforms();
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        unknown_key(key, "platform.", known);
        continue;
      }
      const auto* table = inner.as_table();
      if (table == nullptr) {
        complain(inner, "platform." + name,
                 std::string(kind_of(inner)) + " where a table is expected",
                 "Write [platform." + name + "] on a line of its own, and its keys below it");
        continue;
      }
      for (const auto& [field_key, value] : *table) {
        read_platform_key(draft_.loaded.config.platforms[name], "platform." + name + ".", field_key,
                          value);
      }
    }
  }

  void read_platform_key(PlatformConfig& platform, const std::string& prefix, const toml::key& key,
                         const toml::node& value) {
    std::vector<std::string_view> names;
    for (const auto& field : platform_fields()) {
      if (field.name == key.str()) {
        read_field(field, platform, value, prefix + std::string(key.str()));
        return;
      }
      names.push_back(field.name);
    }
    unknown_key(key, prefix, names);
  }

  void read_apps(const toml::node& node) {
    const auto* apps = node.as_array();
    if (apps == nullptr) {
      return complain(node, "app", std::string(kind_of(node)) + " where a list is expected",
                      "Write [[app]], in two pairs of brackets, above each app");
    }
    for (const toml::node& entry : *apps) {
      if (const auto* table = entry.as_table()) {
        read_app(*table);
      } else {
        complain(entry, "app", std::string(kind_of(entry)) + " where an app is expected",
                 "Write [[app]] on a line of its own, and its keys below it");
      }
    }
  }

  void read_app(const toml::table& table) {
    AppConfig app;
    const toml::node* id = table.get("id");
    if (id == nullptr) {
      return complain(table, "app", "it has no id", "Write id = \"wx…\": the platform's AppID");
    }
    // The id comes first, because it is what everything else is filed under.
    if (!read_field(app_fields().front(), app, *id, "app.id")) return;
    draft_.loaded.origins.erase("app.id");
    if (auto good = check_app_id(app.id); !good) {
      return complain(*id, "app.id", good.error().message, good.error().next_step);
    }
    if (auto earlier = draft_.app_lines.find(app.id); earlier != draft_.app_lines.end()) {
      return complain(
          *id, "app.id",
          quoted(app.id) + " is already defined in line " + std::to_string(earlier->second),
          "Remove one of the two");
    }
    draft_.app_lines[app.id] = line_of(*id);

    std::string prefix = "app." + app.id + ".";
    draft_.loaded.origins[prefix + "id"] = origin_of(*id);
    bool readable = true;
    for (const auto& [key, value] : table) {
      readable = read_app_key(app, prefix, key, value) && readable;
    }
    if (readable) {
      if (auto known = check_issuer(app.platform, hufu::setting(app.settings, "endpoint"));
          !known) {
        const toml::node* blamed =
            table.get(check_platform(app.platform) ? "endpoint" : "platform");
        complain(blamed != nullptr ? *blamed : *id, "app " + app.id, known.error().message,
                 known.error().next_step);
      }
    }
    draft_.loaded.config.apps.push_back(std::move(app));
  }

  bool read_app_key(AppConfig& app, const std::string& prefix, const toml::key& key,
                    const toml::node& value) {
    std::string name(key.str());
    if (name == "id") return true;
    if (name == "secret") {
      read_secret(app.credentials[std::string(kSecret)], prefix + name, value);
      return true;
    }
    if (name == "sink") {
      read_sinks(app, prefix + name, value);
      return true;
    }
    for (const auto& field : app_fields()) {
      if (field.name == name) return read_field(field, app, value, prefix + name);
    }
    if (name == "endpoint") {
      auto text = as_text(value, "text");
      if (!text) {
        complain(value, prefix + name, std::string(kind_of(value)) + " where a text is expected",
                 std::string(example_of("text")));
        return false;
      }
      app.settings[name] = *text;
      draft_.loaded.origins[prefix + name] = origin_of(value);
      return true;
    }
    std::vector<std::string_view> known(kAppNames.begin(), kAppNames.end());
    known.emplace_back("sink");
    unknown_key(key, prefix, known);
    return true;
  }

  void read_sinks(AppConfig& app, const std::string& name, const toml::node& node) {
    const auto* sinks = node.as_array();
    if (sinks == nullptr) {
      return complain(node, name, std::string(kind_of(node)) + " where a list is expected",
                      "Write [[app.sink]], in two pairs of brackets, above each sink");
    }
    for (const toml::node& entry : *sinks) {
      if (const auto* table = entry.as_table()) {
        read_sink(app, name + "." + std::to_string(app.sinks.size() + 1), *table);
      } else {
        complain(entry, name, std::string(kind_of(entry)) + " where a sink is expected",
                 "Write [[app.sink]] on a line of its own, and its keys below it");
      }
    }
  }

  void read_sink(AppConfig& app, const std::string& name, const toml::table& table) {
    SinkConfig sink;
    bool readable = true;
    for (const auto& [key, value] : table) {
      readable = read_sink_key(sink, name + ".", key, value) && readable;
    }
    if (readable) {
      if (auto wrong = check_sink(sink, app, kAccessToken)) {
        const toml::node* blamed = wrong->key.empty() ? nullptr : table.get(wrong->key);
        const std::string key = wrong->key.empty() ? name : name + "." + std::string(wrong->key);
        complain(blamed != nullptr ? *blamed : table, key, std::move(wrong->error.message),
                 std::move(wrong->error.next_step));
      }
    }
    draft_.sink_lines[name] = line_of(table);
    app.sinks.push_back(std::move(sink));
  }

  bool read_sink_key(SinkConfig& sink, const std::string& prefix, const toml::key& key,
                     const toml::node& value) {
    const std::string name(key.str());
    std::vector<std::string_view> known = {"password"};
    if (name == "password") {
      read_secret(sink.password, prefix + name, value);
      return true;
    }
    for (const auto& field : sink_fields()) {
      if (field.name == name) return read_field(field, sink, value, prefix + name);
      known.push_back(field.name);
    }
    unknown_key(key, prefix, known);
    return false;
  }

  void read_secret(Secret& secret, const std::string& key, const toml::node& node) {
    const std::string word = key.substr(key.rfind('.') + 1);
    const std::string how_to =
        "Write " + word + " = { env = \"NAME\" } or " + word + " = { file = \"PATH\" }";
    // Noted even where it turns out unusable, so that it is not called missing as well.
    draft_.loaded.origins[key] = origin_of(node);
    if (node.is_string()) {
      return complain(
          node, key, "a secret must not stand in the configuration file itself",
          how_to + "; and have the secret replaced if anybody else could read this file");
    }
    const auto* table = node.as_table();
    if (table == nullptr || table->size() != 1 || !table->cbegin()->second.is_string()) {
      return complain(node, key, "it does not say where the secret is", how_to);
    }
    auto entry = table->cbegin();  // Named, because it holds the pair it points to.
    const auto& [source, where] = *entry;
    std::string name = where.as_string()->get();
    if (source.str() != "env" && source.str() != "file") {
      return unknown_key(source, key + ".", {"env", "file"});
    }
    if (name.empty() || name.find('\0') != std::string::npos) {
      return complain(where, key, "it does not say where the secret is", how_to);
    }
    bool variable = source.str() == "env";
    if (variable) draft_.secret_variables.insert(name);
    auto found = variable ? secret_from_environment(draft_.sources.environment, printable(name))
                          : secret_from_file(draft_.sources.read_file, name);
    if (!found) return complain(node, key, found.error().message, found.error().next_step);
    secret = std::move(*found);
    draft_.loaded.origins[key].where +=
        (variable ? " (environment " : " (file ") + printable(name) + ")";
  }

  Draft& draft_;
  std::string name_;
};

/// Words of keys whose values may be secrets, or hold one.
constexpr std::array<std::string_view, 4> kDelicate = {"secret", "password", "store", "redis"};

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
    FileReader(draft, name).read_section(table, {});
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
