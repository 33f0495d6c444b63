#pragma once

#include <string_view>
#include <vector>

namespace hufu::platform {

/// One piece of a text with placeholders: words as they are, or the name of what stands for them.
struct TextPiece {
  bool is_placeholder = false;
  std::string_view text;  ///< Without the braces.
};

/// "/v1/{app}/token" in its pieces. Braces that are no placeholder (one alone, nothing between two)
/// are words.
std::vector<TextPiece> pieces_of(std::string_view text);

/// The names between braces, in order.
std::vector<std::string_view> placeholders_in(std::string_view text);

}  // namespace hufu::platform
