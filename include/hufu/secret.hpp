#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace hufu {

/// A string that must not be seen: an app's secret, a token, a key.
///
/// It cannot be printed, formatted or compared by accident, it is copied only by asking for it
/// (`clone`), and its bytes are wiped when it dies. What Hufu cannot promise: that a library which
/// was handed `reveal()` (TLS, a database driver) kept no copy.
///
/// Thread-safety: as a std::string; const members may be called from several threads at once.
class Secret {
 public:
  Secret() = default;
  /// Copies `text` into memory of its own. The caller's copy is the caller's to wipe.
  explicit Secret(std::string_view text);
  /// Takes `text` over and wipes what it held.
  explicit Secret(std::string&& text);
  /// Takes over the `size` bytes of `bytes`, so that whoever makes a secret need not copy it.
  Secret(std::unique_ptr<char[]> bytes, std::size_t size) noexcept;
  /// Holds a copy of `text` from now on, in the memory that it has where that is large enough.
  void assign(std::string_view text);
  /// Holds `size` bytes from now on, for the caller to write; what it held is wiped. The address is
  /// that of `reveal()`.
  [[nodiscard]] char* make_room(std::size_t size);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  /// The bytes themselves, valid while this object lives and is not assigned to.
  [[nodiscard]] std::string_view reveal() const noexcept { return {bytes_.get(), size_}; }
  [[nodiscard]] Secret clone() const { return Secret(reveal()); }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Whether both hold the same bytes, in a time that depends only on their lengths.
  [[nodiscard]] bool same_as(std::string_view other) const noexcept;

  template <class Any>
  friend bool operator==(const Secret&, const Any&) = delete;
  template <class Stream>
  friend Stream& operator<<(Stream&, const Secret&) = delete;

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// Overwrites the bytes of `text` in a way the compiler may not leave out, then empties it.
void wipe(std::string& text) noexcept;

}  // namespace hufu
