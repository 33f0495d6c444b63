#include "server/json.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

namespace hufu::server {
namespace {

std::string shown(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}

std::string shown(WallTime time) {
  std::string out;
  append_time(out, time);
  return out;
}

TEST(Json, EscapesWhatMustNotStandInAString) {
  EXPECT_EQ(shown("plain"), "\"plain\"");
  EXPECT_EQ(shown("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(shown("\n\x01\x7f"), R"("\u000a\u0001\u007f")");
  EXPECT_EQ(shown("\xe8\x99\x8e"), "\"\xe8\x99\x8e\"");
}

TEST(Json, StaysJsonWhateverIsPutIn) {
  EXPECT_EQ(shown("a\xff\"b"), "\"a\xef\xbf\xbd\\\"b\"");
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      std::string text{static_cast<char>(first), static_cast<char>(second)};
      boost::system::error_code error;
      boost::json::parse(shown(text), error);
      ASSERT_FALSE(error) << first << " " << second;
    }
  }
}

TEST(Json, WritesTimesInUtcRoundedDown) {
  using std::chrono::seconds;
  EXPECT_EQ(shown(WallTime()), "\"1970-01-01T00:00:00Z\"");
  EXPECT_EQ(shown(WallTime(seconds(1'789'657'178))), "\"2026-09-17T14:59:38Z\"");
  EXPECT_EQ(shown(WallTime(Milliseconds(1'789'657'178'999))), "\"2026-09-17T14:59:38Z\"");
  EXPECT_EQ(shown(WallTime(seconds(1'709'164'799))), "\"2024-02-28T23:59:59Z\"");
  EXPECT_EQ(shown(WallTime(seconds(1'709'164'800))), "\"2024-02-29T00:00:00Z\"");
}

TokenStatus token(std::string app, TokenState state, bool failure = false) {
  TokenStatus status;
  status.key.app = std::move(app);
  status.state = state;
  if (failure) status.failure = FailureState{};
  return status;
}

std::vector<TokenStatus> several(int count, TokenState state) {
  std::vector<TokenStatus> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(token("wx" + std::to_string(i), state));
  return tokens;
}

TEST(Verdict, SaysInOneLineHowThingsAre) {
  EXPECT_EQ(verdict_on(several(0, TokenState::fresh)), "no app is known");
  EXPECT_EQ(verdict_on(several(1, TokenState::fresh)), "1 token, all usable");
  EXPECT_EQ(verdict_on(several(3, TokenState::stale)), "3 tokens, all usable");
  EXPECT_EQ(verdict_on(several(2, TokenState::missing)), "2 of 2 tokens unusable: wx0, wx1");
  EXPECT_EQ(verdict_on(several(9, TokenState::unusable)),
            "9 of 9 tokens unusable: wx0, wx1, wx2, …");
  std::vector<TokenStatus> mixed = several(2, TokenState::fresh);
  mixed.push_back(token("wx9", TokenState::stale, true));
  EXPECT_EQ(verdict_on(mixed), "3 tokens, all usable; the renewal of 1 fails");
  mixed.push_back(token("wx8", TokenState::unusable, true));
  mixed.back().key.kind = "jsapi_ticket";
  EXPECT_EQ(verdict_on(mixed), "1 of 4 tokens unusable: wx8 jsapi_ticket");
}

}  // namespace
}  // namespace hufu::server
