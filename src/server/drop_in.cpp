#include "server/drop_in.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace hufu::server {
namespace {

std::optional<int> number_in(std::string_view text) {
  int number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

DropInKind drop_in_of(const platform::PlatformDescription& platform,
                      const platform::KindDescription& kind,
                      std::shared_ptr<const DropInDialect> dialect) {
  DropInKind served;
  served.platform = platform.name;
  served.kind = kind.name;
  served.account = platform.account;
  if (kind.drop_in->id.empty() && !kind.needs.empty()) served.needed = kind.needs.front().kind;
  served.route = *kind.drop_in;
  served.success = ReplyTemplate(kind.drop_in->success);
  for (const auto& [code, mapping] : kind.errors) {
    const auto number = number_in(code);
    if (number && mapping.passed_on_as) served.passed_on_as.emplace(*number, *mapping.passed_on_as);
  }
  served.dialect = std::move(dialect);
  return served;
}

}  // namespace

DropIns::DropIns(const platform::Catalog& catalog) {
  std::vector<std::unique_ptr<DropInPath>> found;
  for (const platform::PlatformDescription& platform : catalog.platforms()) {
    const auto dialect = std::make_shared<const DropInDialect>(platform.drop_in_failures);
    if (!dialect->failures.prefix.empty()) below_prefix.push_back(dialect);
    for (const platform::KindDescription& kind : platform.kinds) {
      if (!kind.drop_in) continue;
      auto path = std::find_if(found.begin(), found.end(),
                               [&](const auto& each) { return each->path == kind.drop_in->path; });
      if (path == found.end()) {
        found.push_back(std::make_unique<DropInPath>());
        path = std::prev(found.end());
        (*path)->path = kind.drop_in->path;
      }
      for (const std::string& method : kind.drop_in->methods) {
        auto& methods = (*path)->methods;
        if (std::find(methods.begin(), methods.end(), method) == methods.end()) {
          methods.push_back(method);
        }
      }
      (*path)->kinds.push_back(drop_in_of(platform, kind, dialect));
    }
  }
  for (auto& path : found) paths.push_back(std::move(path));
}

}  // namespace hufu::server
