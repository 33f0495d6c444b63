#pragma once

#include <string>
#include <string_view>

#include "hufu/error.hpp"

namespace hufu::config {

// Every rule returns the value in its normal form, or Fault::config. A URL may carry a password by
// mistake, so no message repeats one.

/// "HOST:PORT", "[::1]:PORT"; port 0 means any free one.
Result<std::string> check_listen(std::string_view text);

/// A prefix of every route: "" or "/wechat"; one slash at its end is dropped.
Result<std::string> check_base_path(std::string_view text);

/// As platform::check_base_url: also for the URL of another Hufu.
Result<std::string> check_base_url(std::string_view text);

/// As platform::leaves_in_the_clear.
bool leaves_in_the_clear(std::string_view url);

}  // namespace hufu::config
