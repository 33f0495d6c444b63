#include "keeper/schedule.hpp"

#include <gtest/gtest.h>

#include <random>

#include "testing/fake_clock.hpp"

namespace hufu::keeper {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
constexpr WallTime kT0 = testing::FakeClock::kStart;

RowHandle put(TokenTable& table, std::string_view app) {
  return table.put_app(app, {}, kAccessToken);
}

TEST(Schedule, TellsWhatIsDueInOrder) {
  TokenTable table;
  Schedule schedule(table);
  const RowHandle a = put(table, "a");
  const RowHandle b = put(table, "b");
  schedule.set(a, kT0 + seconds(20));
  schedule.set(b, kT0 + seconds(10));
  RowHandle row;
  EXPECT_FALSE(schedule.pop(kT0, row));
  EXPECT_EQ(schedule.next(), kT0 + seconds(10));
  ASSERT_TRUE(schedule.pop(kT0 + seconds(30), row));
  EXPECT_EQ(row, b);
  ASSERT_TRUE(schedule.pop(kT0 + seconds(30), row));
  EXPECT_EQ(row, a);
  EXPECT_FALSE(schedule.pop(kT0 + seconds(30), row));
}

TEST(Schedule, CountsOnlyTheLatestMomentOfARow) {
  TokenTable table;
  Schedule schedule(table);
  const RowHandle a = put(table, "a");
  for (int i = 1; i < 100; ++i) schedule.set(a, kT0 + seconds(i));
  RowHandle row;
  EXPECT_FALSE(schedule.pop(kT0 + seconds(98), row));
  EXPECT_TRUE(schedule.pop(kT0 + seconds(99), row));
  EXPECT_FALSE(schedule.pop(kT0 + seconds(999), row));
}

TEST(Schedule, ForgetsWhatWasDueInARemovedRow) {
  TokenTable table;
  Schedule schedule(table);
  schedule.set(put(table, "a"), kT0 + seconds(1));
  table.remove_app("a");
  const RowHandle next = put(table, "a");
  schedule.set(next, kT0 + seconds(2));
  RowHandle row;
  ASSERT_TRUE(schedule.pop(kT0 + seconds(9), row));
  EXPECT_EQ(row, next);
  EXPECT_FALSE(schedule.pop(kT0 + seconds(9), row));
}

TEST(Schedule, DoesNotGrowWithWhatIsOutdated) {
  TokenTable table;
  Schedule schedule(table);
  const RowHandle a = put(table, "a");
  for (int i = 1; i < 10'000; ++i) schedule.set(a, kT0 + seconds(i));
  EXPECT_LE(schedule.size(), 1025U);
  RowHandle row;
  EXPECT_TRUE(schedule.pop(kT0 + seconds(9'999), row));
  EXPECT_FALSE(schedule.pop(kT0 + seconds(99'999), row));
}

TEST(Schedule, TellsTheMinuteFirstAndTheMomentOnceThatHasCome) {
  TokenTable table;
  Schedule schedule(table);
  EXPECT_EQ(schedule.next(), WallTime::max());
  const RowHandle a = put(table, "a");
  const WallTime minute = kT0 + hours(24 * 365);
  schedule.set(a, minute + Milliseconds(12'345));
  EXPECT_EQ(schedule.next(), minute);
  RowHandle row;
  EXPECT_FALSE(schedule.pop(minute, row));
  EXPECT_EQ(schedule.next(), minute + Milliseconds(12'345));
  EXPECT_FALSE(schedule.pop(minute + Milliseconds(12'344), row));
  EXPECT_TRUE(schedule.pop(minute + Milliseconds(12'345), row));
  EXPECT_FALSE(schedule.pop(WallTime::max(), row));
  EXPECT_EQ(schedule.next(), WallTime::max());
}

TEST(Schedule, TakesWhatIsDueBeforeTheMinutesThatHaveCome) {
  TokenTable table;
  Schedule schedule(table);
  const RowHandle a = put(table, "a");
  RowHandle row;
  schedule.set(a, kT0 + hours(5));
  EXPECT_FALSE(schedule.pop(kT0 + hours(5) - Milliseconds(1), row));
  schedule.set(a, kT0 + Milliseconds(7));
  EXPECT_EQ(schedule.next(), kT0 + Milliseconds(7));
  EXPECT_TRUE(schedule.pop(kT0 + hours(4), row));
  EXPECT_FALSE(schedule.pop(kT0 + hours(6), row)) << "its later moment counts no more";
}

TEST(Schedule, HasNothingDueInARowThatWasSetToNoMoment) {
  TokenTable table;
  Schedule schedule(table);
  const RowHandle a = put(table, "a");
  schedule.set(a, kT0);
  schedule.set(a, WallTime{});
  RowHandle row;
  EXPECT_FALSE(schedule.pop(kT0 + hours(1), row));
}

TEST(Schedule, TellsManyInTheOrderOfTheirMoments) {
  TokenTable table;
  Schedule schedule(table);
  std::mt19937 random(7);
  std::vector<RowHandle> rows;
  for (int i = 0; i < 500; ++i) rows.push_back(put(table, "app" + std::to_string(i)));
  // Each row is moved about, mostly within hours; what counts is where it was put last.
  std::uniform_int_distribution<int> ms(1, 3 * 3600 * 1000);
  for (int i = 0; i < 5000; ++i) {
    schedule.set(rows[random() % rows.size()], kT0 + Milliseconds(ms(random)));
  }
  std::vector<std::pair<WallTime, RowHandle>> expected;
  for (const RowHandle row : rows) {
    if (table.due(row) != WallTime{}) expected.emplace_back(table.due(row), row);
  }
  std::sort(expected.begin(), expected.end());
  for (const auto& [when, expected_row] : expected) {
    EXPECT_LE(schedule.next(), when);
    RowHandle row;
    ASSERT_TRUE(schedule.pop(when, row));
    EXPECT_EQ(row, expected_row);
  }
  RowHandle row;
  EXPECT_FALSE(schedule.pop(WallTime::max(), row));
}

TEST(Schedule, KeepsARowThatIsSetWhileOthersArePopped) {
  TokenTable table;
  Schedule schedule(table);
  const RowHandle a = put(table, "a");
  schedule.set(a, kT0);
  RowHandle row;
  for (int i = 1; i <= 100; ++i) {
    ASSERT_TRUE(schedule.pop(kT0 + seconds(10 * i), row));
    schedule.set(row, kT0 + seconds(10 * i + 7));
    EXPECT_EQ(schedule.next(), kT0 + seconds(10 * i + 7));
  }
}

}  // namespace
}  // namespace hufu::keeper
