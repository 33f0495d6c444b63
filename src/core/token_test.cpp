#include "hufu/token.hpp"

#include <gtest/gtest.h>

namespace hufu {
namespace {

TEST(Fingerprint, IsWrittenAsEightHexCharacters) {
  EXPECT_EQ((Fingerprint{0x0a1b2c3d}).hex(), "0a1b2c3d");
  EXPECT_EQ((Fingerprint{0}).hex(), "00000000");
}

TEST(Fingerprint, ReadsWhatItWrites) {
  EXPECT_EQ(Fingerprint::parse("0a1b2c3d"), Fingerprint{0x0a1b2c3d});
  EXPECT_EQ(Fingerprint::parse("0A1B2C3D"), Fingerprint{0x0a1b2c3d});
}

TEST(Fingerprint, ReadsNothingElse) {
  for (const char* text :
       {"", "0a1b2c3", "0a1b2c3d4", "0a1b2c3g", "+a1b2c3d", "0x1b2c3d", " a1b2c3d"})
    EXPECT_FALSE(Fingerprint::parse(text)) << text;
}

TEST(Record, ClonesEverything) {
  Record record;
  record.token = Token{Secret(std::string_view("t")), WallTime(Milliseconds(1)),
                       WallTime(Milliseconds(2)), "i"};
  record.revision = 7;
  record.in_doubt = {{WallTime(Milliseconds(3)), WallTime(Milliseconds(4))}};
  record.failure = FailureState{};
  record.failure->failures = 5;
  record.budget.forced = 6;
  Record copy = record.clone();
  EXPECT_EQ(copy.token->value.reveal(), "t");
  EXPECT_EQ(copy.token->issuer, "i");
  EXPECT_EQ(copy.revision, 7U);
  EXPECT_EQ(copy.in_doubt, record.in_doubt);
  EXPECT_EQ(copy.failure->failures, 5);
  EXPECT_EQ(copy.budget.forced, 6);
}

}  // namespace
}  // namespace hufu
