#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/app_rules.hpp"
#include "config/sink_rules.hpp"
#include "config/toml_reader.hpp"
#include "core/text.hpp"

namespace hufu::config {
namespace {

/// One `[[app]]` with the sinks below it.
class AppReader {
 public:
  AppReader(const TomlReader& toml, const toml::table& table) : toml_(toml), table_(table) {}

  void read() {
    AppConfig app;
    // The id comes first, because it is what everything else is filed under.
    if (!read_id(app)) return;
    prefix_ = "app." + app.id + ".";
    toml_.draft().loaded.origins[prefix_ + "id"] = toml_.origin_of(*table_.get("id"));
    // Then the platform, because it says what else an app may have.
    if (const toml::node* platform = table_.get("platform")) {
      toml_.read_field(app_fields()[1], app, *platform, prefix_ + "platform");
    }
    const platform::PlatformDescription* platform = toml_.draft().catalog.find(app.platform);
    if (platform != nullptr) main_kind_ = platform::main_kind(*platform);
    for (const auto& [key, node] : table_) {
      const bool is_read = key.str() == "id" || key.str() == "platform" || key.str() == "sink";
      if (!is_read) read_key(app, platform, key, node);
    }
    // The sinks last, because they are judged by what the app keeps.
    if (const toml::node* sinks = table_.get("sink")) read_sinks(app, *sinks);
    toml_.draft().loaded.config.apps.push_back(std::move(app));
  }

 private:
  bool read_id(AppConfig& app) {
    const toml::node* id = table_.get("id");
    if (id == nullptr) {
      toml_.complain(table_, "app", "it has no id", "Write id = \"…\": its id at the platform");
      return false;
    }
    if (!toml_.read_field(app_fields()[0], app, *id, "app.id")) return false;
    toml_.draft().loaded.origins.erase("app.id");
    if (auto good = check_app_id(app.id); !good) {
      toml_.complain(*id, "app.id", good.error().message, good.error().next_step);
      return false;
    }
    auto& lines = toml_.draft().app_lines;
    const auto [earlier, first] = lines.emplace(app.id, TomlReader::line_of(*id));
    if (!first) {
      toml_.complain(
          *id, "app.id",
          quoted(app.id) + " is already defined in line " + std::to_string(earlier->second),
          "Remove one of the two");
    }
    return first;
  }

  /// `platform` is null if there is none of that name: then nobody can tell what its settings are.
  void read_key(AppConfig& app, const platform::PlatformDescription* platform, const toml::key& key,
                const toml::node& node) {
    const std::string name(key.str());
    if (auto read = toml_.read_one_of(app_fields(), app, prefix_, key, node)) {
      if (!*read) toml_.draft().unreadable.insert(prefix_ + name);
    } else if (platform == nullptr) {
      return;
    } else if (find_setting(*platform, name) != nullptr) {
      read_setting(app, name, node);
    } else if (find_credential(*platform, name) != nullptr) {
      toml_.read_secret(app.credentials[name], prefix_ + name, node);
    } else {
      toml_.unknown_key(key, prefix_, app_names(*platform));
    }
  }

  void read_setting(AppConfig& app, const std::string& name, const toml::node& node) {
    auto text = TomlReader::scalar_of(node);
    if (!text) {
      toml_.draft().unreadable.insert(prefix_ + name);
      return toml_.complain(node, prefix_ + name,
                            std::string(TomlReader::kind_of(node)) +
                                " where a text, a number or true or false is "
                                "expected",
                            "Write it in quotes");
    }
    app.settings[name] = *std::move(text);
    toml_.draft().loaded.origins[prefix_ + name] = toml_.origin_of(node);
  }

  void read_sinks(AppConfig& app, const toml::node& node) {
    const std::string name = prefix_ + "sink";
    const auto* sinks =
        toml_.list_of(node, name, "Write [[app.sink]], in two pairs of brackets, above each sink");
    if (sinks == nullptr) return;
    for (const toml::node& entry : *sinks) {
      if (const auto* table = entry.as_table()) {
        read_sink(app, name + "." + std::to_string(app.sinks.size() + 1), *table);
      } else {
        toml_.complain(entry, name,
                       std::string(TomlReader::kind_of(entry)) + " where a sink is expected",
                       "Write [[app.sink]] on a line of its own, and its keys below it");
      }
    }
  }

  void read_sink(AppConfig& app, const std::string& name, const toml::table& table) {
    SinkConfig sink;
    bool readable = true;
    for (const auto& [key, node] : table) {
      readable = read_sink_key(sink, name + ".", key, node) && readable;
    }
    if (readable) {
      if (auto wrong = check_sink(sink, app, main_kind_)) {
        const toml::node* blamed = wrong->key.empty() ? nullptr : table.get(wrong->key);
        const std::string key = wrong->key.empty() ? name : name + "." + std::string(wrong->key);
        toml_.complain(blamed != nullptr ? *blamed : table, key, std::move(wrong->error.message),
                       std::move(wrong->error.next_step));
      }
    }
    toml_.draft().sink_lines[name] = TomlReader::line_of(table);
    app.sinks.push_back(std::move(sink));
  }

  bool read_sink_key(SinkConfig& sink, const std::string& prefix, const toml::key& key,
                     const toml::node& node) {
    if (key.str() == "password") {
      toml_.read_secret(sink.password, prefix + "password", node);
      return true;
    }
    if (auto read = toml_.read_one_of(sink_fields(), sink, prefix, key, node)) return *read;
    std::vector<std::string_view> known = {"password"};
    append_names(known, sink_fields());
    toml_.unknown_key(key, prefix, known);
    return false;
  }

  const TomlReader& toml_;
  const toml::table& table_;
  std::string prefix_;
  std::string main_kind_;  ///< Of the app's platform.
};

}  // namespace

void read_apps(const TomlReader& toml, const toml::node& node) {
  const auto* apps =
      toml.list_of(node, "app", "Write [[app]], in two pairs of brackets, above each app");
  if (apps == nullptr) return;
  for (const toml::node& entry : *apps) {
    if (const auto* table = entry.as_table()) {
      AppReader(toml, *table).read();
    } else {
      toml.complain(entry, "app",
                    std::string(TomlReader::kind_of(entry)) + " where an app is expected",
                    "Write [[app]] on a line of its own, and its keys below it");
    }
  }
}

}  // namespace hufu::config
