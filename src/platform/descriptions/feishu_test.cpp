#include <array>

#include "platform/description_testing.hpp"

// What holds for Lark, too, is said of Feishu alone; lark_test.cpp sees to it that they are alike.

namespace hufu::platform::testing {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;

/// That the call carried a token which is not accepted. Which of them it is depends on the
/// interface that was called and on what the token looks like.
constexpr std::array kDead = {"99991663", "99991664", "99991668", "99991671", "99991677"};

const KindDescription& kind(std::string_view name = {}) { return kind_of("feishu", name); }

IssueOutcome refused(const KindDescription& kind, const std::string& code, int status = 200) {
  return answered(kind, status, R"({"code":)" + code + R"(,"data":{},"msg":"words"})");
}

TEST(Feishu, NamesThingsItsOwnWay) {
  EXPECT_THAT(kind_names(described("feishu")),
              ElementsAre("tenant_access_token", "app_access_token", "jsapi_ticket"));
  for (const std::string name : {"tenant_access_token", "app_access_token"}) {
    EXPECT_EQ(request_of(kind(name).issue), "POST https://host/open-apis/auth/v3/" + name +
                                                "/internal\n"
                                                "Content-Type: application/json\n\n"
                                                R"({"app_id":"id","app_secret":"s"})");
    expect_token(
        answered(kind(name), 200, R"({"code":0,"msg":"ok",")" + name + R"(":"t-1","expire":1800})"),
        "t-1", seconds(1800));
  }
}

// The answer to a call for one of the tokens holds the other, too.
TEST(Feishu, TakesTheTokenThatWasAskedFor) {
  const std::string both =
      R"({"app_access_token":"a-1","code":0,"expire":7140,"msg":"ok","tenant_access_token":"t-1"})";
  expect_token(answered(kind("app_access_token"), 200, both), "a-1", seconds(7140));
  expect_token(answered(kind("tenant_access_token"), 200, both), "t-1", seconds(7140));
}

TEST(Feishu, AsksForATicketWithItsTenantToken) {
  EXPECT_THAT(kind("jsapi_ticket").needs, ElementsAre(Need{Need::Of::self, "tenant_access_token"}));
  EXPECT_EQ(request_of(kind("jsapi_ticket").issue),
            "POST https://host/open-apis/jssdk/ticket/get\n"
            "Authorization: Bearer n0\n"
            "Content-Type: application/json; charset=utf-8\n");
  expect_token(answered(kind("jsapi_ticket"), 200,
                        R"({"code":0,"msg":"ok","data":{"expire_in":7200,"ticket":"K"}})"),
               "K", seconds(7200));
}

TEST(Feishu, TakesNoTokenWithoutALifetime) {
  for (const char* rest : {"", R"(,"expire":0)", R"(,"expire":-1)", R"(,"expire":null)"}) {
    expect_lost(answered(kind(), 200,
                         R"({"code":0,"tenant_access_token":"t-1")" + std::string(rest) + "}"));
  }
  expect_token(answered(kind(), 200, R"({"code":0,"tenant_access_token":"t-1","expire":"7200"})"),
               "t-1", seconds(7200));
}

TEST(Feishu, GivesEachRefusalOfATokenARetryClass) {
  for (const char* slow : {"10003", "10005", "10014", "10015", "99991401", "99991543", "99991662",
                           "99991672", "99991673"}) {
    expect_refusal(refused(kind(), slow), RetryClass::slow, std::stoi(slow));
    expect_refusal(refused(kind("app_access_token"), slow), RetryClass::slow, std::stoi(slow));
  }
  for (const int status : {200, 400, 429}) {
    expect_refusal(refused(kind(), "99991400", status), RetryClass::next_minute, 99991400);
  }
  expect_refusal(refused(kind(), "1500"), RetryClass::backoff, 1500);
  EXPECT_EQ(answered(kind(), 404, "404 page not found").error().delivery,
            IssueFailure::Delivery::answered);
}

TEST(Feishu, SaysThatAnAddressIsThisNodes) {
  const auto outcome =
      answered(kind(), 400, R"({"code":99991401,"msg":"ip 203.0.113.7 is denied by app setting"})");
  EXPECT_TRUE(outcome.error().this_node_only);
  EXPECT_THAT(outcome.error().error.next_step, ::testing::HasSubstr("add 203.0.113.7 to"));
}

TEST(Feishu, NeverPassesOnCodesOfADeadTokenFromItsTokenRoutes) {
  for (const char* code : kDead) {
    expect_refusal(refused(kind(), code), RetryClass::backoff, 1500);
  }
}

TEST(Feishu, RenewsItsTokenFirstWhereATicketIsRefusedForIt) {
  for (const int status : {200, 400, 401}) {
    for (const char* code : kDead) {
      expect_refusal(refused(kind("jsapi_ticket"), code, status), RetryClass::needed_token,
                     std::stoi(code));
    }
    // A token that did not arrive is not dead.
    expect_refusal(refused(kind("jsapi_ticket"), "99991661", status), RetryClass::slow, 99991661);
    expect_refusal(refused(kind("jsapi_ticket"), "99991400", status), RetryClass::next_minute,
                   99991400);
  }
}

TEST(Feishu, TellsADeadTokenFromALivingOne) {
  EXPECT_EQ(request_of(kind().probe->call),
            "GET https://host/open-apis/bot/v3/info\nAuthorization: Bearer t\n");
  for (const int status : {200, 400, 401}) {
    for (const char* code : kDead) {
      EXPECT_EQ(probed(kind(), status, R"({"code":)" + std::string(code) + R"(,"msg":"no"})"),
                ProbeResult::dead)
          << status << ' ' << code;
    }
    for (const char* code : {"99991661", "99991400", "99991401", "1500"}) {
      EXPECT_EQ(probed(kind(), status, R"({"code":)" + std::string(code) + R"(,"msg":"no"})"),
                ProbeResult::unknown)
          << status << ' ' << code;
    }
  }
  EXPECT_EQ(probed(kind(), 200, R"({"bot":{"open_id":"ou_1"},"code":0,"msg":"ok"})"),
            ProbeResult::alive);
  EXPECT_EQ(probed(kind(), 200, R"({"code":11205,"msg":"app do not have bot"})"),
            ProbeResult::alive);
  EXPECT_FALSE(kind("app_access_token").probe.has_value());
}

TEST(Feishu, RenewsEachKindInItsOwnWay) {
  for (const char* name : {"tenant_access_token", "app_access_token"}) {
    EXPECT_EQ(kind(name).rule.shape, RenewalRule::Shape::windowed);
    EXPECT_EQ(kind(name).rule.overlap, minutes(30));
    EXPECT_EQ(kind(name).rule.longest_life, seconds(7200));
    EXPECT_TRUE(kind(name).trial.has_value()) << "asking ends no token";
    EXPECT_EQ(kind(name).place.name, "Authorization");
    EXPECT_EQ(kind(name).place.scheme, "Bearer");
  }
  EXPECT_EQ(kind("jsapi_ticket").rule.shape, RenewalRule::Shape::sticky);
}

TEST(Feishu, IsServedInItsPlace) {
  for (const std::string name : {"tenant_access_token", "app_access_token"}) {
    const DropInRoute& route = *kind(name).drop_in;
    EXPECT_THAT(route.methods, ElementsAre("POST"));
    EXPECT_EQ(route.path, "/open-apis/auth/v3/" + name + "/internal");
    EXPECT_EQ(route.parameters, DropInRoute::Parameters::json);
    EXPECT_EQ(route.id, "app_id");
    EXPECT_EQ(route.secret, "app_secret");
    EXPECT_EQ(drop_in_success(kind(name), "t-1", "60"),
              R"({"code":0,"msg":"ok",")" + name + R"(":"t-1","expire":60})");
  }
  const DropInRoute& ticket = *kind("jsapi_ticket").drop_in;
  EXPECT_EQ(ticket.token.in, TokenPlace::In::header);
  EXPECT_EQ(ticket.token.name, "Authorization");
  EXPECT_EQ(ticket.token.scheme, "Bearer");
  EXPECT_EQ(drop_in_success(kind("jsapi_ticket"), "K", "60"),
            R"({"code":0,"msg":"ok","data":{"expire_in":60,"ticket":"K"}})");
}

TEST(Feishu, SaysNoInItsOwnCodesWithoutMakingAnybodyLoop) {
  const DropInFailures& failures = described("feishu").drop_in_failures;
  EXPECT_EQ(failures.no_secret, "10003");
  EXPECT_EQ(failures.wrong_secret, "10014");
  EXPECT_EQ(failures.no_token, "99991661");
  EXPECT_EQ(failures.dead_token, "99991663");
  for (const char* code : kDead) EXPECT_THAT(failures.never, ::testing::Contains(code));
}

}  // namespace
}  // namespace hufu::platform::testing
