#include "platform/catalog.hpp"

#include <algorithm>
#include <utility>

#include "core/text.hpp"
#include "platform/base_url.hpp"
#include "platform/builtin_platforms.hpp"
#include "platform/custom_platform.hpp"
#include "platform/described_issuer.hpp"
#include "platform/timing.hpp"

namespace hufu::platform {
namespace {

constexpr std::string_view kEndpoint = "endpoint";

template <class Named>
const Named* find_named(const std::vector<Named>& among, std::string_view name) noexcept {
  const auto found = std::find_if(among.begin(), among.end(),
                                  [&](const Named& each) { return each.name == name; });
  return found == among.end() ? nullptr : &*found;
}

bool holds(const Condition& condition, const PlatformDescription& platform,
           const Settings& settings) {
  return effective_setting(platform, settings, condition.setting) == condition.value;
}

Result<void> check_choices(const PlatformDescription& platform, const Settings& settings) {
  for (const SettingDescription& each : platform.settings) {
    const std::string_view value = effective_setting(platform, settings, each.name);
    const auto& allowed = each.values;
    if (allowed.empty() || std::find(allowed.begin(), allowed.end(), value) != allowed.end()) {
      continue;
    }
    return fail(Fault::config,
                "the platform " + platform.name + " has no " + each.name + " " + quoted(value),
                "use one of: " + listed({allowed.begin(), allowed.end()}));
  }
  return {};
}

}  // namespace

Catalog::Catalog() : platforms_(builtin_platforms()) {}

Catalog::Catalog(const Config& config) : Catalog() {
  for (const auto& [name, each] : config.platforms) {
    if (each.custom && find(name) == nullptr) {
      platforms_.push_back(describe(name, *each.custom));
    }
  }
  std::sort(platforms_.begin(), platforms_.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
}

std::vector<std::string_view> Catalog::names() const {
  std::vector<std::string_view> names;
  for (const PlatformDescription& each : platforms_) names.push_back(each.name);
  return names;
}

const PlatformDescription* Catalog::find(std::string_view platform) const noexcept {
  return find_named(platforms_, platform);
}

Result<const PlatformDescription*> Catalog::platform(std::string_view name) const {
  if (const PlatformDescription* found = find(name)) return found;
  return fail(Fault::config, "there is no platform " + quoted(name),
              "use one of: " + listed(names()));
}

std::vector<const PlatformDescription*> Catalog::in_use(const Config& config) const {
  const std::string usual = AppConfig().platform;
  std::vector<const PlatformDescription*> used;
  for (const PlatformDescription& each : platforms_) {
    const bool has_apps =
        std::any_of(config.apps.begin(), config.apps.end(),
                    [&](const AppConfig& app) { return app.platform == each.name; });
    const bool is_next = config.apps.empty() && each.name == usual;
    if (has_apps || is_next || config.platforms.contains(each.name)) used.push_back(&each);
  }
  return used;
}

std::string_view name_of(RenewalRule::Shape shape) noexcept {
  switch (shape) {
    case RenewalRule::Shape::rotating: return "rotating";
    case RenewalRule::Shape::windowed: return "windowed";
    case RenewalRule::Shape::sticky: return "sticky";
    case RenewalRule::Shape::independent: return "independent";
  }
  return "independent";
}

const std::string& main_kind(const PlatformDescription& platform) noexcept {
  return platform.kinds.front().name;
}

std::vector<std::string_view> kind_names(const PlatformDescription& platform) {
  std::vector<std::string_view> names;
  for (const KindDescription& kind : platform.kinds) {
    if (std::find(names.begin(), names.end(), kind.name) == names.end()) names.push_back(kind.name);
  }
  return names;
}

const SettingDescription* find_setting(const PlatformDescription& platform,
                                       std::string_view name) noexcept {
  return find_named(platform.settings, name);
}

const CredentialDescription* find_credential(const PlatformDescription& platform,
                                             std::string_view name) noexcept {
  return find_named(platform.credentials, name);
}

std::string_view effective_setting(const PlatformDescription& platform, const Settings& settings,
                                   std::string_view name) noexcept {
  const std::string_view own = setting(settings, name);
  if (!own.empty()) return own;
  const SettingDescription* described = find_setting(platform, name);
  return described == nullptr ? std::string_view() : std::string_view(described->fallback);
}

Result<const KindDescription*> find_kind(const PlatformDescription& platform, std::string_view kind,
                                         const Settings& settings) {
  if (auto good = check_choices(platform, settings); !good) return tl::unexpected(good.error());
  const std::string_view wanted = kind.empty() ? std::string_view(main_kind(platform)) : kind;
  for (const KindDescription& each : platform.kinds) {
    const bool applies = !each.when || holds(*each.when, platform, settings);
    if (each.name == wanted && applies) return &each;
  }
  return fail(Fault::unknown_kind, "an app of " + platform.name + " has no " + quoted(wanted),
              "use one of: " + listed(kind_names(platform)));
}

std::string issuer_name(const PlatformDescription& platform, const KindDescription& kind) {
  const std::string way = kind.when ? kind.when->value + "/" : std::string();
  return platform.name + "/" + way + kind.name;
}

Result<std::shared_ptr<Issuer>> make_issuer(const Catalog& catalog, const Config& config,
                                            std::string_view platform, std::string_view endpoint,
                                            std::string_view kind,
                                            std::shared_ptr<net::HttpClient> client) {
  const auto described = catalog.platform(platform);
  if (!described) return tl::unexpected(described.error());
  Settings settings;
  if (!endpoint.empty()) {
    if (find_setting(**described, kEndpoint) == nullptr) {
      return fail(Fault::config, "the platform " + std::string(platform) + " has no endpoints",
                  "leave it out");
    }
    settings.emplace(kEndpoint, endpoint);
  }
  const auto found = find_kind(**described, kind, settings);
  if (!found) return tl::unexpected(found.error());
  auto address = address_of(**described, config_of(config, platform));
  if (!address) return tl::unexpected(address.error());

  KindDescription way = **found;
  way.rule.overlap = overlap_for(config, **described, way);
  return std::make_shared<DescribedIssuer>((*described)->title, issuer_name(**described, way),
                                           std::move(way), *std::move(address), std::move(client));
}

}  // namespace hufu::platform
