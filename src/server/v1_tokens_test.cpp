#include "server/v1_routes.hpp"

#include <gtest/gtest.h>

#include <string>

#include "server/route_fixture_testing.hpp"

namespace hufu::server {
namespace {

using std::chrono::milliseconds;
using testing::Answered;
using testing::grant;
using testing::RouteFixture;
using Asked = std::vector<std::string>;

class V1 : public ::testing::Test {
 protected:
  V1() {
    fixture.keeper.add("wx1", "TOKEN-1");
    fixture.keeper.add("wx-new");
    key = fixture.key({true, true, true, true, true});
  }

  Answered get(const std::string& target, std::string if_none_match = {}) {
    RouteFixture::Ask ask{"GET", target, key};
    if (!if_none_match.empty()) ask.headers = {{"If-None-Match", std::move(if_none_match)}};
    return fixture.ask(ask);
  }
  Answered post(const std::string& target, const std::string& body = {}) {
    return fixture.ask({"POST", target, key, body});
  }
  Answered put(const std::string& target, const std::string& body) {
    return fixture.ask({"PUT", target, key, body});
  }

  static void expect_problem(const Answered& answer, int status, std::string_view code) {
    EXPECT_EQ(answer.times, 1);
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.content_type, "application/problem+json");
    EXPECT_EQ(answer.at("status"), std::to_string(status));
    EXPECT_EQ(answer.at("code"), "\"" + std::string(code) + "\"");
    EXPECT_EQ(answer.at("type"), "\"urn:hufu:problem:" + std::string(code) + "\"");
    EXPECT_GT(answer.at("title").size(), 2U);
    EXPECT_GT(answer.at("detail").size(), 2U);
  }

  RouteFixture fixture;
  std::string key;
};

TEST_F(V1, GivesATokenWithEverythingThatIsKnownOfIt) {
  Answered answer = get("/v1/apps/wx1/token");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "application/json");
  EXPECT_EQ(answer.body,
            R"({"app":"wx1","kind":"access_token","token":"TOKEN-1","expires_in":7000,)"
            R"("expires_at":"2027-01-15T09:57:00Z","revision":1,"fingerprint":"0a1b2c3d"})");
  EXPECT_TRUE(answer.has_header("ETag: \"1\""));
  EXPECT_TRUE(answer.has_header("Cache-Control: no-store"));
  EXPECT_FALSE(answer.later);
}

TEST_F(V1, SaysTheSameOfATokenThatHadToBeFetched) {
  fixture.keeper.on_get = [](const Key&) -> Result<Grant> { return grant("wx-new", "TOKEN-1"); };
  Answered answer = get("/v1/apps/wx-new/token");
  EXPECT_TRUE(answer.later);
  EXPECT_EQ(answer.body,
            R"({"app":"wx-new","kind":"access_token","token":"TOKEN-1","expires_in":7000,)"
            R"("expires_at":"2027-01-15T09:57:00Z","revision":1,"fingerprint":"0a1b2c3d"})");
  EXPECT_TRUE(answer.has_header("ETag: \"1\""));
}

TEST_F(V1, SaysWhenATokenIsSuspect) {
  fixture.keeper.on_get = [](const Key&) -> Result<Grant> {
    Grant doubtful = grant("wx-new", "doubtful");
    doubtful.suspect = true;
    return doubtful;
  };
  EXPECT_EQ(get("/v1/apps/wx-new/token").at("suspect"), "true");
  EXPECT_EQ(get("/v1/apps/wx1/token").at("suspect"), "");
}

TEST_F(V1, PassesKindAndWishOn) {
  get("/v1/apps/wx-new/token?min_ttl=600&kind=jsapi_ticket");
  EXPECT_EQ(fixture.keeper.asked, Asked{"get wx-new jsapi_ticket 600"});
}

TEST_F(V1, RefusesAQueryThatMakesNoSense) {
  for (const char* query : {"min_ttl=x", "min_ttl=-1", "min_ttl=1.5", "min_ttl=60s", "wait=x",
                            "wait=-1", "kind=a%20b", "kind=%ff", "kind=%", "min_ttl=%"}) {
    expect_problem(get("/v1/apps/wx1/token?" + std::string(query)), 400, "usage");
  }
  expect_problem(get("/v1/apps/wx1/token?kind=" + std::string(129, 'k')), 400, "usage");
  EXPECT_EQ(get("/v1/apps/wx1/token?min_ttl=&wait=&kind=&unknown=1").status, 200);
}

TEST_F(V1, AnswersNotModifiedToWhomHasTheCurrentToken) {
  for (const char* seen : {"\"1\"", "W/\"1\"", "\"0\", \"1\"", " \"1\" "}) {
    Answered answer = get("/v1/apps/wx1/token", seen);
    EXPECT_EQ(answer.status, 304) << seen;
    EXPECT_EQ(answer.body, "");
    EXPECT_TRUE(answer.has_header("ETag: \"1\""));
  }
  for (const char* seen : {"\"2\"", "1", "*", "\"\"", "\"x\"", "\"1", "\"1x\"", "\"-1\"",
                           "\"99999999999999999999999\""}) {
    EXPECT_EQ(get("/v1/apps/wx1/token", seen).status, 200) << seen;
  }
  EXPECT_EQ(get("/v1/apps/wx-new/token", "\"2\"").status, 304);
  EXPECT_EQ(get("/v1/apps/wx-new/token", "\"1\"").status, 200);
}

TEST_F(V1, WaitsForTheNextRevision) {
  fixture.keeper.on_wait = [] { return std::optional<Grant>(grant("wx1", "TOKEN-2", 2)); };
  Answered answer = get("/v1/apps/wx1/token?wait=5", "\"1\"");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.at("token"), "\"TOKEN-2\"");
  EXPECT_TRUE(answer.has_header("ETag: \"2\""));
  EXPECT_EQ(fixture.keeper.asked, Asked{"wait wx1 1 5000"});
}

TEST_F(V1, WaitsForAMinuteAtMost) {
  get("/v1/apps/wx1/token?wait=3600", "\"1\"");
  EXPECT_EQ(fixture.keeper.asked, Asked{"wait wx1 1 60000"});
}

TEST_F(V1, SaysNotModifiedWhenNothingCame) {
  Answered answer = get("/v1/apps/wx1/token?wait=5", "\"1\"");
  EXPECT_EQ(answer.status, 304);
  EXPECT_TRUE(answer.has_header("ETag: \"1\""));
}

TEST_F(V1, SaysThatThereIsNoneWhenTheSeenTokenDiedMeanwhile) {
  fixture.keeper.on_get = [](const Key&) -> Result<Grant> {
    return fail(Fault::unreachable, "gone");
  };
  expect_problem(get("/v1/apps/wx-new/token?wait=5", "\"1\""), 503, "unreachable");
  EXPECT_EQ(fixture.keeper.asked, (Asked{"wait wx-new 1 5000", "get wx-new access_token 0"}));
}

TEST_F(V1, DoesNotWaitForWhomHasSeenNothingOrSomethingElse) {
  EXPECT_EQ(get("/v1/apps/wx1/token?wait=5").status, 200);
  EXPECT_EQ(get("/v1/apps/wx1/token?wait=5", "\"7\"").status, 200);
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(V1, AnswersUnavailableWhateverTheCause) {
  for (Fault fault : {Fault::refused, Fault::unreachable, Fault::store, Fault::throttled,
                      Fault::config, Fault::internal, Fault::too_soon}) {
    fixture.keeper.on_get = [&](const Key&) -> Result<Grant> {
      return tl::unexpected<Error>(
          Error{fault, "what happened", "what to do", 40164, milliseconds(1001)});
    };
    Answered answer = get("/v1/apps/wx-new/token");
    expect_problem(answer, 503, name_of(fault));
    EXPECT_EQ(answer.at("errcode"), "40164");
    EXPECT_EQ(answer.at("detail"), "\"what happened\"");
    EXPECT_EQ(answer.at("next_step"), "\"what to do\"");
    EXPECT_TRUE(answer.has_header("Retry-After: 2")) << answer.headers;
  }
}

TEST_F(V1, SaysAtLeastOneSecondToRetryAfter) {
  for (std::optional<milliseconds> wait :
       {std::optional<milliseconds>(), std::optional(milliseconds(0)),
        std::optional(milliseconds(-5000)), std::optional(milliseconds(1))}) {
    fixture.keeper.on_get = [&](const Key&) -> Result<Grant> {
      return tl::unexpected<Error>(Error{Fault::store, "out", {}, {}, wait});
    };
    Answered answer = get("/v1/apps/wx-new/token");
    EXPECT_TRUE(answer.has_header("Retry-After: 1")) << answer.headers;
    EXPECT_EQ(answer.at("errcode"), "");
    EXPECT_EQ(answer.at("next_step"), "");
  }
}

TEST_F(V1, TakesReportsByValueAndByFingerprint) {
  Answered answer = post("/v1/apps/wx1/token/report", R"({"token":"refused"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"app":"wx1","kind":"access_token","token":"renewed","expires_in":7000,)"
            R"("expires_at":"2027-01-15T09:57:00Z","revision":3,"fingerprint":"0a1b2c3d",)"
            R"("outcome":"renewed"})");
  EXPECT_TRUE(answer.has_header("ETag: \"3\""));
  post("/v1/apps/wx1/token/report?kind=jsapi_ticket", R"({"fingerprint":"0A1B2C3D"})");
  EXPECT_EQ(fixture.keeper.asked,
            (Asked{"report wx1 access_token refused", "report wx1 jsapi_ticket #0a1b2c3d"}));
}

TEST_F(V1, NamesEveryOutcomeOfAReport) {
  for (ReportOutcome outcome :
       {ReportOutcome::renewed, ReportOutcome::already_newer, ReportOutcome::unknown,
        ReportOutcome::alive, ReportOutcome::throttled}) {
    fixture.keeper.on_report = [&](const Key&) -> Result<Report> {
      return Report{outcome, grant("wx1", "t")};
    };
    EXPECT_EQ(post("/v1/apps/wx1/token/report", R"({"token":"x"})").at("outcome"),
              "\"" + std::string(name_of(outcome)) + "\"");
  }
}

TEST_F(V1, RefusesAReportThatNamesNoToken) {
  for (const std::string& body :
       {std::string(), std::string("{}"), std::string("[]"), std::string("null"), std::string("{"),
        std::string("token=x"), std::string(R"({"token":""})"), std::string(R"({"token":1})"),
        std::string(R"({"token":null})"), std::string(R"({"fingerprint":"0a1b2c3"})"),
        std::string(R"({"fingerprint":"xxxxxxxx"})"),
        std::string(R"({"token":"x","fingerprint":"0a1b2c3d"})"),
        R"({"token":")" + std::string(4097, 't') + "\"}", std::string(60'000, '{'),
        std::string("{\"token\":\"\xff\"}")}) {
    expect_problem(post("/v1/apps/wx1/token/report", body), 400, "usage");
  }
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(V1, NamesWhatItDoesNotKnowInABody) {
  Answered answer = post("/v1/apps/wx1/token/report", R"({"token":"x","extra":1,"more":2})");
  expect_problem(answer, 400, "usage");
  EXPECT_EQ(answer.at("detail"), R"("Unknown in the body: extra, more")");
}

TEST_F(V1, RefreshesAtOnce) {
  Answered answer = post("/v1/apps/wx1/token/refresh");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.at("token"), "\"refreshed\"");
  EXPECT_EQ(answer.at("revision"), "4");
  EXPECT_TRUE(answer.has_header("ETag: \"4\""));
}

TEST_F(V1, SaysWhenItIsTooSoonToRefresh) {
  fixture.keeper.on_refresh = [](const Key&) -> Result<Grant> {
    return tl::unexpected<Error>(
        Error{Fault::too_soon, "renewed a moment ago", {}, {}, milliseconds(281'500)});
  };
  Answered answer = post("/v1/apps/wx1/token/refresh");
  expect_problem(answer, 409, "too_soon");
  EXPECT_TRUE(answer.has_header("Retry-After: 282")) << answer.headers;

  fixture.keeper.on_refresh = [](const Key&) -> Result<Grant> {
    return tl::unexpected<Error>(
        Error{Fault::throttled, "used up", {}, 45009, milliseconds(30'000)});
  };
  answer = post("/v1/apps/wx1/token/refresh");
  expect_problem(answer, 429, "throttled");
  EXPECT_TRUE(answer.has_header("Retry-After: 30")) << answer.headers;

  fixture.keeper.on_refresh = [](const Key&) -> Result<Grant> {
    return fail(Fault::refused, "no");
  };
  expect_problem(post("/v1/apps/wx1/token/refresh"), 503, "refused");
}

TEST_F(V1, ListsApps) {
  fixture.keeper.at("wx1").info.from_config = true;
  Answered answer = get("/v1/apps");
  EXPECT_EQ(answer.body, R"({"apps":[{"id":"wx-new","platform":"wechat","endpoint":"stable",)"
                         R"("secret_login":true,"origin":"store"},{"id":"wx1","platform":"wechat",)"
                         R"("endpoint":"stable","secret_login":true,"origin":"config"}]})");
}

TEST_F(V1, ListsAppsPageByPage) {
  EXPECT_EQ(get("/v1/apps?limit=1").at("next"), "\"wx-new\"");
  Answered second = get("/v1/apps?limit=1&after=wx-new");
  EXPECT_EQ(second.json().at("apps").as_array().size(), 1U);
  EXPECT_EQ(second.at("next"), "");
  EXPECT_EQ(get("/v1/apps?after=zz").body, R"({"apps":[]})");
  EXPECT_EQ(get("/v1/apps?limit=2147483647").status, 200);
  for (const char* query : {"limit=0", "limit=-1", "limit=x", "after=%ff"}) {
    expect_problem(get("/v1/apps?" + std::string(query)), 400, "usage");
  }
}

TEST_F(V1, ShowsAKeyJustItsApps) {
  key = fixture.key({.read = true, .admin = true}, {"wx1", "wx-gone", "wx-new"});
  EXPECT_EQ(get("/v1/apps").json().at("apps").as_array().size(), 2U);
  EXPECT_EQ(get("/v1/apps?limit=1").at("next"), "\"wx-new\"");
  EXPECT_EQ(get("/v1/apps?limit=1&after=wx-new").at("next"), "");

  key = fixture.key({.read = true, .admin = true}, {"wx1"});
  EXPECT_EQ(get("/v1/apps").json().at("apps").as_array().size(), 1U);
  for (const char* app : {"wx1", "wx2"}) {
    TokenStatus status;
    status.key.app = app;
    fixture.keeper.statuses.push_back(std::move(status));
  }
  EXPECT_EQ(get("/v1/status").json().at("tokens").as_array().size(), 1U);
}

TEST_F(V1, ShowsAnAppWithoutItsSecret) {
  fixture.keeper.at("wx1").secret = "CANARY";
  Answered answer = get("/v1/apps/wx1");
  EXPECT_EQ(answer.body, R"({"id":"wx1","platform":"wechat","endpoint":"stable",)"
                         R"("secret_login":true,"origin":"store"})");
  expect_problem(get("/v1/apps/nobody"), 404, "unknown_app");
}

TEST_F(V1, ShowsTheDocumentThatOtherProgramsRead) {
  fixture.keeper.at("wx1").info.legacy_document = "access_token";
  fixture.keeper.at("wx1").info.legacy_collection = "tokens";
  const auto app = get("/v1/apps/wx1").json();
  EXPECT_EQ(app.at("legacy_document"), "access_token");
  EXPECT_EQ(app.at("legacy_collection"), "tokens");
}

TEST_F(V1, PutsAnApp) {
  Answered made = put("/v1/apps/wx2", R"({"id":"wx2","platform":"wechat","endpoint":"classic",)"
                                      R"("secret":" \tCANARY\n","secret_login":false})");
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.body, R"({"id":"wx2","platform":"wechat","endpoint":"classic",)"
                       R"("secret_login":false,"origin":"store"})");
  ASSERT_TRUE(fixture.keeper.put);
  EXPECT_EQ(fixture.keeper.put->secret.reveal(), "CANARY");
  EXPECT_EQ(fixture.keeper.put->endpoint, "classic");
  EXPECT_FALSE(fixture.keeper.put->secret_login);

  EXPECT_EQ(put("/v1/apps/wx1", R"({"secret":"s"})").status, 200);
  EXPECT_EQ(fixture.keeper.put->platform, "wechat");
  EXPECT_EQ(fixture.keeper.put->endpoint, "stable");
  EXPECT_TRUE(fixture.keeper.put->secret_login);
}

TEST_F(V1, KeepsTheSecretOfAnAppThatIsPutWithoutOne) {
  EXPECT_EQ(put("/v1/apps/wx1", R"({"endpoint":"classic"})").status, 200);
  EXPECT_TRUE(fixture.keeper.put->secret.empty());
}

TEST_F(V1, RefusesAnAppThatMakesNoSense) {
  for (const char* body :
       {"", "[]", "{}", R"({"secret":""})", R"({"secret":"  "})", R"({"secret":1})",
        R"({"secret":{"env":"X"}})", R"({"secret":"s","platform":1})",
        R"({"secret":"s","platform":""})", R"({"secret":"s","endpoint":null})",
        R"({"secret":"s","endpoint":"a b"})", R"({"secret":"s","secret_login":"true"})",
        R"({"secret":"s","id":"wx3"})", R"({"secret":"s","id":1})",
        R"({"secret":"s","Secret":"s"})"}) {
    expect_problem(put("/v1/apps/wx2", body), 400, "usage");
  }
  expect_problem(put("/v1/apps/wx1", R"({"secret":""})"), 400, "usage");
  expect_problem(put("/v1/apps/a%20b", R"({"secret":"s"})"), 400, "usage");
  expect_problem(put("/v1/apps/%E8%99%8E", R"({"secret":"s"})"), 400, "usage");
  expect_problem(put("/v1/apps/" + std::string(129, 'a'), R"({"secret":"s"})"), 400, "usage");
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(V1, SaysThatSinksAreOfTheConfigurationFile) {
  Answered answer = put("/v1/apps/wx2", R"({"secret":"s","sink":[{"file":"/run/t"}]})");
  expect_problem(answer, 400, "usage");
  EXPECT_NE(answer.body.find("configuration file"), std::string::npos) << answer.body;
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(V1, NamesAnUnknownFieldOfAnAppAndKeepsItsValueToItself) {
  Answered answer = put("/v1/apps/wx2", R"({"secret":"s","secrt":"CANARY"})");
  expect_problem(answer, 400, "usage");
  EXPECT_NE(answer.at("detail").find("secrt"), std::string::npos);
  EXPECT_EQ(answer.body.find("CANARY"), std::string::npos);
}

TEST_F(V1, LeavesAppsOfTheConfigFileAlone) {
  fixture.keeper.at("wx1").info.from_config = true;
  expect_problem(put("/v1/apps/wx1", R"({"secret":"s"})"), 409, "usage");
  expect_problem(fixture.ask({"DELETE", "/v1/apps/wx1", key}), 409, "usage");
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(V1, RemovesAnApp) {
  Answered answer = fixture.ask({"DELETE", "/v1/apps/wx1", key});
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.body, "");
  expect_problem(fixture.ask({"DELETE", "/v1/apps/nobody", key}), 404, "unknown_app");
}

TEST_F(V1, SaysWhyAnAppCouldNotBeChanged) {
  fixture.keeper.change_error = Error{Fault::config, "no such platform", {}, {}, {}};
  expect_problem(put("/v1/apps/wx2", R"({"secret":"s"})"), 400, "config");
  fixture.keeper.change_error = Error{Fault::store, "disk full", {}, {}, {}};
  expect_problem(put("/v1/apps/wx2", R"({"secret":"s"})"), 503, "store");
  expect_problem(fixture.ask({"DELETE", "/v1/apps/wx1", key}), 503, "store");
}

TEST_F(V1, ShowsTheStatus) {
  TokenStatus good;
  good.key.app = "wx1";
  good.issuer = "wechat/stable/access_token";
  good.state = TokenState::fresh;
  good.revision = 3;
  good.fingerprint = Fingerprint{0x0a1b2c3d};
  good.expires_in = std::chrono::seconds(7000);
  good.obtained_at = hufu::testing::FakeClock::kStart;
  good.expires_at = good.obtained_at + std::chrono::seconds(7200);
  good.renew_at = good.obtained_at + std::chrono::milliseconds(5'399'999);
  TokenStatus bad;
  bad.key.app = "wx2";
  bad.state = TokenState::missing;
  bad.failure = FailureState{{Fault::refused, "invalid ip", "add it", 40164, {}},
                             good.obtained_at,
                             good.obtained_at + std::chrono::seconds(300),
                             2,
                             "CANARY"};
  fixture.keeper.statuses.push_back(std::move(good));
  fixture.keeper.statuses.push_back(std::move(bad));
  fixture.keeper.view.now = hufu::testing::FakeClock::kStart;
  EXPECT_EQ(
      get("/v1/status").body,
      R"({"verdict":"1 of 2 tokens unusable: wx2","store_usable":true,"now":"2027-01-15T08:00:00Z","tokens":[)"
      R"({"app":"wx1","kind":"access_token","issuer":"wechat/stable/access_token",)"
      R"("state":"fresh","revision":3,"expires_in":7000,"fingerprint":"0a1b2c3d",)"
      R"("obtained_at":"2027-01-15T08:00:00Z","expires_at":"2027-01-15T10:00:00Z",)"
      R"("renew_at":"2027-01-15T09:29:59Z"},)"
      R"({"app":"wx2","kind":"access_token","issuer":"","state":"missing","revision":0,)"
      R"("expires_in":0,"trouble":{"code":"refused","errcode":40164,"message":"invalid ip",)"
      R"("next_step":"add it","at":"2027-01-15T08:00:00Z",)"
      R"("next_attempt_at":"2027-01-15T08:05:00Z","failures":2}}],"nodes":[],"leases":[]})");
}

TEST_F(V1, StatusSaysFirstThatTheStoreCannotBeUsed) {
  fixture.keeper.healthy.store_ok = false;
  EXPECT_EQ(get("/v1/status").json().at("verdict"),
            "the store cannot be used, nothing is renewed; no app is known");
  EXPECT_FALSE(get("/v1/status").json().at("store_usable").as_bool());
}

TEST_F(V1, StatusShowsTheNodesAndWhoHoldsWhichLease) {
  store::NodeRow node;
  node.name = "host-a/boot/7/1";
  node.host = "host-a";
  node.version = "1.2.3";
  node.listen = "0.0.0.0:7200";
  node.started_at = hufu::testing::FakeClock::kStart;
  node.seen_at = node.started_at + std::chrono::seconds(5);
  node.clock_ahead = std::chrono::milliseconds(-600'042);
  node.fenced = 2;
  fixture.keeper.view.now = node.seen_at + std::chrono::seconds(1);
  fixture.keeper.view.nodes.push_back(node);
  fixture.keeper.view.leases.push_back(
      {{"wx1", "access_token"}, node.name, 17, std::chrono::milliseconds(29'999)});
  EXPECT_EQ(
      get("/v1/status").body,
      R"({"verdict":"no app is known","store_usable":true,"now":"2027-01-15T08:00:06Z","tokens":[],"nodes":[)"
      R"({"name":"host-a/boot/7/1","host":"host-a","version":"1.2.3",)"
      R"("listen":"0.0.0.0:7200","started_at":"2027-01-15T08:00:00Z",)"
      R"("seen_at":"2027-01-15T08:00:05Z","clock_ahead":-600.042,"fenced":2}],"leases":[)"
      R"({"app":"wx1","kind":"access_token","holder":"host-a/boot/7/1","fence":17,)"
      R"("remaining":29}]})");
}

}  // namespace
}  // namespace hufu::server
