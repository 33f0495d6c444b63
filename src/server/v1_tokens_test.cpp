#include "server/v1_tokens.hpp"

#include <gtest/gtest.h>

#include <string>

#include "server/v1_testing.hpp"

namespace hufu::server {
namespace {

using std::chrono::milliseconds;
using testing::Answered;
using testing::grant;
using Asked = std::vector<std::string>;

class V1Tokens : public testing::V1 {};

TEST_F(V1Tokens, GivesATokenWithEverythingThatIsKnownOfIt) {
  Answered answer = get("/v1/apps/wx1/token");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "application/json");
  EXPECT_EQ(answer.body,
            R"({"app":"wx1","kind":"access_token","token":"TOKEN-1","expires_in":7000,)"
            R"("expires_at":"2027-01-15T09:57:00Z","revision":1,"fingerprint":"0a1b2c3d"})");
  EXPECT_TRUE(answer.has_header("ETag: \"1-0a1b2c3d\""));
  EXPECT_TRUE(answer.has_header("Cache-Control: no-store"));
  EXPECT_FALSE(answer.later);
}

TEST_F(V1Tokens, SaysTheSameOfATokenThatHadToBeFetched) {
  fixture.keeper.on_get = [](const Key&) -> Result<Grant> { return grant("wx-new", "TOKEN-1"); };
  Answered answer = get("/v1/apps/wx-new/token");
  EXPECT_TRUE(answer.later);
  EXPECT_EQ(answer.body,
            R"({"app":"wx-new","kind":"access_token","token":"TOKEN-1","expires_in":7000,)"
            R"("expires_at":"2027-01-15T09:57:00Z","revision":1,"fingerprint":"0a1b2c3d"})");
  EXPECT_TRUE(answer.has_header("ETag: \"1-0a1b2c3d\""));
}

TEST_F(V1Tokens, SaysWhenATokenIsSuspect) {
  fixture.keeper.on_get = [](const Key&) -> Result<Grant> {
    Grant doubtful = grant("wx-new", "doubtful");
    doubtful.suspect = true;
    return doubtful;
  };
  EXPECT_EQ(get("/v1/apps/wx-new/token").at("suspect"), "true");
  EXPECT_EQ(get("/v1/apps/wx1/token").at("suspect"), "");
}

TEST_F(V1Tokens, PassesKindAndWishOn) {
  get("/v1/apps/wx-new/token?min_ttl=600&kind=jsapi_ticket");
  EXPECT_EQ(fixture.keeper.asked, Asked{"get wx-new jsapi_ticket 600"});
}

TEST_F(V1Tokens, LeavesTheMainKindToTheKeeper) {
  get("/v1/apps/wx-new/token?kind=");
  post("/v1/apps/wx1/token/refresh");
  EXPECT_EQ(fixture.keeper.asked, (Asked{"get wx-new 0", "refresh wx1"}));
  EXPECT_EQ(get("/v1/apps/wx1/token").at("kind"), "\"access_token\"");
}

TEST_F(V1Tokens, GivesTokensOfEveryKind) {
  fixture.keeper.put_token("wx1", "jsapi_ticket", "TICKET-1");
  Answered answer = get("/v1/apps/wx1/token?kind=jsapi_ticket");
  EXPECT_EQ(answer.at("kind"), "\"jsapi_ticket\"");
  EXPECT_EQ(answer.at("token"), "\"TICKET-1\"");
  EXPECT_FALSE(answer.later);
}

TEST_F(V1Tokens, PassesOnWhichKindsThereAre) {
  auto unknown = [](const Key&) {
    return fail(Fault::unknown_kind, "wechat has no session_key",
                "Known are: access_token, jsapi_ticket");
  };
  fixture.keeper.on_get = unknown;
  fixture.keeper.on_report = unknown;
  fixture.keeper.on_refresh = unknown;
  for (const Answered& answer :
       {get("/v1/apps/wx1/token?kind=session_key"),
        post("/v1/apps/wx1/token/report?kind=session_key", R"({"token":"x"})"),
        post("/v1/apps/wx1/token/refresh?kind=session_key")}) {
    expect_problem(answer, 404, "unknown_kind");
    EXPECT_EQ(answer.at("next_step"), R"("Known are: access_token, jsapi_ticket")");
  }
}

TEST_F(V1Tokens, RefusesAQueryThatMakesNoSense) {
  for (const char* query : {"min_ttl=x", "min_ttl=-1", "min_ttl=1.5", "min_ttl=60s", "wait=x",
                            "wait=-1", "kind=a%20b", "kind=%ff", "kind=%", "min_ttl=%"}) {
    expect_problem(get("/v1/apps/wx1/token?" + std::string(query)), 400, "usage");
  }
  expect_problem(get("/v1/apps/wx1/token?kind=" + std::string(129, 'k')), 400, "usage");
  EXPECT_EQ(get("/v1/apps/wx1/token?min_ttl=&wait=&kind=&unknown=1").status, 200);
}

TEST_F(V1Tokens, AnswersNotModifiedToWhomHasTheCurrentToken) {
  for (const char* seen : {"\"1-0a1b2c3d\"", "W/\"1-0a1b2c3d\"", "\"0-00000000\", \"1-0a1b2c3d\"",
                           " \"1-0A1B2C3D\" "}) {
    Answered answer = get("/v1/apps/wx1/token", seen);
    EXPECT_EQ(answer.status, 304) << seen;
    EXPECT_EQ(answer.body, "");
    EXPECT_TRUE(answer.has_header("ETag: \"1-0a1b2c3d\""));
  }
  for (const char* seen : {"\"2-0a1b2c3d\"", "\"1\"", "1-0a1b2c3d", "*", "\"\"", "\"x\""}) {
    EXPECT_EQ(get("/v1/apps/wx1/token", seen).status, 200) << seen;
  }
  EXPECT_EQ(get("/v1/apps/wx-new/token", "\"2-0a1b2c3d\"").status, 304);
  EXPECT_EQ(get("/v1/apps/wx-new/token", "\"1-0a1b2c3d\"").status, 200);
}

// An app that was removed and added again begins anew at revision 1: its clients were told 304 and
// went on with a token that had been displaced.
TEST_F(V1Tokens, TellsTokensOfOneRevisionApartWhenTheAppWasAddedAgain) {
  EXPECT_EQ(get("/v1/apps/wx1/token", "\"1-ffffffff\"").status, 200);
}

TEST_F(V1Tokens, WaitsForTheNextRevision) {
  fixture.keeper.on_wait = [] { return std::optional<Grant>(grant("wx1", "TOKEN-2", 2)); };
  Answered answer = get("/v1/apps/wx1/token?wait=5", "\"1-0a1b2c3d\"");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.at("token"), "\"TOKEN-2\"");
  EXPECT_TRUE(answer.has_header("ETag: \"2-0a1b2c3d\""));
  EXPECT_EQ(fixture.keeper.asked, Asked{"wait wx1 1-0a1b2c3d 5000"});
}

TEST_F(V1Tokens, WaitsForAMinuteAtMost) {
  get("/v1/apps/wx1/token?wait=3600", "\"1-0a1b2c3d\"");
  EXPECT_EQ(fixture.keeper.asked, Asked{"wait wx1 1-0a1b2c3d 60000"});
}

TEST_F(V1Tokens, SaysNotModifiedWhenNothingCame) {
  Answered answer = get("/v1/apps/wx1/token?wait=5", "\"1-0a1b2c3d\"");
  EXPECT_EQ(answer.status, 304);
  EXPECT_TRUE(answer.has_header("ETag: \"1-0a1b2c3d\""));
}

TEST_F(V1Tokens, SaysThatThereIsNoneWhenTheSeenTokenDiedMeanwhile) {
  fixture.keeper.on_get = [](const Key&) -> Result<Grant> {
    return fail(Fault::unreachable, "gone");
  };
  expect_problem(get("/v1/apps/wx-new/token?wait=5", "\"1-0a1b2c3d\""), 503, "unreachable");
  EXPECT_EQ(fixture.keeper.asked, (Asked{"wait wx-new 1-0a1b2c3d 5000", "get wx-new 0"}));
}

TEST_F(V1Tokens, DoesNotWaitForWhomHasSeenNothingOrSomethingElse) {
  EXPECT_EQ(get("/v1/apps/wx1/token?wait=5").status, 200);
  EXPECT_EQ(get("/v1/apps/wx1/token?wait=5", "\"7-0a1b2c3d\"").status, 200);
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(V1Tokens, AnswersUnavailableWhateverTheCause) {
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

TEST_F(V1Tokens, SaysAtLeastOneSecondToRetryAfter) {
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

TEST_F(V1Tokens, TakesReportsByValueAndByFingerprint) {
  Answered answer = post("/v1/apps/wx1/token/report", R"({"token":"refused"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"app":"wx1","kind":"access_token","token":"renewed","expires_in":7000,)"
            R"("expires_at":"2027-01-15T09:57:00Z","revision":3,"fingerprint":"0a1b2c3d",)"
            R"("outcome":"renewed"})");
  EXPECT_TRUE(answer.has_header("ETag: \"3-0a1b2c3d\""));
  post("/v1/apps/wx1/token/report?kind=jsapi_ticket", R"({"fingerprint":"0A1B2C3D"})");
  EXPECT_EQ(fixture.keeper.asked,
            (Asked{"report wx1 refused", "report wx1 jsapi_ticket #0a1b2c3d"}));
}

TEST_F(V1Tokens, NamesEveryOutcomeOfAReport) {
  for (ReportOutcome outcome :
       {ReportOutcome::renewed, ReportOutcome::already_newer, ReportOutcome::unknown,
        ReportOutcome::alive, ReportOutcome::unverified, ReportOutcome::throttled}) {
    fixture.keeper.on_report = [&](const Key&) -> Result<Report> {
      return Report{outcome, grant("wx1", "t")};
    };
    EXPECT_EQ(post("/v1/apps/wx1/token/report", R"({"token":"x"})").at("outcome"),
              "\"" + std::string(name_of(outcome)) + "\"");
  }
}

TEST_F(V1Tokens, RefusesAReportThatNamesNoToken) {
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

TEST_F(V1Tokens, NamesWhatItDoesNotKnowInABody) {
  Answered answer = post("/v1/apps/wx1/token/report", R"({"token":"x","extra":1,"more":2})");
  expect_problem(answer, 400, "usage");
  EXPECT_EQ(answer.at("detail"), R"("Unknown in the body: extra, more")");
}

TEST_F(V1Tokens, RefreshesAtOnce) {
  Answered answer = post("/v1/apps/wx1/token/refresh");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.at("token"), "\"refreshed\"");
  EXPECT_EQ(answer.at("revision"), "4");
  EXPECT_TRUE(answer.has_header("ETag: \"4-0a1b2c3d\""));
}

TEST_F(V1Tokens, SaysUntilWhenOlderTokensWork) {
  EXPECT_EQ(post("/v1/apps/wx1/token/refresh").at("older_work_until"), "");
  fixture.keeper.on_refresh = [](const Key&) -> Result<keeper::Refreshed> {
    return keeper::Refreshed{grant("wx1", "refreshed"),
                             hufu::testing::FakeClock::kStart + std::chrono::minutes(5)};
  };
  EXPECT_EQ(post("/v1/apps/wx1/token/refresh").at("older_work_until"), "\"2027-01-15T08:05:00Z\"");
}

TEST_F(V1Tokens, SaysWhenItIsTooSoonToRefresh) {
  fixture.keeper.on_refresh = [](const Key&) -> Result<keeper::Refreshed> {
    return tl::unexpected<Error>(
        Error{Fault::too_soon, "renewed a moment ago", {}, {}, milliseconds(281'500)});
  };
  Answered answer = post("/v1/apps/wx1/token/refresh");
  expect_problem(answer, 409, "too_soon");
  EXPECT_TRUE(answer.has_header("Retry-After: 282")) << answer.headers;

  fixture.keeper.on_refresh = [](const Key&) -> Result<keeper::Refreshed> {
    return tl::unexpected<Error>(
        Error{Fault::throttled, "used up", {}, 45009, milliseconds(30'000)});
  };
  answer = post("/v1/apps/wx1/token/refresh");
  expect_problem(answer, 429, "throttled");
  EXPECT_TRUE(answer.has_header("Retry-After: 30")) << answer.headers;

  fixture.keeper.on_refresh = [](const Key&) -> Result<keeper::Refreshed> {
    return fail(Fault::refused, "no");
  };
  expect_problem(post("/v1/apps/wx1/token/refresh"), 503, "refused");
}

// ---- Long polls

class V1Poll : public V1Tokens {
 protected:
  V1Poll() { fixture.keeper.holds = true; }
  std::shared_ptr<Answered> poll(const std::string& with, const std::string& app = "wx1") {
    target_ = "/v1/apps/" + app + "/token?wait=60";
    return fixture.ask_later({"GET", target_, with, {}, {{"If-None-Match", "\"1-0a1b2c3d\""}}});
  }
  std::string target_;
};

// A long poll outlived its key by up to a minute, and was answered with the new token.
TEST_F(V1Poll, EndsWhenItsKeyIsRevoked) {
  auto answer = poll(key);
  EXPECT_EQ(answer->times, 0);
  fixture.revoke_keys();
  expect_problem(*answer, 401, "unauthorised");
}

TEST_F(V1Poll, EndsWhenItsKeyLosesTheApp) {
  auto answer = poll(key);
  store::ApiKeyRow confined;
  confined.hash = hash_of(key);
  confined.apps = {"wx2"};
  confined.rights.read = true;
  fixture.services->keys.reload({confined});
  fixture.keeper.interrupt_waits();
  expect_problem(*answer, 403, "forbidden");
}

TEST_F(V1Poll, GoesOnForTheRestOfItsTimeWhenOtherKeysChange) {
  auto answer = poll(key);
  fixture.clock.advance(std::chrono::seconds(20));
  fixture.key({.read = true});
  fixture.keeper.interrupt_waits();
  EXPECT_EQ(answer->times, 0);
  EXPECT_EQ(fixture.keeper.asked,
            (Asked{"wait wx1 1-0a1b2c3d 60000", "wait wx1 1-0a1b2c3d 40000"}));
  fixture.keeper.answer_waits([] { return grant("wx1", "TOKEN-2", 2); });
  EXPECT_EQ(answer->times, 1);
  EXPECT_EQ(answer->at("token"), "\"TOKEN-2\"");
}

TEST_F(V1Poll, GivesNoNewTokenToAKeyThatWasRevokedMeanwhile) {
  auto answer = poll(key);
  fixture.services->keys.reload({});
  fixture.keeper.answer_waits([] { return grant("wx1", "TOKEN-2", 2); });
  expect_problem(*answer, 401, "unauthorised");
  EXPECT_EQ(answer->body.find("TOKEN"), std::string::npos);
}

TEST_F(V1Poll, EndsWhenItsAppIsRemoved) {
  fixture.keeper.add_child("child", "parent", "TOKEN-1");
  std::shared_ptr<Answered> answers[] = {poll(key), poll(fixture.key({.read = true}, {"wx1"})),
                                         poll(fixture.key({.read = true}, {"parent/"}), "child")};
  fixture.keeper.erase("wx1");
  fixture.keeper.erase("child");
  fixture.keeper.answer_waits([] { return fail(Fault::unknown_app, "gone"); });
  for (const auto& answer : answers) expect_problem(*answer, 404, "unknown_app");
}

TEST_F(V1Poll, EndsWhenTheServerStops) {
  auto answer = poll(key);
  fixture.keeper.interrupt_waits();  // Without a change of keys: as `end_waits` does.
  EXPECT_EQ(answer->times, 1);
  EXPECT_EQ(answer->status, 304);
}

// ---- While the store is being read after a start

class V1Start : public V1Tokens {
 protected:
  V1Start() {
    fixture.keeper.healthy.started = false;
    fixture.keeper.holds = true;
  }
  std::shared_ptr<Answered> ask(std::string_view target) {
    return fixture.ask_later({"GET", target, key});
  }
};

TEST_F(V1Start, AnswersForAnAppThatIsKnownAlready) {
  EXPECT_EQ(ask("/v1/apps/wx1/token")->status, 200);
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(V1Start, WaitsForAnAppThatMayStillCome) {
  auto answer = ask("/v1/apps/wx2/token");
  EXPECT_EQ(answer->times, 0);
  EXPECT_EQ(fixture.keeper.asked, Asked{"when_started 1000"});
  fixture.keeper.add("wx2", "TOKEN-2");
  fixture.keeper.end_start(true);
  EXPECT_EQ(answer->times, 1);
  EXPECT_EQ(answer->at("token"), "\"TOKEN-2\"");
}

TEST_F(V1Start, WaitsForAChildThatMayStillCome) {
  auto answer =
      fixture.ask_later({"GET", "/v1/apps/child/token", fixture.key({.read = true}, {"parent/"})});
  fixture.keeper.add_child("child", "parent", "TOKEN-2");
  fixture.keeper.end_start(true);
  EXPECT_EQ(answer->status, 200);
}

TEST_F(V1Start, SaysThatAnAppIsUnknownOnceThatIsCertain) {
  auto answer = ask("/v1/apps/wx2/token");
  fixture.keeper.end_start(true);
  expect_problem(*answer, 404, "unknown_app");
}

TEST_F(V1Start, SaysThatItIsStartingAfterASecond) {
  auto answer = ask("/v1/apps/wx2/token");
  auto status = ask("/v1/status");
  fixture.keeper.end_start(false);
  expect_problem(*answer, 503, "store");
  EXPECT_TRUE(answer->has_header("Retry-After: 1"));
  EXPECT_EQ(status->status, 200) << "what is known so far";
}

TEST_F(V1Start, TurnsAnUnknownKeyAwayAtOnce) {
  EXPECT_EQ(fixture.ask({"GET", "/v1/apps/wx2/token", "wrong"}).status, 401);
}

// ---- Tokens that carry authority over others

class V1Authority : public V1Tokens {
 protected:
  V1Authority() { fixture.services->authority_kinds = {"access_token"}; }
  int asked_with(const std::string& with, const std::string& app = "wx1") {
    return fixture.ask({"GET", "/v1/apps/" + app + "/token", with}).status;
  }
};

TEST_F(V1Authority, AreHandedOutToAKeyThatNamesTheApp) {
  EXPECT_EQ(asked_with(fixture.key({.read = true}, {"wx1"})), 200);
  EXPECT_EQ(asked_with(fixture.key({.read = true, .admin = true})), 200);
}

TEST_F(V1Authority, AreHandedOutToNoOtherKey) {
  fixture.keeper.add_child("child", "wx1", "TOKEN-2");
  const std::string all = fixture.key({.read = true, .report = true, .refresh = true});
  EXPECT_EQ(asked_with(all), 403);
  EXPECT_EQ(asked_with(all, "wx-new"), 403) << "one that had to be fetched";
  EXPECT_EQ(asked_with(fixture.key({.read = true}, {"wx1/"}), "child"), 403);
  for (const Answered& answer :
       {fixture.ask({"POST", "/v1/apps/wx1/token/refresh", all}),
        fixture.ask({"POST", "/v1/apps/wx1/token/report", all, R"({"token":"x"})"})}) {
    expect_problem(answer, 403, "forbidden");
  }
  fixture.keeper.put_token("wx1", "jsapi_ticket", "TICKET-1");
  EXPECT_EQ(fixture.ask({"GET", "/v1/apps/wx1/token?kind=jsapi_ticket", all}).status, 200);
}

}  // namespace
}  // namespace hufu::server
