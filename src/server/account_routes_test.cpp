#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "server/route_fixture_testing.hpp"

// Drop-in routes of a platform on which several apps share an account: agents of one corp of WeCom.

namespace hufu::server {
namespace {

using testing::Answered;
using testing::RouteFixture;
using Asked = std::vector<std::string>;

class WeComRoutes : public ::testing::Test {
 protected:
  WeComRoutes() {
    add("sales", "ww1", "TOKEN-sales", "the sales secret");
    add("support", "ww1", "TOKEN-support", "the support secret");
    add("other-sales", "ww2", "TOKEN-other", "the other secret");
  }

  void add(const std::string& id, const std::string& corp, const std::string& token,
           const std::string& secret) {
    auto& app = fixture.keeper.add(id, token);
    app.info.platform = "wecom";
    app.info.settings = {{"corpid", corp}, {"agentid", "1000002"}};
    app.secret = secret;
  }
  Answered get(const std::string& corp, std::string secret) {
    std::replace(secret.begin(), secret.end(), ' ', '+');
    fixture.clock.advance(std::chrono::seconds(11));
    return fixture.ask({"GET", "/cgi-bin/gettoken?corpid=" + corp + "&corpsecret=" + secret});
  }
  static std::string success(const std::string& token) {
    return R"({"errcode":0,"errmsg":"ok","access_token":")" + token + R"(","expires_in":7000})";
  }
  static void expect_errcode(const Answered& answer, int errcode) {
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.at("errcode"), std::to_string(errcode)) << answer.body;
  }

  RouteFixture fixture;
};

TEST_F(WeComRoutes, GiveEachAgentsTokenToItsOwnSecret) {
  EXPECT_EQ(get("ww1", "the sales secret").body, success("TOKEN-sales"));
  EXPECT_EQ(get("ww1", "the support secret").body, success("TOKEN-support"));
  EXPECT_EQ(get("ww2", "the other secret").body, success("TOKEN-other"));
  expect_errcode(get("ww1", "the other secret"), 40091);
  expect_errcode(get("ww2", "the sales secret"), 40091);
}

TEST_F(WeComRoutes, OpenTheOneAgentOfTheCorpThatAKeyOpens) {
  const std::string key = fixture.key({.read = true}, {"support", "other-sales"});
  EXPECT_EQ(get("ww1", key).body, success("TOKEN-support"));
  EXPECT_EQ(get("ww2", key).body, success("TOKEN-other"));
}

TEST_F(WeComRoutes, RefuseAKeyThatOpensSeveralAgentsOfTheCorp) {
  const std::string key = fixture.key({.read = true});
  const Answered answer = get("ww1", key);
  expect_errcode(answer, 40091);
  EXPECT_THAT(answer.at("errmsg"), ::testing::HasSubstr("opens 2 apps of ww1"));
  EXPECT_EQ(get("ww2", key).body, success("TOKEN-other")) << "there it opens one";
}

TEST_F(WeComRoutes, RefuseAKeyWithoutTheRight) {
  expect_errcode(get("ww1", fixture.key({.see = true})), 40091);
  expect_errcode(get("ww1", fixture.key({.read = true}, {"other-sales"})), 40091);
}

TEST_F(WeComRoutes, AnswerAThousandWrongSecretsWithoutThePlatform) {
  for (int i = 0; i < 1000; ++i) expect_errcode(get("ww1", "wrong" + std::to_string(i)), 40091);
  EXPECT_EQ(fixture.keeper.asked, Asked{});
  EXPECT_THAT(get("ww1", "wrong").at("errmsg"),
              ::testing::HasSubstr("nor the secret of one of the apps of ww1"));
}

TEST_F(WeComRoutes, SayWhatIsMissingOrUnknown) {
  expect_errcode(get("ww3", "the sales secret"), 40013);
  expect_errcode(get("sales", "the sales secret"), 40013);  // The name of an app, not of a corp.
  expect_errcode(fixture.ask({"GET", "/cgi-bin/gettoken?corpid=ww1"}), 41004);
  fixture.keeper.add("wx1", "TOKEN-1").secret = "the sales secret";
  expect_errcode(get("wx1", "the sales secret"), 40013);
}

TEST_F(WeComRoutes, NeverAnswerWithACodeThatMeansADeadToken) {
  for (const int code : {40001, 40014, 42001}) {
    fixture.keeper.on_get = [&](const Key&) -> Result<Grant> {
      return tl::unexpected<Error>(Error{Fault::refused, "refused", "", code, {}});
    };
    fixture.keeper.at("sales").readable.clear();
    const Answered answer = get("ww1", "the sales secret");
    EXPECT_THAT(answer.at("errcode"), ::testing::Not(::testing::AnyOf("40001", "40014", "42001")));
  }
}

TEST_F(WeComRoutes, AnswerAPostWhereAGetIsDue) {
  EXPECT_EQ(
      fixture.ask({"POST", "/cgi-bin/gettoken", {}, "corpid=ww1&corpsecret=the+sales+secret"}).body,
      success("TOKEN-sales"));
}

TEST_F(WeComRoutes, GaveTheTokenOfAProviderToAKeyThatDoesNotNameIt) {
  fixture.keeper.add("wwprovider").info.platform = "wecom_provider";
  fixture.keeper.put_token("wwprovider", "provider_access_token", "PROVIDER-TOKEN");
  const auto ask = [&](const std::string& key) {
    return fixture.ask({"POST",
                        "/cgi-bin/service/get_provider_token",
                        {},
                        R"({"corpid":"wwprovider","provider_secret":")" + key + "\"}"});
  };
  expect_errcode(ask(fixture.key({.read = true})), 40091);
  EXPECT_EQ(fixture
                .ask({"GET", "/v1/apps/wwprovider/token?kind=provider_access_token",
                      fixture.key({.read = true})})
                .status,
            403);
  EXPECT_EQ(ask(fixture.key({.read = true}, {"wwprovider"})).body,
            R"({"errcode":0,"errmsg":"ok","provider_access_token":"PROVIDER-TOKEN",)"
            R"("expires_in":7000})");
}

TEST_F(WeComRoutes, GiveTheTicketsOfTheAgentWhoseTokenItIs) {
  fixture.keeper.put_token("sales", "jsapi_ticket", "CORP-TICKET");
  fixture.keeper.put_token("sales", "agent_ticket", "AGENT-TICKET");
  fixture.keeper.put_token("support", "agent_ticket", "SUPPORT-TICKET");
  const auto ticket = [&](const std::string& path) { return fixture.ask({"GET", path}).body; };
  const std::string begin = R"({"errcode":0,"errmsg":"ok","ticket":")";
  const std::string end = R"(","expires_in":7000})";
  EXPECT_EQ(ticket("/cgi-bin/get_jsapi_ticket?access_token=TOKEN-sales"),
            begin + "CORP-TICKET" + end);
  EXPECT_EQ(ticket("/cgi-bin/ticket/get?access_token=TOKEN-sales&type=agent_config"),
            begin + "AGENT-TICKET" + end);
  EXPECT_EQ(ticket("/cgi-bin/ticket/get?type=agent_config&access_token=TOKEN-support"),
            begin + "SUPPORT-TICKET" + end);
  expect_errcode(fixture.ask({"GET", "/cgi-bin/get_jsapi_ticket?access_token=unknown"}), 40014);
  expect_errcode(fixture.ask({"GET", "/cgi-bin/get_jsapi_ticket"}), 41001);
}

TEST_F(WeComRoutes, ChooseNoAgentBeforeAllOfThemAreKnown) {
  const std::string key = fixture.key({.read = true});
  const std::string asking = "/cgi-bin/gettoken?corpid=ww2&corpsecret=" + key;
  fixture.keeper.healthy.started = false;
  fixture.keeper.holds = true;
  const auto late = fixture.ask_later({"GET", asking});
  EXPECT_EQ(late->times, 0) << "another agent of the corp may still come";
  add("late-sales", "ww2", "TOKEN-late", "the late secret");
  fixture.keeper.end_start(true);
  expect_errcode(*late, 40091);
}

}  // namespace
}  // namespace hufu::server
