#include "keeper/chunk_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace hufu::keeper {

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
  madvise(begin + before, size, MADV_HUGEPAGE);  // Where that is not to be had, it is memory still.
  return {begin + before, size};
}

}  // namespace hufu::keeper
