#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/keeper.hpp"
#include "hufu/token.hpp"
#include "keeper/async_keeper.hpp"
#include "keeper/token_table.hpp"

/// The JSON objects that Hufu shows, the same over HTTP and with `--json` on the command line.
/// Each function appends to `out` and, while `out` has room, allocates nothing.
namespace hufu::server {

/// `text` in quotes. Control characters are escaped, and bytes that are not UTF-8 become U+FFFD, so
/// that what comes out is JSON whatever goes in.
void append_string(std::string& out, std::string_view text);
void append_number(std::string& out, std::int64_t number);
/// RFC 3339 in UTC, whole seconds, rounded down: "2026-09-17T14:59:38Z". In quotes.
void append_time(std::string& out, WallTime time);

/// {"app","kind","token","expires_in","expires_at","revision","fingerprint"}, and "suspect":true
/// where it is.
void append_json(std::string& out, const Grant& grant);
void append_json(std::string& out, std::string_view app, std::string_view kind,
                 const keeper::TokenView& view);
/// A grant with its "outcome".
void append_json(std::string& out, const Report& report);
/// {"id","platform","endpoint","secret_login","origin"}; the last is "config" or "store".
void append_json(std::string& out, const keeper::AppInfo& app);
/// {"app","kind","issuer","state","revision","expires_in"} and, where they are known,
/// "fingerprint", "obtained_at", "expires_at", "renew_at", "suspect", "renewing", "failure".
void append_json(std::string& out, const TokenStatus& status);
/// {"name","host","version","listen","started_at","seen_at","clock_ahead","fenced"}; the last but
/// one in seconds with three decimals.
void append_json(std::string& out, const store::NodeRow& node);
/// {"app","kind","holder","fence","remaining"}; the last in whole seconds.
void append_json(std::string& out, const store::LeaseRow& lease);
/// {"verdict","store_usable","now","tokens":[…],"nodes":[…],"leases":[…]}
void append_json(std::string& out, const keeper::Status& status);

/// What there is to say of tokens: "3 tokens, all usable", "1 of 3 tokens unusable: wx…".
std::string verdict_on(const std::vector<TokenStatus>& status);
/// The one line on top of `hufu status`: the same, and first whether the store is out.
std::string verdict_on(const keeper::Status& status);

/// `append_json` into a string of its own.
template <class Shown>
std::string to_json(const Shown& shown) {
  std::string out;
  append_json(out, shown);
  return out;
}

}  // namespace hufu::server
