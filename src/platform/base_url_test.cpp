#include "platform/base_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hufu::platform {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(BaseUrl, IsHttpsOrPlainHttpToLoopback) {
  for (const char* good :
       {"https://api.weixin.qq.com", "https://10.0.0.1:8443", "HTTPS://host",
        "http://127.0.0.1:7201", "http://127.8.8.8", "http://localhost:1", "http://[::1]:7201"}) {
    auto result = checked_base_url("wechat", {good, false});
    ASSERT_TRUE(result.has_value()) << good;
    EXPECT_EQ(*result, good);
  }
}

TEST(BaseUrl, LosesItsTrailingSlashes) {
  EXPECT_EQ(checked_base_url("wechat", {"https://host/", false}).value(), "https://host");
  EXPECT_EQ(checked_base_url("wechat", {"https://host/wx//", false}).value(), "https://host/wx");
}

TEST(BaseUrl, IsPlainHttpElsewhereOnlyWhenAllowed) {
  for (const char* plain : {"http://api.weixin.qq.com", "http://10.0.0.1", "http://[fe80::1]",
                            "http://localhost.example.com", "http://127.0.0.1.example.com"}) {
    auto refused = checked_base_url("wechat", {plain, false});
    ASSERT_FALSE(refused.has_value()) << plain;
    EXPECT_EQ(refused.error().fault, Fault::config);
    EXPECT_THAT(refused.error().message, HasSubstr("platform.wechat.base_url is plain http://"));
    EXPECT_THAT(refused.error().next_step, HasSubstr("allow_http"));
    EXPECT_TRUE(checked_base_url("wechat", {plain, true}).has_value());
  }
}

TEST(BaseUrl, IsNothingElse) {
  for (const char* bad :
       {"", "api.weixin.qq.com", "ftp://host", "https://", "https:///path", "https://host:99999",
        "https://host:0", "https://ho st", "https://127.0.0.1%00", " https://host",
        "https://host\r\n", "https://user:canary@host", "https://host/?canary",
        "https://host/#canary"}) {
    auto result = checked_base_url("wechat", {bad, true});
    ASSERT_FALSE(result.has_value()) << bad;
    EXPECT_EQ(result.error().fault, Fault::config);
    EXPECT_THAT(result.error().message, Not(HasSubstr("canary")));
    EXPECT_NE(result.error().next_step, "");
  }
}

}  // namespace
}  // namespace hufu::platform
