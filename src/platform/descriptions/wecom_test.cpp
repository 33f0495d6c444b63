#include "platform/description_testing.hpp"

namespace hufu::platform::testing {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const KindDescription& kind(std::string_view name = {}) { return kind_of("wecom", name); }

IssueOutcome refused(const KindDescription& kind, const std::string& code,
                     const std::string& words = "words") {
  return answered(kind, 200, R"({"errcode":)" + code + R"(,"errmsg":")" + words + "\"}");
}

TEST(WeCom, AsksForATokenByCorporationAndSecret) {
  EXPECT_EQ(request_of(kind().issue, {{"corpid", "ww1"}}),
            "GET https://host/cgi-bin/gettoken?corpid=ww1&corpsecret=s\n");
  EXPECT_EQ(described("wecom").account, "corpid") << "the app's id may be any name";
  EXPECT_TRUE(find_setting(described("wecom"), "corpid")->required);
  EXPECT_FALSE(find_setting(described("wecom"), "agentid")->required);
}

TEST(WeCom, AsksForEachTicketOnItsOwnPath) {
  EXPECT_EQ(request_of(kind("jsapi_ticket").issue),
            "GET https://host/cgi-bin/get_jsapi_ticket?access_token=n0\n");
  EXPECT_EQ(request_of(kind("agent_ticket").issue),
            "GET https://host/cgi-bin/ticket/get?access_token=n0&type=agent_config\n");
}

TEST(WeCom, PutsACodeIntoEveryAnswer) {
  expect_token(
      answered(kind(), 200, R"({"errcode":0,"errmsg":"ok","access_token":"T","expires_in":7200})"),
      "T", seconds(7200));
  expect_token(answered(kind("jsapi_ticket"), 200,
                        R"({"errcode":0,"errmsg":"ok","ticket":"K","expires_in":7200})"),
               "K", seconds(7200));
}

TEST(WeCom, TakesNoTokenWithoutALifetime) {
  for (const char* lifetime : {"0", "-1", "null", "\"soon\""}) {
    expect_lost(
        answered(kind(), 200,
                 R"({"errcode":0,"access_token":"T","expires_in":)" + std::string(lifetime) + "}"));
  }
  expect_lost(answered(kind(), 200, R"({"errcode":0,"access_token":"T"})"));
}

TEST(WeCom, GivesEachRefusalOfATokenARetryClass) {
  for (const char* slow :
       {"40013", "40091", "41002", "41004", "48002", "50003", "301002", "60020"}) {
    expect_refusal(refused(kind(), slow), RetryClass::slow, std::stoi(slow));
  }
  expect_refusal(refused(kind(), "45009"), RetryClass::next_minute, 45009);
  for (const char* soon : {"-1", "45033"}) {
    expect_refusal(refused(kind(), soon), RetryClass::backoff, std::stoi(soon));
  }
}

// SDKs fetch and retry without end when they see these from the token route.
TEST(WeCom, NeverPassesOnCodesOfADeadTokenFromItsTokenRoute) {
  expect_refusal(refused(kind(), "40001", "invalid credential"), RetryClass::slow, 40091,
                 "the secret is wrong");
  for (const char* code : {"40014", "42001"}) {
    expect_refusal(refused(kind(), code), RetryClass::backoff, -1);
  }
}

TEST(WeCom, RenewsTheAccessTokenFirstWhereATicketIsRefusedForIt) {
  for (const char* ticket : {"jsapi_ticket", "agent_ticket"}) {
    EXPECT_THAT(kind(ticket).needs, ElementsAre(Need{Need::Of::self, "access_token"}));
    for (const char* code : {"40001", "40014", "42001"}) {
      expect_refusal(refused(kind(ticket), code), RetryClass::needed_token, std::stoi(code));
      expect_refusal(answered(kind(ticket), 401, R"({"errcode":)" + std::string(code) + "}"),
                     RetryClass::needed_token, std::stoi(code));
    }
    expect_refusal(refused(kind(ticket), "45009"), RetryClass::next_minute, 45009);
    expect_refusal(refused(kind(ticket), "301002"), RetryClass::slow, 301002);
  }
}

TEST(WeCom, SaysWhichAddressToAddAndThatItIsThisNodes) {
  for (const char* name : {"access_token", "jsapi_ticket"}) {
    auto outcome = refused(kind(name), "60020",
                           "not allow to access from your ip, hint: [1], from ip: 203.0.113.7, "
                           "more info at https://open.work.weixin.qq.com/devtool/query?e=60020");
    ASSERT_FALSE(outcome.has_value());
    EXPECT_TRUE(outcome.error().this_node_only);
    EXPECT_THAT(outcome.error().error.message,
                HasSubstr("203.0.113.7 is not among the app's trusted addresses"));
    EXPECT_THAT(outcome.error().error.next_step, HasSubstr("add 203.0.113.7 to the trusted"));
  }
  EXPECT_FALSE(refused(kind(), "40091").error().this_node_only);
}

TEST(WeCom, TellsADeadTokenFromALivingOne) {
  EXPECT_EQ(request_of(kind().probe->call),
            "GET https://host/cgi-bin/get_api_domain_ip?access_token=t\n");
  const auto probe = [](const std::string& body) { return probed(kind(), 200, body); };
  for (const char* code : {"40001", "40014", "42001"}) {
    EXPECT_EQ(probe(R"({"errcode":)" + std::string(code) + R"(,"errmsg":"no","ip_list":[]})"),
              ProbeResult::dead)
        << code;
  }
  EXPECT_EQ(probe(R"({"ip_list":["203.0.113.1"],"errcode":0,"errmsg":"ok"})"), ProbeResult::alive);
  EXPECT_EQ(probe(R"({"errcode":48002})"), ProbeResult::alive);
  for (const char* code : {"-1", "41001", "45009", "60020"}) {
    EXPECT_EQ(probe(R"({"errcode":)" + std::string(code) + "}"), ProbeResult::unknown) << code;
  }
}

TEST(WeCom, RenewsEachKindInItsOwnWay) {
  EXPECT_EQ(kind().rule.shape, RenewalRule::Shape::windowed);
  EXPECT_EQ(kind().rule.overlap, seconds(300));
  EXPECT_EQ(kind().rule.longest_life, seconds(7200));
  EXPECT_EQ(request_of(*kind().trial), request_of(kind().issue)) << "asking ends no token";
  for (const char* ticket : {"jsapi_ticket", "agent_ticket"}) {
    EXPECT_EQ(kind(ticket).rule.shape, RenewalRule::Shape::sticky);
    EXPECT_EQ(kind(ticket).rule.longest_life, seconds(7200));
  }
}

TEST(WeCom, IsServedInItsPlace) {
  const DropInRoute& token = *kind().drop_in;
  EXPECT_THAT(token.methods, ElementsAre("GET", "POST"));
  EXPECT_EQ(token.path, "/cgi-bin/gettoken");
  EXPECT_EQ(token.id, "corpid");
  EXPECT_EQ(token.secret, "corpsecret");
  EXPECT_EQ(token.grant_type, "") << "there is no such parameter";
  EXPECT_EQ(drop_in_success(kind(), "T", "60"),
            R"({"errcode":0,"errmsg":"ok","access_token":"T","expires_in":60})");

  const DropInRoute& agent = *kind("agent_ticket").drop_in;
  EXPECT_EQ(agent.path, "/cgi-bin/ticket/get");
  EXPECT_EQ(agent.query.at("type"), "agent_config");
  EXPECT_EQ(agent.token.in, TokenPlace::In::query);
  EXPECT_EQ(agent.token.name, "access_token");
  EXPECT_EQ(kind("jsapi_ticket").drop_in->path, "/cgi-bin/get_jsapi_ticket");
  EXPECT_EQ(drop_in_success(kind("agent_ticket"), "K", "60"),
            R"({"errcode":0,"errmsg":"ok","ticket":"K","expires_in":60})");
}

TEST(WeCom, SaysNoInItsOwnCodesWithoutMakingAnybodyLoop) {
  const DropInFailures& failures = described("wecom").drop_in_failures;
  EXPECT_EQ(failures.wrong_secret, "40091");
  EXPECT_EQ(failures.unknown_app, "40013");
  EXPECT_EQ(failures.no_secret, "41004");
  EXPECT_EQ(failures.no_token, "41001");
  EXPECT_EQ(failures.dead_token, "40014");
  EXPECT_THAT(failures.never, ::testing::IsSupersetOf({"40001", "40014", "42001"}));
}

}  // namespace
}  // namespace hufu::platform::testing
