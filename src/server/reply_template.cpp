#include "server/reply_template.hpp"

#include <array>
#include <utility>

namespace hufu::server {
namespace {

using Place = ReplyTemplate::Place;

constexpr std::array<std::pair<std::string_view, Place>, 5> kPlaces = {{
    {"{token}", Place::token},
    {"{lifetime}", Place::lifetime},
    {"{code}", Place::code},
    {"{message}", Place::message},
    {"{rid}", Place::rid},
}};

}  // namespace

ReplyTemplate::ReplyTemplate(std::string_view text) {
  std::string before;
  while (!text.empty()) {
    std::optional<Place> found;
    for (const auto& [name, place] : kPlaces) {
      if (!text.starts_with(name)) continue;
      found = place;
      text.remove_prefix(name.size());
      break;
    }
    if (found) {
      pieces_.push_back({std::exchange(before, {}), found});
    } else {
      before += text.front();
      text.remove_prefix(1);
    }
  }
  if (!before.empty()) pieces_.push_back({std::move(before), std::nullopt});
}

}  // namespace hufu::server
