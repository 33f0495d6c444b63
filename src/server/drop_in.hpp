#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "platform/catalog.hpp"
#include "server/reply_template.hpp"

namespace hufu::server {

/// How a platform says no, ready for use.
struct DropInDialect {
  explicit DropInDialect(const platform::DropInFailures& of) : failures(of), body(of.body) {}

  platform::DropInFailures failures;
  ReplyTemplate body;
};

/// One kind of one platform that is served on a path of that platform.
struct DropInKind {
  std::string platform;
  std::string kind;
  std::string account;  ///< PlatformDescription::account.
  std::string needed;   ///< The kind whose tokens name the caller; empty: `route.id` does.
  platform::DropInRoute route;
  ReplyTemplate success;
  /// Codes of the platform that are handed on under another one.
  std::map<int, int> passed_on_as;
  std::shared_ptr<const DropInDialect> dialect;
};

/// A path that is served in the place of platforms. Platforms that share one tell their apps apart
/// by the app's id, and the parameters have the same names for all of them.
struct DropInPath {
  std::string path;
  std::vector<std::string> methods;
  std::vector<DropInKind> kinds;  ///< At least one.

  [[nodiscard]] const DropInKind& first() const noexcept { return kinds.front(); }
  [[nodiscard]] const DropInDialect& dialect() const noexcept { return *first().dialect; }
};

/// Everything that the catalog's platforms have to be served in their place.
struct DropIns {
  explicit DropIns(const platform::Catalog& catalog);

  std::vector<std::unique_ptr<const DropInPath>> paths;
  /// Those that answer for every path below a prefix of theirs.
  std::vector<std::shared_ptr<const DropInDialect>> below_prefix;
};

}  // namespace hufu::server
