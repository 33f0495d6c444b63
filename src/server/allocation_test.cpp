// Counts what the hot path takes from the heap: nothing. In a file of its own, because it replaces
// operator new for the whole test program.
#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <cstdlib>
#include <new>
#include <string>

#include "server/route_fixture_testing.hpp"

namespace {
thread_local std::size_t allocations = 0;

void* counted(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

// OpenSSL allocates by itself, and must be told before it does so for the first time.
const int kCountsOpenSsl = CRYPTO_set_mem_functions(
    [](std::size_t size, const char*, int) {
      ++allocations;
      return std::malloc(size);
    },
    [](void* memory, std::size_t size, const char*, int) {
      ++allocations;
      return std::realloc(memory, size);
    },
    [](void* memory, const char*, int) { std::free(memory); });
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace hufu::server {
namespace {

using testing::Answered;
using testing::FakeExchange;
using testing::FakeRequest;
using testing::RouteFixture;

class HotPath : public ::testing::Test {
 protected:
  HotPath() {
    fixture.keeper.add("wx0123456789abcdef", std::string(160, 't')).secret = "real secret";
    key = fixture.key({.read = true}, {"wx0123456789abcdef", "wx-other"});
  }

  /// Allocations of the second time that a request is handled: the first warms the buffers.
  std::size_t allocations_of(std::string_view target, int status) {
    FakeRequest request;
    std::size_t in_doubt_call = target.find('?');
    request.method = "GET";
    request.path = target.substr(0, in_doubt_call);
    if (in_doubt_call != std::string_view::npos) request.query = target.substr(in_doubt_call + 1);
    request.peer = "192.0.2.1";
    request.headers = headers;
    auto answered = std::make_shared<Answered>();
    FakeExchange exchange(answered);
    fixture.routes.handle(request, exchange);
    std::size_t before = allocations;
    fixture.routes.handle(request, exchange);
    std::size_t taken = allocations - before;
    EXPECT_EQ(answered->times, 2);
    EXPECT_EQ(answered->status, status) << answered->body;
    EXPECT_FALSE(answered->later);
    return taken;
  }

  RouteFixture fixture;
  std::string key;
  std::vector<std::pair<std::string, std::string>> headers;
};

TEST_F(HotPath, TakesNothingFromTheHeapToAnswerAsThePlatform) {
  std::string query =
      "/cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef&secret=";
  EXPECT_EQ(allocations_of(query + key, 200), 0U);
  EXPECT_EQ(allocations_of(query + "real+secret", 200), 0U);
  EXPECT_EQ(allocations_of("//cgi-bin/token?secret=" + key +
                               "&grant_type=client_credential&appid=wx%30123456789abcdef",
                           200),
            0U);
}

TEST_F(HotPath, TakesNothingFromTheHeapToAnswerUnderV1) {
  headers = {{"Host", "hufu"}, {"Authorization", "Bearer " + key}};
  EXPECT_EQ(allocations_of("/v1/apps/wx0123456789abcdef/token", 200), 0U);
  EXPECT_EQ(allocations_of("/v1/apps/wx0123456789abcdef/token?kind=access_token&min_ttl=60", 200),
            0U);
  headers.emplace_back("If-None-Match", "\"1\"");
  EXPECT_EQ(allocations_of("/v1/apps/wx0123456789abcdef/token", 304), 0U);
}

TEST_F(HotPath, IsCountedByATestThatCanFail) {
  EXPECT_EQ(kCountsOpenSsl, 1);
  headers = {{"Authorization", "Bearer wrong"}};
  EXPECT_GT(allocations_of("/v1/apps/wx0123456789abcdef/token", 401), 0U);
}

}  // namespace
}  // namespace hufu::server
