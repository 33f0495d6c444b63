#include "platform/response_parser.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "platform/catalog.hpp"

// How answers are understood, by way of WeChat's classic endpoint. What each of WeChat's codes
// means stands in descriptions/wechat_test.cpp, other shapes of answers in
// other_platforms_test.cpp.

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

const KindDescription& classic() {
  static const Catalog catalog;
  return **find_kind(*catalog.find("wechat"), kAccessToken, {{"endpoint", "classic"}});
}

IssueOutcome parse(const net::HttpOutcome& outcome, const KindDescription& kind = classic()) {
  IssueRequest asked;
  asked.app = "wx1";
  asked.credentials.emplace(kSecret, Secret(std::string_view("canary-secret")));
  return parse_issue_response("WeChat", kind, outcome, asked);
}
IssueOutcome parse(int status, std::string body, const KindDescription& kind = classic()) {
  return parse(answered(status, std::move(body)), kind);
}

IssueFailure failure_of(const IssueOutcome& outcome) {
  EXPECT_FALSE(outcome.has_value());
  return outcome ? IssueFailure{} : outcome.error();
}

ProbeResult probed(int status, std::string body, const KindDescription& kind = classic()) {
  return parse_probe_response(kind, answered(status, std::move(body)));
}

TEST(ResponseParser, TakesTokenAndLifetime) {
  auto outcome = parse(200, R"({"access_token":"22_AfDy6E","expires_in":7200})");
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
    EXPECT_TRUE(parse(200, body).has_value()) << body;
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
    auto outcome = parse(200, R"({"access_token":"T","expires_in":)" + std::string(lifetime) + "}");
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
    auto failure = failure_of(parse(
        200, R"({"access_token":"canary-token","expires_in":)" + std::string(lifetime) + "}"));
    EXPECT_EQ(failure.delivery, Delivery::lost) << lifetime;
    EXPECT_EQ(failure.retry_class, RetryClass::backoff) << lifetime;
    EXPECT_EQ(failure.error.fault, Fault::unreachable) << lifetime;
    EXPECT_THAT(failure.error.message, HasSubstr("lifetime"));
    EXPECT_THAT(failure.error.message, Not(HasSubstr("canary")));
  }
  EXPECT_THAT(failure_of(parse(200, R"({"access_token":"T"})")).error.message,
              HasSubstr("a token without a lifetime"));
}

TEST(ResponseParser, TakesATokenOfUpTo4KiB) {
  std::string longest(4096, 'x');
  auto outcome = parse(200, R"({"expires_in":7200,"access_token":")" + longest + "\"}");
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->value.reveal(), longest);
}

TEST(ResponseParser, CallsASuccessWithoutASaneTokenLost) {
  for (const std::string& token :
       {std::string("\"\""), std::string("null"), std::string("7"), std::string("[\"T\"]"),
        std::string("{}"), std::string("true"), "\"" + std::string(4097, 'x') + "\"",
        std::string(R"("canary\n")"), std::string(R"("can\u0000ary")"),
        std::string(R"("canary\u007f")"), std::string(R"("canary\u001b[0m")"),
        std::string(R"("   ")"), std::string(R"(" canary")"), std::string(R"("canary ")"),
        std::string(R"("can ary")"), std::string(R"("can\tary")"), std::string(R"("canäry")"),
        std::string(R"("can\u00a0ary")"), std::string(R"("can\u3000ary")")}) {
    auto failure = failure_of(parse(200, R"({"expires_in":7200,"access_token":)" + token + "}"));
    EXPECT_EQ(failure.delivery, Delivery::lost) << token;
    EXPECT_EQ(failure.retry_class, RetryClass::backoff) << token;
    EXPECT_THAT(failure.error.message, HasSubstr("token")) << token;
    EXPECT_THAT(failure.error.message, Not(HasSubstr("canary")));
  }
  EXPECT_EQ(failure_of(parse(200, R"({"expires_in":7200})")).delivery, Delivery::lost);
}

TEST(ResponseParser, TakesTheDefaultLifetimeWhereTheAnswerNamesNone) {
  KindDescription kind = classic();
  kind.answer.default_lifetime = seconds(3600);
  for (const char* body :
       {R"({"access_token":"T"})", R"({"access_token":"T","expires_in":null})",
        R"({"access_token":"T","expires_in":0})", R"({"access_token":"T","expires_in":"0"})",
        R"({"access_token":"T","expires_in":-1})", R"({"access_token":"T","expires_in":-1e300})"}) {
    auto outcome = parse(200, body, kind);
    ASSERT_TRUE(outcome.has_value()) << body;
    EXPECT_EQ(outcome->lifetime, seconds(3600));
  }
  EXPECT_EQ(parse(200, R"({"access_token":"T","expires_in":60})", kind).value().lifetime,
            seconds(60));
  EXPECT_FALSE(parse(200, R"({"access_token":"T","expires_in":"soon"})", kind).has_value());
  kind.rule.longest_life = seconds(1800);
  EXPECT_EQ(parse(200, R"({"access_token":"T"})", kind).value().lifetime, seconds(1800));
}

TEST(ResponseParser, TakesTheRefreshTokenWhereOneComes) {
  KindDescription kind = classic();
  kind.answer.refresh_token = "refresh_token";
  const std::string token = R"({"access_token":"T","expires_in":60)";
  EXPECT_EQ(parse(200, token + R"(,"refresh_token":"R"})", kind).value().refresh_token.reveal(),
            "R");
  EXPECT_TRUE(parse(200, token + "}", kind).value().refresh_token.empty());
  EXPECT_TRUE(parse(200, token + R"(,"refresh_token":"R"})").value().refresh_token.empty());
}

TEST(ResponseParser, BelievesAnErrorCodeUnderAnyStatusWhereThePlatformSendsItSo) {
  KindDescription kind = classic();
  kind.answer.errors_come_with_any_status = true;
  auto failure = failure_of(parse(503, R"({"errcode":40125})", kind));
  EXPECT_EQ(failure.error.fault, Fault::refused);
  EXPECT_EQ(failure.error.errcode, 40125);
  EXPECT_EQ(failure.retry_class, RetryClass::slow);
  EXPECT_EQ(failure.delivery, Delivery::lost) << "it may have been carried out even so";
  EXPECT_EQ(failure_of(parse(503, "{}", kind)).error.fault, Fault::unreachable);
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
    auto failure = failure_of(parse(200, body));
    EXPECT_EQ(failure.delivery, Delivery::lost) << body;
    EXPECT_EQ(failure.retry_class, RetryClass::backoff) << body;
    EXPECT_EQ(failure.error.fault, Fault::unreachable) << body;
    EXPECT_FALSE(failure.error.errcode.has_value()) << body;
  }
  std::string deep(10'000, '[');
  EXPECT_EQ(failure_of(parse(200, deep)).delivery, Delivery::lost);
  EXPECT_THAT(failure_of(parse(200, "")).error.message, HasSubstr("an empty body"));
  EXPECT_THAT(failure_of(parse(200, " <html>")).error.message, HasSubstr("HTML"));
}

TEST(ResponseParser, CallsAServerErrorLostWhateverItSays) {
  for (int status : {500, 502, 503, 504, 599, 408, 101, 0}) {
    for (const char* body : {"", "<html>", R"({"errcode":40013,"errmsg":"invalid appid"})",
                             R"({"access_token":"T","expires_in":7200})"}) {
      auto failure = failure_of(parse(status, body));
      EXPECT_EQ(failure.delivery, Delivery::lost) << status << body;
      EXPECT_EQ(failure.retry_class, RetryClass::backoff) << status << body;
      EXPECT_EQ(failure.error.fault, Fault::unreachable) << status << body;
      EXPECT_THAT(failure.error.message, HasSubstr("HTTP " + std::to_string(status)));
    }
  }
}

TEST(ResponseParser, CallsARedirectAnAnswerAndPointsAtTheBaseUrl) {
  for (int status : {301, 302, 303, 307, 308, 304}) {
    auto failure = failure_of(parse(status, R"({"access_token":"T","expires_in":7200})"));
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
      auto failure = failure_of(parse(status, body));
      EXPECT_EQ(failure.delivery, Delivery::answered) << status << body;
      EXPECT_EQ(failure.retry_class, RetryClass::backoff) << status << body;
      EXPECT_EQ(failure.error.fault, Fault::refused) << status << body;
      EXPECT_FALSE(failure.error.errcode.has_value()) << status << body;
      EXPECT_THAT(failure.error.next_step, HasSubstr("base_url"));
    }
  }
}

TEST(ResponseParser, BelievesTheCodeOfAClientError) {
  auto failure = failure_of(parse(400, R"({"errcode":40013,"errmsg":"invalid appid"})"));
  EXPECT_EQ(failure.delivery, Delivery::answered);
  EXPECT_EQ(failure.retry_class, RetryClass::slow);
  EXPECT_EQ(failure.error.errcode, 40013);
}

TEST(ResponseParser, WaitsAMinuteWhenThereWereTooManyRequests) {
  net::HttpResponse response;
  response.status = 429;
  response.retry_after = "120";
  auto failure = failure_of(parse(response));
  EXPECT_EQ(failure.delivery, Delivery::answered);
  EXPECT_EQ(failure.retry_class, RetryClass::next_minute);
  EXPECT_EQ(failure.error.retry_after, seconds(120));
}

TEST(ResponseParser, NamesCodeMeaningWordsAndFixOfARefusal) {
  auto failure = failure_of(
      parse(200, R"({"errcode":40164,"errmsg":"invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, )"
                 R"(not in whitelist rid: 64feb911-1-2"})"));
  EXPECT_EQ(failure.error.fault, Fault::refused);
  EXPECT_EQ(failure.error.errcode, 40164);
  EXPECT_EQ(failure.error.message,
            "WeChat refused (40164): 203.0.113.7 is not in the app's IP list "
            "(\"invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist "
            "rid: 64feb911-1-2\")");
  EXPECT_THAT(failure.error.next_step, HasSubstr("add 203.0.113.7 to the IP list of wx1"));
  EXPECT_TRUE(failure.this_node_only);
}

TEST(ResponseParser, BelievesTheCodeRatherThanTheToken) {
  auto failure = failure_of(parse(200, R"({"errcode":-1,"access_token":"T","expires_in":7200})"));
  EXPECT_EQ(failure.delivery, Delivery::answered);
  EXPECT_EQ(failure.error.errcode, -1);
}

TEST(ResponseParser, BacksOffFromCodesItDoesNotKnow) {
  auto failure = failure_of(parse(200, R"({"errcode":12345,"errmsg":"something new"})"));
  EXPECT_EQ(failure.delivery, Delivery::answered);
  EXPECT_EQ(failure.retry_class, RetryClass::backoff);
  EXPECT_EQ(failure.error.fault, Fault::refused);
  EXPECT_EQ(failure.error.errcode, 12345);
  EXPECT_THAT(failure.error.message, HasSubstr("something new"));

  auto huge = failure_of(parse(200, R"({"errcode":1000000000000})"));
  EXPECT_EQ(huge.delivery, Delivery::answered);
  EXPECT_FALSE(huge.error.errcode.has_value());
}

TEST(ResponseParser, BelievesTheExacterOfTwoCodes) {
  KindDescription kind = classic();
  kind.answer.exact_code = "sub_code";
  const auto code_of = [&](const std::string& body) {
    return failure_of(parse(200, body, kind)).error.errcode;
  };
  EXPECT_EQ(code_of(R"({"errcode":88,"sub_code":"40013"})"), 40013);
  EXPECT_EQ(code_of(R"({"errcode":88,"sub_code":""})"), 88);
  EXPECT_EQ(code_of(R"({"errcode":88,"sub_code":{}})"), 88);
  EXPECT_EQ(code_of(R"({"errcode":88})"), 88);
  EXPECT_EQ(failure_of(parse(200, R"({"errcode":88,"sub_code":"40013"})", kind)).retry_class,
            RetryClass::slow);
  EXPECT_TRUE(
      parse(200, R"({"errcode":0,"sub_code":"1","access_token":"T","expires_in":60})", kind))
      << "a success has no error code to be more exact about";
  EXPECT_EQ(probed(200, R"({"errcode":88,"sub_code":"40014"})", kind), ProbeResult::dead);
}

TEST(ResponseParser, CallsACodeThatCannotBeOneLost) {
  for (const char* code : {"{}", "[0]", "true", "0.5"}) {
    auto failure = failure_of(parse(
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
    auto failure = failure_of(parse(200, body));
    EXPECT_THAT(failure.error.message, Not(HasSubstr("canary"))) << body;
    EXPECT_THAT(failure.error.message, Not(HasSubstr("CANARY"))) << body;
    EXPECT_THAT(failure.error.next_step, Not(HasSubstr("canary"))) << body;
    EXPECT_EQ(failure.delivery, Delivery::answered) << body;
  }
}

TEST(ResponseParser, LetsNoControlCharacterOutOfTheWords) {
  auto failure = failure_of(parse(200, R"({"errcode":40013,"errmsg":"a\r\n\u001b[31mb\u0000)" +
                                           std::string(9999, 'x') + "\"}"));
  EXPECT_THAT(failure.error.message, HasSubstr("\"a [31mb xxx"));
  EXPECT_LT(failure.error.message.size(), 400U);
}

TEST(ResponseParser, TellsNotSentFromLost) {
  net::HttpFailure refused{net::HttpFailure::Reach::not_sent, "Could not resolve host: host"};
  auto not_sent = failure_of(parse(tl::unexpected(refused)));
  EXPECT_EQ(not_sent.delivery, Delivery::not_sent);
  EXPECT_EQ(not_sent.error.fault, Fault::unreachable);
  EXPECT_EQ(not_sent.error.message, "WeChat cannot be reached: Could not resolve host: host");

  net::HttpFailure broken{net::HttpFailure::Reach::lost, "the answer was cut short"};
  auto lost = failure_of(parse(tl::unexpected(broken)));
  EXPECT_EQ(lost.delivery, Delivery::lost);
  EXPECT_EQ(lost.retry_class, RetryClass::backoff);
  EXPECT_EQ(lost.error.message, "WeChat gave no answer: the answer was cut short");

  refused.next_step = "check the clock";
  EXPECT_EQ(failure_of(parse(tl::unexpected(refused))).error.next_step, "check the clock");
}

TEST(ProbeResponse, FindsATokenDead) {
  for (const char* code : {"40001", "40014", "42001"}) {
    EXPECT_EQ(
        probed(200, R"({"errmsg":"access_token expired","errcode":)" + std::string(code) + "}"),
        ProbeResult::dead);
  }
  EXPECT_EQ(probed(200, R"({"errcode":40001,"ip_list":[]})"), ProbeResult::dead);
}

TEST(ProbeResponse, FindsATokenAlive) {
  EXPECT_EQ(probed(200, R"({"ip_list":["127.0.0.1"]})"), ProbeResult::alive);
  EXPECT_EQ(probed(200, R"({"ip_list":[],"errcode":0})"), ProbeResult::alive);
  EXPECT_EQ(probed(200, R"({"errcode":0,"errmsg":"ok"})"), ProbeResult::alive);
}

TEST(ProbeResponse, DoesNotGuess) {
  for (const char* body :
       {"", "{}", "[]", "<html>", R"({"ip_list":)", R"({"errcode":-1})", R"({"errcode":41001})",
        R"({"errcode":45009})", R"({"errcode":48001})", R"({"errcode":{}})"}) {
    EXPECT_EQ(probed(200, body), ProbeResult::unknown) << body;
  }
  for (int status : {302, 404, 500, 502}) {
    EXPECT_EQ(probed(status, R"({"ip_list":[]})"), ProbeResult::unknown) << status;
  }
  EXPECT_EQ(probed(502, R"({"errcode":40001})"), ProbeResult::unknown);
  EXPECT_EQ(parse_probe_response(classic(), tl::unexpected(net::HttpFailure{})),
            ProbeResult::unknown);
}

TEST(ProbeResponse, OfIntrospectionIsItsMemberActiveAndNothingElse) {
  KindDescription kind;
  kind.answer = {.code = "error", .success = ""};
  kind.probe.emplace();
  kind.probe->active = "active";
  EXPECT_EQ(probed(200, R"({"active":true})", kind), ProbeResult::alive);
  EXPECT_EQ(probed(200, R"({"active":false})", kind), ProbeResult::dead);
  for (const char* body : {"", "[]", "{}", R"({"active":"true"})", R"({"active":1})"}) {
    EXPECT_EQ(probed(200, body, kind), ProbeResult::unknown) << body;
  }
  for (int status : {302, 400, 401, 500}) {
    EXPECT_EQ(probed(status, R"({"active":false})", kind), ProbeResult::unknown) << status;
  }
}

TEST(ProbeResponse, MaySayAliveByTheCodeOfARefusal) {
  KindDescription kind = classic();
  kind.probe->alive = {"48001"};
  for (const int status : {200, 403}) {
    EXPECT_EQ(probed(status, R"({"errcode":48001})", kind), ProbeResult::alive) << status;
    EXPECT_EQ(probed(status, R"({"errcode":42001})", kind), ProbeResult::dead) << status;
    EXPECT_EQ(probed(status, R"({"errcode":45009})", kind), ProbeResult::unknown) << status;
  }
  EXPECT_EQ(probed(502, R"({"errcode":48001})", kind), ProbeResult::unknown);
}

TEST(ProbeResponse, MaySayDeadByItsHttpStatus) {
  KindDescription kind;
  kind.answer = {.code = "error", .success = ""};
  kind.probe.emplace();
  kind.probe->dead = {"401", "invalid_token"};
  EXPECT_EQ(probed(401, "", kind), ProbeResult::dead);
  EXPECT_EQ(probed(401, R"({"error":"unauthorized"})", kind), ProbeResult::dead);
  EXPECT_EQ(probed(400, R"({"error":"invalid_token"})", kind), ProbeResult::dead);
  EXPECT_EQ(probed(400, R"({"error":"invalid_request"})", kind), ProbeResult::unknown);
  EXPECT_EQ(probed(200, R"({"name":"me"})", kind), ProbeResult::alive);
  EXPECT_EQ(probed(200, "<html>a login page</html>", kind), ProbeResult::unknown);
}

}  // namespace
}  // namespace hufu::platform
