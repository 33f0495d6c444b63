#include "platform/quote.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstddef>

#include "hufu/secret.hpp"

namespace hufu::platform {
namespace {

constexpr std::size_t kLongestQuote = 200;
/// Fewer characters than this in a row do not give a secret away.
constexpr std::size_t kTellingPart = 8;

/// The length of a character at the start of `text` that must not be shown; 0 if it may be.
std::size_t unfit(std::string_view text) {
  auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
  if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) <= 0x9f) return 2;  // C1 controls.
  // U+200B to U+200F, U+2028 to U+202E, U+2060 to U+206F: invisible, line breaks, text direction.
  if (byte(0) == 0xe2 && byte(1) == 0x80 &&
      ((byte(2) >= 0x8b && byte(2) <= 0x8f) || (byte(2) >= 0xa8 && byte(2) <= 0xae))) {
    return 3;
  }
  if (byte(0) == 0xe2 && byte(1) == 0x81 && byte(2) >= 0xa0 && byte(2) <= 0xaf) return 3;
  return 0;
}

bool continues_a_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::string on_one_line(std::string_view words) {
  std::string line;
  while (!words.empty() && line.size() <= kLongestQuote) {
    std::size_t length = unfit(words);
    if (length == 0) {
      line += words.front() == '"' ? '\'' : words.front();
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
    words.remove_prefix(std::max<std::size_t>(length, 1));
  }
  if (line.size() > kLongestQuote) {
    std::size_t end = kLongestQuote;
    while (end > 0 && continues_a_character(line[end])) --end;
    line.resize(end);
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string percent_decoded(std::string_view text) {
  auto digit = [&](std::size_t i) {
    char c = i < text.size() ? text[i] : '\0';
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && digit(i + 1) >= 0 && digit(i + 2) >= 0) {
      result += static_cast<char>(digit(i + 1) * 16 + digit(i + 2));
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

/// Whether `text` holds `secret`, or a telling part of it.
bool repeats(std::string_view text, std::string_view secret) {
  if (secret.empty()) return false;
  std::size_t part = std::min(kTellingPart, secret.size());
  for (std::size_t at = 0; at + part <= text.size(); ++at) {
    if (secret.find(text.substr(at, part)) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

std::string quote(std::string_view words, const std::vector<std::string_view>& hidden) {
  std::string line = on_one_line(words);
  Secret plain(lower(line));
  Secret decoded(lower(percent_decoded(line)));
  for (std::string_view secret : hidden) {
    Secret wanted(lower(secret));
    if (repeats(plain.reveal(), wanted.reveal()) || repeats(decoded.reveal(), wanted.reveal())) {
      wipe(line);
    }
  }
  return line;
}

std::optional<std::string> first_address(std::string_view words) {
  constexpr std::string_view kAddressCharacters = "0123456789abcdefABCDEF:.";
  constexpr std::size_t kShortestAddress = 7;  // Shorter ones ("::") are no machine's.
  while (true) {
    auto start = words.find_first_of(kAddressCharacters);
    if (start == std::string_view::npos) return std::nullopt;
    words.remove_prefix(start);
    std::string word(words.substr(0, words.find_first_not_of(kAddressCharacters)));
    words.remove_prefix(word.size());
    while (!word.empty() && word.back() == '.') word.pop_back();  // The end of a sentence.
    in6_addr address{};
    if (word.size() >= kShortestAddress && (inet_pton(AF_INET, word.c_str(), &address) == 1 ||
                                            inet_pton(AF_INET6, word.c_str(), &address) == 1)) {
      return word;
    }
  }
}

}  // namespace hufu::platform
