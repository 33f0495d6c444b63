#include "cli/key_rights.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "config/text.hpp"

namespace hufu::cli {
namespace {

using store::Rights;
constexpr std::array<std::pair<std::string_view, bool Rights::*>, 6> kRights = {{
    {"see", &Rights::see},
    {"read", &Rights::read},
    {"report", &Rights::report},
    {"refresh", &Rights::refresh},
    {"gateway", &Rights::gateway},
    {"admin", &Rights::admin},
}};

}  // namespace

Result<Rights> rights_from(const std::vector<std::string>& names) {
  Rights rights;
  for (const std::string& name : names) {
    bool known = false;
    for (const auto& [word, member] : kRights) {
      if (name == word) known = rights.*member = true;
    }
    if (!known) {
      return fail(Fault::usage, "--can: unknown right " + config::quoted(name),
                  "Known are: see, read, report, refresh, gateway, admin");
    }
  }
  return rights;
}

std::vector<std::string> names_of(const Rights& rights) {
  std::vector<std::string> names;
  for (const auto& [word, member] : kRights) {
    if (rights.*member) names.emplace_back(word);
  }
  return names;
}

}  // namespace hufu::cli
