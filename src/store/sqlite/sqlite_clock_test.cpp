#include "store/sqlite/sqlite_clock.hpp"

#include <gmock/gmock.h>

#include <memory>

#include "store/conformance/store_testing.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/sqlite/sqlite_testing.hpp"
#include "store/temp_dir.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace std::chrono_literals;
using hufu::testing::FakeClock;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Milliseconds kSteps[] = {30s, -30s, 8h, -8h, 720h, -720h};

class SqliteClockTest : public ::testing::Test {
 protected:
  std::shared_ptr<SqliteStore> open(const Clock& with, std::string boot_id = "boot-a") {
    return must(SqliteStore::open(
        {.path = path, .busy_timeout = 0ms, .boot_id = std::move(boot_id)}, with));
  }

  TempDir directory;
  std::string path = directory.file("hufu.db");
  Key key{"wx1", "access_token"};
  FakeClock clock;
};

TEST_F(SqliteClockTest, TheFirstProcessOfABootTakesTheWallClock) {
  EXPECT_EQ(time_of(*open(clock)), clock.wall());
}

TEST_F(SqliteClockTest, AProcessWhoseWallClockWasSetSeesTheSameTime) {
  auto first = open(clock);
  for (const Milliseconds step : kSteps) {
    FakeClock other;
    other.step_wall(step);
    EXPECT_EQ(time_of(*open(other)), clock.wall()) << step.count();
  }
  EXPECT_EQ(time_of(*first), clock.wall());
}

TEST_F(SqliteClockTest, AStoreThatIsOpenWhenTheWallClockIsSetKeepsItsTime) {
  auto store = open(clock);
  const WallTime before = clock.wall();
  clock.step_wall(8h);
  clock.advance(1s);
  EXPECT_EQ(time_of(*store), before + 1s);
  EXPECT_EQ(put_token(*store, key, "token", before).updated_at, before + 1s);
}

TEST_F(SqliteClockTest, LeasesOfProcessesWithDifferentWallClocksEndOnTheSameLine) {
  auto first = open(clock);
  Acquired held = granted(*first, lease_request(key, 0, clock.wall(), "node-a"));
  EXPECT_EQ(held.record.created_at, clock.wall());
  for (const Milliseconds step : kSteps) {
    FakeClock other;
    other.step_wall(step);
    auto second = open(other);
    const AcquireOutcome outcome = acquire(*second, lease_request(key, 0, clock.wall(), "node-b"));
    ASSERT_TRUE(std::holds_alternative<Held>(outcome)) << step.count();
    EXPECT_EQ(std::get<Held>(outcome).remaining, kLease);
    EXPECT_EQ(view(*second).leases.size(), 1U);
    other.advance(kLease);
    EXPECT_THAT(view(*second).leases, IsEmpty());
  }
  FakeClock later;
  later.step_wall(-8h);
  later.advance(kLease);
  Acquired taken = granted(*open(later), lease_request(key, 0, clock.wall(), "node-b"));
  EXPECT_EQ(taken.record.updated_at, clock.wall() + kLease);
}

TEST_F(SqliteClockTest, AfterTheMachineWasStartedAnewTheWallClockIsTakenAgain) {
  { open(clock); }
  for (const Milliseconds step : kSteps) {
    FakeClock other;
    other.step_wall(step);
    other.advance(5min);
    EXPECT_EQ(time_of(*open(other, "boot" + std::to_string(step.count()))), other.wall());
  }
  EXPECT_EQ(Outsider(path).text("SELECT count(*) FROM clock"), "1");
}

TEST_F(SqliteClockTest, WhereNoBootCanBeToldFromTheNextEachOpeningTakesTheWallClock) {
  auto first = open(clock, "");
  FakeClock other;
  other.step_wall(1h);
  auto second = open(other, "");
  EXPECT_EQ(time_of(*second), other.wall());
  EXPECT_EQ(time_of(*first), other.wall()) << "and all go by the latest";
}

// It was: a machine without a battery-backed clock starts in 1970, and its time comes from the
// network a minute later.
TEST_F(SqliteClockTest, AnOffsetThatIsYearsOffIsNotBelieved) {
  clock.step_wall(-24h * 365 * 50);
  auto early = open(clock);
  EXPECT_EQ(time_of(*early), clock.wall());
  clock.step_wall(24h * 365 * 50);
  EXPECT_EQ(time_of(*early), clock.wall());
  put_token(*early, key, "token", clock.wall());
  clock.step_wall(30s);
  EXPECT_EQ(time_of(*early), clock.wall() - 30s) << "the write set the offset anew";
  EXPECT_EQ(time_of(*open(clock)), clock.wall() - 30s);
}

TEST_F(SqliteClockTest, AnOffsetThatMakesNoSenseIsNotBelieved) {
  auto store = open(clock);
  for (const char* offset : {"9223372036854775807", "-9223372036854775808", "0"}) {
    Outsider(path).run("UPDATE clock SET wall_offset = " + std::string(offset));
    EXPECT_EQ(time_of(*store), clock.wall()) << offset;
  }
}

TEST_F(SqliteClockTest, AFileThatIsLockedIsOpenedAndItsOffsetIsSetWithTheFirstWrite) {
  { open(clock); }
  Outsider outsider(path);
  outsider.run("DELETE FROM clock");
  outsider.run("BEGIN IMMEDIATE");
  auto store = open(clock);
  EXPECT_EQ(time_of(*store), clock.wall());
  outsider.run("COMMIT");
  put_token(*store, key, "token", clock.wall());
  clock.step_wall(1h);
  EXPECT_EQ(time_of(*store), clock.wall() - 1h);
}

TEST_F(SqliteClockTest, AnOperatorIsToldThatTheClockWasSet) {
  EXPECT_THAT(open(clock)->warnings(), IsEmpty());
  FakeClock other;
  other.step_wall(30s);
  EXPECT_THAT(open(other)->warnings(), IsEmpty());
  other.step_wall(8h + 4min + 30s);
  EXPECT_THAT(open(other)->warnings(), ElementsAre(HasSubstr("set forward by 8 h 5 min since")));
  other.step_wall(-9h - 5min);
  EXPECT_THAT(open(other)->warnings(), ElementsAre(HasSubstr("set back by 1 h since")));
}

// Two rehearsals on one file, or a rehearsal and a server: each is on the line that its own clock
// would give it.
TEST_F(SqliteClockTest, AClockThatRunsFasterIsOnItsOwnLineAsBefore) {
  constexpr Milliseconds kSlop = 10s;  // Between two readings, on a busy machine.
  auto plain = open(system_clock());
  const ScaledClock fast(600);
  auto first = open(fast);
  const ScaledClock slow(0.5);
  auto second = open(slow);
  for (const auto& [store, own] :
       {std::pair<SqliteStore*, const Clock*>(plain.get(), &system_clock()),
        {first.get(), &fast},
        {second.get(), &slow}}) {
    const WallTime before = own->wall();
    const WallTime time = *time_of(*store);
    const WallTime after = own->wall();
    EXPECT_GE(time, before - kSlop);
    EXPECT_LE(time, after + kSlop);
  }
}

}  // namespace
}  // namespace hufu::store
