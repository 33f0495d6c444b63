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

}  // namespace
}  // namespace hufu::server
