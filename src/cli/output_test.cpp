#include "cli/output.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <sstream>

#include "cli/progress.hpp"

namespace hufu::cli {
namespace {

using namespace std::chrono_literals;

TEST(Printable, KeepsTextAndDropsWhatSteersATerminal) {
  EXPECT_EQ(printable("plain 虎符 é"), "plain 虎符 é");
  EXPECT_EQ(printable("a\nb\tc\rd\x1b[2J\x7f"), "a b c?d?[2J?");
  EXPECT_EQ(printable("a\xc2\x9b"
                      "2J"),
            "a?2J");
  EXPECT_EQ(printable("\xc2"), "\xc2");
}

TEST(Width, CountsColumnsNotBytes) {
  EXPECT_EQ(width(""), 0U);
  EXPECT_EQ(width("abc"), 3U);
  EXPECT_EQ(width("虎符"), 4U);
  EXPECT_EQ(width("é"), 1U);
  EXPECT_EQ(width("a虎b"), 4U);
}

TEST(InWords, NamesTheTwoLargestUnits) {
  using namespace std::chrono_literals;
  const std::pair<Milliseconds, const char*> expected[] = {
      {-5s, "0 s"},
      {999ms, "0 s"},
      {59s, "59 s"},
      {60s, "1 min 0 s"},
      {3min + 12s, "3 min 12 s"},
      {2h - 1s, "1 h 59 min"},
      {49h, "2 d 1 h"},
  };
  for (auto [span, words] : expected) EXPECT_EQ(in_words(span), words);
}

TEST(Table, AlignsItsColumnsAndLeavesNoSpaceAtTheEnd) {
  Table table({"APP", "NAME", "STATE"});
  table.add({"wx1", "虎符", "fresh"});
  table.add({"wx22", "demo", ""});
  std::ostringstream out;
  table.print(out, Paint(false));
  EXPECT_EQ(out.str(),
            "APP   NAME  STATE\n"
            "wx1   虎符  fresh\n"
            "wx22  demo\n");
}

TEST(Table, PrintsNothingWithoutRows) {
  std::ostringstream out;
  Table({"APP"}).print(out, Paint(true));
  EXPECT_EQ(out.str(), "");
}

TEST(Table, CannotBeBrokenByACell) {
  Table table({"A", "B"});
  table.add({"x\ny", "\x1b[31m"});
  std::ostringstream out;
  table.print(out, Paint(false));
  EXPECT_EQ(out.str(), "A    B\nx y  ?[31m\n");
}

TEST(Paint, ColoursOnlyWhereItIsOn) {
  EXPECT_EQ(Paint(true).red("x"), "\x1b[31mx\x1b[0m");
  EXPECT_EQ(Paint(false).red("x"), "x");
}

/// A stream that tells when something was flushed to it.
class Flagged : public std::stringbuf {
 public:
  std::promise<void> flushed;

 private:
  int sync() override {
    if (!told_) flushed.set_value();
    told_ = true;
    return 0;
  }
  bool told_ = false;
};

TEST(Progress, ShowsALineAfterAWhileAndTakesItAway) {
  Flagged buffer;
  std::ostream out(&buffer);
  {
    Progress progress(out, true, "asking the platform", 0ms);
    buffer.flushed.get_future().wait();
  }
  EXPECT_EQ(buffer.str(), "asking the platform …\r\x1b[K");
}

TEST(Progress, ShowsNothingForWhatIsQuick) {
  std::ostringstream out;
  { Progress progress(out, true, "asking", 1h); }
  EXPECT_EQ(out.str(), "");
}

TEST(Progress, ShowsNothingWhereNobodyLooks) {
  std::ostringstream out;
  { Progress progress(out, false, "asking", 0ms); }
  EXPECT_EQ(out.str(), "");
}

}  // namespace
}  // namespace hufu::cli
