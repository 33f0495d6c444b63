#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "keeper/cluster_clock.hpp"
#include "keeper/store_health.hpp"
#include "store/cluster.hpp"

namespace hufu::keeper {

/// This node among those that share the store: announces it every few seconds, which also tells
/// whether the store can be written, and shows who else is there.
///
/// Not thread-safe: the keeper's own thread only.
class Membership {
 public:
  struct Parts {
    EventLoop& loop;
    StoreHealth& health;
    ClusterClock& clock;
    Observer& observer;
    std::shared_ptr<TokenStore> store;
    std::shared_ptr<store::Cluster> cluster;  ///< None: nobody can be told.
    const std::uint64_t& fenced;              ///< As RenewalContext::fenced.
    std::string version;                      ///< Of this program.
  };
  explicit Membership(Parts parts) : parts_(std::move(parts)) {}

  /// Where this node answers; before `announce`.
  void set_address(std::string address) { address_ = std::move(address); }
  /// Announces until the loop stops, then leaves.
  Task<void> announce();
  /// Announces once more, at once.
  Task<void> announce_now();
  /// Who shares the store; nobody where it cannot tell.
  Task<Result<store::ClusterView>> cluster_view();

 private:
  void note_unconfirmed();

  Parts parts_;
  std::string address_;
  WallTime started_at_{};
  bool announcing_ = false;
  std::uint64_t unconfirmed_ = 0;         ///< Writes, as the observer was told last.
  std::uint64_t unconfirmed_logged_ = 0;  ///< The same, for the log.
  WallTime unconfirmed_at_{};
};

}  // namespace hufu::keeper
