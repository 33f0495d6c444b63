// The cheapest platform there can be, so that a benchmark measures Hufu and not the simulator:
// hufu_bench_platform LISTEN TOKEN_BYTES. Answers whatever it is asked with a new token, and as
// WeChat does to who asks with one that lives. Prints its address, and ends on SIGTERM.
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "net/http_server.hpp"

namespace {

class Platform final : public hufu::net::Handler {
 public:
  explicit Platform(std::size_t token_bytes)
      : token_(token_bytes, 'n'), tail_(R"(","expires_in":7200,"ip_list":["127.0.0.1"]})") {}

  void handle(const hufu::net::Request&, hufu::net::Exchange& exchange) override {
    thread_local std::string body;
    body = R"({"access_token":")";
    const std::size_t start = body.size();
    body += token_;
    body += tail_;
    // A number in front makes every token a new one.
    std::uint64_t number = ++issued_;
    for (std::size_t i = 0; i < 16; ++i, number >>= 4)
      body[start + i] = "0123456789abcdef"[number & 0xf];
    exchange.reply({.body = body});
  }

 private:
  const std::string token_;
  const std::string tail_;
  std::atomic<std::uint64_t> issued_{0};
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3 || std::atoi(arguments[2]) < 16) {
    std::fprintf(stderr, "hufu_bench_platform LISTEN TOKEN_BYTES (at least 16)\n");
    return 2;
  }
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  hufu::net::HttpServer::Options options;
  options.listen = arguments[1];
  Platform platform(static_cast<std::size_t>(std::atoi(arguments[2])));
  auto server = hufu::net::HttpServer::start(options, platform);
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 1;
  }
  std::printf("%s\n", (*server)->address().c_str());
  std::fflush(stdout);
  int received = 0;
  sigwait(&ends, &received);
  (*server)->stop(std::chrono::seconds(1));
}
