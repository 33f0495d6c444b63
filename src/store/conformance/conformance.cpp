#include "store/conformance/conformance.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <functional>
#include <future>
#include <latch>
#include <limits>
#include <set>
#include <thread>

#include "store/conformance/store_testing.hpp"

namespace hufu::store::conformance {
namespace {

using namespace hufu::store::testing;
using namespace std::chrono_literals;
using namespace std::string_literals;
using namespace std::string_view_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

/// The two stamps of a store lie between the moments before and after the write.
void expect_stamp(WallTime stamp, WallTime from, WallTime to, const Harness& harness) {
  EXPECT_GE(stamp, from - harness.clock_slop());
  EXPECT_LE(stamp, to + harness.clock_slop());
}

void expect_same(const Record& stored, const Record& expected) {
  ASSERT_EQ(stored.token.has_value(), expected.token.has_value());
  if (expected.token) {
    EXPECT_TRUE(stored.token->value.same_as(expected.token->value.reveal()));
    EXPECT_EQ(stored.token->obtained_at, expected.token->obtained_at);
    EXPECT_EQ(stored.token->expires_at, expected.token->expires_at);
    EXPECT_EQ(stored.token->issuer, expected.token->issuer);
    EXPECT_EQ(stored.token->overlap, expected.token->overlap);
  }
  EXPECT_TRUE(stored.refresh_token.same_as(expected.refresh_token.reveal()));
  EXPECT_EQ(stored.refresh_token_expires_at, expected.refresh_token_expires_at);
  EXPECT_EQ(stored.revision, expected.revision);
  EXPECT_EQ(stored.renew_at, expected.renew_at);
  EXPECT_EQ(stored.displaced_at, expected.displaced_at);
  EXPECT_EQ(stored.predecessors, expected.predecessors);
  EXPECT_EQ(stored.in_doubt, expected.in_doubt);
  EXPECT_EQ(stored.alive_at, expected.alive_at);
  ASSERT_EQ(stored.failure.has_value(), expected.failure.has_value());
  if (expected.failure) {
    EXPECT_EQ(stored.failure->error.fault, expected.failure->error.fault);
    EXPECT_EQ(stored.failure->error.message, expected.failure->error.message);
    EXPECT_EQ(stored.failure->error.next_step, expected.failure->error.next_step);
    EXPECT_EQ(stored.failure->error.errcode, expected.failure->error.errcode);
    EXPECT_EQ(stored.failure->error.retry_after, expected.failure->error.retry_after);
    EXPECT_EQ(stored.failure->at, expected.failure->at);
    EXPECT_EQ(stored.failure->next_attempt_at, expected.failure->next_attempt_at);
    EXPECT_EQ(stored.failure->failures, expected.failure->failures);
    EXPECT_EQ(stored.failure->credentials, expected.failure->credentials);
    EXPECT_EQ(stored.failure->host, expected.failure->host);
  }
  EXPECT_EQ(stored.budget.report_count, expected.budget.report_count);
  EXPECT_EQ(stored.budget.report_counted_at, expected.budget.report_counted_at);
  EXPECT_EQ(stored.budget.forced, expected.budget.forced);
  EXPECT_EQ(stored.budget.forced_at, expected.budget.forced_at);
  EXPECT_EQ(stored.budget.deaths, expected.budget.deaths);
  EXPECT_EQ(stored.budget.deaths_since, expected.budget.deaths_since);
}

/// Every field set, to values that a careless store would bend.
Record full_record(std::uint64_t revision, WallTime now) {
  Record record;
  record.token = Token{Secret("sealed\0\xff\x01 bytes"s), now - 1234ms, now + 7199'999ms,
                       "wechat/issuer", 0ms};
  record.revision = revision;
  record.renew_at = now + 1h + 1ms;
  record.displaced_at = now - 1ms;
  record.predecessors = {{0xffffffffU}, {0}, {0x0badf00dU}};
  using State = InDoubtCall::State;
  record.in_doubt = {{now - 2s, now + 298s},
                     {now - 1ms, WallTime::max(), State::pending, 1},
                     {now, now - 1h, State::known_dead},
                     {now, now + 1h, State::lost, std::numeric_limits<std::int64_t>::max()}};
  record.alive_at = now - 3ms;
  record.failure = FailureState{
      {Fault::refused, "the platform said \"no\"\n\xe4\xb8\x8d", "quote ' it", 40164, 1500ms},
      now - 5ms,
      now + 5min,
      3,
      "\0tag\xfe"s,
      "host.example"};
  record.budget = {2, now - 6ms, 19, now - 7ms, 5, now - 8ms};
  record.refresh_token = Secret("\0refresh\x80"s);
  record.refresh_token_expires_at = now + 720h;
  return record;
}

/// What is stored of the call that `what` asks a lease for: it bears the lease's fence.
InDoubtCall under(const Lease& lease, const LeaseRequest& what) {
  InDoubtCall call = what.in_doubt_call;
  call.fence = lease.fence;
  return call;
}

TEST_P(LeaseConformance, LoadsADefaultRecordWhereThereIsNone) {
  Record record = load(*store.tokens, key);
  expect_same(record, Record());
  EXPECT_EQ(record.created_at, WallTime());
  EXPECT_EQ(record.updated_at, WallTime());
}

TEST_P(LeaseConformance, AFreeLeaseIsAcquiredWithTheInDoubtCallUnderItsFence) {
  LeaseRequest wanted = lease_request(key, 0, harness->now(), "node-a");
  Acquired grant = granted(*store.tokens, wanted);
  EXPECT_EQ(grant.lease.key, key);
  EXPECT_EQ(grant.lease.holder, "node-a");
  EXPECT_EQ(grant.lease.called_at, wanted.in_doubt_call.called_at);
  EXPECT_GT(grant.lease.fence, 0U);
  EXPECT_EQ(grant.record.revision, 0U);
  EXPECT_THAT(grant.record.in_doubt, ElementsAre(under(grant.lease, wanted)));
}

TEST_P(LeaseConformance, TheInDoubtCallIsStoredBeforeTheLeaseIsAcquired) {
  using State = InDoubtCall::State;
  std::vector<InDoubtCall> calls;
  for (const State state : {State::pending, State::lost}) {
    LeaseRequest wanted = lease_request(key, 0, harness->now());
    wanted.in_doubt_call.state = state;
    Acquired grant = granted(*store.tokens, wanted);
    calls.push_back(under(grant.lease, wanted));
    EXPECT_EQ(load(*harness->open().tokens, key).in_doubt, calls);
    harness->let_pass(kLease);
  }
}

TEST_P(LeaseConformance, ALeaseThatAnybodyHoldsIsNotAcquired) {
  granted(*store.tokens, lease_request(key, 0, harness->now(), "node-a"));
  Handle second = harness->open();
  for (const char* holder : {"node-a", "node-b"}) {
    AcquireOutcome outcome = acquire(*second.tokens, lease_request(key, 0, harness->now(), holder));
    auto* held = std::get_if<Held>(&outcome);
    ASSERT_NE(held, nullptr) << holder;
    EXPECT_EQ(held->holder, "node-a");
    EXPECT_GT(held->remaining, 0ms);
    EXPECT_LE(held->remaining, kLease + harness->clock_slop());
  }
  EXPECT_EQ(load(*store.tokens, key).in_doubt.size(), 1U)
      << "whoever is refused leaves nothing behind";
}

TEST_P(LeaseConformance, WhoeverSawLessThanIsStoredGetsTheNewerRecord) {
  put_token(*store.tokens, key, "one", harness->now());
  AcquireOutcome outcome = acquire(*store.tokens, lease_request(key, 0, harness->now()));
  auto* newer = std::get_if<Newer>(&outcome);
  ASSERT_NE(newer, nullptr);
  EXPECT_EQ(newer->record.revision, 1U);
  EXPECT_TRUE(newer->record.token->value.same_as("one"));
  EXPECT_THAT(load(*store.tokens, key).in_doubt, IsEmpty());
}

TEST_P(LeaseConformance, TheNewerRecordIsReturnedEvenWhileTheLeaseIsHeld) {
  put_token(*store.tokens, key, "one", harness->now());
  granted(*store.tokens, lease_request(key, 1, harness->now(), "node-a"));
  AcquireOutcome outcome = acquire(*store.tokens, lease_request(key, 0, harness->now(), "node-b"));
  EXPECT_TRUE(std::holds_alternative<Newer>(outcome));
}

TEST_P(LeaseConformance, WhoeverSawMoreThanIsStoredAcquiresTheLease) {
  put_token(*store.tokens, key, "one", harness->now());
  EXPECT_EQ(granted(*store.tokens, lease_request(key, 9, harness->now())).record.revision, 1U);
}

TEST_P(LeaseConformance, CommitStoresTheTokenAndGivesTheLeaseBack) {
  Acquired grant = granted(*store.tokens, lease_request(key, 0, harness->now()));
  Record next = next_token(grant.record, "one", harness->now());
  EXPECT_EQ(commit(*store.tokens, grant.lease, next.clone()), WriteOutcome::written);
  expect_same(load(*harness->open().tokens, key), next);

  Acquired again = granted(*store.tokens, lease_request(key, 1, harness->now(), "node-b"));
  EXPECT_GT(again.lease.fence, grant.lease.fence);
}

TEST_P(LeaseConformance, EveryFieldOfARecordComesBackFromCommit) {
  Acquired grant = granted(*store.tokens, lease_request(key, 0, harness->now()));
  Record next = full_record(1, harness->now());
  EXPECT_EQ(commit(*store.tokens, grant.lease, next.clone()), WriteOutcome::written);
  expect_same(load(*harness->open().tokens, key), next);
  LeaseRequest wanted = lease_request(key, 1, harness->now());
  Acquired again = granted(*store.tokens, wanted);
  next.in_doubt.push_back(under(again.lease, wanted));
  expect_same(again.record, next);
}

TEST_P(LeaseConformance, EveryFieldOfARecordComesBackFromACommitOfTheSameToken) {
  put_token(*store.tokens, key, "one", harness->now());
  Acquired grant = granted(*store.tokens, lease_request(key, 1, harness->now()));
  Record next = full_record(1, harness->now());
  EXPECT_EQ(commit(*store.tokens, grant.lease, next.clone()), WriteOutcome::written);
  expect_same(load(*harness->open().tokens, key), next);
}

TEST_P(LeaseConformance, FieldsThatWereSetCanBeEmptyAgain) {
  Acquired grant = granted(*store.tokens, lease_request(key, 0, harness->now()));
  commit(*store.tokens, grant.lease, full_record(1, harness->now()));
  grant = granted(*store.tokens, lease_request(key, 1, harness->now()));
  Record plain = next_token(grant.record, "two", harness->now());
  EXPECT_EQ(commit(*store.tokens, grant.lease, plain.clone()), WriteOutcome::written);
  expect_same(load(*store.tokens, key), plain);
}

TEST_P(LeaseConformance, ARefreshTokenIsStoredInOneStepWithItsToken) {
  Acquired grant = granted(*store.tokens, lease_request(key, 0, harness->now(), "node-a"));
  Record first = next_token(grant.record, "one", harness->now());
  first.refresh_token = Secret("refresh one"sv);
  EXPECT_EQ(commit(*store.tokens, grant.lease, std::move(first)), WriteOutcome::written);

  Acquired slow = granted(*store.tokens, lease_request(key, 1, harness->now(), "node-a"));
  harness->let_pass(kLease);
  Handle other = harness->open();
  Acquired quick = granted(*other.tokens, lease_request(key, 1, harness->now(), "node-b"));
  EXPECT_TRUE(quick.record.refresh_token.same_as("refresh one"));
  Record fenced = next_token(slow.record, "slow", harness->now());
  fenced.refresh_token = Secret("refresh slow"sv);
  EXPECT_EQ(commit(*store.tokens, slow.lease, std::move(fenced)), WriteOutcome::fenced);
  EXPECT_TRUE(load(*store.tokens, key).refresh_token.same_as("refresh one"));

  Record second = next_token(quick.record, "two", harness->now());
  second.refresh_token = Secret("refresh two"sv);
  EXPECT_EQ(commit(*other.tokens, quick.lease, std::move(second)), WriteOutcome::written);
  Record stored = load(*store.tokens, key);
  EXPECT_TRUE(stored.token->value.same_as("two"));
  EXPECT_TRUE(stored.refresh_token.same_as("refresh two"));
}

TEST_P(LeaseConformance, ACommitOfTheSameTokenStoresTheFailureAndGivesTheLeaseBack) {
  put_token(*store.tokens, key, "one", harness->now());
  Acquired grant = granted(*store.tokens, lease_request(key, 1, harness->now()));
  Record next = grant.record.clone();
  const WallTime failed = harness->now();
  next.failure = FailureState{
      {Fault::unreachable, "no route", "look at the cable", {}, {}}, failed, failed + 2s, 1, {}};
  EXPECT_EQ(commit(*store.tokens, grant.lease, next.clone()), WriteOutcome::written);

  Record stored = load(*store.tokens, key);
  EXPECT_TRUE(stored.token->value.same_as("one"));
  EXPECT_EQ(stored.revision, 1U);
  EXPECT_EQ(stored.failure->error.message, "no route");
  EXPECT_EQ(stored.failure->next_attempt_at, failed + 2s);
  granted(*store.tokens, lease_request(key, 1, harness->now(), "node-b"));
}

TEST_P(LeaseConformance, AFailureIsStoredBeforeThereIsAToken) {
  Acquired grant = granted(*store.tokens, lease_request(key, 0, harness->now()));
  Record next = grant.record.clone();
  next.failure = FailureState{{Fault::refused, "wrong secret", "", 40125, {}},
                              harness->now(),
                              harness->now() + 5min,
                              1,
                              {}};
  EXPECT_EQ(commit(*store.tokens, grant.lease, std::move(next)), WriteOutcome::written);
  Record stored = load(*store.tokens, key);
  EXPECT_FALSE(stored.token);
  EXPECT_EQ(stored.revision, 0U);
  EXPECT_EQ(stored.failure->error.errcode, 40125);
}

TEST_P(LeaseConformance, ALeaseEndsWithItsTime) {
  granted(*store.tokens, lease_request(key, 0, harness->now(), "node-a"));
  harness->let_pass(kLease - 10s);
  EXPECT_TRUE(std::holds_alternative<Held>(
      acquire(*store.tokens, lease_request(key, 0, harness->now(), "node-b"))));
  harness->let_pass(10s);
  granted(*store.tokens, lease_request(key, 0, harness->now(), "node-b"));
}

TEST_P(LeaseConformance, WhoeverGivesGraceLeavesAnExpiredLeaseAloneForThatLong) {
  granted(*store.tokens, lease_request(key, 0, harness->now(), "node-a"));
  LeaseRequest patient = lease_request(key, 0, harness->now(), "node-b");
  patient.grace = 1h;
  harness->let_pass(kLease + 1s);
  AcquireOutcome outcome = acquire(*store.tokens, patient);
  ASSERT_TRUE(std::holds_alternative<Held>(outcome));
  EXPECT_EQ(std::get<Held>(outcome).holder, "node-a");
  EXPECT_GT(std::get<Held>(outcome).remaining, 30min);
  EXPECT_LE(std::get<Held>(outcome).remaining, 1h);
  harness->let_pass(1h);
  granted(*store.tokens, std::move(patient));
}

TEST_P(LeaseConformance, GraceIsNoneOfTheBusinessOfALeaseThatWasGivenBack) {
  put_token(*store.tokens, key, "one", harness->now());
  LeaseRequest patient = lease_request(key, 1, harness->now(), "node-b");
  patient.grace = 1h;
  granted(*store.tokens, std::move(patient));
}

TEST_P(LeaseConformance, AClockOfItsOwnIsTheOneThatStampsRecords) {
  put_token(*store.tokens, key, "one", harness->now());
  const auto time = time_of(*store.tokens);
  if (!time) return;  // It goes by the machine's.
  const WallTime stamp = load(*store.tokens, key).updated_at;
  EXPECT_LE(stamp, *time);
  EXPECT_GT(stamp + 30s, *time);
}

TEST_P(LeaseConformance, WhoeverTakesOverAnExpiredLeaseSeesTheInDoubtCallOfTheOneBefore) {
  LeaseRequest first = lease_request(key, 0, harness->now(), "node-a");
  Acquired before = granted(*store.tokens, first);
  harness->let_pass(kLease);
  LeaseRequest second = lease_request(key, 0, first.in_doubt_call.called_at + kLease, "node-b");
  Acquired after = granted(*harness->open().tokens, second);
  EXPECT_THAT(after.record.in_doubt,
              ElementsAre(under(before.lease, first), under(after.lease, second)));
  EXPECT_GT(after.lease.fence, before.lease.fence);
}

TEST_P(LeaseConformance, ALateCommitAfterSomebodyElseTookTheLeaseIsFencedAndWritesNothing) {
  Acquired slow = granted(*store.tokens, lease_request(key, 0, harness->now(), "node-a"));
  harness->let_pass(kLease);
  Handle second = harness->open();
  Acquired quick = granted(*second.tokens, lease_request(key, 0, harness->now(), "node-b"));

  EXPECT_EQ(commit(*store.tokens, slow.lease, next_token(slow.record, "slow", harness->now())),
            WriteOutcome::fenced);
  EXPECT_FALSE(load(*store.tokens, key).token);
  EXPECT_EQ(load(*store.tokens, key).in_doubt.size(), 2U);
  EXPECT_EQ(commit(*second.tokens, quick.lease, next_token(quick.record, "quick", harness->now())),
            WriteOutcome::written);
  EXPECT_EQ(commit(*store.tokens, slow.lease, next_token(slow.record, "slow", harness->now())),
            WriteOutcome::fenced);
  EXPECT_TRUE(load(*store.tokens, key).token->value.same_as("quick"));
}

TEST_P(LeaseConformance, ALateCommitOfTheSameTokenIsFencedToo) {
  Acquired slow = granted(*store.tokens, lease_request(key, 0, harness->now(), "node-a"));
  harness->let_pass(kLease);
  granted(*store.tokens, lease_request(key, 0, harness->now(), "node-b"));
  EXPECT_EQ(commit(*store.tokens, slow.lease, slow.record.clone()), WriteOutcome::fenced);
  EXPECT_TRUE(std::holds_alternative<Held>(
      acquire(*store.tokens, lease_request(key, 0, harness->now(), "node-c"))));
}

TEST_P(LeaseConformance, ALateCommitThatNobodyOvertookIsWritten) {
  Acquired grant = granted(*store.tokens, lease_request(key, 0, harness->now()));
  harness->let_pass(kLease + 1h);
  EXPECT_EQ(commit(*store.tokens, grant.lease, next_token(grant.record, "one", harness->now())),
            WriteOutcome::written);
}

TEST_P(LeaseConformance, ALeaseIsGoodForOneWrite) {
  Acquired grant = granted(*store.tokens, lease_request(key, 0, harness->now()));
  commit(*store.tokens, grant.lease, next_token(grant.record, "one", harness->now()));
  EXPECT_EQ(commit(*store.tokens, grant.lease, next_token(grant.record, "two", harness->now())),
            WriteOutcome::fenced);
  EXPECT_EQ(commit(*store.tokens, grant.lease, grant.record.clone()), WriteOutcome::fenced);
  EXPECT_TRUE(load(*store.tokens, key).token->value.same_as("one"));
}

TEST_P(LeaseConformance, AFenceIsNeverUsedTwice) {
  std::uint64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    Acquired grant = granted(*store.tokens, lease_request(key, 0, harness->now()));
    EXPECT_GT(grant.lease.fence, last);
    last = grant.lease.fence;
    if (i % 2 == 0) {
      commit(*store.tokens, grant.lease, grant.record.clone());
    } else {
      harness->let_pass(kLease);
    }
  }
}

TEST_P(LeaseConformance, AnInDoubtCallIsAddedWithoutALease) {
  put_token(*store.tokens, key, "one", harness->now());
  InDoubtCall lost{harness->now(), harness->now() + 5min};
  add_in_doubt(*store.tokens, key, lost);
  Record stored = load(*harness->open().tokens, key);
  EXPECT_THAT(stored.in_doubt, ElementsAre(lost));
  EXPECT_TRUE(stored.token->value.same_as("one"));
}

TEST_P(LeaseConformance, AnInDoubtCallWithoutARecordDoesNothing) {
  add_in_doubt(*store.tokens, key, {harness->now(), harness->now()});
  EXPECT_THAT(load(*store.tokens, key).in_doubt, IsEmpty());
}

TEST_P(LeaseConformance, AnInDoubtCallAddedWhileSomebodyRenewsOutlivesTheirCommit) {
  LeaseRequest first = lease_request(key, 0, harness->now(), "node-a");
  granted(*store.tokens, first);
  harness->let_pass(kLease);
  Acquired quick = granted(*store.tokens, lease_request(key, 0, harness->now(), "node-b"));
  // node-a, fenced out, says that its call may have been carried out after node-b's.
  InDoubtCall lost{first.in_doubt_call.called_at + 1ms, first.in_doubt_call.may_die_at + 1ms};
  add_in_doubt(*store.tokens, key, lost);
  commit(*store.tokens, quick.lease, next_token(quick.record, "quick", harness->now()));
  EXPECT_THAT(load(*store.tokens, key).in_doubt, ElementsAre(lost));

  // It is told once: the next renewal, which has seen it, may drop it.
  Acquired next = granted(*store.tokens, lease_request(key, 1, harness->now(), "node-b"));
  commit(*store.tokens, next.lease, next_token(next.record, "next", harness->now()));
  EXPECT_THAT(load(*store.tokens, key).in_doubt, IsEmpty());
}

TEST_P(LeaseConformance, AnInDoubtCallFromBeforeTheLeaseGoesWhenItsHolderDropsIt) {
  put_token(*store.tokens, key, "one", harness->now());
  add_in_doubt(*store.tokens, key, {harness->now(), harness->now() + 5min});
  Acquired grant = granted(*store.tokens, lease_request(key, 1, harness->now()));
  EXPECT_EQ(grant.record.in_doubt.size(), 2U);
  commit(*store.tokens, grant.lease, next_token(grant.record, "two", harness->now()));
  EXPECT_THAT(load(*store.tokens, key).in_doubt, IsEmpty());
}

TEST_P(LeaseConformance, StampsTheFirstWriteAndEachLaterOne) {
  WallTime first = harness->now();
  Acquired grant = granted(*store.tokens, lease_request(key, 0, first));
  expect_stamp(grant.record.created_at, first, harness->now(), *harness);
  WallTime created = grant.record.created_at;
  auto expect_updated_since = [&](WallTime since) {
    Record stored = load(*store.tokens, key);
    EXPECT_EQ(stored.created_at, created);
    expect_stamp(stored.updated_at, since, harness->now(), *harness);
  };
  expect_updated_since(first);

  harness->let_pass(1s);
  WallTime second = harness->now();
  commit(*store.tokens, grant.lease, next_token(grant.record, "one", second));
  expect_updated_since(second);

  harness->let_pass(1s);
  WallTime third = harness->now();
  grant = granted(*store.tokens, lease_request(key, 1, third));
  EXPECT_EQ(grant.record.created_at, created);
  expect_updated_since(third);

  harness->let_pass(1s);
  WallTime fourth = harness->now();
  commit(*store.tokens, grant.lease, grant.record.clone());
  expect_updated_since(fourth);

  harness->let_pass(1s);
  WallTime fifth = harness->now();
  add_in_doubt(*store.tokens, key, {fifth, fifth + 1s});
  expect_updated_since(fifth);
}

TEST_P(LeaseConformance, OfManyWhoAskForALeaseAtOnceExactlyOneAcquiresIt) {
  constexpr int kThreads = 8;
  for (std::uint64_t round = 0; round < 5; ++round) {
    std::atomic<int> grants = 0;
    std::atomic<int> refusals = 0;
    Acquired winner;
    std::barrier gate(kThreads);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i, handle = i % 2 ? store : harness->open()] {
        LeaseRequest wanted =
            lease_request(key, round, harness->now(), "node-" + std::to_string(i));
        gate.arrive_and_wait();
        AcquireOutcome outcome = acquire(*handle.tokens, std::move(wanted));
        if (auto* granted = std::get_if<Acquired>(&outcome)) {
          ++grants;
          winner = std::move(*granted);
        } else if (std::holds_alternative<Held>(outcome)) {
          ++refusals;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    ASSERT_EQ(grants, 1);
    EXPECT_EQ(refusals, kThreads - 1);
    Record next = next_token(winner.record, "token", harness->now());
    EXPECT_EQ(commit(*store.tokens, winner.lease, std::move(next)), WriteOutcome::written);
  }
}

TEST_P(LeaseConformance, TheFeedStartsAtThePresentAndNamesEachRecordThatWasWrittenOnce) {
  put_token(*store.tokens, key, "one", harness->now());
  Changes start = changes(*store.tokens, "");
  EXPECT_FALSE(start.cursor.empty());
  EXPECT_FALSE(start.everything);
  EXPECT_THAT(start.tokens, IsEmpty());
  EXPECT_THAT(changes(*store.tokens, start.cursor).tokens, IsEmpty());

  put_token(*store.tokens, key, "two", harness->now());
  Changes after = changes(*store.tokens, start.cursor);
  EXPECT_FALSE(after.everything);
  EXPECT_THAT(after.tokens, ElementsAre(key));
  EXPECT_THAT(changes(*store.tokens, after.cursor).tokens, IsEmpty());
  EXPECT_THAT(changes(*store.tokens, start.cursor).tokens, ElementsAre(key))
      << "a cursor can be used again";
}

TEST_P(LeaseConformance, TheFeedNamesTheRecordOfALeaseOfACommitAndOfAnInDoubtCall) {
  std::string cursor = changes(*store.tokens, "").cursor;
  auto told = [&] {
    Changes news = changes(*store.tokens, cursor);
    cursor = news.cursor;
    return news.tokens;
  };
  Acquired grant = granted(*store.tokens, lease_request(key, 0, harness->now()));
  EXPECT_THAT(told(), ElementsAre(key));
  acquire(*store.tokens, lease_request(key, 0, harness->now()));
  EXPECT_THAT(told(), IsEmpty()) << "whoever is refused changes nothing";
  commit(*store.tokens, grant.lease, grant.record.clone());
  EXPECT_THAT(told(), ElementsAre(key));
  add_in_doubt(*store.tokens, key, {harness->now(), harness->now()});
  EXPECT_THAT(told(), ElementsAre(key));
}

TEST_P(LeaseConformance, ACursorThatMakesNoSenseMeansReadEverything) {
  EXPECT_TRUE(changes(*store.tokens, "nonsense").everything);
  EXPECT_TRUE(changes(*store.tokens, "18446744073709551615").everything);
  EXPECT_FALSE(changes(*store.tokens, "nonsense").cursor.empty());
}

Key key_number(int i) { return {"wxapp" + std::to_string(i), "access_token"}; }

TEST_P(FeedConformance, KeysAreKeptApart) {
  Key ticket{key.app, "jsapi_ticket"};
  Key neighbour{key.app + "1", key.kind};
  put_token(*store.tokens, key, "mine", harness->now());
  put_token(*store.tokens, ticket, "ticket", harness->now());
  granted(*store.tokens, lease_request(key, 1, harness->now()));
  EXPECT_TRUE(load(*store.tokens, key).token->value.same_as("mine"));
  EXPECT_TRUE(load(*store.tokens, ticket).token->value.same_as("ticket"));
  EXPECT_FALSE(load(*store.tokens, neighbour).token);
  granted(*store.tokens, lease_request(ticket, 1, harness->now()));
}

TEST_P(FeedConformance, ScanVisitsEveryRecordOnceWithAllItsFields) {
  constexpr int kRecords = 700;
  for (int i = 0; i < kRecords; ++i) {
    Acquired grant = granted(*store.tokens, lease_request(key_number(i), 0, harness->now()));
    if (i % 3 == 0) continue;  // an in-doubt call and no token is a record, too
    commit(*store.tokens, grant.lease, full_record(1, harness->now()));
  }
  auto found = scan(*harness->open().tokens);
  ASSERT_EQ(found.size(), static_cast<std::size_t>(kRecords));
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 1; i < found.size(); ++i) EXPECT_NE(found[i - 1].first, found[i].first);
  for (const auto& [found_key, record] : found) {
    expect_same(record, load(*store.tokens, found_key));
  }
}

TEST_P(FeedConformance, ScanOfNothingVisitsNothing) { EXPECT_THAT(scan(*store.tokens), IsEmpty()); }

TEST_P(FeedConformance, ScanAndWritesDoNotDisturbEachOther) {
  for (int i = 0; i < 300; ++i)
    granted(*store.tokens, lease_request(key_number(i), 0, harness->now()));
  std::set<Key> seen;
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i) put_token(*store.tokens, {"wy", "k"}, "token", harness->now());
  });
  for (int round = 0; round < 3; ++round) {
    auto found = scan(*store.tokens);
    for (auto& [found_key, record] : found) seen.insert(found_key);
  }
  writer.join();
  for (int i = 0; i < 300; ++i) EXPECT_THAT(seen, Contains(key_number(i)));
}

TEST_P(FeedConformance, TheFeedTellsWhatAnotherProcessDidAndOutlivesItsReader) {
  std::string cursor = changes(*harness->open().tokens, "").cursor;
  Handle other = harness->open();
  put_token(*other.tokens, key_number(1), "one", harness->now());
  put_token(*other.tokens, key_number(2), "two", harness->now());
  other = {};

  Handle reader = harness->open();
  Changes news = changes(*reader.tokens, cursor);
  EXPECT_FALSE(news.everything);
  EXPECT_THAT(news.tokens, UnorderedElementsAre(key_number(1), key_number(2)));
  EXPECT_THAT(news.apps, IsEmpty());
  EXPECT_FALSE(news.keys);
}

TEST_P(FeedConformance, TheFeedNeverForgetsSilently) {
  std::string cursor = changes(*store.tokens, "").cursor;
  constexpr int kMany = 400;
  std::vector<Key> written;
  for (int i = 0; i < kMany; ++i) {
    written.push_back(key_number(i));
    granted(*store.tokens, lease_request(key_number(i), 0, harness->now()));
  }
  Changes news = changes(*store.tokens, cursor);
  if (!news.everything) {
    EXPECT_THAT(news.tokens, ::testing::UnorderedElementsAreArray(written));
  }
  put_token(*store.tokens, key, "new", harness->now());
  Changes later = changes(*store.tokens, news.cursor);
  EXPECT_FALSE(later.everything);
  EXPECT_THAT(later.tokens, ElementsAre(key));
}

/// Calls `one(i, done)` for 0 ≤ i < count, twenty of them at once: a store gives up on whoever
/// waits too long behind others.
void a_few_at_a_time(int count, const std::function<void(int, std::function<void()>)>& one) {
  constexpr int kAtOnce = 20;
  for (int first = 0; first < count; first += kAtOnce) {
    const int last = std::min(first + kAtOnce, count);
    std::latch all(last - first);
    for (int i = first; i < last; ++i) one(i, [&] { all.count_down(); });
    all.wait();
  }
}

TEST_P(FeedConformance, ManyLeasesAtOnceKeepEveryTokenRight) {
  constexpr int kKeys = 200;
  std::atomic<int> written = 0;
  WallTime now = harness->now();
  a_few_at_a_time(kKeys, [&](int i, auto done) {
    store.tokens->acquire_lease(
        lease_request(key_number(i), 0, now), [&, i, done](Result<AcquireOutcome> acquired) {
          auto* grant = acquired ? std::get_if<Acquired>(&*acquired) : nullptr;
          if (grant == nullptr) return done();
          store.tokens->commit(grant->lease,
                               next_token(grant->record, "token" + std::to_string(i), now),
                               [&, done](const Result<WriteOutcome>& result) {
                                 if (result && *result == WriteOutcome::written) ++written;
                                 done();
                               });
        });
  });
  ASSERT_EQ(written, kKeys);
  for (int i = 0; i < kKeys; ++i) {
    EXPECT_TRUE(
        load(*store.tokens, key_number(i)).token->value.same_as("token" + std::to_string(i)));
  }
}

/// Every field set, to values that a careless store would bend.
AppRow full_app(std::string id) {
  AppRow app;
  app.id = std::move(id);
  app.platform = "wecom";
  app.parent = "suite0123";
  app.settings = {
      {"endpoint", "classic"}, {"quoted \"name\"", "\xe4\xb8\x8d ' \\ \n"}, {"empty", ""}};
  app.credentials.emplace("secret", Secret("sec\0ret\xff"s));
  app.credentials.emplace("aes_key", Secret("\x80\x01{\"}'"s));
  app.credentials.emplace("a.b$c/d", Secret("dotted"sv));
  app.keep = {"access_token", "jsapi_ticket"};
  app.secret_login = false;
  std::fill(app.tag.begin(), app.tag.end(), std::uint8_t{0xa0});
  return app;
}

void expect_same(const AppRow& found, const AppRow& expected) {
  EXPECT_EQ(found.id, expected.id);
  EXPECT_EQ(found.platform, expected.platform);
  EXPECT_EQ(found.parent, expected.parent);
  EXPECT_EQ(found.settings, expected.settings);
  EXPECT_EQ(found.keep, expected.keep);
  EXPECT_EQ(found.secret_login, expected.secret_login);
  EXPECT_EQ(found.tag, expected.tag);
  ASSERT_EQ(found.credentials.size(), expected.credentials.size());
  for (const auto& [name, secret] : expected.credentials) {
    EXPECT_TRUE(credential(found.credentials, name).same_as(secret.reveal())) << name;
  }
}

TEST_P(RegistryConformance, AnAppComesBackAsItWasPut) {
  WallTime before = harness->now();
  put_app(*store.registry, full_app("wx1"));
  auto found = load_app(*harness->open().registry, "wx1");
  ASSERT_TRUE(found);
  expect_same(*found, full_app("wx1"));
  expect_stamp(found->created_at, before, harness->now(), *harness);
  expect_stamp(found->updated_at, before, harness->now(), *harness);
}

TEST_P(RegistryConformance, AnAppWithoutAnythingComesBackWithoutAnything) {
  AppRow bare;
  bare.id = "wx1";
  bare.platform = "wechat";
  put_app(*store.registry, full_app("wx1"));
  put_app(*store.registry, std::move(bare));
  auto found = load_app(*store.registry, "wx1");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->parent, "");
  EXPECT_THAT(found->settings, IsEmpty());
  EXPECT_THAT(found->credentials, IsEmpty());
  EXPECT_THAT(found->keep, IsEmpty());
  EXPECT_EQ(found->tag, SecretTag());
}

TEST_P(RegistryConformance, AnAppThatIsPutAgainIsReplacedAndKeepsItsCreationTime) {
  put_app(*store.registry, app_row("wx1", "old"));
  WallTime created = load_app(*store.registry, "wx1")->created_at;
  harness->let_pass(1s);
  WallTime later = harness->now();
  put_app(*store.registry, app_row("wx1", "new"));
  auto found = load_app(*store.registry, "wx1");
  EXPECT_TRUE(credential(found->credentials, kSecret).same_as("new"));
  EXPECT_EQ(found->created_at, created);
  expect_stamp(found->updated_at, later, harness->now(), *harness);
  EXPECT_EQ(scan_apps(*store.registry).size(), 1U);
}

TEST_P(RegistryConformance, ThereIsNoAppThatWasNotPut) {
  EXPECT_FALSE(load_app(*store.registry, "wx1"));
  EXPECT_FALSE(remove_app(*store.registry, "wx1"));
  EXPECT_THAT(scan_apps(*store.registry), IsEmpty());
}

TEST_P(RegistryConformance, ScanShowsEveryAppWithTheNamesOfItsCredentialsAlone) {
  for (int i = 0; i < 600; ++i) put_app(*store.registry, full_app("wx" + std::to_string(i)));
  std::set<std::string> ids;
  for (const AppRow& app : scan_apps(*harness->open().registry)) {
    AppRow expected = full_app(app.id);
    for (auto& [name, secret] : expected.credentials) secret = Secret();
    expect_same(app, expected);
    ids.insert(app.id);
  }
  EXPECT_EQ(ids.size(), 600U);
}

TEST_P(RegistryConformance, PuttingAnAppForgetsItsFailuresAndKeepsItsTokens) {
  put_app(*store.registry, app_row(key.app, "wrong"));
  put_token(*store.tokens, key, "one", harness->now());
  Acquired grant = granted(*store.tokens, lease_request(key, 1, harness->now()));
  Record failed = grant.record.clone();
  failed.in_doubt.clear();
  failed.failure = FailureState{{Fault::refused, "wrong secret", "", 40125, {}},
                                harness->now(),
                                harness->now() + 5min,
                                4,
                                {}};
  commit(*store.tokens, grant.lease, std::move(failed));
  Record before = load(*store.tokens, key);
  std::string cursor = changes(*store.tokens, "").cursor;

  put_app(*store.registry, app_row(key.app, "right"));
  before.failure.reset();
  expect_same(load(*store.tokens, key), before);
  EXPECT_THAT(changes(*store.tokens, cursor).tokens, ElementsAre(key));
}

TEST_P(RegistryConformance, PuttingAnAppLeavesTheFailuresOfOthersAlone) {
  Key other{key.app + "x", key.kind};
  Acquired grant = granted(*store.tokens, lease_request(other, 0, harness->now()));
  Record failed = grant.record.clone();
  failed.failure =
      FailureState{{Fault::refused, "no", "", {}, {}}, harness->now(), harness->now(), 1, {}};
  commit(*store.tokens, grant.lease, std::move(failed));
  put_app(*store.registry, app_row(key.app, "right"));
  EXPECT_TRUE(load(*store.tokens, other).failure);
}

TEST_P(RegistryConformance, RemovingAnAppRemovesItsTokensOfAllKindsAndNoOthers) {
  put_app(*store.registry, app_row(key.app, "secret"));
  Key ticket{key.app, "jsapi_ticket"};
  Key other{key.app + "x", key.kind};
  for (const Key& each : {key, ticket, other}) {
    put_token(*store.tokens, each, "token", harness->now());
  }
  EXPECT_TRUE(remove_app(*store.registry, key.app));
  EXPECT_FALSE(load(*store.tokens, key).token);
  EXPECT_FALSE(load(*store.tokens, ticket).token);
  EXPECT_EQ(load(*store.tokens, key).revision, 0U);
  EXPECT_TRUE(load(*store.tokens, other).token);
  EXPECT_EQ(scan(*store.tokens).size(), 1U);
  EXPECT_FALSE(load_app(*store.registry, key.app));
}

TEST_P(RegistryConformance, ACommitAfterItsAppWasRemovedIsFenced) {
  put_app(*store.registry, app_row(key.app, "secret"));
  Acquired grant = granted(*store.tokens, lease_request(key, 0, harness->now()));
  remove_app(*store.registry, key.app);
  EXPECT_EQ(commit(*store.tokens, grant.lease, next_token(grant.record, "late", harness->now())),
            WriteOutcome::fenced);
  EXPECT_FALSE(load(*store.tokens, key).token);
}

TEST_P(RegistryConformance, ACommitFromBeforeAnAppWasRemovedIsFencedAfterItCameBack) {
  put_app(*store.registry, app_row(key.app, "secret"));
  Acquired old = granted(*store.tokens, lease_request(key, 0, harness->now(), "node-a"));
  remove_app(*store.registry, key.app);
  put_app(*store.registry, app_row(key.app, "another"));
  Acquired fresh = granted(*store.tokens, lease_request(key, 0, harness->now(), "node-a"));
  EXPECT_GT(fresh.lease.fence, old.lease.fence);
  EXPECT_EQ(commit(*store.tokens, old.lease, next_token(old.record, "old", harness->now())),
            WriteOutcome::fenced);
  EXPECT_EQ(commit(*store.tokens, fresh.lease, next_token(fresh.record, "new", harness->now())),
            WriteOutcome::written);
}

TEST_P(RegistryConformance, TheFeedTellsOfAppsAndOfTheTokensThatWentWithThem) {
  std::string cursor = changes(*store.tokens, "").cursor;
  put_app(*store.registry, app_row("wx1", "secret"));
  put_app(*store.registry, app_row("wx2", "secret"));
  Changes news = changes(*store.tokens, cursor);
  EXPECT_THAT(news.apps, UnorderedElementsAre("wx1", "wx2"));
  EXPECT_FALSE(news.keys);

  put_token(*store.tokens, {"wx1", "access_token"}, "token", harness->now());
  cursor = changes(*store.tokens, "").cursor;
  remove_app(*harness->open().registry, "wx1");
  news = changes(*store.tokens, cursor);
  EXPECT_THAT(news.apps, ElementsAre("wx1"));
  EXPECT_THAT(news.tokens, ElementsAre(Key{"wx1", "access_token"}));
}

ApiKeyRow api_key(std::string name) {
  ApiKeyRow key;
  key.name = std::move(name);
  std::fill(key.hash.begin(), key.hash.end(), std::uint8_t{0x80});
  key.hash[3] = 0;
  key.hash[4] = static_cast<std::uint8_t>(key.name.size());
  key.apps = {"wx1", "wx2"};
  key.rights = {true, true, false, true, false};
  return key;
}

TEST_P(RegistryConformance, AKeyComesBackAsItWasMade) {
  ApiKeyRow shop = api_key("shop");
  WallTime before = harness->now();
  EXPECT_TRUE(put_key(*store.registry, shop));
  auto keys = list_keys(*harness->open().registry);
  ASSERT_EQ(keys.size(), 1U);
  EXPECT_EQ(keys[0].name, "shop");
  EXPECT_EQ(keys[0].hash, shop.hash);
  EXPECT_EQ(keys[0].apps, shop.apps);
  EXPECT_EQ(keys[0].rights, shop.rights);
  expect_stamp(keys[0].created_at, before, harness->now(), *harness);
}

TEST_P(RegistryConformance, EachRightIsKeptOnItsOwn) {
  const Rights each[] = {{},
                         {true},
                         {false, true},
                         {false, false, true},
                         {false, false, false, true},
                         {false, false, false, false, true},
                         {false, false, false, false, false, true}};
  for (const Rights& rights : each) {
    ApiKeyRow shop = api_key("one");
    shop.apps.clear();
    shop.rights = rights;
    put_key(*store.registry, shop);
    auto keys = list_keys(*store.registry);
    ASSERT_EQ(keys.size(), 1U);
    EXPECT_EQ(keys[0].rights, rights);
    EXPECT_THAT(keys[0].apps, IsEmpty());
    revoke_key(*store.registry, "one");
  }
}

TEST_P(RegistryConformance, AKeyOfANameThatIsTakenChangesNothing) {
  EXPECT_TRUE(put_key(*store.registry, api_key("shop")));
  std::string cursor = changes(*store.tokens, "").cursor;
  ApiKeyRow second = api_key("shop");
  second.hash[0] = 1;
  EXPECT_FALSE(put_key(*harness->open().registry, second));
  EXPECT_EQ(list_keys(*store.registry)[0].hash[0], 0x80);
  EXPECT_FALSE(changes(*store.tokens, cursor).keys);
}

TEST_P(RegistryConformance, ARevokedKeyIsGoneAndItsNameIsFree) {
  put_key(*store.registry, api_key("shop"));
  put_key(*store.registry, api_key("warehouse"));
  EXPECT_TRUE(revoke_key(*store.registry, "shop"));
  EXPECT_FALSE(revoke_key(*store.registry, "shop"));
  auto keys = list_keys(*store.registry);
  ASSERT_EQ(keys.size(), 1U);
  EXPECT_EQ(keys[0].name, "warehouse");
  EXPECT_TRUE(put_key(*store.registry, api_key("shop")));
}

TEST_P(RegistryConformance, TheFeedTellsOfKeys) {
  std::string cursor = changes(*store.tokens, "").cursor;
  put_key(*store.registry, api_key("shop"));
  Changes news = changes(*harness->open().tokens, cursor);
  EXPECT_TRUE(news.keys);
  EXPECT_THAT(news.apps, IsEmpty());
  EXPECT_FALSE(changes(*store.tokens, news.cursor).keys);
  revoke_key(*store.registry, "shop");
  EXPECT_TRUE(changes(*store.tokens, news.cursor).keys);
}

TEST_P(LedgerConformance, RemembersEveryKeyOnceInTheOrderInWhichTheyCame) {
  EXPECT_THAT(noted_keys(*store.ledger), IsEmpty());
  note_key(*store.ledger, {"k2", "check\0two"s});
  note_key(*store.ledger, {"k1", "check one"});
  note_key(*store.ledger, {"k2", "something else"});
  auto notes = noted_keys(*harness->open().ledger);
  ASSERT_EQ(notes.size(), 2U);
  EXPECT_EQ(notes[0].id, "k2");
  EXPECT_EQ(notes[0].check, "check\0two"s);
  EXPECT_EQ(notes[1].id, "k1");
}

TEST_P(LedgerConformance, OfManyWhoMakeTheFirstKeyAtOnceOneIsFirst) {
  constexpr int kNodes = 6;
  std::vector<Handle> nodes;
  for (int i = 0; i < kNodes; ++i) nodes.push_back(harness->open());
  std::barrier start(kNodes);
  std::atomic<int> firsts = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kNodes; ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      if (note_first_key(*nodes[static_cast<std::size_t>(i)].ledger,
                         {"k" + std::to_string(i), "check"})) {
        ++firsts;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(firsts, 1);
  EXPECT_EQ(noted_keys(*store.ledger).size(), 1U);
}

TEST_P(LedgerConformance, SwapsASealedTokenThatIsStillTheSameAndTellsOfIt) {
  put_token(*store.tokens, key, "old\0\xff"s, harness->now());
  Record before = load(*store.tokens, key);
  std::string cursor = changes(*store.tokens, "").cursor;
  EXPECT_FALSE(reseal_token(*store.ledger, key, "another", "new"));
  EXPECT_FALSE(reseal_token(*store.ledger, {"wxnobody", "k"}, "old", "new"));
  EXPECT_THAT(changes(*store.tokens, cursor).tokens, IsEmpty());
  EXPECT_TRUE(reseal_token(*store.ledger, key, "old\0\xff"s, "new\0\x80"s));
  Record after = load(*store.tokens, key);
  EXPECT_TRUE(after.token->value.same_as("new\0\x80"s));
  EXPECT_EQ(after.revision, before.revision);
  EXPECT_THAT(changes(*store.tokens, cursor).tokens, ElementsAre(key));
}

TEST_P(LedgerConformance, SwapsASealedRefreshTokenThatIsStillTheSameAndTellsOfIt) {
  EXPECT_FALSE(reseal_refresh_token(*store.ledger, key, "old", "new"));
  Acquired grant = granted(*store.tokens, lease_request(key, 0, harness->now()));
  Record next = next_token(grant.record, "token", harness->now());
  next.refresh_token = Secret("old\0\xff"s);
  commit(*store.tokens, grant.lease, std::move(next));
  std::string cursor = changes(*store.tokens, "").cursor;
  EXPECT_FALSE(reseal_refresh_token(*store.ledger, key, "another", "new"));
  EXPECT_THAT(changes(*store.tokens, cursor).tokens, IsEmpty());
  EXPECT_TRUE(reseal_refresh_token(*store.ledger, key, "old\0\xff"s, "new\0\x80"s));
  Record after = load(*store.tokens, key);
  EXPECT_TRUE(after.refresh_token.same_as("new\0\x80"s));
  EXPECT_TRUE(after.token->value.same_as("token"));
  EXPECT_THAT(changes(*store.tokens, cursor).tokens, ElementsAre(key));
}

TEST_P(LedgerConformance, ASwapLeavesTheLeaseAlone) {
  put_token(*store.tokens, key, "old", harness->now());
  Acquired grant = granted(*store.tokens, lease_request(key, 1, harness->now()));
  EXPECT_TRUE(reseal_token(*store.ledger, key, "old", "new"));
  EXPECT_EQ(commit(*store.tokens, grant.lease, next_token(grant.record, "next", harness->now())),
            WriteOutcome::written);
}

TEST_P(LedgerConformance, SwapsASealedCredentialThatIsStillTheSameAndNoOther) {
  AppRow app = app_row("wx1", "old\0\xff"s);
  app.credentials.emplace("aes_key", Secret("old key"sv));
  put_app(*store.registry, std::move(app));
  std::string cursor = changes(*store.tokens, "").cursor;
  EXPECT_FALSE(reseal_credential(*store.ledger, "wx1", kSecret, "another", "new"));
  EXPECT_FALSE(reseal_credential(*store.ledger, "wx1", "token", "old key", "new"));
  EXPECT_FALSE(reseal_credential(*store.ledger, "wx2", kSecret, "old", "new"));
  EXPECT_THAT(changes(*store.tokens, cursor).apps, IsEmpty());

  EXPECT_TRUE(reseal_credential(*store.ledger, "wx1", kSecret, "old\0\xff"s, "new\0\x80"s));
  EXPECT_TRUE(reseal_credential(*store.ledger, "wx1", "aes_key", "old key", "new key"));
  auto found = load_app(*store.registry, "wx1");
  EXPECT_TRUE(credential(found->credentials, kSecret).same_as("new\0\x80"s));
  EXPECT_TRUE(credential(found->credentials, "aes_key").same_as("new key"));
  EXPECT_THAT(changes(*store.tokens, cursor).apps, ElementsAre("wx1"));
}

TEST_P(LedgerConformance, CredentialsOfOneAppThatAreSwappedAtOnceAreAllSwapped) {
  constexpr int kMany = 8;
  AppRow app = app_row("wx1", "secret");
  for (int i = 0; i < kMany; ++i) app.credentials.emplace(std::to_string(i), Secret("old"sv));
  put_app(*store.registry, std::move(app));
  std::atomic<int> swapped = 0;
  a_few_at_a_time(kMany, [&](int i, auto done) {
    store.ledger->reseal_credential("wx1", std::to_string(i), Secret("old"sv), Secret("new"sv),
                                    [&, done](const Result<bool>& outcome) {
                                      if (outcome && *outcome) ++swapped;
                                      done();
                                    });
  });
  EXPECT_EQ(swapped, kMany);
  auto found = load_app(*store.registry, "wx1");
  for (int i = 0; i < kMany; ++i) {
    EXPECT_TRUE(credential(found->credentials, std::to_string(i)).same_as("new")) << i;
  }
}

NodeRow node(std::string name) {
  NodeRow row;
  row.name = std::move(name);
  row.host = "host";
  row.version = "1.2.3";
  row.listen = "127.0.0.1:7200";
  row.started_at = WallTime(1'700'000'000'123ms);
  row.clock_ahead = -1234ms;
  row.fenced = 7;
  return row;
}

TEST_P(ClusterConformance, ANodeIsSeenAsItDescribedItselfLast) {
  EXPECT_THAT(view(*store.cluster).nodes, IsEmpty());
  announce(*store.cluster, node("b"));
  announce(*store.cluster, node("a"));
  NodeRow changed = node("b");
  changed.fenced = 8;
  changed.clock_ahead = 10min;
  changed.version = "1.2.4";
  WallTime before = harness->now();
  announce(*store.cluster, changed);

  ClusterView seen = view(*harness->open().cluster);
  ASSERT_EQ(seen.nodes.size(), 2U);
  EXPECT_EQ(seen.nodes[0].name, "a");
  EXPECT_EQ(seen.nodes[0].host, "host");
  EXPECT_EQ(seen.nodes[0].version, "1.2.3");
  EXPECT_EQ(seen.nodes[0].listen, "127.0.0.1:7200");
  EXPECT_EQ(seen.nodes[0].started_at, node("a").started_at);
  EXPECT_EQ(seen.nodes[0].clock_ahead, -1234ms);
  EXPECT_EQ(seen.nodes[0].fenced, 7U);
  EXPECT_EQ(seen.nodes[1].name, "b");
  EXPECT_EQ(seen.nodes[1].fenced, 8U);
  EXPECT_EQ(seen.nodes[1].clock_ahead, 10min);
  EXPECT_EQ(seen.nodes[1].version, "1.2.4");
  expect_stamp(seen.nodes[1].seen_at, before, harness->now(), *harness);
  expect_stamp(seen.now, before, harness->now(), *harness);
}

TEST_P(ClusterConformance, ANodeThatLeftIsGone) {
  announce(*store.cluster, node("a"));
  announce(*store.cluster, node("b"));
  leave(*store.cluster, "a");
  leave(*store.cluster, "nobody");
  ClusterView seen = view(*store.cluster);
  ASSERT_EQ(seen.nodes.size(), 1U);
  EXPECT_EQ(seen.nodes[0].name, "b");
}

TEST_P(ClusterConformance, ANodeThatWasNotHeardOfForLongIsForgotten) {
  announce(*store.cluster, node("a"));
  // Also where time cannot be moved: nobody has been heard of since the future.
  announce(*store.cluster, node("b"), -1h);
  ClusterView seen = view(*store.cluster);
  ASSERT_EQ(seen.nodes.size(), 1U);
  EXPECT_EQ(seen.nodes[0].name, "b") << "not the one that announces itself";
}

TEST_P(ClusterConformance, NodesAreNoChangeOfAnyToken) {
  std::string cursor = changes(*store.tokens, "").cursor;
  announce(*store.cluster, node("a"));
  leave(*store.cluster, "a");
  Changes news = changes(*store.tokens, cursor);
  EXPECT_FALSE(news.everything);
  EXPECT_THAT(news.tokens, IsEmpty());
  EXPECT_THAT(news.apps, IsEmpty());
  EXPECT_FALSE(news.keys);
}

TEST_P(ClusterConformance, WhoHoldsALeaseIsSeenUntilItIsGivenBack) {
  Acquired one = granted(*store.tokens, lease_request({"wx1", "k"}, 0, harness->now(), "node-a"));
  granted(*store.tokens, lease_request({"wx2", "k"}, 0, harness->now(), "node-b"));
  put_token(*store.tokens, {"wx3", "k"}, "token", harness->now());
  ClusterView seen = view(*store.cluster);
  ASSERT_EQ(seen.leases.size(), 2U);
  EXPECT_EQ(seen.leases[0].key, (Key{"wx1", "k"}));
  EXPECT_EQ(seen.leases[0].holder, "node-a");
  EXPECT_EQ(seen.leases[0].fence, one.lease.fence);
  EXPECT_GT(seen.leases[0].remaining, 0ms);
  EXPECT_LE(seen.leases[0].remaining, kLease);
  EXPECT_EQ(seen.leases[1].holder, "node-b");

  commit(*store.tokens, one.lease, next_token(one.record, "token", harness->now()));
  seen = view(*store.cluster);
  ASSERT_EQ(seen.leases.size(), 1U);
  harness->let_pass(kLease + 1s);
  EXPECT_THAT(view(*store.cluster).leases, IsEmpty()) << "its time is up";
}

TEST_P(ClusterConformance, OfManyLeasesSomeAreShown) {
  constexpr int kKeys = 1100;
  std::atomic<int> granted = 0;
  a_few_at_a_time(kKeys, [&](int i, auto done) {
    LeaseRequest wish = lease_request(key_number(i), 0, harness->now());
    wish.lease = 1h;  // The first is still held when the last is granted.
    store.tokens->acquire_lease(std::move(wish), [&, done](const Result<AcquireOutcome>& acquired) {
      if (acquired && std::holds_alternative<Acquired>(*acquired)) ++granted;
      done();
    });
  });
  ASSERT_EQ(granted, kKeys);
  EXPECT_EQ(view(*store.cluster).leases.size(), kMostLeasesShown);
}

// A store has the interfaces that it has.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LeaseConformance);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FeedConformance);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RegistryConformance);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LedgerConformance);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ClusterConformance);

}  // namespace
}  // namespace hufu::store::conformance
