#include "store/mongodb/mongodb_feed.hpp"

#include <gmock/gmock.h>

namespace hufu::store {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNow{1'800'000'000s};

Stamp at(WallTime time, std::uint32_t count = 1) {
  return (static_cast<Stamp>(time.time_since_epoch() / 1s) << 32) | count;
}

/// One who follows a database in which "a" was written now.
FeedCursor follower() {
  FeedCursor cursor("db", at(kNow), kNow);
  cursor.report("a", at(kNow));
  cursor.advance(kNow);
  return cursor;
}

/// Whether a poll made now would find a document with that stamp, and report it.
bool is_reported(FeedCursor& cursor, std::string_view id, Stamp stamp) {
  return stamp > cursor.poll_after() && cursor.report(id, stamp);
}

TEST(FeedCursorTest, ReportsEachWriteOnce) {
  FeedCursor cursor = follower();
  EXPECT_FALSE(is_reported(cursor, "a", at(kNow)));
  EXPECT_TRUE(is_reported(cursor, "a", at(kNow, 2))) << "written again";
  cursor.advance(kNow);
  EXPECT_FALSE(is_reported(cursor, "a", at(kNow, 2)));
  EXPECT_TRUE(is_reported(cursor, "b", at(kNow, 2))) << "another one with the same stamp";
}

TEST(FeedCursorTest, AWriteThatBecomesVisibleLateWithASmallerStampIsReported) {
  FeedCursor cursor = follower();
  EXPECT_TRUE(is_reported(cursor, "quick", at(kNow + 4s)));
  cursor.advance(kNow + 4s);
  EXPECT_TRUE(is_reported(cursor, "slow", at(kNow + 1s)));
  cursor.advance(kNow + 5s);
  EXPECT_FALSE(is_reported(cursor, "slow", at(kNow + 1s)));
  EXPECT_FALSE(is_reported(cursor, "quick", at(kNow + 4s)));
}

TEST(FeedCursorTest, PollsNothingWhenNothingWasWrittenForAWindow) {
  FeedCursor cursor = follower();
  EXPECT_LT(cursor.poll_after(), at(kNow));
  cursor.advance(kNow + FeedCursor::kWindow + 1s);
  EXPECT_EQ(cursor.poll_after(), at(kNow));
  EXPECT_TRUE(is_reported(cursor, "b", at(kNow + 1h)));
}

TEST(FeedCursorTest, AWriteThatWasUnderWayWhenTheClockJumpedForwardIsReported) {
  FeedCursor cursor = follower();
  EXPECT_TRUE(is_reported(cursor, "quick", at(kNow + 1h)));
  cursor.advance(kNow + 1h);
  EXPECT_TRUE(is_reported(cursor, "slow", at(kNow, 2)));
}

TEST(FeedCursorTest, WritesAreReportedAfterTheServersClockWentBack) {
  FeedCursor cursor = follower();
  // Noticed late: what is known of the clock may be half a minute old.
  cursor.advance(kNow + 29s);
  cursor.advance(kNow - 1h + 29s);
  EXPECT_TRUE(is_reported(cursor, "b", at(kNow - 1h + 1s)));
}

TEST(FeedCursorTest, AWriteIsReportedThoughTheMajorityStoodStillBeforeIt) {
  FeedCursor cursor("db", at(kNow), at(kNow));
  EXPECT_TRUE(is_reported(cursor, "quick", at(kNow + 2s)));
  // The clock goes on; what a majority has does not.
  for (int looks = 0; looks < 3; ++looks) cursor.advance(at(kNow + 2s));
  EXPECT_TRUE(is_reported(cursor, "slow", at(kNow + 1s)));
  EXPECT_FALSE(is_reported(cursor, "quick", at(kNow + 2s)));
  cursor.advance(at(kNow + 2s + FeedCursor::kWindow));
  EXPECT_EQ(cursor.poll_after(), at(kNow + 2s)) << "and it looks at nothing again";
}

TEST(FeedCursorTest, ComesBackFromItsTextAsItWas) {
  FeedCursor cursor = follower();
  is_reported(cursor, "b", at(kNow + 1s, 7));
  cursor.advance(kNow + 1s);
  auto again = FeedCursor::parse(cursor.text(), "db");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->text(), cursor.text());
  EXPECT_EQ(again->poll_after(), cursor.poll_after());
  EXPECT_FALSE(is_reported(*again, "b", at(kNow + 1s, 7)));
  EXPECT_TRUE(is_reported(*again, "b", at(kNow + 1s, 8)));
}

TEST(FeedCursorTest, AnotherTextIsNoCursor) {
  const std::string text = follower().text();
  EXPECT_FALSE(FeedCursor::parse(text, "other"));
  for (const char* bad : {"", "db", "db.", "db.1", "db.1.", "db.x.1.", "db.1.1.2", "db.1.1.2:3",
                          "db.1.1.2:x;", "db.1.1.;"}) {
    EXPECT_FALSE(FeedCursor::parse(bad, "db")) << bad;
  }
  EXPECT_TRUE(FeedCursor::parse("db.1.1.2:3;", "db"));
}

TEST(FeedCursorTest, OfTooManyAtOnceSomeAreReportedTwiceAndNoneIsMissed) {
  FeedCursor cursor = follower();
  const auto kMany = static_cast<std::uint32_t>(2 * FeedCursor::kMemory);
  for (std::uint32_t i = 0; i < kMany; ++i) {
    EXPECT_TRUE(is_reported(cursor, std::to_string(i), at(kNow + 1s, i)));
  }
  cursor.advance(kNow + 1s);
  EXPECT_TRUE(is_reported(cursor, "0", at(kNow + 1s, 0)));
  EXPECT_FALSE(is_reported(cursor, std::to_string(kMany - 1), at(kNow + 1s, kMany - 1)));
}

}  // namespace
}  // namespace hufu::store
