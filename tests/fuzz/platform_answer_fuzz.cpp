// Whatever a platform answers: a sane token, or a failure that says something and no secret. The
// first byte names the kind, the second the HTTP status; the rest is the body.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "platform/catalog.hpp"
#include "platform/response_parser.hpp"

namespace {

using namespace hufu;

constexpr std::string_view kCanary = "canary-of-a-secret";
constexpr std::array kStatuses = {200, 201, 304, 400, 401, 408, 429, 500, 503, 0};

void check_token(const Issued& issued, const RenewalRule& rule) {
  const std::string_view token = issued.value.reveal();
  const bool printable =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (token.empty() || token.size() > 4096 || !printable) std::abort();
  if (issued.lifetime <= Milliseconds(0) || issued.lifetime > rule.longest_life) std::abort();
}

void check_failure(const IssueFailure& failure) {
  if (failure.error.message.empty()) std::abort();
  if (failure.error.message.find(kCanary) != std::string::npos) std::abort();
  if (failure.error.next_step.find(kCanary) != std::string::npos) std::abort();
}

/// Every kind of every platform that Hufu knows.
std::vector<const platform::KindDescription*> all_kinds() {
  static const platform::Catalog catalog;
  std::vector<const platform::KindDescription*> kinds;
  for (const platform::PlatformDescription& each : catalog.platforms()) {
    for (const platform::KindDescription& kind : each.kinds) kinds.push_back(&kind);
  }
  return kinds;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<const platform::KindDescription*> kinds = all_kinds();
  if (size < 2) return 0;
  const platform::KindDescription& kind = *kinds[data[0] % kinds.size()];
  net::HttpResponse response;
  response.status = kStatuses[data[1] % kStatuses.size()];
  response.body.assign(data + 2, data + size);

  IssueRequest asked;
  asked.app = "wx1";
  asked.credentials.emplace(kSecret, Secret(kCanary));
  if (auto outcome = platform::parse_issue_response("WeChat", kind, response, asked)) {
    check_token(*outcome, kind.rule);
  } else {
    check_failure(outcome.error());
  }
  platform::parse_probe_response(kind, response);
  return 0;
}
