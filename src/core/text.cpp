#include "core/text.hpp"

#include <algorithm>
#include <utility>

namespace hufu {
namespace {

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (Damerau's
/// distance, optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

/// The character at the start of `text` and how many bytes it takes; 0 where it is not sound UTF-8.
std::pair<char32_t, std::size_t> first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
  if (size == 0 || size > text.size()) return {0, 0};
  char32_t character = lead & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) return {0, 0};
    character = character << 6 | (byte & 0x3fU);
  }
  return {character, size};
}

/// Whether nobody sees the character, or takes it for a plain blank: controls, odd spaces, marks of
/// text direction, byte order marks.
bool is_invisible(char32_t c) {
  const auto within = [c](char32_t first, char32_t last) { return c >= first && c <= last; };
  return within(0x80, 0xa0) || c == 0xad || c == 0x61c || c == 0x1680 || within(0x180b, 0x180f) ||
         within(0x2000, 0x200f) || within(0x2028, 0x202f) || within(0x205f, 0x206f) ||
         c == 0x3000 || c == 0x3164 || within(0xfe00, 0xfe0f) || c == 0xfeff ||
         within(0xfff0, 0xfffb);
}

constexpr std::size_t kLongestQuote = 60;
constexpr std::size_t kLongestWord = 64;

}  // namespace

std::string quoted(std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string result = "\"";
  for (std::string_view rest = text.substr(0, kLongestQuote); !rest.empty();) {
    const auto byte = static_cast<unsigned char>(rest.front());
    const auto [character, size] = first_character(rest);
    if (byte < 0x20 || byte == 0x7f) {
      result += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 0xf]};
    } else if (size > 1 && is_invisible(character)) {
      result += "\\u";
      for (int shift = 12; shift >= 0; shift -= 4) result += kDigits[character >> shift & 0xf];
    } else {
      result += rest.substr(0, std::max<std::size_t>(size, 1));
    }
    rest.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return result + (text.size() > kLongestQuote ? "…\"" : "\"");
}

std::string_view trimmed(std::string_view text) noexcept {
  static constexpr std::string_view kSpace = " \t\r\n\v\f";
  auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  if (word.size() > kLongestWord) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, (word.size() + 1) / 3) + 1;
  for (std::string_view candidate : candidates) {
    if (auto d = distance(word, candidate); d < best_distance) {
      best = candidate;
      best_distance = d;
    }
  }
  return best;
}

std::string listed(const std::vector<std::string_view>& words) {
  std::string result;
  for (std::string_view word : words) {
    if (!result.empty()) result += ", ";
    result += word;
  }
  return result;
}

std::string suggestion(std::string_view word, const std::vector<std::string_view>& known) {
  const std::string_view meant = nearest(word, known);
  return meant.empty() ? "Known are: " + listed(known) : "Did you mean " + quoted(meant) + "?";
}

}  // namespace hufu
