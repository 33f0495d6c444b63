#pragma once

#include <string_view>

namespace hufu::server {

/// Whether a token of this kind carries authority over accounts other than its app's own. Such
/// tokens are handed out only to keys that name the app, and to administrators: see Admission.
/// Allocates nothing.
bool carries_authority(std::string_view kind) noexcept;

}  // namespace hufu::server
