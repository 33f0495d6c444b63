#include "core/text.hpp"

#include <gtest/gtest.h>

namespace hufu {
namespace {

TEST(Quoted, ShowsWhatCannotBePrintedAndCutsWhatIsLong) {
  EXPECT_EQ(hufu::quoted("plain"), "\"plain\"");
  EXPECT_EQ(hufu::quoted("a\nb"), "\"a\\x0ab\"");
  EXPECT_EQ(hufu::quoted(std::string(61, 'x')), "\"" + std::string(60, 'x') + "…\"");
}

TEST(Nearest, FindsASlipOfTheFingerAndNothingFarther) {
  EXPECT_EQ(nearest("stauts", {"status", "serve"}), "status");
  EXPECT_EQ(nearest("sim", {"serve", "sim"}), "sim");
  EXPECT_EQ(nearest("gt", {"get", "key"}), "get");
  EXPECT_EQ(nearest("banana", {"get", "key"}), "");
  EXPECT_EQ(nearest(std::string(10'000, 'x'), {"get"}), "");
  EXPECT_EQ(nearest("", {"get"}), "");
}

TEST(Suggestion, NamesTheNearestOrAll) {
  EXPECT_EQ(suggestion("stabel", {"stable", "classic"}), "Did you mean \"stable\"?");
  EXPECT_EQ(suggestion("x", {"stable", "classic"}), "Known are: stable, classic");
}

}  // namespace
}  // namespace hufu
