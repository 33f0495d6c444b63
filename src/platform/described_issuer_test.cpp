#include "platform/described_issuer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>

#include "platform/catalog.hpp"
#include "testing/scripted_server.hpp"

// From a request to an outcome over real sockets, with WeChat's description.

namespace hufu::platform {
namespace {

using namespace std::string_view_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::always;
using ::testing::EndsWith;
using testing::hang;
using ::testing::HasSubstr;
using testing::http;
using ::testing::Not;
using testing::read_request;
using testing::Script;
using testing::ScriptedServer;
using testing::send;
using ::testing::StartsWith;
using Delivery = IssueFailure::Delivery;

constexpr std::string_view kGoodAnswer = R"({"access_token":"a-token","expires_in":7200})";

std::shared_ptr<Issuer> issuer_at(PlatformConfig reached, std::string_view endpoint,
                                  std::string_view kind = kAccessToken,
                                  std::shared_ptr<net::HttpClient> client = nullptr) {
  if (!client) client = std::make_shared<net::HttpClient>();
  Config config;
  config.platforms["wechat"] = std::move(reached);
  return make_issuer(Catalog(), config, "wechat", endpoint, kind, client).value();
}
std::shared_ptr<Issuer> issuer_at(const std::string& base_url, std::string_view endpoint,
                                  std::string_view kind = kAccessToken) {
  return issuer_at(PlatformConfig{base_url}, endpoint, kind);
}

/// Of an app with a secret that nobody may repeat.
IssueRequest request_of_app(milliseconds timeout = seconds(5)) {
  IssueRequest request;
  request.app = "wx1";
  request.credentials.insert_or_assign(std::string(kSecret), Secret("canary&secret"sv));
  request.timeout = timeout;
  return request;
}

std::future<IssueOutcome> start(Issuer& issuer, IssueRequest request = request_of_app()) {
  auto promise = std::make_shared<std::promise<IssueOutcome>>();
  issuer.issue(std::move(request),
               [promise](IssueOutcome outcome) { promise->set_value(std::move(outcome)); });
  return promise->get_future();
}

ProbeResult probe(Issuer& issuer, std::string_view token) {
  std::promise<ProbeResult> promise;
  IssueRequest request;
  request.timeout = seconds(5);
  issuer.probe(std::move(request), Secret(token),
               [&](ProbeResult result) { promise.set_value(result); });
  return promise.get_future().get();
}

Result<void> try_credentials(Issuer& issuer) {
  std::promise<Result<void>> promise;
  IssueRequest request = request_of_app();
  request.force = true;
  issuer.try_credentials(std::move(request),
                         [&](Result<void> result) { promise.set_value(std::move(result)); });
  return promise.get_future().get();
}

/// What becomes of one call to a server with this script.
IssueFailure failure_from(Script script, milliseconds timeout = seconds(5)) {
  ScriptedServer server({std::move(script)});
  auto outcome = start(*issuer_at(server.url(), "classic"), request_of_app(timeout)).get();
  EXPECT_FALSE(outcome.has_value());
  EXPECT_EQ(server.requests().size(), 1U) << "exactly one try";
  IssueFailure failure = outcome ? IssueFailure{} : outcome.error();
  EXPECT_THAT(failure.error.message, Not(HasSubstr("canary")));
  EXPECT_NE(failure.error.next_step, "");
  return failure;
}

void expect_lost(const IssueFailure& failure) {
  EXPECT_EQ(failure.delivery, Delivery::lost) << failure.error.message;
  EXPECT_EQ(failure.retry_class, RetryClass::backoff) << failure.error.message;
  EXPECT_EQ(failure.error.fault, Fault::unreachable) << failure.error.message;
}

TEST(DescribedIssuer, AsksTheClassicEndpointAsWeChatWantsIt) {
  ScriptedServer server({always(kGoodAnswer)});
  auto outcome = start(*issuer_at(server.url("/prefix/"), "classic")).get();
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->value.reveal(), "a-token");
  EXPECT_EQ(outcome->lifetime, seconds(7200));
  EXPECT_THAT(server.requests().at(0),
              StartsWith("GET /prefix/cgi-bin/token?grant_type=client_credential&appid=wx1"
                         "&secret=canary%26secret HTTP/1.1\r\n"));
}

TEST(DescribedIssuer, AsksTheStableEndpointAsWeChatWantsIt) {
  ScriptedServer server({always(kGoodAnswer)});
  auto issuer = issuer_at(server.url(), "stable");
  ASSERT_TRUE(start(*issuer).get().has_value());
  IssueRequest forced = request_of_app();
  forced.force = true;
  ASSERT_TRUE(start(*issuer, std::move(forced)).get().has_value());
  auto requests = server.requests();
  EXPECT_THAT(requests.at(0), StartsWith("POST /cgi-bin/stable_token HTTP/1.1\r\n"));
  EXPECT_THAT(requests.at(0), HasSubstr("\r\nContent-Type: application/json\r\n"));
  EXPECT_THAT(requests.at(0), EndsWith(R"({"grant_type":"client_credential","appid":"wx1",)"
                                       R"("secret":"canary&secret","force_refresh":false})"));
  EXPECT_THAT(requests.at(1), EndsWith(R"("force_refresh":true})"));
}

TEST(DescribedIssuer, CutsALifetimeThatWeChatCannotMean) {
  ScriptedServer server({always(R"({"access_token":"a-token","expires_in":1e18})")});
  EXPECT_EQ(start(*issuer_at(server.url(), "stable")).get().value().lifetime, seconds(7200));
}

TEST(DescribedIssuer, SaysWhenTheCallNeverLeft) {
  testing::RefusingPort port;
  auto outcome = start(*issuer_at(port.url(), "classic")).get();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().delivery, Delivery::not_sent);
  EXPECT_EQ(outcome.error().error.fault, Fault::unreachable);
  EXPECT_THAT(outcome.error().error.message, StartsWith("WeChat cannot be reached: "));
  EXPECT_THAT(outcome.error().error.message, Not(HasSubstr("canary")));
}

TEST(DescribedIssuer, SaysWhenTheAnswerWasLost) {
  const std::string whole = http("200 OK", kGoodAnswer);
  const std::string half = whole.substr(0, whole.size() - 5);
  expect_lost(failure_from({read_request(), hang()}, seconds(1)));
  expect_lost(failure_from({read_request(), testing::close()}));
  expect_lost(failure_from({read_request(), testing::reset()}));
  expect_lost(failure_from({read_request(), send(half), testing::close()}));
  expect_lost(failure_from({read_request(), send(half), hang()}, seconds(1)));
  expect_lost(failure_from({read_request(), send("SSH-2.0-OpenSSH\r\n"), testing::close()}));
}

TEST(DescribedIssuer, SaysWhenTheAnswerCannotBeUsed) {
  auto answer = [](std::string_view status, std::string_view body) {
    return Script{read_request(), send(http(status, body))};
  };
  expect_lost(failure_from(answer("502 Bad Gateway", "<html></html>")));
  expect_lost(failure_from(answer("500 Internal Server Error", kGoodAnswer)));
  expect_lost(failure_from(answer("200 OK", "<html>captive portal</html>")));
  expect_lost(failure_from(answer("200 OK", "")));
  expect_lost(failure_from(answer("200 OK", kGoodAnswer.substr(0, 30))));
  expect_lost(failure_from(answer(
      "200 OK", R"({"expires_in":7200,"access_token":")" + std::string(1024 * 1024, 'x') + "\"}")));
}

TEST(DescribedIssuer, SaysWhatTheAnswerWas) {
  auto failure = failure_from(
      {read_request(),
       send(http("200 OK", R"({"errcode":40125,"errmsg":"invalid appsecret canary&secret"})",
                 "Content-Type: application/json; encoding=utf-8\r\n"))});
  EXPECT_EQ(failure.delivery, Delivery::answered);
  EXPECT_EQ(failure.retry_class, RetryClass::slow);
  EXPECT_EQ(failure.error.errcode, 40125);

  auto redirect = failure_from({read_request(), send(http("301 Moved", "", "Location: /\r\n"))});
  EXPECT_EQ(redirect.delivery, Delivery::answered);
  EXPECT_THAT(redirect.error.next_step, HasSubstr("base_url"));

  auto wrong_path = failure_from({read_request(), send(http("404 Not Found", "nothing here"))});
  EXPECT_EQ(wrong_path.delivery, Delivery::answered);
}

TEST(DescribedIssuer, ProbesATokenWithOneCheapCall) {
  ScriptedServer server(
      {{read_request(), send(http("200 OK", R"({"ip_list":["1.2.3.4"]})")), read_request(),
        send(http("200 OK", R"({"errcode":42001})")), read_request(), testing::close()}});
  auto issuer = issuer_at(server.url(), "stable");
  EXPECT_EQ(probe(*issuer, "a+token/="), ProbeResult::alive);
  EXPECT_EQ(probe(*issuer, "a+token/="), ProbeResult::dead);
  EXPECT_EQ(probe(*issuer, "a+token/="), ProbeResult::unknown);
  EXPECT_THAT(server.requests().at(0),
              StartsWith("GET /cgi-bin/getcallbackip?access_token=a%2Btoken%2F%3D HTTP/1.1\r\n"));
  EXPECT_EQ(server.requests().size(), 3U);
}

TEST(DescribedIssuer, FetchesATicketWithTheAccessTokenThatItNeeds) {
  ScriptedServer server(
      {always(R"({"errcode":0,"errmsg":"ok","ticket":"a-ticket","expires_in":7200})")});
  auto issuer = issuer_at(server.url(), "stable", "jsapi_ticket");
  IssueRequest request = request_of_app();
  request.needed.emplace_back("a+token"sv);
  auto outcome = start(*issuer, std::move(request)).get();
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->value.reveal(), "a-ticket");
  EXPECT_EQ(outcome->lifetime, seconds(7200));
  EXPECT_THAT(server.requests().at(0),
              StartsWith("GET /cgi-bin/ticket/getticket?access_token=a%2Btoken&type=jsapi "));
  EXPECT_FALSE(issuer->can_probe());
  EXPECT_EQ(probe(*issuer, "a-ticket"), ProbeResult::unknown);
  EXPECT_FALSE(issuer->can_try_credentials());
}

TEST(DescribedIssuer, IsNotAskedWithoutTheTokensItNeeds) {
  auto issuer = issuer_at("http://127.0.0.1:9", "stable", "wx_card_ticket");
  auto outcome = start(*issuer).get();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().error.fault, Fault::internal);
  EXPECT_EQ(outcome.error().delivery, Delivery::not_sent);
}

TEST(DescribedIssuer, TriesCredentialsByACallThatDisplacesNothing) {
  for (const char* endpoint : {"stable", "classic"}) {
    ScriptedServer server(
        {{read_request(), send(http("200 OK", kGoodAnswer)), read_request(),
          send(http("200 OK", R"({"errcode":40125,"errmsg":"canary&secret"})"))}});
    auto issuer = issuer_at(server.url(), endpoint);
    ASSERT_TRUE(issuer->can_try_credentials());
    EXPECT_TRUE(try_credentials(*issuer).has_value());
    auto refused = try_credentials(*issuer);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().errcode, 40125);
    EXPECT_THAT(refused.error().message, Not(HasSubstr("canary")));
    EXPECT_THAT(server.requests().at(0), StartsWith("POST /cgi-bin/stable_token "));
    EXPECT_THAT(server.requests().at(0), EndsWith(R"("force_refresh":false})"));
  }
}

PlatformConfig with_fallback(const std::string& first, const std::string& second) {
  PlatformConfig config{first};
  config.fallback = {second};
  return config;
}

TEST(DescribedIssuer, CallsItsFallbackWhereNoConnectionCanBeMade) {
  testing::RefusingPort dead;
  ScriptedServer server({always(kGoodAnswer)});
  auto issuer = issuer_at(with_fallback(dead.url(), server.url()), "classic");
  EXPECT_TRUE(start(*issuer).get().has_value());
  EXPECT_EQ(probe(*issuer, "T"), ProbeResult::unknown) << "that answer says nothing of a token";
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST(DescribedIssuer, LeavesItsFallbackTimeToAnswer) {
  testing::SilentPort silent;
  ScriptedServer server({always(kGoodAnswer)});
  auto issuer = issuer_at(with_fallback(silent.url(), server.url()), "classic");
  EXPECT_TRUE(start(*issuer, request_of_app(seconds(2))).get().has_value());
}

TEST(DescribedIssuer, NeverCallsItsFallbackAfterARequestWasSent) {
  ScriptedServer fallback({always(kGoodAnswer)});
  for (const Script& script :
       {Script{read_request(), testing::reset()}, Script{read_request(), testing::close()},
        Script{read_request(), send(http("502 Bad Gateway", ""))},
        Script{read_request(), send(http("200 OK", R"({"errcode":-1})"))}}) {
    ScriptedServer server({script});
    auto issuer = issuer_at(with_fallback(server.url(), fallback.url()), "classic");
    EXPECT_FALSE(start(*issuer).get().has_value());
  }
  EXPECT_EQ(fallback.requests().size(), 0U);
}

TEST(DescribedIssuer, TellsOfAllItsAddressesWhenNoneCanBeReached) {
  testing::RefusingPort one;
  testing::RefusingPort two;
  auto outcome = start(*issuer_at(with_fallback(one.url(), two.url()), "classic")).get();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().delivery, Delivery::not_sent);
  EXPECT_THAT(outcome.error().error.message,
              ::testing::MatchesRegex("WeChat cannot be reached: [^;]+; [^;]+"));
}

TEST(DescribedIssuer, GoesThroughTheProxyOfItsPlatform) {
  ScriptedServer proxy({{read_request(), send("HTTP/1.1 200 Connection established\r\n\r\n"),
                         read_request(), send(http("200 OK", kGoodAnswer))}});
  PlatformConfig config{"http://api.weixin.qq.com", true};
  config.proxy = proxy.url();
  EXPECT_TRUE(start(*issuer_at(std::move(config), "classic")).get().has_value());
  EXPECT_THAT(proxy.requests().at(0), StartsWith("CONNECT api.weixin.qq.com:80 "));
}

TEST(DescribedIssuer, MayGoWhileItsCallsAreOnTheirWay) {
  ScriptedServer server({{read_request(), hang()}});
  auto client = std::make_shared<net::HttpClient>();
  auto issuer = issuer_at(PlatformConfig{server.url()}, "classic", kAccessToken, client);
  auto outcome = start(*issuer);
  server.wait_for_requests(1);
  issuer.reset();
  client.reset();
  EXPECT_EQ(outcome.get().error().delivery, Delivery::lost);
}

}  // namespace
}  // namespace hufu::platform
