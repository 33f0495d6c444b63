#include "core/text.hpp"

#include <gtest/gtest.h>

namespace hufu {
namespace {

TEST(Quoted, ShowsWhatCannotBePrintedAndCutsWhatIsLong) {
  EXPECT_EQ(hufu::quoted("plain"), "\"plain\"");
  EXPECT_EQ(hufu::quoted("a\nb"), "\"a\\x0ab\"");
  EXPECT_EQ(hufu::quoted(std::string(61, 'x')), "\"" + std::string(60, 'x') + "…\"");
}

TEST(Quoted, ACharacterThatNobodySeesWasShownAsItIs) {
  EXPECT_EQ(hufu::quoted("wx1\u200b"), "\"wx1\\u200b\"");
  EXPECT_EQ(hufu::quoted("\ufeffwx\u00a01\u3000"), "\"\\ufeffwx\\u00a01\\u3000\"");
  // NOLINTNEXTLINE(misc-misleading-bidirectional): that is what it is about
  EXPECT_EQ(hufu::quoted("\u202eoffice"), "\"\\u202eoffice\"");
  EXPECT_EQ(hufu::quoted("虎符 é 𝄞"), "\"虎符 é 𝄞\"") << "what is seen stays as it is";
  EXPECT_EQ(hufu::quoted("\xe2\x80"), "\"\xe2\x80\"") << "no character at all";
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
