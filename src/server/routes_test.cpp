#include "server/routes.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

#include "server/route_fixture_testing.hpp"

namespace hufu::server {
namespace {

using testing::Answered;
using testing::RouteFixture;

TEST(Routes, KnowNothingElse) {
  RouteFixture fixture;
  for (const char* path : {"/",
                           "",
                           "/v1",
                           "/v1/",
                           "/v1/apps/",
                           "/v1/apps//token",
                           "/v1/apps/a/b",
                           "/v1/apps/a/token/",
                           "/v1//apps",
                           "//v1/apps",
                           "//healthz",
                           "/HEALTHZ",
                           "/healthz/",
                           "/v1/%61pps",
                           "/cgi-bin",
                           "/cgi-bin%2ftoken",
                           "*",
                           "http://host/healthz",
                           "/../healthz",
                           "/v1/apps/../status",
                           "//cgi-binx/token",
                           "////"}) {
    Answered answer = fixture.ask({"GET", path});
    EXPECT_EQ(answer.times, 1) << path;
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.content_type, "application/problem+json") << path;
    EXPECT_EQ(answer.at("code"), "\"usage\"") << path;
  }
}

TEST(Routes, NameTheMethodsOfAPath) {
  RouteFixture fixture;
  auto allowed = [&](std::string_view method, std::string_view path) {
    Answered answer = fixture.ask({method, path});
    EXPECT_EQ(answer.status, 405) << method << " " << path;
    EXPECT_EQ(answer.content_type, "application/problem+json");
    return answer.headers;
  };
  EXPECT_EQ(allowed("POST", "/v1/apps/wx1"), "Allow: GET, HEAD, PUT, DELETE\r\n");
  EXPECT_EQ(allowed("GET", "/v1/apps/wx1/token/report"), "Allow: POST\r\n");
  EXPECT_EQ(allowed("HEAD", "/v1/apps/wx1/token/report"), "Allow: POST\r\n");
  EXPECT_EQ(allowed("DELETE", "/healthz"), "Allow: GET, HEAD\r\n");
  EXPECT_EQ(allowed("get", "/healthz"), "Allow: GET, HEAD\r\n");
  EXPECT_EQ(allowed("OPTIONS", "/v1/status"), "Allow: GET, HEAD\r\n");
}

TEST(Routes, AnswerHeadWhereTheyAnswerGet) {
  RouteFixture fixture;
  EXPECT_EQ(fixture.ask({"HEAD", "/healthz"}).status, 200);
  EXPECT_EQ(fixture.ask({"HEAD", "/v1/apps"}).status, 401);
}

TEST(Routes, BeginWithTheirBasePath) {
  for (const char* base : {"/wechat", "/wechat/"}) {
    RouteFixture fixture(base);
    fixture.keeper.add("wx1", "TOKEN-1");
    std::string query =
        "grant_type=client_credential&appid=wx1&secret=" + fixture.key({.read = true});
    EXPECT_EQ(fixture.ask({"GET", "/wechat/healthz"}).status, 200);
    EXPECT_EQ(fixture.ask({"GET", "/wechat/cgi-bin/token?" + query}).at("expires_in"), "7000");
    EXPECT_EQ(fixture.ask({"GET", "/wechat//cgi-bin/token?" + query}).at("expires_in"), "7000");
    EXPECT_EQ(fixture.ask({"GET", "/healthz"}).status, 404);
    EXPECT_EQ(fixture.ask({"GET", "/cgi-bin/token?" + query}).status, 404);
    EXPECT_EQ(fixture.ask({"GET", "/wechathealthz"}).status, 404);
    EXPECT_EQ(fixture.ask({"GET", "/wechat"}).status, 404);
  }
}

TEST(Routes, DecodeTheNameOfAnApp) {
  RouteFixture fixture;
  fixture.keeper.add("wx/1+2", "TOKEN-1");
  std::string key = fixture.key({.read = true});
  EXPECT_EQ(fixture.ask({"GET", "/v1/apps/wx%2f1+2/token", key}).at("app"), "\"wx/1+2\"");
}

TEST(Routes, SurviveWhateverIsSent) {
  RouteFixture fixture;
  fixture.keeper.add("wx1", "TOKEN-1");
  std::string key = fixture.key({true, true, true, true, true});
  const std::vector<std::string> pieces = {"/",
                                           "//",
                                           "/v1/apps/",
                                           "/cgi-bin/token",
                                           "wx1",
                                           "?",
                                           "&",
                                           "=",
                                           "%",
                                           "%2",
                                           "%00",
                                           "\xff",
                                           "/token",
                                           "/report",
                                           "appid=",
                                           "kind=",
                                           std::string(1, '\0'),
                                           std::string(9000, 'z'),
                                           "{app}"};
  for (const std::string& a : pieces) {
    for (const std::string& b : pieces) {
      for (const std::string& c : pieces) {
        std::string target = a + b + c;
        for (const char* method : {"GET", "POST", "PUT", ""}) {
          ASSERT_EQ(fixture.ask({method, target, key, target}).times, 1) << method << " " << target;
        }
      }
    }
  }
}

TEST(RequestLog, HoldsNothingThatTheClientSent) {
  std::ostringstream lines;
  auto before = spdlog::default_logger();
  auto logger = std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines));
  logger->set_level(spdlog::level::debug);
  spdlog::set_default_logger(logger);
  RouteFixture fixture;
  fixture.keeper.add("wx1", "TOKEN-1");
  fixture.ask({"GET", "/cgi-bin/token?appid=wx1&secret=CANARY&grant_type=client_credential"});
  fixture.ask({"GET", "/v1/apps/CANARY/token?x=CANARY", "CANARY", "CANARY"});
  fixture.ask({"GET", "/CANARY"});
  fixture.ask({"CANARY", "/healthz"});
  spdlog::set_default_logger(before);

  std::string text = lines.str();
  EXPECT_EQ(text.find("CANARY"), std::string::npos) << text;
  EXPECT_EQ(text.find("TOKEN"), std::string::npos) << text;
  EXPECT_NE(text.find("GET /cgi-bin/token 200 192.0.2.1"), std::string::npos) << text;
  EXPECT_NE(text.find("GET /v1/apps/{app}/token 401 192.0.2.1"), std::string::npos) << text;
}

}  // namespace
}  // namespace hufu::server
