#include "sink/token_text.hpp"

#include <gtest/gtest.h>

namespace hufu::sink {
namespace {

using std::chrono::seconds;

Grant grant(std::string_view token) {
  return {Key{"wx1"}, Secret(token),           seconds(7000), WallTime(seconds(1'789'657'178)),
          42,         Fingerprint{0x1a2b3c4d}, false};
}

TEST(TokenText, IsTheTokenAndNothingElse) {
  EXPECT_EQ(text_of(Format::raw, grant("88_AbC-d"), seconds(7000)), "88_AbC-d");
}

TEST(TokenText, IsAJsonString) {
  EXPECT_EQ(text_of(Format::quoted, grant("88_AbC-d"), seconds(7000)), R"("88_AbC-d")");
  EXPECT_EQ(text_of(Format::quoted, grant(R"(a"b\c)"), seconds(7000)), R"("a\"b\\c")");
}

TEST(TokenText, IsAnAnswerOfThePlatformWithANumber) {
  EXPECT_EQ(text_of(Format::token_reply, grant("88_AbC-d"), seconds(6999)),
            R"({"access_token":"88_AbC-d","expires_in":6999})");
}

TEST(TokenText, IsAnAnswerOfThePlatformToWhoeverAskedForATicket) {
  EXPECT_EQ(text_of(Format::ticket_reply, grant("sM4AOVdWfPE"), seconds(6999)),
            R"({"errcode":0,"errmsg":"ok","ticket":"sM4AOVdWfPE","expires_in":6999})");
}

// `hufu get --json` prints the very same: tests/e2e/sinks.py compares the two.
TEST(TokenText, IsTheObjectOfTheCommandLine) {
  EXPECT_EQ(text_of(Format::object, grant("88_AbC-d"), seconds(6999)),
            R"({"app":"wx1","kind":"access_token","token":"88_AbC-d","expires_in":6999,)"
            R"("expires_at":"2026-09-17T14:59:38Z","revision":42,"fingerprint":"1a2b3c4d"})");
}

}  // namespace
}  // namespace hufu::sink
