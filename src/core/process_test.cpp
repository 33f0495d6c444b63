#include "core/process.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hufu {
namespace {

TEST(Process, KnowsThatItLives) { EXPECT_FALSE(process_is_gone(process_identity())); }

TEST(Process, KnowsThatAnEndedOneIsGone) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_GT(child, 0);
  const std::string& mine = process_identity();
  auto last = mine.rfind('/');
  auto middle = mine.rfind('/', last - 1);
  // The same name with the child's id and a start that nobody has any more.
  std::string theirs = mine.substr(0, middle + 1) + std::to_string(child) + "/1";
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(process_is_gone(theirs));
}

TEST(Process, TheIdOfABootIsPartOfTheIdentity) {
  if (boot_id().empty()) GTEST_SKIP() << "the system does not tell";
  EXPECT_NE(process_identity().find("/" + boot_id() + "."), std::string::npos);
}

TEST(Process, SeesThroughARecycledId) {
  const std::string& mine = process_identity();
  EXPECT_TRUE(process_is_gone(mine.substr(0, mine.rfind('/') + 1) + "1"));
}

TEST(Process, SaysNothingOfOtherMachines) {
  EXPECT_FALSE(process_is_gone("elsewhere/0000.1/1/1"));
  EXPECT_FALSE(process_is_gone("not an identity"));
  EXPECT_FALSE(process_is_gone(""));
}

}  // namespace
}  // namespace hufu
