#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hufu::platform {

/// How a platform usually writes an app's id or a credential. Something else may still be right:
/// platforms change, so nothing is refused for its form alone.
struct UsualForm {
  enum class Characters { any, lower_hex, letters_and_digits };
  std::string prefix{};                     ///< "wx"
  std::size_t shortest = 0;                 ///< Without the prefix.
  std::size_t longest = 0;                  ///< Without the prefix; 0: of any length.
  Characters characters = Characters::any;  ///< Behind the prefix.
};

/// What seems to have happened to a text on its way here, in a sentence with a next step.
struct Damage {
  std::string message;  ///< "it stands in quotation marks"
  std::string next_step;
};

/// Whether `text` looks damaged: in quotation marks, with the name of a variable before it, with
/// characters that are no ASCII, or not of its usual form. Never repeats a part of it.
std::optional<Damage> find_damage(std::string_view text, const UsualForm& usual);

}  // namespace hufu::platform
