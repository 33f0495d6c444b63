#include "server/drop_in_routes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>
#include <string>

#include "server/route_fixture_testing.hpp"

namespace hufu::server {
namespace {

using testing::Answered;
using testing::grant;
using testing::RouteFixture;
using Asked = std::vector<std::string>;

class WeChatRoutes : public ::testing::Test {
 protected:
  WeChatRoutes() {
    fixture.keeper.add("wx1", "TOKEN-1").secret = "the real secret";
    fixture.keeper.add("wx-new").secret = "the real secret";
    key = fixture.key({.read = true, .report = true});
  }

  /// Never as a second ask of the same: time passes in between.
  Answered get(const std::string& query) {
    fixture.clock.advance(std::chrono::seconds(11));
    return fixture.ask({"GET", "/cgi-bin/token?" + query});
  }
  Answered stable(const std::string& body) {
    fixture.clock.advance(std::chrono::seconds(11));
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

TEST_F(WeChatRoutes, AnswerInWeChatsShape) {
  Answered answer = get(asking("wx1"));
  EXPECT_EQ(answer.times, 1);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "application/json; encoding=utf-8");
  EXPECT_EQ(answer.body, R"({"access_token":"TOKEN-1","expires_in":7000})");
  EXPECT_FALSE(answer.later);
}

TEST_F(WeChatRoutes, WaitForATokenThatIsNotThereYet) {
  Answered answer = get(asking("wx-new"));
  EXPECT_TRUE(answer.later);
  EXPECT_EQ(answer.body, R"({"access_token":"fetched","expires_in":7000})");
  EXPECT_EQ(fixture.keeper.asked, Asked{"get wx-new access_token 0 outside the window"});
}

TEST_F(WeChatRoutes, OpenToTheRealSecretWhereTheAppAllowsIt) {
  std::string query = "grant_type=client_credential&appid=wx1&secret=the+real%20secret";
  EXPECT_EQ(get(query).at("access_token"), "\"TOKEN-1\"");
  fixture.keeper.at("wx1").info.secret_login = false;
  expect_errcode(get(query), 40125);
}

TEST_F(WeChatRoutes, TolerateWhatSdksSend) {
  std::string good = R"({"access_token":"TOKEN-1","expires_in":7000})";
  EXPECT_EQ(get("secret=" + key + "&x=&appid=wx1&=&y&grant_type=client_credential").body, good);
  EXPECT_EQ(get("&" + asking("wx1")).body, good);
  EXPECT_EQ(get("grant_type=CLIENT_CREDENTIAL&appid=wx1&secret=" + key).body, good);
  EXPECT_EQ(get(asking("%77x1")).body, good);
  EXPECT_EQ(get("%61ppid=wx1&secre%74=" + key + "&%67rant%5ftype=client_credential").body, good);
  for (const char* path : {"//cgi-bin/token?", "///cgi-bin/token?", "/cgi-bin/token?"}) {
    for (const char* method : {"GET", "HEAD", "POST"}) {
      fixture.clock.advance(std::chrono::seconds(11));
      EXPECT_EQ(fixture.ask({method, path + asking("wx1")}).body, good) << method << " " << path;
    }
  }
  fixture.clock.advance(std::chrono::seconds(11));
  EXPECT_EQ(fixture.ask({"POST", "/cgi-bin/token", {}, asking("wx1")}).body, good);
}

TEST_F(WeChatRoutes, KnowNoAppOfAnotherPlatform) {
  fixture.keeper.add("elsewhere", "TOKEN-2").info.platform = "acme";
  expect_errcode(get(asking("elsewhere")), 40013);
  expect_errcode(fixture.ask({"GET", "/cgi-bin/ticket/getticket?access_token=TOKEN-2&type=jsapi"}),
                 40001);
}

TEST_F(WeChatRoutes, TakeTheFirstOfSeveral) {
  EXPECT_EQ(get(asking("wx1") + "&appid=nobody&secret=x&grant_type=y").at("access_token"),
            "\"TOKEN-1\"");
  expect_errcode(get("appid=nobody&" + asking("wx1")), 40013);
}

TEST_F(WeChatRoutes, JudgeInWeChatsOrder) {
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

TEST_F(WeChatRoutes, SayWhatIsWrongWithACredential) {
  const std::string type = "grant_type=client_credential&appid=wx1&secret=";
  EXPECT_EQ(get(type + "wrong")
                .at("errmsg")
                .find("\"invalid appsecret: it is neither a key of this "
                      "Hufu nor the secret of wx1 rid: "),
            0U);
  EXPECT_EQ(get(type + fixture.key({.report = true}))
                .at("errmsg")
                .find("\"invalid appsecret: it is a key of this Hufu without the right read for "
                      "wx1 rid: "),
            0U);
  fixture.keeper.at("wx1").info.secret_login = false;
  EXPECT_EQ(get(type + "wrong")
                .at("errmsg")
                .find("\"invalid appsecret: it is not a key of this "
                      "Hufu, and the secret of wx1 itself is not "
                      "accepted here rid: "),
            0U);
}

TEST_F(WeChatRoutes, TakeWhatCannotBeDecodedToBeWrong) {
  for (const char* broken : {"%", "%zz", "%00", "%ff", "%f0%80%80%80", "\xff\xfe"}) {
    SCOPED_TRACE(broken);
    std::string rest = "&grant_type=client_credential";
    expect_errcode(get(asking(broken)), 40013);
    expect_errcode(get("appid=wx1&secret=" + std::string(broken) + rest), 40125);
    expect_errcode(get("appid=wx1&secret=" + key + "&grant_type=" + broken), 40002);
  }
}

TEST_F(WeChatRoutes, TurnAwayAKeyWithoutTheRightOrTheApp) {
  std::string blind = fixture.key({.report = true, .refresh = true, .admin = true});
  std::string elsewhere = fixture.key({.read = true}, {"wx-new"});
  std::string type = "grant_type=client_credential&appid=wx1&secret=";
  expect_errcode(get(type + blind), 40125);
  expect_errcode(get(type + elsewhere), 40125);
}

TEST_F(WeChatRoutes, PassOnWhatThePlatformSaid) {
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
           Case{Fault::unknown_kind, std::nullopt, 40013},
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

TEST_F(WeChatRoutes, GiveTheStableTokenInTheSameShape) {
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

TEST_F(WeChatRoutes, TakeAForceToBeAReportOfTheCurrentToken) {
  Answered answer =
      stable(R"({"appid":"wx1","force_refresh":true,"grant_type":"client_credential","secret":")" +
             key + "\"}");
  EXPECT_EQ(answer.body, R"({"access_token":"renewed","expires_in":7000})");
  EXPECT_EQ(fixture.keeper.asked, Asked{"report wx1 access_token #0a1b2c3d"});
}

TEST_F(WeChatRoutes, DoNotReportATokenThatIsFetchedJustNow) {
  std::string body =
      R"({"appid":"wx-new","force_refresh":true,"grant_type":"client_credential","secret":")" +
      key + "\"}";
  EXPECT_EQ(stable(body).at("access_token"), "\"fetched\"");
  EXPECT_EQ(fixture.keeper.asked, Asked{"get wx-new access_token 0 outside the window"});

  fixture.keeper.on_get = [](const Key& asked) -> Result<Grant> {
    Grant doubtful = grant(asked.app, "doubtful");
    doubtful.suspect = true;
    return doubtful;
  };
  EXPECT_EQ(stable(body).at("access_token"), "\"renewed\"");
}

TEST_F(WeChatRoutes, PassOverTheForceOfAKeyThatMayNotReport) {
  std::string reader = fixture.key({.read = true});
  EXPECT_EQ(
      stable(R"({"appid":"wx1","force_refresh":true,"grant_type":"client_credential","secret":")" +
             reader + "\"}")
          .at("access_token"),
      "\"TOKEN-1\"");
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(WeChatRoutes, FindNoParameterInABodyThatIsNoObject) {
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

TEST_F(WeChatRoutes, TakeParametersOfAnotherTypeToBeWrong) {
  expect_errcode(stable(R"({"appid":1})"), 40013);
  expect_errcode(stable(R"({"appid":{"a":1}})"), 40013);
  expect_errcode(stable(R"({"appid":"wx1"})"), 41004);
  expect_errcode(stable(R"({"appid":"wx1","secret":[]})"), 40002);
  expect_errcode(stable(R"({"appid":"wx1","secret":[],"grant_type":"client_credential"})"), 40125);
}

TEST_F(WeChatRoutes, SayWhichMethodTheyWant) {
  expect_errcode(fixture.ask({"GET", "/cgi-bin/stable_token?" + asking("wx1")}), 43002);
  expect_errcode(fixture.ask({"HEAD", "/cgi-bin/stable_token"}), 43002);
  expect_errcode(fixture.ask({"PUT", "/cgi-bin/token?" + asking("wx1")}), 43001);
  expect_errcode(fixture.ask({"DELETE", "/cgi-bin/ticket/getticket"}), 43001);
  expect_errcode(fixture.ask({"GET", "/cgi-bin/token/"}), 40066);
  expect_errcode(fixture.ask({"GET", "//cgi-bin/menu/get"}), 40066);
}

TEST_F(WeChatRoutes, EscapeATokenThatNeedsIt) {
  fixture.keeper.add("wx-odd", "a\"b\\c");
  EXPECT_EQ(get(asking("wx-odd")).body, R"({"access_token":"a\"b\\c","expires_in":7000})");
}

TEST_F(WeChatRoutes, GiveEveryErrorAnIdOfItsOwn) {
  EXPECT_NE(get("").body, get("").body);
  // The first part is the time, as WeChat's is.
  EXPECT_NE(get("").body.find(" rid: 6b49d2"), std::string::npos) << get("").body;
}

// ---- Margins

TEST_F(WeChatRoutes, AddTheMarginOfTheQuery) {
  EXPECT_EQ(get(asking("wx1") + "&margin=1500").at("expires_in"), "8500");
  EXPECT_EQ(get("m%61rgin=3600&" + asking("wx-new")).at("expires_in"), "10600");
  EXPECT_EQ(get(asking("wx1") + "&margin=0").at("expires_in"), "7000");
  EXPECT_EQ(get("grant_type=client_credential&appid=wx1&secret=the+real+secret&margin=300")
                .at("expires_in"),
            "7300");
  const std::string body =
      R"({"appid":"wx1","force_refresh":true,"grant_type":"client_credential","secret":")" + key +
      "\"}";
  EXPECT_EQ(fixture.ask({"POST", "/cgi-bin/stable_token?margin=300", {}, body}).at("expires_in"),
            "7300");
}

TEST_F(WeChatRoutes, AddTheMarginOfTheKey) {
  key = fixture.key({.read = true}, {}, std::chrono::seconds(1500));
  EXPECT_EQ(get(asking("wx1")).at("expires_in"), "8500");
  EXPECT_EQ(get(asking("wx1") + "&margin=").at("expires_in"), "8500");
  EXPECT_EQ(get(asking("wx1") + "&margin=300").at("expires_in"), "7300") << "the query's wins";
  EXPECT_EQ(stable(R"({"appid":"wx-new","grant_type":"client_credential","secret":")" + key + "\"}")
                .at("expires_in"),
            "8500");
  EXPECT_EQ(fixture.ask({"GET", "/v1/apps/wx1/token", key}).at("expires_in"), "7000")
      << "only the platform's own routes are asked by SDKs that take a margin off";
}

TEST_F(WeChatRoutes, RefuseAMarginThatCannotBeMeant) {
  for (const char* margin : {"3601", "-1", "x", "1.5", "5m", "%00"}) {
    expect_errcode(get(asking("wx1") + "&margin=" + margin), 40035);
  }
  expect_errcode(get("appid=wx1&secret=wrong&grant_type=client_credential&margin=x"), 40125);
}

// ---- Asking again

class WeChatAskedAgain : public WeChatRoutes {
 protected:
  Answered ask(const std::string& query, std::string_view peer = "192.0.2.1") {
    return fixture.ask({"GET", "/cgi-bin/token?" + query, {}, {}, {}, peer});
  }
};

TEST_F(WeChatAskedAgain, HaveTheTokenCheckedForASecondAsk) {
  EXPECT_EQ(ask(asking("wx1")).at("access_token"), "\"TOKEN-1\"");
  Answered second = ask(asking("wx1") + "&margin=300");
  EXPECT_TRUE(second.later);
  EXPECT_EQ(second.body, R"({"access_token":"rechecked","expires_in":7300})");
  EXPECT_EQ(fixture.keeper.asked, Asked{"recheck wx1 access_token 1000"});

  EXPECT_EQ(ask(asking("wx1")).at("access_token"), "\"TOKEN-1\"") << "once a minute for an asker";
}

TEST_F(WeChatAskedAgain, CountAnAskByTheStableRoute) {
  ask(asking("wx1"));
  fixture.ask({"POST",
               "/cgi-bin/stable_token",
               {},
               R"({"appid":"wx1","grant_type":"client_credential","secret":")" + key + "\"}"});
  EXPECT_EQ(fixture.keeper.asked, Asked{"recheck wx1 access_token 1000"});
}

TEST_F(WeChatAskedAgain, TakeAnotherAppKeyOrAddressForAnotherAsker) {
  fixture.keeper.add("wx2", "TOKEN-2");
  ask(asking("wx1"));
  ask(asking("wx2"));
  ask(asking("wx1"), "192.0.2.2");
  ask("grant_type=client_credential&appid=wx1&secret=the+real+secret");
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(WeChatAskedAgain, DoNotCountAnAskThatWasRefused) {
  ask("grant_type=client_credential&appid=wx1&secret=wrong");
  ask("grant_type=client_credential&appid=wx1&secret=wrong");
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(WeChatAskedAgain, WaitForTheRenewalWhereThereIsNoToken) {
  ask(asking("wx-new"));
  ask(asking("wx-new"));
  EXPECT_EQ(fixture.keeper.asked, (Asked{"get wx-new access_token 0 outside the window",
                                         "get wx-new access_token 0 outside the window"}));
}

TEST_F(WeChatAskedAgain, SayWhatTheCheckCameTo) {
  fixture.keeper.on_recheck = [](const Key&) -> Result<Grant> {
    return fail(Fault::unreachable, "no answer");
  };
  ask(asking("wx1"));
  expect_errcode(ask(asking("wx1")), -1);
}

// ---- Tickets

class WeChatTickets : public WeChatRoutes {
 protected:
  WeChatTickets() {
    fixture.keeper.put_token("wx1", "jsapi_ticket", "TICKET-1");
    fixture.keeper.put_token("wx1", "wx_card_ticket", "CARD-1");
  }
  Answered ticket(const std::string& query, std::string_view method = "GET") {
    return fixture.ask({method, "/cgi-bin/ticket/getticket?" + query});
  }
};

TEST_F(WeChatTickets, AreGivenInWeChatsShape) {
  Answered answer = ticket("access_token=TOKEN-1&type=jsapi");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "application/json; encoding=utf-8");
  EXPECT_EQ(answer.body, R"({"errcode":0,"errmsg":"ok","ticket":"TICKET-1","expires_in":7000})");
  EXPECT_FALSE(answer.later);
  EXPECT_EQ(ticket("type=wx_card&access_token=TOKEN-1", "POST").at("ticket"), "\"CARD-1\"");
  EXPECT_EQ(
      fixture.ask({"POST", "/cgi-bin/ticket/getticket", {}, "access_token=TOKEN-1&type=jsapi"})
          .at("ticket"),
      "\"TICKET-1\"");
  EXPECT_EQ(ticket("access_token=TOKEN-1&type=jsapi&margin=1500").at("expires_in"), "8500");
  expect_errcode(ticket("access_token=TOKEN-1&type=jsapi&margin=x"), 40035);
}

TEST_F(WeChatTickets, AreWaitedForWhereThereIsNone) {
  fixture.keeper.add("wx2", "TOKEN-2");
  Answered answer = ticket("access_token=TOKEN-2&type=jsapi");
  EXPECT_TRUE(answer.later);
  EXPECT_EQ(answer.at("ticket"), "\"fetched\"");
  EXPECT_EQ(fixture.keeper.asked, Asked{"get wx2 jsapi_ticket 0"});
}

TEST_F(WeChatTickets, AreForWhoeverShowsATokenThatWasHandedOut) {
  expect_errcode(ticket("type=jsapi"), 41001);
  expect_errcode(ticket("access_token=&type=jsapi"), 41001);
  for (const char* token : {"unknown", "TICKET-1", "TOKEN-", "TOKEN-11", "%00", "%ff"}) {
    expect_errcode(ticket("type=jsapi&access_token=" + std::string(token)), 40001);
  }
  expect_errcode(ticket("access_token=" + key + "&type=jsapi"), 40001);
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(WeChatTickets, AreOfTwoTypes) {
  for (const char* type : {"", "&type=", "&type=JSAPI", "&type=agent_config", "&type=%00"}) {
    expect_errcode(ticket("access_token=TOKEN-1" + std::string(type)), 40097);
  }
}

TEST_F(WeChatTickets, SayWhyThereIsNone) {
  fixture.keeper.add("wx2", "TOKEN-2");
  struct Case {
    Fault fault = Fault::internal;
    std::optional<int> given;
    int shown = 0;
  };
  for (const Case& c :
       {Case{Fault::refused, 48001, 48001}, Case{Fault::refused, 40001, -1},
        Case{Fault::refused, 42001, -1}, Case{Fault::unreachable, std::nullopt, -1}}) {
    fixture.keeper.on_get = [&](const Key&) -> Result<Grant> {
      return tl::unexpected<Error>(Error{c.fault, "what happened", {}, c.given, {}});
    };
    expect_errcode(ticket("access_token=TOKEN-2&type=jsapi"), c.shown);
  }
}

// ---- While the store is being read after a start

class WeChatStart : public WeChatRoutes {
 protected:
  WeChatStart() {
    fixture.keeper.healthy.started = false;
    fixture.keeper.holds = true;
  }
  std::shared_ptr<Answered> ask(const std::string& target) {
    return fixture.ask_later({"GET", target});
  }
};

TEST_F(WeChatStart, WaitForAnAppThatMayStillCome) {
  auto by_key = ask("/cgi-bin/token?" + asking("wx2"));
  auto by_secret = ask("/cgi-bin/token?grant_type=client_credential&appid=wx2&secret=its+own");
  auto stable =
      fixture.ask_later({"POST",
                         "/cgi-bin/stable_token",
                         {},
                         R"({"appid":"wx2","grant_type":"client_credential","secret":"its own"})",
                         {},
                         "192.0.2.2"});
  auto ticket = ask("/cgi-bin/ticket/getticket?type=jsapi&access_token=TOKEN-2");
  EXPECT_EQ(by_key->times + by_secret->times + stable->times + ticket->times, 0);

  fixture.keeper.add("wx2", "TOKEN-2").secret = "its own";
  fixture.keeper.put_token("wx2", "jsapi_ticket", "TICKET-2");
  fixture.keeper.end_start(true);
  EXPECT_EQ(by_key->at("access_token"), "\"TOKEN-2\"");
  EXPECT_EQ(by_secret->at("access_token"), "\"TOKEN-2\"");
  EXPECT_EQ(stable->at("access_token"), "\"TOKEN-2\"");
  EXPECT_EQ(ticket->at("ticket"), "\"TICKET-2\"");
}

TEST_F(WeChatStart, CallNoAppInvalidBeforeThatIsCertain) {
  const std::string own = "/cgi-bin/token?grant_type=client_credential&appid=wx2&secret=its-own";
  auto late = ask(own);
  auto late_by_key = ask("/cgi-bin/token?" + asking("wx2"));
  auto late_ticket = ask("/cgi-bin/ticket/getticket?type=jsapi&access_token=TOKEN-2");
  fixture.keeper.end_start(false);
  expect_errcode(*late, -1);
  expect_errcode(*late_by_key, -1);
  expect_errcode(*late_ticket, -1);

  auto unknown = ask(own);
  auto unknown_token = ask("/cgi-bin/ticket/getticket?type=jsapi&access_token=TOKEN-2");
  fixture.keeper.end_start(true);
  expect_errcode(*unknown, 40013);
  expect_errcode(*unknown_token, 40001);
}

TEST_F(WeChatStart, AnswerForAnAppThatIsKnownAlready) {
  EXPECT_EQ(ask("/cgi-bin/token?" + asking("wx1"))->at("access_token"), "\"TOKEN-1\"");
  expect_errcode(*ask("/cgi-bin/token?grant_type=client_credential&appid=wx1&secret=wrong"), 40125);
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

// ---- The log

TEST_F(WeChatRoutes, LogARefusedCredentialOnceAMinuteWithoutIt) {
  std::ostringstream lines;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines)));
  spdlog::default_logger()->set_pattern("%v");
  const std::string refused = "/cgi-bin/token?grant_type=client_credential&appid=wx1&secret=CANARY";
  for (int asked = 0; asked < 3; ++asked) fixture.ask({"GET", refused});
  fixture.clock.advance(std::chrono::minutes(1));
  fixture.ask({"GET", refused});
  spdlog::set_default_logger(before);
  EXPECT_EQ(lines.str(),
            "a request for the token of wx1 from 192.0.2.1 was refused: its secret is neither a "
            "key of this Hufu nor the secret of wx1\n"
            "a request for the token of wx1 from 192.0.2.1 was refused: its secret is neither a "
            "key of this Hufu nor the secret of wx1; 2 more such requests since this was last "
            "said\n");
}

}  // namespace
}  // namespace hufu::server
