#include "platform/timing.hpp"

#include <gtest/gtest.h>

#include "platform/catalog.hpp"

namespace hufu::platform {
namespace {

using namespace std::chrono_literals;

PlatformDescription described(RenewalRule::Shape shape, Milliseconds overlap) {
  PlatformDescription platform;
  platform.name = "acme";
  platform.kinds.emplace_back();
  platform.kinds.front().rule.shape = shape;
  platform.kinds.front().rule.overlap = overlap;
  return platform;
}

TEST(TimingFor, IsAsUsualWhereNobodySaysAnything) {
  const Timing usual;
  const Timing timing = timing_for({}, *Catalog().find("wechat"));
  EXPECT_EQ(timing.use_slack, usual.use_slack);
  EXPECT_EQ(timing.refresh_ahead, usual.refresh_ahead);
  EXPECT_EQ(timing.overlap, usual.overlap) << "the defaults are WeChat's";
  EXPECT_EQ(timing.lease, usual.lease);
  EXPECT_EQ(timing.request_timeout, usual.request_timeout);
}

TEST(TimingFor, TakesEachLengthOfTimeFromTheFirstThatNamesIt) {
  PlatformDescription acme = described(RenewalRule::Shape::windowed, 30min);
  acme.timing.use_slack = 1s;
  acme.timing.lease = 11s;
  acme.timing.request_timeout = 3s;
  Config config;
  EXPECT_EQ(timing_for(config, acme).use_slack, 1s);
  EXPECT_EQ(timing_for(config, acme).overlap, 30min);

  config.timing.use_slack = 2s;
  config.timing.lease = 12s;
  config.timing.overlap = 10min;
  EXPECT_EQ(timing_for(config, acme).use_slack, 2s);
  EXPECT_EQ(timing_for(config, acme).lease, 12s);
  EXPECT_EQ(timing_for(config, acme).overlap, 10min);
  EXPECT_EQ(timing_for(config, acme).request_timeout, 3s);

  config.platforms["acme"].timing.lease = 13s;
  config.platforms["acme"].timing.overlap = 5min;
  EXPECT_EQ(timing_for(config, acme).use_slack, 2s);
  EXPECT_EQ(timing_for(config, acme).lease, 13s);
  EXPECT_EQ(timing_for(config, acme).overlap, 5min);

  acme.name = "another";
  EXPECT_EQ(timing_for(config, acme).lease, 12s) << "what one platform is told is for it alone";
}

TEST(OverlapFor, IsNoneWhereNoTokenEndsAnother) {
  Config config;
  config.timing.overlap = 10min;
  for (auto shape : {RenewalRule::Shape::sticky, RenewalRule::Shape::independent}) {
    const PlatformDescription acme = described(shape, 0s);
    EXPECT_EQ(overlap_for(config, acme, acme.kinds.front()), 0s);
  }
  const PlatformDescription acme = described(RenewalRule::Shape::rotating, 5min);
  EXPECT_EQ(overlap_for(config, acme, acme.kinds.front()), 10min);
}

}  // namespace
}  // namespace hufu::platform
