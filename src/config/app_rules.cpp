#include "config/app_rules.hpp"

#include <algorithm>

#include "core/text.hpp"
#include "hufu/config.hpp"

namespace hufu::config {
namespace {

struct Platform {
  std::string_view name;
  std::array<std::string_view, 2> endpoints;
};
constexpr std::array<Platform, 1> kPlatforms = {{{"wechat", {"stable", "classic"}}}};

Result<void> check_one_of(std::string_view word, const std::vector<std::string_view>& known,
                          const std::string& what) {
  if (std::find(known.begin(), known.end(), word) != known.end()) return {};
  std::string_view meant = nearest(word, known);
  return fail(
      Fault::usage, "unknown " + what + " " + quoted(word),
      meant.empty() ? "Known are: " + listed(known) : "Did you mean " + quoted(meant) + "?");
}

}  // namespace

Result<void> check_app_name(std::string_view name) {
  return check_one_of(name, {kAppNames.begin(), kAppNames.end()}, "key");
}

Result<void> check_app_id(std::string_view id) {
  if (is_app_id(id)) return {};
  return fail(Fault::usage, quoted(id) + " is not an app id",
              "Use 1 to 128 printable ASCII characters without spaces and slashes; the platform's "
              "console shows it as AppID");
}

std::vector<std::string_view> known_platforms() {
  std::vector<std::string_view> names;
  for (const Platform& platform : kPlatforms) names.push_back(platform.name);
  return names;
}

Result<void> check_platform(std::string_view platform) {
  return check_one_of(platform, known_platforms(), "platform");
}

Result<void> check_issuer(std::string_view platform, std::string_view endpoint) {
  if (auto known = check_platform(platform); !known) return known;
  if (endpoint.empty()) return {};  // The platform's default.
  auto found = std::find_if(kPlatforms.begin(), kPlatforms.end(),
                            [&](const Platform& candidate) { return candidate.name == platform; });
  return check_one_of(endpoint, {found->endpoints.begin(), found->endpoints.end()},
                      "endpoint of " + std::string(platform));
}

Result<void> check_legacy_document(std::string_view document, std::string_view collection,
                                   std::string_view store) {
  if (document.empty() && collection.empty()) return {};
  if (document.empty()) {
    return fail(Fault::usage, "legacy_collection names no document",
                "Add legacy_document, like \"access_token\"");
  }
  if (!store.starts_with("mongodb:") && !store.starts_with("mongodb+srv:")) {
    return fail(Fault::usage, "legacy_document needs a MongoDB store",
                "Leave it out, or write store = \"mongodb://…\"");
  }
  if (collection.starts_with("hufu_") || collection.starts_with("system.") ||
      collection.find('$') != std::string_view::npos) {
    return fail(Fault::usage, "legacy_collection is not a collection of another program",
                "Name the one that the program reads, like \"tokens\"");
  }
  return {};
}

}  // namespace hufu::config
