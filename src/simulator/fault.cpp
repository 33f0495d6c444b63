#include "simulator/fault.hpp"

#include <array>
#include <utility>

namespace hufu::simulator {
namespace {

using Kind = FaultSwitch::Kind;
constexpr std::array<std::pair<Kind, std::string_view>, 8> kNames = {{
    {Kind::hang, "hang"},
    {Kind::slow, "slow"},
    {Kind::reset, "reset"},
    {Kind::reply, "reply"},
    {Kind::truncated, "truncated"},
    {Kind::cut, "cut"},
    {Kind::absurd, "absurd"},
    {Kind::errcode, "errcode"},
}};

}  // namespace

std::string_view name_of(Kind kind) noexcept {
  for (const auto& [each, name] : kNames)
    if (each == kind) return name;
  return "unknown";
}

std::optional<Kind> fault_kind(std::string_view name) noexcept {
  for (const auto& [kind, each] : kNames)
    if (each == name) return kind;
  return std::nullopt;
}

std::optional<FaultSwitch> Switchboard::take(std::string_view endpoint, std::string_view app) {
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (!fault->endpoint.empty() && fault->endpoint != endpoint) continue;
    if (!fault->app.empty() && fault->app != app) continue;
    FaultSwitch taken = *fault;
    if (fault->count > 0 && --fault->count == 0) faults_.erase(fault);
    return taken;
  }
  return std::nullopt;
}

}  // namespace hufu::simulator
