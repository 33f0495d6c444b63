#include "net/http_server.hpp"

#include <gtest/gtest.h>

namespace hufu::net {
namespace {

class Silent final : public Handler {
  void handle(const Request&, Exchange& exchange) override { exchange.reply({}); }
};

TEST(HttpServer, SaysWhichPortIsTaken) {
  Silent handler;
  auto first = HttpServer::start({}, handler);
  ASSERT_TRUE(first);
  HttpServer::Options options;
  options.listen = (*first)->address();
  auto second = HttpServer::start(options, handler);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().fault, Fault::config);
  EXPECT_NE(second.error().message.find("is taken"), std::string::npos);
  EXPECT_NE(second.error().next_step, "");
}

}  // namespace
}  // namespace hufu::net
