#pragma once

#include <vector>

#include "platform/description.hpp"

namespace hufu::platform {

/// What `descriptions/` holds, in order of name. A file NAME.cpp there defines
/// `PlatformDescription descriptions::NAME()`; the build finds it, and nothing else names it.
std::vector<PlatformDescription> builtin_platforms();

}  // namespace hufu::platform
