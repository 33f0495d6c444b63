#include "server/rate_limit.hpp"

#include <gtest/gtest.h>

namespace hufu::server {
namespace {

TEST(RateLimit, LetsTheFirstPassAndOneAMinute) {
  RateLimit limit;
  const SteadyTime start(std::chrono::hours(1));
  EXPECT_EQ(limit.pass(start), 0U);
  EXPECT_FALSE(limit.pass(start));
  EXPECT_FALSE(limit.pass(start + Milliseconds(59'999)));
  EXPECT_EQ(limit.pass(start + Milliseconds(60'000)), 2U) << "how many were held back";
  EXPECT_FALSE(limit.pass(start + Milliseconds(60'001)));
  EXPECT_EQ(limit.pass(start + std::chrono::hours(5)), 1U);
}

}  // namespace
}  // namespace hufu::server
