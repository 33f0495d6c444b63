#include "config/sink_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hufu::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

AppConfig app() {
  AppConfig app;
  app.id = "wx1";
  app.keep = {"jsapi_ticket"};
  return app;
}
SinkConfig file(std::string kind) {
  SinkConfig sink;
  sink.file = "/run/hufu/wx";
  sink.kind = std::move(kind);
  return sink;
}
SinkConfig sdk(std::string name) {
  SinkConfig sink;
  sink.redis = "redis://cache:6379/0";
  sink.sdk = std::move(name);
  return sink;
}

TEST(CheckSink, TakesTheMainKindAndWhatTheAppKeeps) {
  for (const char* kind : {"", "access_token", "jsapi_ticket"}) {
    EXPECT_FALSE(check_sink(file(kind), app(), "access_token")) << kind;
  }
}

TEST(CheckSink, RefusesAKindThatNobodyKeepsAndSaysWhere) {
  const auto wrong = check_sink(file("wx_card_ticket"), app(), "access_token");
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->key, "kind");
  EXPECT_THAT(wrong->error.message, HasSubstr("does not keep the kind \"wx_card_ticket\""));
  EXPECT_THAT(wrong->error.next_step, HasSubstr("keep = [\"wx_card_ticket\"]"));
}

TEST(CheckSink, RefusesAKindBesideAnSdk) {
  SinkConfig sink = sdk("wxjava");
  sink.kind = "jsapi_ticket";
  const auto wrong = check_sink(sink, app(), "access_token");
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->key, "kind");
}

TEST(PlacesOf, AnSdkAreItsKeysOfEachKindThatIsKept) {
  const std::string redis = "redis://cache:6379/0";
  EXPECT_THAT(
      places_of(sdk("wxjava"), app()),
      ElementsAre(Place{redis, "wx:access_token:wx1"}, Place{redis, "wx:ticket:key:wx1:jsapi"}));
}

TEST(SharedPlaces, AreNamedWithoutThePasswordOfTheRedis) {
  std::vector<AppConfig> apps;
  for (const char* id : {"wx1", "wx2"}) {
    apps.push_back(app());
    apps.back().id = id;
    SinkConfig sink;
    sink.redis = "redis://u:canary@cache/0";
    sink.key = "token";
    apps.back().sinks.push_back(std::move(sink));
  }
  const auto shared = find_shared_places(apps);
  ASSERT_EQ(shared.size(), 1U);
  EXPECT_EQ(shared[0].sink, "app.wx2.sink.1");
  EXPECT_EQ(shared[0].error.message, "it goes to the same place as app.wx1.sink.1, \"token\"");
}

}  // namespace
}  // namespace hufu::config
