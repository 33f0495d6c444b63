#include "cli/logging.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <boost/json/parse.hpp>
#include <sstream>

namespace hufu::cli {
namespace {

using ::testing::MatchesRegex;

constexpr const char* kTime = "[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9][0-9][0-9]Z";

TEST(Logging, WritesOneLineAMessage) {
  std::ostringstream out;
  auto logger = make_logger(out, "info", "text");
  logger->warn("disk \"{}\" at {} %", "C:\\", 90);
  EXPECT_THAT(out.str(), MatchesRegex(kTime + std::string(" warn  disk \"C:\\\\\" at 90 %\n")));
}

TEST(Logging, CannotBeMadeToForgeALine) {
  for (const char* format : {"text", "json"}) {
    std::ostringstream out;
    make_logger(out, "info", format)->info("a\nb\x1b[2J\\n");
    EXPECT_EQ(out.str().find('\n'), out.str().size() - 1);
    EXPECT_EQ(out.str().find('\x1b'), std::string::npos);
  }
}

TEST(Logging, WritesJsonForPrograms) {
  std::ostringstream out;
  make_logger(out, "trace", "json")->error("she said \"虎符\"\n");
  auto line = boost::json::parse(out.str());
  EXPECT_EQ(line.at("level"), "error");
  EXPECT_EQ(line.at("message"), "she said \"虎符\"\n");
  EXPECT_THAT(std::string(line.at("time").as_string()), MatchesRegex(kTime));
}

TEST(Logging, LeavesOutWhatIsBelowItsLevel) {
  const char* levels[] = {"trace", "debug", "info", "warn", "error"};
  for (int chosen = 0; chosen < 5; ++chosen) {
    std::ostringstream out;
    auto logger = make_logger(out, levels[chosen], "text");
    for (const char* level : levels) logger->log(spdlog::level::from_str(level), "x");
    std::string text = out.str();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 5 - chosen) << levels[chosen];
  }
}

TEST(Logging, GoesWhereverEverybodyLogs) {
  std::ostringstream out;
  Config config;
  config.log_level = "debug";
  auto before = spdlog::default_logger();
  start_logging(config, out);
  spdlog::debug("hello");
  spdlog::set_default_logger(before);
  EXPECT_THAT(out.str(), ::testing::EndsWith(" debug hello\n"));
}

}  // namespace
}  // namespace hufu::cli
