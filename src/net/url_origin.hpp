#pragma once

#include <string>
#include <string_view>

namespace hufu::net {

/// Scheme, host and port of an absolute URL as written, in small letters ("https://host:443"):
/// what has a connection of its own. No user, password, path or query, so it may be kept and shown.
/// Empty where `url` is no such thing.
std::string origin_of(std::string_view url);

/// The host of an absolute URL, without its port; an IPv6 address in brackets. Empty where `url` is
/// no such thing.
std::string host_of(std::string_view url);

}  // namespace hufu::net
