#include "cli/logging.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <sstream>

namespace hufu::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
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

/// What is written to a pipe before its writing end is closed.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe2(ends_, O_CLOEXEC), 0); }
  ~Pipe() { close(ends_[0]); }
  [[nodiscard]] int writer() const { return ends_[1]; }
  std::string read_all() {
    close(ends_[1]);
    std::string text(65'536, '\0');
    text.resize(
        static_cast<std::size_t>(std::max<ssize_t>(0, read(ends_[0], text.data(), 65'536))));
    return text;
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST(Logging, IsWhereEverythingLogsWhileItLives) {
  for (const char* format : {"text", "json"}) {
    Pipe pipe;
    Config config;
    config.log_level = "debug";
    config.log_format = format;
    const auto before = spdlog::default_logger();
    {
      Logging logging(config, pipe.writer());
      spdlog::debug("hello");
      spdlog::trace("too much");
      EXPECT_TRUE(logging.flush());
      spdlog::info("bye");
    }
    EXPECT_EQ(spdlog::default_logger(), before);
    const std::string text = pipe.read_all();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
    EXPECT_THAT(text, AllOf(HasSubstr("debug"), HasSubstr("hello"), HasSubstr("bye")));
  }
}

}  // namespace
}  // namespace hufu::cli
