#include "store/memory_store.hpp"

#include "store/conformance/conformance.hpp"
#include "store/conformance/store_testing.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace conformance;

class MemoryHarness final : public Harness {
 public:
  Handle open() override { return {store_, store_, store_, store_}; }
  void let_pass(Milliseconds span) override { clock_.advance(span); }
  [[nodiscard]] WallTime now() const override { return clock_.wall(); }

 private:
  hufu::testing::FakeClock clock_;
  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>(clock_);
};

const Case kMemory{"memory", [] { return std::make_unique<MemoryHarness>(); }};
INSTANTIATE_TEST_SUITE_P(Stores, LeaseConformance, ::testing::Values(kMemory), name_of_case);
INSTANTIATE_TEST_SUITE_P(Stores, FeedConformance, ::testing::Values(kMemory), name_of_case);
INSTANTIATE_TEST_SUITE_P(Stores, RegistryConformance, ::testing::Values(kMemory), name_of_case);
INSTANTIATE_TEST_SUITE_P(Stores, LedgerConformance, ::testing::Values(kMemory), name_of_case);
INSTANTIATE_TEST_SUITE_P(Stores, ClusterConformance, ::testing::Values(kMemory), name_of_case);

TEST(MemoryStore, SaysReadEverythingToACursorThatIsOlderThanItsLog) {
  hufu::testing::FakeClock clock;
  MemoryStore store(clock, 3);
  std::string old = changes(store, "").cursor;
  granted(store, lease_request({"wx1"}, 0, clock.wall()));
  std::string kept = changes(store, "").cursor;
  for (const char* app : {"wx2", "wx3", "wx4"})
    granted(store, lease_request({app}, 0, clock.wall()));
  EXPECT_TRUE(changes(store, old).everything);
  EXPECT_FALSE(changes(store, kept).everything);
  EXPECT_EQ(changes(store, kept).tokens.size(), 3U);
}

}  // namespace
}  // namespace hufu::store
