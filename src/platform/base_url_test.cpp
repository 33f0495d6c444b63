#include "platform/base_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hufu::platform {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(BaseUrl, LosesTheSlashesAtItsEnd) {
  EXPECT_EQ(check_base_url("https://api.weixin.qq.com"), "https://api.weixin.qq.com");
  EXPECT_EQ(check_base_url("https://api.weixin.qq.com/"), "https://api.weixin.qq.com");
  EXPECT_EQ(check_base_url("https://host/wx//"), "https://host/wx");
  EXPECT_EQ(check_base_url("http://[::1]:8080/sim/"), "http://[::1]:8080/sim");
}

TEST(BaseUrl, IsRefusedWithoutBeingRepeated) {
  for (const char* text :
       {"", "api.weixin.qq.com", "ftp://canary", "https://", "https:///canary",
        "https://u:canary@h", "https://canary@h", "https://h/?canary", "https://h/#canary",
        "https://h:99999", "https://h:0", "https://a b", "HTTPS//canary", "//canary",
        "https://127.0.0.1%00", " https://h", "https://h\r\n", "https://h/{canary}"}) {
    auto result = check_base_url(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().fault, Fault::config);
    EXPECT_THAT(result.error().message, Not(HasSubstr("canary")));
    EXPECT_NE(result.error().next_step, "");
  }
}

TEST(BaseUrl, LeavesThisMachineInTheClearWhereItIsPlainHttpToAnother) {
  for (const char* url :
       {"https://10.0.0.1", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:1",
        "http://localhost:1", "http://LOCALHOST:1", "http://0x7f.1"}) {
    EXPECT_FALSE(leaves_in_the_clear(url)) << url;
  }
  for (const char* url : {"http://10.0.0.1", "http://sim:1", "http://[::2]:1", "http://[fe80::1]",
                          "http://127.0.0.1.example.org", "http://localhost.example.org"}) {
    EXPECT_TRUE(leaves_in_the_clear(url)) << url;
  }
}

TEST(Proxy, IsAHostAndAPortPerhapsWithAUser) {
  EXPECT_EQ(check_proxy("http://10.0.0.9:3128"), "http://10.0.0.9:3128");
  EXPECT_EQ(check_proxy("http://user:not-a-secret@proxy:3128/"),
            "http://user:not-a-secret@proxy:3128/");
  for (const char* text :
       {"10.0.0.9:3128", "https://canary:3128", "socks5://canary", "http://", "http://h/canary",
        "http://h?canary", "http://h:0", "http://u canary@h"}) {
    auto result = check_proxy(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().fault, Fault::config);
    EXPECT_THAT(result.error().message, Not(HasSubstr("canary")));
    EXPECT_THAT(result.error().next_step, HasSubstr("http://10.0.0.9:3128"));
  }
}

PlatformDescription acme() {
  PlatformDescription platform;
  platform.name = "acme";
  platform.base_url = "https://api.acme.example";
  return platform;
}

TEST(PlatformAddress, IsTheDescriptionsWhereTheConfigurationSaysNothing) {
  auto address = address_of(acme(), {}).value();
  EXPECT_THAT(address.base_urls, ElementsAre("https://api.acme.example"));
  EXPECT_EQ(address.proxy, "");
}

TEST(PlatformAddress, IsWhatTheConfigurationSays) {
  PlatformConfig config;
  config.base_url = "https://one/";
  config.fallback = {"https://two/", "http://127.0.0.1:3"};
  config.proxy = "http://10.0.0.9:3128";
  auto address = address_of(acme(), config).value();
  EXPECT_THAT(address.base_urls, ElementsAre("https://one", "https://two", "http://127.0.0.1:3"));
  EXPECT_EQ(address.proxy, "http://10.0.0.9:3128");
}

TEST(PlatformAddress, IsPlainHttpToAnotherMachineOnlyWhereThatIsAllowed) {
  PlatformConfig config;
  config.base_url = "http://10.0.0.1";
  auto refused = address_of(acme(), config);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::config);
  EXPECT_THAT(refused.error().message, HasSubstr("platform.acme.base_url: plain http://"));
  EXPECT_THAT(refused.error().next_step, HasSubstr("allow_http = true below [platform.acme]"));
  config.base_url.clear();
  config.fallback = {"http://10.0.0.2"};
  EXPECT_THAT(address_of(acme(), config).error().message, HasSubstr("platform.acme.fallback: "));
  config.allow_http = true;
  EXPECT_TRUE(address_of(acme(), config));
}

TEST(PlatformAddress, NamesTheKeyOfAUrlThatIsNone) {
  PlatformConfig config;
  config.proxy = "nowhere";
  EXPECT_THAT(address_of(acme(), config).error().message, HasSubstr("platform.acme.proxy: "));
  EXPECT_THAT(address_of(PlatformDescription{.name = "mine"}, {}).error().message,
              HasSubstr("platform.mine.base_url: "));
}

}  // namespace
}  // namespace hufu::platform
