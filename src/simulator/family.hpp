#pragma once

#include <string_view>

namespace hufu::simulator {

/// The lines of tokens and tickets of an app, one for each page that makes them. None touches
/// another.
enum class Family {
  normal,          ///< Access tokens of /cgi-bin/token.
  stable,          ///< Access tokens of /cgi-bin/stable_token.
  jsapi_ticket,    ///< Tickets of type=jsapi.
  wx_card_ticket,  ///< Tickets of type=wx_card.
};
bool is_ticket(Family family) noexcept;
std::string_view name_of(Family family) noexcept;

}  // namespace hufu::simulator
