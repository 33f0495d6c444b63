#include "keeper/token_table.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "keeper/schedule.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::keeper {
namespace {

using std::chrono::seconds;
constexpr WallTime kT0 = testing::FakeClock::kStart;

Token token(std::string_view value, seconds life = seconds(100)) {
  return {Secret(value), kT0, kT0 + life, "i"};
}

Bounds lasting(seconds life, seconds renew = seconds(50)) {
  Bounds bounds;
  bounds.renew_at = kT0 + renew;
  bounds.last_end = kT0 + life;
  return bounds;
}

std::string value_of(const TokenTable& table, std::string_view app, WallTime now,
                     std::int64_t min_ttl = 0, std::string_view kind = kAccessToken) {
  std::string value;
  table.read(app, kind, now, min_ttl, [&](const TokenView& view) { value = view.token; });
  return value;
}

TEST(TokenTable, KnowsNothingAtFirst) {
  TokenTable table;
  EXPECT_FALSE(table.knows("a"));
  EXPECT_EQ(value_of(table, "a", kT0), "");
}

TEST(TokenTable, HandsOutWhatWasPublished) {
  TokenTable table;
  const RowId row = table.put(Key{"a"}, {});
  EXPECT_EQ(value_of(table, "a", kT0), "");
  table.publish(row, token("t1"), 1, Fingerprint{5}, 0, lasting(seconds(80)));
  bool called = table.read("a", kAccessToken, kT0 + seconds(10), 0, [](const TokenView& view) {
    EXPECT_EQ(view.token, "t1");
    EXPECT_EQ(view.expires_in, 70);
    EXPECT_EQ(view.revision, 1U);
    EXPECT_EQ(view.fingerprint, Fingerprint{5});
    EXPECT_EQ(view.expires_at, kT0 + seconds(100));
  });
  EXPECT_TRUE(called);
}

TEST(TokenTable, PromisesWholeSecondsAndNeverNone) {
  TokenTable table;
  table.publish(table.put(Key{"a"}, {}), token("t1"), 1, {}, 0, lasting(seconds(80)));
  EXPECT_EQ(value_of(table, "a", kT0 + seconds(79)), "t1");
  EXPECT_EQ(value_of(table, "a", kT0 + Milliseconds(79001)), "");
}

TEST(TokenTable, GrantsAWishOnlyWhereItCostsNothing) {
  TokenTable table;
  table.publish(table.put(Key{"a"}, {}), token("t1"), 1, {}, 0, lasting(seconds(80)));
  EXPECT_EQ(value_of(table, "a", kT0, 1000), "t1") << "fresh: nothing is displaced early for it";
  EXPECT_EQ(value_of(table, "a", kT0 + seconds(50), 31), "") << "stale and too short";
  EXPECT_EQ(value_of(table, "a", kT0 + seconds(50), 30), "t1");
}

TEST(TokenTable, TellsKindsApart) {
  TokenTable table;
  table.publish(table.put(Key{"a"}, {}), token("t1"), 1, {}, 0, lasting(seconds(80)));
  table.publish(table.put(Key{"a", "jsapi_ticket"}, {}), token("j1"), 1, {}, 0,
                lasting(seconds(80)));
  EXPECT_EQ(value_of(table, "a", kT0), "t1");
  EXPECT_EQ(value_of(table, "a", kT0, 0, "jsapi_ticket"), "j1");
  EXPECT_EQ(table.outline(*table.find(Key{"a", "jsapi_ticket"}))->key, (Key{"a", "jsapi_ticket"}));
  EXPECT_EQ(table.apps_after("", 10).size(), 1U);
}

TEST(TokenTable, HoldsLongNames) {
  TokenTable table;
  const std::string app(128, 'x');
  const std::string kind(128, 'k');
  table.publish(table.put(Key{app, kind}, {}), token("t1"), 1, {}, 0, lasting(seconds(80)));
  EXPECT_EQ(value_of(table, app, kT0, 0, kind), "t1");
  EXPECT_EQ(value_of(table, std::string(5000, 'x'), kT0, 0, std::string(5000, 'k')), "");
}

TEST(TokenTable, ForgetsRemovedRowsAndUsesThemAgain) {
  TokenTable table;
  const RowId row = table.put(Key{"a"}, {});
  table.publish(row, token("t1"), 1, {}, 0, lasting(seconds(80)));
  table.remove(Key{"a"});
  EXPECT_EQ(value_of(table, "a", kT0), "");
  EXPECT_FALSE(table.outline(row));
  EXPECT_EQ(table.size(), 0U);
  table.put(Key{"a"}, {});
  EXPECT_EQ(value_of(table, "a", kT0), "");
}

TEST(TokenTable, ListsAppsInPages) {
  TokenTable table;
  for (int i = 0; i < 1000; ++i) table.put(Key{"app" + std::to_string(1000 + i)}, {});
  std::vector<std::string> seen;
  for (std::string after;;) {
    auto page = table.apps_after(after, 300);
    if (page.empty()) break;
    for (auto& [id, facts] : page) seen.push_back(id);
    after = page.back().first;
  }
  EXPECT_EQ(seen.size(), 1000U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(TokenTable, CountsWhoHasAUsableToken) {
  TokenTable table;
  for (const char* app : {"c", "a", "b"}) table.put(Key{app}, {});
  table.publish(*table.find(Key{"b"}), token("t1"), 1, {}, 0, lasting(seconds(80)));
  auto census = table.census(kT0, 100);
  EXPECT_EQ(census.apps, 3U);
  EXPECT_EQ(census.usable, 1U);
  EXPECT_EQ(census.without, (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(table.census(kT0, 1).without, (std::vector<std::string>{"a"}));
}

TEST(TokenTable, ReadersNeverSeeHalfAToken) {
  TokenTable table;
  const RowId row = table.put(Key{"a"}, {});
  const std::string values[] = {std::string(160, 'a'), std::string(500, 'b'), std::string(20, 'c')};
  table.publish(row, token(values[0]), 1, {}, 0, lasting(seconds(80)));
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const std::string value = value_of(table, "a", kT0);
        ASSERT_TRUE(value == values[0] || value == values[1] || value == values[2]);
        ++reads;
      }
    });
  }
  for (std::uint64_t i = 0; reads < 10'000; ++i) {
    table.publish(row, token(values[i % 3]), i, {}, 0, lasting(seconds(80)));
    table.put(Key{"other" + std::to_string(i % 5000)}, {});
  }
  stop = true;
  for (auto& reader : readers) reader.join();
}

TEST(Schedule, TellsWhatIsDueInOrder) {
  TokenTable table;
  Schedule schedule(table);
  const RowId a = table.put(Key{"a"}, {});
  const RowId b = table.put(Key{"b"}, {});
  schedule.set(a, kT0 + seconds(20));
  schedule.set(b, kT0 + seconds(10));
  EXPECT_EQ(schedule.next(), kT0 + seconds(10));
  RowId row = 0;
  EXPECT_FALSE(schedule.pop(kT0, row));
  ASSERT_TRUE(schedule.pop(kT0 + seconds(30), row));
  EXPECT_EQ(row, b);
  ASSERT_TRUE(schedule.pop(kT0 + seconds(30), row));
  EXPECT_EQ(row, a);
  EXPECT_FALSE(schedule.pop(kT0 + seconds(30), row));
}

TEST(Schedule, CountsOnlyTheLatestMomentOfARow) {
  TokenTable table;
  Schedule schedule(table);
  const RowId a = table.put(Key{"a"}, {});
  for (int i = 1; i < 100; ++i) schedule.set(a, kT0 + seconds(i));
  RowId row = 0;
  EXPECT_FALSE(schedule.pop(kT0 + seconds(98), row));
  EXPECT_TRUE(schedule.pop(kT0 + seconds(99), row));
  EXPECT_FALSE(schedule.pop(kT0 + seconds(999), row));
}

}  // namespace
}  // namespace hufu::keeper
