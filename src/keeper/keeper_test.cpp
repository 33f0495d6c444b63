#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>

#include "core/process.hpp"
#include "keeper/keeper_impl.hpp"
#include "keeper/keeper_testing.hpp"

namespace hufu::keeper {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::fake_app;
using testing::fake_apps;
using testing::FakePlatform;
using testing::Node;
using testing::seen_now;
using testing::SkewedClock;
using testing::TestCluster;
using Fate = FakePlatform::Fate;

// ---- getting

TEST(Get, FetchesOnceAndThenAnswersFromMemory) {
  TestCluster cluster;
  Node node(cluster, false);
  node.start();
  EXPECT_EQ(node.token(), "token-1");
  EXPECT_EQ(node.token(), "token-1");
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
  EXPECT_EQ(cluster.platform->secrets[0], "not-a-secret");
}

TEST(Get, SaysWhatItHandsOut) {
  TestCluster cluster;
  Node node(cluster, false);
  node.start();
  auto answer = node.ask();
  const Grant& grant = answer->value();
  EXPECT_EQ(grant.key, Key{"wx1"});
  EXPECT_EQ(grant.revision, 1U);
  EXPECT_EQ(grant.expires_at, cluster.clock.wall() + seconds(7200));
  EXPECT_EQ(grant.expires_in, seconds(5490 + 280));
  EXPECT_FALSE(grant.suspect);
}

TEST(Get, AThousandFirstCallersShareOneCall) {
  TestCluster cluster;
  cluster.platform->fates = {Fate::hold};
  Node node(cluster, false);
  node.start();
  std::vector<Node::Pending<Result<Grant>>> callers;
  for (int i = 0; i < 1000; ++i) callers.push_back(node.ask());
  cluster.platform->release();
  node.run();
  for (auto& caller : callers) {
    ASSERT_TRUE(caller.ready());
    EXPECT_EQ(caller->value().token.reveal(), "token-1");
  }
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
}

TEST(Get, FailsWithWhatThePlatformSaidAndWhenToAskAgain) {
  TestCluster cluster;
  cluster.platform->usual = Fate::refuse_for_good;
  Node node(cluster, false);
  node.start();
  EXPECT_EQ(node.token(), "");
  EXPECT_EQ(node.error.fault, Fault::refused);
  EXPECT_EQ(node.error.errcode, 40164);
  EXPECT_GE(*node.error.retry_after, minutes(5));
}

TEST(Get, DoesNotCallThePlatformWhileBackingOff) {
  TestCluster cluster;
  cluster.platform->usual = Fate::no_connection;
  Node node(cluster, false);
  node.start();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(node.token(), "");
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
  EXPECT_EQ(node.error.fault, Fault::unreachable);
}

TEST(Get, KnowsNoOtherApps) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  auto answer = node.ask({}, "wx2");
  EXPECT_EQ(answer->error().fault, Fault::unknown_app);
}

TEST(Get, DisplacesNothingEarlyForAWish) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  EXPECT_EQ(node.token(seconds(7000)), "token-1");
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
}

TEST(Get, RenewsAStaleTokenBeforeTheAnswerForAWish) {
  TestCluster cluster;
  Node first(cluster, false);
  first.start();
  first.token();
  cluster.clock.advance(seconds(5500));
  EXPECT_EQ(first.token(seconds(1000)), "token-2");
}

TEST(Get, OfAStaleTokenAnswersAtOnceAndRenewsBehindTheCallersBack) {
  TestCluster cluster;
  Node node(cluster, false);
  node.start();
  node.token();
  cluster.clock.advance(seconds(5500));
  cluster.platform->fates = {Fate::hold};
  EXPECT_EQ(node.token(), "token-1");
  EXPECT_EQ(cluster.platform->calls.size(), 2U);
  cluster.platform->release();
  node.run();
  EXPECT_EQ(node.token(), "token-2");
}

TEST(Get, WaitsOnlyForItsOwnApp) {
  TestCluster cluster;
  auto apps = Node::default_apps();
  apps.push_back(fake_app("wx2", "x"));
  Node node(cluster, false, std::move(apps));
  node.start();
  cluster.platform->fates = {Fate::hold, Fate::answer};
  auto slow = node.ask({}, "wx1");
  auto quick = node.ask({}, "wx2");
  EXPECT_FALSE(slow.ready());
  EXPECT_TRUE(quick.ready());
  cluster.platform->release();
  node.run();
  EXPECT_TRUE(slow.ready());
}

// ---- the schedule

TEST(Schedule, FetchesWhatWasNeverFetchedSoonAfterTheStart) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(1));
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
}

TEST(Schedule, SpreadsFirstFetchesBelowFiftyASecondThoughTheLoopFallsBehind) {
  TestCluster cluster;
  auto apps = fake_apps(200);
  Node node(cluster, true, std::move(apps));
  node.start();
  node.pass(seconds(1), Milliseconds(100));
  EXPECT_NEAR(static_cast<double>(cluster.platform->calls.size()), 46, 2);
  node.pass(seconds(4), Milliseconds(10));
  EXPECT_EQ(cluster.platform->calls.size(), 200U);
}

TEST(Schedule, RenewsAheadOfTheEnd) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(5480), seconds(1));
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
  node.pass(seconds(20), seconds(1));
  EXPECT_EQ(cluster.platform->calls.size(), 2U);
  EXPECT_EQ(node.token(), "token-2");
}

TEST(Schedule, ADayTakesAsManyCallsAsThereAreLives) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(hours(24), seconds(1));
  EXPECT_NEAR(static_cast<double>(cluster.platform->calls.size()), 86400.0 / 5490, 1);
}

TEST(Schedule, RenewsAWindowedTokenInItsWindowWithOneCall) {
  TestCluster cluster(TestCluster::windowed());
  Node node(cluster);
  node.start();
  node.pass(hours(24), seconds(1));
  EXPECT_NEAR(static_cast<double>(cluster.platform->calls.size()), 86400.0 / 6960, 1);
  for (const auto& call : cluster.platform->calls) EXPECT_FALSE(call.force);
}

TEST(Schedule, ThirtyRestartsCallNobody) {
  TestCluster cluster;
  for (int i = 0; i < 31; ++i) {
    Node node(cluster);
    node.start();
    node.pass(seconds(5));
    EXPECT_EQ(node.token(), "token-1");
  }
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
}

TEST(Schedule, KeepsTheRolledMomentOverARestart) {
  TestCluster cluster;
  {
    Node node(cluster);
    node.start();
    node.pass(seconds(1));
  }
  cluster.jitter.load(0.0);  // Would be 90 s earlier if it were rolled again.
  Node node(cluster);
  node.start();
  node.pass(seconds(5450), seconds(1));
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
  node.pass(seconds(60), seconds(1));
  EXPECT_EQ(cluster.platform->calls.size(), 2U);
}

TEST(Schedule, ATokenShorterThanTheSlackIsNoStorm) {
  TestCluster cluster;
  cluster.platform->life = seconds(10);
  Node node(cluster);
  node.start();
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(node.token(), "");
    node.pass(seconds(1));
  }
  EXPECT_LE(cluster.platform->calls.size(), 15U);
}

TEST(Schedule, IgnoresTheWallClockBeingSet) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(10));
  for (auto step : {hours(1), -hours(2), hours(1)}) {
    cluster.clock.step_wall(step);
    node.pass(seconds(60), seconds(1));
    EXPECT_EQ(node.token(), "token-1");
    EXPECT_NE(node.stepped, Milliseconds(0));
  }
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
}

TEST(Schedule, ProbesATokenThatSeemsToComeFromTheFuture) {
  TestCluster cluster;
  {
    Node node(cluster);
    node.start();
    node.pass(seconds(1));
  }
  cluster.clock.step_wall(-hours(1));
  cluster.platform->revoke("token-1");
  cluster.platform->usual = Fate::no_connection;
  Node node(cluster);
  node.start();
  EXPECT_EQ(node.token(), "");
  EXPECT_EQ(cluster.platform->probes, 1);
}

TEST(Schedule, LeavesALoadedTokenOfNoKnownIssuerAlone) {
  TestCluster cluster;
  {
    Node node(cluster);
    node.start();
    node.pass(seconds(1));
  }
  std::optional<Result<Record>> record;
  cluster.store->load(Key{"wx1"}, [&](Result<Record> r) { record = std::move(r); });
  (*record)->token->issuer.clear();  // As a callback store has it.
  std::optional<Result<AcquireOutcome>> begun;
  cluster.store->acquire_lease({Key{"wx1"}, 1, "loader", seconds(30), {}},
                               [&](Result<AcquireOutcome> r) { begun = std::move(r); });
  cluster.store->commit(std::get<Acquired>(**begun).lease, std::move(**record),
                        [](const Result<WriteOutcome>&) {});
  Node node(cluster);
  node.start();
  node.pass(seconds(60), seconds(1));
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
  EXPECT_LE(node.ask()->value().expires_in, seconds(5490 + 280));
}

TEST(Schedule, WhatIsOverTheLimitOfCallsWaitsItsTurn) {
  TestCluster cluster;
  auto apps = fake_apps(600);
  cluster.platform->usual = Fate::hold;
  Node node(cluster, true, std::move(apps));
  node.start();
  node.pass(seconds(14), Milliseconds(250));
  EXPECT_EQ(cluster.platform->in_flight(), 256U);
  cluster.platform->usual = Fate::answer;
  cluster.platform->release();
  node.run();
  EXPECT_EQ(cluster.platform->calls.size(), 600U);
}

// ---- failures

TEST(Failure, NeverTakesAwayATokenThatStillWorks) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(5400), seconds(1));
  cluster.platform->usual = Fate::no_connection;
  for (int t = 5400; t < 7178; ++t) {
    node.pass(seconds(1), seconds(1));
    ASSERT_EQ(node.token(), "token-1") << t;
  }
  node.pass(seconds(5), seconds(1));
  EXPECT_EQ(node.token(), "");
  cluster.platform->usual = Fate::answer;
  node.pass(seconds(16), seconds(1));
  EXPECT_EQ(node.token(), "token-2");
}

TEST(Failure, BacksOffWithGrowingGaps) {
  TestCluster cluster;
  cluster.jitter.load(0.999);
  Node node(cluster);
  cluster.platform->usual = Fate::refuse;
  node.start();
  node.pass(seconds(1));
  // No token at all: at most 15 s apart.
  node.pass(minutes(10), Milliseconds(100));
  const auto& calls = cluster.platform->calls;
  const int steps[] = {1, 2, 4, 8, 15, 15, 15};
  for (std::size_t i = 0; i < 7; ++i) {
    const double gap = static_cast<double>((calls[i + 1].at - calls[i].at).count()) / 1000;
    EXPECT_NEAR(gap, steps[i], 0.3) << i;
  }
}

TEST(Failure, ASchoolOfProcessesSharesOneBackoff) {
  TestCluster cluster;
  cluster.platform->usual = Fate::refuse_for_good;
  for (int i = 0; i < 20; ++i) {
    Node cron(cluster, false);
    cron.start();
    EXPECT_EQ(cron.token(), "");
    cluster.clock.advance(seconds(10));
  }
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
}

TEST(Failure, OtherCredentialsDeserveATryOfTheirOwn) {
  TestCluster cluster;
  cluster.platform->usual = Fate::refuse_for_good;
  {
    Node wrong(cluster, false);
    wrong.start();
    wrong.token();
  }
  cluster.platform->usual = Fate::answer;
  auto apps = Node::default_apps();
  apps[0].credentials.insert_or_assign(std::string(kSecret),
                                       Secret(std::string_view("the-right-one")));
  Node right(cluster, false, std::move(apps));
  right.start();
  EXPECT_EQ(right.token(), "token-1");
}

// ---- lost answers and in_doubt

TEST(LostAnswer, OldTokenIsPromisedOnlyForTheOverlapAndRepairedLateInIt) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(5480), seconds(1));
  cluster.platform->fates = {Fate::lose_answer};
  node.pass(seconds(15), seconds(1));
  ASSERT_EQ(cluster.platform->calls.size(), 2U);
  const WallTime lost_at = cluster.platform->calls[1].at;
  auto answer = node.ask();
  EXPECT_EQ(answer->value().token.reveal(), "token-1");
  EXPECT_LE(cluster.clock.wall() + answer->value().expires_in, lost_at + seconds(280));
  node.pass(seconds(260), seconds(1));
  EXPECT_EQ(cluster.platform->calls.size(), 2U) << "not before the promise has ended";
  node.pass(seconds(30), seconds(1));
  ASSERT_EQ(cluster.platform->calls.size(), 3U);
  EXPECT_GE(cluster.platform->calls[2].at, lost_at + seconds(280));
  EXPECT_LE(cluster.platform->calls[2].at, lost_at + seconds(300));
  EXPECT_EQ(node.token(), "token-3");
}

TEST(LostAnswer, OfTheFirstFetchIsSimplyTriedAgain) {
  TestCluster cluster;
  cluster.platform->fates = {Fate::lose_answer};
  Node node(cluster);
  node.start();
  node.pass(seconds(3));
  EXPECT_EQ(node.token(), "token-2");
}

TEST(LostAnswer, AWindowedTokenIsNotMarkedByIt) {
  TestCluster cluster(TestCluster::windowed());
  Node node(cluster);
  node.start();
  node.pass(seconds(6890), seconds(1));
  cluster.platform->fates = {Fate::lose_answer};
  node.pass(seconds(30), seconds(1));
  EXPECT_GE(cluster.platform->calls.size(), 3U);
  EXPECT_EQ(node.token(), "token-2");
}

TEST(MarkedToken, IsProbedBeforeItIsHandedOutAgain) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(5480), seconds(1));
  cluster.platform->usual = Fate::lose_request;
  node.pass(seconds(320), seconds(1));
  EXPECT_EQ(cluster.platform->probes, 0) << "nobody asked";
  EXPECT_EQ(node.token(), "token-1");
  EXPECT_EQ(cluster.platform->probes, 1);
}

TEST(MarkedToken, IsSuspectWhenThePlatformCannotBeAsked) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(5480), seconds(1));
  cluster.platform->usual = Fate::lose_request;
  cluster.platform->reachable = false;
  node.pass(seconds(330), seconds(1));
  auto answer = node.ask();
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(answer->value().suspect);
  EXPECT_LE(answer->value().expires_in, seconds(20));
  EXPECT_GE(answer->value().expires_in, seconds(1));
}

TEST(MarkedToken, ThatTheProbeFindsDeadIsNotHandedOut) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(5480), seconds(1));
  cluster.platform->fates = {Fate::lose_answer, Fate::no_connection, Fate::no_connection,
                             Fate::no_connection, Fate::no_connection};
  cluster.platform->usual = Fate::no_connection;
  node.pass(seconds(340), seconds(1));
  EXPECT_EQ(node.token(), "");
  cluster.platform->usual = Fate::answer;
  cluster.platform->fates.clear();
  node.pass(seconds(20), seconds(1));
  EXPECT_EQ(node.token(), "token-3");
}

TEST(MarkedToken, IsNotPromisedAcrossItsOwnRenewal) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(5480), seconds(1));
  cluster.platform->fates = {Fate::lose_answer};
  node.pass(seconds(15), seconds(1));
  ASSERT_EQ(cluster.platform->calls.size(), 2U);
  const WallTime promise_ends = cluster.platform->calls[1].at + seconds(280);
  node.pass(promise_ends - cluster.clock.wall() - Milliseconds(400));

  auto answer = node.ask();
  EXPECT_FALSE(answer.ready()) << "no promise fits into the time that is left";
  auto told = node.report("token-1");
  EXPECT_FALSE(told.ready()) << "nor for whoever reports it";
  node.pass(Milliseconds(1399), Milliseconds(1));
  EXPECT_TRUE(cluster.platform->alive("token-1")) << "another node may still be promising it";
  EXPECT_FALSE(node.ask().ready());
  node.pass(Milliseconds(1));
  ASSERT_TRUE(answer.ready());
  EXPECT_EQ(answer->value().token.reveal(), "token-3");
  EXPECT_FALSE(answer->value().suspect);
  EXPECT_FALSE(cluster.platform->alive("token-1")) << "which is why";
  EXPECT_EQ(told->value().outcome, ReportOutcome::already_newer);
  EXPECT_EQ(told->value().grant.token.reveal(), "token-3");
}

TEST(MarkedToken, IsProbedAgainOnceItMayBeDead) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(5480), seconds(1));
  cluster.platform->fates = {Fate::lose_answer};
  cluster.platform->usual = Fate::no_connection;
  node.pass(seconds(15), seconds(1));
  const WallTime dies_at = cluster.platform->calls[1].at + seconds(300);
  node.pass(dies_at - cluster.clock.wall() - seconds(6), seconds(1));

  auto before = node.ask();
  ASSERT_TRUE(before.ready());
  EXPECT_EQ(before->value().token.reveal(), "token-1");
  EXPECT_LE(cluster.clock.wall() + before->value().expires_in, dies_at) << "a promise to be kept";
  node.pass(seconds(8), seconds(1));
  EXPECT_EQ(node.token(), "") << "alive a moment ago, dead by now";
}

/// From now on calls and probes hang, and whoever asks within `span` is answered all the same.
void expect_no_wait_though_all_hangs(TestCluster& cluster, Node& node, seconds span) {
  cluster.platform->usual = Fate::hold;
  cluster.platform->hold_probes = true;
  for (seconds passed(0); passed < span; ++passed) {
    auto answer = node.ask();
    ASSERT_TRUE(answer.ready()) << passed.count();
    EXPECT_TRUE(answer->value().suspect);
    node.pass(seconds(1), seconds(1));
  }
}

TEST(MarkedToken, WarmVerdictsSpareCallersAHangingPlatform) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(5480), seconds(1));
  cluster.platform->usual = Fate::lose_request;
  cluster.platform->reachable = false;
  node.pass(seconds(330), seconds(1));
  node.ask();
  expect_no_wait_though_all_hangs(cluster, node, seconds(50));
}

TEST(MarkedToken, WarmVerdictsSpareCallersAHangingPlatformAlsoRightAfterAForcedCall) {
  TestCluster cluster(TestCluster::windowed());
  Node node(cluster);
  node.start();
  node.token();
  // Somebody was killed in a forced call, and the platform hangs since.
  const WallTime now = cluster.clock.wall();
  cluster.store->acquire_lease(
      {Key{"wx1"}, 1, "gone", Milliseconds(1), {now, now, InDoubtCall::State::pending}},
      [](const Result<AcquireOutcome>&) {});
  cluster.platform->usual = Fate::lose_request;
  cluster.platform->reachable = false;
  node.pass(seconds(2));
  node.ask();
  expect_no_wait_though_all_hangs(cluster, node, seconds(20));
}

// ---- crashes

TEST(Crash, BetweenTheAnswerAndTheCommitCostsOneCallMore) {
  TestCluster cluster;
  {
    Node node(cluster, false);
    node.start();
    node.token();
  }
  cluster.clock.advance(seconds(5500));
  // What a process leaves behind that dies after the platform answered: a lease, an in-doubt call,
  // and at the platform a token that nobody knows.
  std::optional<Result<AcquireOutcome>> begun;
  cluster.store->acquire_lease({Key{"wx1"},
                                1,
                                "gone",
                                seconds(30),
                                {cluster.clock.wall(), cluster.clock.wall() + seconds(300)}},
                               [&](Result<AcquireOutcome> r) { begun = std::move(r); });
  cluster.platform->issue({}, [](IssueOutcome) {});
  ASSERT_EQ(cluster.platform->calls.size(), 2U);

  Node successor(cluster);
  successor.start();
  for (int i = 0; i < 400; ++i) {
    auto answer = successor.ask();
    if (!answer.ready()) successor.pass(seconds(2));  // No promise fits before the renewal.
    ASSERT_TRUE(answer.ready());
    ASSERT_TRUE(answer->has_value());
    EXPECT_TRUE(cluster.platform->alive(answer->value().token.reveal())) << i;
    successor.pass(seconds(1));
  }
  EXPECT_EQ(cluster.platform->calls.size(), 3U);
  EXPECT_EQ(successor.token(), "token-3");
}

// ---- the store

TEST(StoreOut, ReadersGoOnAndThePlatformIsNotCalled) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(1));
  node.store->out = true;
  node.pass(seconds(5600), seconds(1));
  EXPECT_EQ(node.token(), "token-1");
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
  EXPECT_FALSE(node.keeper->health().store_ok);
  node.store->out = false;
  node.pass(seconds(61), seconds(1));
  EXPECT_EQ(node.token(), "token-2");
  EXPECT_TRUE(node.keeper->health().store_ok);
}

TEST(StoreReadOnly, IsSaidWithinSecondsAndUntilAWriteSucceeds) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(1));
  node.store->read_only = true;
  node.pass(seconds(6));
  EXPECT_FALSE(node.keeper->health().store_ok) << "no token is due, and yet it is known";
  node.pass(seconds(5600), seconds(1));
  EXPECT_EQ(node.token(), "token-1") << "what is known is served";
  EXPECT_FALSE(node.keeper->health().store_ok);
  EXPECT_EQ(node.store_turns, 1) << "it can be read all the time, and that does not count";
  node.store->read_only = false;
  node.pass(seconds(2));
  EXPECT_TRUE(node.keeper->health().store_ok);
  EXPECT_EQ(node.store_turns, 2);
}

TEST(StoreReadOnly, ARefusedLeaseIsLookedIntoAtOnce) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(1));
  node.store->read_only = true;
  node.refresh();
  EXPECT_FALSE(node.keeper->health().store_ok);
}

TEST(StoreReadOnly, WhatFailsForOneRecordAloneIsNoFailureOfTheStore) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(1));
  node.store->refuse_leases = true;
  node.store->refuse_loads = true;
  node.pass(seconds(5600), seconds(1));
  EXPECT_EQ(node.token(), "token-1");
  EXPECT_GT(node.store->acquisitions, 1);
  EXPECT_TRUE(node.keeper->health().store_ok);
  EXPECT_EQ(node.store_turns, 0);
}

TEST(StoreReadOnly, ALeaseOfAnotherIsNoFailureOfTheStore) {
  TestCluster cluster;
  Node holder(cluster);
  Node other(cluster);
  holder.start();
  other.start();
  cluster.platform->usual = FakePlatform::Fate::hold;
  holder.pass(seconds(1));
  other.pass(seconds(10));
  EXPECT_TRUE(other.keeper->health().store_ok);
  EXPECT_EQ(other.store_turns, 0);
}

TEST(LegacyDocument, IsShownWithItsAppAsLongAsTheConfigNamesIt) {
  TestCluster cluster;
  auto apps = Node::default_apps();
  apps[0].legacy_document = "access_token";
  Node node(cluster, true, std::move(apps));
  node.start();
  EXPECT_EQ(node.keeper->app("wx1")->legacy_document, "access_token");
  EXPECT_EQ(node.keeper->app("wx1")->legacy_collection, "tokens");
  node.keeper->set_config_apps(Node::default_apps(), [](const Result<void>&) {});
  node.run();
  EXPECT_EQ(node.keeper->app("wx1")->legacy_document, "");
}

TEST(LegacyDocument, IsRefusedWhereItMakesNoSense) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  const auto put = [&](const std::string& document, const std::string& collection) {
    AppConfig app = std::move(Node::default_apps()[0]);
    app.id = "wx2";
    app.legacy_document = document;
    app.legacy_collection = collection;
    std::string message;
    node.keeper->put_app(std::move(app), [&](const Result<AppInfo>& outcome) {
      if (!outcome) message = outcome.error().message;
    });
    node.run();
    return message;
  };
  EXPECT_EQ(put("", "tokens"), "legacy_collection names no document");
  for (const char* theirs : {"hufu_records", "system.users", "a$b"}) {
    EXPECT_EQ(put("t", theirs), "legacy_collection is not a collection of another program");
  }
  EXPECT_EQ(put("t", "tokens"), "this store keeps no legacy document");
  EXPECT_EQ(put("", ""), "");
}

TEST(Replicas, ThatAreBehindAreCountedAtOnceAndWarnedOfOnceAMinute) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(30), seconds(1));
  EXPECT_TRUE(node.warnings.empty());
  for (std::uint64_t i = 1; i <= 100; ++i) {
    node.store->unconfirmed = i;
    node.pass(seconds(1));
    EXPECT_LE(node.writes_unconfirmed, i);
    EXPECT_GE(node.writes_unconfirmed + 6, i);
  }
  node.pass(seconds(60), seconds(1));
  EXPECT_EQ(node.warnings.size(), 3U);
  EXPECT_EQ(std::accumulate(node.warnings.begin(), node.warnings.end(), std::uint64_t{0}), 100U);
  node.pass(seconds(600), seconds(1));
  EXPECT_EQ(node.warnings.size(), 3U) << "nothing new";
}

TEST(CommitFails, TheTokenIsServedFromMemoryAndStoredLater) {
  TestCluster cluster;
  Node node(cluster);
  node.store->refuse_commits = true;
  node.start();
  node.pass(seconds(1));
  auto answer = node.ask();
  EXPECT_EQ(answer->value().token.reveal(), "token-1");
  EXPECT_LE(answer->value().expires_in, seconds(280 + 280)) << "a successor would renew at 280 s";
  node.store->refuse_commits = false;
  node.pass(seconds(16), seconds(1));
  EXPECT_GT(node.ask()->value().expires_in, seconds(5000));
  {
    Node successor(cluster, false);
    successor.start();
    EXPECT_EQ(successor.token(), "token-1");
  }
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
}

TEST(CommitFails, TheFirstTokenIsPromisedAsIfASuccessorCameAtOnce) {
  TestCluster cluster;
  Node node(cluster);
  node.store->refuse_commits = true;
  node.start();
  node.pass(seconds(25), seconds(1));
  auto answer = node.ask();
  const WallTime promised = cluster.clock.wall() + answer->value().expires_in;
  // The lease runs out; who comes next finds no token, and fetches one.
  cluster.clock.advance(seconds(6));
  Node successor(cluster);
  successor.start();
  successor.pass(seconds(1));
  ASSERT_EQ(successor.token(), "token-2");
  while (cluster.clock.wall() < promised - seconds(1)) successor.pass(seconds(1), seconds(1));
  EXPECT_TRUE(cluster.platform->alive("token-1"));
}

TEST(CommitFails, ForLongIsNoStorm) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(5400), seconds(1));
  node.store->refuse_commits = true;
  node.pass(seconds(200), seconds(1));
  ASSERT_EQ(cluster.platform->calls.size(), 2U);
  cluster.platform->usual = Fate::no_connection;
  node.pass(minutes(20), seconds(1));
  EXPECT_LE(cluster.platform->calls.size(), 2U);
  EXPECT_EQ(node.token(), "token-2");
  cluster.platform->usual = Fate::answer;
  node.store->refuse_commits = false;
  node.pass(seconds(16), seconds(1));
  EXPECT_GT(node.ask()->value().expires_in, seconds(3000));
  EXPECT_LE(cluster.platform->calls.size(), 3U);
}

TEST(CommitFails, ACallOfAnotherNodeCapsTheTokenInMemory) {
  TestCluster cluster;
  Node a(cluster);
  Node b(cluster);
  a.store->refuse_commits = true;
  b.store->refuse_commits = true;
  a.start();
  a.pass(seconds(1));
  ASSERT_EQ(a.token(), "token-1");
  b.start();
  // The lease of the first runs out; the second finds nothing in the store, and calls.
  while (cluster.platform->calls.size() < 2) {
    cluster.clock.advance(seconds(1));
    a.run();
    b.run();
  }
  const WallTime called_at = cluster.clock.wall();
  a.pass(seconds(100), seconds(1));
  auto answer = a.ask();
  ASSERT_TRUE(answer.ready() && answer->has_value());
  EXPECT_LE(cluster.clock.wall() + answer->value().expires_in, called_at + seconds(300))
      << answer->value().token.reveal();
}

TEST(CommitFails, ARevisionIsOneTokenAlthoughAnotherNodeTakesOver) {
  TestCluster cluster;
  Node a(cluster);
  Node b(cluster);
  a.start();
  a.pass(seconds(1));
  b.start();
  a.store->refuse_commits = true;
  ASSERT_TRUE(a.refresh().ready());
  auto held = a.ask();
  ASSERT_EQ(held->value().token.reveal(), "token-2");
  EXPECT_EQ(held->value().revision, 2U);
  // Its lease runs out before it can store that, and the other node renews late in the overlap.
  while (cluster.platform->calls.size() < 3) {
    cluster.clock.advance(seconds(1));
    b.run();
  }
  auto stored = b.ask();
  ASSERT_EQ(stored->value().token.reveal(), "token-3");
  EXPECT_EQ(stored->value().revision, 3U);
  a.pass(seconds(1));
  EXPECT_EQ(a.token(), "token-3");
  EXPECT_EQ(a.ask()->value().revision, 3U);
  // From here on one by one again.
  a.store->refuse_commits = false;
  b.pass(seconds(400), seconds(1));
  ASSERT_TRUE(b.refresh().ready());
  EXPECT_EQ(b.ask()->value().revision, 4U);
}

TEST(CommitFails, TheSameTokenStoredByAnotherNodeIsNoStorm) {
  TestCluster cluster(TestCluster::windowed());
  Node a(cluster);
  Node b(cluster);
  a.store->refuse_commits = true;
  a.start();
  a.pass(seconds(1));
  ASSERT_EQ(a.token(), "token-1");
  b.start();
  for (int second = 0; second < 40; ++second) {
    cluster.clock.advance(seconds(1));
    b.run();
  }
  ASSERT_EQ(b.token(), "token-1");
  a.store->refuse_commits = false;
  const auto calls = cluster.platform->calls.size();
  a.pass(minutes(10), seconds(1));
  EXPECT_EQ(a.token(), "token-1");
  EXPECT_EQ(cluster.platform->calls.size(), calls);
}

// ---- the cap before the call

TEST(Cap, NothingIsPromisedBeyondWhatACallInFlightLeavesAlive) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(1));
  ASSERT_GT(node.ask()->value().expires_in, seconds(5000));
  cluster.platform->fates = {Fate::hold};
  const WallTime called_at = cluster.clock.wall();
  auto refreshed = node.refresh();
  ASSERT_EQ(cluster.platform->in_flight(), 1U);
  node.pass(seconds(5));
  auto answer = node.ask();
  ASSERT_TRUE(answer.ready() && answer->has_value());
  EXPECT_LE(cluster.clock.wall() + answer->value().expires_in, called_at + seconds(280));
  cluster.platform->release_as(IssueFailure::Delivery::not_sent);
  node.run();
  EXPECT_GT(node.ask()->value().expires_in, seconds(5000)) << "nothing was displaced";
}

// ---- several processes

TEST(TwoNodes, OneFetchesForBoth) {
  TestCluster cluster;
  Node a(cluster);
  Node b(cluster);
  a.start();
  b.start();
  cluster.platform->fates = {Fate::hold};
  auto first = a.ask();
  auto second = b.ask();
  cluster.platform->release();
  a.run();
  b.pass(Milliseconds(100));
  ASSERT_TRUE(first.ready());
  ASSERT_TRUE(second.ready());
  EXPECT_EQ(first->value().token.reveal(), "token-1");
  EXPECT_EQ(second->value().token.reveal(), "token-1");
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
}

TEST(TwoNodes, OneSeesTheOthersRenewalWithinASecond) {
  TestCluster cluster;
  Node a(cluster);
  Node b(cluster);
  a.start();
  b.start();
  a.token();
  b.pass(seconds(1));
  ASSERT_TRUE(a.refresh()->has_value());
  b.pass(seconds(1));
  std::string seen;
  b.keeper->read("wx1", kAccessToken, Wish{}, [&](const TokenView& view) { seen = view.token; });
  EXPECT_EQ(seen, "token-2");
}

TEST(TwoNodes, OnMachinesWhoseClocksAreFarApartAgreeOnEveryToken) {
  TestCluster cluster;
  SkewedClock early(cluster.clock, -minutes(10));
  SkewedClock late(cluster.clock, minutes(10));
  Node a(cluster, early);
  Node b(cluster, late);
  a.start();
  b.start();
  a.token();
  b.pass(seconds(1));
  a.run();
  for (int minute = 0; minute < 85; ++minute) {
    auto from_a = a.ask();
    auto from_b = b.ask();
    ASSERT_TRUE(from_a->has_value() && from_b->has_value());
    EXPECT_EQ(from_a->value().token.reveal(), from_b->value().token.reveal());
    EXPECT_EQ(from_a->value().expires_in, from_b->value().expires_in) << minute;
    EXPECT_EQ(from_a->value().expires_at, from_b->value().expires_at);
    b.pass(minutes(1), seconds(1));
    a.run();
  }
  EXPECT_EQ(cluster.platform->calls.size(), 1U) << "nobody takes it for old";
}

TEST(TwoNodes, AMachineWhoseClockRunsTooFastStaysOnTheDatabasesTime) {
  TestCluster cluster;
  const SkewedClock fast(cluster.clock, minutes(10), 100);
  Node node(cluster, fast);
  node.start();
  for (int hour = 0; hour < 4; ++hour) {
    node.pass(hours(1), seconds(5));
    EXPECT_LE(abs(node.keeper->now() - cluster.clock.wall()), Milliseconds(2)) << hour;
  }
}

TEST(TwoNodes, ADatabaseWhoseClockWasSetIsNotFollowed) {
  TestCluster cluster;
  const SkewedClock set(cluster.clock, hours(1));
  Node node(cluster);
  node.start();
  node.store->own_clock = &set;
  node.pass(minutes(60), seconds(5));
  EXPECT_EQ(node.keeper->now(), cluster.clock.wall());
}

TEST(TwoNodes, ADatabaseThatIsASecondOffIsFollowedNoFasterBecauseItCannotBeWritten) {
  TestCluster cluster;
  const SkewedClock off(cluster.clock, seconds(1));
  Node node(cluster);
  node.start();
  node.store->own_clock = &off;
  node.store->read_only = true;  // Announced once a second.
  node.pass(seconds(50), seconds(1));
  EXPECT_LE(node.keeper->now() - cluster.clock.wall(), Milliseconds(20));
  EXPECT_GT(node.keeper->now(), cluster.clock.wall());
}

TEST(TwoNodes, ARestartWithAClockThatWasSetMeanwhileRenewsNothing) {
  TestCluster cluster;
  SkewedClock right(cluster.clock, Milliseconds(0));
  {
    Node node(cluster, right);
    node.start();
    node.pass(seconds(1));
  }
  for (auto step : {hours(1), -hours(1)}) {
    SkewedClock set(cluster.clock, step);
    Node node(cluster, set);
    node.start();
    node.pass(seconds(60), seconds(1));
    EXPECT_EQ(node.token(), "token-1");
  }
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
  EXPECT_EQ(cluster.platform->probes, 0);
}

/// A node of another machine took the lease, to make a call that displaces nothing, and was never
/// heard of again.
void take_lease(TestCluster& cluster) {
  const WallTime now = cluster.clock.wall();
  LeaseRequest lease_request{{"wx1"}, 1, "elsewhere", seconds(30), {now, now + hours(2)}, {}};
  cluster.store->acquire_lease(std::move(lease_request), [](Result<AcquireOutcome> outcome) {
    ASSERT_TRUE(std::holds_alternative<Acquired>(*outcome));
  });
}

TEST(TwoNodes, WhoTakesOverFromTheDeadWaitsUntilTheirCallCannotComeAnyMore) {
  TestCluster cluster(TestCluster::windowed());
  Node node(cluster);
  node.start();
  node.pass(seconds(1));
  cluster.clock.advance(seconds(7000));  // Stale: into the platform's window.
  take_lease(cluster);
  const WallTime taken = cluster.clock.wall();
  while (cluster.platform->calls.size() < 2 && cluster.clock.wall() < taken + seconds(60)) {
    node.pass(Milliseconds(250));
    EXPECT_EQ(node.token(), cluster.platform->calls.size() < 2 ? "token-1" : "token-2");
  }
  ASSERT_EQ(cluster.platform->calls.size(), 2U);
  EXPECT_GE(cluster.clock.wall() - taken, seconds(30) + seconds(8));
  EXPECT_LE(cluster.clock.wall() - taken, seconds(30) + seconds(9));
}

TEST(TwoNodes, WhoTakesOverWithNothingToHandOutDoesNotWait) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(1));
  cluster.clock.advance(seconds(7195));  // Unusable.
  take_lease(cluster);
  const WallTime taken = cluster.clock.wall();
  while (cluster.platform->calls.size() < 2 && cluster.clock.wall() < taken + seconds(60)) {
    node.pass(Milliseconds(250));
  }
  ASSERT_EQ(cluster.platform->calls.size(), 2U);
  EXPECT_LE(cluster.clock.wall() - taken, seconds(31));
}

TEST(TwoNodes, SeeEachOtherAndWhoLeft) {
  TestCluster cluster;
  SkewedClock late(cluster.clock, minutes(10));
  Node node(cluster, late);
  node.start();
  node.pass(seconds(1));
  std::optional<Result<store::ClusterView>> seen;
  node.keeper->cluster([&](Result<store::ClusterView> view) { seen = std::move(view); });
  node.run();
  ASSERT_TRUE(seen && *seen);
  ASSERT_EQ((*seen)->nodes.size(), 1U);
  const store::NodeRow& row = (*seen)->nodes[0];
  EXPECT_EQ(row.name, process_identity());
  EXPECT_EQ(row.version, "0.0.0");
  EXPECT_EQ(row.listen, "127.0.0.1:7200");
  EXPECT_EQ(row.clock_ahead, minutes(10));
  EXPECT_EQ(row.fenced, 0U);

  bool stopped = false;
  node.keeper->stop([&] { stopped = true; });
  node.run();
  EXPECT_TRUE(stopped);
  cluster.store->view([](Result<store::ClusterView> view) { EXPECT_TRUE(view->nodes.empty()); });
}

TEST(TwoNodes, TheSlowerRenewalNeverOverwritesTheNewerToken) {
  TestCluster cluster;
  Node slow(cluster, false);
  Node quick(cluster, false);
  slow.start();
  quick.start();
  quick.token();
  cluster.clock.advance(seconds(5500));
  cluster.platform->fates = {Fate::hold};
  slow.token();
  // The slow one stands still for longer than its lease.
  cluster.clock.advance(seconds(300));
  EXPECT_EQ(quick.token(), "token-2");
  cluster.platform->release();
  slow.run();
  EXPECT_EQ(slow.times_fenced, 1);
  EXPECT_EQ(slow.token(), "token-2");
  EXPECT_EQ(quick.token(), "token-2");
}

TEST(TwoNodes, TheFencedOneMarksTheTokenItMayHaveDisplaced) {
  TestCluster cluster;
  Node slow(cluster, false);
  slow.start();
  slow.token();
  cluster.clock.advance(seconds(5500));
  Node quick(cluster);
  cluster.platform->fates = {Fate::hold};
  slow.token();
  cluster.clock.advance(seconds(300));
  quick.start();
  quick.pass(seconds(1));
  cluster.platform->release();  // token-3 at the platform: token-2 lives 300 s longer.
  slow.run();
  ASSERT_EQ(slow.times_fenced, 1);
  for (int i = 0; i < 600; ++i) {
    auto answer = quick.ask();
    if (!answer.ready()) quick.pass(seconds(2));  // No promise fits before the renewal.
    ASSERT_TRUE(answer.ready() && answer->has_value());
    ASSERT_TRUE(cluster.platform->alive(answer->value().token.reveal())) << i;
    quick.pass(seconds(1));
  }
}

TEST(TwoNodes, TheFencedOneMarksTheTokenThatItsForcedCallHasKilled) {
  enum class End { stored_late, stored_later_still, lost };
  for (const End end : {End::stored_late, End::stored_later_still, End::lost}) {
    TestCluster cluster(TestCluster::windowed());
    Node slow(cluster, false);
    slow.start();
    slow.token();
    Node quick(cluster);
    quick.start();
    cluster.platform->fates = {Fate::hold};
    auto operated = slow.refresh();
    cluster.clock.advance(seconds(40));
    quick.pass(seconds(1));
    ASSERT_EQ(quick.token(), "token-1") << "the platform brought it again";

    if (end == End::lost) {
      cluster.platform->release_unheard();
    } else {
      slow.store->refuse_commits = end == End::stored_later_still;
      cluster.platform->release();
      slow.run();
      slow.store->refuse_commits = false;
    }
    slow.pass(seconds(2));
    ASSERT_EQ(slow.times_fenced, 1);
    ASSERT_FALSE(cluster.platform->alive("token-1"));
    quick.pass(seconds(1));
    EXPECT_EQ(quick.token(), "token-2");
  }
}

TEST(TwoNodes, AMarkedTokenIsPromisedByOneAsLongAsTheOtherLetsItLive) {
  TestCluster cluster;
  // By so much, or so little, a node misjudges the database's time when its answers are slow.
  const SkewedClock behind(cluster.clock, -Milliseconds(900));
  Node renewing(cluster);
  Node asked(cluster, behind, true, Node::default_apps());
  renewing.start();
  renewing.pass(seconds(5480), seconds(1));
  cluster.platform->fates = {Fate::lose_answer};
  renewing.pass(seconds(15), seconds(1));
  ASSERT_EQ(cluster.platform->calls.size(), 2U);
  asked.start();

  std::map<WallTime, std::string> promises;
  while (cluster.platform->calls.size() < 3 || !promises.empty()) {
    auto answer = asked.ask();
    if (cluster.platform->calls.size() < 3 && answer.ready() && answer->has_value()) {
      promises[cluster.clock.wall() + answer->value().expires_in] = answer->value().token.reveal();
    }
    renewing.pass(Milliseconds(10));
    for (; !promises.empty() && promises.begin()->first <= cluster.clock.wall();
         promises.erase(promises.begin())) {
      ASSERT_TRUE(cluster.platform->alive(promises.begin()->second));
    }
  }
}

TEST(TwoNodes, TwoOperatorsAtOnceMakeOneCallThoughItsAnswerIsLost) {
  TestCluster cluster;
  Node a(cluster);
  Node b(cluster);
  a.start();
  a.token();
  b.start();
  cluster.platform->fates = {Fate::lose_answer};
  b.store->before_acquire = [&] {
    a.refresh();
  };  // After the other looked, before it has the lease.
  auto second = b.refresh();
  ASSERT_TRUE(second.ready());
  EXPECT_EQ(cluster.platform->calls.size(), 2U) << "a second call could end a promised token early";
  EXPECT_EQ(second->error().fault, Fault::too_soon);
}

TEST(TwoNodes, AReadThatARenewalOvertookBringsNoOlderTokenBack) {
  TestCluster cluster;
  Node a(cluster);
  Node b(cluster);
  a.start();
  a.token();
  b.start();
  a.store->hold_loads = true;
  ASSERT_EQ(b.refresh()->value().token.reveal(), "token-2");
  a.pass(seconds(1));  // Reads of it, and hears nothing yet.
  a.store->hold_loads = false;
  a.pass(seconds(301));
  ASSERT_EQ(a.refresh()->value().token.reveal(), "token-3");
  a.store->release_loads();
  a.run();
  EXPECT_EQ(a.token(), "token-3");
}

TEST(TwoNodes, ACommitThatTookPlaceThoughItWasReportedAsFailedIsNoLostLease) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  node.pass(seconds(301));
  node.store->lose_commits = true;
  ASSERT_EQ(node.refresh()->value().token.reveal(), "token-2");
  node.store->lose_commits = false;
  node.pass(seconds(10));
  EXPECT_EQ(node.times_fenced, 0);
  EXPECT_GE(node.ask()->value().expires_in, seconds(5000));
  node.pass(seconds(600), seconds(1));
  EXPECT_EQ(cluster.platform->calls.size(), 2U);
}

TEST(TwoNodes, ACallInDoubtThatTheStoreWouldNotTakeIsHandedToItUntilItDoes) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  cluster.platform->revoke("token-1");
  cluster.platform->usual = Fate::refuse;
  node.store->refuse_calls_in_doubt = true;
  node.report("token-1");
  node.store->refuse_calls_in_doubt = false;
  node.pass(seconds(2));
  Node another(cluster, false);
  another.start();
  EXPECT_EQ(another.token(), "") << "it knows that the token is dead";
}

TEST(TwoNodes, AStoreThatWasBroughtBackFromABackupIsFollowed) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  Record backup;
  cluster.store->load(Key{"wx1"}, [&](Result<Record> record) { backup = std::move(*record); });
  node.pass(seconds(301));
  ASSERT_EQ(node.refresh()->value().token.reveal(), "token-2");

  LeaseRequest request;
  request.key = Key{"wx1"};
  request.seen = 2;
  request.holder = "the backup";
  request.lease = seconds(10);
  cluster.store->acquire_lease(std::move(request), [&](Result<AcquireOutcome> acquired) {
    auto& lease = std::get<Acquired>(*acquired).lease;
    cluster.store->commit(std::move(lease), std::move(backup), [](const auto&) {});
  });
  node.pass(seconds(1));
  EXPECT_EQ(node.token(), "token-1");
}

TEST(TwoNodes, AChangeThatCouldNotBeReadIsReadLater) {
  TestCluster cluster;
  Node a(cluster);
  Node b(cluster);
  a.start();
  a.token();
  b.start();
  ASSERT_TRUE(a.refresh()->has_value());
  b.store->refuse_loads = true;
  b.pass(seconds(1));
  b.store->refuse_loads = false;
  b.pass(seconds(2));
  std::string seen;
  b.keeper->read("wx1", kAccessToken, Wish{}, [&](const TokenView& view) { seen = view.token; });
  EXPECT_EQ(seen, "token-2");
}

TEST(TwoNodes, AReadThatFailsAfterASilenceSpeaksForTheStoreAndOneThatFailsAtOnceForItself) {
  TestCluster cluster;
  Node a(cluster);
  Node b(cluster);
  a.start();
  a.token();
  b.start();
  b.store->refuse_loads = true;
  for (const bool silent : {true, false}) {
    a.pass(seconds(300), seconds(1));
    b.pass(seconds(2));
    ASSERT_TRUE(b.keeper->health().store_ok);
    if (silent) b.store->before_load = [&] { cluster.clock.advance(seconds(5)); };
    ASSERT_TRUE(a.refresh()->has_value());
    b.pass(Milliseconds(250));
    EXPECT_EQ(b.keeper->health().store_ok, !silent);
  }
}

TEST(TwoNodes, AVerdictOnTheOldTokenDoesNotConcernItsSuccessor) {
  TestCluster cluster;
  Node a(cluster);
  Node b(cluster);
  a.start();
  a.token();
  b.start();
  b.pass(seconds(1));
  cluster.platform->revoke("token-1");
  cluster.platform->fates = {Fate::hold};
  auto first = a.report("token-1");
  cluster.clock.advance(seconds(1));
  auto second = b.report("token-1");  // Finds it dead while the other renews it.
  cluster.platform->release();
  a.run();
  for (int i = 0; i < 20; ++i) {
    b.pass(Milliseconds(250));
    a.run();
  }
  ASSERT_TRUE(first.ready() && second.ready());
  EXPECT_EQ(first->value().outcome, ReportOutcome::renewed);
  EXPECT_EQ(second->value().outcome, ReportOutcome::renewed);
  EXPECT_EQ(cluster.platform->calls.size(), 2U);
  EXPECT_EQ(a.token(), "token-2");
  EXPECT_EQ(b.token(), "token-2");
}

/// An operator's forced refresh at one node, while the other is told that the token is refused.
class ForcedElsewhere : public ::testing::Test {
 protected:
  ForcedElsewhere() {
    forcing.start();
    forcing.token();
    other.start();
    cluster.platform->fates = {Fate::hold};
    operated = forcing.refresh();
    cluster.clock.advance(seconds(1));
  }

  TestCluster cluster{TestCluster::windowed()};
  Node forcing{cluster};
  Node other{cluster};
  Node::Pending<Result<Grant>> operated;
};

TEST_F(ForcedElsewhere, AProbeSaysNothingAboutTheCallThatIsUnderWay) {
  auto told = other.report("token-1");
  EXPECT_EQ(cluster.platform->probes, 1);
  auto asked = other.ask();
  EXPECT_FALSE(told.ready() || asked.ready()) << "both wait for the call";

  cluster.platform->release();
  forcing.run();
  EXPECT_FALSE(cluster.platform->alive("token-1"));
  other.pass(seconds(1));
  EXPECT_EQ(asked->value().token.reveal(), "token-2");
  EXPECT_EQ(told->value().outcome, ReportOutcome::already_newer);
  EXPECT_EQ(told->value().grant.token.reveal(), "token-2");
}

TEST_F(ForcedElsewhere, AProbeSaysNothingAboutItAfterItsAnswerWasLostEither) {
  auto told = other.report("token-1");
  cluster.clock.advance(seconds(3));
  cluster.platform->usual = Fate::hold;
  cluster.platform->release_unheard();
  forcing.run();
  other.pass(Milliseconds(250));
  for (Node* node : {&forcing, &other}) {
    auto asked = node->ask();
    const bool promised = asked.ready() && asked->has_value() && !asked->value().suspect;
    EXPECT_FALSE(promised && asked->value().token.reveal() == "token-1");
  }
}

TEST(TwoNodes, ShareTheThrottleOnReports) {
  TestCluster cluster;
  Node a(cluster);
  Node b(cluster);
  a.start();
  a.token();
  b.start();
  for (int i = 0; i < 3; ++i) {
    cluster.platform->revoke(cluster.platform->newest());
    ASSERT_EQ(a.report(cluster.platform->newest())->value().outcome, ReportOutcome::renewed) << i;
  }
  b.pass(seconds(1));
  cluster.platform->revoke(cluster.platform->newest());
  EXPECT_EQ(a.report(cluster.platform->newest())->error().fault, Fault::throttled);
  b.pass(seconds(20), Milliseconds(250));
  EXPECT_EQ(cluster.platform->calls.size(), 4U);
  b.pass(seconds(15), Milliseconds(250));
  EXPECT_EQ(cluster.platform->calls.size(), 5U);
  EXPECT_EQ(b.token(), "token-5");
}

// ---- reports

TEST(Report, OfAnOlderTokenCostsNoCall) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  node.refresh();
  auto report = node.report("token-1");
  EXPECT_EQ(report->value().outcome, ReportOutcome::already_newer);
  EXPECT_EQ(report->value().grant.token.reveal(), "token-2");
  EXPECT_EQ(cluster.platform->calls.size(), 2U);
  EXPECT_EQ(cluster.platform->probes, 0);
}

TEST(Report, OfAnUnknownTokenCostsNoCall) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  auto report = node.report("somebody-elses");
  EXPECT_EQ(report->value().outcome, ReportOutcome::unknown);
  EXPECT_EQ(report->value().grant.token.reveal(), "token-1");
  EXPECT_EQ(cluster.platform->probes, 0);
}

TEST(Report, OfALiveTokenRenewsNothing) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  auto report = node.report("token-1");
  EXPECT_EQ(report->value().outcome, ReportOutcome::alive);
  EXPECT_EQ(cluster.platform->probes, 1);
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
}

TEST(Report, OfADeadTokenRenewsOnceForAllWhoReportIt) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  cluster.platform->revoke("token-1");
  cluster.platform->hold_probes = true;
  std::vector<Node::Pending<Result<Report>>> reports;
  for (int i = 0; i < 1000; ++i) reports.push_back(node.report("token-1"));
  cluster.platform->release_probes();
  node.run();
  for (auto& report : reports) {
    ASSERT_TRUE(report.ready());
    EXPECT_EQ(report->value().outcome, ReportOutcome::renewed);
    EXPECT_EQ(report->value().grant.token.reveal(), "token-2");
  }
  EXPECT_EQ(cluster.platform->calls.size(), 2U);
  EXPECT_EQ(cluster.platform->probes, 1);
}

TEST(Report, ADeadTokenIsHandedOutNoMore) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  cluster.platform->revoke("token-1");
  cluster.platform->usual = Fate::no_connection;
  auto report = node.report("token-1");
  EXPECT_FALSE(report->has_value());
  EXPECT_EQ(node.token(), "");
  cluster.platform->usual = Fate::answer;
  node.pass(seconds(5));
  EXPECT_EQ(node.token(), "token-2");
}

TEST(Report, OfALiveTokenRenewsNothingHoweverLongItGoesOn) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(node.report("token-1")->value().outcome, ReportOutcome::alive) << i;
    node.pass(Milliseconds(100), Milliseconds(100));
  }
  EXPECT_EQ(node.token(), "token-1");
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
  EXPECT_LE(cluster.platform->probes, 7) << "a verdict holds ten seconds for everybody";
}

TEST(Report, OfOneAppAskThePlatformTenTimesAMinuteAtMost) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  cluster.platform->reachable = false;  // No verdict that could hold.
  for (int i = 0; i < 50; ++i) node.report("token-1");
  EXPECT_LE(cluster.platform->probes, 10);
  EXPECT_GE(cluster.platform->probes, 1);
}

TEST(Report, ThatThePlatformCannotBeAskedAboutRenewsNothingAndIsLookedIntoUntilItIsKnown) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  cluster.platform->revoke("token-1");
  cluster.platform->reachable = false;
  auto report = node.report("token-1");
  EXPECT_EQ(report->value().outcome, ReportOutcome::unverified);
  EXPECT_EQ(report->value().grant.token.reveal(), "token-1");
  node.pass(seconds(60), seconds(1));
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
  const int asked = cluster.platform->probes;
  EXPECT_GE(asked, 5) << "1 s, 2 s, 4 s and so on";
  cluster.platform->reachable = true;
  node.pass(seconds(31), seconds(1));
  EXPECT_EQ(node.token(), "token-2") << "dead, as was found out at last";
  node.pass(seconds(120), seconds(1));
  EXPECT_LE(cluster.platform->probes, asked + 2) << "it does not ask on";
}

TEST(Report, AVerdictHoldsTenSecondsForEverybody) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  cluster.platform->hold_probes = true;
  auto first = node.report("token-1");
  auto second = node.report("token-1");
  cluster.platform->release_probes();
  node.run();
  cluster.platform->hold_probes = false;
  node.pass(seconds(9), seconds(1));
  EXPECT_EQ(node.report("token-1")->value().outcome, ReportOutcome::alive);
  EXPECT_EQ(cluster.platform->probes, 1);
  node.pass(seconds(1));
  node.report("token-1");
  EXPECT_EQ(cluster.platform->probes, 2);
}

TEST(Report, ThreeInARowThenOneEveryThirtySeconds) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  for (int i = 0; i < 3; ++i) {
    cluster.platform->revoke(cluster.platform->newest());
    EXPECT_EQ(node.report(cluster.platform->newest())->value().outcome, ReportOutcome::renewed)
        << i;
  }
  cluster.platform->revoke(cluster.platform->newest());
  EXPECT_EQ(node.report(cluster.platform->newest())->error().fault, Fault::throttled);
  EXPECT_EQ(cluster.platform->calls.size(), 4U);
  node.pass(seconds(31), seconds(1));
  EXPECT_EQ(cluster.platform->calls.size(), 5U);
  EXPECT_EQ(node.token(), "token-5");
}

TEST(Report, OfADeadWindowedTokenForcesARefresh) {
  TestCluster cluster(TestCluster::windowed());
  Node node(cluster);
  node.start();
  node.token();
  cluster.platform->revoke("token-1");
  EXPECT_EQ(node.report("token-1")->value().outcome, ReportOutcome::renewed);
  EXPECT_TRUE(cluster.platform->calls.back().force);
  cluster.platform->revoke("token-2");
  EXPECT_EQ(node.report("token-2")->error().fault, Fault::throttled) << "30 s apart";
  node.pass(seconds(31), seconds(1));
  EXPECT_EQ(node.token(), "token-3");
}

TEST(Report, IsBelievedOnceInThirtySecondsWhereNobodyCanBeAsked) {
  TestCluster cluster(TestCluster::independent());
  cluster.platform->probed = false;
  Node node(cluster);
  node.start();
  node.token();
  EXPECT_EQ(node.report("token-1")->value().outcome, ReportOutcome::renewed);
  EXPECT_EQ(node.report("token-2")->value().outcome, ReportOutcome::throttled);
  node.pass(seconds(31), seconds(1));
  EXPECT_EQ(node.report("token-2")->value().outcome, ReportOutcome::renewed);
  EXPECT_EQ(node.token(), "token-3");
  EXPECT_EQ(cluster.platform->calls.size(), 3U);
}

TEST(Report, ThatIsBelievedDisplacesNoTokenWithinTheOverlap) {
  TestCluster cluster;
  cluster.platform->probed = false;
  Node node(cluster);
  node.start();
  node.token();
  EXPECT_EQ(node.report("token-1")->value().outcome, ReportOutcome::renewed);
  node.pass(seconds(31), seconds(1));
  EXPECT_EQ(node.report("token-2")->value().outcome, ReportOutcome::throttled);
  EXPECT_EQ(node.token(), "token-2");
  node.pass(seconds(300), seconds(1));
  EXPECT_EQ(node.report("token-2")->value().outcome, ReportOutcome::renewed);
}

TEST(Report, ThatIsBelievedTakesThePlatformsWordForATokenThatItBringsAgain) {
  TestCluster cluster(TestCluster::windowed());
  cluster.platform->probed = false;
  Node node(cluster);
  node.start();
  node.token();
  EXPECT_EQ(node.report("token-1")->value().outcome, ReportOutcome::alive);
  EXPECT_EQ(cluster.platform->calls.size(), 2U) << "it was asked";
  EXPECT_FALSE(cluster.platform->calls.back().force);
}

TEST(Report, ForcesAWindowedTokenTwentyTimesADayAtMost) {
  TestCluster cluster(TestCluster::windowed());
  Node node(cluster);
  node.start();
  node.token();
  for (int i = 0; i < 30; ++i) {
    cluster.platform->revoke(cluster.platform->newest());
    node.report(cluster.platform->newest());
    node.pass(seconds(61), seconds(1));
  }
  int forced = 0;
  for (const auto& call : cluster.platform->calls) forced += call.force ? 1 : 0;
  EXPECT_EQ(forced, 20);
}

class Stubborn : public ::testing::TestWithParam<RenewalRule> {};

TEST_P(Stubborn, PlatformThatBringsTheDeadTokenAgainIsNoStorm) {
  TestCluster cluster(GetParam());
  Node node(cluster);
  node.start();
  node.token();
  node.pass(seconds(10));
  cluster.platform->revoke("token-1");
  cluster.platform->stubborn = true;
  node.report("token-1");
  for (int i = 0; i < 300; ++i) {
    node.pass(seconds(1));
    ASSERT_EQ(node.token(), "") << i;
  }
  EXPECT_LE(cluster.platform->calls.size(), 4U + 300 / 30);
  cluster.platform->stubborn = false;
  node.pass(seconds(31), seconds(1));
  EXPECT_EQ(node.token(), "token-2");
}

INSTANTIATE_TEST_SUITE_P(Shapes, Stubborn,
                         ::testing::Values(TestCluster::windowed(), TestCluster::sticky()));

TEST(Report, OfADeadWindowedTokenForcesNothingWhileAnAnswerIsLost) {
  TestCluster cluster(TestCluster::windowed());
  Node node(cluster);
  node.start();
  node.token();
  cluster.platform->revoke("token-1");
  // Another process got token-2, and hands it out though it could not store it.
  const InDoubtCall lost{cluster.clock.wall(), cluster.clock.wall() + seconds(300)};
  cluster.store->acquire_lease({Key{"wx1"}, 1, "gone", Milliseconds(1), lost},
                               [](const Result<AcquireOutcome>&) {});
  cluster.platform->issue({}, [](const IssueOutcome&) {});
  cluster.clock.advance(seconds(1));
  EXPECT_EQ(node.report("token-1")->value().grant.token.reveal(), "token-2");
  EXPECT_TRUE(cluster.platform->alive("token-2"));
}

TEST(Report, ByFingerprintIsTheSame) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  const Fingerprint named = node.ask()->value().fingerprint;
  std::optional<Result<Report>> result;
  node.keeper->report(Key{"wx1"}, named, [&](Result<Report> r) { result = std::move(r); });
  node.run();
  EXPECT_EQ(result->value().outcome, ReportOutcome::alive);
}

// ---- an operator's refresh

TEST(Refresh, IsDoneAtOnce) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  EXPECT_EQ(node.refresh()->value().token.reveal(), "token-2");
}

TEST(Refresh, IsTooSoonWithinTheOverlapOfTheLastDisplacement) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  node.refresh();
  node.pass(seconds(100), seconds(1));
  auto again = node.refresh();
  EXPECT_EQ(again->error().fault, Fault::too_soon);
  EXPECT_NEAR(static_cast<double>(again->error().retry_after->count()), 200'000, 2000);
  EXPECT_EQ(cluster.platform->calls.size(), 2U);
  node.pass(seconds(200), seconds(1));
  EXPECT_TRUE(node.refresh()->has_value());
}

TEST(Refresh, DoesNotWaitForABackoff) {
  TestCluster cluster;
  cluster.platform->fates = {Fate::refuse_for_good};
  Node node(cluster, false);
  node.start();
  node.token();
  EXPECT_EQ(node.refresh()->value().token.reveal(), "token-1");
}

TEST(Refresh, OfAWindowedTokenForcesAndIsThirtySecondsApart) {
  TestCluster cluster(TestCluster::windowed());
  Node node(cluster);
  node.start();
  node.token();
  EXPECT_EQ(node.refresh()->value().token.reveal(), "token-2");
  EXPECT_TRUE(cluster.platform->calls.back().force);
  EXPECT_EQ(node.refresh()->error().fault, Fault::too_soon);
}

TEST(Refresh, SaidThatOlderTokensWereDeadWhereNoneEndsAnother) {
  RenewalRule rule = TestCluster::windowed();
  rule.shape = RenewalRule::Shape::independent;
  rule.forced_a_day = 0;
  TestCluster cluster(rule);
  Node node(cluster);
  node.start();
  node.token();
  std::optional<WallTime> older_work_until;
  node.keeper->refresh(Key{"wx1"}, [&](const Result<Refreshed>& refreshed) {
    if (refreshed) older_work_until = refreshed->older_work_until;
  });
  node.run();
  ASSERT_TRUE(older_work_until);
  EXPECT_GT(*older_work_until, cluster.clock.wall() + std::chrono::hours(1));
}

// Most platforms with a window know no force. To count with one would take the promise from a token
// that nothing ends, and refuse the second refresh of a day.
TEST(Refresh, ForcesNothingWhereThePlatformGrantsNoForcedCalls) {
  RenewalRule rule = TestCluster::windowed();
  rule.forced_a_day = 0;
  TestCluster cluster(rule);
  Node node(cluster);
  node.start();
  node.token();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(node.refresh()->value().token.reveal(), "token-1");
    EXPECT_FALSE(cluster.platform->calls.back().force);
  }
  cluster.platform->revoke("token-1");
  EXPECT_EQ(node.report("token-1")->value().outcome, ReportOutcome::renewed);
  EXPECT_FALSE(cluster.platform->calls.back().force);
  EXPECT_EQ(node.token(), "token-2");
  EXPECT_EQ(cluster.platform->calls.size(), 4U);
}

// ---- waiting for another revision

TEST(Wait, AnswersWhenTheRevisionChanges) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  std::optional<Result<std::optional<Grant>>> answer;
  node.keeper->wait(Key{"wx1"}, seen_now(node), seconds(60),
                    [&](auto r) { answer = std::move(r); });
  node.pass(seconds(10), seconds(1));
  EXPECT_FALSE(answer);
  node.refresh();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->value()->revision, 2U);
}

TEST(Wait, AnswersEmptyWhenPatienceIsOver) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  std::optional<Result<std::optional<Grant>>> answer;
  node.keeper->wait(Key{"wx1"}, seen_now(node), seconds(10),
                    [&](auto r) { answer = std::move(r); });
  node.pass(seconds(9), seconds(1));
  EXPECT_FALSE(answer);
  node.pass(seconds(2), seconds(1));
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->value());
}

TEST(Wait, IsOverForEverybodyWhenTheProcessIsAboutToStop) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  std::optional<Result<std::optional<Grant>>> answer;
  std::optional<Result<std::optional<Grant>>> late;
  node.keeper->wait(Key{"wx1"}, seen_now(node), seconds(60),
                    [&](auto r) { answer = std::move(r); });
  node.run();
  node.keeper->end_waits();
  node.run();
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->value());
  node.keeper->wait(Key{"wx1"}, seen_now(node), seconds(60), [&](auto r) { late = std::move(r); });
  node.run();
  EXPECT_TRUE(late);
}

// ---- apps

TEST(Apps, PutInTheStoreAreKnownToARunningNodeWithinASecond) {
  TestCluster cluster;
  Node node(cluster, true, {});
  node.start();
  store::AppRow row;
  row.id = "wx9";
  row.platform = "fake";
  row.settings["endpoint"] = "e";
  row.credentials.insert_or_assign(std::string(kSecret), Secret(std::string_view("x")));
  cluster.store->put_app(std::move(row), [](Result<void>) {});
  node.pass(seconds(1));
  EXPECT_TRUE(node.keeper->knows("wx9"));
  EXPECT_EQ(node.ask({}, "wx9")->value().token.reveal(), "token-1");
}

TEST(Apps, RemovedAreForgottenWithTheirTokens) {
  TestCluster cluster;
  Node node(cluster, true, {});
  node.start();
  std::optional<Result<AppInfo>> put;
  node.keeper->put_app(fake_app("wx9", "x"), [&](Result<AppInfo> r) { put = std::move(r); });
  node.pass(seconds(1));
  ASSERT_TRUE(put->has_value());
  std::optional<Result<bool>> removed;
  node.keeper->remove_app("wx9", [&](Result<bool> r) { removed = std::move(r); });
  node.run();
  EXPECT_TRUE(removed->value());
  EXPECT_EQ(node.ask({}, "wx9")->error().fault, Fault::unknown_app);
}

TEST(Apps, RemovedDuringARenewalLeaveNothingBehind) {
  TestCluster cluster;
  Node node(cluster, true, {});
  node.start();
  cluster.platform->fates = {Fate::hold};
  node.keeper->put_app(fake_app("wx9", "x"), [](const Result<AppInfo>&) {});
  node.run();
  auto waiting = node.ask({}, "wx9");
  node.keeper->remove_app("wx9", [](const Result<bool>&) {});
  node.run();
  cluster.platform->release();
  node.run();
  ASSERT_TRUE(waiting.ready());
  EXPECT_EQ(waiting->error().fault, Fault::unknown_app);
  EXPECT_FALSE(node.keeper->knows("wx9"));
}

namespace {
store::AppRow stored_app(std::string_view secret = "x") {
  store::AppRow row;
  row.id = "wx9";
  row.platform = "fake";
  row.settings["endpoint"] = "e";
  row.credentials.insert_or_assign(std::string(kSecret), Secret(secret));
  row.tag = testing::PlainSealer().tag("wx9", secret);
  return row;
}
}  // namespace

TEST(Apps, RemovedWhileTheirSecretIsReadLeaveNothingBehind) {
  TestCluster cluster;
  cluster.platform->fates = {Fate::refuse_for_good};
  cluster.store->put_app(stored_app(), [](const Result<void>&) {});
  Node node(cluster, true, {});
  node.start();
  node.pass(seconds(1));
  node.store->before_acquire = [&] { node.keeper->remove_app("wx9", [](const Result<bool>&) {}); };
  auto answer = node.refresh("wx9");
  ASSERT_TRUE(answer.ready());
  EXPECT_EQ(answer->error().fault, Fault::unknown_app);
  EXPECT_FALSE(node.keeper->knows("wx9"));
}

TEST(Apps, RemovedAndPutAgainDuringARenewalAreNotConfused) {
  TestCluster cluster;
  cluster.store->put_app(stored_app(), [](const Result<void>&) {});
  Node node(cluster, true, {});
  node.start();
  node.pass(seconds(1));
  // Somebody else holds the lease, so the renewal waits.
  const InDoubtCall past{cluster.clock.wall() - seconds(301), cluster.clock.wall() - seconds(1)};
  cluster.store->acquire_lease({Key{"wx9"}, 1, "other", seconds(30), past},
                               [](const Result<AcquireOutcome>&) {});
  std::optional<Result<Refreshed>> answer;
  node.keeper->refresh(Key{"wx9"}, [&](Result<Refreshed> r) { answer = std::move(r); });
  node.run();
  node.keeper->remove_app("wx9", [](const Result<bool>&) {});
  node.run();
  node.keeper->put_app(fake_app("wx9", "x"), [](const Result<AppInfo>&) {});
  node.run();
  node.pass(seconds(1), Milliseconds(50));
  EXPECT_TRUE(answer);
  EXPECT_EQ(node.ask({}, "wx9")->value().token.reveal(), cluster.platform->newest());
}

TEST(Apps, RemovedAndPutAgainBehindTheNodesBackAreNoStorm) {
  TestCluster cluster;
  cluster.store->put_app(stored_app(), [](const Result<void>&) {});
  Node node(cluster, true, {});
  node.start();
  node.pass(seconds(1));
  node.refresh("wx9");
  ASSERT_EQ(cluster.platform->calls.size(), 2U);
  cluster.store->remove_app("wx9", [](const Result<bool>&) {});
  cluster.store->put_app(stored_app(), [](const Result<void>&) {});
  node.pass(seconds(2));
  EXPECT_EQ(node.ask({}, "wx9")->value().token.reveal(), "token-3");
  node.pass(minutes(100), seconds(1));
  EXPECT_LE(cluster.platform->calls.size(), 4U);
  EXPECT_EQ(node.ask({}, "wx9")->value().token.reveal(), cluster.platform->newest());
}

TEST(Apps, RemovedWhileTheFeedHasForgottenAreForgottenToo) {
  TestCluster cluster;
  cluster.store->put_app(stored_app(), [](const Result<void>&) {});
  Node node(cluster, true, {});
  node.start();
  node.pass(seconds(1));
  cluster.store->remove_app("wx9", [](const Result<bool>&) {});
  node.store->forgetful = true;
  node.pass(seconds(1));
  EXPECT_FALSE(node.keeper->knows("wx9"));
}

TEST(Apps, ThatWaitForTheirFirstFetchKeepTheirPlaceWhenTheConfigIsReadAgain) {
  TestCluster cluster;
  const auto many = [] {
    auto apps = fake_apps(200);
    return apps;
  };
  Node node(cluster, true, many());
  node.start();
  for (int i = 0; i < 20; ++i) {
    node.keeper->set_config_apps(many(), [](const Result<void>&) {});
    node.pass(Milliseconds(250), Milliseconds(10));
  }
  EXPECT_EQ(cluster.platform->calls.size(), 200U);
}

TEST(Apps, ASecretThatChangesDuringARefusedCallIsTriedAtOnce) {
  TestCluster cluster;
  cluster.store->put_app(stored_app("wrong"), [](const Result<void>&) {});
  cluster.platform->fates = {Fate::hold};
  Node node(cluster, true, {});
  node.start();
  auto waiting = node.ask({}, "wx9");
  node.keeper->put_app(fake_app("wx9", "right"), [](const Result<AppInfo>&) {});
  node.run();
  cluster.platform->release_as(IssueFailure::Delivery::answered);
  node.run();
  EXPECT_EQ(node.ask({}, "wx9")->value().token.reveal(), "token-1");
  EXPECT_EQ(cluster.platform->secrets.back(), "right");
}

TEST(Apps, OfTheConfigCannotBePut) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  std::optional<Result<AppInfo>> put;
  node.keeper->put_app(fake_app("wx1", "x"), [&](Result<AppInfo> r) { put = std::move(r); });
  node.run();
  EXPECT_EQ(put->error().fault, Fault::usage);
}

TEST(Apps, AreRecognisedByTheirSecret) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  EXPECT_TRUE(node.keeper->is_secret_of("wx1", "not-a-secret"));
  EXPECT_FALSE(node.keeper->is_secret_of("wx1", "a-secret"));
  EXPECT_FALSE(node.keeper->is_secret_of("wx2", "not-a-secret"));
}

// ---- stopping

TEST(Stop, WaitsForTheRenewalInFlight) {
  TestCluster cluster;
  Node node(cluster, false);
  node.start();
  cluster.platform->fates = {Fate::hold};
  auto caller = node.ask();
  bool stopped = false;
  node.keeper->stop([&] { stopped = true; });
  node.run();
  EXPECT_FALSE(stopped);
  cluster.platform->release();
  node.run();
  EXPECT_TRUE(stopped);
  EXPECT_EQ(caller->value().token.reveal(), "token-1");
}

TEST(Stop, DoesNotSpinWhileItWaits) {
  TestCluster cluster;
  auto apps = Node::default_apps();
  apps.push_back(fake_app("wx2", "x"));
  Node node(cluster, true, std::move(apps));
  cluster.platform->fates = {Fate::hold, Fate::hold};
  node.start();
  auto caller = node.ask();
  node.keeper->stop([] {});
  node.run();
  cluster.clock.advance(seconds(1));
  EXPECT_GT(node.keeper->run_due(), node.keeper->now());
}

// ---- the promise, whatever happens

/// Hours of random failure; every token that was handed out must live, at a strict platform, to the
/// last second that was promised (suspect ones excepted: they say so).
class ThePromise : public ::testing::TestWithParam<int> {};

TEST_P(ThePromise, HoldsThroughRandomTrouble) {
  std::mt19937 jitter(static_cast<unsigned>(GetParam()));
  const auto chance = [&](int percent) { return static_cast<int>(jitter() % 100) < percent; };
  TestCluster cluster(GetParam() % 2 == 0 ? TestCluster::rotating() : TestCluster::windowed());
  auto node = std::make_unique<Node>(cluster);
  node->start();
  std::multimap<WallTime, std::string> promised;
  int handed_out = 0;

  for (int second = 0; second < 6 * 3600; ++second) {
    cluster.jitter.load(static_cast<double>(jitter() % 1000) / 1000);
    // The weather changes every ten minutes or so.
    if (jitter() % 600 == 0) {
      const Fate weather[] = {Fate::answer,       Fate::answer, Fate::answer,
                              Fate::lose_answer,  Fate::refuse, Fate::lose_request,
                              Fate::no_connection};
      cluster.platform->usual = weather[jitter() % 7];
      cluster.platform->reachable = chance(70);
    }
    if (jitter() % 3600 == 0) {  // A restart.
      node.reset();
      node = std::make_unique<Node>(cluster);
      node->start();
    }
    node->pass(seconds(1), Milliseconds(500));
    if (chance(30)) {
      auto answer = node->ask();
      if (answer.ready() && answer->has_value() && !answer->value().suspect) {
        const Grant& grant = answer->value();
        ++handed_out;
        promised.emplace(cluster.clock.wall() + grant.expires_in - seconds(1),
                         std::string(grant.token.reveal()));
      }
    }
    while (!promised.empty() && promised.begin()->first <= cluster.clock.wall()) {
      ASSERT_TRUE(cluster.platform->alive(promised.begin()->second))
          << promised.begin()->second << " died before its promise, second " << second;
      promised.erase(promised.begin());
    }
  }
  EXPECT_GT(handed_out, 1000);
}

TEST_P(ThePromise, HoldsForTwoNodesAndTokensTakenBack) {
  std::mt19937 jitter(static_cast<unsigned>(GetParam()) + 1000);
  const auto chance = [&](int percent) { return static_cast<int>(jitter() % 100) < percent; };
  TestCluster cluster(GetParam() % 2 == 0 ? TestCluster::rotating() : TestCluster::windowed());
  std::unique_ptr<Node> nodes[2];
  // For two thirds of the seeds, on a database with a clock, and on machines whose clocks are
  // wrong.
  const SkewedClock clocks[] = {{cluster.clock, seconds(0)},
                                {cluster.clock, minutes(10)},
                                {cluster.clock, -minutes(10)},
                                {cluster.clock, hours(1)}};
  const auto restart = [&](std::unique_ptr<Node>& node) {
    node.reset();
    node = GetParam() % 3 == 0 ? std::make_unique<Node>(cluster)
                               : std::make_unique<Node>(cluster, clocks[jitter() % 4]);
    node->start();
  };
  for (auto& node : nodes) restart(node);
  std::multimap<WallTime, std::string> promised;
  std::set<std::string> taken_back;
  int handed_out = 0;

  for (int second = 0; second < 6 * 3600; ++second) {
    cluster.jitter.load(static_cast<double>(jitter() % 1000) / 1000);
    if (jitter() % 600 == 0) {
      const Fate weather[] = {Fate::answer, Fate::answer, Fate::lose_answer, Fate::lose_request,
                              Fate::no_connection};
      cluster.platform->usual = weather[jitter() % 5];
      cluster.platform->reachable = chance(70);
    }
    for (auto& node : nodes) {
      if (jitter() % 7200 == 0) restart(node);
    }
    if (jitter() % 7200 == 0 && !cluster.platform->newest().empty()) {
      // The renewal that follows at once displaces the token before, too.
      taken_back.insert(cluster.platform->newest());
      taken_back.insert(cluster.platform->before());
      cluster.platform->revoke(cluster.platform->newest());
    }
    cluster.clock.advance(seconds(1));
    for (auto& node : nodes) node->run();
    for (auto& node : nodes) {
      if (!chance(20)) continue;
      auto answer = node->ask();
      if (!answer.ready() || !answer->has_value() || answer->value().suspect) continue;
      const Grant& grant = answer->value();
      const std::string token(grant.token.reveal());
      ++handed_out;
      promised.emplace(cluster.clock.wall() + grant.expires_in - seconds(1), token);
      if (taken_back.contains(token)) node->report(token);
    }
    while (!promised.empty() && promised.begin()->first <= cluster.clock.wall()) {
      const std::string& token = promised.begin()->second;
      ASSERT_TRUE(cluster.platform->alive(token) || taken_back.contains(token))
          << token << " died before its promise, second " << second;
      promised.erase(promised.begin());
    }
  }
  EXPECT_GT(handed_out, 1000);
  EXPECT_LT(cluster.platform->calls.size(), 2500U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ThePromise, ::testing::Range(1, 25));

// ---- the listener

TEST(TokenListener, HearsOfATokenThatIsThereAtTheStart) {
  TestCluster cluster;
  {
    Node before(cluster);
    before.start();
    before.run();
  }
  Node node(cluster);
  node.start();
  ASSERT_FALSE(node.listener.empty());
  EXPECT_EQ(node.listener.front(), Key{"wx1"});
}

TEST(TokenListener, HearsOfARenewal) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  ASSERT_EQ(node.token(), "token-1");
  node.listener.clear();
  node.pass(seconds(5700));
  ASSERT_EQ(node.token(), "token-2");
  EXPECT_FALSE(node.listener.empty());
}

TEST(TokenListener, HearsOfARenewalOnAnotherNode) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  ASSERT_EQ(node.token(), "token-1");
  Node other(cluster);
  other.start();
  cluster.clock.advance(seconds(400));
  node.listener.clear();
  ASSERT_TRUE(*other.refresh());
  node.pass(seconds(1));
  EXPECT_EQ(node.token(), "token-2");
  EXPECT_FALSE(node.listener.empty());
}

// What it reads then is nothing, or less: it must not leave the old promise where it brought it.
TEST(TokenListener, HearsOfATokenThatWasFoundDead) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  ASSERT_EQ(node.token(), "token-1");
  cluster.platform->revoke("token-1");
  cluster.platform->usual = FakePlatform::Fate::refuse;
  node.listener.clear();
  node.report("token-1");
  EXPECT_FALSE(node.listener.empty());
}

TEST(TokenListener, HearsOfAnAppThatIsGone) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  ASSERT_EQ(node.token(), "token-1");
  node.listener.clear();
  node.keeper->set_config_apps({}, [](const Result<void>&) {});
  node.run();
  EXPECT_FALSE(node.listener.empty());
}

}  // namespace
}  // namespace hufu::keeper
