#pragma once

#include <optional>
#include <string>

#include "hufu/clock.hpp"
#include "store/sqlite/sqlite_database.hpp"

namespace hufu::store {

/// The clock of a database file: the time since the machine was started (CLOCK_BOOTTIME) plus an
/// offset, which lies in the file.
///
/// The first process of a boot that may write takes the offset from its wall clock; all that come
/// after it go by what is stored. So all processes that share the file are on one time line, also
/// when the wall clock is set between two of them, or differs between them. Why, and what that
/// means: docs/decisions/2026-11-30-sqlite-clock.md.
///
/// A ScaledClock runs from the system's moment, so the offset is the same number for it: what two
/// of them disagree on, or one and the system's, is no more than what their wall clocks do.
///
/// Thread-safety: all members may be called from any thread, each with a connection of its own.
class SqliteClock {
 public:
  /// A stored offset that leads farther than this from the wall clock is not believed: the machine
  /// had no time when it was started, or its CLOCK_BOOTTIME is not what it should be.
  static constexpr Milliseconds kMostApart = std::chrono::hours(365 * 24);

  /// `boot_id`: as of core/process.hpp; empty where it is not known.
  SqliteClock(const Clock& clock, std::string boot_id)
      : clock_(clock), boot_id_(std::move(boot_id)) {}

  /// The database's present moment; that of the wall clock where no offset is set.
  [[nodiscard]] WallTime now(SqliteDatabase& database) const;
  /// Whether an offset was set in this boot, and is to be believed.
  [[nodiscard]] bool is_set(SqliteDatabase& database) const {
    return stored_offset(database).has_value();
  }
  /// Takes the offset from the wall clock. Inside a transaction that writes.
  void set(SqliteDatabase& database) const;
  /// Whether one boot can be told from the next.
  [[nodiscard]] bool knows_boot() const { return !boot_id_.empty(); }
  /// How far the wall clock is ahead of the database's time; negative: behind.
  [[nodiscard]] Milliseconds behind_wall(SqliteDatabase& database) const;

 private:
  [[nodiscard]] Milliseconds wall_offset() const;
  [[nodiscard]] std::optional<Milliseconds> stored_offset(SqliteDatabase& database) const;

  const Clock& clock_;
  const std::string boot_id_;
};

}  // namespace hufu::store
