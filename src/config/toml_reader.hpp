#pragma once

#include <toml++/toml.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/draft.hpp"
#include "hufu/secret.hpp"

namespace hufu::config {

/// What every part of the file is read with: values by their fields, secrets from where they are,
/// and complaints that name the line.
class TomlReader {
 public:
  /// `file` is what messages call it.
  TomlReader(Draft& draft, std::string file) : draft_(draft), file_(std::move(file)) {}

  [[nodiscard]] Draft& draft() const noexcept { return draft_; }
  [[nodiscard]] Origin origin_of(const toml::node& node) const;

  static int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }
  static int line_of(const toml::key& key) { return static_cast<int>(key.source().begin.line); }

  /// What a node is called in a message: "a table".
  static std::string_view kind_of(const toml::node& node);
  /// A text, number or boolean as the text that it is written as; nothing for anything else.
  static std::optional<std::string> scalar_of(const toml::node& node);
  /// A key as it is shown: bare where it is a plain word, quoted where it could be anything.
  static std::string printable(const std::string& name);

  void complain(int line, const std::string& key, std::string message, std::string next) const;
  void complain(const toml::node& node, const std::string& key, std::string message,
                std::string next) const {
    complain(line_of(node), key, std::move(message), std::move(next));
  }

  /// `prefix` is "" or ends with a dot; `known` are the names that may stand behind it.
  void unknown_key(const toml::key& key, const std::string& prefix,
                   const std::vector<std::string_view>& known) const;

  /// The node as a table, or as a list; null, and a complaint, if it is none. `how_to` is the next
  /// step.
  [[nodiscard]] const toml::table* table_of(const toml::node& node, const std::string& key,
                                            const std::string& how_to) const;
  [[nodiscard]] const toml::array* list_of(const toml::node& node, const std::string& key,
                                           const std::string& how_to) const;

  /// Reads `node` into the field, or complains.
  template <class Target>
  bool read_field(const Field<Target>& field, Target& target, const toml::node& node,
                  const std::string& key) const {
    return read_slot(field.slot(target), type_of(field.view(target)), field.rule, node, key);
  }

  /// Reads `node` into the one of `fields` that has the key's name, or complains; nothing if none
  /// has it.
  template <class Target>
  std::optional<bool> read_one_of(std::span<const Field<Target>> fields, Target& target,
                                  const std::string& prefix, const toml::key& key,
                                  const toml::node& node) const {
    for (const auto& field : fields) {
      if (field.name == key.str()) {
        return read_field(field, target, node, prefix + std::string(field.name));
      }
    }
    return std::nullopt;
  }

  /// Fetches the secret from where the node says it is, or complains.
  void read_secret(Secret& secret, const std::string& key, const toml::node& node) const;

 private:
  bool read_slot(const Slot& slot, std::string_view type, const Rule& rule, const toml::node& node,
                 const std::string& key) const;

  Draft& draft_;
  std::string file_;
};

/// Appends the names of `fields`.
template <class Target>
void append_names(std::vector<std::string_view>& names, std::span<const Field<Target>> fields) {
  for (const auto& field : fields) names.push_back(field.name);
}

/// Reads `[platform.…]`, and puts the platforms that it describes into the draft's catalog.
void read_platforms(const TomlReader& toml, const toml::node& node);

/// Reads `[[app]]`, by what the draft's catalog says about its platform.
void read_apps(const TomlReader& toml, const toml::node& node);

}  // namespace hufu::config
