#include "simulator/family.hpp"

#include <array>

namespace hufu::simulator {
namespace {

struct Row {
  Family family;
  std::string_view name;
  bool ticket = false;
};
constexpr std::array kRows = {
    Row{Family::normal, "normal"},
    Row{Family::stable, "stable"},
    Row{Family::jsapi_ticket, "jsapi_ticket", true},
    Row{Family::wx_card_ticket, "wx_card_ticket", true},
};

constexpr Row row_of(Family family) noexcept {
  for (const Row& row : kRows)
    if (row.family == family) return row;
  return {family, "unknown"};
}

}  // namespace

bool is_ticket(Family family) noexcept { return row_of(family).ticket; }
std::string_view name_of(Family family) noexcept { return row_of(family).name; }

}  // namespace hufu::simulator
