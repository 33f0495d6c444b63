#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "hufu/issuer.hpp"
#include "net/http_client.hpp"
#include "platform/description.hpp"

namespace hufu::platform {

/// Every platform × endpoint × kind that Hufu knows.
const std::vector<Description>& catalog();

/// The issuer for one of them, at the platform's address, with the overlap of `timing`. What does
/// not exist is an error that names what does: Fault::config for a platform or an endpoint,
/// Fault::unknown_kind for a kind. An address that may not be called is Fault::config, too.
Result<std::shared_ptr<Issuer>> make_issuer(std::string_view platform, std::string_view endpoint,
                                            std::string_view kind, const Timing& timing,
                                            const PlatformConfig& config,
                                            std::shared_ptr<net::HttpClient> client);

}  // namespace hufu::platform
