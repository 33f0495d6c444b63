#include "net/connection_reuse.hpp"

#include <gtest/gtest.h>

namespace hufu::net {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const ConnectionReuse::Time kStart{hours(1000)};

TEST(ConnectionReuse, PausesAfterAFailure) {
  ConnectionReuse reuse(minutes(1));
  EXPECT_FALSE(reuse.paused(kStart));
  reuse.failed(kStart);
  EXPECT_TRUE(reuse.paused(kStart));
  EXPECT_TRUE(reuse.paused(kStart + seconds(59)));
  EXPECT_FALSE(reuse.paused(kStart + seconds(60)));
}

TEST(ConnectionReuse, CountsFailuresOfRequestsThatWereInFlightTogetherOnce) {
  ConnectionReuse reuse(minutes(1));
  for (int i = 0; i < 10; ++i) reuse.failed(kStart + seconds(i));
  EXPECT_FALSE(reuse.paused(kStart + minutes(1)));
}

TEST(ConnectionReuse, PausesTwiceAsLongEachTimeThatItFailsAgainUpToAnHour) {
  ConnectionReuse reuse(minutes(1));
  auto now = kStart;
  for (auto pause : {minutes(1), minutes(2), minutes(4), minutes(8), minutes(16), minutes(32),
                     minutes(60), minutes(60)}) {
    reuse.failed(now);
    EXPECT_TRUE(reuse.paused(now + pause - seconds(1)));
    now += pause;
    EXPECT_FALSE(reuse.paused(now));
  }
}

TEST(ConnectionReuse, BeginsWithAShortPauseAgainOnceAReuseHasWorked) {
  ConnectionReuse reuse(minutes(1));
  reuse.failed(kStart);
  reuse.succeeded(kStart + seconds(1));  // In flight when the pause began: says nothing new.
  reuse.failed(kStart + minutes(1));
  EXPECT_TRUE(reuse.paused(kStart + minutes(2)));
  reuse.succeeded(kStart + minutes(3));
  reuse.failed(kStart + minutes(3));
  EXPECT_FALSE(reuse.paused(kStart + minutes(4)));
}

}  // namespace
}  // namespace hufu::net
