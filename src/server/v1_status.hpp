#pragma once

#include "server/route.hpp"

/// What there is to see without seeing a token.
namespace hufu::server {

/// What can be kept: platforms with their settings, credentials and kinds.
void list_platforms(const Call& call);

/// ?after=, &limit=, &state=: tokens in order of app and kind, with a verdict and the counts of all
/// of them on top; "next" is there when there are more. A key for some apps sees those, and no
/// nodes.
void get_status(const Call& call);

}  // namespace hufu::server
