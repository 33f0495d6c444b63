#include "platform/response_parser.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "platform/wechat.hpp"

// The rules of judging, by way of WeChat's classic endpoint. What each of WeChat's codes means
// stands in wechat_test.cpp, other shapes of answers in other_platforms_test.cpp.

namespace hufu::platform {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using Delivery = IssueFailure::Delivery;

net::HttpOutcome answered(int status, std::string body) {
  net::HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

IssueOutcome judge(const net::HttpOutcome& outcome) {
  static const Description classic = wechat_classic();
  CallArguments asked;
  asked.app = "wx1";
  asked.secret = "canary-secret";
  return parse_issue_response(classic, outcome, asked);
}
IssueOutcome judge(int status, std::string body) {
  return judge(answered(status, std::move(body)));
}

IssueFailure failure_of(const IssueOutcome& outcome) {
  EXPECT_FALSE(outcome.has_value());
  return outcome ? IssueFailure{} : outcome.error();
}

TEST(ResponseParser, TakesTokenAndLifetime) {
  auto outcome = judge(200, R"({"access_token":"22_AfDy6E","expires_in":7200})");
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->value.reveal(), "22_AfDy6E");
  EXPECT_EQ(outcome->lifetime, seconds(7200));
}

TEST(ResponseParser, TakesWhateverElseTheAnswerHolds) {
  for (const char* body : {
           R"({"errcode":0,"errmsg":"ok","access_token":"T","expires_in":7200})",
           R"({"errcode":null,"access_token":"T","expires_in":7200})",
           R"({"errcode":"0","access_token":"T","expires_in":7200})",
           " \n{\"expires_in\":7200,\"new\":[{}],\"access_token\":\"T\"}\n",
       }) {
    EXPECT_TRUE(judge(200, body).has_value()) << body;
  }
}

TEST(ResponseParser, ReadsALifetimeAsANumberOrANumericStringAndCutsIt) {
  const std::vector<std::pair<const char*, int>> rows = {
      {"1", 1},
      {"345", 345},
      {"7200", 7200},
      {"7201", 7200},
      {"7200.0", 7200},
      {"7.2e3", 7200},
      {"1e18", 7200},
      {"1e300", 7200},
      {"1000000000000000000", 7200},
      {"9223372036854775807", 7200},
      {"18446744073709551615", 7200},
      {"99999999999999999999999999", 7200},
      {"\"300\"", 300},
      {"\"007200\"", 7200},
      {"\"99999999999999999999999999\"", 7200},
  };
  for (const auto& [lifetime, expected] : rows) {
    auto outcome = judge(200, R"({"access_token":"T","expires_in":)" + std::string(lifetime) + "}");
    ASSERT_TRUE(outcome.has_value()) << lifetime;
    EXPECT_EQ(outcome->lifetime, seconds(expected)) << lifetime;
  }
}

// It was carried out: the platform may have displaced the token before.
TEST(ResponseParser, CallsASuccessWithoutASaneLifetimeLost) {
  for (const char* lifetime :
       {"0",          "-1",        "-7200",     "-1e18",        "0.5",       "7200.5",
        "-0.0",       "null",      "true",      "[7200]",       "{}",        "\"\"",
        "\"0\"",      "\"-7200\"", "\"+7200\"", "\" 7200\"",    "\"7200 \"", "\"7200s\"",
        "\"7200.0\"", "\"1e3\"",   "\"0x10\"",  "\"two hours\""}) {
    auto failure = failure_of(judge(
        200, R"({"access_token":"canary-token","expires_in":)" + std::string(lifetime) + "}"));
    EXPECT_EQ(failure.delivery, Delivery::lost) << lifetime;
    EXPECT_EQ(failure.retry_class, RetryClass::backoff) << lifetime;
    EXPECT_EQ(failure.error.fault, Fault::unreachable) << lifetime;
    EXPECT_THAT(failure.error.message, HasSubstr("lifetime"));
    EXPECT_THAT(failure.error.message, Not(HasSubstr("canary")));
  }
  EXPECT_THAT(failure_of(judge(200, R"({"access_token":"T"})")).error.message,
              HasSubstr("a token without a lifetime"));
}

TEST(ResponseParser, TakesATokenOfUpTo4KiB) {
  std::string longest(4096, 'x');
  auto outcome = judge(200, R"({"expires_in":7200,"access_token":")" + longest + "\"}");
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->value.reveal(), longest);
}

TEST(ResponseParser, CallsASuccessWithoutASaneTokenLost) {
  for (const std::string& token :
       {std::string("\"\""), std::string("null"), std::string("7"), std::string("[\"T\"]"),
        std::string("{}"), std::string("true"), "\"" + std::string(4097, 'x') + "\"",
        std::string(R"("canary\n")"), std::string(R"("can\u0000ary")"),
        std::string(R"("canary\u007f")"), std::string(R"("canary\u001b[0m")")}) {
    auto failure = failure_of(judge(200, R"({"expires_in":7200,"access_token":)" + token + "}"));
    EXPECT_EQ(failure.delivery, Delivery::lost) << token;
    EXPECT_EQ(failure.retry_class, RetryClass::backoff) << token;
    EXPECT_THAT(failure.error.message, HasSubstr("token")) << token;
    EXPECT_THAT(failure.error.message, Not(HasSubstr("canary")));
  }
  EXPECT_EQ(failure_of(judge(200, R"({"expires_in":7200})")).delivery, Delivery::lost);
}

TEST(ResponseParser, CallsWhatIsNotAJsonObjectLost) {
  for (const char* body : {
           "",
           " \n",
           "<html><body>502 Bad Gateway</body></html>",
           "OK",
           "null",
           "7200",
           "\"T\"",
           R"([{"access_token":"T","expires_in":7200}])",
           R"({"access_token":"T","expires_in":7200)",     // Cut short.
           R"({"access_token":"T","expires_in":7200}{})",  // Two of them.
           R"({"access_token":"T","expires_in":7200} x)",  // And something.
           R"({'access_token':'T','expires_in':7200})",    // JavaScript.
           R"(callback({"access_token":"T","expires_in":7200}))",
           "{\"access_token\":\"\xff\xfe\",\"expires_in\":7200}",
       }) {
    auto failure = failure_of(judge(200, body));
    EXPECT_EQ(failure.delivery, Delivery::lost) << body;
    EXPECT_EQ(failure.retry_class, RetryClass::backoff) << body;
    EXPECT_EQ(failure.error.fault, Fault::unreachable) << body;
    EXPECT_FALSE(failure.error.errcode.has_value()) << body;
  }
  std::string deep(10'000, '[');
  EXPECT_EQ(failure_of(judge(200, deep)).delivery, Delivery::lost);
  EXPECT_THAT(failure_of(judge(200, "")).error.message, HasSubstr("an empty body"));
  EXPECT_THAT(failure_of(judge(200, " <html>")).error.message, HasSubstr("HTML"));
}

TEST(ResponseParser, CallsAServerErrorLostWhateverItSays) {
  for (int status : {500, 502, 503, 504, 599, 408, 101, 0}) {
    for (const char* body : {"", "<html>", R"({"errcode":40013,"errmsg":"invalid appid"})",
                             R"({"access_token":"T","expires_in":7200})"}) {
      auto failure = failure_of(judge(status, body));
      EXPECT_EQ(failure.delivery, Delivery::lost) << status << body;
      EXPECT_EQ(failure.retry_class, RetryClass::backoff) << status << body;
      EXPECT_EQ(failure.error.fault, Fault::unreachable) << status << body;
      EXPECT_THAT(failure.error.message, HasSubstr("HTTP " + std::to_string(status)));
    }
  }
}

TEST(ResponseParser, CallsARedirectAnAnswerAndPointsAtTheBaseUrl) {
  for (int status : {301, 302, 303, 307, 308, 304}) {
    auto failure = failure_of(judge(status, R"({"access_token":"T","expires_in":7200})"));
    EXPECT_EQ(failure.delivery, Delivery::answered) << status;
    EXPECT_EQ(failure.retry_class, RetryClass::backoff) << status;
    EXPECT_EQ(failure.error.fault, Fault::refused) << status;
    EXPECT_THAT(failure.error.message, HasSubstr("redirected"));
    EXPECT_THAT(failure.error.next_step, HasSubstr("base_url"));
  }
}

TEST(ResponseParser, CallsAClientErrorAnAnswerEvenWithoutACode) {
  for (int status : {400, 401, 403, 404, 405, 410}) {
    for (const char* body : {"", "404 page not found", "{}", "[]", R"({"errcode":0})",
                             R"({"access_token":"T","expires_in":7200})"}) {
      auto failure = failure_of(judge(status, body));
      EXPECT_EQ(failure.delivery, Delivery::answered) << status << body;
      EXPECT_EQ(failure.retry_class, RetryClass::backoff) << status << body;
      EXPECT_EQ(failure.error.fault, Fault::refused) << status << body;
      EXPECT_FALSE(failure.error.errcode.has_value()) << status << body;
      EXPECT_THAT(failure.error.next_step, HasSubstr("base_url"));
    }
  }
}

TEST(ResponseParser, BelievesTheCodeOfAClientError) {
  auto failure = failure_of(judge(400, R"({"errcode":40013,"errmsg":"invalid appid"})"));
  EXPECT_EQ(failure.delivery, Delivery::answered);
  EXPECT_EQ(failure.retry_class, RetryClass::slow);
  EXPECT_EQ(failure.error.errcode, 40013);
}

TEST(ResponseParser, WaitsAMinuteWhenThereWereTooManyRequests) {
  net::HttpResponse response;
  response.status = 429;
  response.retry_after = "120";
  auto failure = failure_of(judge(response));
  EXPECT_EQ(failure.delivery, Delivery::answered);
  EXPECT_EQ(failure.retry_class, RetryClass::next_minute);
  EXPECT_EQ(failure.error.retry_after, seconds(120));
}

TEST(ResponseParser, NamesCodeMeaningWordsAndFixOfARefusal) {
  auto failure = failure_of(
      judge(200, R"({"errcode":40164,"errmsg":"invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, )"
                 R"(not in whitelist rid: 64feb911-1-2"})"));
  EXPECT_EQ(failure.error.fault, Fault::refused);
  EXPECT_EQ(failure.error.errcode, 40164);
  EXPECT_EQ(failure.error.message,
            "WeChat refused (40164): this machine's address is not in the app's IP list "
            "(\"invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist "
            "rid: 64feb911-1-2\")");
  EXPECT_THAT(failure.error.next_step, HasSubstr("add 203.0.113.7 to the IP list of wx1"));
}

TEST(ResponseParser, BelievesTheCodeRatherThanTheToken) {
  auto failure = failure_of(judge(200, R"({"errcode":-1,"access_token":"T","expires_in":7200})"));
  EXPECT_EQ(failure.delivery, Delivery::answered);
  EXPECT_EQ(failure.error.errcode, -1);
}

TEST(ResponseParser, BacksOffFromCodesItDoesNotKnow) {
  auto failure = failure_of(judge(200, R"({"errcode":12345,"errmsg":"something new"})"));
  EXPECT_EQ(failure.delivery, Delivery::answered);
  EXPECT_EQ(failure.retry_class, RetryClass::backoff);
  EXPECT_EQ(failure.error.fault, Fault::refused);
  EXPECT_EQ(failure.error.errcode, 12345);
  EXPECT_THAT(failure.error.message, HasSubstr("something new"));

  auto huge = failure_of(judge(200, R"({"errcode":1000000000000})"));
  EXPECT_EQ(huge.delivery, Delivery::answered);
  EXPECT_FALSE(huge.error.errcode.has_value());
}

TEST(ResponseParser, CallsACodeThatCannotBeOneLost) {
  for (const char* code : {"{}", "[0]", "true", "0.5"}) {
    auto failure = failure_of(judge(
        200, R"({"access_token":"T","expires_in":7200,"errcode":)" + std::string(code) + "}"));
    EXPECT_EQ(failure.delivery, Delivery::lost) << code;
  }
}

TEST(ResponseParser, WithholdsWordsThatRepeatASecret) {
  for (const char* body : {
           R"({"errcode":40125,"errmsg":"invalid appsecret canary-secret"})",
           R"({"errcode":40125,"errmsg":"GET /cgi-bin/token?appid=wx1&secret=canary%2Dsecret"})",
           R"({"errcode":40125,"errmsg":"secret starts with CANARY-S"})",
           R"({"errcode":"canary-secret"})",
           R"({"errcode":99,"errmsg":"canary-token","access_token":"canary-token"})",
       }) {
    auto failure = failure_of(judge(200, body));
    EXPECT_THAT(failure.error.message, Not(HasSubstr("canary"))) << body;
    EXPECT_THAT(failure.error.message, Not(HasSubstr("CANARY"))) << body;
    EXPECT_THAT(failure.error.next_step, Not(HasSubstr("canary"))) << body;
    EXPECT_EQ(failure.delivery, Delivery::answered) << body;
  }
}

TEST(ResponseParser, LetsNoControlCharacterOutOfTheWords) {
  auto failure = failure_of(judge(200, R"({"errcode":40013,"errmsg":"a\r\n\u001b[31mb\u0000)" +
                                           std::string(9999, 'x') + "\"}"));
  EXPECT_THAT(failure.error.message, HasSubstr("\"a [31mb xxx"));
  EXPECT_LT(failure.error.message.size(), 400U);
}

TEST(ResponseParser, TellsNotSentFromLost) {
  net::HttpFailure refused{net::HttpFailure::Reach::not_sent, "Could not resolve host: host"};
  auto not_sent = failure_of(judge(tl::unexpected(refused)));
  EXPECT_EQ(not_sent.delivery, Delivery::not_sent);
  EXPECT_EQ(not_sent.error.fault, Fault::unreachable);
  EXPECT_EQ(not_sent.error.message, "WeChat cannot be reached: Could not resolve host: host");

  net::HttpFailure broken{net::HttpFailure::Reach::lost, "the answer was cut short"};
  auto lost = failure_of(judge(tl::unexpected(broken)));
  EXPECT_EQ(lost.delivery, Delivery::lost);
  EXPECT_EQ(lost.retry_class, RetryClass::backoff);
  EXPECT_EQ(lost.error.message, "WeChat gave no answer: the answer was cut short");
}

ProbeResult probed(int status, std::string body) {
  static const Description classic = wechat_classic();
  return parse_probe_response(classic, answered(status, std::move(body)));
}

TEST(JudgeProbe, FindsATokenDead) {
  for (const char* code : {"40001", "40014", "42001"}) {
    EXPECT_EQ(
        probed(200, R"({"errmsg":"access_token expired","errcode":)" + std::string(code) + "}"),
        ProbeResult::dead);
  }
  EXPECT_EQ(probed(200, R"({"errcode":40001,"ip_list":[]})"), ProbeResult::dead);
}

TEST(JudgeProbe, FindsATokenAlive) {
  EXPECT_EQ(probed(200, R"({"ip_list":["127.0.0.1"]})"), ProbeResult::alive);
  EXPECT_EQ(probed(200, R"({"ip_list":[],"errcode":0})"), ProbeResult::alive);
  EXPECT_EQ(probed(200, R"({"errcode":0,"errmsg":"ok"})"), ProbeResult::alive);
}

TEST(JudgeProbe, DoesNotGuess) {
  for (const char* body :
       {"", "{}", "[]", "<html>", R"({"ip_list":)", R"({"errcode":-1})", R"({"errcode":41001})",
        R"({"errcode":45009})", R"({"errcode":48001})", R"({"errcode":{}})"}) {
    EXPECT_EQ(probed(200, body), ProbeResult::unknown) << body;
  }
  for (int status : {302, 404, 500, 502}) {
    EXPECT_EQ(probed(status, R"({"ip_list":[]})"), ProbeResult::unknown) << status;
  }
  EXPECT_EQ(probed(502, R"({"errcode":40001})"), ProbeResult::unknown);
  static const Description classic = wechat_classic();
  EXPECT_EQ(parse_probe_response(classic, tl::unexpected(net::HttpFailure{})),
            ProbeResult::unknown);
}

}  // namespace
}  // namespace hufu::platform
