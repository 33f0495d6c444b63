// app import, and what app add does not take.

#include <fstream>

#include "cli/machine_for_tests.hpp"

namespace hufu::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kSecret;
using testing::Machine;
using ::testing::Not;

std::string line_of(const std::string& id, const std::string& secret) {
  return R"({"id":")" + id + R"(","secret":")" + secret + "\"}\n";
}

TEST(AppImport, TookADirectoryForAnEmptyFile) {
  Machine machine;
  for (const std::string& path : {machine.dir.file("."), machine.dir.file("not-there.jsonl")}) {
    const auto imported = machine.run({"app", "import", path});
    EXPECT_EQ(imported.status, 2) << path;
    EXPECT_THAT(imported.out, IsEmpty());
    EXPECT_THAT(imported.err, HasSubstr("the file cannot be read"));
  }
}

/// Lines, and then a disk that cannot be read any further.
class BrokenDisk final : public std::streambuf {
 public:
  explicit BrokenDisk(std::string text) : text_(std::move(text)) {
    setg(text_.data(), text_.data(), text_.data() + text_.size());
  }

 private:
  int_type underflow() override { throw std::ios_base::failure("the disk is broken"); }
  std::string text_;
};

TEST(AppImport, TookAnErrorInTheMiddleForTheEndOfTheFile) {
  Machine machine;
  BrokenDisk disk(line_of("wx1", kSecret));
  std::istream in(&disk);
  const auto imported = machine.run_from(in, {"app", "import", "-"});
  EXPECT_EQ(imported.status, 2);
  EXPECT_THAT(imported.err, HasSubstr("line 2: the file cannot be read"));
  EXPECT_THAT(machine.run({"app", "list"}).out, HasSubstr("wx1")) << "what was read is kept";
}

TEST(AppImport, TellsWhatLooksDamagedWithItsLine) {
  Machine machine;
  const std::string good(32, 'a');
  const auto imported =
      machine.run({"app", "import", "-"}, line_of("wx0123456789abcdef", good) +
                                              line_of("wx0123456789abcde0", R"(\"canary\")"));
  EXPECT_EQ(imported.status, 0) << imported.err;
  EXPECT_EQ(imported.out, "2 added, 0 replaced\n");
  EXPECT_THAT(imported.err,
              AllOf(HasSubstr("line 2: secret: it looks damaged: "), Not(HasSubstr("line 1"))));
}

TEST(AppImport, AnAppWasAddedWithoutItsSecret) {
  Machine machine;
  const auto imported = machine.run({"app", "import", "-"}, R"({"id":"wx1"})");
  EXPECT_EQ(imported.status, 2);
  EXPECT_THAT(imported.err, HasSubstr("line 1: app wx1 needs its secret"));
  EXPECT_THAT(machine.run({"app", "list"}).out, IsEmpty());

  machine.add_app("wx1");
  EXPECT_EQ(machine.run({"app", "import", "-"}, R"({"id":"wx1","endpoint":"classic"})").out,
            "0 added, 1 replaced\n")
      << "it keeps the one that it has";
  EXPECT_EQ(machine.run({"get", "wx1"}).status, 0);
}

TEST(AppAdd, AnotherCredentialWasEnoughForANewApp) {
  Machine machine;
  machine.files["/run/key"] = std::string(43, 'k');
  const auto added = machine.run({"app", "add", "wx1", "--credential", "aes_key=file:/run/key"});
  EXPECT_EQ(added.status, 2) << added.out;
  EXPECT_THAT(machine.run({"app", "list"}).out, IsEmpty());
}

TEST(Doctor, TellsWhatLooksDamagedInAnAppOfTheStore) {
  Machine machine;
  ASSERT_EQ(
      machine.run({"app", "add", "wx0123456789abcdef", "--secret-stdin"}, "\"canary\"").status, 0);
  for (const auto& doctor :
       {std::vector<std::string>{"doctor"}, {"doctor", "wx0123456789abcdef"}}) {
    EXPECT_THAT(machine.run(doctor).out,
                AllOf(HasSubstr("wx0123456789abcdef  secret: it looks damaged: "),
                      HasSubstr("quotation marks")));
  }
  machine.platform->refuse();
  EXPECT_THAT(machine.run({"doctor"}).out, HasSubstr("it looks damaged: "))
      << "no platform is needed for that";
}

}  // namespace
}  // namespace hufu::cli
