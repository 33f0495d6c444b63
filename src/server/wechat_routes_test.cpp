#include "server/platform_routes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/route_fixture_testing.hpp"

namespace hufu::server {
namespace {

using testing::Answered;
using testing::grant;
using testing::RouteFixture;

class PlatformRoutes : public ::testing::Test {
 protected:
  PlatformRoutes() {
    fixture.keeper.add("wx1", "TOKEN-1").secret = "the real secret";
    fixture.keeper.add("wx-new").secret = "the real secret";
    key = fixture.key({.read = true, .report = true});
  }

  Answered get(const std::string& query) { return fixture.ask({"GET", "/cgi-bin/token?" + query}); }
  Answered stable(const std::string& body) {
    return fixture.ask({"POST", "/cgi-bin/stable_token", {}, body});
  }
  std::string asking(const std::string& app) const {
    return "grant_type=client_credential&appid=" + app + "&secret=" + key;
  }

  static void expect_errcode(const Answered& answer, int errcode) {
    EXPECT_EQ(answer.times, 1);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.content_type, "application/json; encoding=utf-8");
    EXPECT_EQ(answer.at("errcode"), std::to_string(errcode)) << answer.body;
    EXPECT_EQ(answer.json().size(), 2U);
    EXPECT_THAT(answer.at("errmsg"),
                ::testing::MatchesRegex("\".+ rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}\""));
  }

  RouteFixture fixture;
  std::string key;
};

TEST_F(PlatformRoutes, AnswerInWeChatsShape) {
  Answered answer = get(asking("wx1"));
  EXPECT_EQ(answer.times, 1);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "application/json; encoding=utf-8");
  EXPECT_EQ(answer.body, R"({"access_token":"TOKEN-1","expires_in":7000})");
  EXPECT_FALSE(answer.later);
}

TEST_F(PlatformRoutes, WaitForATokenThatIsNotThereYet) {
  Answered answer = get(asking("wx-new"));
  EXPECT_TRUE(answer.later);
  EXPECT_EQ(answer.body, R"({"access_token":"fetched","expires_in":7000})");
}

TEST_F(PlatformRoutes, OpenToTheRealSecretWhereTheAppAllowsIt) {
  std::string query = "grant_type=client_credential&appid=wx1&secret=the+real%20secret";
  EXPECT_EQ(get(query).at("access_token"), "\"TOKEN-1\"");
  fixture.keeper.at("wx1").info.secret_login = false;
  expect_errcode(get(query), 40125);
}

TEST_F(PlatformRoutes, TolerateWhatSdksSend) {
  std::string good = R"({"access_token":"TOKEN-1","expires_in":7000})";
  EXPECT_EQ(get("secret=" + key + "&x=&appid=wx1&=&y&grant_type=client_credential").body, good);
  EXPECT_EQ(get("&" + asking("wx1")).body, good);
  EXPECT_EQ(get("grant_type=CLIENT_CREDENTIAL&appid=wx1&secret=" + key).body, good);
  EXPECT_EQ(get(asking("%77x1")).body, good);
  for (const char* path : {"//cgi-bin/token?", "///cgi-bin/token?", "/cgi-bin/token?"}) {
    EXPECT_EQ(fixture.ask({"GET", path + asking("wx1")}).body, good) << path;
    EXPECT_EQ(fixture.ask({"HEAD", path + asking("wx1")}).body, good) << path;
    EXPECT_EQ(fixture.ask({"POST", path + asking("wx1")}).body, good) << path;
  }
  EXPECT_EQ(fixture.ask({"POST", "/cgi-bin/token", {}, asking("wx1")}).body, good);
}

TEST_F(PlatformRoutes, TakeTheFirstOfSeveral) {
  EXPECT_EQ(get(asking("wx1") + "&appid=nobody&secret=x&grant_type=y").at("access_token"),
            "\"TOKEN-1\"");
  expect_errcode(get("appid=nobody&" + asking("wx1")), 40013);
}

TEST_F(PlatformRoutes, JudgeInWeChatsOrder) {
  const std::string type = "grant_type=client_credential";
  struct Case {
    std::string query;
    int errcode;
  };
  for (const Case& c : {
           Case{"", 41002},
           Case{type + "&secret=" + key, 41002},
           Case{"appid=&" + type + "&secret=" + key, 41002},
           Case{"appid=nobody", 40013},
           Case{"appid=nobody&secret=x&grant_type=x", 40013},
           Case{asking("nobody"), 40013},
           Case{asking(std::string(129, 'a')), 40013},
           Case{asking(std::string(12'000, 'a')), 40013},
           Case{"appid=wx1", 41004},
           Case{"appid=wx1&grant_type=x", 41004},
           Case{"appid=wx1&secret=", 41004},
           Case{"appid=wx1&secret=wrong", 40002},
           Case{"appid=wx1&secret=" + key + "&grant_type=client_credentials", 40002},
           Case{"appid=wx1&secret=wrong&" + type, 40125},
           Case{"appid=wx1&secret=" + key + "x&" + type, 40125},
           Case{"appid=wx1&secret=" + std::string(12'000, 'a') + "&" + type, 40125},
       }) {
    SCOPED_TRACE(c.query.substr(0, 100));
    expect_errcode(get(c.query), c.errcode);
  }
}

TEST_F(PlatformRoutes, CallNoAppInvalidBeforeTheStoreHasBeenRead) {
  fixture.keeper.healthy.started = false;
  expect_errcode(get("appid=wxnew&secret=its-own&grant_type=client_credential"), -1);
  expect_errcode(get("appid=wx1&secret=wrong&grant_type=client_credential"), 40125);
  fixture.keeper.healthy.started = true;
  expect_errcode(get("appid=wxnew&secret=its-own&grant_type=client_credential"), 40013);
}

TEST_F(PlatformRoutes, TakeWhatCannotBeDecodedToBeWrong) {
  for (const char* broken : {"%", "%zz", "%00", "%ff", "%f0%80%80%80", "\xff\xfe"}) {
    SCOPED_TRACE(broken);
    std::string rest = "&grant_type=client_credential";
    expect_errcode(get(asking(broken)), 40013);
    expect_errcode(get("appid=wx1&secret=" + std::string(broken) + rest), 40125);
    expect_errcode(get("appid=wx1&secret=" + key + "&grant_type=" + broken), 40002);
  }
}

TEST_F(PlatformRoutes, TurnAwayAKeyWithoutTheRightOrTheApp) {
  std::string blind = fixture.key({.report = true, .refresh = true, .admin = true});
  std::string elsewhere = fixture.key({.read = true}, {"wx-new"});
  std::string type = "grant_type=client_credential&appid=wx1&secret=";
  expect_errcode(get(type + blind), 40125);
  expect_errcode(get(type + elsewhere), 40125);
}

TEST_F(PlatformRoutes, PassOnWhatThePlatformSaid) {
  struct Case {
    Fault fault = Fault::internal;
    std::optional<int> given;
    int shown = 0;
  };
  for (const Case& c : {
           Case{Fault::refused, 40164, 40164},
           Case{Fault::refused, 89503, 89503},
           Case{Fault::throttled, 45009, 45009},
           Case{Fault::refused, 50002, 50002},
           Case{Fault::refused, 40125, 40125},
           Case{Fault::refused, 40013, 40013},
           Case{Fault::refused, 40001, 40125},
           Case{Fault::refused, 40014, -1},
           Case{Fault::refused, 42001, -1},
           Case{Fault::refused, 0, -1},
           Case{Fault::refused, -1, -1},
           Case{Fault::refused, std::nullopt, -1},
           Case{Fault::unreachable, std::nullopt, -1},
           Case{Fault::store, std::nullopt, -1},
           Case{Fault::throttled, std::nullopt, -1},
           Case{Fault::internal, std::nullopt, -1},
           Case{Fault::config, std::nullopt, -1},
           Case{Fault::unknown_app, std::nullopt, 40013},
       }) {
    SCOPED_TRACE(std::string(name_of(c.fault)) + " " + std::to_string(c.given.value_or(1)));
    fixture.keeper.on_get = [&](const Key&) -> Result<Grant> {
      return tl::unexpected<Error>(Error{c.fault, "what \"happened\"", "what to do", c.given, {}});
    };
    Answered answer = get(asking("wx-new"));
    expect_errcode(answer, c.shown);
    EXPECT_NE(answer.at("errmsg").find(R"(what \"happened\"; what to do rid: )"),
              std::string::npos);
    expect_errcode(
        stable(R"({"grant_type":"client_credential","appid":"wx-new","secret":")" + key + R"("})"),
        c.shown);
  }
}

TEST_F(PlatformRoutes, GiveTheStableTokenInTheSameShape) {
  EXPECT_EQ(
      stable(R"({"appid":"wx1","x":[1],"grant_type":"client_credential","secret":")" + key + "\"}")
          .body,
      R"({"access_token":"TOKEN-1","expires_in":7000})");
  EXPECT_EQ(stable(R"({"appid":"wx1","force_refresh":false,"grant_type":"client_credential",)"
                   R"("secret":"the real secret"})")
                .body,
            R"({"access_token":"TOKEN-1","expires_in":7000})");
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(PlatformRoutes, TakeAForceToBeAReportOfTheCurrentToken) {
  Answered answer =
      stable(R"({"appid":"wx1","force_refresh":true,"grant_type":"client_credential","secret":")" +
             key + "\"}");
  EXPECT_EQ(answer.body, R"({"access_token":"renewed","expires_in":7000})");
  EXPECT_EQ(fixture.keeper.asked, std::vector<std::string>{"report wx1 access_token #0a1b2c3d"});
}

TEST_F(PlatformRoutes, DoNotReportATokenThatIsFetchedJustNow) {
  std::string body =
      R"({"appid":"wx-new","force_refresh":true,"grant_type":"client_credential","secret":")" +
      key + "\"}";
  EXPECT_EQ(stable(body).at("access_token"), "\"fetched\"");
  EXPECT_EQ(fixture.keeper.asked, std::vector<std::string>{"get wx-new access_token 0"});

  fixture.keeper.on_get = [](const Key& asked) -> Result<Grant> {
    Grant doubtful = grant(asked.app, "doubtful");
    doubtful.suspect = true;
    return doubtful;
  };
  EXPECT_EQ(stable(body).at("access_token"), "\"renewed\"");
}

TEST_F(PlatformRoutes, PassOverTheForceOfAKeyThatMayNotReport) {
  std::string reader = fixture.key({.read = true});
  EXPECT_EQ(
      stable(R"({"appid":"wx1","force_refresh":true,"grant_type":"client_credential","secret":")" +
             reader + "\"}")
          .at("access_token"),
      "\"TOKEN-1\"");
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(PlatformRoutes, FindNoParameterInABodyThatIsNoObject) {
  for (const std::string& body :
       {std::string(), asking("wx1"), std::string("[]"), std::string("null"), std::string("{"),
        std::string("{}"), std::string("{}x"), std::string(60'000, '['),
        std::string(R"({"appid":null})"), std::string("\xff\xfe"), std::string(1, '\0'),
        std::string(R"({"appid":""})")}) {
    SCOPED_TRACE(body.substr(0, 50));
    expect_errcode(stable(body), 41002);
  }
  expect_errcode(fixture.ask({"POST", "/cgi-bin/stable_token?" + asking("wx1")}), 41002);
}

TEST_F(PlatformRoutes, TakeParametersOfAnotherTypeToBeWrong) {
  expect_errcode(stable(R"({"appid":1})"), 40013);
  expect_errcode(stable(R"({"appid":{"a":1}})"), 40013);
  expect_errcode(stable(R"({"appid":"wx1"})"), 41004);
  expect_errcode(stable(R"({"appid":"wx1","secret":[]})"), 40002);
  expect_errcode(stable(R"({"appid":"wx1","secret":[],"grant_type":"client_credential"})"), 40125);
}

TEST_F(PlatformRoutes, SayWhichMethodTheyWant) {
  expect_errcode(fixture.ask({"GET", "/cgi-bin/stable_token?" + asking("wx1")}), 43002);
  expect_errcode(fixture.ask({"HEAD", "/cgi-bin/stable_token"}), 43002);
  expect_errcode(fixture.ask({"PUT", "/cgi-bin/token?" + asking("wx1")}), 43001);
  expect_errcode(fixture.ask({"GET", "/cgi-bin/token/"}), 40066);
  expect_errcode(fixture.ask({"GET", "//cgi-bin/menu/get"}), 40066);
}

TEST_F(PlatformRoutes, EscapeATokenThatNeedsIt) {
  fixture.keeper.add("wx-odd", "a\"b\\c");
  EXPECT_EQ(get(asking("wx-odd")).body, R"({"access_token":"a\"b\\c","expires_in":7000})");
}

TEST_F(PlatformRoutes, GiveEveryErrorAnIdOfItsOwn) {
  EXPECT_NE(get("").body, get("").body);
  // The first part is the time, as WeChat's is.
  EXPECT_NE(get("").body.find(" rid: 6b49d200-"), std::string::npos) << get("").body;
}

}  // namespace
}  // namespace hufu::server
