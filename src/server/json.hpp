#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/keeper.hpp"
#include "hufu/token.hpp"
#include "keeper/async_keeper.hpp"
#include "keeper/token_view.hpp"

/// The JSON objects that Hufu shows, the same over HTTP and with `--json` on the command line.
/// Each function appends to `out` and, while `out` has room, allocates nothing.
namespace hufu::server {

/// `text` in quotes. Control characters are escaped, and bytes that are not UTF-8 become U+FFFD, so
/// that what comes out is JSON whatever goes in.
void append_string(std::string& out, std::string_view text);
/// The same without the quotes.
void append_characters(std::string& out, std::string_view text);
void append_number(std::string& out, std::int64_t number);
/// RFC 3339 in UTC, whole seconds, rounded down: "2026-09-17T14:59:38Z". In quotes.
void append_time(std::string& out, WallTime time);
/// As Fingerprint::hex; without quotes.
void append_hex(std::string& out, Fingerprint fingerprint);

/// {"app","kind","token","expires_in","expires_at","revision","fingerprint"}, and "suspect":true
/// where it is.
void append_json(std::string& out, const Grant& grant);
void append_json(std::string& out, std::string_view app, const keeper::TokenView& view);
/// A grant with its "outcome".
void append_json(std::string& out, const Report& report);
/// A grant and, where older tokens work on, "older_work_until".
void append_json(std::string& out, const keeper::Refreshed& refreshed);
/// {"id","platform"}, the settings by their names, {"credentials":[…],"keep":[…],"secret_login",
/// "origin"} and, where there are any, "parent", "legacy_document", "legacy_collection". Of
/// credentials the names; the origin is "config" or "store".
void append_json(std::string& out, const keeper::AppInfo& app);
/// {"apps":[…]} and, where there are more, "next".
void append_json(std::string& out, const keeper::AppPage& page);
/// {"app","kind","issuer","state","revision","expires_in"} and, where they are known,
/// "fingerprint", "obtained_at", "expires_at", "renew_at", "suspect", "renewing", "trouble" (the
/// last failures to renew) and "notice".
void append_json(std::string& out, const TokenStatus& status);
/// {"name","host","version","listen","started_at","seen_at","clock_ahead","fenced"}; the last but
/// one in seconds with three decimals.
void append_json(std::string& out, const store::NodeRow& node);
/// {"app","kind","holder","fence","remaining"}; the last in whole seconds.
void append_json(std::string& out, const store::LeaseRow& lease);
/// {"verdict","store_usable","now","counts":{…},"tokens":[…],"nodes":[…],"leases":[…]} and, where
/// there are more tokens, "next".
void append_json(std::string& out, const keeper::Status& status);

/// `append_json` into a string of its own.
template <class Shown>
std::string to_json(const Shown& shown) {
  std::string out;
  append_json(out, shown);
  return out;
}

}  // namespace hufu::server
