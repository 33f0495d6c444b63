#include "cli/log_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <string>

namespace hufu::cli {
namespace {

using std::chrono::seconds;

std::string note(std::uint64_t dropped) { return "dropped " + std::to_string(dropped) + "\n"; }

class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe2(ends_, O_CLOEXEC), 0); }
  ~Pipe() {
    close_reader();
    close(writer());
  }
  [[nodiscard]] int writer() const { return ends_[1]; }
  void close_reader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }
  /// Without its line break; empty at the end.
  std::string read_line() {
    auto end = unread_.find('\n');
    while (end == std::string::npos) {
      char buffer[4096];
      auto count = read(ends_[0], buffer, sizeof buffer);
      if (count <= 0) return {};
      unread_.append(buffer, static_cast<std::size_t>(count));
      end = unread_.find('\n');
    }
    auto line = unread_.substr(0, end);
    unread_.erase(0, end + 1);
    return line;
  }

 private:
  int ends_[2] = {-1, -1};
  std::string unread_;
};

/// A pipe of one page: Linux takes nothing more into it until somebody has read what is there.
class SmallPipe : public Pipe {
 public:
  SmallPipe() { EXPECT_GE(fcntl(writer(), F_SETPIPE_SZ, 4096), 0); }
};

TEST(LogWriter, WritesLinesInTheirOrder) {
  Pipe pipe;
  LogWriter log(pipe.writer(), note, {});
  log.write("one\n");
  log.write("two\n");
  EXPECT_TRUE(log.flush(seconds(60)));
  EXPECT_EQ(pipe.read_line(), "one");
  EXPECT_EQ(pipe.read_line(), "two");
  EXPECT_EQ(log.dropped(), 0U);
}

TEST(LogWriter, DropsWholeLinesWhileNobodyReadsAndSaysHowManyInTheirPlace) {
  constexpr std::uint64_t kLines = 100'000;
  SmallPipe pipe;
  LogWriter log(pipe.writer(), note, {.most_bytes = 10'000});
  for (std::uint64_t i = 0; i < kLines; ++i) log.write("line " + std::to_string(i) + "\n");
  EXPECT_FALSE(log.flush(Milliseconds(0)));
  EXPECT_GT(log.dropped(), kLines / 2);

  std::uint64_t next = 0;
  while (next < kLines) {
    const std::string line = pipe.read_line();
    if (line.starts_with("dropped ")) {
      next += std::stoull(line.substr(8));
    } else {
      EXPECT_EQ(line, "line " + std::to_string(next));
      ++next;
    }
  }
  log.write("next\n");
  EXPECT_EQ(pipe.read_line(), "next");
}

TEST(LogWriter, EndsThoughNobodyReads) {
  SmallPipe pipe;
  LogWriter log(pipe.writer(), note, {.flush_timeout = Milliseconds(1)});
  for (int i = 0; i < 10'000; ++i) log.write("a line that nobody reads\n");
}

TEST(LogWriter, CountsWhatWasRefused) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  LogWriter log(pipe.writer(), note, {});
  pipe.close_reader();
  for (std::uint64_t i = 1; i <= 3; ++i) {
    log.write("line\n");
    EXPECT_TRUE(log.flush(seconds(60)));
    EXPECT_EQ(log.dropped(), i);
  }
}

TEST(LogWriter, WritesAllThatItCanAtItsEnd) {
  Pipe pipe;
  {
    LogWriter log(pipe.writer(), note, {.flush_timeout = seconds(60)});
    for (int i = 0; i < 100; ++i) log.write("line\n");
    log.write("last\n");
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pipe.read_line(), "line");
  EXPECT_EQ(pipe.read_line(), "last");
}

}  // namespace
}  // namespace hufu::cli
