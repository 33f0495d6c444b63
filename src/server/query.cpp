#include "server/query.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

namespace hufu::server {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Whether `sent`, decoded, is `name`.
bool is_name(std::string_view sent, std::string_view name) noexcept {
  for (; !sent.empty() && !name.empty(); name.remove_prefix(1)) {
    char c = sent.front();
    std::size_t size = 1;
    if (c == '%' && sent.size() > 2 && hex_digit(sent[1]) >= 0 && hex_digit(sent[2]) >= 0) {
      c = static_cast<char>(hex_digit(sent[1]) * 16 + hex_digit(sent[2]));
      size = 3;
    }
    if (c != name.front()) return false;
    sent.remove_prefix(size);
  }
  return sent.empty() && name.empty();
}

/// The raw value of the first parameter of that name; empty if there is none.
std::string_view find(std::string_view query, std::string_view name) noexcept {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && is_name(pair.substr(0, equals), name)) {
      return pair.substr(equals + 1);
    }
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return {};
}

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): decoded_ is left as it is, see there
Value::Value(std::string_view query, std::string_view name) noexcept {
  decode(find(query, name), true);
}

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): decoded_ is left as it is, see there
Value::Value(std::string_view segment) noexcept { decode(segment, false); }

void Value::decode(std::string_view raw, bool plus_is_space) noexcept {
  auto encoded = [plus_is_space](char c) { return c == '%' || (c == '+' && plus_is_space); };
  if (std::none_of(raw.begin(), raw.end(), encoded)) {
    text_ = raw;
  } else {
    std::size_t size = 0;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      char c = raw[i];
      if (c == '%') {
        int high = i + 2 < raw.size() ? hex_digit(raw[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(raw[i + 2]) : -1;
        if (low < 0 || (high == 0 && low == 0)) {
          broken_ = true;
          return;
        }
        c = static_cast<char>(high * 16 + low);
        i += 2;
      } else if (c == '+' && plus_is_space) {
        c = ' ';
      }
      if (size == decoded_.size()) {
        broken_ = true;
        return;
      }
      decoded_[size++] = c;
    }
    text_ = {decoded_.data(), size};
  }
  if (!is_utf8(text_)) {
    broken_ = true;
    text_ = {};
  }
}

std::optional<std::int64_t> Value::number() const noexcept {
  if (text_.empty() || text_.front() == '-') return std::nullopt;
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
  if (error != std::errc() || end != text_.data() + text_.size() ||
      value > std::numeric_limits<std::int32_t>::max()) {
    return std::nullopt;
  }
  return value;
}

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    // Nearly everything is ASCII: eight bytes at a time.
    std::uint64_t eight = 0;
    if (text.size() - i >= sizeof eight) {
      std::memcpy(&eight, text.data() + i, sizeof eight);
      if ((eight & 0x8080808080808080U) == 0) {
        i += sizeof eight;
        continue;
      }
    }
    auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    std::size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || more >= text.size() - i) return false;
    auto second = static_cast<unsigned char>(text[i + 1]);
    // Too long, a surrogate, or beyond U+10FFFF.
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) {
      return false;
    }
    for (std::size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    }
    i += more + 1;
  }
  return true;
}

bool same_but_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace hufu::server
