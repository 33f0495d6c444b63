#include "platform/usual_form.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace hufu::platform {
namespace {

using Characters = UsualForm::Characters;

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool fits(char c, Characters characters) {
  switch (characters) {
    case Characters::any: return true;
    case Characters::lower_hex: return is_digit(c) || (c >= 'a' && c <= 'f');
    case Characters::letters_and_digits: return is_upper(c) || is_lower(c) || is_digit(c);
  }
  return true;
}

std::string_view name_of(Characters characters) {
  switch (characters) {
    case Characters::any: return "any characters";
    case Characters::lower_hex: return "digits and the letters a to f, in lower case";
    case Characters::letters_and_digits: return "letters and digits";
  }
  return {};
}

bool stands_in_quotation_marks(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kMarks = {
      {{"\"", "\""}, {"'", "'"}, {"`", "`"}, {"“", "”"}, {"‘", "’"}, {"«", "»"}}};
  return std::any_of(kMarks.begin(), kMarks.end(), [&](const auto& pair) {
    return text.starts_with(pair.first) || text.ends_with(pair.second);
  });
}

/// "APPSECRET=" or "app_secret=" before the text itself.
bool has_a_name_before_it(std::string_view text) {
  const auto equals = text.find('=');
  // Base64 ends with the sign.
  if (equals == std::string_view::npos ||
      text.find_first_not_of('=', equals) == std::string::npos) {
    return false;
  }
  std::string name(text.substr(0, equals));
  const bool word =
      !name.empty() && !is_digit(name.front()) && std::all_of(name.begin(), name.end(), [](char c) {
        return c == '_' || fits(c, Characters::letters_and_digits);
      });
  if (!word) return false;
  if (std::none_of(name.begin(), name.end(), is_lower)) return true;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; });
  constexpr std::array<std::string_view, 4> kTelling = {"secret", "token", "key", "appid"};
  return std::any_of(kTelling.begin(), kTelling.end(), [&](std::string_view word_in_it) {
    return name.find(word_in_it) != std::string::npos;
  });
}

std::string length_of(const UsualForm& usual) {
  const std::size_t prefix = usual.prefix.size();
  std::string longest = std::to_string(usual.longest + prefix);
  if (usual.shortest == usual.longest) return longest;
  return std::to_string(usual.shortest + prefix) + " to " + longest;
}

}  // namespace

std::optional<Damage> find_damage(std::string_view text, const UsualForm& usual) {
  if (stands_in_quotation_marks(text)) {
    return Damage{"it stands in quotation marks, or has one at an end",
                  "Write it alone, without quotation marks"};
  }
  if (has_a_name_before_it(text)) {
    return Damage{"a name and an equals sign stand before it",
                  "Write only what stands behind the equals sign"};
  }
  if (std::any_of(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; })) {
    return Damage{"it holds characters that are not plain ASCII",
                  "Copy it anew, from the platform's console and as plain text"};
  }

  const std::string copy_anew = "Compare it with the platform's console, and copy it anew";
  if (!text.starts_with(usual.prefix)) {
    return Damage{"it does not begin with \"" + usual.prefix + "\" as others of the platform do",
                  copy_anew};
  }
  const std::string_view rest = text.substr(usual.prefix.size());
  if (usual.longest != 0 && (rest.size() < usual.shortest || rest.size() > usual.longest)) {
    return Damage{"it has " + std::to_string(text.size()) +
                      " characters, where others of the platform have " + length_of(usual),
                  copy_anew};
  }
  const auto unexpected =
      std::find_if_not(rest.begin(), rest.end(), [&](char c) { return fits(c, usual.characters); });
  if (unexpected == rest.end()) return std::nullopt;
  const bool upper = usual.characters == Characters::lower_hex && is_upper(*unexpected);
  return Damage{std::string("it holds ") +
                    (upper ? "upper-case letters" : "other characters than usual") +
                    ", where others of the platform are " + std::string(name_of(usual.characters)),
                copy_anew};
}

}  // namespace hufu::platform
