#include "keeper/chunk_memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace hufu::keeper {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(ChunkMemory, GivesPiecesThatDoNotOverlapAndAreZero) {
  ChunkMemory memory;
  struct Piece {
    char* begin;
    std::size_t size;
  };
  std::vector<Piece> pieces;
  // Small blocks first, then huge ones: past both.
  for (std::size_t i = 0, total = 0; total < 24 * kMiB; ++i) {
    const std::size_t size = 1 + i * 7919 % (100 * 1024);
    Piece piece{static_cast<char*>(memory.take(size)), size};
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(piece.begin) % 64, 0U);
    ASSERT_TRUE(std::all_of(piece.begin, piece.begin + size, [](char c) { return c == 0; }));
    std::memset(piece.begin, 'x', size);
    pieces.push_back(piece);
    total += size;
  }
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    EXPECT_LE(pieces[i - 1].begin + pieces[i - 1].size, pieces[i].begin);
  }
}

TEST(ChunkMemory, GivesAPieceThatIsLargerThanASmallBlock) {
  ChunkMemory memory;
  std::memset(memory.take(kMiB), 'x', kMiB);
  std::memset(memory.take(1), 'x', 1);
}

TEST(ChunkMemory, KeepsWhatIsInItWhenItIsPutIntoHugePages) {
  ChunkMemory memory;
  std::vector<char*> pieces;
  for (int i = 0; i < 24 * 16; ++i) {
    pieces.push_back(static_cast<char*>(memory.take(kMiB / 16)));
    std::memset(pieces.back(), 'a' + i % 26, kMiB / 16);
  }
  int steps = 0;
  while (memory.collapse_next()) ASSERT_LE(++steps, 12) << "24 MiB are twelve huge pages";
  EXPECT_FALSE(memory.collapse_next());
  for (int i = 0; i < 24 * 16; ++i) {
    EXPECT_EQ(std::count(pieces[i], pieces[i] + kMiB / 16, 'a' + i % 26), kMiB / 16);
  }
  for (int i = 0; i < 24 * 16; ++i) std::memset(memory.take(kMiB / 16), 'x', kMiB / 16);
}

}  // namespace
}  // namespace hufu::keeper
