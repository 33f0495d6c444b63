#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "platform/request_builder.hpp"
#include "platform/response_parser.hpp"

// The vocabulary of description.hpp is rich enough for platforms that Hufu does not ship an issuer
// for: each is described here, asked, and understood.

namespace hufu::platform {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using Delivery = IssueFailure::Delivery;

IssueRequest asked() {
  IssueRequest asked;
  asked.app = "id";
  asked.credentials.emplace(kSecret, Secret(std::string_view("s")));
  return asked;
}

net::HttpRequest request_of(const KindDescription& kind, const IssueRequest& request = asked()) {
  return build_request(kind.issue, "https://host", request);
}

IssueOutcome parse(const KindDescription& kind, int status, std::string body) {
  net::HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return parse_issue_response("The platform", kind, response, {});
}

void expect_token(const IssueOutcome& outcome, std::string_view token, seconds lifetime) {
  ASSERT_TRUE(outcome.has_value()) << outcome.error().error.message;
  EXPECT_EQ(outcome->value.reveal(), token);
  EXPECT_EQ(outcome->lifetime, lifetime);
}

void expect_refusal(const IssueOutcome& outcome, RetryClass retry_class, std::optional<int> code,
                    std::string_view words) {
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().delivery, Delivery::answered);
  EXPECT_EQ(outcome.error().retry_class, retry_class);
  EXPECT_EQ(outcome.error().error.errcode, code);
  EXPECT_THAT(outcome.error().error.message, ::testing::HasSubstr(words));
}

KindDescription two_hours() {
  KindDescription kind;
  kind.rule.longest_life = hours(2);
  return kind;
}

TEST(OtherPlatforms, FeishuNamesThingsItsOwnWay) {
  KindDescription feishu = two_hours();
  feishu.rule.shape = RenewalRule::Shape::windowed;
  feishu.issue = {.method = "POST",
                  .path = "/open-apis/auth/v3/tenant_access_token/internal",
                  .body = {{"app_id", app()}, {"app_secret", secret()}}};
  feishu.answer = {
      .token = "tenant_access_token", .lifetime = "expire", .code = "code", .text = "msg"};
  feishu.errors = {
      {"10003",
       {.retry_class = RetryClass::slow, .words = "bad parameters", .fix = "check the app"}}};

  EXPECT_EQ(request_of(feishu).body.reveal(), R"({"app_id":"id","app_secret":"s"})");
  expect_token(
      parse(feishu, 200, R"({"code":0,"msg":"ok","tenant_access_token":"t-1","expire":1800})"),
      "t-1", seconds(1800));
  expect_refusal(parse(feishu, 200, R"({"code":10003,"data":{},"msg":"invalid param"})"),
                 RetryClass::slow, 10003, "invalid param");
  EXPECT_EQ(parse(feishu, 404, "404 page not found").error().delivery, Delivery::answered);
}

TEST(OtherPlatforms, DingTalkRefusesWithHttp400AndAWord) {
  KindDescription dingtalk = two_hours();
  dingtalk.issue = {.method = "POST",
                    .path = "/v1.0/oauth2/accessToken",
                    .body = {{"appKey", app()}, {"appSecret", secret()}}};
  dingtalk.answer = {
      .token = "accessToken", .lifetime = "expireIn", .code = "code", .text = "message"};
  dingtalk.errors = {
      {"invalidClientIdOrSecret",
       {.retry_class = RetryClass::slow, .words = "wrong id or secret", .fix = "check both"}}};

  expect_token(parse(dingtalk, 200, R"({"accessToken":"T","expireIn":7200})"), "T", seconds(7200));
  expect_refusal(
      parse(dingtalk, 400, R"({"requestid":"1","code":"invalidClientIdOrSecret","message":"no"})"),
      RetryClass::slow, std::nullopt, "refused (invalidClientIdOrSecret): wrong id or secret");
}

TEST(OtherPlatforms, DouyinNestsItsToken) {
  KindDescription douyin = two_hours();
  douyin.answer = {.token = "data.access_token",
                   .lifetime = "data.expires_in",
                   .code = "err_no",
                   .text = "err_tips"};
  expect_token(
      parse(douyin, 200,
            R"({"err_no":0,"err_tips":"success","data":{"access_token":"T","expires_in":60}})"),
      "T", seconds(60));
  expect_refusal(parse(douyin, 200, R"({"err_no":40017,"err_tips":"bad secret","data":{}})"),
                 RetryClass::backoff, 40017, "bad secret");
  for (const char* body :
       {R"({"err_no":0})", R"({"err_no":0,"data":[]})", R"({"err_no":0,"data":"access_token"})",
        R"({"err_no":0,"data.access_token":"T","data.expires_in":1})"}) {
    EXPECT_EQ(parse(douyin, 200, body).error().delivery, Delivery::lost) << body;
  }

  KindDescription open = two_hours();
  open.answer = {.token = "data.access_token",
                 .lifetime = "data.expires_in",
                 .code = "data.error_code",
                 .text = "data.description"};
  expect_refusal(parse(open, 200, R"({"data":{"error_code":10003,"description":"no"}})"),
                 RetryClass::backoff, 10003, "no");
}

TEST(OtherPlatforms, QqGivesItsLifetimeAsAString) {
  KindDescription qq = two_hours();
  expect_token(parse(qq, 200, R"({"access_token":"T","expires_in":"7200"})"), "T", seconds(7200));
}

TEST(OtherPlatforms, WeComPutsACodeIntoEveryAnswerAndItsAddressIntoTheWords) {
  KindDescription wecom = two_hours();
  wecom.rule.shape = RenewalRule::Shape::sticky;
  wecom.issue = {.path = "/cgi-bin/gettoken",
                 .query = {{"corpid", app()}, {"corpsecret", secret()}}};
  wecom.errors = {
      {"60020",
       {.retry_class = RetryClass::slow, .words = "address not trusted", .fix = "add {ip}"}}};

  EXPECT_EQ(request_of(wecom).url.reveal(), "https://host/cgi-bin/gettoken?corpid=id&corpsecret=s");
  expect_token(
      parse(wecom, 200, R"({"errcode":0,"errmsg":"ok","access_token":"T","expires_in":7200})"), "T",
      seconds(7200));
  auto refused = parse(
      wecom, 200,
      R"({"errcode":60020,"errmsg":"not allow to access from your ip, hint: [1], from ip: 1.2.3.4, more"})");
  expect_refusal(refused, RetryClass::slow, 60020, "address not trusted");
  EXPECT_EQ(refused.error().error.next_step, "add 1.2.3.4");
}

TEST(OtherPlatforms, KuaishouWantsAFormAndSucceedsWithOne) {
  KindDescription kuaishou = two_hours();
  kuaishou.rule.longest_life = hours(48);
  kuaishou.issue = {.method = "POST",
                    .path = "/oauth2/access_token",
                    .body = {{"app_id", app()},
                             {"app_secret", secret()},
                             {"grant_type", text("client_credentials")}},
                    .encoding = Call::Encoding::form};
  kuaishou.answer = {
      .code = "result", .success = "1", .success_may_be_silent = false, .text = "error_msg"};
  EXPECT_EQ(request_of(kuaishou).body.reveal(),
            "app_id=id&app_secret=s&grant_type=client_credentials");
  expect_token(parse(kuaishou, 200, R"({"result":1,"access_token":"T","expires_in":172800})"), "T",
               hours(48));
  expect_refusal(parse(kuaishou, 200, R"({"result":0,"error_msg":"no"})"), RetryClass::backoff, 0,
                 "no");
  EXPECT_EQ(parse(kuaishou, 200, R"({"access_token":"T","expires_in":1})").error().delivery,
            Delivery::lost);
}

TEST(OtherPlatforms, ATicketIsFetchedWithTheTokenItNeeds) {
  KindDescription ticket = two_hours();
  ticket.needs = {{Need::Of::self, "access_token"}};
  ticket.issue = {.path = "/cgi-bin/ticket/getticket",
                  .query = {{"access_token", needed(0)}, {"type", text("jsapi")}}};
  ticket.answer.token = "ticket";
  ticket.errors = {{"40001",
                    {.retry_class = RetryClass::needed_token,
                     .words = "the access token is dead",
                     .fix = "nothing to do"}}};

  IssueRequest request = asked();
  request.needed.emplace_back(std::string_view("parent"));
  EXPECT_EQ(request_of(ticket, request).url.reveal(),
            "https://host/cgi-bin/ticket/getticket?access_token=parent&type=jsapi");
  expect_token(parse(ticket, 200, R"({"errcode":0,"errmsg":"ok","ticket":"K","expires_in":7200})"),
               "K", seconds(7200));
  expect_refusal(parse(ticket, 200, R"({"errcode":40001,"errmsg":"invalid credential"})"),
                 RetryClass::needed_token, 40001, "the access token is dead");
}

TEST(OtherPlatforms, AnAuthorizedAccountRenewsItsPermissionWithItsToken) {
  KindDescription authorizer = two_hours();
  authorizer.needs = {{Need::Of::parent, "component_access_token"}};
  authorizer.issue = {.method = "POST",
                      .path = "/cgi-bin/component/api_authorizer_token",
                      .query = {{"component_access_token", needed(0)}},
                      .body = {{"component_appid", parent()},
                               {"authorizer_appid", app()},
                               {"authorizer_refresh_token", refresh_token()}}};
  authorizer.answer = {.token = "authorizer_access_token",
                       .refresh_token = "authorizer_refresh_token"};

  IssueRequest request = asked();
  request.parent = "component";
  request.needed.emplace_back(std::string_view("c"));
  request.refresh_token = Secret(std::string_view("r1"));
  EXPECT_EQ(request_of(authorizer, request).url.reveal(),
            "https://host/cgi-bin/component/api_authorizer_token?component_access_token=c");
  EXPECT_EQ(request_of(authorizer, request).body.reveal(),
            R"({"component_appid":"component","authorizer_appid":"id",)"
            R"("authorizer_refresh_token":"r1"})");
  auto outcome = parse(authorizer, 200,
                       R"({"authorizer_access_token":"T","expires_in":7200,)"
                       R"("authorizer_refresh_token":"r2"})");
  expect_token(outcome, "T", seconds(7200));
  EXPECT_EQ(outcome->refresh_token.reveal(), "r2");
}

}  // namespace
}  // namespace hufu::platform
