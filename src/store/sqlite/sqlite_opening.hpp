#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/process.hpp"
#include "hufu/clock.hpp"
#include "hufu/error.hpp"
#include "store/sqlite/sqlite_clock.hpp"
#include "store/sqlite/sqlite_database.hpp"

namespace hufu::store {

struct SqliteOptions {
  std::string path;
  /// How long to wait for another process that writes.
  Milliseconds busy_timeout = std::chrono::seconds(5);
  /// At least so many changes are remembered for those who follow the feed.
  std::size_t change_log = 100'000;
  std::string vfs{};  ///< Name of a registered SQLite VFS; empty: the default one.
  std::string boot_id = hufu::boot_id();
};

/// The connections of one store to its file.
struct SqliteConnections {
  std::unique_ptr<SqliteDatabase> writing;  ///< Null where the file can only be read.
  std::unique_ptr<SqliteDatabase> reading;
  std::string identity;  ///< Of the database: cursors of another one make no sense.
  /// What an operator should know, a sentence each.
  std::vector<std::string> warnings;
};

/// Opens or makes the file (mode 0600, in a directory made with mode 0700 where it is missing),
/// brings its schema up to date, and sets its clock where that was not done in this boot.
///
/// Nothing is written where nothing has to be, so that a file which another process has locked can
/// be opened. A file that may not be written, or that lies in a directory or on a disk that may
/// not, is opened for reading, if its schema is the present one. Blocks. Fault::store if it cannot
/// be used.
Result<SqliteConnections> open_sqlite(const SqliteOptions& options, const SqliteClock& clock);

}  // namespace hufu::store
