#pragma once

#include "server/route.hpp"

/// Hufu's own routes. What a request must look like is in openapi.json; what was promised about the
/// answers is tested in v1_routes_test.cpp. Errors are problems (problem.hpp).
namespace hufu::server {

/// ?kind= &min_ttl= and, with If-None-Match, &wait=: an answer whose ETag is the highest one named
/// there waits up to that many seconds (at most 60) for another, and is 304 if there is none.
void get_token(const Call& call);
/// {"token":"…"} or {"fingerprint":"…"}: judged by the keeper.
void report_token(const Call& call);
/// 409 inside the overlap of the renewal before, 429 where a budget is used up.
void refresh_token(const Call& call);

/// ?after= &limit=, in order of id; "next" is there when there are more. A key for some apps sees
/// those.
void list_apps(const Call& call);
void get_app(const Call& call);
/// Makes (201) or replaces (200) an app; takes the names of the config file. 409 for one of the
/// config file.
void put_app(const Call& call);
/// 204; 404 if there was none; 409 for one of the config file.
void delete_app(const Call& call);

/// A key for some apps sees those, and no nodes.
void get_status(const Call& call);

}  // namespace hufu::server
