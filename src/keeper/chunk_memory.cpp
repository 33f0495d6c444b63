#include "keeper/chunk_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <new>
#include <string>

namespace hufu::keeper {
namespace {

#ifdef MADV_COLLAPSE
constexpr int kCollapse = MADV_COLLAPSE;
#else
constexpr int kCollapse = 25;  // Since Linux 6.1, which is younger than some systems' headers.
#endif

/// Whether the operator has not switched huge pages off: MADV_COLLAPSE does not ask that.
bool are_allowed() {
  std::ifstream enabled("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string setting;
  return std::getline(enabled, setting) && setting.find("[never]") == std::string::npos;
}

}  // namespace

ChunkMemory::~ChunkMemory() {
  for (const Block& block : blocks_) munmap(block.begin, block.size);
}

void* ChunkMemory::take(std::size_t bytes) {
  const std::size_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (blocks_.empty() || blocks_.back().size - used_of_last_ < size) add_block(size);
  void* const taken = blocks_.back().begin + used_of_last_;
  used_of_last_ += size;
  return taken;
}

void ChunkMemory::add_block(std::size_t least) {
  blocks_.reserve(blocks_.size() + 1);
  blocks_.push_back(map(in_blocks_ < kMostInSmallBlocks ? std::max(least, kSmallBlock)
                                                        : std::max(least, kHugeBlock)));
  used_of_last_ = 0;
  in_blocks_ += blocks_.back().size;
  if (huge_at_once_ && blocks_.back().size >= kHugePage) {
    madvise(blocks_.back().begin, blocks_.back().size, MADV_HUGEPAGE);
  }
}

bool ChunkMemory::collapse_next() {
  if (huge_at_once_) return false;
  static const bool allowed = are_allowed();
  while (allowed && collapsed_blocks_ < blocks_.size()) {
    const Block& block = blocks_[collapsed_blocks_];
    const bool is_last = collapsed_blocks_ + 1 == blocks_.size();
    // Pages that nobody has touched shall not begin to take memory.
    const std::size_t used = is_last ? used_of_last_ : block.size;
    if (block.size < kHugePage || collapsed_of_next_ >= used) {
      ++collapsed_blocks_;
      collapsed_of_next_ = 0;
      continue;
    }
    if (collapsed_of_next_ == 0) madvise(block.begin, block.size, MADV_HUGEPAGE);
    // Where that fails, a kernel thread does it in its own time.
    madvise(block.begin + collapsed_of_next_, kHugePage, kCollapse);
    collapsed_of_next_ += kHugePage;
    return true;
  }
  huge_at_once_ = true;
  return false;
}

ChunkMemory::Block ChunkMemory::map(std::size_t size) {
  // A huge page begins at a multiple of its size: what lies before and behind is given back.
  const std::size_t spare = size >= kHugePage ? kHugePage : 0;
  void* const mapped =
      mmap(nullptr, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  char* const begin = static_cast<char*>(mapped);
  if (spare == 0) return {begin, size};
  const std::size_t before =
      (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
  if (before > 0) munmap(begin, before);
  if (before < spare) munmap(begin + before + size, spare - before);
  return {begin + before, size};
}

}  // namespace hufu::keeper
