#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "keeper/stable_vector.hpp"

namespace hufu::keeper {

/// Where a token lies in a TokenMemory.
struct StoredToken {
  std::uint32_t cell = 0;  ///< Number of its first cell.
  std::uint16_t size = 0;  ///< In bytes; 0: no token.

  explicit operator bool() const noexcept { return size != 0; }
};

/// Memory for many short secrets, without an allocator's bookkeeping beside each: a million tokens
/// of 160 bytes take 160 bytes each, from malloc 176, and four bytes name one in place of eight.
/// Lengths are rounded up to cells of 16 bytes; what is released is kept for the next token of as
/// many cells.
///
/// Thread-safety: `store` and `release` by one thread at a time; `view` from any thread that knows
/// that the token is not released meanwhile.
class TokenMemory {
 public:
  static constexpr std::size_t kLongest = 4096;

  TokenMemory() { free_.fill(kNone); }
  TokenMemory(const TokenMemory&) = delete;
  TokenMemory& operator=(const TokenMemory&) = delete;
  /// Whatever is still stored is wiped.
  ~TokenMemory();

  /// Copies `text`, which is 1 to kLongest bytes long.
  StoredToken store(std::string_view text);
  /// Wipes the token; no token is nothing.
  void release(StoredToken token) noexcept;
  /// As ChunkMemory::collapse_next.
  bool collapse_next() { return memory_.collapse_next(); }
  [[nodiscard]] std::string_view view(StoredToken token) const noexcept {
    return {cells_[token.cell].data(), token.size};
  }

 private:
  static constexpr std::size_t kCell = 16;
  static constexpr std::uint32_t kChunk = 4096;  // Cells: 64 KiB.
  static constexpr std::size_t kMostCells = kLongest / kCell;
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::size_t cells_for(std::size_t bytes) noexcept {
    return (bytes + kCell - 1) / kCell;
  }

  std::uint32_t take_fresh(std::uint32_t count);
  void put_free(std::uint32_t cell, std::size_t count) noexcept;

  ChunkMemory memory_;
  StableVector<std::array<char, kCell>, kChunk> cells_{memory_};
  /// First of the free runs of so many cells; each holds the number of the next.
  std::array<std::uint32_t, kMostCells + 1> free_{};
};

}  // namespace hufu::keeper
