#include "server/query.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hufu::server {
namespace {

TEST(Value, IsReadWhereItStands) {
  std::string_view query = "grant_type=client_credential&appid=wx1&secret=s";
  Value appid(query, "appid");
  EXPECT_EQ(appid.text(), "wx1");
  EXPECT_EQ(appid.text().data(), query.data() + query.find("wx1"));
  EXPECT_EQ(Value(query, "grant_type").text(), "client_credential");
  EXPECT_EQ(Value(query, "secret").text(), "s");
}

TEST(Value, IsAbsentWhenOnlyPartOfItsNameWasSent) {
  for (const char* query : {"", "&", "&&", "=", "app=1", "appid", "appid=", "xappid=1", "appidx=1",
                            "APPID=1", "?", "a&appid&b"}) {
    Value value(query, "appid");
    EXPECT_FALSE(value.present()) << query;
    EXPECT_FALSE(value.broken()) << query;
  }
}

TEST(Value, IsTheFirstOfThatName) { EXPECT_EQ(Value("a=1&a=2&a=3", "a").text(), "1"); }

TEST(Value, MayHoldAnEqualsSign) { EXPECT_EQ(Value("a=b=c", "a").text(), "b=c"); }

TEST(Value, IsDecodedWhereItIsEncoded) {
  EXPECT_EQ(Value("a=%77x%31", "a").text(), "wx1");
  EXPECT_EQ(Value("a=x+y%2By", "a").text(), "x y+y");
  EXPECT_EQ(Value("a=%E8%99%8E", "a").text(), "\xe8\x99\x8e");
  EXPECT_EQ(Value::of_path("a+b%2Fc").text(), "a+b/c");
}

TEST(Value, MayHaveItsNamePercentEncoded) {
  for (const char* query :
       {"%61ppid=wx1", "app%69d=wx1", "%61%70%70%69%64=wx1", "x=1&appi%64=wx1"}) {
    EXPECT_EQ(Value(query, "appid").text(), "wx1") << query;
  }
  EXPECT_EQ(Value("a%5Fb=1", "a_b").text(), "1");
  EXPECT_EQ(Value("%61=1&a=2", "a").text(), "1");
  for (const char* query : {"%=1", "%6=1", "%61%=1", "%zz=1", "a%00=1", "%2561=1", "b%3Da=1"}) {
    EXPECT_FALSE(Value(query, "a").present()) << query;
  }
}

TEST(Value, IsBrokenWhereItCannotBeDecoded) {
  for (const char* raw : {"%", "%4", "%4g", "%g4", "ab%", "%00", "a%00b", "%ff", "%C0%80",
                          "%ED%A0%80", "%E8%99", "%F5%80%80%80", "\xff", "%-1", "%+1"}) {
    std::string query = std::string("a=") + raw;
    Value value(query, "a");
    EXPECT_TRUE(value.broken()) << raw;
    EXPECT_TRUE(value.present()) << raw;
    EXPECT_EQ(value.text(), "") << raw;
  }
}

TEST(Value, MayBeLongUnlessItIsEncoded) {
  std::string query = "a=" + std::string(15'000, 'x');
  EXPECT_EQ(Value(query, "a").text().size(), 15'000U);
  EXPECT_TRUE(Value(query + "%41", "a").broken());
}

TEST(Value, IsANumberOnlyAsDecimalDigits) {
  EXPECT_EQ(Value("a=0", "a").number(), 0);
  EXPECT_EQ(Value("a=007", "a").number(), 7);
  EXPECT_EQ(Value("a=2147483647", "a").number(), 2147483647);
  for (const char* query : {"a=", "a=-1", "a=-0", "a=+1", "a=1.5", "a=1s", "a=%201", "a=2147483648",
                            "a=99999999999999999999", "a=0x10", "b=1"}) {
    EXPECT_FALSE(Value(query, "a").number()) << query;
  }
}

TEST(Utf8, IsToldFromOtherBytes) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a\x7f"));
  EXPECT_TRUE(is_utf8("\xc2\x80 \xef\xbf\xbd \xf4\x8f\xbf\xbf"));
  EXPECT_FALSE(is_utf8("\x80"));
  EXPECT_FALSE(is_utf8("\xc2"));
  EXPECT_FALSE(is_utf8("\xe2\x82"));
  EXPECT_FALSE(is_utf8("\xf4\x90\x80\x80"));
  EXPECT_FALSE(is_utf8("\xe0\x9f\xbf"));
}

}  // namespace
}  // namespace hufu::server
