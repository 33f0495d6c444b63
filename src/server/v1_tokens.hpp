#pragma once

#include "server/route.hpp"

/// Tokens, for programs that know Hufu. What a request must look like is in openapi.json; what was
/// promised about the answers is tested in v1_tokens_test.cpp. Errors are problems (problem.hpp).
///
/// Every route takes ?kind=; without it, it is about the main kind of the app's platform.
namespace hufu::server {

/// ?min_ttl= and, with If-None-Match, &wait=: an answer whose ETag is named there waits up to that
/// many seconds (at most 60) for another, and is 304 if there is none. Whoever waits is judged anew
/// when the keys change: 401 as soon as its key is revoked, 404 as soon as the app is removed.
void get_token(const Call& call);
/// {"token":"…"} or {"fingerprint":"…"}: judged by the keeper.
void report_token(const Call& call);
/// Tells until when older tokens work. 409 inside the overlap of the renewal before, 429 where a
/// budget is used up.
void refresh_token(const Call& call);

}  // namespace hufu::server
