#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hufu/store.hpp"

namespace hufu::store {

/// A node as it describes itself to the others.
struct NodeRow {
  std::string name;     ///< Under which it holds leases: `process_identity()`.
  std::string host;     ///< Of the machine, for people.
  std::string version;  ///< Of its program.
  std::string listen;   ///< Where it answers.
  WallTime started_at{};
  /// How far its own wall clock is ahead of the database's; negative: behind. Zero where the
  /// database goes by the clock of the machine.
  Milliseconds clock_ahead{};
  std::uint64_t fenced = 0;  ///< Writes of its that came after its lease was lost, since the start.
  WallTime seen_at{};        ///< Set by the store: when it was heard of last.
};

/// A lease that somebody holds at this moment.
struct LeaseRow {
  Key key;
  std::string holder;
  std::uint64_t fence = 0;
  Milliseconds remaining{};  ///< Until its time is up.
};

/// The cluster at one moment.
struct ClusterView {
  WallTime now{};                ///< By the clock that stamps `seen_at`.
  std::vector<NodeRow> nodes;    ///< In order of name.
  std::vector<LeaseRow> leases;  ///< In order of key; the first thousand.
};

/// The nodes that share a database. For people who look, and for nothing else: no
/// decision about a token is made from what is in here.
///
/// The same promises as TokenStore: `done` comes exactly once on any thread, nothing blocks. A node
/// that is lost in a crash of the database announces itself again.
class Cluster {
 public:
  virtual ~Cluster() = default;

  /// Makes or replaces the row of a node and stamps `seen_at`. Rows that have not been announced
  /// for `forget` are removed.
  virtual void announce(NodeRow node, Milliseconds forget, Done<Result<void>> done) = 0;
  /// Removes the row of a node that ends; nothing where there is none.
  virtual void leave(const std::string& name, Done<Result<void>> done) = 0;
  virtual void view(Done<Result<ClusterView>> done) = 0;
  /// How many leases and tokens fewer replicas confirmed than were to be waited for, since this
  /// process opened the database; they count all the same. Zero where none are waited for.
  [[nodiscard]] virtual std::uint64_t unconfirmed() const { return 0; }
};

/// A view shows no more leases than this.
inline constexpr std::size_t kMostLeasesShown = 1000;

}  // namespace hufu::store
