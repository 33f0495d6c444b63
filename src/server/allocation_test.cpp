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
    fixture.keeper.at("wx0123456789abcdef").info.parent = "wx-parent";
    fixture.keeper.put_token("wx0123456789abcdef", "jsapi_ticket", std::string(86, 'j'));
    key =
        fixture.key({.read = true}, {"wx0123456789abcdef", "wx-other"}, std::chrono::seconds(300));
  }

  /// Allocations of the second time that a request is handled: the first warms the buffers.
  std::size_t allocations_of(std::string_view target, int status) {
    FakeRequest request;
    std::size_t question = target.find('?');
    request.method = "GET";
    request.path = target.substr(0, question);
    if (question != std::string_view::npos) request.query = target.substr(question + 1);
    request.peer = "192.0.2.1";
    request.headers = headers;
    auto answered = std::make_shared<Answered>();
    FakeExchange exchange(answered);
    fixture.routes.handle(request, exchange);
    fixture.clock.advance(std::chrono::seconds(11));  // Not as somebody who asks again.
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

TEST_F(HotPath, TakesNothingFromTheHeapToAnswerABusyAsker) {
  FakeRequest request;
  const std::string query =
      "grant_type=client_credential&appid=wx0123456789abcdef&margin=600&secret=" + key;
  request.method = "GET";
  request.path = "/cgi-bin/token";
  request.query = query;
  request.peer = "192.0.2.1";
  auto answered = std::make_shared<Answered>();
  FakeExchange exchange(answered);
  for (int asked = 0; asked < 2; ++asked) fixture.routes.handle(request, exchange);
  EXPECT_TRUE(answered->later) << "asked again, and was taken at its word";
  answered->later = false;
  const std::size_t before = allocations;
  for (int asked = 0; asked < 10; ++asked) fixture.routes.handle(request, exchange);
  EXPECT_EQ(allocations, before);
  EXPECT_FALSE(answered->later);
}

TEST_F(HotPath, TakesNothingFromTheHeapToAnswerWithATicket) {
  const std::string token(160, 't');
  EXPECT_EQ(allocations_of("/cgi-bin/ticket/getticket?type=jsapi&access_token=" + token, 200), 0U);
  EXPECT_EQ(allocations_of(
                "/cgi-bin/ticket/getticket?access_token=" + token + "&type=jsapi&margin=60", 200),
            0U);
}

TEST_F(HotPath, TakesNothingFromTheHeapForAKeyOfTheParent) {
  headers = {{"Authorization", "Bearer " + fixture.key({.read = true}, {"wx-parent/"})}};
  EXPECT_EQ(allocations_of("/v1/apps/wx0123456789abcdef/token", 200), 0U);
}

TEST_F(HotPath, TakesNothingFromTheHeapToAnswerUnderV1) {
  headers = {{"Host", "hufu"}, {"Authorization", "Bearer " + key}};
  EXPECT_EQ(allocations_of("/v1/apps/wx0123456789abcdef/token", 200), 0U);
  EXPECT_EQ(allocations_of("/v1/apps/wx0123456789abcdef/token?kind=access_token&min_ttl=60", 200),
            0U);
  headers.emplace_back("If-None-Match", "\"1-0a1b2c3d\"");
  EXPECT_EQ(allocations_of("/v1/apps/wx0123456789abcdef/token", 304), 0U);
}

TEST_F(HotPath, IsCountedByATestThatCanFail) {
  EXPECT_EQ(kCountsOpenSsl, 1);
  headers = {{"Authorization", "Bearer wrong"}};
  EXPECT_GT(allocations_of("/v1/apps/wx0123456789abcdef/token", 401), 0U);
}

}  // namespace
}  // namespace hufu::server
