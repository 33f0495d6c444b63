#pragma once

#include "hufu/error.hpp"

namespace hufu::cli {

/// What a script learns from a command. Part of the outside contract: never renumbered.
enum class ExitStatus {
  done = 0,
  bug = 1,           ///< Hufu itself is at fault, or its output could not be written.
  usage = 2,         ///< The command line makes no sense.
  config = 3,        ///< Unknown app, or a configuration that cannot be used.
  refused = 4,       ///< The platform answered and said no.
  unreachable = 5,   ///< The platform cannot be reached.
  store = 6,         ///< The database cannot be used.
  unauthorised = 7,  ///< No key, a wrong one, or one without the right.
  not_now = 8,       ///< Too soon, or a budget is used up.
};

/// The exit status of a command that failed that way.
ExitStatus exit_status(Fault fault) noexcept;

}  // namespace hufu::cli
