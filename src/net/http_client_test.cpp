#include "net/http_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "testing/certificates.hpp"
#include "testing/scripted_server.hpp"
#include "testing/tls_server.hpp"

namespace hufu::net {
namespace {

using namespace std::string_view_literals;

using std::chrono::milliseconds;
using testing::again;
using testing::always;
using testing::hang;
using ::testing::HasSubstr;
using testing::http;
using ::testing::Not;
using testing::read_request;
using testing::RefusingPort;
using testing::Script;
using testing::ScriptedServer;
using testing::send;
using testing::SilentPort;
using Cause = HttpFailure::Cause;
using Reach = HttpFailure::Reach;

constexpr milliseconds kPatient(5000);
constexpr milliseconds kHasty(150);
/// For calls that have to arrive before it is over.
constexpr milliseconds kUnhurried(1000);

HttpRequest get(const std::string& url, milliseconds timeout = kPatient) {
  HttpRequest request;
  request.url = Secret(url);
  request.timeout = timeout;
  return request;
}

std::future<HttpOutcome> start(HttpClient& client, HttpRequest request) {
  auto promise = std::make_shared<std::promise<HttpOutcome>>();
  client.send(std::move(request),
              [promise](HttpOutcome outcome) { promise->set_value(std::move(outcome)); });
  return promise->get_future();
}

HttpOutcome fetch(HttpClient& client, HttpRequest request) {
  return start(client, std::move(request)).get();
}

/// What becomes of one GET to a server with this script.
HttpOutcome fetch_from(Script script, milliseconds timeout = kPatient) {
  ScriptedServer server({std::move(script)});
  HttpClient client;
  return fetch(client, get(server.url("/path?secret=canary-in-the-url"), timeout));
}

void expect_failure(const HttpOutcome& outcome, Reach reach, std::string_view words) {
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().reach, reach) << outcome.error().message;
  EXPECT_THAT(outcome.error().message, HasSubstr(words));
  EXPECT_THAT(outcome.error().message, Not(HasSubstr("canary")));
}

TEST(HttpClient, BringsStatusBodyAndTheHeadersThatMatter) {
  ScriptedServer server({{read_request(), send(http("201 Created", "{\"a\":1}",
                                                    "DATE:  Thu, 17 Sep 2026 14:59:38 GMT \r\n"
                                                    "retry-after: 7\r\n"))}});
  HttpClient client;
  auto outcome = fetch(client, get(server.url("/")));
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->status, 201);
  EXPECT_EQ(outcome->body, "{\"a\":1}");
  EXPECT_EQ(outcome->date, "Thu, 17 Sep 2026 14:59:38 GMT");
  EXPECT_EQ(outcome->retry_after, "7");
}

TEST(HttpClient, SendsMethodTargetHeadersAndBodyAsTold) {
  ScriptedServer server({always("{}")});
  HttpClient client;
  HttpRequest request = get(server.url("/a/b?c=d%26"));
  request.method = "PUT";
  request.body = Secret("{\"x\":\"y\"}"sv);
  request.content_type = "application/json";
  request.authorization = Secret("a-key"sv);
  ASSERT_TRUE(fetch(client, std::move(request)).has_value());

  std::string seen = server.requests().at(0);
  EXPECT_THAT(seen, ::testing::StartsWith("PUT /a/b?c=d%26 HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nUser-Agent: hufu/0."));
  EXPECT_THAT(seen, HasSubstr("\r\nContent-Type: application/json\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nAuthorization: Bearer a-key\r\n"));
  EXPECT_THAT(seen, ::testing::EndsWith("\r\n\r\n{\"x\":\"y\"}"));
}

TEST(HttpClient, AuthorizesByTheSchemeThatItIsTold) {
  ScriptedServer server({always("{}")});
  HttpClient client;
  HttpRequest request = get(server.url("/"));
  request.authorization_scheme = "Basic";
  request.authorization = Secret("aWQ6bm90LWEtc2VjcmV0"sv);
  ASSERT_TRUE(fetch(client, std::move(request)).has_value());
  EXPECT_THAT(server.requests().at(0),
              HasSubstr("\r\nAuthorization: Basic aWQ6bm90LWEtc2VjcmV0\r\n"));
}

TEST(HttpClient, SendsTheHeadersThatItIsTold) {
  ScriptedServer server({always("{}")});
  HttpClient client;
  HttpRequest request = get(server.url("/"));
  request.method = "POST";
  request.headers.push_back({"X-Token", Secret("a-token"sv)});
  request.headers.push_back({"Content-Type", Secret("application/json"sv)});
  request.headers.push_back({"X-Empty", {}});
  ASSERT_TRUE(fetch(client, std::move(request)).has_value());
  const std::string seen = server.requests().at(0);
  EXPECT_THAT(seen, HasSubstr("\r\nX-Token: a-token\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nContent-Type: application/json\r\n"));
  EXPECT_THAT(seen, Not(HasSubstr("x-www-form-urlencoded")));
  EXPECT_THAT(seen, Not(HasSubstr("X-Empty")));
}

TEST(HttpClient, CarriesNothingFromOneRequestIntoTheNext) {
  ScriptedServer server({always("{}")});
  HttpClient client;
  HttpRequest first = get(server.url("/1"));
  first.method = "POST";
  first.body = Secret("body"sv);
  first.content_type = "text/plain";
  first.authorization = Secret("a-key"sv);
  first.headers.push_back({"X-Token", Secret("a-token"sv)});
  ASSERT_TRUE(fetch(client, std::move(first)).has_value());
  ASSERT_TRUE(fetch(client, get(server.url("/2"))).has_value());
  HttpRequest third = get(server.url("/3"));
  third.method = "POST";
  ASSERT_TRUE(fetch(client, std::move(third)).has_value());

  EXPECT_EQ(server.connections(), 1U) << "the connection is kept and used again";
  std::string second = server.requests().at(1);
  EXPECT_THAT(second, ::testing::StartsWith("GET /2 "));
  EXPECT_THAT(second, Not(HasSubstr("Authorization")));
  EXPECT_THAT(second, Not(HasSubstr("Content-")));
  EXPECT_THAT(second, Not(HasSubstr("X-Token")));
  EXPECT_THAT(server.requests().at(2), HasSubstr("Content-Length: 0\r\n"));
}

TEST(HttpClient, RefusesHeadersThatWouldWriteFurtherHeaders) {
  ScriptedServer server({always("{}")});
  HttpClient client;
  HttpRequest request = get(server.url());
  request.authorization = Secret("canary\r\nX-Injected: 1"sv);
  expect_failure(fetch(client, std::move(request)), Reach::not_sent, "cannot be written");
  request = get(server.url());
  request.authorization_scheme = "Basic\r\nX-Injected:";
  request.authorization = Secret("canary"sv);
  expect_failure(fetch(client, std::move(request)), Reach::not_sent, "cannot be written");
  for (const auto& [name, value] : {std::pair("X-Token", "canary\r\nX-Injected: 1"),
                                    {"X-Token: canary\r\nX-Injected", "1"},
                                    {"X-Token:", "canary"},
                                    {"X-Token;", ""},
                                    {"", "canary"}}) {
    request = get(server.url());
    request.headers.push_back({name, Secret(std::string_view(value))});
    expect_failure(fetch(client, std::move(request)), Reach::not_sent, "cannot be written");
  }
  EXPECT_TRUE(fetch(client, get(server.url())).has_value()) << "the next one is not affected";
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(HttpClient, DoesNotFollowRedirects) {
  ScriptedServer server(
      {{read_request(), send(http("302 Found", "", "Location: /elsewhere\r\n")), again()}});
  HttpClient client;
  auto outcome = fetch(client, get(server.url("/here")));
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->status, 302);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(HttpClient, SpeaksIpv6) {
  std::optional<ScriptedServer> server;
  try {
    server.emplace(std::vector<Script>{always("{}")}, AF_INET6);
  } catch (const std::runtime_error&) {
    GTEST_SKIP() << "this machine has no IPv6 loopback";
  }
  HttpClient client;
  EXPECT_TRUE(fetch(client, get(server->url("/"))).has_value());
}

// Not a byte left.

TEST(HttpClient, CallsARefusedConnectionNotSent) {
  RefusingPort port;
  HttpClient client;
  expect_failure(fetch(client, get(port.url("/?secret=canary"))), Reach::not_sent,
                 "Failed to connect to 127.0.0.1 port " + std::to_string(port.port()));
}

TEST(HttpClient, CallsAnUnknownNameNotSent) {
  HttpClient client;
  expect_failure(fetch(client, get("http://no-such-host.invalid/?secret=canary")), Reach::not_sent,
                 "Could not resolve host: no-such-host.invalid");
}

TEST(HttpClient, CallsAConnectionThatNeverCameNotSent) {
  SilentPort port;
  HttpClient client;
  expect_failure(fetch(client, get(port.url("/?secret=canary"), kHasty)), Reach::not_sent,
                 "no connection within 150 ms");
}

TEST(HttpClient, CallsAFailedTlsSessionNotSent) {
  for (const Script& script : {Script{send(http("400 Bad Request", ""))}, Script{testing::close()},
                               Script{testing::reset()}}) {
    ScriptedServer server({script});
    HttpClient client;
    auto outcome = fetch(client, get("https://" + server.address() + "/?secret=canary"));
    expect_failure(outcome, Reach::not_sent, "");
  }
}

TEST(HttpClient, CallsATlsSessionThatNeverCameNotSent) {
  ScriptedServer server({{hang()}});
  HttpClient client;
  expect_failure(fetch(client, get("https://" + server.address() + "/?secret=canary", kHasty)),
                 Reach::not_sent, "no connection within 150 ms");
}

TEST(HttpClient, LimitsTheTimeForAConnectionAlone) {
  SilentPort port;
  HttpClient client;
  HttpRequest request = get(port.url(), std::chrono::seconds(60));
  request.connect_timeout = kHasty;
  expect_failure(fetch(client, std::move(request)), Reach::not_sent, "no connection within 150 ms");

  ScriptedServer slow({{read_request(), hang()}});
  request = get(slow.url(), kUnhurried);
  request.connect_timeout = kHasty;
  expect_failure(fetch(client, std::move(request)), Reach::lost, "no answer within 1000 ms");
}

TEST(HttpClient, CallsOnlyHttpAndHttps) {
  HttpClient client;
  for (const char* url :
       {"file:///etc/canary", "ftp://127.0.0.1/canary", "telnet://127.0.0.1:1/"}) {
    expect_failure(fetch(client, get(url)), Reach::not_sent, "only http and https");
  }
}

TEST(HttpClient, CallsAnAddressThatCannotBeReadNotSent) {
  HttpClient client;
  for (const char* url :
       {"", "http://", "http://127.0.0.1:canary/", "http://127.0.0.1/ canary\n"}) {
    expect_failure(fetch(client, get(url)), Reach::not_sent, "address cannot be read");
  }
}

// Some of it left.

TEST(HttpClient, CallsAnAnswerThatNeverCameLost) {
  expect_failure(fetch_from({read_request(), hang()}, kUnhurried), Reach::lost,
                 "no answer within 1000 ms");
}

TEST(HttpClient, CallsAHalfAnswerLost) {
  auto whole = http("200 OK", "{\"access_token\":\"canary\"}");
  for (std::size_t half :
       {std::size_t{1}, whole.find("\r\n") + 2, whole.find("\r\n\r\n") + 4, whole.size() - 1}) {
    auto part = whole.substr(0, half);
    expect_failure(fetch_from({read_request(), send(part), testing::close()}), Reach::lost, "");
    expect_failure(fetch_from({read_request(), send(part), testing::reset()}), Reach::lost, "");
    expect_failure(fetch_from({read_request(), send(part), hang()}, kUnhurried), Reach::lost, "");
  }
}

TEST(HttpClient, ReadsAChunkedBodyWithTrailersAfterAnInterimAnswer) {
  auto outcome = fetch_from({read_request(),
                             send("HTTP/1.1 103 Early Hints\r\n\r\n"
                                  "HTTP/1.1 200 OK\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n"
                                  "2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n"),
                             hang()});
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->body, "{}");
}

TEST(HttpClient, CallsAnInterimAnswerWithoutAFinalOneLost) {
  expect_failure(
      fetch_from({read_request(), send("HTTP/1.1 100 Continue\r\n\r\n"), testing::close()}),
      Reach::lost, "");
}

TEST(HttpClient, CallsAHangUpWithoutAnswerLost) {
  expect_failure(fetch_from({read_request(), testing::close()}), Reach::lost, "connection broke");
  expect_failure(fetch_from({read_request(), testing::reset()}), Reach::lost, "connection broke");
}

TEST(HttpClient, CallsWhatIsNotHttpLost) {
  expect_failure(fetch_from({read_request(), send("canary canary\r\n\r\n"), testing::close()}),
                 Reach::lost, "the answer is not HTTP");
}

TEST(HttpClient, ReadsABodyOfUpTo64KiB) {
  std::string largest(HttpClient::kLargestBody, 'x');
  auto outcome = fetch_from({read_request(), send(http("200 OK", largest))});
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->body, largest);
  expect_failure(fetch_from({read_request(), send(http("200 OK", largest + "x"))}), Reach::lost,
                 "larger than 64 KiB");
}

TEST(HttpClient, CallsAHeadWithoutEndLost) {
  std::string head = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 10'000; ++i) head += "X-Filler: canary\r\n";
  expect_failure(fetch_from({read_request(), send(head), hang()}), Reach::lost, "");
}

// libcurl would send the second request again, on a new connection, and say nothing of it.
TEST(HttpClient, NeverSendsARequestTwiceWhenAReusedConnectionFails) {
  for (const testing::Step& end : {testing::close(), testing::reset()}) {
    ScriptedServer server(
        {{read_request(), send(http("200 OK", "{}")), read_request(), end}, always("{}")});
    HttpClient client;
    ASSERT_TRUE(fetch(client, get(server.url("/first"))).has_value());
    HttpRequest post = get(server.url("/second"));
    post.method = "POST";
    post.body = Secret("canary"sv);
    expect_failure(fetch(client, std::move(post)), Reach::lost, "connection broke");

    ASSERT_TRUE(fetch(client, get(server.url("/third"))).has_value());
    auto requests = server.requests();
    ASSERT_EQ(requests.size(), 3U);
    EXPECT_THAT(requests.at(1), ::testing::StartsWith("POST /second "));
    EXPECT_THAT(requests.at(2), ::testing::StartsWith("GET /third "));
  }
}

// Connections that fail when they are used a second time.

/// What happens when the second request of a connection has been read.
struct ReuseFailure {
  const char* name;
  Script script;
};
const ReuseFailure kReuseFailures[] = {
    {"Reset", {testing::reset()}},
    {"Closed", {testing::close()}},
    {"Silent", {hang()}},
    {"HalfClosed", {testing::half_close(), hang()}},
    {"CutShort", {send("HTTP/1.1 200 OK\r\nContent-Le"), testing::close()}},
};
void PrintTo(const ReuseFailure& failure, std::ostream* out) { *out << failure.name; }

/// Answers the first request of each connection when `first` requests have come in all, and fails
/// the second one when `second` have.
Script answer_once_and_then(const Script& failure, std::size_t first = 0, std::size_t second = 0) {
  Script script = {read_request(), testing::gather(first), send(http("200 OK", "{}")),
                   read_request(), testing::gather(second)};
  script.insert(script.end(), failure.begin(), failure.end());
  return script;
}

std::vector<HttpOutcome> fetch_at_once(HttpClient& client, const std::string& url, int count,
                                       milliseconds timeout = kPatient) {
  std::vector<std::future<HttpOutcome>> started;
  for (int i = 0; i < count; ++i) started.push_back(start(client, get(url, timeout)));
  std::vector<HttpOutcome> outcomes;
  for (auto& each : started) outcomes.push_back(each.get());
  return outcomes;
}

class HttpClientOnReusedConnections : public ::testing::TestWithParam<ReuseFailure> {};
INSTANTIATE_TEST_SUITE_P(ThatFail, HttpClientOnReusedConnections,
                         ::testing::ValuesIn(kReuseFailures),
                         [](const auto& failure) { return failure.param.name; });

TEST_P(HttpClientOnReusedConnections, OpensANewConnectionForEachRequestAfterAFailure) {
  ScriptedServer server({answer_once_and_then(GetParam().script)});
  HttpClient client;
  ASSERT_TRUE(fetch(client, get(server.url("/1"))).has_value());
  expect_failure(fetch(client, get(server.url("/2"), kUnhurried)), Reach::lost, "");
  // On a connection that was used before, none of these would be answered.
  for (int i = 3; i <= 6; ++i) {
    EXPECT_TRUE(fetch(client, get(server.url("/" + std::to_string(i)))).has_value());
  }
  EXPECT_EQ(server.requests().size(), 6U) << "each was sent exactly once";
}

TEST_P(HttpClientOnReusedConnections, TakesNoOtherKeptConnectionAfterAFailure) {
  constexpr int kKept = 8;
  ScriptedServer server({answer_once_and_then(GetParam().script, kKept)});
  HttpClient client;
  for (auto& outcome : fetch_at_once(client, server.url("/first"), kKept)) {
    ASSERT_TRUE(outcome.has_value());
  }
  expect_failure(fetch(client, get(server.url("/second"), kUnhurried)), Reach::lost, "");
  for (int i = 0; i < kKept; ++i) {
    EXPECT_TRUE(fetch(client, get(server.url("/third"))).has_value());
  }
  EXPECT_EQ(server.requests().size(), 2U * kKept + 1) << "each was sent exactly once";
}

TEST_P(HttpClientOnReusedConnections, RecoversWhenSeveralFailAtOnce) {
  constexpr int kKept = 8;
  ScriptedServer server({answer_once_and_then(GetParam().script, kKept, 2 * kKept)});
  HttpClient client;
  fetch_at_once(client, server.url("/first"), kKept);
  for (auto& outcome : fetch_at_once(client, server.url("/second"), kKept, kUnhurried)) {
    expect_failure(outcome, Reach::lost, "");
  }
  for (auto& outcome : fetch_at_once(client, server.url("/third"), kKept)) {
    EXPECT_TRUE(outcome.has_value());
  }
  EXPECT_EQ(server.requests().size(), 3U * kKept) << "each was sent exactly once";
}

TEST(HttpClient, ReusesConnectionsAgainWhenThePauseIsOver) {
  ScriptedServer server({answer_once_and_then({testing::reset()}), always("{}")});
  HttpClient client({.reuse_pause = milliseconds(1)});
  ASSERT_TRUE(fetch(client, get(server.url())).has_value());
  expect_failure(fetch(client, get(server.url())), Reach::lost, "");
  auto fetch_reuses = [&] {
    const auto before = server.connections();
    EXPECT_TRUE(fetch(client, get(server.url())).has_value());
    return server.connections() == before;
  };
  while (!fetch_reuses()) continue;
}

TEST(HttpClient, ReusesConnectionsToOtherHostsMeanwhile) {
  ScriptedServer failing({answer_once_and_then({testing::reset()})});
  ScriptedServer good({always("{}")});
  HttpClient client;
  ASSERT_TRUE(fetch(client, get(failing.url())).has_value());
  ASSERT_FALSE(fetch(client, get(failing.url())).has_value());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(fetch(client, get(good.url())).has_value());
  EXPECT_EQ(good.connections(), 1U);
}

TEST(HttpClient, SendsOnANewConnectionWhenTheServerHasClosedAKeptOne) {
  for (const testing::Step& end : {testing::close(), testing::half_close()}) {
    ScriptedServer server(
        {{read_request(), send(http("200 OK", "{}")), end, hang()}, always("{}")});
    HttpClient client;
    ASSERT_TRUE(fetch(client, get(server.url("/1"))).has_value());
    // The end of the connection may arrive after the answer, in the middle of the next request.
    auto second = fetch(client, get(server.url("/2")));
    EXPECT_TRUE(second || second.error().reach == Reach::lost);
    EXPECT_TRUE(fetch(client, get(server.url("/3"))).has_value());
  }
}

TEST(HttpClient, StaysWithLostWhenTheConnectionCannotEvenBeMadeAgain) {
  HttpClient client;
  auto server = std::make_unique<ScriptedServer>(
      std::vector<Script>{{read_request(), send(http("200 OK", "{}")), read_request(), hang()}});
  ASSERT_TRUE(fetch(client, get(server->url("/first"))).has_value());
  auto second = start(client, get(server->url("/second")));
  server->wait_for_requests(2);
  server.reset();  // Cuts the connection, and nobody listens any more.
  expect_failure(second.get(), Reach::lost, "");
}

// Proxies.

class HttpClientBehindAProxy : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string url = proxy_.url();
    for (const char* name : {"http_proxy", "https_proxy", "ALL_PROXY"}) {
      setenv(name, url.c_str(), 1);
    }
  }
  void TearDown() override {
    for (const char* name : {"http_proxy", "https_proxy", "ALL_PROXY"}) unsetenv(name);
  }
  ScriptedServer proxy_{{{read_request(), send(http("403 Forbidden", "canary")), again()}}};
};

TEST_F(HttpClientBehindAProxy, ShowsItThePlainNameOfAnHttpsHostAndNothingElse) {
  HttpClient client;
  HttpRequest request = get("https://platform.invalid/path?secret=canary");
  request.authorization = Secret("canary"sv);
  expect_failure(fetch(client, std::move(request)), Reach::not_sent, "");
  ASSERT_EQ(proxy_.requests().size(), 1U);
  EXPECT_THAT(proxy_.requests().at(0),
              ::testing::StartsWith("CONNECT platform.invalid:443 HTTP/1.1\r\n"));
  EXPECT_THAT(proxy_.requests().at(0), Not(HasSubstr("canary")));
}

TEST_F(HttpClientBehindAProxy, NeverShowsItAPlainRequest) {
  ScriptedServer server({always("{}")});
  HttpClient client;
  EXPECT_TRUE(fetch(client, get(server.url("/"))).has_value());
  EXPECT_EQ(proxy_.connections(), 0U);
}

TEST_F(HttpClientBehindAProxy, UsesTheProxyOfTheRequestInsteadOfTheEnvironments) {
  ScriptedServer other({{read_request(), send(http("407 Proxy Authentication Required", ""))}});
  setenv("no_proxy", "*", 1);
  HttpClient client;
  for (const char* scheme : {"https", "http"}) {
    HttpRequest request = get(scheme + std::string("://platform.invalid/path?secret=canary"));
    request.proxy = Secret(other.url());
    auto outcome = fetch(client, std::move(request));
    expect_failure(outcome, Reach::not_sent,
                   "the proxy lets nothing through to platform.invalid: it answers 407");
    EXPECT_EQ(outcome.error().cause, Cause::proxy);
  }
  unsetenv("no_proxy");
  EXPECT_EQ(proxy_.connections(), 0U);
  ASSERT_EQ(other.requests().size(), 2U);
  EXPECT_THAT(other.requests().at(0), ::testing::StartsWith("CONNECT platform.invalid:443 "));
  EXPECT_THAT(other.requests().at(1), ::testing::StartsWith("CONNECT platform.invalid:80 "));
}

TEST_F(HttpClientBehindAProxy, CarriesNoProxyIntoTheNextRequest) {
  ScriptedServer other({{read_request(), send(http("502 Bad Gateway", ""))}});
  ScriptedServer server({always("{}")});
  HttpClient client;
  HttpRequest request = get("http://platform.invalid/");
  request.proxy = Secret(other.url());
  ASSERT_FALSE(fetch(client, std::move(request)).has_value());
  EXPECT_TRUE(fetch(client, get(server.url("/"))).has_value());
  EXPECT_EQ(other.connections(), 1U);
}

// Certificates.

class HttpClientOverTls : public ::testing::Test {
 public:
  ~HttpClientOverTls() override { std::remove(file_.c_str()); }

 protected:
  HttpClientOverTls() { authority_.write_certificate(file_); }

  HttpOutcome fetch_from(const testing::Certificate& certificate,
                         const std::string& host = "127.0.0.1") {
    testing::TlsServer server(certificate);
    HttpClient client({.authorities = file_});
    return fetch(client, get(server.url(host)));
  }
  static void expect_cause(const HttpOutcome& outcome, Cause cause, std::string_view words) {
    expect_failure(outcome, Reach::not_sent, words);
    EXPECT_EQ(outcome.error().cause, cause) << outcome.error().message;
    EXPECT_NE(outcome.error().next_step, "");
  }

  const std::string file_ =
      ::testing::TempDir() + "hufu-authorities-" + std::to_string(::getpid()) + ".pem";
  const testing::Certificate authority_ = testing::Certificate::authority("Test Authority");
  static constexpr const char* kLoopback = "IP:127.0.0.1,DNS:localhost";
};

TEST_F(HttpClientOverTls, TrustsTheAuthoritiesItIsGiven) {
  EXPECT_TRUE(fetch_from(authority_.issue("server", kLoopback)).has_value());
}

TEST_F(HttpClientOverTls, NamesTheClockWhenACertificateHasExpired) {
  expect_cause(fetch_from(authority_.issue("server", kLoopback, {-7200, -3600})),
               Cause::certificate_expired,
               "the certificate of 127.0.0.1 has expired, unless the clock of this machine (");
}

TEST_F(HttpClientOverTls, NamesTheClockWhenACertificateIsNotValidYet) {
  expect_cause(fetch_from(authority_.issue("server", kLoopback, {3600, 7200})),
               Cause::certificate_not_yet_valid,
               "the certificate of 127.0.0.1 is not valid yet, so the clock of this machine (");
}

TEST_F(HttpClientOverTls, TellsAnUnknownAuthorityFromAWrongHost) {
  auto unknown = testing::Certificate::authority("Unknown Authority");
  expect_cause(fetch_from(unknown.issue("server", kLoopback)), Cause::certificate_untrusted,
               "from an authority that this machine does not trust");
  expect_cause(fetch_from(unknown), Cause::certificate_untrusted, "does not trust");
  expect_cause(fetch_from(authority_.issue("server", "DNS:elsewhere.example")),
               Cause::certificate_wrong_host, "the certificate of 127.0.0.1 is one for another");
  expect_cause(fetch_from(authority_.issue("server", "IP:127.0.0.1"), "localhost"),
               Cause::certificate_wrong_host, "the certificate of localhost is one for another");
}

class HttpClientOverTlsDeathTest : public HttpClientOverTls {};

TEST_F(HttpClientOverTlsDeathTest, WritesNoSessionKeysWhateverTheEnvironmentSays) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // libcurl reads the variable once a process.
  const std::string keys = file_ + ".keys";
  EXPECT_EXIT(
      {
        setenv("SSLKEYLOGFILE", keys.c_str(), 1);
        const bool answered = fetch_from(authority_.issue("server", kLoopback)).has_value();
        std::ifstream written(keys);
        std::_Exit(answered && written.peek() == EOF ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
  std::remove(keys.c_str());
}

// Many at once, and the end.

TEST(HttpClient, SendsToAHostWhileAnotherHangs) {
  ScriptedServer hanging({{read_request(), hang()}});
  ScriptedServer good({always("{}")});
  HttpClient client({.most_per_host = 4, .most_in_all = 8});
  constexpr milliseconds kLong(60'000);
  std::vector<std::future<HttpOutcome>> stuck;
  for (int i = 0; i < 100; ++i) stuck.push_back(start(client, get(hanging.url(), kLong)));
  hanging.wait_for_requests(4);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(fetch(client, get(good.url())).has_value());
  EXPECT_EQ(hanging.connections(), 4U);
}

TEST(HttpClient, SendsTheMostUrgentFirstWhenAllPlacesAreTaken) {
  ScriptedServer one({{read_request(), hang()}});
  ScriptedServer two({{read_request(), hang()}});
  HttpClient client({.most_per_host = 1, .most_in_all = 1});
  auto first = start(client, get(one.url("/first"), kHasty));
  one.wait_for_requests(1);
  auto later = start(client, get(one.url("/later"), std::chrono::seconds(60)));
  auto sooner = start(client, get(two.url("/sooner"), std::chrono::seconds(30)));
  two.wait_for_requests(1);
  EXPECT_EQ(one.requests().size(), 1U);
}

TEST(HttpClient, CarriesThousandsAtOnceOverAtMost256Connections) {
  constexpr int kMany = 3000;
  ScriptedServer server({always("{}")});
  std::atomic<int> good = 0;
  std::atomic<int> left = kMany;
  std::promise<void> all;
  HttpClient client;
  for (int i = 0; i < kMany; ++i) {
    client.send(get(server.url("/"), std::chrono::seconds(60)), [&](HttpOutcome outcome) {
      if (outcome.has_value()) ++good;
      if (--left == 0) all.set_value();
    });
  }
  all.get_future().wait();
  EXPECT_EQ(good, kMany);
  EXPECT_EQ(server.requests().size(), static_cast<std::size_t>(kMany));
  EXPECT_LE(server.connections(), 256U);
}

TEST(HttpClient, CountsWaitingForATurnAsPartOfTheTimeout) {
  ScriptedServer server({{read_request(), hang()}});
  HttpClient client;
  constexpr milliseconds kLong(60'000);
  std::vector<std::future<HttpOutcome>> hanging;
  for (int i = 0; i < 256; ++i) hanging.push_back(start(client, get(server.url("/"), kLong)));
  server.wait_for_requests(256);
  expect_failure(fetch(client, get(server.url("/?secret=canary"), kHasty)), Reach::not_sent,
                 "no connection within 150 ms");
  EXPECT_EQ(server.connections(), 256U);
}

TEST(HttpClient, LetsAnAnswerCauseTheNextRequest) {
  ScriptedServer server({always("{}")});
  std::promise<HttpOutcome> second;
  HttpClient client;
  client.send(get(server.url("/1")), [&](const HttpOutcome&) {
    client.send(get(server.url("/2")),
                [&](HttpOutcome outcome) { second.set_value(std::move(outcome)); });
  });
  EXPECT_TRUE(second.get_future().get().has_value());
}

TEST(HttpClient, AnswersEverybodyBeforeItIsGone) {
  ScriptedServer server({{read_request(), hang()}});
  SilentPort silent;
  std::vector<HttpOutcome> outcomes;  // Written on the client's thread, read after it has ended.
  {
    HttpClient client;
    auto note = [&](HttpOutcome outcome) { outcomes.push_back(std::move(outcome)); };
    client.send(get(server.url("/?secret=canary")), note);
    server.wait_for_requests(1);
    client.send(get(silent.url("/?secret=canary")), note);
    client.send(get(server.url("/?secret=canary")), [&](HttpOutcome outcome) {
      note(std::move(outcome));
      client.send(get(server.url("/?secret=canary")), note);
    });
    server.wait_for_requests(2);
  }
  ASSERT_EQ(outcomes.size(), 4U);
  std::vector<Reach> reaches;
  for (const HttpOutcome& outcome : outcomes) {
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().message, "the client was closed");
    reaches.push_back(outcome.error().reach);
  }
  EXPECT_THAT(reaches, ::testing::UnorderedElementsAre(Reach::lost, Reach::lost, Reach::not_sent,
                                                       Reach::not_sent));
}

}  // namespace
}  // namespace hufu::net
