#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace hufu::keeper {

/// A token's bytes in a TokenMemory.
struct StoredToken {
  char* bytes = nullptr;  ///< Null: no token.
  std::uint16_t size = 0;

  [[nodiscard]] std::string_view view() const noexcept { return {bytes, size}; }
  explicit operator bool() const noexcept { return bytes != nullptr; }
};

/// Memory for many short secrets of few lengths, without an allocator's bookkeeping beside each: a
/// million tokens of 160 bytes take 160 bytes each, from malloc 176. Lengths are rounded up to
/// classes, each with blocks and a free list of its own; a block stays with its class.
///
/// Thread-safety: `store` and `release` by one thread at a time; what they return may be read by
/// any thread that knows it is not released meanwhile.
class TokenMemory {
 public:
  static constexpr std::size_t kLongest = 0xffff;

  TokenMemory() = default;
  TokenMemory(const TokenMemory&) = delete;
  TokenMemory& operator=(const TokenMemory&) = delete;
  /// What is still stored is wiped.
  ~TokenMemory();

  /// Copies `text`, which is 1 to kLongest bytes long.
  StoredToken store(std::string_view text);
  /// Wipes the token; null is nothing.
  void release(StoredToken token) noexcept;

 private:
  static constexpr std::size_t kGrain = 16;
  /// Tokens longer than this are rare, and left to malloc.
  static constexpr std::size_t kLongestPooled = 1024;
  static constexpr std::size_t kBlock = std::size_t{32} * 1024;
  static constexpr std::size_t kClasses = kLongestPooled / kGrain;

  struct FreeCell {
    FreeCell* next;
  };
  struct Class {
    FreeCell* free = nullptr;
    char* fresh = nullptr;  ///< What of the latest block was never used.
    std::size_t fresh_cells = 0;
  };

  std::array<Class, kClasses> classes_{};
  std::vector<std::unique_ptr<char[]>> blocks_;
};

}  // namespace hufu::keeper
