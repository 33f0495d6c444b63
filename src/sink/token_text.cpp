#include "sink/token_text.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <boost/json/string_view.hpp>

namespace hufu::sink {
namespace {

/// As a JSON string, quotes included.
std::string json(std::string_view text) {
  return boost::json::serialize(boost::json::string_view(text));
}

/// RFC 3339 in UTC, whole seconds, rounded down.
std::string rfc3339(WallTime time) {
  return fmt::format(
      "{:%Y-%m-%dT%H:%M:%S}Z",
      fmt::gmtime(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count()));
}

}  // namespace

std::string text_of(Format format, const Grant& grant, std::chrono::seconds expires_in) {
  if (format == Format::raw) return std::string(grant.token.reveal());
  std::string quoted = json(grant.token.reveal());
  if (format == Format::quoted) return quoted;
  std::string text;
  switch (format) {
    case Format::raw:
    case Format::quoted: break;
    case Format::token_reply:
      text = fmt::format(R"({{"access_token":{},"expires_in":{}}})", quoted, expires_in.count());
      break;
    case Format::ticket_reply:
      text = fmt::format(R"({{"errcode":0,"errmsg":"ok","ticket":{},"expires_in":{}}})", quoted,
                         expires_in.count());
      break;
    case Format::object:
      text = fmt::format(
          R"({{"app":{},"kind":{},"token":{},"expires_in":{},"expires_at":"{}","revision":{},"fingerprint":"{}"}})",
          json(grant.key.app), json(grant.key.kind), quoted, expires_in.count(),
          rfc3339(grant.expires_at), grant.revision, grant.fingerprint.hex());
      break;
  }
  wipe(quoted);
  return text;
}

}  // namespace hufu::sink
