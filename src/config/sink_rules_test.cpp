#include "config/sink_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hufu::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

AppConfig app() {
  AppConfig app;
  app.id = "wx1";
  app.keep = {"jsapi_ticket"};
  return app;
}
/// Of WeCom; an empty `agentid` is none.
AppConfig agent(std::string id, std::string agentid) {
  AppConfig agent;
  agent.id = std::move(id);
  agent.platform = "wecom";
  agent.settings = {{"corpid", "ww1"}, {"agentid", std::move(agentid)}};
  return agent;
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

TEST(CheckSink, TakesAnSdkForEachPlatformThatItsKeysAreKnownFor) {
  EXPECT_FALSE(check_sink(sdk("wechatpy"), app(), "access_token"));
  for (const char* name : {"silenceper", "wxjava", "powerwechat"}) {
    EXPECT_FALSE(check_sink(sdk(name), app(), "access_token")) << name;
    EXPECT_FALSE(check_sink(sdk(name), agent("crm", "1000002"), "access_token")) << name;
  }
}

TEST(CheckSink, RefusesAnSdkForAPlatformThatItsKeysAreNotKnownFor) {
  AppConfig partner = app();
  partner.platform = "partner";
  const auto wrong = check_sink(sdk("wxjava"), partner, "access_token");
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->key, "sdk");
  EXPECT_EQ(wrong->error.message, "the keys of wxjava for apps of partner are not known");
  EXPECT_THAT(wrong->error.next_step, HasSubstr("Write key instead"));
}

TEST(CheckSink, RefusesAnSdkWhoseKeysHaveAPartOfTheSecret) {
  const auto wrong = check_sink(sdk("wechatpy"), agent("crm", "1000002"), "access_token");
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->key, "sdk");
  EXPECT_THAT(wrong->error.message, HasSubstr("first ten characters of the app's secret"));
  EXPECT_THAT(wrong->error.next_step, HasSubstr("docs/how-to/point-an-sdk-here.md"));
}

TEST(CheckSink, NamesTheSdksOfTheAppsPlatform) {
  const auto wrong = check_sink(sdk("gowechat"), agent("crm", ""), "access_token");
  ASSERT_TRUE(wrong);
  EXPECT_THAT(wrong->error.message, HasSubstr("unknown SDK \"gowechat\""));
  EXPECT_THAT(wrong->error.next_step, HasSubstr("silenceper, wxjava, powerwechat"));
}

TEST(CheckSink, TakesAPrefixWhereTheSdkDoes) {
  SinkConfig sink = sdk("wxjava");
  sink.prefix = "wx:cp";
  EXPECT_FALSE(check_sink(sink, agent("crm", ""), "access_token"));
  sink.sdk = "powerwechat";
  const auto wrong = check_sink(sink, agent("crm", ""), "access_token");
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->key, "prefix");
}

TEST(CheckSink, RefusesASettingInAKeyThatTheAppHasNot) {
  AppConfig crm = agent("crm", "");
  crm.keep = {"agent_ticket"};
  const auto wrong = check_sink(sdk("silenceper"), crm, "access_token");
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->key, "sdk");
  EXPECT_THAT(wrong->error.next_step, HasSubstr("Set agentid"));

  SinkConfig own = sdk("");
  own.key = "token:{agentid}";
  const auto also = check_sink(own, crm, "access_token");
  ASSERT_TRUE(also);
  EXPECT_EQ(also->key, "key");
}

TEST(PlacesOf, AnSdkAreItsKeysOfEachKindThatIsKept) {
  const std::string redis = "redis://cache:6379/0";
  EXPECT_THAT(
      places_of(sdk("wxjava"), app()),
      ElementsAre(Place{redis, "wx:access_token:wx1"}, Place{redis, "wx:ticket:key:wx1:jsapi"}));
}

/// With the sink of an SDK each.
std::vector<AppConfig> with_sinks(const char* name, std::vector<AppConfig> apps) {
  for (AppConfig& each : apps) each.sinks.push_back(sdk(name));
  return apps;
}
std::vector<AppConfig> two_agents(std::string first, std::string second) {
  std::vector<AppConfig> apps;
  apps.push_back(agent("crm", std::move(first)));
  apps.push_back(agent("oa", std::move(second)));
  return apps;
}

TEST(SharedPlaces, AreFoundByTheKeyThatTwoAgentsOfACorpWouldWrite) {
  for (const char* name : {"silenceper", "wxjava"}) {
    const auto shared = find_shared_places(with_sinks(name, two_agents("", "")));
    ASSERT_EQ(shared.size(), 1U) << name;
    EXPECT_EQ(shared[0].sink, "app.oa.sink.1");
    EXPECT_THAT(shared[0].error.message,
                AllOf(HasSubstr("same place as app.crm.sink.1"), HasSubstr("ww1\"")));
    EXPECT_THAT(shared[0].error.next_step, HasSubstr("another database or prefix"));
  }
}

TEST(SharedPlaces, AreNoneWhereTheAgentIsAPartOfTheKey) {
  for (const char* name : {"silenceper", "wxjava"}) {
    EXPECT_THAT(find_shared_places(with_sinks(name, two_agents("1000002", "1000003"))), IsEmpty())
        << name;
    EXPECT_THAT(find_shared_places(with_sinks(name, two_agents("1000002", ""))), IsEmpty()) << name;
  }
}

TEST(SharedPlaces, AreFoundInTheTicketOfTheCorp) {
  auto apps = two_agents("1000002", "1000003");
  for (AppConfig& each : apps) each.keep = {"jsapi_ticket"};
  EXPECT_THAT(find_shared_places(with_sinks("silenceper", std::move(apps))),
              ElementsAre(Field(&SharedPlace::sink, "app.oa.sink.1")));
}

TEST(SharedPlaces, AreNamedWithoutThePasswordOfTheRedis) {
  auto apps = two_agents("", "");
  for (AppConfig& each : apps) {
    SinkConfig sink;
    sink.redis = "redis://u:canary@cache/0";
    sink.key = "token";
    each.sinks.push_back(std::move(sink));
  }
  const auto shared = find_shared_places(apps);
  ASSERT_EQ(shared.size(), 1U);
  EXPECT_EQ(shared[0].error.message, "it goes to the same place as app.crm.sink.1, \"token\"");
}

}  // namespace
}  // namespace hufu::config
