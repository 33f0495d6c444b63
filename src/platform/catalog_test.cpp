#include "platform/catalog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hufu::platform {
namespace {

using std::chrono::seconds;

class Catalog : public ::testing::Test {
 protected:
  Result<std::shared_ptr<Issuer>> make(std::string_view platform, std::string_view endpoint,
                                       std::string_view kind = kAccessToken) {
    return make_issuer(platform, endpoint, kind, timing_, config_, client_);
  }
  Timing timing_;
  PlatformConfig config_{"https://api.weixin.qq.com", false};
  std::shared_ptr<net::HttpClient> client_ = std::make_shared<net::HttpClient>();
};

TEST_F(Catalog, KnowsTheClassicEndpointAsRotating) {
  auto issuer = make("wechat", "classic");
  ASSERT_TRUE(issuer.has_value());
  EXPECT_EQ((*issuer)->name(), "wechat/classic/access_token");
  EXPECT_EQ((*issuer)->rule().shape, RenewalRule::Shape::rotating);
  EXPECT_EQ((*issuer)->rule().longest_life, seconds(7200));
  EXPECT_TRUE((*issuer)->needs().empty());
}

TEST_F(Catalog, KnowsTheStableEndpointAsWindowed) {
  auto issuer = make("wechat", "stable");
  ASSERT_TRUE(issuer.has_value());
  EXPECT_EQ((*issuer)->name(), "wechat/stable/access_token");
  EXPECT_EQ((*issuer)->rule().shape, RenewalRule::Shape::windowed);
  EXPECT_EQ((*issuer)->rule().longest_life, seconds(7200));
  EXPECT_EQ((*issuer)->rule().forced_a_day, 20);
  EXPECT_EQ((*issuer)->rule().forced_apart, seconds(30));
}

TEST_F(Catalog, TakesTheOverlapFromTheConfiguration) {
  timing_.overlap = seconds(77);
  EXPECT_EQ(make("wechat", "classic").value()->rule().overlap, seconds(77));
}

TEST_F(Catalog, NamesWhatExistsWhenAskedForWhatDoesNot) {
  auto platform = make("feishu", "stable");
  ASSERT_FALSE(platform.has_value());
  EXPECT_EQ(platform.error().fault, Fault::config);
  EXPECT_EQ(platform.error().message, "there is no platform \"feishu\"");
  EXPECT_EQ(platform.error().next_step, "use one of: wechat");

  auto endpoint = make("wechat", "new");
  ASSERT_FALSE(endpoint.has_value());
  EXPECT_EQ(endpoint.error().fault, Fault::config);
  EXPECT_EQ(endpoint.error().next_step, "use one of: classic, stable");

  auto kind = make("wechat", "stable", "jsapi_ticket");
  ASSERT_FALSE(kind.has_value());
  EXPECT_EQ(kind.error().fault, Fault::unknown_kind);
  EXPECT_EQ(kind.error().next_step, "use one of: access_token");
}

TEST_F(Catalog, RefusesAnAddressThatMayNotBeCalled) {
  config_.base_url = "http://api.weixin.qq.com";
  auto issuer = make("wechat", "stable");
  ASSERT_FALSE(issuer.has_value());
  EXPECT_EQ(issuer.error().fault, Fault::config);
}

// Every description must be whole: a hole shows here, not at three in the morning.
TEST_F(Catalog, HoldsOnlyWholeDescriptions) {
  for (const Description& each : catalog()) {
    SCOPED_TRACE(each.platform + "/" + each.endpoint + "/" + each.kind);
    EXPECT_FALSE(each.title.empty());
    EXPECT_GT(each.rule.overlap.count(), 0);
    EXPECT_GT(each.rule.longest_life, each.rule.overlap);
    EXPECT_THAT(each.issue.path, ::testing::StartsWith("/"));
    EXPECT_TRUE(each.probe.has_value());
    for (const auto& [code, mapping] : each.codes) {
      EXPECT_NE(mapping.words, "") << code;
      EXPECT_NE(mapping.fix, "") << code;
    }
  }
}

}  // namespace
}  // namespace hufu::platform
