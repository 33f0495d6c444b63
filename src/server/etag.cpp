#include "server/etag.hpp"

#include <charconv>

#include "server/json.hpp"

namespace hufu::server {
namespace {

constexpr char kSeparator = '-';

std::optional<keeper::Seen> seen_from(std::string_view tag) noexcept {
  const std::size_t separator = tag.find(kSeparator);
  if (separator == std::string_view::npos) return std::nullopt;
  keeper::Seen seen;
  const char* end = tag.data() + separator;
  const auto [stop, error] = std::from_chars(tag.data(), end, seen.revision);
  const auto fingerprint = Fingerprint::parse(tag.substr(separator + 1));
  if (error != std::errc() || stop != end || !fingerprint) return std::nullopt;
  seen.fingerprint = *fingerprint;
  return seen;
}

/// Calls `visit` with each entity tag of the list that is one of ours; a weak one is as good.
template <class Visit>
void for_each_tag(std::string_view list, Visit visit) noexcept {
  for (auto quote = list.find('"'); quote != std::string_view::npos; quote = list.find('"')) {
    list.remove_prefix(quote + 1);
    const std::size_t end = list.find('"');
    if (end == std::string_view::npos) return;
    if (const auto seen = seen_from(list.substr(0, end))) visit(*seen);
    list.remove_prefix(end + 1);
  }
}

}  // namespace

void append_etag(std::string& out, const keeper::Seen& token) {
  out += '"';
  append_number(out, static_cast<std::int64_t>(token.revision));
  out += kSeparator;
  append_hex(out, token.fingerprint);
  out += '"';
}

bool names(std::string_view if_none_match, const keeper::Seen& token) noexcept {
  bool found = false;
  for_each_tag(if_none_match, [&](const keeper::Seen& seen) { found = found || seen == token; });
  return found;
}

std::optional<keeper::Seen> latest_of(std::string_view if_none_match) noexcept {
  std::optional<keeper::Seen> latest;
  for_each_tag(if_none_match, [&](const keeper::Seen& seen) {
    if (!latest || seen.revision > latest->revision) latest = seen;
  });
  return latest;
}

}  // namespace hufu::server
