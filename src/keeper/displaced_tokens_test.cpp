#include "keeper/displaced_tokens.hpp"

#include <gtest/gtest.h>

#include "testing/fake_clock.hpp"

namespace hufu::keeper {
namespace {

constexpr WallTime kT0 = testing::FakeClock::kStart;
constexpr WallTime kLater = kT0 + std::chrono::hours(1);

TEST(DisplacedTokens, TellsTheRowOfAToken) {
  TokenMemory memory;
  DisplacedTokens displaced(memory);
  displaced.add({1, 5}, memory.store("one"), Fingerprint{7}, kLater, kT0);
  displaced.add({2, 6}, memory.store("two"), Fingerprint{7}, kLater, kT0);
  EXPECT_EQ(displaced.find("one", Fingerprint{7}, kT0), (RowHandle{1, 5}));
  EXPECT_EQ(displaced.find("two", Fingerprint{7}, kT0), (RowHandle{2, 6}));
  EXPECT_FALSE(displaced.find("six", Fingerprint{7}, kT0));
  EXPECT_FALSE(displaced.find("one", Fingerprint{8}, kT0));
  EXPECT_FALSE(displaced.find("one", Fingerprint{7}, kLater));
}

TEST(DisplacedTokens, ForgetsARowAndNoOther) {
  TokenMemory memory;
  DisplacedTokens displaced(memory);
  displaced.add({1, 0}, memory.store("one"), Fingerprint{7}, kLater, kT0);
  displaced.add({2, 0}, memory.store("two"), Fingerprint{7}, kLater, kT0);
  displaced.add({1, 0}, memory.store("three"), Fingerprint{3}, kLater, kT0);
  displaced.forget(1);
  displaced.forget(9);
  EXPECT_FALSE(displaced.find("one", Fingerprint{7}, kT0));
  EXPECT_FALSE(displaced.find("three", Fingerprint{3}, kT0));
  EXPECT_TRUE(displaced.find("two", Fingerprint{7}, kT0));
  EXPECT_EQ(displaced.size(), 1U);
}

TEST(DisplacedTokens, KeepsTheLatestOfARow) {
  TokenMemory memory;
  DisplacedTokens displaced(memory);
  for (std::uint32_t i = 0; i < 10; ++i) {
    displaced.add({1, 0}, memory.store("token"), Fingerprint{i}, kLater, kT0);
  }
  EXPECT_EQ(displaced.size(), DisplacedTokens::kMostOfRow);
  for (std::uint32_t i = 0; i < 10; ++i) {
    EXPECT_EQ(displaced.find("token", Fingerprint{i}, kT0).has_value(),
              i >= 10 - DisplacedTokens::kMostOfRow);
  }
}

TEST(DisplacedTokens, DropsThoseThatHaveExpiredAsOthersCome) {
  TokenMemory memory;
  DisplacedTokens displaced(memory);
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    const WallTime now = kT0 + Milliseconds(i);
    displaced.add({i, 0}, memory.store("token"), Fingerprint{i}, now + Milliseconds(100), now);
  }
  EXPECT_LT(displaced.size(), 150U);
  EXPECT_EQ(displaced.find("token", Fingerprint{9'900}, kT0 + Milliseconds(9'999)),
            (RowHandle{9'900, 0}));
  for (std::uint32_t i = 0; i < 10'000; ++i) displaced.forget(i);
  EXPECT_EQ(displaced.size(), 0U);
}

}  // namespace
}  // namespace hufu::keeper
