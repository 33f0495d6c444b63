#pragma once

#include <string>

#include "hufu/error.hpp"

namespace hufu::store {

/// Makes the directories above `path` that are missing, for our own eyes only (mode 0700); those
/// that exist are left as they are. Fault::store where that cannot be.
Result<void> make_directories_for(const std::string& path);

/// The failure to make a file or a directory at `path`, with `error` from errno.
Error cannot_make(const std::string& path, int error);

}  // namespace hufu::store
