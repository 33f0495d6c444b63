#pragma once

#include <string>
#include <unordered_map>

#include "keeper/answers.hpp"

namespace hufu::keeper {

/// "This token was refused." A report is judged by value, and checked: an older or unknown token
/// brings the current one and costs no call; the current one is probed first, once for all who
/// report it, and only what the platform calls dead is renewed.
///
/// Not thread-safe: the keeper's own thread only.
class Reports {
 public:
  struct Parts {
    Records& records;
    AppDirectory& apps;
    Renewals& renewals;
    Probes& probes;
    Answers& answers;
    Observer& observer;
  };
  /// Hints of one platform that are looked into at once: one that hangs, or many clients that
  /// ask again as a habit, takes no more of its quota and of this process than that.
  static constexpr int kMostHintsInCheck = 64;

  explicit Reports(Parts parts) : parts_(parts) {}

  Task<Result<Report>> report(Key key, Refused refused);
  /// As AsyncKeeper::recheck.
  Task<Result<Grant>> recheck(Key key, Milliseconds patience);
  /// An operator's choice: renews now, but not twice within the overlap.
  Task<Result<Refreshed>> force_refresh(Key key);

 private:
  Task<Result<Report>> current_refused(RowHandle row, Record record);
  Task<Result<Report>> with_usable(RowHandle row, ReportOutcome outcome);
  Task<Result<Report>> as_it_stands(RowHandle row, ReportOutcome outcome);
  Task<ProbeResult> ask(RowHandle row);
  Task<void> ask_on(RowHandle row);
  Task<void> check_hint(RowHandle row);
  [[nodiscard]] bool may_probe(RowHandle row);
  [[nodiscard]] Records& records() const noexcept { return parts_.records; }
  [[nodiscard]] TokenTable& table() const noexcept { return parts_.records.table(); }
  [[nodiscard]] WallTime now() const noexcept { return parts_.records.now(); }
  [[nodiscard]] tl::unexpected<Error> gone(const std::string& app) const {
    return tl::unexpected(AppDirectory::unknown_app(app));
  }

  Parts parts_;
  std::unordered_map<std::string, int> hints_in_check_{};  ///< By platform.
};

}  // namespace hufu::keeper
