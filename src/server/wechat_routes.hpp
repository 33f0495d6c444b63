#pragma once

#include <string_view>

#include "server/route.hpp"

/// Drop-in routes: WeChat's own, for an SDK that knows nothing of Hufu. Always HTTP 200, the
/// outcome in `errcode`, WeChat's codes and its order of judging them (41002 no appid, 40013
/// unknown appid, 41004 no secret, 40002 grant_type, 40125 wrong secret). So that nobody can be
/// locked into a loop, the token routes never answer 40001, 40014 or 42001.
///
/// Parameters may stand in any order, their names percent-encoded; of several with one name the
/// first counts; unknown ones are passed over; an empty one is missing; one that cannot be decoded
/// is wrong.
///
/// `secret` is an API key with the right `read` for the app, or the app's real secret where the app
/// allows that. `margin=SECONDS` in the query, or the margin of the key, is added to the
/// `expires_in` of the answer, for an SDK that takes as much off again.
namespace hufu::server {

/// Where WeChat gives tickets; which kinds, its description says (KindDescription::drop_in).
inline constexpr std::string_view kTicketPath = "/cgi-bin/ticket/getticket";

/// /cgi-bin/token. A POST may carry the parameters as a form instead. Whoever asks twice within a
/// few seconds has the token checked, see RecentAsks.
void wechat_token(const Call& call);
/// /cgi-bin/stable_token. `force_refresh: true` is a report that the current token was refused; a
/// key without the right `report` gets the current token, as WeChat's own answer to a force that
/// comes too soon.
void wechat_stable_token(const Call& call);
/// /cgi-bin/ticket/getticket?access_token=&type=: the ticket of the app whose access token this is,
/// as it was handed out here: 40001 for any other, after which an SDK asks for the token again.
void wechat_ticket(const Call& call);
/// Everything else below /cgi-bin/, and other methods.
void wechat_unmatched(const Call& call, std::string_view path);

}  // namespace hufu::server
