#include "net/listen_address.hpp"

#include <gtest/gtest.h>

namespace hufu::net {
namespace {

TEST(ListenAddress, IsAHostAndAPort) {
  for (auto [text, host, port] : {std::tuple{"127.0.0.1:7200", "127.0.0.1", 7200},
                                  {"localhost:0", "localhost", 0},
                                  {"[::1]:65535", "::1", 65535},
                                  {"[::]:80", "::", 80},
                                  {"my-host.example:80", "my-host.example", 80}}) {
    auto address = ListenAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->host, host);
    EXPECT_EQ(address->port, port);
    EXPECT_EQ(address->text(), text);
  }
}

TEST(ListenAddress, IsRefusedWithAWayOut) {
  for (auto text : {"", "127.0.0.1", ":7200", "localhost:", "localhost:http", "localhost:65536",
                    "localhost:-1", "::1:7200", "[::1]", "[::1", "[localhost]:1", "[]:1",
                    "http://localhost:1", "a b:1", "localhost:1 "}) {
    auto address = ListenAddress::parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().fault, Fault::config) << text;
    EXPECT_NE(address.error().next_step, "") << text;
  }
}

}  // namespace
}  // namespace hufu::net
