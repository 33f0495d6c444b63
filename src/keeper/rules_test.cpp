#include "keeper/rules.hpp"

#include <gtest/gtest.h>

#include "keeper/backoff.hpp"
#include "keeper/in_doubt.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::keeper {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using Shape = RenewalRule::Shape;

constexpr WallTime kT0 = testing::FakeClock::kStart;

Terms terms_of(Shape shape, seconds overlap = seconds(300), seconds slack = seconds(20),
               seconds ahead = seconds(1800)) {
  Terms terms;
  terms.rule = {shape, overlap, seconds(7200), 20, seconds(30)};
  terms.use_slack = slack;
  terms.refresh_ahead = ahead;
  terms.lease = seconds(30);
  terms.request_timeout = seconds(8);
  return terms;
}

Record record_with(seconds life, const Terms& terms, double jitter = 0.5) {
  Record record;
  record.token = Token{Secret(std::string_view("t1")), kT0, kT0 + life, "i"};
  record.revision = 1;
  record.renew_at = plan_renewal(kT0, kT0 + life, terms, jitter);
  return record;
}

// ---- plan_renewal

struct Plan {
  const char* what;
  Shape shape;
  seconds life;
  seconds overlap;
  seconds slack;
  seconds ahead;
  double jitter;
  Milliseconds expected;  ///< After the token was obtained.
};

class PlanRenewal : public ::testing::TestWithParam<Plan> {};

TEST_P(PlanRenewal, IsAsTheTableSays) {
  const Plan& plan = GetParam();
  const Terms terms = terms_of(plan.shape, plan.overlap, plan.slack, plan.ahead);
  EXPECT_EQ(plan_renewal(kT0, kT0 + plan.life, terms, plan.jitter) - kT0, plan.expected)
      << plan.what;
}

INSTANTIATE_TEST_SUITE_P(
    Rules, PlanRenewal,
    ::testing::Values(
        Plan{"rotating: refresh_ahead before the end", Shape::rotating, seconds(7200), seconds(300),
             seconds(20), seconds(1800), 0.0, seconds(5400)},
        Plan{"rotating: up to a tenth of it later", Shape::rotating, seconds(7200), seconds(300),
             seconds(20), seconds(1800), 0.5, seconds(5490)},
        Plan{"rotating: never in the first half of a life", Shape::rotating, seconds(2000),
             seconds(300), seconds(20), seconds(1800), 0.0, seconds(1000)},
        Plan{"rotating: never within the overlap of the last renewal", Shape::rotating,
             seconds(400), seconds(300), seconds(20), seconds(1800), 0.0, seconds(300)},
        Plan{"rotating: before the token becomes unusable", Shape::rotating, seconds(60),
             seconds(300), seconds(20), seconds(1800), 0.0, seconds(39)},
        Plan{"windowed: when the window is open for certain", Shape::windowed, seconds(7200),
             seconds(300), seconds(20), seconds(1800), 0.0, seconds(6905)},
        Plan{"windowed: or up to ten seconds later", Shape::windowed, seconds(7200), seconds(300),
             seconds(20), seconds(1800), 1.0, seconds(6910)},
        Plan{"windowed: or a tenth of a short window", Shape::windowed, seconds(60), seconds(30),
             seconds(5), seconds(1800), 1.0, seconds(33)},
        Plan{"windowed: also of a token that is near its window already", Shape::windowed,
             seconds(310), seconds(300), seconds(20), seconds(1800), 0.0, seconds(15)},
        Plan{"independent: as rotating, without an overlap to respect", Shape::independent,
             seconds(400), seconds(300), seconds(20), seconds(1800), 0.0, seconds(200)},
        Plan{"sticky: at the end", Shape::sticky, seconds(7200), seconds(300), seconds(20),
             seconds(1800), 0.0, seconds(7200)},
        Plan{"never before the token was there", Shape::rotating, seconds(10), seconds(300),
             seconds(20), seconds(1800), 0.0, seconds(0)}));

// ---- promises

TEST(Promise, OfARotatingTokenEndsWithTheOverlapOfThePlannedRenewal) {
  const Terms terms = terms_of(Shape::rotating);
  const Bounds bounds = bounds_of(record_with(seconds(7200), terms, 0.0), terms);
  EXPECT_EQ(bounds.promise(kT0), 5400 + 300 - 20);
  EXPECT_EQ(bounds.promise(kT0 + seconds(5000)), 680);
}

TEST(Promise, StretchesToTheEndWhileTheRenewalIsLate) {
  const Terms terms = terms_of(Shape::rotating);
  const Bounds bounds = bounds_of(record_with(seconds(7200), terms, 0.0), terms);
  EXPECT_EQ(bounds.promise(kT0 + seconds(5400)), 280);
  EXPECT_EQ(bounds.promise(kT0 + seconds(6000)), 280);
  EXPECT_EQ(bounds.promise(kT0 + seconds(7000)), 180);
  EXPECT_EQ(bounds.promise(kT0 + seconds(7180)), 0);
}

TEST(Promise, OfAWindowedTokenIsItsLifeLessTheSlack) {
  const Terms terms = terms_of(Shape::windowed);
  const Bounds bounds = bounds_of(record_with(seconds(7200), terms), terms);
  EXPECT_EQ(bounds.promise(kT0), 7180);
}

TEST(Promise, OfAStickyTokenGoesToItsVeryEnd) {
  const Terms terms = terms_of(Shape::sticky);
  const Bounds bounds = bounds_of(record_with(seconds(7200), terms), terms);
  EXPECT_EQ(bounds.promise(kT0), 7200);
  EXPECT_EQ(bounds.promise(kT0 + seconds(7199)), 1);
}

TEST(Promise, EndsBeforeACallOfUnknownOutcomeCanKill) {
  const Terms terms = terms_of(Shape::rotating);
  Record record = record_with(seconds(7200), terms, 0.0);
  record.in_doubt.push_back(in_doubt_call_for(record, terms, true, false, kT0 + seconds(5400)));
  const Bounds bounds = bounds_of(record, terms);
  EXPECT_EQ(bounds.promise(kT0 + seconds(5400)), 280);
  EXPECT_EQ(bounds.promise(kT0 + seconds(5600)), 80);
}

TEST(Promise, FollowsTheOverlapThatIsStoredWithTheTokenWhereThatIsShorter) {
  const Terms terms = terms_of(Shape::rotating);
  Record record = record_with(seconds(7200), terms, 0.0);
  record.token->overlap = seconds(60);
  EXPECT_EQ(bounds_of(record, terms).promise(kT0), 5400 + 60 - 20);
  record.token->overlap = seconds(600);
  EXPECT_EQ(bounds_of(record, terms).promise(kT0), 5400 + 300 - 20);
}

TEST(Promise, OfAnIndependentTokenIsItsLifeLessTheSlack) {
  const Terms terms = terms_of(Shape::independent);
  EXPECT_EQ(bounds_of(record_with(seconds(7200), terms), terms).promise(kT0), 7180);
}

/// Whatever the moment of the answer: if the renewal happens as planned or later, the token still
/// lives (by the platform's rule) at the last promised second.
TEST(Promise, HoldsAtEverySecondOfARotatingLife) {
  const Terms terms = terms_of(Shape::rotating);
  const Record record = record_with(seconds(7200), terms, 0.3);
  const Bounds bounds = bounds_of(record, terms);
  for (WallTime renewal = record.renew_at; renewal < kT0 + seconds(7200); renewal += seconds(60)) {
    const WallTime death = std::min(renewal + seconds(300), record.token->expires_at);
    for (WallTime asked = kT0; asked <= renewal; asked += seconds(7)) {
      ASSERT_LE(asked + seconds(bounds.promise(asked)), death - terms.use_slack);
    }
  }
}

// ---- in_doubt

TEST(InDoubtCall, OfARotatingCallIsDangerousWhenItsOverlapIsOver) {
  const Terms terms = terms_of(Shape::rotating);
  const Record record = record_with(seconds(7200), terms);
  EXPECT_EQ(in_doubt_call_for(record, terms, true, false, kT0).may_die_at, kT0 + seconds(300));
}

TEST(InDoubtCall, OfAWindowedCallIsHarmlessUnlessForced) {
  const Terms terms = terms_of(Shape::windowed);
  const Record record = record_with(seconds(7200), terms);
  EXPECT_EQ(in_doubt_call_for(record, terms, true, false, kT0).may_die_at,
            record.token->expires_at);
  EXPECT_EQ(in_doubt_call_for(record, terms, true, true, kT0).may_die_at, kT0);
}

TEST(InDoubtCall, GoesWhenAProbeFindsTheTokenAliveAfterItsDanger) {
  Record record;
  record.in_doubt = {{kT0, kT0 + seconds(300)}, {kT0 + seconds(280), kT0 + seconds(580)}};
  settle_in_doubt(record, terms_of(Shape::rotating), kT0 + seconds(299));
  EXPECT_EQ(record.in_doubt.size(), 2U);
  settle_in_doubt(record, terms_of(Shape::rotating), kT0 + seconds(300));
  ASSERT_EQ(record.in_doubt.size(), 1U);
  EXPECT_EQ(record.in_doubt[0].called_at, kT0 + seconds(280));
  EXPECT_EQ(record.alive_at, kT0 + seconds(300));
}

TEST(InDoubtCall, OfACallThatMayBeUnderWayStaysWhateverAProbeFinds) {
  const Terms terms = terms_of(Shape::windowed);
  Record record = record_with(seconds(7200), terms);
  record.in_doubt = {in_doubt_call_for(record, terms, true, true, kT0)};
  record.in_doubt[0].state = InDoubtCall::State::pending;
  settle_in_doubt(record, terms, kT0 + seconds(29));
  EXPECT_EQ(record.in_doubt.size(), 1U);
  settle_in_doubt(record, terms, kT0 + seconds(30));
  EXPECT_EQ(record.in_doubt.size(), 0U);
}

TEST(InDoubtCall, OfALostCallIsJudgedByWhatIsHeardAfterItWasGivenUp) {
  const Terms terms = terms_of(Shape::windowed);
  Record record = record_with(seconds(7200), terms);
  const InDoubtCall lost =
      lost_call(in_doubt_call_for(record, terms, true, true, kT0), kT0 + seconds(8));
  EXPECT_FALSE(is_known_dead(lost));
  record.in_doubt = {lost};
  EXPECT_EQ(first_judgement(record, terms), kT0 + seconds(8));
  settle_in_doubt(record, terms, kT0 + seconds(7));
  EXPECT_EQ(record.in_doubt.size(), 1U);
  settle_in_doubt(record, terms, kT0 + seconds(8));
  EXPECT_EQ(record.in_doubt.size(), 0U);
}

TEST(InDoubtCall, OfARotatingCallIsJudgedAnOverlapAfterTheCallWasOver) {
  Record record;
  record.in_doubt = {lost_call({kT0, kT0 + seconds(300)}, kT0 + seconds(8))};
  EXPECT_EQ(first_possible_death(record), kT0 + seconds(300))
      << "it may have been carried out at once";
  EXPECT_EQ(first_judgement(record, terms_of(Shape::rotating)), kT0 + seconds(308));
}

TEST(InDoubtCall, AfterAFenceIsOnlyForACallThatHarmsTheToken) {
  const WallTime now = kT0 + seconds(100);
  const auto after = [&](Shape shape, bool force, WallTime called_at) {
    return fenced_call(kT0, terms_of(shape), force, called_at, now);
  };
  EXPECT_EQ(after(Shape::rotating, false, kT0 + seconds(5))->may_die_at, kT0 + seconds(305));
  EXPECT_EQ(after(Shape::rotating, false, kT0 - seconds(5))->may_die_at, kT0 + seconds(300));
  const InDoubtCall late =
      *fenced_call(kT0, terms_of(Shape::rotating), false, kT0, kT0 + seconds(900));
  EXPECT_EQ(late.may_die_at, kT0 + seconds(900));
  EXPECT_FALSE(is_known_dead(late));
  EXPECT_EQ(after(Shape::windowed, true, kT0)->may_die_at, now);
  EXPECT_FALSE(after(Shape::windowed, false, kT0));
  EXPECT_FALSE(after(Shape::sticky, false, kT0));
}

TEST(InDoubtCall, OnesWhoseDangerHasBegunAreKeptAsOne) {
  Record record;
  for (int i = 0; i < 50; ++i)
    record.in_doubt.push_back({kT0 + seconds(i), kT0 + seconds(300 + i)});
  merge_in_doubt(record, terms_of(Shape::rotating), kT0 + seconds(330));
  EXPECT_EQ(record.in_doubt.size(), 1U + 19U);
  EXPECT_EQ(first_possible_death(record), kT0 + seconds(300));
}

TEST(InDoubtCall, ThatIsPendingIsNotMergedWithOthers) {
  Record record;
  record.in_doubt = {{kT0, kT0 + seconds(1)},
                     {kT0, kT0 + seconds(2), InDoubtCall::State::pending},
                     {kT0, kT0 + seconds(3)}};
  merge_in_doubt(record, terms_of(Shape::rotating), kT0 + seconds(10));
  EXPECT_EQ(record.in_doubt.size(), 2U);
}

TEST(Revision, LeavesOutWhatMayBeInTheHandsOfWhoeverHasNotAnswered) {
  Record record;
  record.revision = 7;
  EXPECT_EQ(next_revision(record), 8U);
  record.in_doubt = {{kT0, kT0},
                     {kT0, kT0, InDoubtCall::State::pending},
                     {kT0, kT0, InDoubtCall::State::pending},
                     known_dead_call(kT0, kT0)};
  EXPECT_EQ(next_revision(record), 10U);
}

// ---- the next attempt

TEST(NextAttempt, IsAtThePlan) {
  const Terms terms = terms_of(Shape::rotating);
  EXPECT_EQ(next_attempt(record_with(seconds(7200), terms, 0.0), terms), kT0 + seconds(5400));
}

TEST(NextAttempt, WaitsForTheBackoff) {
  const Terms terms = terms_of(Shape::rotating);
  Record record = record_with(seconds(7200), terms, 0.0);
  record.failure = FailureState{};
  record.failure->next_attempt_at = kT0 + seconds(6000);
  EXPECT_EQ(next_attempt(record, terms), kT0 + seconds(6000));
}

TEST(NextAttempt, AfterALostCallIsLateInItsOverlap) {
  const Terms terms = terms_of(Shape::rotating);
  Record record = record_with(seconds(7200), terms, 0.0);
  const WallTime lost = kT0 + seconds(5400);
  record.in_doubt.push_back(in_doubt_call_for(record, terms, true, false, lost));
  EXPECT_EQ(next_attempt(record, terms), lost + seconds(280) + seconds(1));
}

TEST(NextAttempt, AfterALostRefreshInTheMiddleOfALifeIsAlsoLateInItsOverlap) {
  const Terms terms = terms_of(Shape::rotating);
  Record record = record_with(seconds(7200), terms, 0.0);
  record.in_doubt.push_back(in_doubt_call_for(record, terms, true, false, kT0 + seconds(100)));
  EXPECT_EQ(next_attempt(record, terms), kT0 + seconds(380) + seconds(1));
}

TEST(NextAttempt, AfterALostCallShortlyBeforeTheEndIsWhenNobodyIsPromisedTheTokenAnyMore) {
  const Terms terms = terms_of(Shape::rotating);
  Record record = record_with(seconds(7200), terms, 0.0);
  record.in_doubt.push_back(in_doubt_call_for(record, terms, true, false, kT0 + seconds(7100)));
  EXPECT_EQ(next_attempt(record, terms), kT0 + seconds(7180) + seconds(1));
}

TEST(NextAttempt, AfterALostCallPausesForAFractionOfTheUseSlack) {
  Terms terms = terms_of(Shape::rotating);
  terms.use_slack = seconds(1);
  EXPECT_EQ(pause_after_promise(terms), Milliseconds(100));
  EXPECT_EQ(pause_after_promise(terms_of(Shape::windowed)), Milliseconds(0));
  EXPECT_EQ(pause_after_promise(terms_of(Shape::sticky)), Milliseconds(0));
}

TEST(NextAttempt, OfAWindowedTokenIsNotHeldUpByALostCall) {
  const Terms terms = terms_of(Shape::windowed);
  Record record = record_with(seconds(7200), terms, 0.0);
  record.in_doubt.push_back(in_doubt_call_for(record, terms, true, false, record.renew_at));
  EXPECT_EQ(next_attempt(record, terms), record.renew_at);
}

// ---- too soon

TEST(TooSoon, IsARefreshWithinTheOverlapOfADisplacement) {
  const Terms terms = terms_of(Shape::rotating);
  Record record = record_with(seconds(7200), terms);
  EXPECT_EQ(too_soon_until(record, terms), WallTime{});
  record.displaced_at = kT0;
  EXPECT_EQ(too_soon_until(record, terms), kT0 + seconds(300));
}

TEST(TooSoon, IsARefreshWithinTheOverlapOfALostCall) {
  const Terms terms = terms_of(Shape::rotating);
  Record record = record_with(seconds(7200), terms);
  record.in_doubt.push_back(in_doubt_call_for(record, terms, true, false, kT0 + seconds(9)));
  EXPECT_EQ(too_soon_until(record, terms), kT0 + seconds(309));
}

TEST(TooSoon, IsNotTheRefreshOfATokenThatWasFoundDead) {
  const Terms terms = terms_of(Shape::rotating);
  Record record = record_with(seconds(7200), terms);
  record.in_doubt.push_back({kT0 + seconds(9), kT0 + seconds(9)});
  EXPECT_EQ(too_soon_until(record, terms), WallTime{});
}

// ---- succession

Issued issued(const char* value, seconds life) { return {Secret(std::string_view(value)), life}; }

TEST(SuccessorOf, GivesTheFirstTokenRevisionOne) {
  const Terms terms = terms_of(Shape::rotating);
  const Record next =
      successor_of({}, terms, issued("a", seconds(7200)), {}, "i", terms, kT0, kT0, 0.0);
  EXPECT_EQ(next.revision, 1U);
  EXPECT_EQ(next.token->expires_at, kT0 + seconds(7200));
  EXPECT_FALSE(next.displaced_at);
  EXPECT_TRUE(next.predecessors.empty());
}

TEST(SuccessorOf, RemembersWhatItDisplaced) {
  const Terms terms = terms_of(Shape::rotating);
  const Record before = record_with(seconds(7200), terms);
  const WallTime when = kT0 + seconds(5400);
  const Record next = successor_of(before, terms, issued("t2", seconds(7200)), Fingerprint{7}, "i",
                                   terms, when, when, 0.0);
  EXPECT_EQ(next.revision, 2U);
  EXPECT_EQ(next.displaced_at, when);
  EXPECT_EQ(next.predecessors, (std::vector<Fingerprint>{{7}}));
}

TEST(SuccessorOf, DisplacesNothingWhenThePromiseOnTheOldTokenIsOver) {
  const Terms terms = terms_of(Shape::rotating);
  const Record before = record_with(seconds(7200), terms);
  const WallTime when = kT0 + seconds(7185);
  EXPECT_FALSE(
      successor_of(before, terms, issued("t2", seconds(7200)), {}, "i", terms, when, when, 0.0)
          .displaced_at);
}

TEST(SuccessorOf, RemembersEightPredecessorsAtMost) {
  const Terms terms = terms_of(Shape::rotating);
  Record before = record_with(seconds(7200), terms);
  before.predecessors.assign(8, Fingerprint{1});
  const Record next = successor_of(before, terms, issued("t2", seconds(7200)), Fingerprint{9}, "i",
                                   terms, kT0, kT0, 0.0);
  EXPECT_EQ(next.predecessors.size(), 8U);
  EXPECT_EQ(next.predecessors[0], Fingerprint{9});
}

TEST(SuccessorOf, ForgetsFailuresAndCallsInDoubt) {
  const Terms terms = terms_of(Shape::rotating);
  Record before = record_with(seconds(7200), terms);
  before.failure = FailureState{};
  before.in_doubt.push_back({kT0, kT0 + seconds(300)});
  const Record next =
      successor_of(before, terms, issued("t2", seconds(7200)), {}, "i", terms, kT0, kT0, 0.0);
  EXPECT_FALSE(next.failure);
  EXPECT_TRUE(next.in_doubt.empty());
}

TEST(SuccessorOf, KeepsTheRevisionOfTheSameValue) {
  const Terms terms = terms_of(Shape::windowed);
  const Record before = record_with(seconds(7200), terms);
  const WallTime when = kT0 + seconds(1000);
  const Record next =
      successor_of(before, terms, issued("t1", seconds(6200)), {}, "i", terms, when, when, 0.5);
  EXPECT_EQ(next.revision, 1U);
  EXPECT_EQ(next.token->obtained_at, kT0);
  EXPECT_EQ(next.renew_at, before.renew_at);
}

TEST(SuccessorOf, AsksAgainSoonButNeverInALoopWhenTheWindowIsNotOpenYet) {
  const Terms terms = terms_of(Shape::windowed);
  const Record before = record_with(seconds(7200), terms);
  for (int left : {240, 100, 30, 4}) {
    const WallTime when = kT0 + seconds(7200 - left);
    const Record next =
        successor_of(before, terms, issued("t1", seconds(left)), {}, "i", terms, when, when, 0.5);
    EXPECT_GE(next.renew_at - when, seconds(1)) << left;
    EXPECT_LE(next.renew_at - when, seconds(15)) << left;
  }
}

TEST(SuccessorOf, CountsAStickyTicketFromItsFirstSight) {
  const Terms terms = terms_of(Shape::sticky);
  const Record before = record_with(seconds(7200), terms);
  const WallTime when = kT0 + seconds(3600);
  const Record next =
      successor_of(before, terms, issued("t1", seconds(7200)), {}, "i", terms, when, when, 0.5);
  EXPECT_EQ(next.token->expires_at, kT0 + seconds(7200));
}

// ---- stamps from the future

TEST(Future, HoldsAWindowedTokenThatHasMoreThanALifeLeft) {
  const Terms terms = terms_of(Shape::windowed);
  Record record = record_with(seconds(7200), terms, 0.0);
  EXPECT_FALSE(is_from_the_future(record, terms, kT0));
  // Shown again by the platform while the clock was three hours ahead.
  record.token->expires_at += hours(3);
  EXPECT_TRUE(is_from_the_future(record, terms, kT0));
  EXPECT_TRUE(is_from_the_future(record, terms, kT0 + hours(2)));
  EXPECT_FALSE(is_from_the_future(record, terms, kT0 + hours(4)));
}

TEST(Future, HoldsNoTokenThatIsMerelyLongForAnIssuerThatMakesANewOneEachTime) {
  const Terms terms = terms_of(Shape::rotating);
  Record record = record_with(hours(5), terms, 0.0);
  EXPECT_FALSE(is_from_the_future(record, terms, kT0));
  EXPECT_TRUE(is_from_the_future(record, terms, kT0 - seconds(30)));
}

// ---- imported

ImportedToken found_outside(WallTime promised_until, std::optional<WallTime> written_at = {}) {
  return {Secret(std::string_view("theirs")), promised_until, written_at};
}

TEST(Imported, IsTheFirstTokenAndLivesABufferLongerThanWasPromised) {
  const Terms terms = terms_of(Shape::rotating);
  const auto next =
      imported({}, found_outside(kT0 + seconds(3600), kT0 - seconds(60)), "i", terms, kT0, 0.0);
  ASSERT_TRUE(next);
  EXPECT_TRUE(next->token->value.same_as("theirs"));
  EXPECT_EQ(next->revision, 1U);
  EXPECT_EQ(next->token->expires_at, kT0 + seconds(3620));
  EXPECT_EQ(next->token->obtained_at, kT0 - seconds(60));
  EXPECT_EQ(next->renew_at, plan_renewal(kT0 - seconds(60), kT0 + seconds(3620), terms, 0.0));
  EXPECT_EQ(next->token->issuer, "i");
}

TEST(Imported, IsNoneThatHasEndedOrThatHasAlreadyASuccessor) {
  const Terms terms = terms_of(Shape::rotating);
  EXPECT_FALSE(imported({}, found_outside(kT0), "i", terms, kT0, 0.5));
  EXPECT_FALSE(imported({}, found_outside(WallTime::min()), "i", terms, kT0, 0.5));
  EXPECT_TRUE(imported({}, found_outside(kT0 + seconds(1)), "i", terms, kT0, 0.5));
  Record ours;
  ours.revision = 1;
  EXPECT_FALSE(imported(ours, found_outside(kT0 + seconds(3600)), "i", terms, kT0, 0.5));
}

TEST(Imported, BelievesNoTimeThatCannotBe) {
  const Terms terms = terms_of(Shape::windowed);
  for (const auto& written_at : {std::optional<WallTime>(), std::optional(kT0 + hours(9)),
                                 std::optional(WallTime::max()), std::optional(WallTime::min())}) {
    for (const WallTime end : {kT0 + seconds(600), kT0 + hours(99), WallTime::max()}) {
      const auto next = imported({}, found_outside(end, written_at), "i", terms, kT0, 0.5);
      ASSERT_TRUE(next);
      EXPECT_LE(next->token->obtained_at, kT0);
      EXPECT_LE(next->token->expires_at, kT0 + seconds(7200));
      EXPECT_LE(next->token->expires_at - next->token->obtained_at, seconds(7200));
    }
  }
}

// ---- backoff

TEST(Backoff, DoublesUnderFullJitter) {
  const int steps[] = {1, 2, 4, 8, 16, 32, 60, 60};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(delay_after(i + 1, RetryClass::backoff, false, 0.999999) / seconds(1), steps[i] - 1);
    EXPECT_EQ(delay_after(i + 1, RetryClass::backoff, false, 0.0), Milliseconds(steps[i] * 250));
  }
}

TEST(Backoff, IsCappedAtFifteenSecondsWhenUrgent) {
  EXPECT_LE(delay_after(99, RetryClass::backoff, true, 0.999), seconds(15));
}

TEST(Backoff, GivesRefusalsThatCannotHealFiveMinutes) {
  const auto delay = delay_after(1, RetryClass::slow, true, 0.5);
  EXPECT_GE(delay, std::chrono::minutes(5));
  EXPECT_LE(delay, std::chrono::minutes(6));
}

TEST(Backoff, WaitsForTheQuotaOfTheNextMinute) {
  EXPECT_GE(delay_after(1, RetryClass::next_minute, true, 0.0), std::chrono::minutes(1));
}

}  // namespace
}  // namespace hufu::keeper
