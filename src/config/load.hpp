#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/sources.hpp"
#include "hufu/config.hpp"
#include "hufu/error.hpp"

namespace hufu::config {

/// Where a value came from.
struct Origin {
  enum class Source { fallback, file, environment, flag };
  Source source = Source::fallback;
  std::string where;  ///< "./hufu.toml:7", "HUFU_STORE", "--store"; empty for a default.
  int line = 0;       ///< Of the file; 0 for everything else.

  /// "default", "./hufu.toml:7", "environment HUFU_STORE", "flag --store".
  [[nodiscard]] std::string text() const;
};

/// A configuration and how it came about.
struct Loaded {
  Config config;
  std::string file;  ///< The file that was read; empty if there was none.
  /// By key: "store", "timing.lease", "platform.wechat.base_url", "app.wx….secret". What is not
  /// listed is a default.
  std::map<std::string, Origin, std::less<>> origins;
  /// What can be used but looks wrong, such as a secret in quotation marks: like problems, in the
  /// order of the apps.
  std::vector<Error> warnings;

  [[nodiscard]] Origin origin(std::string_view key) const;
};

/// What was understood, and everything that is wrong with it: in the order of the file, then what
/// is wrong elsewhere. Each problem is a Fault::config whose message begins with the place.
struct Examined {
  Loaded loaded;
  std::vector<Error> problems;
};

/// Puts flags over the environment over the file over defaults, and checks the result.
///
/// The file is --config, else $HUFU_CONFIG, else ./hufu.toml, else /etc/hufu/hufu.toml, else none;
/// one that was named must exist. Secrets are fetched from where the file says they are.
Examined examine(const Sources& sources);

/// As `examine`, for whoever needs a configuration that works: the first problem is the error.
Result<Loaded> load(const Sources& sources);

/// One line of `config show`.
struct Setting {
  std::string key;
  std::string value;  ///< Masked where it is a secret.
  Origin origin;
};

/// Every value in effect, sections in the order of the reference page, secrets masked.
std::vector<Setting> effective(const Loaded& loaded);

}  // namespace hufu::config
