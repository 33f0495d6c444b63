#pragma once

#include "keeper/app_directory.hpp"
#include "keeper/observer.hpp"
#include "keeper/records.hpp"

namespace hufu::keeper {

/// Asks the platform whether a token lives: one cheap call at a time for each key, whose answer
/// everybody shares who wants to know meanwhile.
///
/// Not thread-safe: the keeper's own thread only.
class Probes {
 public:
  Probes(Records& records, AppDirectory& apps, Observer& observer)
      : records_(records), apps_(apps), observer_(observer) {}

  /// What the platform says of the row's present token. Takes the verdict into the records: a token
  /// that is dead is handed out no more, one that is alive is cleared of calls that would have
  /// killed it. `unknown` where the row or its token went meanwhile.
  Task<ProbeResult> probe(RowHandle row);
  /// The same, where the platform said so a moment ago.
  [[nodiscard]] std::optional<ProbeResult> recent(RowHandle row) const;

 private:
  Records& records_;
  AppDirectory& apps_;
  Observer& observer_;
};

/// So long a verdict holds for everybody who reports the same token.
inline constexpr Milliseconds kVerdictHolds = std::chrono::seconds(10);

}  // namespace hufu::keeper
