#include "store/redis/redis_store.hpp"

#include <gmock/gmock.h>

#include <cstdio>
#include <future>
#include <thread>

#include "core/process.hpp"
#include "store/conformance/conformance.hpp"
#include "store/conformance/store_testing.hpp"
#include "store/record_text.hpp"
#include "testing/certificates.hpp"
#include "testing/redis_server.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace conformance;
using namespace std::chrono_literals;
using hufu::testing::Certificate;
using hufu::testing::RedisServer;
using net::RedisConnection;
using net::RedisReply;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// One server for all tests that do it no harm.
RedisServer& server() {
  static RedisServer shared;
  return shared;
}

RedisOptions options_for(const std::string& uri, std::string_view password = "") {
  return must_value(RedisOptions::from_uri(uri, Secret(password)));
}

/// As an operator would ask, past the store.
class Operator {
 public:
  explicit Operator(const std::string& uri)
      : connection_(must_value(RedisConnection::connect(options_for(uri).uri))) {}

  RedisReply ask(std::initializer_list<std::string_view> words) {
    return must(connection_->command(words));
  }
  /// Moves the ends of all leases back by `span`, which is as if time had passed.
  void age_leases(Milliseconds span) {
    ask({"EVAL",
         "for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
         "redis.call('ZINCRBY', KEYS[1], -ARGV[1], member) "
         "redis.call('HINCRBY', '{hufu}:token:' .. member, 'lease_until', -ARGV[1]) end",
         "1", "{hufu}:leases", std::to_string(span.count())});
  }

 private:
  std::unique_ptr<RedisConnection> connection_;
};

class RedisHarness final : public Harness {
 public:
  explicit RedisHarness(std::size_t change_log) : operator_(server().uri()) {
    operator_.ask({"FLUSHALL"});
    options_.change_log = change_log;
    options_.bell = std::make_shared<RedisBell>();
    options_.pool.connections = 4;
  }
  Handle open() override {
    auto store = must(RedisStore::open(clone(), system_clock()));
    return {store, store, store, store};
  }
  void let_pass(Milliseconds span) override { operator_.age_leases(span); }
  /// The suite takes what it asked for twice for one moment; the server's clock goes on meanwhile.
  [[nodiscard]] WallTime now() const override { return started_; }
  [[nodiscard]] Milliseconds clock_slop() const override { return 1min; }

 private:
  [[nodiscard]] RedisOptions clone() const {
    RedisOptions options = options_for(server().uri());
    options.change_log = options_.change_log;
    options.bell = options_.bell;
    options.pool = options_.pool;
    return options;
  }

  const WallTime started_ = system_clock().wall();
  Operator operator_;
  RedisOptions options_;
};

Case redis(std::string name, std::size_t change_log) {
  return {std::move(name), [=] { return std::make_unique<RedisHarness>(change_log); }};
}
const auto kStores =
    ::testing::Values(redis("redis", 100'000), redis("redis_that_forgets_soon", 16));
INSTANTIATE_TEST_SUITE_P(Redis, LeaseConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Redis, FeedConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Redis, RegistryConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Redis, LedgerConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Redis, ClusterConformance, kStores, name_of_case);

}  // namespace
}  // namespace hufu::store

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (hufu::testing::RedisServer::program().empty()) {
    std::puts("not run: Redis: no server on this machine");
    return 0;
  }
  return RUN_ALL_TESTS();
}
