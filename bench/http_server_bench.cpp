// The server alone, with an answer of the size of a token: what `bench/http_bench.py` measures.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "net/http_server.hpp"

namespace {

class Fixed final : public hufu::net::Handler {
 public:
  void handle(const hufu::net::Request&, hufu::net::Exchange& exchange) override {
    exchange.reply({.body = body_});
  }

 private:
  const std::string body_ =
      R"({"access_token":")" + std::string(190, 'x') + R"(","expires_in":7200})";
};

}  // namespace

int main(int count, char** arguments) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  hufu::net::HttpServer::Options options;
  if (count > 1) options.listen = arguments[1];
  options.threads = count > 2 ? std::atoi(arguments[2]) : 1;
  Fixed handler;
  auto server = hufu::net::HttpServer::start(options, handler);
  if (!server) {
    std::fprintf(stderr, "%s\n%s\n", server.error().message.c_str(),
                 server.error().next_step.c_str());
    return 1;
  }
  std::printf("%s\n", (*server)->address().c_str());
  std::fflush(stdout);
  int received = 0;
  sigwait(&ends, &received);
  (*server)->stop(std::chrono::seconds(5));
}
