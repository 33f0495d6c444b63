#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "platform/catalog.hpp"
#include "platform/response_parser.hpp"

namespace hufu::platform {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Codes = std::vector<std::pair<const char*, RetryClass>>;

const PlatformDescription& wechat() {
  static const Catalog catalog;
  return *catalog.find("wechat");
}

const KindDescription& kind(std::string_view name, const std::string& endpoint = "stable") {
  return **find_kind(wechat(), name, {{"endpoint", endpoint}});
}

IssueFailure refusal(const KindDescription& kind, const std::string& code,
                     const std::string& words = "words") {
  net::HttpResponse response;
  response.status = 200;
  response.body = R"({"errcode":)" + code + R"(,"errmsg":")" + words + "\"}";
  IssueRequest asked;
  asked.app = "wx1";
  auto outcome = parse_issue_response(wechat().title, kind, response, asked);
  EXPECT_FALSE(outcome.has_value());
  return outcome ? IssueFailure{} : outcome.error();
}

void expect_retry_classes(const KindDescription& kind, const Codes& codes) {
  for (const auto& [code, retry_class] : codes) {
    auto failure = refusal(kind, code);
    EXPECT_EQ(failure.retry_class, retry_class) << code;
    EXPECT_EQ(failure.delivery, IssueFailure::Delivery::answered) << code;
    EXPECT_EQ(failure.error.fault, Fault::refused) << code;
    EXPECT_NE(failure.error.next_step, "") << code;
  }
}

TEST(WeChat, GivesEachErrorOfItsTokenEndpointsARetryClass) {
  Codes codes = {{"-1", RetryClass::backoff}, {"45011", RetryClass::next_minute}};
  for (const char* slow : {"40001", "40002", "40013", "40125", "40164", "40243", "41002", "41004",
                           "43002", "45009", "48001", "50002", "50004", "61004", "61024", "89501",
                           "89502", "89503", "89504", "89505", "89506", "89507"}) {
    codes.emplace_back(slow, RetryClass::slow);
  }
  expect_retry_classes(kind("access_token", "stable"), codes);
  expect_retry_classes(kind("access_token", "classic"), codes);
}

TEST(WeChat, RenewsTheAccessTokenFirstWhereATicketIsRefusedForIt) {
  for (const char* ticket : {"jsapi_ticket", "wx_card_ticket"}) {
    expect_retry_classes(kind(ticket), {{"40001", RetryClass::needed_token},
                                        {"40014", RetryClass::needed_token},
                                        {"42001", RetryClass::needed_token},
                                        {"-1", RetryClass::backoff},
                                        {"45011", RetryClass::next_minute},
                                        {"40097", RetryClass::slow},
                                        {"45009", RetryClass::slow},
                                        {"48001", RetryClass::slow},
                                        {"50002", RetryClass::slow},
                                        {"61004", RetryClass::slow}});
  }
}

TEST(WeChat, PassesCodesOnAsTheyAre) {
  for (const char* code : {"-1", "40013", "40125", "40164", "45009", "45011", "89503"}) {
    auto failure = refusal(kind("access_token", "classic"), code);
    EXPECT_EQ(failure.error.errcode, std::stoi(code));
    EXPECT_THAT(failure.error.message, HasSubstr("(" + std::string(code) + ")"));
    EXPECT_THAT(failure.error.message, HasSubstr("\"words\""));
  }
}

// SDKs fetch and retry without end when they see these, or words about a dead token.
TEST(WeChat, NeverPassesOnCodesOfADeadTokenFromItsTokenEndpoints) {
  const KindDescription& stable = kind("access_token");
  auto secret = refusal(stable, "40001", "access_token is invalid or not latest");
  EXPECT_EQ(secret.error.errcode, 40125);
  EXPECT_EQ(secret.error.message, "WeChat refused (40125): the app secret is wrong");
  for (const char* code : {"\"40001\"", "\"040001\""}) {
    EXPECT_EQ(refusal(stable, code).error.errcode, 40125) << code;
  }
  for (const char* code : {"40014", "42001"}) {
    auto out_of_place = refusal(stable, code, "access_token expired");
    EXPECT_EQ(out_of_place.error.errcode, -1);
    EXPECT_EQ(out_of_place.retry_class, RetryClass::backoff);
    EXPECT_THAT(out_of_place.error.message, Not(HasSubstr("expired")));
  }
}

TEST(WeChat, SaysWhichAddressToAddAndThatItIsThisNodes) {
  const KindDescription& classic = kind("access_token", "classic");
  auto named = refusal(classic, "40164", "invalid ip 203.0.113.7, not in whitelist");
  EXPECT_THAT(named.error.message, HasSubstr("203.0.113.7 is not in the app's IP list"));
  EXPECT_THAT(named.error.next_step, HasSubstr("add 203.0.113.7 to the IP list of wx1"));
  auto masked = refusal(kind("jsapi_ticket"), "61004", "requestIP: 120.46.*.*");
  EXPECT_THAT(masked.error.next_step,
              HasSubstr("add this machine's public address to the IP list of wx1"));
  for (const char* code :
       {"40164", "61004", "89501", "89502", "89503", "89504", "89505", "89506", "89507"}) {
    auto failure = refusal(classic, code, "ip 203.0.113.7 rid: 1");
    EXPECT_TRUE(failure.this_node_only) << code;
    const std::string& message = failure.error.message;
    EXPECT_THAT(message.substr(0, message.find(" (\"")), HasSubstr("203.0.113.7")) << code;
  }
  for (const char* code : {"-1", "40013", "40125", "45009", "48001", "50002"}) {
    EXPECT_FALSE(refusal(classic, code).this_node_only) << code;
  }
}

TEST(WeChat, ComesBackAfterAMinuteWhenTheMinuteIsUsedUp) {
  EXPECT_EQ(refusal(kind("access_token"), "45011").error.retry_after, std::chrono::minutes(1));
}

TEST(WeChat, RenewsEachKindInItsOwnWay) {
  const RenewalRule& stable = kind("access_token", "stable").rule;
  EXPECT_EQ(stable.shape, RenewalRule::Shape::windowed);
  EXPECT_EQ(stable.forced_a_day, 20);
  EXPECT_EQ(stable.forced_apart, seconds(30));
  EXPECT_EQ(kind("access_token", "classic").rule.shape, RenewalRule::Shape::rotating);
  for (const char* endpoint : {"stable", "classic"}) {
    EXPECT_EQ(kind("access_token", endpoint).rule.overlap, seconds(300));
    EXPECT_EQ(kind("access_token", endpoint).rule.longest_life, seconds(7200));
  }
  for (const char* ticket : {"jsapi_ticket", "wx_card_ticket"}) {
    EXPECT_EQ(kind(ticket).rule.shape, RenewalRule::Shape::sticky);
    EXPECT_EQ(kind(ticket).rule.longest_life, seconds(7200));
    EXPECT_THAT(kind(ticket).needs, ElementsAre(Need{Need::Of::self, "access_token"}));
    EXPECT_FALSE(kind(ticket).probe.has_value());
  }
}

}  // namespace
}  // namespace hufu::platform
