#include "net/url_origin.hpp"

#include <gtest/gtest.h>

namespace hufu::net {
namespace {

TEST(OriginOf, IsSchemeHostAndPortInSmallLetters) {
  EXPECT_EQ(origin_of("HTTPS://Api.Example.com/path?a=b"), "https://api.example.com");
  EXPECT_EQ(origin_of("http://127.0.0.1:7200?a"), "http://127.0.0.1:7200");
  EXPECT_EQ(origin_of("http://[::1]:80"), "http://[::1]:80");
}

TEST(OriginOf, HoldsNoUserPasswordPathOrQuery) {
  EXPECT_EQ(origin_of("https://user:not-a-secret@host:1/not-a-secret?not-a-secret#x"),
            "https://host:1");
  EXPECT_EQ(origin_of("https://host\\not-a-secret"), "https://host");
}

TEST(OriginOf, IsEmptyForWhatIsNoUrl) {
  EXPECT_EQ(origin_of(""), "");
  EXPECT_EQ(origin_of("host/path"), "");
}

TEST(HostOf, LeavesThePortOut) {
  EXPECT_EQ(host_of("https://api.example.com/x"), "api.example.com");
  EXPECT_EQ(host_of("https://api.example.com:8443/x"), "api.example.com");
  EXPECT_EQ(host_of("http://[::1]:80/"), "[::1]");
  EXPECT_EQ(host_of("http://[::1]/"), "[::1]");
  EXPECT_EQ(host_of("nothing"), "");
}

}  // namespace
}  // namespace hufu::net
