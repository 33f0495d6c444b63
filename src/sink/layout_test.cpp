#include "sink/layout.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hufu::sink {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// With the secret "s3cret", and all kinds of tickets.
AppConfig app() {
  AppConfig app;
  app.id = "wx1";
  app.credentials.emplace(kSecret, Secret(std::string_view("s3cret")));
  app.keep = {"access_token", "jsapi_ticket", "wx_card_ticket"};
  return app;
}
/// An agent of a corp, with the same secret and both tickets; an empty `agentid` is none.
AppConfig agent(std::string agentid) {
  AppConfig agent = app();
  agent.id = "crm";
  agent.platform = "wecom";
  agent.settings = {{"corpid", "ww1"}, {"agentid", std::move(agentid)}};
  agent.keep = {"jsapi_ticket", "agent_ticket"};
  return agent;
}
Layout layout(const SinkConfig& sink, std::string_view kind = kAccessToken,
              const AppConfig& of = app()) {
  auto found = layout_of(sink, of, kind);
  EXPECT_TRUE(found) << found.error().message;
  return found ? *found : Layout();
}
SinkConfig sdk(std::string name, std::string prefix = {}) {
  SinkConfig sink;
  sink.sdk = std::move(name);
  sink.prefix = std::move(prefix);
  return sink;
}

// What each SDK asks Redis for, byte by byte.

TEST(Layout, OfSilenceperHasTheKeysOfBothEndpoints) {
  const Layout found = layout(sdk("silenceper"));
  EXPECT_THAT(found.keys, ElementsAre("gowechat_officialaccount__access_token_wx1",
                                      "gowechat_officialaccount__stable_access_token_wx1"));
  EXPECT_THAT(found.ends, IsEmpty());
  EXPECT_THAT(found.absent, IsEmpty());
  EXPECT_EQ(found.format, Format::raw);
  EXPECT_THAT(layout(sdk("silenceper", "gowechat_miniprogram_")).keys,
              ElementsAre("gowechat_miniprogram__access_token_wx1",
                          "gowechat_miniprogram__stable_access_token_wx1"));
}

TEST(Layout, OfSilenceperHasTheTicketForPagesAndNoneForCards) {
  const Layout found = layout(sdk("silenceper"), "jsapi_ticket");
  EXPECT_THAT(found.keys, ElementsAre("gowechat_officialaccount__jsapi_ticket_wx1"));
  EXPECT_EQ(found.format, Format::raw);
  EXPECT_EQ(find_kind(*find_sdk("silenceper", "wechat"), "wx_card_ticket"), nullptr);
}

TEST(Layout, OfWxJavaIsOneKey) {
  const Layout found = layout(sdk("wxjava"));
  EXPECT_THAT(found.keys, ElementsAre("wx:access_token:wx1"));
  EXPECT_EQ(found.format, Format::raw);
  EXPECT_THAT(layout(sdk("wxjava", "wa")).keys, ElementsAre("wa:access_token:wx1"));
}

TEST(Layout, OfWxJavaHasAKeyForEachTypeOfTicket) {
  EXPECT_THAT(layout(sdk("wxjava"), "jsapi_ticket").keys, ElementsAre("wx:ticket:key:wx1:jsapi"));
  EXPECT_THAT(layout(sdk("wxjava", "wa"), "wx_card_ticket").keys,
              ElementsAre("wa:ticket:key:wx1:wx_card"));
  EXPECT_EQ(layout(sdk("wxjava"), "jsapi_ticket").format, Format::raw);
}

TEST(Layout, OfWechatpyRemovesTheEndThatItWouldTrustMore) {
  const Layout found = layout(sdk("wechatpy"));
  EXPECT_THAT(found.keys, ElementsAre("wechatpy:wx1_access_token"));
  EXPECT_THAT(found.absent, ElementsAre("wechatpy:wx1_access_token_expires_at"));
  EXPECT_THAT(found.ends, IsEmpty());
  EXPECT_EQ(found.format, Format::quoted);
  EXPECT_THAT(layout(sdk("wechatpy", "mine")).keys, ElementsAre("mine:wx1_access_token"));
}

TEST(Layout, OfWechatpyHasTheEndOfATicketWithoutWhichItCountsAsEnded) {
  const Layout found = layout(sdk("wechatpy"), "jsapi_ticket");
  EXPECT_THAT(found.keys, ElementsAre("wechatpy:wx1_jsapi_ticket"));
  EXPECT_THAT(found.ends, ElementsAre("wechatpy:wx1_jsapi_ticket_expires_at"));
  EXPECT_THAT(found.absent, IsEmpty());
  EXPECT_EQ(found.format, Format::quoted);
  const Layout card = layout(sdk("wechatpy", "mine"), "wx_card_ticket");
  EXPECT_THAT(card.keys, ElementsAre("mine:wx1_jsapi_card_ticket"));
  EXPECT_THAT(card.ends, ElementsAre("mine:wx1_jsapi_card_ticket_expires_at"));
}

TEST(Layout, OfPowerWeChatHidesIdAndSecretInADigest) {
  const Layout found = layout(sdk("powerwechat"));
  // printf wx1s3cret | md5sum
  EXPECT_THAT(found.keys, ElementsAre("powerwechat.access_token.54dee21cdb4291d548b0c2e0db22bc92"));
  EXPECT_EQ(found.format, Format::token_reply);
}

TEST(Layout, OfPowerWeChatHoldsThePlatformsAnswerAboutATicket) {
  const Layout found = layout(sdk("powerwechat"), "jsapi_ticket");
  EXPECT_THAT(found.keys, ElementsAre("powerwechat.basic_service.jssdk.ticket.jsapi.wx1"));
  EXPECT_EQ(found.format, Format::ticket_reply);
  EXPECT_THAT(layout(sdk("powerwechat"), "wx_card_ticket").keys,
              ElementsAre("powerwechat.basic_service.jssdk.ticket.wx_card.wx1"));
}

TEST(Layout, OfSilencepersAgentIsTheAgentsOwnKey) {
  const Layout found = layout(sdk("silenceper"), kAccessToken, agent("1000002"));
  EXPECT_THAT(found.keys, ElementsAre("gowechat_work__access_token_ww1_1000002"));
  EXPECT_EQ(found.format, Format::raw);
  EXPECT_THAT(layout(sdk("silenceper"), kAccessToken, agent("")).keys,
              ElementsAre("gowechat_work__access_token_ww1"));
  EXPECT_THAT(layout(sdk("silenceper", "mine_"), kAccessToken, agent("1000002")).keys,
              ElementsAre("mine__access_token_ww1_1000002"));
}

TEST(Layout, OfSilencepersTicketsAreTheCorpsAndTheAgents) {
  const Layout corp = layout(sdk("silenceper"), "jsapi_ticket", agent("1000002"));
  EXPECT_THAT(corp.keys, ElementsAre("gowechat_work__corp_jsapi_ticket_ww1"));
  EXPECT_EQ(corp.format, Format::raw);
  const Layout agents = layout(sdk("silenceper"), "agent_ticket", agent("1000002"));
  EXPECT_THAT(agents.keys, ElementsAre("gowechat_work__agent_jsapi_ticket_ww1_1000002"));
  EXPECT_EQ(agents.format, Format::raw);
}

TEST(Layout, OfAKeyThatNamesTheAgentNeedsOne) {
  const auto found = layout_of(sdk("silenceper"), agent(""), "agent_ticket");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().fault, Fault::config);
  EXPECT_THAT(found.error().message, HasSubstr("agentid"));
  EXPECT_THAT(found.error().next_step, HasSubstr("Set agentid"));
}

TEST(Layout, OfNoWecomSdkIsThereWithoutACorp) {
  AppConfig nobody = agent("1000002");
  nobody.settings.erase("corpid");
  for (const Sdk& each : sdks()) {
    if (each.platform != "wecom") continue;
    for (const SdkKind& kind : each.kinds) {
      EXPECT_FALSE(layout_of(sdk(std::string(each.name)), nobody, kind.kind)) << each.name;
    }
  }
}

TEST(Layout, OfWxJavasAgentHasCorpAndAgent) {
  const AppConfig of = agent("1000002");
  EXPECT_THAT(layout(sdk("wxjava"), kAccessToken, of).keys,
              ElementsAre("wechat_cp_access_token_key:ww1:1000002"));
  EXPECT_THAT(layout(sdk("wxjava"), "jsapi_ticket", of).keys,
              ElementsAre("wechat_cp_jsapi_ticket_key:ww1:1000002"));
  EXPECT_THAT(layout(sdk("wxjava"), "agent_ticket", of).keys,
              ElementsAre("wechat_cp_agent_jsapi_ticket_key:ww1:1000002"));
  EXPECT_THAT(layout(sdk("wxjava"), kAccessToken, agent("")).keys,
              ElementsAre("wechat_cp_access_token_key:ww1"));
  for (const SdkKind& kind : find_sdk("wxjava", "wecom")->kinds) {
    EXPECT_EQ(kind.format, Format::raw) << kind.kind;
  }
}

TEST(Layout, OfWxJavasAgentHasOneColonAfterItsPrefix) {
  for (const char* prefix : {"wx:cp", "wx:cp:"}) {
    EXPECT_THAT(layout(sdk("wxjava", prefix), kAccessToken, agent("1000002")).keys,
                ElementsAre("wx:cp:wechat_cp_access_token_key:ww1:1000002"));
  }
}

TEST(Layout, OfPowerWeChatsAgentHasTheCorpInTheAppsPlace) {
  const Layout token = layout(sdk("powerwechat"), kAccessToken, agent("1000002"));
  // printf ww1s3cret | md5sum
  EXPECT_THAT(token.keys, ElementsAre("powerwechat.access_token.4fd302b266ed41539bc20d7c54dbad77"));
  EXPECT_EQ(token.format, Format::token_reply);
  const Layout ticket = layout(sdk("powerwechat"), "jsapi_ticket", agent("1000002"));
  EXPECT_THAT(ticket.keys, ElementsAre("powerwechat.basic_service.jssdk.ticket.jsapi.ww1"));
  EXPECT_EQ(ticket.format, Format::ticket_reply);
  EXPECT_EQ(find_kind(*find_sdk("powerwechat", "wecom"), "agent_ticket"), nullptr);
}

TEST(Layout, OfNoSdkShowsAPartOfTheSecret) {
  for (const Sdk& each : sdks()) {
    const AppConfig of = each.platform == "wecom" ? agent("1000002") : app();
    for (const SdkKind& kind : each.kinds) {
      for (const std::string& key : layout(sdk(std::string(each.name)), kind.kind, of).keys) {
        EXPECT_THAT(key, Not(HasSubstr("s3c")));
      }
    }
  }
}

TEST(Layout, IsAKeyOfOnesOwn) {
  SinkConfig sink;
  sink.key = "my:{app}:token";
  EXPECT_THAT(layout(sink).keys, ElementsAre("my:wx1:token"));
  EXPECT_EQ(layout(sink).format, Format::raw);
  sink.format = "json";
  EXPECT_EQ(layout(sink).format, Format::object);
}

TEST(Layout, IsAKeyOfOnesOwnWithSettingsOfTheApp) {
  SinkConfig sink;
  sink.key = "{corpid}:{agentid}:{app}";
  EXPECT_THAT(layout(sink, kAccessToken, agent("1000002")).keys, ElementsAre("ww1:1000002:crm"));
  const auto key = key_of("token:{corpid}:{agentid}", agent(""));
  ASSERT_FALSE(key);
  EXPECT_THAT(key.error().message, HasSubstr("agentid"));
  EXPECT_THAT(key.error().next_step, HasSubstr("Set agentid"));
}

TEST(Layout, LeavesOtherBracesOfAKeyAsTheyAre) {
  const auto key = key_of("{tokens}:{{app}}:{", app());
  ASSERT_TRUE(key);
  EXPECT_EQ(*key, "{tokens}:{wx1}:{");
}

TEST(KindsOf, AnSdkAreTheAccessTokenAndWhatIsKeptAndKnown) {
  EXPECT_THAT(kinds_of(sdk("wxjava"), app(), "access_token"),
              ElementsAre("access_token", "jsapi_ticket", "wx_card_ticket"));
  EXPECT_THAT(kinds_of(sdk("silenceper"), app(), "access_token"),
              ElementsAre("access_token", "jsapi_ticket"));
  EXPECT_THAT(kinds_of(sdk("powerwechat"), agent("1000002"), "access_token"),
              ElementsAre("access_token", "jsapi_ticket"));
  AppConfig plain;
  EXPECT_THAT(kinds_of(sdk("wxjava"), plain, "access_token"), ElementsAre("access_token"));
}

TEST(KindsOf, AKeyOrAFileAreTheOneThatIsNamedOrTheMainOne) {
  SinkConfig sink;
  sink.file = "/run/hufu/wx";
  EXPECT_THAT(kinds_of(sink, app(), "component_access_token"),
              ElementsAre("component_access_token"));
  sink.kind = "jsapi_ticket";
  EXPECT_THAT(kinds_of(sink, app(), "access_token"), ElementsAre("jsapi_ticket"));
}

TEST(Layout, RefusesAKeyWithTheSecretAndSaysWhy) {
  const auto key = key_of("token:{app}:{secret}", app());
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().fault, Fault::config);
  EXPECT_THAT(key.error().message, HasSubstr("would show the secret"));
  EXPECT_FALSE(key.error().next_step.empty());
}

TEST(Layout, RefusesWhatIsNoKey) {
  EXPECT_FALSE(key_of("", app()));
  EXPECT_FALSE(key_of(std::string(513, 'k'), app()));
  EXPECT_TRUE(key_of(std::string(512, 'k'), app()));
}

TEST(Layout, KnowsWhichSdksCannotBeServedAndWhy) {
  for (const char* platform : {"wechat", "wecom"}) {
    EXPECT_THAT(std::string(why_not("easywechat", platform)),
                HasSubstr("contain the app's secret"));
    EXPECT_THAT(std::string(why_not("senparc", platform)), HasSubstr("contains the app's secret"));
  }
  EXPECT_THAT(std::string(why_not("wechatpy", "wecom")),
              HasSubstr("first ten characters of the app's secret"));
  for (const Sdk& each : sdks()) EXPECT_EQ(why_not(each.name, each.platform), "") << each.name;
}

TEST(Layout, IsKnownForThePlatformsOfAnSdkOnly) {
  EXPECT_NE(find_sdk("wxjava", "wecom"), nullptr);
  EXPECT_EQ(find_sdk("wechatpy", "wecom"), nullptr);
  EXPECT_EQ(find_sdk("wxjava", "partner"), nullptr);
}

}  // namespace
}  // namespace hufu::sink
