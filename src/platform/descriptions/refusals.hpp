#pragma once

#include <string>
#include <utility>

#include "platform/description.hpp"

/// Refusals that platforms have in common.
namespace hufu::platform::descriptions {

inline ErrorMapping busy() {
  return {.words = "the platform is busy", .fix = "nothing to do: Hufu tries again by itself"};
}

/// A limit by the second, or of calls at one time.
inline ErrorMapping too_many_at_once() {
  return {.words = "there are too many calls at once",
          .fix = "nothing to do: Hufu tries again by itself"};
}

/// One that only a person can mend.
inline ErrorMapping until_mended(std::string words, std::string fix) {
  return {.retry_class = RetryClass::slow, .words = std::move(words), .fix = std::move(fix)};
}

/// One that only a person can mend, and that another machine may not meet.
inline ErrorMapping about_this_machine(std::string words, std::string fix) {
  ErrorMapping mapping = until_mended(std::move(words), std::move(fix));
  mapping.this_node_only = true;
  return mapping;
}

inline ErrorMapping minute_is_used_up(
    std::string fix = "find out who else fetches tokens for {app}") {
  return {.retry_class = RetryClass::next_minute,
          .words = "the calls of this minute are used up",
          .fix = std::move(fix)};
}

/// The call carried a token, and that one is dead.
inline ErrorMapping needed_token_is_dead() {
  return {.retry_class = RetryClass::needed_token,
          .words = "the access token is dead",
          .fix = "nothing to do: Hufu renews it first"};
}

/// For a code that means a dead token, out of a call that carried none. Clients that saw it would
/// fetch a token and try again without end, so they see `busy_code`.
inline ErrorMapping about_a_dead_token(int busy_code) {
  return {.words = "an error that makes no sense for this call",
          .fix = "check that base_url leads to the platform itself",
          .passed_on_as = busy_code};
}

}  // namespace hufu::platform::descriptions
