// Proves that a warm connection answers without touching the heap. This file replaces the process's
// operator new to count, so it holds for the server, Asio and Beast alike.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>

#include "net/http_server.hpp"
#include "testing/raw_client.hpp"

namespace {

std::atomic<long> allocations{0};

void* count_and_allocate(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}

// Out of line, so that the compiler does not judge the pair by its inlined halves.
[[gnu::noinline]] void give_back(void* memory) noexcept { std::free(memory); }

}  // namespace

void* operator new(std::size_t size) { return count_and_allocate(size); }
void* operator new[](std::size_t size) { return count_and_allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { give_back(memory); }
void operator delete[](void* memory) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { give_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { give_back(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { give_back(memory); }

namespace hufu::net {
namespace {

class Token final : public Handler {
  void handle(const Request& request, Exchange& exchange) override {
    bool bearer = request.header("authorization").starts_with("Bearer ");
    exchange.reply({.status = bearer ? 200 : 401,
                    .headers = "ETag: \"3\"\r\n",
                    .body = R"({"access_token":"0123456789","expires_in":7200})"});
  }
};

/// Sends `request` and reads `size` bytes of answer, without a byte of heap on this side either.
bool exchange_on(int descriptor, std::string_view request, std::size_t size) {
  std::array<char, 4096> memory{};
  if (::send(descriptor, request.data(), request.size(), MSG_NOSIGNAL) < 0) return false;
  return ::recv(descriptor, memory.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

TEST(Allocations, AreNoneForARequestOnAWarmConnection) {
  Token handler;
  auto server = HttpServer::start({}, handler);
  ASSERT_TRUE(server);
  hufu::testing::RawClient get((*server)->address());
  hufu::testing::RawClient post((*server)->address());
  const std::string get_request =
      "GET /v1/apps/wx0/token?kind=access_token HTTP/1.1\r\nHost: hufu:7200\r\n"
      "User-Agent: test\r\nAccept: */*\r\nAuthorization: Bearer none\r\n\r\n";
  const std::string post_request =
      "POST /cgi-bin/stable_token HTTP/1.1\r\nHost: hufu:7200\r\nTransfer-Encoding: chunked\r\n"
      "\r\n5\r\nhello\r\n0\r\n\r\n" +
      get_request;
  get.send(get_request);
  auto get_size = get.read_answer().size();
  post.send(post_request);
  auto post_size = post.read_answer().size() + post.read_answer().size();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(exchange_on(get.descriptor(), get_request, get_size));
    ASSERT_TRUE(exchange_on(post.descriptor(), post_request, post_size));
  }

  // The first tick of each worker's clock makes its memory. It falls into a round or two on a slow
  // machine; what a request allocates would show in every round.
  long fewest = std::numeric_limits<long>::max();
  for (int round = 0; round < 10; ++round) {
    const long before = allocations;
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(exchange_on(get.descriptor(), get_request, get_size));
      ASSERT_TRUE(exchange_on(post.descriptor(), post_request, post_size));
    }
    fewest = std::min(fewest, allocations - before);
  }
  EXPECT_EQ(fewest, 0);
  EXPECT_EQ((*server)->stats().requests, 3U * 1011);
}

}  // namespace
}  // namespace hufu::net
