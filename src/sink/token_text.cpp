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
  const std::string_view token = grant.token.reveal();
  switch (format) {
    case Format::raw: return std::string(token);
    case Format::quoted: return json(token);
    case Format::platform_reply: {
      std::string quoted = json(token);
      std::string text =
          fmt::format(R"({{"access_token":{},"expires_in":{}}})", quoted, expires_in.count());
      wipe(quoted);
      return text;
    }
    case Format::object: {
      std::string quoted = json(token);
      std::string text = fmt::format(
          R"({{"app":{},"kind":{},"token":{},"expires_in":{},"expires_at":"{}","revision":{},"fingerprint":"{}"}})",
          json(grant.key.app), json(grant.key.kind), quoted, expires_in.count(),
          rfc3339(grant.expires_at), grant.revision, grant.fingerprint.hex());
      wipe(quoted);
      return text;
    }
  }
  return {};
}

}  // namespace hufu::sink
