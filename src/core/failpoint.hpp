#pragma once

#include <string_view>

namespace hufu {

/// A named place at which a test lets a process die or stand still. Compiled in where the build
/// says HUFU_FAILPOINTS; elsewhere it is nothing.
///
/// The environment variable HUFU_FAILPOINT holds "NAME:kill" (SIGKILL to itself) or "NAME:stop"
/// (SIGSTOP to itself): at the first passage, or with ":PATH" behind it at the first one that finds
/// such a file. So a test lets a process come up at its leisure, and says when.
#ifdef HUFU_FAILPOINTS
void pass_failpoint(std::string_view name) noexcept;
#else
inline void pass_failpoint(std::string_view) noexcept {}
#endif

}  // namespace hufu
