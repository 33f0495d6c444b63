#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/fields.hpp"
#include "config/load.hpp"
#include "platform/catalog.hpp"

namespace hufu::config {

/// A configuration in the making: values, their origins, and the problems met so far.
class Draft {
 public:
  explicit Draft(const Sources& from) : sources(from) {}

  const Sources& sources;
  Loaded loaded;
  /// The platforms that Hufu knows and, once they have been read, those of the file.
  platform::Catalog catalog;
  std::map<std::string, int, std::less<>> app_lines;    ///< Where the file defines each app.
  std::set<std::string, std::less<>> secret_variables;  ///< Those the file takes a secret from.
  std::map<std::string, int, std::less<>> sink_lines;   ///< Of each sink: "app.wx1.sink.1".
  /// Keys of apps whose values could not be read, so that they are not called missing as well.
  std::set<std::string, std::less<>> unreadable;

  /// Notes a problem at `where`; `line` of the file sorts it (0: elsewhere).
  void complain(int line, const std::string& where, const Error& error) {
    Error problem{Fault::config, where + ": " + error.message, error.next_step, {}, {}};
    problems_.emplace_back(line, std::move(problem));
  }

  /// Takes over what `read` read for `key`, or complains.
  bool note(const Result<void>& read, const Origin& origin, const std::string& key) {
    if (!read) {
      const bool file = origin.source == Origin::Source::file;
      complain(origin.line, file ? origin.where + ": " + key : origin.text(), read.error());
      return false;
    }
    loaded.origins[key] = origin;
    return true;
  }

  /// Reads `text` into a field of `target`, or complains.
  template <class Target>
  bool set(const Field<Target>& field, Target& target, std::string_view text, const Origin& origin,
           const std::string& key) {
    return note(read_value(field.slot(target), field.rule, text), origin, key);
  }

  Examined finish() &&;

 private:
  std::vector<std::pair<int, Error>> problems_;
};

/// Reads the TOML `text` of the file `name` into the draft; false if it is not TOML. Wipes `text`.
bool read_file_into(Draft& draft, const std::string& name, std::string&& text);

/// Reads the variables of the environment into the draft.
void read_environment(Draft& draft);

/// Fills in what depends on the machine, and checks what depends on more than one value.
void settle(Draft& draft);

}  // namespace hufu::config
