#include "store/sqlite_store.hpp"

#include "store/conformance.hpp"
#include "store/store_testing.hpp"
#include "store/temp_dir.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace conformance;

class SqliteHarness final : public Harness {
 public:
  explicit SqliteHarness(std::size_t change_log) { options_.change_log = change_log; }
  Handle open() override {
    auto store = must(SqliteStore::open(options_, clock_));
    return {store, store};
  }
  void let_pass(Milliseconds span) override { clock_.advance(span); }
  [[nodiscard]] WallTime now() const override { return clock_.wall(); }

 private:
  hufu::testing::FakeClock clock_;
  TempDir directory_;
  SqliteOptions options_{.path = directory_.file("hufu.db")};
};

Case sqlite(std::string name, std::size_t change_log) {
  return {std::move(name), [=] { return std::make_unique<SqliteHarness>(change_log); }};
}
const auto kStores =
    ::testing::Values(sqlite("sqlite", 100'000), sqlite("sqlite_that_forgets_soon", 16));
INSTANTIATE_TEST_SUITE_P(Sqlite, LeaseConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Sqlite, FeedConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Sqlite, RegistryConformance, kStores, name_of_case);

}  // namespace
}  // namespace hufu::store
