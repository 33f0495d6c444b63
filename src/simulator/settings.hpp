#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"

namespace hufu::simulator {

/// How the platform treats an app. The defaults are what WeChat documents, and where it is silent,
/// the stricter reading, because a client that stands that one stands the other, too.
struct Settings {
  Milliseconds lifetime = std::chrono::seconds(7200);  ///< Of a new token or ticket.
  Milliseconds overlap = std::chrono::seconds(300);    ///< How long a displaced token lives on.
  /// Whether a third token ends the first at once (only the current one and the one before live),
  /// or each lives through an overlap of its own.
  bool strict = true;
  int token_length = 136;
  /// Whether a WeCom token that is asked for again is answered with its whole life anew, or with
  /// what it has left.
  bool slides = false;
  /// Whether a ticket is answered with the time that it has left, or always with its whole life.
  bool ticket_tells_left = false;

  int token_calls_a_day = 2000;        ///< /cgi-bin/token; then 45009. 0: no bound, here and below.
  int stable_calls_a_day = 500'000;    ///< /cgi-bin/stable_token; then 45009.
  int stable_calls_a_minute = 10'000;  ///< Then 45011.
  int forced_a_day = 20;
  Milliseconds forced_apart = std::chrono::seconds(30);  ///< A quicker forced call is a plain one.
  /// Whether a forced call beyond `forced_a_day` is answered 45009, or like a plain one.
  bool forced_excess_refused = true;

  bool secret_frozen = false;  ///< 40243.
  std::vector<std::string>
      ip_list;      ///< Addresses that may call for a token, else 40164; empty: all.
  int verdict = 0;  ///< Errcode to every call for a token that is right otherwise: 89503, 50002 …

  /// Whether a plain stable call goes on answering a revoked token until one is forced.
  bool revoked_lingers = false;
  /// Whether a token that is not of the simulator's making is 40014, not 40001.
  bool malformed_is_40014 = false;
};

/// Changes what `patch` names (the member names above; lengths of time as "300s"). Fault::usage,
/// and nothing is changed, where a name is unknown or a value does not fit.
Result<void> apply(const boost::json::object& patch, Settings& settings);

/// Every setting, in the form that `apply` reads.
boost::json::object to_json(const Settings& settings);

/// "90s", "1.5s", "500ms", "30m", "2h". Fault::usage for anything else, below zero, or too long.
Result<Milliseconds> parse_duration(std::string_view text);
/// The shortest exact form that `parse_duration` reads.
std::string format_duration(Milliseconds span);

}  // namespace hufu::simulator
