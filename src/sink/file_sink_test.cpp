#include "sink/file_sink.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>

namespace hufu::sink {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Grant grant(std::string_view token, std::uint64_t revision = 1, seconds expires_in = seconds(600)) {
  return {Key{"wx1"}, Secret(token),  expires_in, WallTime(seconds(1'789'657'178)),
          revision,   Fingerprint{1}, false};
}
constexpr SteadyTime at(int second) { return SteadyTime(seconds(second)); }

class FileSinkTest : public ::testing::Test {
 public:
  ~FileSinkTest() override {
    std::error_code ignored;
    fs::remove_all(directory, ignored);
  }

 protected:
  FileSinkTest() {
    std::string pattern = (fs::temp_directory_path() / "hufu-sink-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
    path = directory + "/wx.token";
  }
  [[nodiscard]] std::string content() const {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] std::set<std::string> names() const {
    std::set<std::string> all;
    for (const auto& entry : fs::directory_iterator(directory)) {
      all.insert(entry.path().filename().string());
    }
    return all;
  }
  [[nodiscard]] ino_t inode() const {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_ino;
  }
  std::string directory;
  std::string path;
};

TEST_F(FileSinkTest, HoldsTheTokenAndANewline) {
  FileSink sink(path, Format::raw);
  ASSERT_TRUE(sink.put(grant("TOKEN-1"), at(600)));
  EXPECT_EQ(content(), "TOKEN-1\n");
  EXPECT_THAT(names(), ElementsAre("wx.token"));
}

TEST_F(FileSinkTest, HoldsTheObjectAndANewline) {
  FileSink sink(path, Format::object);
  ASSERT_TRUE(sink.put(grant("TOKEN-1"), at(600)));
  EXPECT_EQ(content(),
            R"({"app":"wx1","kind":"access_token","token":"TOKEN-1","expires_in":600,)"
            R"("expires_at":"2026-09-17T14:59:38Z","revision":1,"fingerprint":"00000001"})"
            "\n");
}

TEST_F(FileSinkTest, IsReadableForItsOwnerOnlyWhateverTheUmask) {
  const mode_t before = ::umask(0);
  FileSink sink(path, Format::raw);
  ASSERT_TRUE(sink.put(grant("TOKEN-1"), at(600)));
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
}

TEST_F(FileSinkTest, IsReplacedAsAWhole) {
  FileSink sink(path, Format::raw);
  ASSERT_TRUE(sink.put(grant("TOKEN-1"), at(600)));
  std::ifstream reader(path);
  ASSERT_TRUE(sink.put(grant("TOKEN-2", 2), at(600)));
  std::string old;
  std::getline(reader, old);
  EXPECT_EQ(old, "TOKEN-1") << "whoever had it open goes on reading what was there";
  EXPECT_EQ(content(), "TOKEN-2\n");
}

TEST_F(FileSinkTest, IsLeftAloneWhileItIsAsItShouldBe) {
  FileSink sink(path, Format::object);
  ASSERT_TRUE(sink.put(grant("TOKEN-1"), at(600)));
  const ino_t first = inode();
  ASSERT_TRUE(sink.keep(grant("TOKEN-1", 1, seconds(500)), at(600)));
  EXPECT_EQ(inode(), first);
}

TEST_F(FileSinkTest, IsWrittenAgainWhenThePromiseMoved) {
  FileSink sink(path, Format::object);
  ASSERT_TRUE(sink.put(grant("TOKEN-1"), at(600)));
  ASSERT_TRUE(sink.keep(grant("TOKEN-1", 1, seconds(580)), at(700)));
  EXPECT_THAT(content(), HasSubstr(R"("expires_in":580,)"));
}

TEST_F(FileSinkTest, IsWrittenAgainWhenSomebodyRemovedIt) {
  FileSink sink(path, Format::raw);
  ASSERT_TRUE(sink.put(grant("TOKEN-1"), at(600)));
  fs::remove(path);
  ASSERT_TRUE(sink.keep(grant("TOKEN-1"), at(600)));
  EXPECT_EQ(content(), "TOKEN-1\n");
}

// A node that is cut off from the store knows nothing of the token that replaced its own.
TEST_F(FileSinkTest, IsLeftAloneWhenSomebodyPutAnotherTokenThere) {
  FileSink sink(path, Format::raw);
  ASSERT_TRUE(sink.put(grant("TOKEN-1"), at(600)));
  FileSink other(path, Format::raw);
  ASSERT_TRUE(other.put(grant("TOKEN-2", 2), at(900)));
  ASSERT_TRUE(sink.keep(grant("TOKEN-1"), at(900)));
  EXPECT_EQ(content(), "TOKEN-2\n");
  ASSERT_TRUE(sink.put(grant("TOKEN-3", 3), at(900))) << "one that is new to it, it puts";
  EXPECT_EQ(content(), "TOKEN-3\n");
}

TEST_F(FileSinkTest, IsRemovedWhenItsTokenIsNotPromisedAnyMore) {
  FileSink sink(path, Format::raw);
  ASSERT_TRUE(sink.put(grant("TOKEN-1"), at(600)));
  ASSERT_TRUE(sink.withdraw(Secret(std::string_view("TOKEN-1"))));
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(sink.withdraw(Secret(std::string_view("TOKEN-1")))) << "and may be gone already";
}

TEST_F(FileSinkTest, StaysWhenSomebodyWroteAnotherTokenMeanwhile) {
  FileSink sink(path, Format::raw);
  ASSERT_TRUE(sink.put(grant("TOKEN-1"), at(600)));
  FileSink other(path, Format::raw);
  ASSERT_TRUE(other.put(grant("TOKEN-2", 2), at(900)));
  ASSERT_TRUE(sink.withdraw(Secret(std::string_view("TOKEN-1"))));
  EXPECT_EQ(content(), "TOKEN-2\n");
}

TEST_F(FileSinkTest, OfAnEarlierProcessIsRemovedWhateverIsInIt) {
  std::ofstream(path) << "TOKEN-0\n";
  FileSink sink(path, Format::raw);
  ASSERT_TRUE(sink.withdraw(Secret()));
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(FileSinkTest, SaysWhatToDoWhereThereIsNoDirectory) {
  FileSink sink(directory + "/missing/wx.token", Format::raw);
  const auto put = sink.put(grant("TOKEN-1"), at(600));
  ASSERT_FALSE(put);
  EXPECT_THAT(put.error().message, HasSubstr("missing/wx.token: cannot make a file"));
  EXPECT_THAT(put.error().next_step, HasSubstr("make the directory"));
  EXPECT_TRUE(sink.withdraw(Secret())) << "what cannot be there is gone";
}

TEST_F(FileSinkTest, KeepsTheFileThatIsThereWhenTheDiskIsFull) {
  FileSink sink(path, Format::raw);
  ASSERT_TRUE(sink.put(grant("TOKEN-1"), at(600)));
  // A limit on the size of files stands for a disk without room: write(2) fails.
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  auto* handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit none = before;
  none.rlim_cur = 0;
  ::setrlimit(RLIMIT_FSIZE, &none);
  const auto put = sink.put(grant("TOKEN-2", 2), at(600));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(put);
  EXPECT_EQ(content(), "TOKEN-1\n");
  EXPECT_THAT(names(), ElementsAre("wx.token")) << "nothing half written stays";
  ASSERT_TRUE(sink.put(grant("TOKEN-2", 2), at(600)));
  EXPECT_EQ(content(), "TOKEN-2\n");
}

TEST_F(FileSinkTest, RemovesTheDraftsOfAKilledProcessAndNothingElse) {
  const auto old = fs::file_time_type::clock::now() - std::chrono::minutes(5);
  for (const char* name : {".wx.token.hufu-abcdef", ".wx.token.hufu-abc", ".other.hufu-abcdef"}) {
    std::ofstream(directory + "/" + name) << "TOK";
    fs::last_write_time(directory + "/" + name, old);
  }
  std::ofstream(directory + "/.wx.token.hufu-young1") << "somebody may be at it";
  FileSink sink(path, Format::raw);
  ASSERT_TRUE(sink.put(grant("TOKEN-1"), at(600)));
  EXPECT_THAT(names(), ElementsAre(".other.hufu-abcdef", ".wx.token.hufu-abc",
                                   ".wx.token.hufu-young1", "wx.token"));
}

// A reader never finds half a token, and a process that is killed at any point leaves a whole file.
TEST_F(FileSinkTest, IsWholeHoweverOftenItsWriterIsKilled) {
  const std::string one = std::string(2000, 'a') + "1";
  const std::string two = std::string(3000, 'b') + "2";
  FileSink first(path, Format::raw);
  ASSERT_TRUE(first.put(grant(one), at(600)));
  for (int round = 0; round < 40; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      FileSink sink(path, Format::raw);
      for (std::uint64_t revision = 2;; ++revision) {
        static_cast<void>(sink.put(grant(revision % 2 != 0 ? one : two, revision), at(600)));
      }
    }
    const ino_t before = inode();
    while (inode() == before) std::this_thread::yield();  // It writes.
    for (int i = 0; i < round; ++i) std::this_thread::yield();
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const std::string found = content();
    ASSERT_TRUE(found == one + "\n" || found == two + "\n") << found.size();
  }
}

}  // namespace
}  // namespace hufu::sink
