#include "platform/wechat.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "platform/response_parser.hpp"

namespace hufu::platform {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

IssueFailure refusal(const Description& description, const std::string& code,
                     const std::string& words = "words") {
  net::HttpResponse response;
  response.status = 200;
  response.body = R"({"errcode":)" + code + R"(,"errmsg":")" + words + "\"}";
  CallArguments asked;
  asked.app = "wx1";
  auto outcome = parse_issue_response(description, response, asked);
  EXPECT_FALSE(outcome.has_value());
  return outcome ? IssueFailure{} : outcome.error();
}

TEST(WeChat, SendsEveryCodeToItsLane) {
  std::vector<std::pair<const char*, RetryClass>> rows = {{"-1", RetryClass::backoff},
                                                          {"45011", RetryClass::next_minute}};
  for (const char* slow : {"40001", "40002", "40013", "40125", "40164", "40243", "41002", "41004",
                           "43002", "45009", "48001", "50002", "50004", "61004", "61024", "89501",
                           "89502", "89503", "89504", "89505", "89506", "89507"}) {
    rows.emplace_back(slow, RetryClass::slow);
  }
  for (const Description& description : {wechat_classic(), wechat_stable()}) {
    for (const auto& [code, retry_class] : rows) {
      auto failure = refusal(description, code);
      EXPECT_EQ(failure.retry_class, retry_class) << code;
      EXPECT_EQ(failure.delivery, IssueFailure::Delivery::answered) << code;
      EXPECT_EQ(failure.error.fault, Fault::refused) << code;
      EXPECT_NE(failure.error.next_step, "") << code;
    }
  }
}

TEST(WeChat, PassesCodesOnAsTheyAre) {
  for (const char* code : {"-1", "40013", "40125", "40164", "45009", "45011", "89503"}) {
    auto failure = refusal(wechat_classic(), code);
    EXPECT_EQ(failure.error.errcode, std::stoi(code));
    EXPECT_THAT(failure.error.message, HasSubstr("(" + std::string(code) + ")"));
    EXPECT_THAT(failure.error.message, HasSubstr("\"words\""));
  }
}

// SDKs fetch and retry without end when they see these, or words about a dead token.
TEST(WeChat, NeverPassesOnCodesOfADeadToken) {
  auto secret = refusal(wechat_stable(), "40001", "access_token is invalid or not latest");
  EXPECT_EQ(secret.error.errcode, 40125);
  EXPECT_EQ(secret.error.message, "WeChat refused (40125): the app secret is wrong");
  for (const char* code : {"\"40001\"", "\"040001\""}) {
    EXPECT_EQ(refusal(wechat_stable(), code).error.errcode, 40125) << code;
  }
  for (const char* code : {"40014", "42001"}) {
    auto strange = refusal(wechat_stable(), code, "access_token expired");
    EXPECT_EQ(strange.error.errcode, -1);
    EXPECT_EQ(strange.retry_class, RetryClass::backoff);
    EXPECT_THAT(strange.error.message, Not(HasSubstr("expired")));
  }
}

TEST(WeChat, SaysWhichAddressToAdd) {
  EXPECT_THAT(refusal(wechat_classic(), "40164", "invalid ip 203.0.113.7, not in whitelist")
                  .error.next_step,
              HasSubstr("add 203.0.113.7 to the IP list of wx1"));
  EXPECT_THAT(refusal(wechat_classic(), "61004", "requestIP: 120.46.*.*").error.next_step,
              HasSubstr("add this machine's public address to the IP list of wx1"));
}

TEST(WeChat, ComesBackAfterAMinuteWhenTheMinuteIsUsedUp) {
  EXPECT_EQ(refusal(wechat_stable(), "45011").error.retry_after, std::chrono::minutes(1));
}

}  // namespace
}  // namespace hufu::platform
