#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "keeper/async_keeper.hpp"

/// The entity tag of a token (RFC 9110, 8.8.3): opaque to clients, and another one for each token,
/// also where an app is removed and added again and its revisions begin anew.
namespace hufu::server {

/// In quotes. While `out` has room, allocates nothing.
void append_etag(std::string& out, const keeper::Seen& token);

/// Whether the list of If-None-Match names this token.
bool names(std::string_view if_none_match, const keeper::Seen& token) noexcept;

/// The token of the highest revision that the list names; empty where it names none.
std::optional<keeper::Seen> latest_of(std::string_view if_none_match) noexcept;

}  // namespace hufu::server
