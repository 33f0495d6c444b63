#include "hufu/error.hpp"

namespace hufu {

std::string_view name_of(Fault fault) noexcept {
  switch (fault) {
    case Fault::usage: return "usage";
    case Fault::config: return "config";
    case Fault::unknown_app: return "unknown_app";
    case Fault::unknown_kind: return "unknown_kind";
    case Fault::refused: return "refused";
    case Fault::unreachable: return "unreachable";
    case Fault::store: return "store";
    case Fault::unauthorised: return "unauthorised";
    case Fault::forbidden: return "forbidden";
    case Fault::too_soon: return "too_soon";
    case Fault::throttled: return "throttled";
    case Fault::internal: return "internal";
  }
  return "internal";
}

}  // namespace hufu
