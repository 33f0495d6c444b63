#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "hufu/clock.hpp"
#include "hufu/store.hpp"
#include "store/postgresql/postgresql_connection.hpp"
#include "store/postgresql/postgresql_listener.hpp"

namespace hufu::store {

/// What changed in the database, from the log `hufu_changes`.
///
/// **A cursor is a moment, and a moment is a snapshot.** Entries become visible in the order of
/// their commits, which is not that of their numbers: whoever remembers the highest number they saw
/// misses the entry with a lower one whose transaction ends later. So a cursor holds what
/// PostgreSQL itself calls a moment: the snapshot of the statement that looked (`pg_snapshot`:
/// which transactions had ended), with the highest number `s` that was visible in it. Call an entry
/// *told* by a moment if its number is at most `s` and its writer has ended in the snapshot. A look
/// tells what it sees and the cursor's moment has not told.
///
/// *Nothing is missed, nothing is told twice.* Say that the look that made cursor C saw an entry E.
/// Then E's writer had ended in its snapshot and its number is at most `s`, the highest: C has told
/// E. Say that it did not see E. Then E's writer had not ended: C has not told E, and the first
/// later look that sees it does. A transaction that stays open for hours only makes the list inside
/// the snapshot one longer; it neither hides the entries of others nor has them told again.
///
/// *Nor over a crash.* A server that crashed may give the number of a transaction which left no
/// trace to another one, and the snapshot of C might count that as ended. But the entry with number
/// `s` was committed and therefore on disk, and so is the sequence that it came from: entries made
/// after the crash have higher numbers than `s`, and C has not told them, whatever its snapshot
/// says. A standby that was promoted without the latest transactions is a server that crashed,
/// unless entry `s` is among those that are lost: C names it by number and time, and where it is
/// not found, everything is read again.
///
/// *Nor by trimming.* A trimming drops the entries that were told by the moment of the trimming
/// before it, and leaves its own for the next. Say that entry R was dropped which C has not told.
/// The moment H that told R then is later than that of C (snapshots are taken one after the other,
/// and what is visible in one is visible in all later ones). So H has told all that C has told,
/// entry `s` among them: it was dropped as well, and C hears that everything has to be read again.
///
/// **While nothing happens, nothing is asked**: a listener says whether anything may be new, a
/// counter says what this process wrote itself, and every two seconds it is looked anyway, for a
/// notification that was lost with a network that nobody noticed. Behind a pooler each call asks.
///
/// Thread-safety: all members from any thread.
class PostgresqlFeed {
 public:
  /// Also without a notification it is looked after so long.
  static constexpr Milliseconds kSafety = std::chrono::seconds(2);

  /// `log`: at least so many entries are kept.
  PostgresqlFeed(std::size_t log, const Clock& clock, PostgresqlListener::Connect connect);

  /// What changed since `cursor`, where that is known without asking: nothing.
  std::optional<Changes> without_asking(const std::string& cursor) const;
  /// What changed since `cursor`. One round trip; throws PostgresqlFailure.
  Changes look(PostgresqlConnection& connection, const std::string& cursor);

  /// To be called after each write, before anybody hears of it. True where the log should be
  /// trimmed now.
  bool wrote();
  /// Drops what is older than the log has to be. One round trip; throws PostgresqlFailure.
  void trim(PostgresqlConnection& connection) const;

 private:
  const std::size_t log_;
  const Clock& clock_;

  /// How things stood before the latest look.
  struct Seen {
    std::string cursor;  ///< That the look returned.
    std::uint64_t heard = 0;
    std::uint64_t written = 0;
    SteadyTime at{};
  };
  mutable std::mutex mutex_;
  Seen seen_;  ///< Guarded by mutex_.
  std::atomic<std::uint64_t> writes_{0};
  PostgresqlListener listener_;
};

}  // namespace hufu::store
