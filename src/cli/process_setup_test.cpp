#include "cli/process_setup.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

namespace hufu::cli {
namespace {

std::string hidden(std::string argument) {
  std::vector<char*> arguments{argument.data()};
  hide_passwords(arguments);
  return argument;
}

TEST(HidePasswords, LeavesNothingOfThemInTheListOfProcesses) {
  EXPECT_EQ(hidden("--store=postgresql://me:canary@host/db"),
            "--store=postgresql://me:******@host/db");
  EXPECT_EQ(hidden("redis://:canary@host"), "redis://:******@host");
  EXPECT_EQ(hidden("postgresql://host/db?user=me&password=canary&sslmode=require"),
            "postgresql://host/db?user=me&password=******&sslmode=require");
  EXPECT_EQ(hidden("mongodb://me:can@ary@a,b/db"), "mongodb://me:*******@a,b/db");
}

TEST(HidePasswords, LeavesEverythingElseAlone) {
  for (const char* argument :
       {"serve", "--store", "sqlite:/var/lib/hufu.db", "postgresql://host:5432/db",
        "http://127.0.0.1:7200", "wx0123456789abcdef", ""}) {
    EXPECT_EQ(hidden(argument), argument);
  }
}

// ---- Descriptors that the caller closed

/// Runs in a process of its own, all of whose descriptors are closed: those that the test runner
/// left open, too.
int use_closed_streams() {
  if (close_range(0, ~0U, 0) != 0) return 9;
  open_standard_streams();
  char byte = 0;
  if (read(STDIN_FILENO, &byte, 1) != 0) return 10;
  if (write(STDOUT_FILENO, "x", 1) != -1 || errno != EBADF) return 11;
  if (write(STDERR_FILENO, "x", 1) != 1) return 12;
  if (dup(STDIN_FILENO) != 3) return 13;  // Nothing else is open.
  return 0;
}

TEST(OpenStandardStreamsDeathTest, LeavesNoNumberBelowThreeToTheNextFile) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::_Exit(use_closed_streams()), ::testing::ExitedWithCode(0), "");
}

int use_open_streams() {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) return 20;
  dup2(pipe_ends[1], STDOUT_FILENO);
  open_standard_streams();
  char byte = 0;
  if (write(STDOUT_FILENO, "x", 1) != 1 || read(pipe_ends[0], &byte, 1) != 1) return 21;
  return byte == 'x' ? 0 : 22;
}

TEST(OpenStandardStreamsDeathTest, LeavesOpenStreamsAlone) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::_Exit(use_open_streams()), ::testing::ExitedWithCode(0), "");
}

// ---- Signals and environment

int use_hardened_process() {
  setenv("SSLKEYLOGFILE", "/dev/null", 1);
  harden_process();
  for (int number : {SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2}) std::raise(number);
  return getenv("SSLKEYLOGFILE") == nullptr ? 0 : 30;
}

TEST(HardenProcessDeathTest, IgnoresSignalsThatMeanNothingHereAndForbidsKeyLogs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::_Exit(use_hardened_process()), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace hufu::cli
