#include "store/mongodb/mongodb_store.hpp"

#include <gmock/gmock.h>

#include <iostream>
#include <thread>

#include "core/process.hpp"
#include "store/conformance/conformance.hpp"
#include "store/mongodb/mongodb_testing.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace conformance;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kRecords = "hufu_records";

std::shared_ptr<MongoStore> open(const MongoDatabase& database) {
  MongoOptions options;
  options.uri = Secret(database.uri());
  return must_value(MongoStore::open(std::move(options), system_clock()));
}

/// Moves the ends of all leases, and a bit more: the store takes an end for reached rather late.
void let_leases_age(MongoDatabase& database, Milliseconds span) {
  Doc held;
  held.doc("holder", Doc().text("$gt", ""));
  for (const Doc& found : database.find(kRecords, held)) {
    Doc end;
    end.date("lease_until", Fields(found).date_or_epoch("lease_until") - span - 100ms);
    database.outsider().update(kRecords, Doc().text("_id", Fields(found).text("_id")),
                               Doc().doc("$set", end));
  }
}

class MongoHarness final : public Harness {
 public:
  Handle open() override {
    auto store = hufu::store::open(database_);
    return {store, store, store, store};
  }
  void let_pass(Milliseconds span) override { let_leases_age(database_, span); }
  /// Stands still, so that a test may ask twice.
  [[nodiscard]] WallTime now() const override { return now_; }
  [[nodiscard]] Milliseconds clock_slop() const override { return 1min; }

 private:
  MongoDatabase database_;
  const WallTime now_ = system_clock().wall();
};

const auto kStores =
    ::testing::Values(Case{"mongodb", [] { return std::make_unique<MongoHarness>(); }});
INSTANTIATE_TEST_SUITE_P(MongoDb, LeaseConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(MongoDb, FeedConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(MongoDb, RegistryConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(MongoDb, LedgerConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(MongoDb, ClusterConformance, kStores, name_of_case);

}  // namespace
}  // namespace hufu::store

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  auto* server = hufu::store::testing::MongoServer::get();
  if (server == nullptr) {
    std::cout << "not run: MongoDB: no HUFU_TEST_MONGODB_URI that answers, no mongod on the path, "
                 "no ferretdb in build/servers\n";
    return 0;
  }
  std::cout << "against " << server->what() << "\n";
  return RUN_ALL_TESTS();
}
