#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hufu::server {

/// One value out of a query or a form, read where it stands and copied only if it is encoded.
///
/// `text` points into the request or into this object, so a Value is neither copied nor moved.
class Value {
 public:
  /// Longer encoded values are `broken`: nothing that Hufu asks for is as long. A value that needs
  /// no decoding may have any length.
  static constexpr std::size_t kLongestDecoded = 512;

  /// The value of the first parameter called `name` in `query` ("a=1&b=2"). The first, because that
  /// is what the caller wrote and a proxy appends. Names may be percent-encoded, too; '+' is a
  /// space.
  Value(std::string_view query, std::string_view name) noexcept;
  /// The decoded form of one segment of a path, in which '+' is itself.
  static Value of_path(std::string_view segment) noexcept { return Value(segment); }
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  /// Neither absent nor empty. What was sent broken is present, and equal to nothing.
  [[nodiscard]] bool present() const noexcept { return broken_ || !text_.empty(); }
  /// Whether it was sent, but with a bad percent sequence, an encoded NUL, or text that is not
  /// UTF-8.
  [[nodiscard]] bool broken() const noexcept { return broken_; }
  /// Empty where absent or broken.
  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  /// The value as a whole number of decimal digits, up to 2^31 - 1.
  [[nodiscard]] std::optional<std::int64_t> number() const noexcept;

 private:
  explicit Value(std::string_view segment) noexcept;
  void decode(std::string_view raw, bool plus_is_space) noexcept;

  std::string_view text_;
  bool broken_ = false;
  std::array<char, kLongestDecoded> decoded_;  // Not cleared: most values never touch it.
};

/// Whether `text` is well-formed UTF-8 (RFC 3629).
bool is_utf8(std::string_view text) noexcept;

/// Whether both are the same but for the case of ASCII letters.
bool same_but_case(std::string_view a, std::string_view b) noexcept;

}  // namespace hufu::server
