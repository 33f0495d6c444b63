#include "platform/description_testing.hpp"

namespace hufu::platform::testing {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

const KindDescription& kind(std::string_view name = {}) { return kind_of("dingtalk", name); }

std::string refusal(const std::string& code) {
  return R"({"requestid":"1","code":")" + code + R"(","message":"words"})";
}

TEST(DingTalk, AsksForATokenInCamelCase) {
  EXPECT_EQ(request_of(kind().issue),
            "POST https://host/v1.0/oauth2/accessToken\n"
            "Content-Type: application/json\n\n"
            R"({"appKey":"id","appSecret":"s"})");
  expect_token(answered(kind(), 200, R"({"accessToken":"T","expireIn":7200})"), "T", seconds(7200));
}

TEST(DingTalk, SendsTheTokenForATicketInAHeader) {
  EXPECT_THAT(kind("jsapi_ticket").needs, ElementsAre(Need{Need::Of::self, "access_token"}));
  EXPECT_EQ(request_of(kind("jsapi_ticket").issue),
            "POST https://host/v1.0/oauth2/jsapiTickets\n"
            "x-acs-dingtalk-access-token: n0\n"
            "Content-Type: application/json\n");
  expect_token(answered(kind("jsapi_ticket"), 200, R"({"jsapiTicket":"K","expireIn":7200})"), "K",
               seconds(7200));
}

// Taken for no lifetime at all, every caller would fetch a token of its own.
TEST(DingTalk, TakesTwoHoursWhereTheAnswerNamesNone) {
  for (const char* rest : {"", R"(,"expireIn":null)", R"(,"expireIn":0)", R"(,"expireIn":-1)"}) {
    expect_token(answered(kind(), 200, R"({"accessToken":"T")" + std::string(rest) + "}"), "T",
                 seconds(7200));
    expect_token(
        answered(kind("jsapi_ticket"), 200, R"({"jsapiTicket":"K")" + std::string(rest) + "}"), "K",
        seconds(7200));
  }
  expect_token(answered(kind(), 200, R"({"accessToken":"T","expireIn":"7200"})"), "T",
               seconds(7200));
  expect_lost(answered(kind(), 200, R"({"accessToken":"T","expireIn":"soon"})"));
}

TEST(DingTalk, RefusesWithHttp400AndAWord) {
  expect_refusal(answered(kind(), 400, refusal("invalidClientIdOrSecret")), RetryClass::slow,
                 std::nullopt,
                 "refused (invalidClientIdOrSecret): the app id or its secret is wrong");
  for (const char* slow : {"MissingappKey", "MissingappSecret"}) {
    expect_refusal(answered(kind(), 400, refusal(slow)), RetryClass::slow, std::nullopt);
  }
  for (const char* name : {"access_token", "jsapi_ticket"}) {
    for (const char* slow : {"Forbidden.AccessDenied.AccessTokenPermissionDenied",
                             "Forbidden.AccessDenied.IpNotInWhiteList"}) {
      expect_refusal(answered(kind(name), 403, refusal(slow)), RetryClass::slow, std::nullopt);
    }
    for (const char* soon : {"Forbidden.AccessDenied.QpsLimitForApi",
                             "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", "Unheard.Of"}) {
      expect_refusal(answered(kind(name), 403, refusal(soon)), RetryClass::backoff, std::nullopt);
    }
    expect_refusal(
        answered(kind(name), 403, refusal("Forbidden.AccessDenied.QpmLimitForAppkeyAndApi")),
        RetryClass::next_minute, std::nullopt);
  }
  EXPECT_TRUE(answered(kind(), 403, refusal("Forbidden.AccessDenied.IpNotInWhiteList"))
                  .error()
                  .this_node_only);
}

TEST(DingTalk, RenewsTheAccessTokenFirstWhereATicketIsRefusedForIt) {
  for (const int status : {400, 401}) {
    expect_refusal(answered(kind("jsapi_ticket"), status, refusal("InvalidAuthentication")),
                   RetryClass::needed_token, std::nullopt);
  }
}

TEST(DingTalk, TellsADeadTokenFromALivingOne) {
  EXPECT_EQ(request_of(kind().probe->call),
            "GET https://host/v1.0/contact/organizations/authInfos\n"
            "x-acs-dingtalk-access-token: t\n");
  for (const int status : {400, 401}) {
    EXPECT_EQ(probed(kind(), status, refusal("InvalidAuthentication")), ProbeResult::dead);
    EXPECT_EQ(probed(kind(), status, refusal("InvalidParameter")), ProbeResult::unknown);
  }
  EXPECT_EQ(probed(kind(), 200, R"({"orgName":"Example","authLevel":1})"), ProbeResult::alive);
  EXPECT_EQ(probed(kind(), 403, refusal("Forbidden.AccessDenied.AccessTokenPermissionDenied")),
            ProbeResult::alive);
  EXPECT_EQ(probed(kind(), 403, refusal("Forbidden.AccessDenied.QpsLimitForApi")),
            ProbeResult::unknown);
  EXPECT_EQ(probed(kind(), 503, refusal("ServiceUnavailable")), ProbeResult::unknown);
}

TEST(DingTalk, RenewsEachKindInItsOwnWay) {
  EXPECT_EQ(kind().rule.shape, RenewalRule::Shape::windowed);
  EXPECT_EQ(kind().rule.overlap, seconds(300));
  EXPECT_EQ(kind().rule.longest_life, seconds(7200));
  EXPECT_TRUE(kind().trial.has_value()) << "asking ends no token";
  EXPECT_EQ(kind().place.in, TokenPlace::In::header);
  EXPECT_EQ(kind().place.name, "x-acs-dingtalk-access-token");
  EXPECT_EQ(kind("jsapi_ticket").rule.shape, RenewalRule::Shape::sticky);
}

TEST(DingTalk, IsServedInItsPlace) {
  const DropInRoute& route = *kind().drop_in;
  EXPECT_THAT(route.methods, ElementsAre("POST"));
  EXPECT_EQ(route.path, "/v1.0/oauth2/accessToken");
  EXPECT_EQ(route.parameters, DropInRoute::Parameters::json);
  EXPECT_EQ(route.id, "appKey");
  EXPECT_EQ(route.secret, "appSecret");
  EXPECT_EQ(drop_in_success(kind(), "T", "60"), R"({"accessToken":"T","expireIn":60})");
  const DropInRoute& ticket = *kind("jsapi_ticket").drop_in;
  EXPECT_EQ(ticket.token.in, TokenPlace::In::header);
  EXPECT_EQ(ticket.token.name, "x-acs-dingtalk-access-token");
  EXPECT_EQ(drop_in_success(kind("jsapi_ticket"), "K", "60"),
            R"({"jsapiTicket":"K","expireIn":60})");
}

TEST(DingTalk, SaysNoAsThePlatformDoes) {
  const DropInFailures& failures = described("dingtalk").drop_in_failures;
  EXPECT_EQ(failures.body, R"({"requestid":"{rid}","code":"{code}","message":"{message}"})");
  EXPECT_EQ(failures.status, 400);
  EXPECT_EQ(failures.wrong_secret, "invalidClientIdOrSecret");
  EXPECT_EQ(failures.dead_token, "InvalidAuthentication");
  EXPECT_THAT(failures.never, ElementsAre("InvalidAuthentication"));
}

}  // namespace
}  // namespace hufu::platform::testing
