#include "server/recent_asks.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace hufu::server {
namespace {

class RecentAsksTest : public ::testing::Test {
 protected:
  bool ask(std::string_view app = "wx1", std::string_view credential = "key",
           std::string_view address = "192.0.2.1") {
    return asks->asks_again(app, credential, address, now);
  }
  void advance(Milliseconds span) { now += span; }

  std::unique_ptr<RecentAsks> asks = std::make_unique<RecentAsks>();
  SteadyTime now{std::chrono::seconds(1000)};
};

TEST_F(RecentAsksTest, NoticesASecondAskWithinTenSeconds) {
  EXPECT_FALSE(ask());
  EXPECT_TRUE(ask());

  EXPECT_FALSE(ask("wx2"));
  advance(Milliseconds(9'900));
  EXPECT_TRUE(ask("wx2"));
}

TEST_F(RecentAsksTest, PassesOverAnAskThatComesLater) {
  EXPECT_FALSE(ask());
  advance(Milliseconds(10'200));
  EXPECT_FALSE(ask());
  EXPECT_TRUE(ask()) << "the one before was the first of a new pair";
}

TEST_F(RecentAsksTest, TellsAskersApartByAppCredentialAndAddress) {
  EXPECT_FALSE(ask());
  EXPECT_FALSE(ask("wx2"));
  EXPECT_FALSE(ask("wx1", "another key"));
  EXPECT_FALSE(ask("wx1", "key", "192.0.2.2"));
  EXPECT_FALSE(ask("wx1k", "ey"));
  EXPECT_FALSE(ask("wx1", "key192", ".0.2.1"));
  EXPECT_FALSE(ask("", "", ""));
}

TEST_F(RecentAsksTest, TakesABusyAskerAtItsWordOnceAMinute) {
  int believed = 0;
  for (int asked = 0; asked < 10 * 60 * 10; ++asked) {  // Ten a second for ten minutes.
    if (ask()) ++believed;
    advance(Milliseconds(100));
  }
  EXPECT_EQ(believed, 10);
}

// One that keeps no tokens asks for thousands of apps again and again.
TEST_F(RecentAsksTest, BelievesAThousandAskersAtOnceAndAHundredASecondAfterThat) {
  const auto believed_of = [&](const std::string& prefix) {
    int believed = 0;
    for (int i = 0; i < 3000; ++i) {
      const std::string app = prefix + std::to_string(i);
      ask(app);
      if (ask(app)) ++believed;
    }
    return believed;
  };
  EXPECT_NEAR(believed_of("a"), 1000, 1);
  EXPECT_EQ(believed_of("b"), 0);
  advance(std::chrono::seconds(1));
  EXPECT_NEAR(believed_of("c"), 100, 1);
  EXPECT_FALSE(ask("late"));
  advance(Milliseconds(10));
  EXPECT_TRUE(ask("late")) << "who was not believed may be the next time";
  advance(std::chrono::minutes(1));
  EXPECT_NEAR(believed_of("d"), 1000, 1);
}

TEST_F(RecentAsksTest, IsNotConfusedByAClockThatStandsAtItsBeginning) {
  now = SteadyTime();
  EXPECT_FALSE(ask());
  EXPECT_TRUE(ask());
  EXPECT_FALSE(ask());
}

// The table has room for fewer: whoever hashes to the same place takes it over.
TEST_F(RecentAsksTest, ForgetsSomeOfMoreAskersThanItHasRoomFor) {
  int noticed = 0;
  for (int asker = 0; asker < 200'000; ++asker) {
    if (ask("wx1", "key " + std::to_string(asker))) ++noticed;
  }
  EXPECT_EQ(noticed, 0) << "none is mistaken for another";

  EXPECT_FALSE(ask("wx1", "one that comes after all of them"));
  EXPECT_TRUE(ask("wx1", "one that comes after all of them"));
}

}  // namespace
}  // namespace hufu::server
