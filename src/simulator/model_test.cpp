#include "simulator/model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>

#include "testing/fake_clock.hpp"

namespace hufu::simulator {
namespace {

namespace json = boost::json;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::MatchesRegex;

// A platform that knows one app, and the calls that a client makes to it.
class ModelTest : public ::testing::Test {
 protected:
  static constexpr const char* kApp = "wxdemo0000000000";
  static constexpr const char* kSecret = "not-a-secret";

  explicit ModelTest(Model::Options options = {}) : model_(clock_, dice_, std::move(options)) {
    model_.put_app({kApp, kSecret});
  }

  json::object send(std::string_view method, std::string_view path, std::string_view query,
                    std::string_view body = {}, std::string_view peer = "127.0.0.1") {
    Answer answer = model_.answer(read_call({method, path, query, body, peer}));
    EXPECT_EQ(answer.status, 200);
    last_body_ = answer.body;
    return json::parse(answer.body).as_object();
  }
  json::object call_token(const std::string& app = kApp) {
    return send("GET", "/cgi-bin/token",
                "grant_type=client_credential&appid=" + app + "&secret=" + kSecret);
  }
  json::object call_stable(bool force = false) {
    json::object body = {{"grant_type", "client_credential"},
                         {"appid", kApp},
                         {"secret", kSecret},
                         {"force_refresh", force}};
    return send("POST", "/cgi-bin/stable_token", "", json::serialize(body));
  }
  std::string normal() { return value(call_token()); }
  std::string stable(bool force = false) { return value(call_stable(force)); }
  static std::string value(const json::object& answer) {
    const json::value* token = answer.if_contains("access_token");
    return token == nullptr ? json::serialize(answer) : std::string(token->as_string());
  }
  static std::int64_t errcode(const json::object& answer) {
    const json::value* code = answer.if_contains("errcode");
    return code == nullptr ? 0 : code->to_number<std::int64_t>();
  }
  static std::int64_t expires_in(const json::object& answer) {
    return answer.at("expires_in").to_number<std::int64_t>();
  }
  /// What a business call with `token` is told.
  std::int64_t probe(const std::string& token) {
    return errcode(send("GET", "/cgi-bin/getcallbackip", "access_token=" + token));
  }
  json::object call_ticket(const std::string& token, const std::string& type = "jsapi") {
    return send("GET", "/cgi-bin/ticket/getticket", "access_token=" + token + "&type=" + type);
  }
  std::string ticket(const std::string& token, const std::string& type = "jsapi") {
    json::object answer = call_ticket(token, type);
    return answer.contains("ticket") ? std::string(answer["ticket"].as_string()) : last_body_;
  }
  void set(const char* patch) {
    auto done = model_.change_settings("", json::parse(patch).as_object());
    ASSERT_TRUE(done) << done.error().message;
  }

  testing::FakeClock clock_;
  testing::FixedJitter dice_;
  Model model_;
  std::string last_body_;
};

// What the platform says to a call, in the order in which it looks.

struct Rejection {
  const char* name;
  const char* method;
  const char* path;
  const char* query;
  const char* body;
  int errcode;
};

class Order : public ModelTest, public ::testing::WithParamInterface<Rejection> {};

TEST_P(Order, IsThePlatforms) {
  const Rejection& row = GetParam();
  EXPECT_EQ(errcode(send(row.method, row.path, row.query, row.body)), row.errcode) << last_body_;
  EXPECT_TRUE(model_.tokens().empty());
}

constexpr const char* kToken = "/cgi-bin/token";
constexpr const char* kStable = "/cgi-bin/stable_token";
INSTANTIATE_TEST_SUITE_P(
    Validation, Order,
    ::testing::Values(
        Rejection{"NoAppidBeforeAnythingElse", "GET", kToken, "", "", 41002},
        Rejection{"EmptyAppidIsNone", "GET", kToken, "appid=&secret=x", "", 41002},
        Rejection{"UnreadableQueryIsNone", "GET", kToken, "appid=%zz", "", 41002},
        Rejection{"PostWithoutQuery", "POST", kToken, "", "appid=wxdemo0000000000", 41002},
        Rejection{"UnknownAppidBeforeGrantType", "GET", kToken, "appid=wxnobody", "", 40013},
        Rejection{"SecretMissing", "GET", kToken, "appid=wxdemo0000000000", "", 41004},
        Rejection{"GrantTypeMissing", "GET", kToken, "appid=wxdemo0000000000&secret=x", "", 40002},
        Rejection{"GrantTypeWithAnS", "GET", kToken,
                  "grant_type=client_credentials&appid=wxdemo0000000000&secret=x", "", 40002},
        Rejection{"SecretWrong", "GET", kToken,
                  "grant_type=client_credential&appid=wxdemo0000000000&secret=x", "", 40125},
        Rejection{"StableByGet", "GET", kStable, "", "", 43002},
        Rejection{"StableReadsNoQuery", "POST", kStable,
                  "grant_type=client_credential&appid=wxdemo0000000000&secret=not-a-secret", "",
                  41002},
        Rejection{"StableReadsNoForm", "POST", kStable, "", "appid=wxdemo0000000000", 41002},
        Rejection{"StableUnknownAppid", "POST", kStable, "", R"({"appid":"wxnobody"})", 40013},
        Rejection{"StableAppidOfAnotherType", "POST", kStable, "", R"({"appid":7})", 41002},
        Rejection{"StableSecretMissing", "POST", kStable, "", R"({"appid":"wxdemo0000000000"})",
                  41004}),
    [](const auto& row) { return row.param.name; });

TEST_F(ModelTest, LooksAtFreezeThenAddressThenVerdictThenQuota) {
  set(R"({"token_calls_a_day":1})");
  normal();
  EXPECT_EQ(errcode(call_token()), 45009);
  set(R"({"verdict":89503})");
  EXPECT_EQ(errcode(call_token()), 89503);
  set(R"({"ip_list":["203.0.113.7"]})");
  EXPECT_EQ(errcode(call_token()), 40164);
  set(R"({"secret_frozen":true})");
  EXPECT_EQ(errcode(call_token()), 40243);
}

TEST(Parameter, EndsWhereTheQueryEnds) {
  std::string_view query = "a=1&b=two HTTP/1.1";
  EXPECT_EQ(parameter(query.substr(0, 9), "b"), "two");
  EXPECT_EQ(parameter("b=%E8%99%8E+x&b=later", "b"), "虎 x");
  EXPECT_EQ(parameter({}, "b"), "");
}

TEST_F(ModelTest, LetsAListedAddressIn) {
  set(R"({"ip_list":["203.0.113.7"]})");
  std::string query =
      std::string("grant_type=client_credential&appid=") + kApp + "&secret=" + kSecret;
  EXPECT_EQ(errcode(send("GET", kToken, query, "", "203.0.113.7")), 0);
}

TEST_F(ModelTest, WritesBodiesAsThePlatformDoes) {
  call_token();
  EXPECT_THAT(last_body_,
              MatchesRegex(R"(\{"access_token":"[A-Za-z0-9_-]{136}","expires_in":7200\})"));
  send("GET", kToken, "appid=wxnobody");
  // The first group of the rid is the time: 1800000000 in hex.
  EXPECT_THAT(
      last_body_,
      MatchesRegex(
          R"(\{"errcode":40013,"errmsg":"invalid appid rid: 6b49d200-[0-9a-f]{8}-[0-9a-f]{8}"\})"));
  set(R"({"ip_list":["203.0.113.7"]})");
  call_token();
  EXPECT_THAT(
      last_body_,
      ::testing::HasSubstr("invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid: "));
}

TEST_F(ModelTest, AnswersAnUnknownPageWith404) {
  EXPECT_EQ(model_.answer(read_call({"GET", "/favicon.ico", "", "", ""})).status, 404);
}

// Tokens of /cgi-bin/token.

TEST_F(ModelTest, MakesANewNormalTokenWithEachCall) {
  std::set<std::string> values;
  for (int i = 0; i < 10; ++i) values.insert(normal());
  EXPECT_EQ(values.size(), 10U);
}

TEST_F(ModelTest, KeepsADisplacedTokenAliveForTheOverlapAndNotLonger) {
  std::string first = normal();
  clock_.advance(minutes(10));
  std::string second = normal();
  clock_.advance(seconds(300) - Milliseconds(1));
  EXPECT_EQ(probe(first), 0);
  clock_.advance(Milliseconds(1));
  EXPECT_EQ(probe(first), 40001);
  EXPECT_EQ(probe(second), 0);
}

TEST_F(ModelTest, NeverLengthensALifeByDisplacing) {
  std::string first = normal();
  clock_.advance(seconds(7100));
  normal();
  clock_.advance(seconds(100));
  EXPECT_EQ(probe(first), 42001);
}

TEST_F(ModelTest, KeepsOnlyCurrentAndPreviousWhenStrict) {
  std::string first = normal();
  std::string second = normal();
  std::string third = normal();
  EXPECT_EQ(probe(first), 40001);
  EXPECT_EQ(probe(second), 0);
  EXPECT_EQ(probe(third), 0);
}

TEST_F(ModelTest, LetsEachTokenLiveThroughItsOwnOverlapWhenLenient) {
  set(R"({"strict":false})");
  std::string first = normal();
  clock_.advance(seconds(100));
  std::string second = normal();
  clock_.advance(seconds(100));
  normal();
  clock_.advance(seconds(199));
  EXPECT_EQ(probe(first), 0) << "it was displaced 299 s ago";
  clock_.advance(seconds(1));
  EXPECT_EQ(probe(first), 40001);
  EXPECT_EQ(probe(second), 0);
  clock_.advance(seconds(100));
  EXPECT_EQ(probe(second), 40001);
}

// Tokens of /cgi-bin/stable_token.

TEST_F(ModelTest, AnswersTheSameStableTokenWithTheTimeThatIsLeft) {
  std::string first = stable();
  clock_.advance(seconds(6899));
  json::object again = call_stable();
  EXPECT_EQ(value(again), first);
  EXPECT_EQ(expires_in(again), 301);
}

TEST_F(ModelTest, MakesANewStableTokenInTheLastMinutesAndLetsTheOldOneEndByItself) {
  std::string first = stable();
  clock_.advance(seconds(6900));
  json::object rotated = call_stable();
  EXPECT_NE(value(rotated), first);
  EXPECT_EQ(expires_in(rotated), 7200);
  EXPECT_EQ(stable(), value(rotated));
  clock_.advance(seconds(299));
  EXPECT_EQ(probe(first), 0);
  clock_.advance(seconds(1));
  EXPECT_EQ(probe(first), 42001);
}

TEST_F(ModelTest, DropsTheStableTokenAtOnceWhenForced) {
  std::string first = stable();
  std::string second = stable(true);
  EXPECT_EQ(probe(first), 40001);
  EXPECT_EQ(probe(second), 0);
}

TEST_F(ModelTest, TakesAForcedCallThatComesTooSoonForAPlainOne) {
  stable();
  std::string second = stable(true);
  clock_.advance(seconds(30) - Milliseconds(1));
  EXPECT_EQ(stable(true), second);
  clock_.advance(Milliseconds(1));
  EXPECT_NE(stable(true), second);
}

TEST_F(ModelTest, RefusesTheForcedCallBeyondTheDaysBudgetUntilBeijingMidnight) {
  std::string last;
  for (int i = 0; i < 20; ++i) {
    last = stable(true);
    clock_.advance(seconds(30));
  }
  EXPECT_EQ(errcode(call_stable(true)), 45009);
  EXPECT_EQ(stable(), last) << "a plain call is still served";
  clock_.advance(hours(8));  // The test began at 16:00 in Beijing.
  EXPECT_EQ(errcode(call_stable(true)), 0);
}

TEST_F(ModelTest, TakesTheForcedCallBeyondTheBudgetForAPlainOneWhenToldSo) {
  set(R"({"forced_excess_refused":false,"forced_a_day":1})");
  std::string only = stable(true);
  clock_.advance(seconds(60));
  EXPECT_EQ(stable(true), only);
}

TEST_F(ModelTest, IsolatesTheFamilies) {
  std::string stable_one = stable();
  std::string normal_one = normal();
  normal();
  normal();
  EXPECT_EQ(probe(stable_one), 0);
  std::string normal_now = normal();
  stable(true);
  EXPECT_EQ(probe(normal_now), 0);
  EXPECT_EQ(probe(stable_one), 40001);
}

// Quotas.

TEST_F(ModelTest, CountsNormalCallsByTheDay) {
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(errcode(call_token()), 0);
  EXPECT_EQ(errcode(call_token()), 45009);
  EXPECT_EQ(errcode(call_stable()), 0) << "the other family has a quota of its own";
  clock_.advance(hours(8));
  EXPECT_EQ(errcode(call_token()), 0);
}

TEST_F(ModelTest, CountsStableCallsByTheMinute) {
  set(R"({"stable_calls_a_minute":3})");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(errcode(call_stable()), 0);
  EXPECT_EQ(errcode(call_stable()), 45011);
  clock_.advance(seconds(60));
  EXPECT_EQ(errcode(call_stable()), 0);
}

TEST_F(ModelTest, CountsOnlyCallsWithGoodCredentials) {
  set(R"({"token_calls_a_day":1})");
  for (int i = 0; i < 5; ++i)
    send("GET", kToken, "grant_type=client_credential&appid=wxdemo0000000000&secret=x");
  EXPECT_EQ(errcode(call_token()), 0);
}

TEST_F(ModelTest, ClearsQuotasTenTimesAMonth) {
  set(R"({"token_calls_a_day":1})");
  std::string token = normal();
  std::string by_secret = json::serialize(json::object{{"appid", kApp}, {"appsecret", kSecret}});
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(errcode(call_token()), 45009);
    EXPECT_EQ(errcode(send("POST", "/cgi-bin/clear_quota/v2", "", by_secret)), 0);
    EXPECT_EQ(errcode(call_token()), 0);
  }
  token = stable();
  std::string by_token = json::serialize(json::object{{"appid", kApp}});
  EXPECT_EQ(errcode(send("POST", "/cgi-bin/clear_quota", "access_token=" + token, by_token)), 0);
  EXPECT_EQ(errcode(send("POST", "/cgi-bin/clear_quota/v2", "", by_secret)), 48006);
}

TEST_F(ModelTest, ShowsAndClearsOneQuota) {
  std::string token = normal();
  auto ask = [&](const char* what, const char* path) {
    return send("POST", std::string("/cgi-bin/openapi/quota/") + what, "access_token=" + token,
                json::serialize(json::object{{"cgi_path", path}}));
  };
  json::object shown = ask("get", "/cgi-bin/token");
  EXPECT_EQ(json::serialize(shown.at("quota")), R"({"daily_limit":2000,"used":1,"remain":1999})");
  EXPECT_EQ(errcode(ask("clear", "/cgi-bin/token")), 0);
  EXPECT_EQ(ask("get", "/cgi-bin/token").at("quota").at("used").as_int64(), 0);
  EXPECT_EQ(errcode(ask("get", "cgi-bin/token")), 76003);
  EXPECT_EQ(errcode(ask("get", "/cgi-bin/elsewhere")), 76021);
}

// Business calls.

TEST_F(ModelTest, JudgesTheTokenOfABusinessCall) {
  EXPECT_EQ(errcode(send("GET", "/cgi-bin/getcallbackip", "")), 41001);
  EXPECT_EQ(probe("SIM_never_made"), 40001);
  EXPECT_EQ(probe("rubbish"), 40001);
  set(R"({"malformed_is_40014":true})");
  EXPECT_EQ(probe("rubbish"), 40014);
  std::string token = normal();
  EXPECT_EQ(probe(token), 0);
  EXPECT_EQ(last_body_, R"({"ip_list":["127.0.0.1","127.0.0.2"]})");
  EXPECT_EQ(errcode(send("POST", "/cgi-bin/user/tag", "access_token=" + token, "{}")), 0);
  clock_.advance(seconds(7200));
  EXPECT_EQ(probe(token), 42001);
}

TEST_F(ModelTest, SeesNoTokenInABody) {
  std::string body = json::serialize(json::object{{"access_token", normal()}});
  EXPECT_EQ(errcode(send("POST", "/cgi-bin/user/tag", "", body)), 41001);
}

// Tickets.

TEST_F(ModelTest, WritesATicketAsThePlatformDoes) {
  const std::string value = ticket(normal());
  EXPECT_EQ(last_body_,
            R"({"errcode":0,"errmsg":"ok","ticket":")" + value + R"(","expires_in":7200})");
  EXPECT_EQ(value.size(), 86U);
}

TEST_F(ModelTest, AnswersTheSameTicketUntilItsEndAndAlwaysWithItsWholeLife) {
  const std::string first = ticket(normal());
  clock_.advance(seconds(7199));
  const std::string token = normal();
  const json::object late = call_ticket(token);
  EXPECT_EQ(late.at("ticket").as_string(), first) << "whatever token asks";
  EXPECT_EQ(expires_in(late), 7200);
  clock_.advance(seconds(1));
  EXPECT_NE(ticket(token), first);
  EXPECT_EQ(expires_in(call_ticket(token)), 7200);
  EXPECT_EQ(model_.token(first)->dies_at, model_.token(first)->expires_at);
}

TEST_F(ModelTest, TellsTheTimeThatATicketHasLeftWhenToldSo) {
  set(R"({"ticket_tells_left":true})");
  const std::string token = normal();
  ticket(token);
  clock_.advance(seconds(200));
  EXPECT_EQ(expires_in(call_ticket(token)), 7000);
}

TEST_F(ModelTest, LetsATicketLiveAsLongAsAToken) {
  set(R"({"lifetime":"60s"})");
  const std::string first = ticket(normal());
  clock_.advance(seconds(59));
  const std::string token = normal();
  EXPECT_EQ(ticket(token), first);
  EXPECT_EQ(expires_in(call_ticket(token)), 60);
  clock_.advance(seconds(1));
  EXPECT_NE(ticket(token), first);
}

TEST_F(ModelTest, KeepsTheTicketsOfTypesAndAppsApart) {
  model_.put_app({"wxother", kSecret});
  const std::string token = normal();
  const std::string other = value(call_token("wxother"));
  EXPECT_EQ((std::set{ticket(token), ticket(token, "wx_card"), ticket(other)}).size(), 3U);
}

TEST_F(ModelTest, AsksForALivingTokenBeforeATicket) {
  EXPECT_EQ(errcode(send("GET", "/cgi-bin/ticket/getticket", "type=jsapi")), 41001);
  EXPECT_EQ(errcode(call_ticket("SIM_never_made")), 40001);
  const std::string token = stable();
  EXPECT_EQ(errcode(call_ticket(token, "")), 40097);
  EXPECT_EQ(errcode(call_ticket(token, "cake")), 40097);
  model_.revoke_token(token);
  EXPECT_EQ(errcode(call_ticket(token, "cake")), 40001) << "the token is judged first";
  const std::string next = stable();
  clock_.advance(seconds(7200));
  EXPECT_EQ(errcode(call_ticket(next)), 42001);
}

TEST_F(ModelTest, TellsAMalformedTokenApartWhereATicketIsAskedForToo) {
  set(R"({"malformed_is_40014":true})");
  EXPECT_EQ(errcode(call_ticket("rubbish")), 40014);
}

TEST_F(ModelTest, AnswersAPostForATicket) {
  EXPECT_EQ(errcode(send("POST", "/cgi-bin/ticket/getticket",
                         "access_token=" + normal() + "&type=jsapi", "{}")),
            0);
}

TEST_F(ModelTest, TakesATicketForNoToken) {
  const std::string value = ticket(normal());
  EXPECT_EQ(probe(value), 40001);
  EXPECT_EQ(errcode(call_ticket(value)), 40001);
}

TEST_F(ModelTest, CountsTicketsApartFromTokens) {
  const std::string token = normal();
  const std::string value = ticket(token);
  ticket(token);
  const Totals totals = model_.totals();
  EXPECT_EQ(totals.tokens_made, 1U);
  EXPECT_EQ(totals.tickets_made, 1U);
  EXPECT_EQ(totals.token_calls, 1U);
  EXPECT_EQ(model_.token(value)->served, 2U);
  EXPECT_EQ(model_.token(value)->family, Family::jsapi_ticket);
  const auto calls = model_.calls(kApp, "ticket/getticket");
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[0].deed, Deed::made);
  EXPECT_EQ(calls[1].deed, Deed::same);
  EXPECT_EQ(calls[1].token, model_.token(value)->serial);
  EXPECT_EQ(model_.apps(kApp, 1).at(0).tickets_alive, 1U);
  EXPECT_EQ(model_.apps(kApp, 1).at(0).alive, 1U);
}

// Taking back.

TEST_F(ModelTest, RevokesATicketAndMakesANewOne) {
  const std::string token = normal();
  const std::string first = ticket(token);
  EXPECT_EQ(model_.revoke_token(first), 1U);
  EXPECT_EQ(model_.token(first)->cause, Cause::revoked);
  EXPECT_NE(ticket(token), first);
  EXPECT_EQ(probe(token), 0) << "the token stays";
}

TEST_F(ModelTest, RevokesATokenAndMakesANewOneForThePlainCall) {
  std::string first = stable();
  EXPECT_EQ(model_.revoke_token(first), 1U);
  EXPECT_EQ(model_.revoke_token(first), 0U);
  EXPECT_EQ(probe(first), 40001);
  EXPECT_NE(stable(), first);
}

TEST_F(ModelTest, GoesOnAnsweringARevokedTokenUntilForcedWhenToldSo) {
  set(R"({"revoked_lingers":true})");
  std::string first = stable();
  model_.revoke_token(first);
  EXPECT_EQ(stable(), first);
  EXPECT_NE(stable(true), first);
}

TEST_F(ModelTest, RevokesEverythingOfAnApp) {
  std::string one = normal();
  std::string two = stable();
  std::string three = ticket(one);
  EXPECT_EQ(model_.revoke_app(kApp), 3U);
  EXPECT_FALSE(model_.token(three)->alive(model_.now()));
  EXPECT_EQ(probe(one), 40001);
  EXPECT_EQ(probe(two), 40001);
}

TEST_F(ModelTest, KeepsTokensThroughAChangeOfSecret) {
  std::string token = normal();
  model_.put_app({kApp, "another-secret"});
  EXPECT_EQ(errcode(call_token()), 40125);
  EXPECT_EQ(probe(token), 0);
}

TEST_F(ModelTest, KeepsTheSettingsOfOneAppApart) {
  model_.put_app({"wxother", kSecret});
  ASSERT_TRUE(model_.change_settings("wxother", {{"lifetime", "60s"}}));
  EXPECT_EQ(expires_in(call_token("wxother")), 60);
  EXPECT_EQ(expires_in(call_token()), 7200);
  set(R"({"lifetime":"90s"})");
  EXPECT_EQ(expires_in(call_token("wxother")), 90) << "a change for all reaches it, too";
  EXPECT_EQ(model_.change_settings("wxnobody", {}).error().fault, Fault::unknown_app);
}

TEST_F(ModelTest, ChangesNoSettingWhereOneDoesNotFit) {
  for (const char* patch : {R"({"lifetime":"60s","colour":"red"})", R"({"lifetime":60})",
                            R"({"lifetime":"60s","strict":"yes"})", R"({"lifetime":"0s"})",
                            R"({"token_length":39})", R"({"ip_list":[1]})", R"({"verdict":1.5})"}) {
    auto done = model_.change_settings("", json::parse(patch).as_object());
    EXPECT_FALSE(done) << patch;
  }
  EXPECT_EQ(expires_in(call_token()), 7200);
}

// Time.

TEST_F(ModelTest, IsNotMovedByAStepOfTheWallClock) {
  std::string token = normal();
  clock_.step_wall(hours(5));
  EXPECT_EQ(probe(token), 0);
  EXPECT_EQ(model_.now(), testing::FakeClock::kStart);
}

// The memory.

TEST_F(ModelTest, RemembersTheLifeOfEveryToken) {
  std::string first = normal();
  clock_.advance(seconds(1000));
  std::string second = normal();
  auto start = testing::FakeClock::kStart;
  auto entry = model_.token(first);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->serial, 1U);
  EXPECT_EQ(entry->app, kApp);
  EXPECT_EQ(entry->made_at, start);
  EXPECT_EQ(entry->expires_at, start + seconds(7200));
  EXPECT_EQ(entry->dies_at, start + seconds(1300));
  EXPECT_EQ(entry->cause, Cause::displaced);
  EXPECT_EQ(entry->successor, 2U);
  EXPECT_EQ(model_.token(second)->successor, 0U);
  EXPECT_FALSE(model_.token("SIM_never_made"));
}

TEST_F(ModelTest, NamesTheSuccessorOfADroppedToken) {
  std::string first = stable();
  stable(true);
  EXPECT_EQ(model_.token(first)->cause, Cause::dropped);
  EXPECT_EQ(model_.token(first)->successor, 2U);
}

TEST_F(ModelTest, TellsWhetherAPromiseWasKept) {
  std::string token = normal();
  auto start = model_.now();
  clock_.advance(seconds(1000));
  normal();
  EXPECT_TRUE(model_.was_alive(token, start, start + seconds(1300)));
  EXPECT_FALSE(model_.was_alive(token, start, start + seconds(1300) + Milliseconds(1)));
  EXPECT_FALSE(model_.was_alive(token, start - Milliseconds(1), start));
  EXPECT_FALSE(model_.was_alive("SIM_never_made", start, start));
}

TEST_F(ModelTest, RemembersEveryCall) {
  std::string token = stable();
  stable(true);
  probe(token);
  send("GET", kToken, "appid=wxnobody");
  auto calls = model_.calls();
  ASSERT_EQ(calls.size(), 4U);
  EXPECT_EQ(calls[0].deed, Deed::made);
  EXPECT_EQ(calls[0].token, 1U);
  EXPECT_EQ(calls[0].ending, Ending::answered);
  EXPECT_TRUE(calls[1].forced);
  EXPECT_EQ(calls[2].endpoint, "getcallbackip");
  EXPECT_EQ(calls[2].app, kApp) << "the token tells";
  EXPECT_EQ(calls[2].deed, Deed::refused);
  EXPECT_EQ(calls[2].errcode, 40001);
  EXPECT_EQ(calls[3].app, "wxnobody");
  EXPECT_EQ(calls[3].errcode, 40013);
  EXPECT_EQ(model_.calls(kApp, "stable_token", 1).size(), 1U);
  EXPECT_EQ(model_.calls("", "", 0, 2).size(), 2U);
}

TEST_F(ModelTest, CountsWhatItSaw) {
  std::string token = stable();
  stable(true);
  probe(token);
  probe(stable());
  send("GET", kToken, "appid=wxnobody");
  Totals totals = model_.totals();
  EXPECT_EQ(totals.calls, 6U);
  EXPECT_EQ(totals.token_calls, 4U);
  EXPECT_EQ(totals.tokens_made, 2U);
  EXPECT_EQ(totals.forced, 1U);
  EXPECT_EQ(totals.refused, 1U);
  EXPECT_EQ(totals.accepted, 1U);
  EXPECT_EQ(totals.dead, 1U);
  EXPECT_EQ(totals.overlapping_pairs, 0U);
}

TEST_F(ModelTest, CountsPairsOfCallsForATokenOfOneAppThatOverlap) {
  model_.put_app({"wxother", kSecret});
  auto arrive = [&](const std::string& app) {
    return model_.arrive(read_call({"GET", kToken, "appid=" + app, "", ""}));
  };
  Visit first = arrive(kApp);
  Visit second = arrive(kApp);
  Visit third = arrive(kApp);
  Visit other = arrive("wxother");
  EXPECT_EQ(model_.totals().overlapping_pairs, 3U);
  model_.leave(first, Ending::answered);
  model_.leave(second, Ending::given_up);
  model_.leave(third, Ending::reset);
  model_.leave(other, Ending::answered);
  normal();
  EXPECT_EQ(model_.totals().overlapping_pairs, 3U);
  EXPECT_EQ(model_.calls()[2].overlaps, 2);
  EXPECT_EQ(model_.calls()[1].ending, Ending::given_up);
}

class SmallMemory : public ModelTest {
 protected:
  static Model::Options small() {
    Model::Options options;
    options.settings.token_calls_a_day = 0;
    options.memory = {5, 10};
    return options;
  }
  SmallMemory() : ModelTest(small()) {}
};

TEST_F(SmallMemory, KeepsTheLatestCalls) {
  for (int i = 0; i < 8; ++i) normal();
  auto calls = model_.calls();
  ASSERT_EQ(calls.size(), 5U);
  EXPECT_EQ(calls.front().id, 4U);
  EXPECT_EQ(model_.totals().calls, 8U);
}

TEST_F(SmallMemory, NeverForgetsATokenThatLives) {
  std::string lasting = stable();
  for (int i = 0; i < 100; ++i) normal();
  EXPECT_EQ(probe(lasting), 0);
  EXPECT_LE(model_.tokens().size(), 11U);
}

TEST_F(SmallMemory, AnswersAForgottenTokenLikeAnUnknownOne) {
  std::string first = normal();
  for (int i = 0; i < 100; ++i) normal();
  EXPECT_FALSE(model_.token(first));
  EXPECT_EQ(probe(first), 40001);
}

class AnyApp : public ModelTest {
 protected:
  static Model::Options any() {
    Model::Options options;
    options.any_app = true;
    options.most_apps = 3;
    options.memory.calls = 0;
    return options;
  }
  AnyApp() : ModelTest(any()) {}
};

TEST_F(AnyApp, KnowsEveryAppidUpToABound) {
  EXPECT_EQ(errcode(call_token("wxone")), 0);
  EXPECT_EQ(errcode(call_token("wxtwo")), 0);
  EXPECT_EQ(errcode(call_token("wxthree")), 40013);
  EXPECT_EQ(errcode(call_token("wxone")), 0);
}

TEST_F(AnyApp, CountsCallsThatItDoesNotRemember) {
  call_token("wxone");
  EXPECT_TRUE(model_.calls().empty());
  EXPECT_EQ(model_.totals().token_calls, 1U);
}

// Faults.

TEST_F(ModelTest, LetsAFaultBefallAsManyCallsAsItWasSetFor) {
  FaultSwitch reset;
  reset.kind = FaultSwitch::Kind::reset;
  reset.endpoint = "token";
  reset.app = kApp;
  reset.count = 2;
  model_.add_fault(reset);
  FaultSwitch slow;
  slow.kind = FaultSwitch::Kind::slow;
  model_.add_fault(slow);

  auto kind_for = [&](const char* path, const char* app) {
    Visit visit = model_.arrive(read_call({"GET", path, std::string("appid=") + app, "", ""}));
    model_.leave(visit, Ending::answered);
    return visit.fault ? std::string(name_of(visit.fault->kind)) : "none";
  };
  EXPECT_EQ(kind_for(kToken, "wxother"), "slow");
  EXPECT_EQ(kind_for("/cgi-bin/getcallbackip", kApp), "slow");
  EXPECT_EQ(kind_for(kToken, kApp), "reset");
  EXPECT_EQ(kind_for(kToken, kApp), "reset");
  EXPECT_EQ(kind_for(kToken, kApp), "slow");
  EXPECT_EQ(model_.calls()[2].fault, FaultSwitch::Kind::reset);
  model_.clear_faults();
  EXPECT_EQ(kind_for(kToken, kApp), "none");
}

// Lengths of time.

TEST(Duration, IsReadAndWritten) {
  EXPECT_EQ(parse_duration("300s"), seconds(300));
  EXPECT_EQ(parse_duration("1.5s"), Milliseconds(1500));
  EXPECT_EQ(parse_duration("500ms"), Milliseconds(500));
  EXPECT_EQ(parse_duration("30m"), minutes(30));
  EXPECT_EQ(parse_duration("2h"), hours(2));
  for (const char* text : {"", "5", "s", "5 s", "-5s", "5d", "nan s", "1e3s", "99999999999999h"})
    EXPECT_FALSE(parse_duration(text)) << text;
  EXPECT_EQ(format_duration(seconds(7200)), "7200s");
  EXPECT_EQ(format_duration(Milliseconds(1500)), "1500ms");
}

}  // namespace
}  // namespace hufu::simulator
