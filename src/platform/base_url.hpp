#pragma once

#include <string>
#include <string_view>

#include "hufu/config.hpp"
#include "hufu/error.hpp"

namespace hufu::platform {

/// The base URL of `platform` as calls are appended to it: without a trailing slash. Fault::config
/// unless it is https://, or http:// to loopback (or anywhere with `allow_http`), and nothing but
/// scheme, host, port and path. The error does not repeat it.
Result<std::string> checked_base_url(std::string_view platform, const PlatformConfig& config);

}  // namespace hufu::platform
