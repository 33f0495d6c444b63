#include "store/record_text.hpp"

#include <gtest/gtest.h>

namespace hufu::store {
namespace {

using namespace std::chrono_literals;

using State = InDoubtCall::State;

TEST(RecordText, InDoubtCallsAreWrittenOneBehindTheOther) {
  InDoubtCall first{time_from(1), time_from(2)};
  InDoubtCall second{time_from(-3), time_from(4)};
  EXPECT_EQ(text_of(first), "1:2;");
  EXPECT_EQ(in_doubt_from(text_of(first) + text_of(second)),
            (std::vector<InDoubtCall>{first, second}));
  EXPECT_EQ(in_doubt_from(""), std::vector<InDoubtCall>());
}

TEST(RecordText, AnInDoubtCallKeepsItsStateAndItsFence) {
  const std::pair<InDoubtCall, const char*> calls[] = {
      {{time_from(1), time_from(2), State::pending}, "1:2?;"},
      {{time_from(1), time_from(2), State::pending, 7}, "1:2?#7;"},
      {{time_from(1), time_from(2), State::lost, 7}, "1:2#7;"},
      {{time_from(2), time_from(1), State::known_dead}, "2:1!;"},
      {{time_from(1), time_from(2), State::known_dead, 9'000'000'000'000'000'000U},
       "1:2!#9000000000000000000;"}};
  for (const auto& [call, text] : calls) {
    EXPECT_EQ(text_of(call), text);
    EXPECT_EQ(in_doubt_from(text), std::vector<InDoubtCall>{call}) << text;
  }
}

TEST(RecordText, ADatabaseThatDrawsTheFenceAppendsItItself) {
  InDoubtCall call{time_from(1), time_from(2), State::pending};
  const std::string text = text_before_fence(call) + "#12;";
  call.fence = 12;
  EXPECT_EQ(text, text_of(call));
}

TEST(RecordText, WhatWasWrittenBeforeVerdictsHadASignIsReadAsItWasMeant) {
  EXPECT_EQ(in_doubt_from("5:3;1:2?;1:2;"),
            (std::vector<InDoubtCall>{{time_from(5), time_from(3), State::known_dead},
                                      {time_from(1), time_from(2), State::pending},
                                      {time_from(1), time_from(2), State::lost}}));
}

TEST(RecordText, InDoubtCallsThatMakeNoSenseAreNone) {
  for (const char* text : {"1:2",
                           "1;",
                           "1:2;3",
                           ":;",
                           "a:b;",
                           "1:2:3;",
                           "1:?;",
                           "1:2??;",
                           "1:2?!;",
                           "?;",
                           " 1:2;",
                           ";",
                           "99999999999999999999:1;",
                           "#1;",
                           "#1:2;",
                           "1#2:3;",
                           "1:2#;",
                           "1:2#0;",
                           "1:2#-1;",
                           "1:2#3#4;",
                           "1:2#3?;",
                           "1:2#99999999999999999999;"}) {
    EXPECT_FALSE(in_doubt_from(text)) << text;
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
    FailureState failure;
    failure.error.fault = static_cast<Fault>(i);
    auto back = failure_state_from(text_of(failure));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->error.fault, failure.error.fault);
    EXPECT_FALSE(back->error.errcode);
    EXPECT_FALSE(back->error.retry_after);
  }
}

TEST(RecordText, TroubleThatMakesNoSenseIsNoTrouble) {
  for (const char* text :
       {"", "{}", "[]", "null", "{\"fault\":\"refused\"}", "{\"fault\":7}", "{"}) {
    EXPECT_FALSE(failure_state_from(text)) << text;
  }
  std::string good = text_of(FailureState{{}, {}, {}, 1, "ab"});
  EXPECT_TRUE(failure_state_from(good));
  good.replace(good.find("internal"), 8, "infernal");
  EXPECT_FALSE(failure_state_from(good));
}

TEST(RecordText, AnUnusedBudgetTakesNoRoom) {
  EXPECT_EQ(text_of(Budget()), "");
  ASSERT_TRUE(budget_from(""));
  Budget used{1, time_from(2), 3, time_from(4)};
  auto back = budget_from(text_of(used));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->report_count, 1);
  EXPECT_EQ(back->report_counted_at, time_from(2));
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
