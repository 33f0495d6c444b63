#pragma once

#include <string_view>

#include "server/route.hpp"

namespace hufu::server {

/// One line at debug level for each answer: method and path as the table has them, status, client.
/// Nothing of what the client sent gets into it, so no secret in a query, a header or a mistyped
/// path can. Where debug lines are off, this is one load and one comparison.
void log_request(const Route* route, int status, std::string_view peer) noexcept;

}  // namespace hufu::server
