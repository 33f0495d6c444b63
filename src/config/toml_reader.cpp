#include "config/toml_reader.hpp"

#include <algorithm>
#include <sstream>

#include "config/secret_source.hpp"
#include "core/text.hpp"

namespace hufu::config {
namespace {

/// A node's value in the form in which variables and flags come, if it is of that type.
std::optional<std::string> text_of(const toml::node& node, std::string_view type,
                                   bool numbers_too) {
  if (type == "boolean" && node.is_boolean()) return TomlReader::scalar_of(node);
  if (type == "integer" && node.is_integer()) return TomlReader::scalar_of(node);
  if (type != "text" && type != "duration") return std::nullopt;
  if (node.is_string() || (numbers_too && node.is_number())) return TomlReader::scalar_of(node);
  return std::nullopt;
}

std::string_view example_of(std::string_view type) {
  if (type == "boolean") return "Write true or false, without quotes";
  if (type == "integer") return "Write a whole number, without quotes";
  if (type == "duration") return "Write a length of time in quotes, like \"30s\"";
  if (type == "list") return "Write texts in square brackets, like [\"one\", \"two\"]";
  if (type == "table") return "Write names and texts in braces, like { name = \"text\" }";
  return "Write it in quotes";
}

/// Where a key that stands in the wrong section belongs; empty if it is known nowhere.
std::string home_of(std::string_view key) {
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

}  // namespace

std::string_view TomlReader::kind_of(const toml::node& node) {
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

std::optional<std::string> TomlReader::scalar_of(const toml::node& node) {
  if (node.is_string()) return node.as_string()->get();
  if (node.is_boolean()) return node.as_boolean()->get() ? "true" : "false";
  if (node.is_integer()) return std::to_string(node.as_integer()->get());
  if (!node.is_floating_point()) return std::nullopt;
  std::ostringstream shown;
  shown << node.as_floating_point()->get();
  return shown.str();
}

std::string TomlReader::printable(const std::string& name) {
  bool plain = name.size() <= 60 &&
               std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
  return plain ? name : quoted(name);
}

Origin TomlReader::origin_of(const toml::node& node) const {
  const int line = line_of(node);
  return {Origin::Source::file, file_ + ":" + std::to_string(line), line};
}

void TomlReader::complain(int line, const std::string& key, std::string message,
                          std::string next) const {
  draft_.complain(line, file_ + ":" + std::to_string(line) + ": " + key,
                  Error{Fault::config, std::move(message), std::move(next), {}, {}});
}

void TomlReader::unknown_key(const toml::key& key, const std::string& prefix,
                             const std::vector<std::string_view>& known) const {
  std::string next = home_of(key.str());
  if (next.empty()) {
    const std::string_view meant = nearest(key.str(), known);
    next = meant.empty() ? "Known here: " + listed(known)
                         : "Did you mean " + prefix + std::string(meant) + "?";
  }
  const int line = line_of(key);
  draft_.complain(line, file_ + ":" + std::to_string(line),
                  Error{Fault::config,
                        "unknown key " + printable(prefix + std::string(key.str())),
                        std::move(next),
                        {},
                        {}});
}

const toml::table* TomlReader::table_of(const toml::node& node, const std::string& key,
                                        const std::string& how_to) const {
  const auto* table = node.as_table();
  if (table == nullptr) {
    complain(node, key, std::string(kind_of(node)) + " where a table is expected", how_to);
  }
  return table;
}

const toml::array* TomlReader::list_of(const toml::node& node, const std::string& key,
                                       const std::string& how_to) const {
  const auto* list = node.as_array();
  if (list == nullptr) {
    complain(node, key, std::string(kind_of(node)) + " where a list is expected", how_to);
  }
  return list;
}

bool TomlReader::read_slot(const Slot& slot, std::string_view type, const Rule& rule,
                           const toml::node& node, const std::string& key) const {
  const std::string how_to(example_of(type));
  auto element = [&](const toml::node& each) {
    auto text = text_of(each, "text", rule.numbers_too);
    if (!text) {
      complain(each, key, std::string(kind_of(each)) + " where a text is expected", how_to);
    }
    return text;
  };

  if (auto* const* list = std::get_if<TextList*>(&slot)) {
    const toml::array* array = list_of(node, key, how_to);
    if (array == nullptr) return false;
    TextList texts;
    for (const toml::node& each : *array) {
      auto text = element(each);
      if (!text) return false;
      texts.push_back(*std::move(text));
    }
    return draft_.note(read_list(**list, rule, texts), origin_of(node), key);
  }
  if (auto* const* by_name = std::get_if<TextTable*>(&slot)) {
    const toml::table* table = table_of(node, key, how_to);
    if (table == nullptr) return false;
    TextTable texts;
    for (const auto& [name, each] : *table) {
      auto text = element(each);
      if (!text) return false;
      texts.emplace(name.str(), *std::move(text));
    }
    return draft_.note(read_table(**by_name, rule, texts), origin_of(node), key);
  }

  auto text = text_of(node, type, rule.numbers_too);
  if (!text) {
    complain(node, key,
             std::string(kind_of(node)) + " where a " + std::string(type) + " is expected", how_to);
    return false;
  }
  return draft_.note(read_value(slot, rule, *text), origin_of(node), key);
}

void TomlReader::read_secret(Secret& secret, const std::string& key, const toml::node& node) const {
  const std::string word = key.substr(key.rfind('.') + 1);
  const std::string how_to =
      "Write " + word + " = { env = \"NAME\" } or " + word + " = { file = \"PATH\" }";
  // Noted even where it turns out unusable, so that it is not called missing as well.
  draft_.loaded.origins[key] = origin_of(node);
  if (node.is_string()) {
    return complain(node, key, "a secret must not stand in the configuration file itself",
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

}  // namespace hufu::config
