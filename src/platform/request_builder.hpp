#pragma once

#include <string_view>

#include "hufu/issuer.hpp"
#include "net/http_client.hpp"
#include "platform/description.hpp"

namespace hufu::platform {

/// The call as a request to `base_url` (which has no slash at its end), filled in with what `asked`
/// holds; `probed` is the token that a probe is about. Every value is encoded for the place where
/// it stands, whatever characters it holds; intermediate copies of secrets are wiped.
net::HttpRequest build_request(const Call& call, std::string_view base_url,
                               const IssueRequest& asked, std::string_view probed = {});

}  // namespace hufu::platform
