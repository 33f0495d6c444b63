#include "platform/description_testing.hpp"

namespace hufu::platform::testing {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

const KindDescription& kind(std::string_view name = {}) {
  return kind_of("dingtalk_classic", name);
}

std::string refusal(const std::string& code) {
  return R"({"errcode":)" + code + R"(,"errmsg":"words"})";
}
/// One that is about authorization.
std::string refusal_88(const std::string& sub_code) {
  return R"({"errcode":88,"sub_code":")" + sub_code + R"(","sub_msg":"words","errmsg":"words"})";
}

TEST(DingTalkClassic, AsksInTheQuery) {
  EXPECT_EQ(request_of(kind().issue), "GET https://host/gettoken?appkey=id&appsecret=s\n");
  expect_token(
      answered(kind(), 200, R"({"errcode":0,"access_token":"T","errmsg":"ok","expires_in":7200})"),
      "T", seconds(7200));
  EXPECT_EQ(request_of(kind("jsapi_ticket").issue),
            "GET https://host/get_jsapi_ticket?access_token=n0\n");
  expect_token(answered(kind("jsapi_ticket"), 200,
                        R"({"errcode":0,"errmsg":"ok","ticket":"K","expires_in":7200})"),
               "K", seconds(7200));
}

TEST(DingTalkClassic, TakesTwoHoursWhereTheAnswerNamesNone) {
  for (const char* rest : {"", R"(,"expires_in":null)", R"(,"expires_in":0)"}) {
    expect_token(
        answered(kind(), 200, R"({"errcode":0,"access_token":"T")" + std::string(rest) + "}"), "T",
        seconds(7200));
  }
  expect_token(answered(kind(), 200, R"({"errcode":0,"access_token":"T","expires_in":"60"})"), "T",
               seconds(60));
}

TEST(DingTalkClassic, GivesEachRefusalOfATokenARetryClass) {
  for (const char* slow : {"40035", "40089", "40096", "60011", "60020"}) {
    expect_refusal(answered(kind(), 200, refusal(slow)), RetryClass::slow, std::stoi(slow));
    expect_refusal(answered(kind(), 200, refusal_88(slow)), RetryClass::slow, std::stoi(slow));
  }
  for (const char* soon : {"-1", "90002", "90018"}) {
    expect_refusal(answered(kind(), 200, refusal(soon)), RetryClass::backoff, std::stoi(soon));
  }
  expect_refusal(answered(kind(), 200, refusal("88")), RetryClass::slow, 88);
  EXPECT_TRUE(answered(kind(), 200, refusal("60020")).error().this_node_only);
}

TEST(DingTalkClassic, NeverPassesOnCodesOfADeadTokenFromItsTokenRoute) {
  expect_refusal(answered(kind(), 200, refusal("40001")), RetryClass::slow, 40096);
  for (const char* code : {"40014", "42001"}) {
    expect_refusal(answered(kind(), 200, refusal(code)), RetryClass::backoff, -1);
    expect_refusal(answered(kind(), 200, refusal_88(code)), RetryClass::backoff, -1);
  }
}

TEST(DingTalkClassic, RenewsTheAccessTokenFirstWhereATicketIsRefusedForIt) {
  EXPECT_THAT(kind("jsapi_ticket").needs, ElementsAre(Need{Need::Of::self, "access_token"}));
  for (const char* code : {"40001", "40014", "42001"}) {
    for (const std::string& body : {refusal(code), refusal_88(code)}) {
      expect_refusal(answered(kind("jsapi_ticket"), 200, body), RetryClass::needed_token,
                     std::stoi(code));
    }
  }
  expect_refusal(answered(kind("jsapi_ticket"), 200, refusal_88("60011")), RetryClass::slow, 60011);
}

TEST(DingTalkClassic, TellsADeadTokenFromALivingOne) {
  EXPECT_EQ(request_of(kind().probe->call), "GET https://host/auth/scopes?access_token=t\n");
  for (const char* code : {"40001", "40014", "42001"}) {
    EXPECT_EQ(probed(kind(), 200, refusal(code)), ProbeResult::dead) << code;
    EXPECT_EQ(probed(kind(), 200, refusal_88(code)), ProbeResult::dead) << code;
  }
  EXPECT_EQ(probed(kind(), 200, R"({"errcode":0,"errmsg":"ok","auth_org_scopes":{}})"),
            ProbeResult::alive);
  EXPECT_EQ(probed(kind(), 200, refusal_88("60011")), ProbeResult::alive);
  for (const std::string& body : {refusal("88"), refusal("-1"), refusal_88("90018")}) {
    EXPECT_EQ(probed(kind(), 200, body), ProbeResult::unknown) << body;
  }
}

TEST(DingTalkClassic, RenewsEachKindInItsOwnWay) {
  EXPECT_EQ(kind().rule.shape, RenewalRule::Shape::windowed);
  EXPECT_EQ(kind().rule.overlap, seconds(300));
  EXPECT_EQ(kind().rule.longest_life, seconds(7200));
  EXPECT_TRUE(kind().trial.has_value()) << "asking ends no token";
  EXPECT_EQ(kind("jsapi_ticket").rule.shape, RenewalRule::Shape::sticky);
}

TEST(DingTalkClassic, IsServedInItsPlace) {
  const DropInRoute& route = *kind().drop_in;
  EXPECT_THAT(route.methods, ElementsAre("GET", "POST"));
  EXPECT_EQ(route.path, "/gettoken");
  EXPECT_EQ(route.id, "appkey");
  EXPECT_EQ(route.secret, "appsecret");
  EXPECT_EQ(drop_in_success(kind(), "T", "60"),
            R"({"errcode":0,"access_token":"T","errmsg":"ok","expires_in":60})");
  EXPECT_EQ(kind("jsapi_ticket").drop_in->path, "/get_jsapi_ticket");
  EXPECT_EQ(drop_in_success(kind("jsapi_ticket"), "K", "60"),
            R"({"errcode":0,"errmsg":"ok","ticket":"K","expires_in":60})");
  const DropInFailures& failures = described("dingtalk_classic").drop_in_failures;
  EXPECT_EQ(failures.wrong_secret, "40096");
  EXPECT_EQ(failures.no_secret, "40035");
  EXPECT_EQ(failures.dead_token, "40014");
  EXPECT_THAT(failures.never, ::testing::IsSupersetOf({"88", "40001", "40014", "42001"}));
}

}  // namespace
}  // namespace hufu::platform::testing
