#include "server/verdict.hpp"

#include <algorithm>
#include <string_view>

namespace hufu::server {
namespace {

constexpr std::uint64_t kNamed = 3;

std::string counted(std::uint64_t tokens) {
  return std::to_string(tokens) + (tokens == 1 ? " token" : " tokens");
}

bool is_usable(const TokenStatus& token) noexcept {
  return token.state == TokenState::fresh || token.state == TokenState::stale;
}

std::string name_of(const Key& key) {
  return key.kind == kAccessToken ? key.app : key.app + " " + key.kind;
}

/// ": wx1, wx2 jsapi_ticket, …" for the first of so many unusable ones; empty where none of them is
/// on the page.
std::string names_of_unusable(const std::vector<TokenStatus>& page, std::uint64_t unusable) {
  std::string names;
  std::uint64_t named = 0;
  for (const TokenStatus& token : page) {
    if (is_usable(token) || named == kNamed) continue;
    names += (named++ == 0 ? ": " : ", ") + name_of(token.key);
  }
  return named > 0 && named < unusable ? names + ", …" : names;
}

std::string verdict_on_tokens(const keeper::StatusPage& page) {
  const keeper::TokenCounts& counts = page.counts;
  const std::uint64_t unusable = counts.unusable + counts.missing;
  const std::uint64_t all = counts.fresh + counts.stale + unusable;
  if (all == 0) return "no app is known";
  if (unusable > 0) {
    return std::to_string(unusable) + " of " + counted(all) + " unusable" +
           names_of_unusable(page.tokens, unusable);
  }
  std::string verdict = counted(all) + ", all usable";
  if (counts.failing > 0) {
    verdict += "; the renewal of " + std::to_string(counts.failing) + " fails";
  }
  return verdict;
}

}  // namespace

std::string verdict_on(const keeper::Status& status) {
  std::string verdict = status.store_ok ? "" : "the store cannot be used, nothing is renewed; ";
  verdict += verdict_on_tokens(status.page);
  const auto& tokens = status.page.tokens;
  const auto noticed = std::find_if(tokens.begin(), tokens.end(),
                                    [](const TokenStatus& token) { return !token.notice.empty(); });
  if (noticed != tokens.end()) verdict += "; " + name_of(noticed->key) + ": " + noticed->notice;
  return verdict;
}

}  // namespace hufu::server
