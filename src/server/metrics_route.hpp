#pragma once

#include "server/route.hpp"

namespace hufu::server {

/// Prometheus text. No key is asked: ids of apps and numbers, no secret and no token.
void metrics(const Call& call);

}  // namespace hufu::server
