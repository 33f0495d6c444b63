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

net::HttpRequest request_of(const Description& description,
                            std::vector<std::string_view> needed = {}) {
  CallArguments arguments;
  arguments.app = "id";
  arguments.secret = "s";
  arguments.needed = std::move(needed);
  return build_request(description.issue, "https://host", arguments, seconds(8));
}

IssueOutcome judge(const Description& description, int status, std::string body) {
  net::HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return parse_issue_response(description, response, {});
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

Description two_hours(std::string title) {
  Description description;
  description.title = std::move(title);
  description.rule.longest_life = hours(2);
  return description;
}

TEST(OtherPlatforms, FeishuNamesThingsItsOwnWay) {
  Description feishu = two_hours("Feishu");
  feishu.rule.shape = RenewalRule::Shape::windowed;
  feishu.issue = {.method = "POST",
                  .path = "/open-apis/auth/v3/tenant_access_token/internal",
                  .body = {{"app_id", app()}, {"app_secret", secret()}}};
  feishu.answer = {
      .token = "tenant_access_token", .lifetime = "expire", .code = "code", .text = "msg"};
  feishu.codes = {{"10003", {RetryClass::slow, "bad parameters", "check the app"}}};

  EXPECT_EQ(request_of(feishu).body.reveal(), R"({"app_id":"id","app_secret":"s"})");
  expect_token(
      judge(feishu, 200, R"({"code":0,"msg":"ok","tenant_access_token":"t-1","expire":1800})"),
      "t-1", seconds(1800));
  expect_refusal(judge(feishu, 200, R"({"code":10003,"data":{},"msg":"invalid param"})"),
                 RetryClass::slow, 10003, "invalid param");
  EXPECT_EQ(judge(feishu, 404, "404 page not found").error().delivery, Delivery::answered);
}

TEST(OtherPlatforms, DingTalkRefusesWithHttp400AndAWord) {
  Description dingtalk = two_hours("DingTalk");
  dingtalk.issue = {.method = "POST",
                    .path = "/v1.0/oauth2/accessToken",
                    .body = {{"appKey", app()}, {"appSecret", secret()}}};
  dingtalk.answer = {
      .token = "accessToken", .lifetime = "expireIn", .code = "code", .text = "message"};
  dingtalk.codes = {
      {"invalidClientIdOrSecret", {RetryClass::slow, "wrong id or secret", "check both"}}};

  expect_token(judge(dingtalk, 200, R"({"accessToken":"T","expireIn":7200})"), "T", seconds(7200));
  expect_refusal(
      judge(dingtalk, 400, R"({"requestid":"1","code":"invalidClientIdOrSecret","message":"no"})"),
      RetryClass::slow, std::nullopt,
      "DingTalk refused (invalidClientIdOrSecret): wrong id or secret");
}

TEST(OtherPlatforms, DouyinNestsItsToken) {
  Description douyin = two_hours("Douyin");
  douyin.answer = {.token = "data.access_token",
                   .lifetime = "data.expires_in",
                   .code = "err_no",
                   .text = "err_tips"};
  expect_token(
      judge(douyin, 200,
            R"({"err_no":0,"err_tips":"success","data":{"access_token":"T","expires_in":60}})"),
      "T", seconds(60));
  expect_refusal(judge(douyin, 200, R"({"err_no":40017,"err_tips":"bad secret","data":{}})"),
                 RetryClass::backoff, 40017, "bad secret");
  for (const char* body :
       {R"({"err_no":0})", R"({"err_no":0,"data":[]})", R"({"err_no":0,"data":"access_token"})",
        R"({"err_no":0,"data.access_token":"T","data.expires_in":1})"}) {
    EXPECT_EQ(judge(douyin, 200, body).error().delivery, Delivery::lost) << body;
  }

  Description open = two_hours("Douyin Open");
  open.answer = {.token = "data.access_token",
                 .lifetime = "data.expires_in",
                 .code = "data.error_code",
                 .text = "data.description"};
  expect_refusal(judge(open, 200, R"({"data":{"error_code":10003,"description":"no"}})"),
                 RetryClass::backoff, 10003, "no");
}

TEST(OtherPlatforms, QqGivesItsLifetimeAsAString) {
  Description qq = two_hours("QQ");
  expect_token(judge(qq, 200, R"({"access_token":"T","expires_in":"7200"})"), "T", seconds(7200));
}

TEST(OtherPlatforms, WeComPutsACodeIntoEveryAnswerAndItsAddressIntoTheWords) {
  Description wecom = two_hours("WeCom");
  wecom.rule.shape = RenewalRule::Shape::sticky;
  wecom.issue = {.path = "/cgi-bin/gettoken",
                 .query = {{"corpid", app()}, {"corpsecret", secret()}}};
  wecom.codes = {{"60020", {RetryClass::slow, "address not trusted", "add {ip}"}}};

  EXPECT_EQ(request_of(wecom).url.reveal(), "https://host/cgi-bin/gettoken?corpid=id&corpsecret=s");
  expect_token(
      judge(wecom, 200, R"({"errcode":0,"errmsg":"ok","access_token":"T","expires_in":7200})"), "T",
      seconds(7200));
  auto refused = judge(
      wecom, 200,
      R"({"errcode":60020,"errmsg":"not allow to access from your ip, hint: [1], from ip: 1.2.3.4, more"})");
  expect_refusal(refused, RetryClass::slow, 60020, "address not trusted");
  EXPECT_EQ(refused.error().error.next_step, "add 1.2.3.4");
}

TEST(OtherPlatforms, KuaishouWantsAFormAndSucceedsWithOne) {
  Description kuaishou = two_hours("Kuaishou");
  kuaishou.rule.longest_life = hours(48);
  kuaishou.issue = {.method = "POST",
                    .path = "/oauth2/access_token",
                    .body = {{"app_id", app()},
                             {"app_secret", secret()},
                             {"grant_type", constant("client_credentials")}},
                    .encoding = Call::Encoding::form};
  kuaishou.answer = {
      .code = "result", .success = "1", .success_may_be_silent = false, .text = "error_msg"};
  EXPECT_EQ(request_of(kuaishou).body.reveal(),
            "app_id=id&app_secret=s&grant_type=client_credentials");
  expect_token(judge(kuaishou, 200, R"({"result":1,"access_token":"T","expires_in":172800})"), "T",
               hours(48));
  expect_refusal(judge(kuaishou, 200, R"({"result":0,"error_msg":"no"})"), RetryClass::backoff, 0,
                 "no");
  EXPECT_EQ(judge(kuaishou, 200, R"({"access_token":"T","expires_in":1})").error().delivery,
            Delivery::lost);
}

TEST(OtherPlatforms, ATicketIsFetchedWithTheTokenItNeeds) {
  Description ticket = two_hours("WeChat");
  ticket.needs = {{Need::Of::self, "access_token"}};
  ticket.issue = {.path = "/cgi-bin/ticket/getticket",
                  .query = {{"access_token", needed(0)}, {"type", constant("jsapi")}}};
  ticket.answer.token = "ticket";
  ticket.codes = {
      {"40001", {RetryClass::needed_token, "the access token is dead", "nothing to do"}}};

  EXPECT_EQ(request_of(ticket, {"parent"}).url.reveal(),
            "https://host/cgi-bin/ticket/getticket?access_token=parent&type=jsapi");
  expect_token(judge(ticket, 200, R"({"errcode":0,"errmsg":"ok","ticket":"K","expires_in":7200})"),
               "K", seconds(7200));
  expect_refusal(judge(ticket, 200, R"({"errcode":40001,"errmsg":"invalid credential"})"),
                 RetryClass::needed_token, 40001, "the access token is dead");
}

}  // namespace
}  // namespace hufu::platform
