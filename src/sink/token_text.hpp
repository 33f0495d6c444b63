#pragma once

#include <chrono>
#include <string>

#include "hufu/token.hpp"

namespace hufu::sink {

/// How a token is written down.
enum class Format {
  raw,           ///< The token and nothing else.
  object,        ///< The JSON object of `hufu get --json`.
  quoted,        ///< The token as a JSON string.
  token_reply,   ///< {"access_token":"…","expires_in":N}, as the platform answers.
  ticket_reply,  ///< The same with "ticket", and an errcode and errmsg of success.
};

/// `grant` in that format. `expires_in` is what is left of its promise. The text holds the token:
/// who receives it wipes it.
std::string text_of(Format format, const Grant& grant, std::chrono::seconds expires_in);

}  // namespace hufu::sink
