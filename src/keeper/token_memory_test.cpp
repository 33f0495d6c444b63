#include "keeper/token_memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace hufu::keeper {
namespace {

TEST(TokenMemory, KeepsTokensApart) {
  TokenMemory memory;
  std::mt19937 random(7);
  std::vector<std::pair<StoredToken, std::string>> stored;
  for (int i = 0; i < 20'000; ++i) {
    std::string text(1 + random() % TokenMemory::kLongest, static_cast<char>('!' + i % 90));
    stored.emplace_back(memory.store(text), text);
    if (random() % 3 == 0 || stored.size() > 200) {
      const std::size_t gone = random() % stored.size();
      ASSERT_EQ(memory.view(stored[gone].first), stored[gone].second);
      memory.release(stored[gone].first);
      std::swap(stored[gone], stored.back());
      stored.pop_back();
    }
  }
  for (const auto& [token, text] : stored) EXPECT_EQ(memory.view(token), text);
}

TEST(TokenMemory, WipesATokenThatIsReleased) {
  TokenMemory memory;
  const std::string text(160, 's');
  const StoredToken token = memory.store(text);
  const std::string_view bytes = memory.view(token);
  memory.release(token);
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), 's'), 0);
}

TEST(TokenMemory, UsesAgainWhatWasReleased) {
  TokenMemory memory;
  const StoredToken first = memory.store(std::string(160, 'a'));
  const StoredToken other = memory.store(std::string(160, 'b'));
  memory.release(first);
  EXPECT_EQ(memory.store(std::string(150, 'c')).cell, first.cell) << "as many cells";
  EXPECT_NE(memory.store(std::string(160, 'd')).cell, other.cell);
}

TEST(TokenMemory, ReleasesNoTokenAsNothing) {
  TokenMemory memory;
  memory.release({});
  EXPECT_EQ(memory.view(memory.store("t")), "t");
}

}  // namespace
}  // namespace hufu::keeper
