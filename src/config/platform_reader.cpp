#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/toml_reader.hpp"
#include "core/text.hpp"
#include "platform/custom_platform.hpp"

namespace hufu::config {
namespace {

constexpr std::string_view kTiming = "timing";
constexpr std::string_view kProbe = "probe";

template <class Target>
bool has(std::span<const Field<Target>> fields, std::string_view name) {
  return std::any_of(fields.begin(), fields.end(),
                     [&](const auto& field) { return field.name == name; });
}

/// Whether `key` describes a platform, rather than how it is reached.
bool describes(std::string_view key) { return key == kProbe || has(custom_platform_fields(), key); }

/// One `[platform.NAME]`.
class PlatformReader {
 public:
  PlatformReader(const TomlReader& toml, std::string name, const toml::table& table)
      : toml_(toml),
        name_(std::move(name)),
        prefix_("platform." + name_ + "."),
        table_(table),
        is_known_(toml.draft().catalog.find(name_) != nullptr) {}

  /// Whether its name is one that Hufu knows, misspelt: nothing in it describes a platform.
  [[nodiscard]] bool is_misspelt() const {
    const bool described = std::any_of(table_.begin(), table_.end(), [](const auto& entry) {
      return describes(entry.first.str());
    });
    return !is_known_ && !described && !nearest(name_, toml_.draft().catalog.names()).empty();
  }

  void read(PlatformConfig& platform) {
    if (!is_known_) platform.custom.emplace();
    bool readable = true;
    for (const auto& [key, node] : table_) {
      readable = read_key(platform, key, node) && readable;
    }
    if (is_known_ || !readable) return;
    for (auto& [key, error] : platform::check_custom_platform(name_, platform)) {
      toml_.complain(line_of(key), key.empty() ? "platform." + name_ : prefix_ + key,
                     std::move(error.message), std::move(error.next_step));
    }
  }

 private:
  bool read_key(PlatformConfig& platform, const toml::key& key, const toml::node& node) {
    if (auto read = toml_.read_one_of(platform_fields(), platform, prefix_, key, node)) {
      return *read;
    }
    if (key.str() == kTiming) {
      return read_table(timing_fields(), platform.timing, kTiming, node);
    }
    if (is_known_ && describes(key.str())) {
      toml_.complain(TomlReader::line_of(key), prefix_ + std::string(key.str()),
                     "Hufu knows this platform, and how to call it",
                     "Leave it out, or describe a platform of your own under another name");
      return false;
    }
    if (!is_known_ && key.str() == kProbe) {
      return read_table(probe_fields(), platform.custom->probe.emplace(), kProbe, node);
    }
    if (!is_known_) {
      if (auto read =
              toml_.read_one_of(custom_platform_fields(), *platform.custom, prefix_, key, node)) {
        return *read;
      }
    }
    toml_.unknown_key(key, prefix_, names());
    return false;
  }

  template <class Target>
  bool read_table(std::span<const Field<Target>> fields, Target& target, std::string_view name,
                  const toml::node& node) {
    const std::string key = prefix_ + std::string(name);
    const auto* table = toml_.table_of(
        node, key, "Write [" + key + "] on a line of its own, and its keys below it");
    if (table == nullptr) return false;
    toml_.draft().loaded.origins[key] = toml_.origin_of(node);
    bool readable = true;
    for (const auto& [inner_key, inner] : *table) {
      auto read = toml_.read_one_of(fields, target, key + ".", inner_key, inner);
      if (!read) {
        std::vector<std::string_view> known;
        append_names(known, fields);
        toml_.unknown_key(inner_key, key + ".", known);
      }
      readable = read.value_or(false) && readable;
    }
    return readable;
  }

  /// What may stand in the section.
  [[nodiscard]] std::vector<std::string_view> names() const {
    std::vector<std::string_view> names;
    append_names(names, platform_fields());
    names.push_back(kTiming);
    if (is_known_) return names;
    append_names(names, custom_platform_fields());
    names.push_back(kProbe);
    return names;
  }

  /// The line of "path" or "parameters.scope"; of the section, where that is not written.
  [[nodiscard]] int line_of(std::string_view key) const {
    const toml::table* table = &table_;
    int line = TomlReader::line_of(table_);
    while (table != nullptr && !key.empty()) {
      const std::string_view name = key.substr(0, key.find('.'));
      key.remove_prefix(std::min(key.size(), name.size() + 1));
      const toml::node* node = table->get(name);
      if (node == nullptr) break;
      line = TomlReader::line_of(*node);
      table = node->as_table();
    }
    return line;
  }

  const TomlReader& toml_;
  const std::string name_;
  const std::string prefix_;
  const toml::table& table_;
  const bool is_known_;
};

}  // namespace

void read_platforms(const TomlReader& toml, const toml::node& node) {
  const auto* platforms = toml.table_of(
      node, "platform", "Write [platform.wechat] on a line of its own, and its keys below it");
  if (platforms == nullptr) return;
  Config& config = toml.draft().loaded.config;
  for (const auto& [key, inner] : *platforms) {
    const std::string name(key.str());
    if (TomlReader::printable(name) != name) {
      toml.unknown_key(key, "platform.", toml.draft().catalog.names());
      continue;
    }
    const auto* table =
        toml.table_of(inner, "platform." + name,
                      "Write [platform." + name + "] on a line of its own, and its keys below it");
    if (table == nullptr) continue;
    PlatformReader reader(toml, name, *table);
    if (reader.is_misspelt()) {
      toml.unknown_key(key, "platform.", toml.draft().catalog.names());
    } else {
      reader.read(config.platforms[name]);
    }
  }
  toml.draft().catalog = platform::Catalog(config);
}

}  // namespace hufu::config
