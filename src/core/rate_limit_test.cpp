#include "core/rate_limit.hpp"

#include <gtest/gtest.h>

namespace hufu {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const SteadyTime kStart{minutes(1000)};

TEST(RateLimit, LetsOneOfAKindPassInEachIntervalAndCountsTheRest) {
  RateLimit limit(minutes(1));
  EXPECT_EQ(limit.admit("a", kStart), 0U);
  EXPECT_EQ(limit.admit("a", kStart), std::nullopt);
  EXPECT_EQ(limit.admit("a", kStart + seconds(59)), std::nullopt);
  EXPECT_EQ(limit.admit("a", kStart + seconds(60)), 2U);
  EXPECT_EQ(limit.admit("a", kStart + seconds(119)), std::nullopt);
  EXPECT_EQ(limit.admit("a", kStart + minutes(10)), 1U);
}

TEST(RateLimit, CountsEachKindByItself) {
  RateLimit limit(minutes(1));
  EXPECT_EQ(limit.admit("a", kStart), 0U);
  EXPECT_EQ(limit.admit("b", kStart), 0U);
  EXPECT_EQ(limit.admit("b", kStart), std::nullopt);
}

TEST(RateLimit, RemembersABoundedNumberOfKinds) {
  RateLimit limit(minutes(1), 2);
  EXPECT_EQ(limit.admit("a", kStart), 0U);
  EXPECT_EQ(limit.admit("b", kStart + seconds(30)), 0U);
  // No room: these share an interval.
  EXPECT_EQ(limit.admit("c", kStart + seconds(31)), 0U);
  EXPECT_EQ(limit.admit("d", kStart + seconds(32)), std::nullopt);
  EXPECT_EQ(limit.admit("a", kStart + seconds(33)), std::nullopt) << "is still remembered";
  // The first has been quiet for an interval.
  EXPECT_EQ(limit.admit("e", kStart + seconds(61)), 0U);
  EXPECT_EQ(limit.admit("e", kStart + seconds(62)), std::nullopt);
}

}  // namespace
}  // namespace hufu
