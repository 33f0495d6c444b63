#include "platform/placeholders.hpp"

namespace hufu::platform {

std::vector<TextPiece> pieces_of(std::string_view text) {
  std::vector<TextPiece> pieces;
  std::size_t words = 0;  // Where the present piece of words begins.
  for (std::size_t open = text.find('{'); open != std::string_view::npos;
       open = text.find('{', open + 1)) {
    const std::size_t close = text.find_first_of("{}", open + 1);
    if (close == std::string_view::npos) break;
    if (text[close] == '{' || close == open + 1) continue;
    if (open > words) pieces.push_back({false, text.substr(words, open - words)});
    pieces.push_back({true, text.substr(open + 1, close - open - 1)});
    words = close + 1;
  }
  if (words < text.size()) pieces.push_back({false, text.substr(words)});
  return pieces;
}

std::vector<std::string_view> placeholders_in(std::string_view text) {
  std::vector<std::string_view> names;
  for (const TextPiece& piece : pieces_of(text)) {
    if (piece.is_placeholder) names.push_back(piece.text);
  }
  return names;
}

}  // namespace hufu::platform
