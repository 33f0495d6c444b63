#pragma once

#include <string_view>

#include "server/route.hpp"

/// Routes that look like WeChat's own, for an SDK that knows nothing of Hufu: always HTTP 200, the
/// outcome in `errcode`, WeChat's codes and its order of judging them (41002 no appid, 40013
/// unknown appid, 41004 no secret, 40002 grant_type, 40125 wrong secret). So that nobody can be
/// locked into a loop, 40001, 40014 and 42001 are never answered.
///
/// Parameters may stand in any order; of several with one name the first counts; unknown ones are
/// passed over; an empty one is missing; one that cannot be decoded is wrong.
///
/// `secret` is an API key with the right `read` for the app, or the app's real secret where the app
/// allows that.
namespace hufu::server {

/// /cgi-bin/token. A POST may carry the parameters as a form instead.
void token_as_platform(const Call& call);
/// /cgi-bin/stable_token. `force_refresh: true` is a report that the current token was refused; a
/// key without the right `report` gets the current token, as WeChat's own answer to a force that
/// comes too soon.
void stable_token_as_platform(const Call& call);
/// Everything else below /cgi-bin/, and other methods.
void stray_as_platform(const Call& call, std::string_view path);

}  // namespace hufu::server
