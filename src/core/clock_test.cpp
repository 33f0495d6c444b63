#include "hufu/clock.hpp"

#include <gtest/gtest.h>

#include "testing/fake_clock.hpp"

namespace hufu {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST(ScaledClock, StartsAtThePresentMoment) {
  ScaledClock clock(1000);
  EXPECT_LT(abs(clock.wall() - system_clock().wall()), hours(1));
}

TEST(ScaledClock, TellsTheRealTimeThatASpanTakes) {
  EXPECT_EQ(ScaledClock(60).real(seconds(7200)), seconds(120));
}

TEST(SystemRandom, StaysBelowOne) {
  SystemRandom random;
  for (int i = 0; i < 1000; ++i) {
    double value = random.uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
  }
}

TEST(FakeClock, MovesOnlyWhenTold) {
  testing::FakeClock clock;
  auto steady = clock.steady();
  clock.advance(seconds(5));
  EXPECT_EQ(clock.steady() - steady, seconds(5));
  EXPECT_EQ(clock.wall() - testing::FakeClock::kStart, seconds(5));
  clock.step_wall(-hours(1));
  EXPECT_EQ(clock.steady() - steady, seconds(5));
}

}  // namespace
}  // namespace hufu
