#include "platform/quote.hpp"

#include <gtest/gtest.h>

namespace hufu::platform {
namespace {

using namespace std::string_view_literals;

TEST(Quote, LeavesGoodWordsAlone) {
  EXPECT_EQ(quote("invalid appid rid: 6aac005a-01bfdbee-79769285", {}),
            "invalid appid rid: 6aac005a-01bfdbee-79769285");
  EXPECT_EQ(quote("不合法的appKey", {}), "不合法的appKey");
}

TEST(Quote, PutsEverythingOnOneHarmlessLine) {
  EXPECT_EQ(quote("\n\ta\r\n\r\nb\0c\x1b[31m\x7f\"d\" "sv, {}), "a b c [31m 'd'");
  EXPECT_EQ(quote("a\xc2\x85"
                  "b\u202Ec\u202C\u2028d\u2066e\u2069\u200Bf",
                  {}),
            "a b c d e f");
}

TEST(Quote, CutsBetweenTwoCharacters) {
  EXPECT_EQ(quote(std::string(100'000, 'x'), {}), std::string(200, 'x'));
  std::string tigers;
  for (int i = 0; i < 100; ++i) tigers += "虎";
  EXPECT_EQ(quote(tigers, {}).size(), 198U);
}

TEST(Quote, IsEmptyWhereTheWordsRepeatASecret) {
  const std::string_view secret = "Canary/0123456789";
  for (const char* words :
       {"Canary/0123456789", "bad secret Canary/0123456789, sorry", "secret=Canary%2F0123456789",
        "secret=canary%2f0123456789", "CANARY/0123456789", "only its end: 23456789",
        "only its start: Canary/0", "%43%61%6e%61%72%79%2F%30%31"}) {
    EXPECT_EQ(quote(words, {"another", secret}), "") << words;
  }
  EXPECT_EQ(quote("only 3456789 of it", {secret}), "only 3456789 of it");
}

TEST(Quote, FindsASecretThatTheCutWouldSplit) {
  std::string words = std::string(190, 'x') + "Canary/0123456789";
  EXPECT_EQ(quote(words, {"Canary/0123456789"}), "");
}

TEST(Quote, KnowsShortSecretsAndIgnoresEmptyOnes) {
  EXPECT_EQ(quote("the pin is 4711", {"4711"}), "");
  EXPECT_EQ(quote("words", {"", {}}), "words");
}

TEST(FirstAddress, FindsWhatThePlatformNames) {
  EXPECT_EQ(first_address("invalid ip 27.154.119.91 ipv6 ::ffff:27.154.119.91, not in whitelist"),
            "27.154.119.91");
  EXPECT_EQ(first_address("invalid ip 2001:db8::7, not in whitelist"), "2001:db8::7");
  EXPECT_EQ(first_address("not allow to access from your ip, from ip: 1.2.3.4."), "1.2.3.4");
  EXPECT_EQ(first_address("requestIP: 120.46.*.* rid: 6aac005a-01bfdbee-79769285"), std::nullopt);
  EXPECT_EQ(first_address("ip 999.1.1.1 then 300"), std::nullopt);
  EXPECT_EQ(first_address("added: a face, a bad ::"), std::nullopt);
  EXPECT_EQ(first_address(""), std::nullopt);
}

}  // namespace
}  // namespace hufu::platform
