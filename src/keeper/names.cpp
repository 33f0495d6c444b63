#include "hufu/keeper.hpp"

namespace hufu {

std::string_view name_of(TokenState state) noexcept {
  switch (state) {
    case TokenState::missing: return "missing";
    case TokenState::fresh: return "fresh";
    case TokenState::stale: return "stale";
    case TokenState::unusable: return "unusable";
  }
  return "unusable";
}

std::string_view name_of(ReportOutcome outcome) noexcept {
  switch (outcome) {
    case ReportOutcome::renewed: return "renewed";
    case ReportOutcome::already_newer: return "already_newer";
    case ReportOutcome::unknown: return "unknown";
    case ReportOutcome::alive: return "alive";
    case ReportOutcome::unverified: return "unverified";
    case ReportOutcome::throttled: return "throttled";
  }
  return "throttled";
}

}  // namespace hufu
