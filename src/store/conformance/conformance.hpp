#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "hufu/clock.hpp"
#include "hufu/store.hpp"
#include "store/cluster.hpp"
#include "store/registry.hpp"
#include "store/seal_ledger.hpp"

/// What every store must do, written once. A store joins by instantiating the suites:
///
///     INSTANTIATE_TEST_SUITE_P(Memory, LeaseConformance, ::testing::Values(Case{"memory", …}));
///
/// and linking conformance.cpp. The suites know nothing of files, servers or clocks: all of that
/// is behind Harness, so that a database with a clock of its own joins without a change here.
namespace hufu::store::conformance {

/// One handle on the database: what one process holds. The interfaces that a store does
/// not have are empty.
struct Handle {
  std::shared_ptr<TokenStore> tokens;
  std::shared_ptr<Registry> registry;
  std::shared_ptr<SealLedger> ledger;
  std::shared_ptr<Cluster> cluster;
};

/// One empty database of its own, for the length of one test.
class Harness {
 public:
  virtual ~Harness() = default;

  /// A handle as of one more process. A store that cannot be opened twice returns the same one.
  virtual Handle open() = 0;

  /// Makes `span` pass as far as leases can tell: moves a fake clock, or the ends of the leases.
  virtual void let_pass(Milliseconds span) = 0;

  /// The present moment of the clock by which the store stamps and judges.
  [[nodiscard]] virtual WallTime now() const = 0;

  /// How far a stamp may lie from `now()`: zero with a fake clock.
  [[nodiscard]] virtual Milliseconds clock_slop() const { return Milliseconds(0); }
};

struct Case {
  std::string name;
  std::function<std::unique_ptr<Harness>()> make;
  /// The key of the tests that need no second one.
  Key key{"wxconformance00001", std::string(kAccessToken)};
};

inline void PrintTo(const Case& value, std::ostream* out) { *out << value.name; }
inline std::string name_of_case(const ::testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

class Conformance : public ::testing::TestWithParam<Case> {
 protected:
  Conformance() : harness(GetParam().make()), store(harness->open()), key(GetParam().key) {}

  std::unique_ptr<Harness> harness;
  Handle store;
  Key key;
};

/// The verbs of a TokenStore on one key. For every store.
class LeaseConformance : public Conformance {};
/// Many keys: `scan` and `changes`. For every store of more than one key.
class FeedConformance : public Conformance {};
/// Apps and API keys, and what they do to tokens. For every store with a Registry.
class RegistryConformance : public Conformance {};
/// Keys that seal, and sealed text that is swapped. For every store with a SealLedger.
class LedgerConformance : public Conformance {};
/// Nodes and who holds which lease. For every store with a Cluster.
class ClusterConformance : public Conformance {};

}  // namespace hufu::store::conformance
