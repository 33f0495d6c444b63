#include "store/postgresql/postgresql_store.hpp"

#include <gmock/gmock.h>

#include <iostream>

#include "store/conformance/conformance.hpp"
#include "store/conformance/store_testing.hpp"
#include "store/postgresql/postgresql_testing.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace conformance;
using namespace std::chrono_literals;

/// The server of this program; `main` starts it.
PostgresqlServer* server = nullptr;
Pooler* pooler = nullptr;

PostgresqlOptions options_for(const std::string& uri, std::size_t change_log = 100'000) {
  PostgresqlOptions options;
  options.uri = Secret(std::string_view(uri));
  options.pool.connections = 4;
  options.change_log = change_log;
  return options;
}

class PostgresqlHarness final : public Harness {
 public:
  PostgresqlHarness(bool pooled, std::size_t change_log)
      : database_(server->new_database()),
        uri_(pooled ? pooler->uri(database_) : server->uri(database_)),
        change_log_(change_log) {}

  Handle open() override {
    auto store = must(PostgresqlStore::open(options_for(uri_, change_log_), system_clock()));
    return {store, store, store, store};
  }
  void let_pass(Milliseconds span) override {
    PostgresqlOutsider outsider(server->uri(database_));
    EXPECT_TRUE(outsider.run("UPDATE hufu_tokens SET lease_until = lease_until - " +
                             std::to_string(span.count())));
  }
  /// The moment at which the test began, so that two looks within it see the same one.
  [[nodiscard]] WallTime now() const override { return began_; }
  [[nodiscard]] Milliseconds clock_slop() const override { return 1min; }

 private:
  const WallTime began_ = system_clock().wall();
  const std::string database_;
  const std::string uri_;
  const std::size_t change_log_;
};

Case postgresql(std::string name, bool pooled, std::size_t change_log) {
  return {std::move(name), [=] { return std::make_unique<PostgresqlHarness>(pooled, change_log); }};
}
const auto kStores = ::testing::Values(postgresql("postgresql", false, 100'000),
                                       postgresql("through_a_pooler", true, 16));
INSTANTIATE_TEST_SUITE_P(Postgresql, LeaseConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Postgresql, FeedConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Postgresql, RegistryConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Postgresql, LedgerConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Postgresql, ClusterConformance, kStores, name_of_case);

}  // namespace
}  // namespace hufu::store

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  if (hufu::store::testing::find_postgresql("postgres").empty()) {
    std::cout << "not run: PostgreSQL: no server on this machine\n";
    return 0;
  }
  hufu::store::testing::PostgresqlServer server;
  hufu::store::testing::Pooler pooler(server);
  hufu::store::server = &server;
  hufu::store::pooler = &pooler;
  return RUN_ALL_TESTS();
}
