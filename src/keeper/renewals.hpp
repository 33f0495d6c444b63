#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "keeper/renewal.hpp"
#include "keeper/schedule.hpp"

namespace hufu::keeper {

/// What is due, what is in flight and who waits for it: one renewal in flight for a key, and so
/// many for a platform, so that one that hangs holds up nobody else's.
///
/// Not thread-safe: the keeper's own thread only.
class Renewals {
 public:
  /// Renewals of one platform that were merely due, in flight at once; callers who wait do not
  /// queue.
  static constexpr std::size_t kMostOfOnePlatform = 256;

  /// `background`: renews by itself what is due.
  Renewals(RenewalContext& context, bool background);

  /// Waits for the renewal in flight, or starts it.
  Task<Failure> await_renewal(RowHandle row, Cause cause);
  /// Starts the renewal unless it is in flight, or too many are; nobody waits.
  void start(RowHandle row, Cause cause);
  [[nodiscard]] bool is_in_flight(RowHandle row) const;

  /// When the next renewal by choice is due: at the plan, and not before the backoff is over.
  [[nodiscard]] WallTime due_at(RowHandle row) const;
  /// Takes the row's next event into the schedule.
  void reschedule(RowHandle row);
  /// Starts what is due; returns the moment of the next event.
  WallTime run_due();
  /// Before the loop stops: nothing that waits for its turn is started any more.
  void stop();

 private:
  /// How one platform is called.
  struct PlatformLoad {
    std::size_t in_flight = 0;
    std::list<RowHandle> waiting;  ///< Due, but too many are in flight.
    WallTime last_first_fetch{};
  };

  /// `done`: of whoever waits for it; the renewal may be over before this returns.
  void begin(RowHandle row, Cause cause, Done<Failure> done = nullptr);
  Task<void> reload_until_read(RowHandle row);
  Task<void> run(RowHandle row, std::shared_ptr<RenewalInFlight> flight);
  void on_due(RowHandle row);
  void lapse(RowHandle row);
  PlatformLoad& load_of(RowHandle row);
  [[nodiscard]] Records& records() const noexcept { return context_.records; }
  [[nodiscard]] WallTime now() const noexcept { return context_.records.now(); }

  RenewalContext& context_;
  const bool background_;
  Schedule schedule_;
  std::unordered_map<std::string, PlatformLoad> loads_;
};

}  // namespace hufu::keeper
