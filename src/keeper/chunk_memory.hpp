#pragma once

#include <cstddef>
#include <vector>

namespace hufu::keeper {

/// Memory for the chunks of StableVectors, none of which is given back before the end. Beyond a few
/// megabytes it can be put into huge pages, where the kernel grants them
/// (transparent_hugepage=madvise or always): a read of one of a million tokens touches half a dozen
/// pages of 4 KiB that no TLB holds. Not at once, because a start is slower with pages that are
/// cleared long before they are written: docs/decisions/2026-11-30-token-table-of-apps.md.
///
/// Thread-safety: one thread at a time; what was taken is its users' to guard.
class ChunkMemory {
 public:
  ChunkMemory() = default;
  ChunkMemory(const ChunkMemory&) = delete;
  ChunkMemory& operator=(const ChunkMemory&) = delete;
  ~ChunkMemory();

  /// `bytes` of zeros, up to a huge page, aligned to a cache line. Throws std::bad_alloc.
  [[nodiscard]] void* take(std::size_t bytes);

  /// Puts the next two megabytes of what has been taken into a huge page, which is a copy of them
  /// and takes about a millisecond; readers wait for it where they touch them. False when nothing
  /// is left to do: what is taken from then on comes in huge pages.
  bool collapse_next();

 private:
  static constexpr std::size_t kAlignment = 64;
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;
  static constexpr std::size_t kSmallBlock = std::size_t{64} << 10;
  static constexpr std::size_t kHugeBlock = 4 * kHugePage;
  /// So much comes in small blocks: a table of few apps shall not cost a huge page.
  static constexpr std::size_t kMostInSmallBlocks = kHugePage;

  struct Block {
    char* begin = nullptr;
    std::size_t size = 0;
  };
  void add_block(std::size_t least);
  static Block map(std::size_t size);

  std::vector<Block> blocks_;
  std::size_t collapsed_blocks_ = 0;
  std::size_t collapsed_of_next_ = 0;
  bool huge_at_once_ = false;
  std::size_t used_of_last_ = 0;
  std::size_t in_blocks_ = 0;
};

}  // namespace hufu::keeper
