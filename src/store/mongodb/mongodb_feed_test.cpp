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
  cursor.tell("a", at(kNow));
  cursor.advance(kNow);
  return cursor;
}

/// Whether a look made now would find a document with that stamp, and tell of it.
bool is_told(FeedCursor& cursor, std::string_view id, Stamp stamp) {
  return stamp > cursor.look_after() && cursor.tell(id, stamp);
}

TEST(FeedCursorTest, TellsEachWriteOnce) {
  FeedCursor cursor = follower();
  EXPECT_FALSE(is_told(cursor, "a", at(kNow)));
  EXPECT_TRUE(is_told(cursor, "a", at(kNow, 2))) << "written again";
  cursor.advance(kNow);
  EXPECT_FALSE(is_told(cursor, "a", at(kNow, 2)));
  EXPECT_TRUE(is_told(cursor, "b", at(kNow, 2))) << "another one with the same stamp";
}

TEST(FeedCursorTest, OfTwoWritersTheOneWhoIsSeenLaterWithTheSmallerStampIsToldToo) {
  FeedCursor cursor = follower();
  EXPECT_TRUE(is_told(cursor, "quick", at(kNow + 4s)));
  cursor.advance(kNow + 4s);
  EXPECT_TRUE(is_told(cursor, "slow", at(kNow + 1s)));
  cursor.advance(kNow + 5s);
  EXPECT_FALSE(is_told(cursor, "slow", at(kNow + 1s)));
  EXPECT_FALSE(is_told(cursor, "quick", at(kNow + 4s)));
}

TEST(FeedCursorTest, LooksAtNothingWhereNothingHasBeenWrittenForAWhile) {
  FeedCursor cursor = follower();
  EXPECT_LT(cursor.look_after(), at(kNow));
  cursor.advance(kNow + FeedCursor::kWindow + 1s);
  EXPECT_EQ(cursor.look_after(), at(kNow));
  EXPECT_TRUE(is_told(cursor, "b", at(kNow + 1h)));
}

TEST(FeedCursorTest, AWriterWhoWasUnderWayWhileTheClockLeaptForwardIsMet) {
  FeedCursor cursor = follower();
  EXPECT_TRUE(is_told(cursor, "quick", at(kNow + 1h)));
  cursor.advance(kNow + 1h);
  EXPECT_TRUE(is_told(cursor, "slow", at(kNow, 2)));
}

TEST(FeedCursorTest, WritesOfAServerWhoseClockWentBackAreTold) {
  FeedCursor cursor = follower();
  // Noticed late: what is known of the clock may be half a minute old.
  cursor.advance(kNow + 29s);
  cursor.advance(kNow - 1h + 29s);
  EXPECT_TRUE(is_told(cursor, "b", at(kNow - 1h + 1s)));
}

TEST(FeedCursorTest, OfTwoWritersOneIsMissedByNobodyWhoseMajorityStoodStillBetweenThem) {
  FeedCursor cursor("db", at(kNow), at(kNow));
  EXPECT_TRUE(is_told(cursor, "quick", at(kNow + 2s)));
  // The clock goes on; what a majority has does not.
  for (int looks = 0; looks < 3; ++looks) cursor.advance(at(kNow + 2s));
  EXPECT_TRUE(is_told(cursor, "slow", at(kNow + 1s)));
  EXPECT_FALSE(is_told(cursor, "quick", at(kNow + 2s)));
  cursor.advance(at(kNow + 2s + FeedCursor::kWindow));
  EXPECT_EQ(cursor.look_after(), at(kNow + 2s)) << "and it looks at nothing again";
}

TEST(FeedCursorTest, ComesBackFromItsTextAsItWas) {
  FeedCursor cursor = follower();
  is_told(cursor, "b", at(kNow + 1s, 7));
  cursor.advance(kNow + 1s);
  auto again = FeedCursor::parse(cursor.text(), "db");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->text(), cursor.text());
  EXPECT_EQ(again->look_after(), cursor.look_after());
  EXPECT_FALSE(is_told(*again, "b", at(kNow + 1s, 7)));
  EXPECT_TRUE(is_told(*again, "b", at(kNow + 1s, 8)));
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

TEST(FeedCursorTest, OfTooManyAtOnceSomeAreToldTwiceAndNoneIsForgotten) {
  FeedCursor cursor = follower();
  const auto kMany = static_cast<std::uint32_t>(2 * FeedCursor::kMemory);
  for (std::uint32_t i = 0; i < kMany; ++i) {
    EXPECT_TRUE(is_told(cursor, std::to_string(i), at(kNow + 1s, i)));
  }
  cursor.advance(kNow + 1s);
  EXPECT_TRUE(is_told(cursor, "0", at(kNow + 1s, 0)));
  EXPECT_FALSE(is_told(cursor, std::to_string(kMany - 1), at(kNow + 1s, kMany - 1)));
}

}  // namespace
}  // namespace hufu::store
