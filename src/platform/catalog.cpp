#include "platform/catalog.hpp"

#include <set>
#include <string>
#include <utility>

#include "platform/base_url.hpp"
#include "platform/described_issuer.hpp"
#include "platform/wechat.hpp"

namespace hufu::platform {
namespace {

/// "a", "b" and "c", of some descriptions.
std::string names(const std::vector<const Description*>& among, std::string Description::*name) {
  std::set<std::string> distinct;
  for (const Description* each : among) distinct.insert(each->*name);
  std::string list;
  for (const std::string& each : distinct) list += (list.empty() ? "" : ", ") + each;
  return list;
}

std::vector<const Description*> those_with(const std::vector<const Description*>& among,
                                           std::string Description::*name,
                                           std::string_view wanted) {
  std::vector<const Description*> found;
  for (const Description* each : among) {
    if (each->*name == wanted) found.push_back(each);
  }
  return found;
}

}  // namespace

const std::vector<Description>& catalog() {
  static const std::vector<Description> all = {wechat_classic(), wechat_stable()};
  return all;
}

Result<std::shared_ptr<Issuer>> make_issuer(std::string_view platform, std::string_view endpoint,
                                            std::string_view kind, const Timing& timing,
                                            const PlatformConfig& config,
                                            std::shared_ptr<net::HttpClient> client) {
  std::vector<const Description*> all;
  for (const Description& each : catalog()) all.push_back(&each);

  auto of_platform = those_with(all, &Description::platform, platform);
  if (of_platform.empty()) {
    return fail(Fault::config, "there is no platform \"" + std::string(platform) + "\"",
                "use one of: " + names(all, &Description::platform));
  }
  auto of_endpoint = those_with(of_platform, &Description::endpoint, endpoint);
  if (of_endpoint.empty()) {
    return fail(Fault::config,
                "the platform " + std::string(platform) + " has no endpoint \"" +
                    std::string(endpoint) + "\"",
                "use one of: " + names(of_platform, &Description::endpoint));
  }
  auto of_kind = those_with(of_endpoint, &Description::kind, kind);
  if (of_kind.empty()) {
    return fail(Fault::unknown_kind,
                "the endpoint " + std::string(platform) + "/" + std::string(endpoint) +
                    " issues no \"" + std::string(kind) + "\"",
                "use one of: " + names(of_endpoint, &Description::kind));
  }
  auto base_url = checked_base_url(platform, config);
  if (!base_url) return tl::unexpected(base_url.error());

  Description description = *of_kind.front();
  description.rule.overlap = timing.overlap;
  return std::make_shared<DescribedIssuer>(std::move(description), *std::move(base_url),
                                           std::move(client));
}

}  // namespace hufu::platform
