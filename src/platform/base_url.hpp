#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "platform/description.hpp"

namespace hufu::platform {

// A URL may carry a password by mistake, so no message repeats one.

/// http:// or https:// with a host, perhaps a port and a path; without user, query and fragment.
/// Returned without slashes at its end, as paths are appended to it. Fault::config otherwise.
Result<std::string> check_base_url(std::string_view text);

/// Whether `url` (checked) is plain http:// to something else than this machine.
bool leaves_in_the_clear(std::string_view url);

/// "http://HOST[:PORT]", perhaps with a user and a password. Fault::config otherwise.
Result<std::string> check_proxy(std::string_view text);

/// Where a platform is reached.
struct PlatformAddress {
  std::vector<std::string> base_urls;  ///< The first one counts, the others are for its outages.
  std::string proxy;                   ///< Empty: as the environment says.
};

/// The address of a platform: as `config` says, and where it says nothing, as the description does.
/// Fault::config if one of the URLs may not be called.
Result<PlatformAddress> address_of(const PlatformDescription& platform,
                                   const PlatformConfig& config);

}  // namespace hufu::platform
