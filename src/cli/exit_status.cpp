#include "cli/exit_status.hpp"

namespace hufu::cli {

ExitStatus exit_status(Fault fault) noexcept {
  switch (fault) {
    case Fault::usage: return ExitStatus::usage;
    case Fault::config:
    case Fault::unknown_app:
    case Fault::unknown_kind: return ExitStatus::config;
    case Fault::refused: return ExitStatus::refused;
    case Fault::unreachable: return ExitStatus::unreachable;
    case Fault::store: return ExitStatus::store;
    case Fault::unauthorised:
    case Fault::forbidden: return ExitStatus::unauthorised;
    case Fault::too_soon:
    case Fault::throttled: return ExitStatus::not_now;
    case Fault::internal: return ExitStatus::bug;
  }
  return ExitStatus::bug;
}

}  // namespace hufu::cli
