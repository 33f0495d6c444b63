#include "platform/usual_form.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hufu::platform {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// 32 digits and lower-case letters a to f, as WeChat writes an app secret.
const UsualForm kHex{{}, 32, 32, UsualForm::Characters::lower_hex};
const std::string kGood = "0123456789abcdef0123456789abcdef";

std::string damage(std::string_view text, const UsualForm& usual = kHex) {
  auto found = find_damage(text, usual);
  if (!found) return "none";
  EXPECT_NE(found->next_step, "");
  EXPECT_THAT(found->message + found->next_step, Not(HasSubstr("canary")));
  return found->message;
}

TEST(FindDamage, FindsNoneInTheUsualForm) {
  EXPECT_EQ(damage(kGood), "none");
  EXPECT_EQ(damage("wx0123456789abcdef", {"wx", 16, 16, UsualForm::Characters::lower_hex}), "none");
  EXPECT_EQ(damage("Any/thing+at~all==", {}), "none");
}

TEST(FindDamage, FindsQuotationMarks) {
  for (const std::string& text : {"\"" + kGood + "\"", "'" + kGood + "'", "“" + kGood + "”",
                                  kGood + "\"", std::string("`canary")}) {
    EXPECT_THAT(damage(text), HasSubstr("quotation marks")) << text;
    EXPECT_THAT(damage(text, {}), HasSubstr("quotation marks")) << text;
  }
}

TEST(FindDamage, FindsTheNameOfAVariable) {
  for (const std::string& text :
       {"APPSECRET=" + kGood, "WECHAT_APPSECRET=canary" + kGood, "secret=" + kGood,
        "appSecret=" + kGood, std::string("AES_KEY=canary")}) {
    EXPECT_THAT(damage(text), HasSubstr("a name and an equals sign")) << text;
    EXPECT_THAT(damage(text, {}), HasSubstr("a name and an equals sign")) << text;
  }
}

TEST(FindDamage, TakesAnEqualsSignInsideForPartOfASecret) {
  for (const char* text : {"dGVzdA==", "QUJD=", "a=b", "x/y=z", "=", "1A=b"}) {
    EXPECT_EQ(damage(text, {}), "none") << text;
  }
}

TEST(FindDamage, FindsWhatIsNoAscii) {
  for (const char* text : {"canary\xef\xbb\xbf", "ｃａｎａｒｙ", "can\u00a0ary", "can\u200bary"}) {
    EXPECT_THAT(damage(text, {}), HasSubstr("not plain ASCII")) << text;
  }
}

TEST(FindDamage, FindsAnotherLengthThanUsual) {
  EXPECT_EQ(damage(kGood.substr(1)), "it has 31 characters, where others of the platform have 32");
  EXPECT_THAT(damage(kGood + "0"), HasSubstr("33 characters"));
  EXPECT_THAT(damage("ab", {{}, 3, 32}), HasSubstr("have 3 to 32"));
  EXPECT_THAT(damage("wx1", {"wx", 16, 16}), HasSubstr("it has 3 characters"));
}

TEST(FindDamage, FindsOtherCharactersThanUsual) {
  EXPECT_THAT(damage("0123456789ABCDEF0123456789ABCDEF"), HasSubstr("upper-case letters"));
  EXPECT_THAT(damage("g123456789abcdef0123456789abcdef"), HasSubstr("other characters than usual"));
  EXPECT_THAT(damage("wy0123456789abcdef", {"wx", 16, 16}), HasSubstr("begin with \"wx\""));
}

}  // namespace
}  // namespace hufu::platform
