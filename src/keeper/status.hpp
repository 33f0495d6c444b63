#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "keeper/answers.hpp"
#include "keeper/app_directory.hpp"

namespace hufu::keeper {

/// What people are shown of the tokens: pages of them, and how many are in which state.
///
/// Not thread-safe: the keeper's own thread only, but for `health`.
class StatusView {
 public:
  struct Parts {
    Records& records;
    AppDirectory& apps;
    Renewals& renewals;
    Answers& answers;
  };
  explicit StatusView(Parts parts) : parts_(parts) {}

  [[nodiscard]] StatusPage page(const StatusQuery& query);
  /// Keeps in mind, for `health`, which tokens are handed out though they are in doubt. Returns
  /// when the loop stops.
  Task<void> follow_doubt();
  /// The census of a health check; from any thread, and at most once a second.
  [[nodiscard]] Health health() const;

 private:
  [[nodiscard]] TokenCounts counts();
  [[nodiscard]] TokenCounts counts_of(const Scope& scope) const;
  void count(RowHandle row, TokenCounts& counts) const;
  [[nodiscard]] TokenStatus status_of(RowHandle row) const;
  [[nodiscard]] std::string notice_of(RowHandle row) const;
  [[nodiscard]] TokenTable& table() const noexcept { return parts_.records.table(); }
  [[nodiscard]] WallTime now() const noexcept { return parts_.records.now(); }

  Parts parts_;
  TokenCounts counts_;
  WallTime counted_at_{};
  std::size_t counted_rows_ = 0;
  /// Main rows whose token is in doubt, and until when it is handed out even so.
  using Doubtful = std::map<RowHandle, WallTime>;
  std::shared_ptr<const Doubtful> doubtful_ = std::make_shared<Doubtful>();
  mutable std::mutex doubtful_mutex_;  ///< Of the pointer: nobody waits for a census.
  mutable std::mutex health_mutex_;
  mutable Health health_;
  mutable WallTime health_at_{};
};

}  // namespace hufu::keeper
