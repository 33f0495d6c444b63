#pragma once

#include <optional>

#include "keeper/app_directory.hpp"
#include "keeper/probes.hpp"
#include "keeper/renewals.hpp"

namespace hufu::keeper {

/// What callers are given. Fresh → answer. Stale → answer, and renew behind the caller's back;
/// before the answer where the caller wishes for more than is left. Unusable → wait for the one
/// renewal. In doubt → ask the platform.
///
/// Not thread-safe: the keeper's own thread only.
class Answers {
 public:
  struct Parts {
    Records& records;
    AppDirectory& apps;
    Renewals& renewals;
    Probes& probes;
  };
  explicit Answers(Parts parts) : parts_(parts) {}

  Task<Result<Grant>> get(Key key, Wish wish);
  Task<Result<std::optional<Grant>>> wait(Key key, Seen seen, Milliseconds patience);
  /// Wakes everybody who waits for another token of the row.
  void wake(RowHandle row);
  void wake_all();
  /// Nobody waits any more.
  void end_waits();

  /// What is promised at this moment; empty if nothing is.
  [[nodiscard]] std::optional<Grant> promised(RowHandle row, Wish wish = {}) const;
  /// A token that most likely works, in promises of at most the use slack; as long as it certainly
  /// works, in none beyond that or beyond its renewal. A whole second is never promised where less
  /// is certain.
  [[nodiscard]] std::optional<Grant> suspect(RowHandle row) const;
  /// Until when the token may be handed out, where calls of unknown outcome may have ended it.
  [[nodiscard]] std::optional<WallTime> end_in_doubt(RowHandle row) const;
  /// Whether only calls of unknown outcome stand between the token and its being handed out.
  [[nodiscard]] bool is_in_doubt(RowHandle row) const;
  /// Why there is no usable token, with the moment from which it makes sense to ask again.
  [[nodiscard]] Error why_not(RowHandle row, const Failure& failure = {}) const;

 private:
  Task<std::optional<Grant>> outside_window(RowHandle row);
  [[nodiscard]] std::optional<Grant> warm_verdict(RowHandle row);
  [[nodiscard]] Milliseconds until_renewal_in_doubt(RowHandle row) const;
  Task<void> next_token(RowHandle row, WallTime until);
  [[nodiscard]] Records& records() const noexcept { return parts_.records; }
  [[nodiscard]] TokenTable& table() const noexcept { return parts_.records.table(); }
  [[nodiscard]] WallTime now() const noexcept { return parts_.records.now(); }

  Parts parts_;
  std::uint64_t next_watcher_ = 1;
  bool waits_are_over_ = false;
};

}  // namespace hufu::keeper
