#include "server/etag.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hufu::server {
namespace {

std::string etag(const keeper::Seen& token) {
  std::string text;
  append_etag(text, token);
  return text;
}

const keeper::Seen kToken{3, Fingerprint{0x0a1b2c3d}};

TEST(ETag, IsAnotherOneForEachToken) {
  EXPECT_EQ(etag(kToken), R"("3-0a1b2c3d")");
  EXPECT_NE(etag({4, kToken.fingerprint}), etag(kToken));
  EXPECT_NE(etag({3, Fingerprint{1}}), etag(kToken));
}

TEST(IfNoneMatch, NamesATokenByItsETag) {
  for (const char* list : {R"("3-0a1b2c3d")", R"(W/"3-0a1b2c3d")", R"("1-00000000", "3-0a1b2c3d")",
                           R"("other", "3-0A1B2C3D" )"}) {
    EXPECT_TRUE(names(list, kToken)) << list;
  }
  for (const char* list :
       {"", "*", "3-0a1b2c3d", R"("3")", R"("3-")", R"("-0a1b2c3d")", R"("3-0a1b2c3")",
        R"("3-0a1b2c3dd")", R"("3x-0a1b2c3d")", R"("+3-0a1b2c3d")", R"("-3-0a1b2c3d")",
        R"("2-0a1b2c3d")", R"("3-0a1b2c3e")", R"("3-0a1b2c3d)", R"("")",
        R"("99999999999999999999999-0a1b2c3d")"}) {
    EXPECT_FALSE(names(list, kToken)) << list;
  }
}

TEST(IfNoneMatch, NamesTheLatestTokenOfItsList) {
  EXPECT_EQ(latest_of(R"("2-00000001", "3-0a1b2c3d", "1-00000002")"), kToken);
  EXPECT_EQ(latest_of(R"("x", W/"3-0a1b2c3d")"), kToken);
  EXPECT_FALSE(latest_of(""));
  EXPECT_FALSE(latest_of(R"("3", *)"));
}

}  // namespace
}  // namespace hufu::server
