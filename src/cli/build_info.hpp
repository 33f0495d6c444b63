#pragma once

#include "cli/context.hpp"

namespace hufu::cli {

/// What CMake knew when this binary was configured.
BuildInfo build_info();

}  // namespace hufu::cli
