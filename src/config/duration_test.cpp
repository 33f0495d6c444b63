#include "config/duration.hpp"

#include <gtest/gtest.h>

namespace hufu::config {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsANumberAndItsUnit) {
  EXPECT_EQ(parse_duration("90s"), 90s);
  EXPECT_EQ(parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("30m"), 30min);
  EXPECT_EQ(parse_duration("2h"), 2h);
  EXPECT_EQ(parse_duration("30d"), 720h);
  EXPECT_EQ(parse_duration("0s"), 0s);
}

TEST(Duration, ReadsFractionsExactly) {
  EXPECT_EQ(parse_duration("0.001s"), 1ms);
  EXPECT_EQ(parse_duration("1.10s"), 1100ms);
  EXPECT_EQ(parse_duration("2.000000000000s"), 2s);
  EXPECT_EQ(parse_duration("0.5h"), 30min);
  EXPECT_EQ(parse_duration("0.00005h"), 180ms);
  EXPECT_EQ(parse_duration("1.0ms"), 1ms);
  EXPECT_EQ(parse_duration("1.5d"), 36h);
  EXPECT_EQ(parse_duration("0.0000009375d"), 81ms);
}

TEST(Duration, ReadsUpToAYear) {
  EXPECT_EQ(parse_duration("8784h"), kLongestDuration);
  EXPECT_EQ(parse_duration("366d"), kLongestDuration);
  for (const char* text : {"8785h", "8784.1h", "99999999999999999999s", "9223372036854775807ms",
                           "9223372036854775808ms", "18446744073709551616h"}) {
    auto result = parse_duration(text);
    ASSERT_FALSE(result) << text;
    EXPECT_NE(result.error().message.find("longer than a year"), std::string::npos) << text;
  }
}

TEST(Duration, RefusesEverythingElseAndSaysWhy) {
  struct {
    const char* text;
    const char* why;
  } const cases[] = {
      {"", "empty"},
      {"30", "unit is missing"},
      {"-5s", "negative"},
      {"30x", "unit is unknown"},
      {"30w", "unit is unknown"},
      {"1e9h", "digits"},
      {"+5s", "digits"},
      {" 5s", "digits"},
      {"5 s", "digits"},
      {"5s ", "unit is unknown"},
      {"s", "incomplete"},
      {".5s", "incomplete"},
      {"5.s", "incomplete"},
      {"1.2.3s", "digits"},
      {"0x5s", "digits"},
      {"1h30m", "digits"},
      {"1,5s", "digits"},
      {"0.5ms", "finer"},
      {"0.0001s", "finer"},
      {"0.0000001h", "finer"},
      {"1.00000001h", "finer"},
  };
  for (auto [text, why] : cases) {
    auto result = parse_duration(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().fault, Fault::config);
    EXPECT_NE(result.error().message.find(why), std::string::npos) << result.error().message;
    EXPECT_FALSE(result.error().next_step.empty());
  }
}

TEST(Duration, KeepsControlCharactersOutOfItsError) {
  auto result = parse_duration("5\x1b[31ms");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message.find('\x1b'), std::string::npos);
}

TEST(Duration, IsWrittenInItsShortestForm) {
  EXPECT_EQ(format_duration(0s), "0s");
  EXPECT_EQ(format_duration(7ms), "7ms");
  EXPECT_EQ(format_duration(500ms), "500ms");
  EXPECT_EQ(format_duration(1500ms), "1.5s");
  EXPECT_EQ(format_duration(1050ms), "1.05s");
  EXPECT_EQ(format_duration(90s), "90s");
  EXPECT_EQ(format_duration(1800s), "30m");
  EXPECT_EQ(format_duration(7200s), "2h");
  EXPECT_EQ(format_duration(720h), "30d");
}

TEST(Duration, ReadsBackWhatItWrites) {
  for (Milliseconds::rep count = 0; count < 200'000; count += 7) {
    Milliseconds duration(count * count % kLongestDuration.count());
    ASSERT_EQ(parse_duration(format_duration(duration)), duration) << format_duration(duration);
  }
}

}  // namespace
}  // namespace hufu::config
