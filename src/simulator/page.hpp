#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "hufu/clock.hpp"
#include "simulator/family.hpp"

namespace hufu::simulator {

/// A platform's code for a failure: a number, or a word on some.
struct Code {
  int number = 0;
  std::string_view word;  ///< Where it is not empty, this is the code.

  constexpr Code() = default;
  // Not explicit: the tables of refusals are easier to read so.
  constexpr Code(int value) : number(value) {}           // NOLINT(*-explicit-*)
  constexpr Code(std::string_view text) : word(text) {}  // NOLINT(*-explicit-*)
  constexpr Code(const char* text) : word(text) {}       // NOLINT(*-explicit-*)
  [[nodiscard]] constexpr bool none() const { return number == 0 && word.empty(); }
  friend constexpr bool operator==(const Code&, const Code&) = default;
};

/// What can be wrong with a call.
enum class Trouble {
  wrong_method,
  no_object,  ///< The body is no JSON object.
  id_missing,
  id_unknown,
  secret_missing,
  secret_wrong,
  grant_wrong,  ///< Or missing.
  address,      ///< It is not in the app's `ip_list`.
  token_missing,
  token_unknown,  ///< Never made, made for other pages, displaced or revoked.
  token_expired,  ///< Its time was up.
  type_wrong,     ///< Of a ticket.
};

/// What a platform says to one kind of trouble. In `text`, as in the bodies of a page, "$NAME" is
/// filled in; page_rules.cpp lists the names.
struct Refusal {
  Trouble trouble{};
  Code code;  ///< Without one, `text` is the whole answer, and plain text.
  std::string_view text;
  int status = 200;
};

/// When a call for a token or ticket makes a new one.
enum class Renewal {
  same,         ///< When the last one has died. With the setting `slides`, as `slides`.
  sticky,       ///< As `same`, but always answered with its whole life (see `ticket_tells_left`).
  slides,       ///< As `same`, but its life begins again with each call.
  windowed,     ///< When less than `window` of the last one is left, which then lives to its end.
  displacing,   ///< With each call, and the one before lives `window` longer.
  independent,  ///< With each call, and none touches another.
};

/// Where a parameter stands.
struct Place {
  enum class Part { query, json, form, header };
  Part part = Part::query;
  std::string_view name;
  std::string_view prefix{};  ///< Of a header's value, "Bearer "; without it there is none.
};
using Places = std::span<const Place>;

/// What a platform beside WeChat serves at one path. Everything it does there is in here, so that
/// another platform is another row of a table.
struct Page {
  enum class Task { token, ticket, business };

  std::string_view path;  ///< A '*' at its end stands for anything.
  Task task = Task::business;
  std::string_view method{};  ///< Empty: any.
  /// Whether the id belongs to many apps, which their secrets tell apart: a corp of WeCom.
  bool id_is_corp = false;

  Places id{};
  Places secret{};
  Places grant{};
  std::string_view grant_value{};
  Places token{};  ///< Of calls for tickets and business calls.
  Places type{};   ///< Of a ticket, where a page has several.
  std::string_view type_value{};
  std::span<const Family> accepts{};  ///< The tokens that are good here.

  Family makes{};  ///< Of calls for tokens and tickets.
  Renewal renewal = Renewal::same;
  /// Both are the platform's own, for as long as the settings `lifetime` and `overlap` have their
  /// defaults.
  Milliseconds lifetime = std::chrono::seconds(7200);
  Milliseconds window = std::chrono::seconds(300);

  std::string_view success{};           ///< The body.
  std::string_view failure{};           ///< The body, with "$CODE" and "$TEXT".
  std::string_view more{};              ///< What "$MORE" in the text of a refusal stands for.
  std::span<const Refusal> refusals{};  ///< In the order in which the platform looks.
  int failure_status = 200;             ///< With a code that `refusals` does not have.
  bool codes_are_text = false;          ///< Whether a number is written as text, too.
};

/// All pages; of several that fit a path the first is meant.
std::span<const Page> pages() noexcept;

/// The page at `path`, with or without a slash at its end; null if there is none.
const Page* page_at(std::string_view path) noexcept;

/// The page at a path below /cgi-bin/ that WeChat and WeCom both have, for whoever comes with a
/// token of WeCom.
const Page& wecom_page_at(std::string_view path) noexcept;

}  // namespace hufu::simulator
