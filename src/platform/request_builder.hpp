#pragma once

#include <string_view>
#include <vector>

#include "net/http_client.hpp"
#include "platform/description.hpp"

namespace hufu::platform {

/// What the parameters of a call are filled in with. Views: of something that lives longer.
struct CallArguments {
  std::string_view app{};
  std::string_view secret{};
  bool force = false;
  std::vector<std::string_view> needed{};  ///< As many as the description names.
  std::string_view token{};
};

/// The call as a request to `base_url` (which has no trailing slash). Every value is encoded for
/// the place where it stands, whatever characters it holds; intermediate copies are wiped.
net::HttpRequest build_request(const Call& call, std::string_view base_url,
                               const CallArguments& arguments, Milliseconds timeout);

}  // namespace hufu::platform
