#include "store/record_text.hpp"

#include <gtest/gtest.h>

namespace hufu::store {
namespace {

using namespace std::chrono_literals;

TEST(RecordText, AMarkIsWrittenSoThatAnotherCanBeAppended) {
  Mark first{time_from(1), time_from(-2)};
  Mark second{time_from(3), time_from(4)};
  EXPECT_EQ(text_of(first), "1:-2;");
  EXPECT_EQ(marks_from(text_of(first) + text_of(second)), (std::vector<Mark>{first, second}));
  EXPECT_EQ(marks_from(""), std::vector<Mark>());
}

TEST(RecordText, AMarkSaysWhetherItIsPending) {
  Mark pending{time_from(1), time_from(2), true};
  Mark told{time_from(3), time_from(4)};
  EXPECT_EQ(text_of(pending), "1:2?;");
  EXPECT_EQ(marks_from(text_of(pending) + text_of(told)), (std::vector<Mark>{pending, told}));
}

TEST(RecordText, MarksThatMakeNoSenseAreNotMarks) {
  for (const char* text : {"1:2", "1;", "1:2;3", ":;", "a:b;", "1:2:3;", "1:?;", "1:2??;", "?;",
                           " 1:2;", ";", "99999999999999999999:1;"}) {
    EXPECT_FALSE(marks_from(text)) << text;
  }
}

TEST(RecordText, FingerprintsComeBackInOrder) {
  std::vector<Fingerprint> some{{0xdeadbeefU}, {0}, {1}};
  EXPECT_EQ(text_of(some), "deadbeef;00000000;00000001;");
  EXPECT_EQ(fingerprints_from(text_of(some)), some);
  EXPECT_FALSE(fingerprints_from("deadbeef"));
  EXPECT_FALSE(fingerprints_from("dead;"));
}

TEST(RecordText, EveryFaultHasANameThatComesBack) {
  for (int i = 0; i <= static_cast<int>(Fault::internal); ++i) {
    Trouble trouble;
    trouble.error.fault = static_cast<Fault>(i);
    auto back = trouble_from(text_of(trouble));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->error.fault, trouble.error.fault);
    EXPECT_FALSE(back->error.errcode);
    EXPECT_FALSE(back->error.retry_after);
  }
}

TEST(RecordText, TroubleThatMakesNoSenseIsNoTrouble) {
  for (const char* text :
       {"", "{}", "[]", "null", "{\"fault\":\"refused\"}", "{\"fault\":7}", "{"}) {
    EXPECT_FALSE(trouble_from(text)) << text;
  }
  std::string good = text_of(Trouble{{}, {}, {}, 1, "ab"});
  EXPECT_TRUE(trouble_from(good));
  good.replace(good.find("internal"), 8, "infernal");
  EXPECT_FALSE(trouble_from(good));
}

TEST(RecordText, AnUnusedBudgetTakesNoRoom) {
  EXPECT_EQ(text_of(Budget()), "");
  ASSERT_TRUE(budget_from(""));
  Budget used{1, time_from(2), 3, time_from(4)};
  auto back = budget_from(text_of(used));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->streak, 1);
  EXPECT_EQ(back->streak_at, time_from(2));
  EXPECT_EQ(back->forced, 3);
  EXPECT_EQ(back->forced_at, time_from(4));
  EXPECT_FALSE(budget_from("{}"));
  EXPECT_FALSE(budget_from("{\"streak\":\"x\",\"streak_at\":0,\"forced\":0}"));
}

TEST(RecordText, HexComesBackAndNothingElseDoes) {
  using namespace std::string_literals;
  std::string bytes = "\0\x7f\x80\xff"s;
  EXPECT_EQ(hex_of(bytes), "007f80ff");
  EXPECT_EQ(bytes_from_hex("007f80ff"), bytes);
  EXPECT_FALSE(bytes_from_hex("0"));
  EXPECT_FALSE(bytes_from_hex("0g"));
  EXPECT_FALSE(bytes_from_hex("-1"));
}

}  // namespace
}  // namespace hufu::store
