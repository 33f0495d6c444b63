#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace hufu {

/// What kind of failure an Error is. A command turns it into its exit status, the server into an
/// HTTP status; nothing else is ever derived from the words of a message.
enum class Fault {
  usage,         ///< The caller asked for something that makes no sense.
  config,        ///< The configuration cannot be used.
  unknown_app,   ///< No such app.
  unknown_kind,  ///< The platform of the app has no such kind of token.
  refused,       ///< The platform answered and said no; `Error::errcode` holds its code.
  unreachable,   ///< The platform could not be reached, or its answer could not be read.
  store,         ///< The database cannot be used.
  unauthorised,  ///< No key, or a wrong one.
  forbidden,     ///< A good key without the right that is needed.
  too_soon,      ///< Not now: a renewal by choice inside the overlap of the one before.
  throttled,     ///< Not now: a budget is used up.
  internal,      ///< A bug in Hufu.
};

/// The stable, lower-case name of a fault ("too_soon"), as used in JSON and in metrics.
std::string_view name_of(Fault fault) noexcept;

/// A failure as a value: what happened, and what the person who reads it can do about it.
///
/// Neither text ever contains a secret or a token. Thread-safety: a plain value.
struct Error {
  Fault fault = Fault::internal;
  std::string message;         ///< One sentence, no trailing full stop.
  std::string next_step;       ///< What to do, in one sentence; may be empty.
  std::optional<int> errcode;  ///< The platform's own code, where it gave one.
  std::optional<std::chrono::milliseconds> retry_after;  ///< How long to wait, where it is known.
};

/// Either a T or the Error that explains why there is none.
template <class T>
using Result = tl::expected<T, Error>;

/// Shorthand for `return fail(Fault::config, "…", "…")` in a function that returns a Result.
inline tl::unexpected<Error> fail(Fault fault, std::string message, std::string next_step = {}) {
  return tl::unexpected<Error>(Error{fault, std::move(message), std::move(next_step), {}, {}});
}

}  // namespace hufu
