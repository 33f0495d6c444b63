#include "platform/placeholders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hufu::platform {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// "words|<name>|words"
std::string shown(std::string_view text) {
  std::string result;
  for (const TextPiece& piece : pieces_of(text)) {
    if (!result.empty()) result += '|';
    result += piece.is_placeholder ? "<" + std::string(piece.text) + ">" : std::string(piece.text);
  }
  return result;
}

TEST(Placeholders, StandBetweenBraces) {
  EXPECT_EQ(shown("/v1/{app}/token"), "/v1/|<app>|/token");
  EXPECT_EQ(shown("{a}{b}"), "<a>|<b>");
  EXPECT_EQ(shown("plain"), "plain");
  EXPECT_EQ(shown(""), "");
  EXPECT_THAT(placeholders_in("/{tenant}/x/{app}"), ElementsAre("tenant", "app"));
}

TEST(Placeholders, AreNotEveryBrace) {
  for (const char* text : {"{", "}", "{}", "a{", "a}b", "}{", "{a"}) {
    EXPECT_EQ(shown(text), text);
    EXPECT_THAT(placeholders_in(text), IsEmpty());
  }
  EXPECT_EQ(shown("{a{b}"), "{a|<b>");
  EXPECT_EQ(shown("{a}}"), "<a>|}");
}

}  // namespace
}  // namespace hufu::platform
