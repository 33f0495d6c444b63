#pragma once

#include <span>
#include <string_view>

#include "server/route.hpp"

/// Drop-in routes: those of the platforms themselves, for an SDK that knows nothing of Hufu. What
/// each takes, and how it says yes and no, stands in the description of its platform
/// (platform::DropInRoute, platform::DropInFailures). So that nobody can be locked into a loop, a
/// token route never answers with a code that means a dead token.
///
/// A request is judged in one order: no id, unknown id, no secret, grant_type, wrong secret.
/// Parameters may stand in any order, their names percent-encoded; of several with one name the
/// first counts; unknown ones are passed over; an empty one is missing; one that cannot be decoded
/// is wrong.
///
/// The secret is an API key with the right `read` for the app, or the app's real secret where the
/// app allows that. `margin=SECONDS` in the query, or the margin of the key, is added to the
/// lifetime in the answer, for an SDK that takes as much off again.
namespace hufu::server {

/// For an id and a secret. An app of another platform than those of the path is unknown. Where
/// several apps share an account, the id is that, and the app the one whose secret it is, or the
/// only one that the key opens. Whoever asks twice within a few seconds has the token checked, see
/// RecentAsks. Where the route knows how to force, that is a report that the current token was
/// refused; a key without the right `report` gets the current token, as WeChat's own answer to a
/// force that comes too soon.
void drop_in_by_credentials(const Call& call);
/// For a token, the current one or an older one that is still promised: what the token's app gets
/// with it, a ticket for one. To any other token the answer is that it is dead, after which an SDK
/// asks for the token again.
void drop_in_by_token(const Call& call);
/// Answers in a platform's place where a path of it knows another method, or where there is nothing
/// below a prefix of it; false, and nothing is answered, elsewhere. `others` as in
/// RouteTable::find.
bool drop_in_unmatched(const Call& call, std::string_view path, std::span<const Route> others);

}  // namespace hufu::server
