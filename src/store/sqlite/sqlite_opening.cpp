#include "store/sqlite/sqlite_opening.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "store/directories.hpp"
#include "store/sqlite/sqlite_schema.hpp"

namespace hufu::store {
namespace {

using Access = SqliteDatabase::Access;

/// Clocks that are this close together are not worth a word.
constexpr Milliseconds kNoticeable = std::chrono::minutes(1);

/// Makes the file, and the directories above it, for our own eyes only. Where they exist they are
/// left as they are.
Result<void> make_file(const std::string& path) {
  if (auto made = make_directories_for(path); !made) return made;
  // Only ever opened here when new: closing a file drops all POSIX locks this process has on it.
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0 && errno != EEXIST) return tl::unexpected(cannot_make(path, errno));
  if (file >= 0) ::close(file);
  return {};
}

std::unique_ptr<SqliteDatabase> connect(const SqliteOptions& options, Access access) {
  return std::make_unique<SqliteDatabase>(options.path, options.busy_timeout, options.vfs, access);
}

/// The first switch to WAL needs the file for itself, and does not wait for it.
void switch_to_wal(SqliteDatabase& database, Milliseconds patience) {
  constexpr int kPause = 10;
  for (Milliseconds waited(0);; waited += Milliseconds(kPause)) {
    try {
      return database.run("PRAGMA journal_mode = WAL");
    } catch (const SqliteFailure& failure) {
      if ((failure.code & 0xff) != SQLITE_BUSY || waited >= patience) throw;
    }
    sqlite3_sleep(kPause);
  }
}

/// Where another process has locked the file, the clock is set with the first write.
void set_clock(SqliteDatabase& database, const SqliteClock& clock) {
  if (clock.knows_boot() && clock.is_set(database)) return;
  try {
    database.run("BEGIN IMMEDIATE");
    if (!clock.knows_boot() || !clock.is_set(database)) clock.set(database);
    database.run("COMMIT");
  } catch (const SqliteFailure& failure) {
    if (database.in_transaction()) database.run("ROLLBACK");
    if ((failure.code & 0xff) != SQLITE_BUSY) throw;
  }
}

/// A length of time as in "8 h 30 min".
std::string shown(Milliseconds span) {
  const auto minutes = std::chrono::round<std::chrono::minutes>(std::chrono::abs(span)).count();
  std::string text = minutes >= 60 ? std::to_string(minutes / 60) + " h" : std::string();
  if (minutes % 60 != 0) text += (text.empty() ? "" : " ") + std::to_string(minutes % 60) + " min";
  return text;
}

Result<SqliteConnections> opened(SqliteConnections connections, const SqliteOptions& options,
                                 const SqliteClock& clock) {
  SqliteDatabase& database = *connections.reading;
  Query query(database, "SELECT (SELECT name FROM identity), (SELECT max(sequence) FROM changes)");
  query.row();
  if (query.is_null(0) || query.is_null(1)) {  // There is one of each from the beginning.
    return tl::unexpected(error_of({SQLITE_CORRUPT, "a row is missing"}, options.path));
  }
  connections.identity = query.text(0);
  const Milliseconds behind = clock.behind_wall(database);
  if (std::chrono::abs(behind) > kNoticeable) {
    connections.warnings.push_back(
        std::string("the clock of this machine was set ") +
        (behind.count() > 0 ? "forward" : "back") + " by " + shown(behind) +
        " since it was started; the database " + options.path +
        " keeps its own time until the machine is started again, and times are shown by that");
  }
  return connections;
}

/// Throws SqliteFailure.
Result<SqliteConnections> open_for_writing(const SqliteOptions& options, const SqliteClock& clock) {
  SqliteConnections connections;
  connections.writing = connect(options, Access::write);
  SqliteDatabase& writing = *connections.writing;
  if (writing.is_read_only()) throw SqliteFailure{SQLITE_READONLY, "the file is write-protected"};
  if (auto ours = check_schema(writing, options.path); !ours) return tl::unexpected(ours.error());
  switch_to_wal(writing, options.busy_timeout);
  writing.run("PRAGMA synchronous = FULL");
  writing.run("PRAGMA temp_store = MEMORY");
  writing.run("PRAGMA journal_size_limit = 67108864");
  writing.watch_log();
  if (auto current = migrate(writing, options.path); !current) {
    return tl::unexpected(current.error());
  }
  set_clock(writing, clock);
  connections.reading = connect(options, Access::write);
  connections.reading->run("PRAGMA query_only = TRUE");
  return opened(std::move(connections), options, clock);
}

/// Whether the rights to the file, its directory or its disk forbid to write.
bool is_write_protected(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  const auto forbidden = [](const std::string& what) {
    return ::faccessat(AT_FDCWD, what.c_str(), W_OK, AT_EACCESS) != 0 &&
           (errno == EACCES || errno == EROFS || errno == EPERM);
  };
  return forbidden(path) || forbidden(directory);
}

/// Throws SqliteFailure.
std::unique_ptr<SqliteDatabase> connect_for_reading(const SqliteOptions& options) {
  try {
    auto reading = connect(options, Access::read);
    reading->number("SELECT count(*) FROM sqlite_schema");
    return reading;
  } catch (const SqliteFailure&) {
    // A log with something in it would have to be read, and cannot be without a file beside it.
    std::error_code error;
    const auto log_size = std::filesystem::file_size(options.path + "-wal", error);
    if (!error && log_size > 0) throw;
  }
  return connect(options, Access::read_alone);
}

/// Throws SqliteFailure.
Result<SqliteConnections> open_for_reading(const SqliteOptions& options, const SqliteClock& clock) {
  SqliteConnections connections;
  connections.reading = connect_for_reading(options);
  SqliteDatabase& reading = *connections.reading;
  if (auto ours = check_schema(reading, options.path); !ours) return tl::unexpected(ours.error());
  if (reading.number("PRAGMA user_version") < schema_version()) {
    return fail(Fault::store,
                "the database " + options.path +
                    " was written by an older hufu, and cannot be brought up to date: it cannot be "
                    "written",
                "give the user that runs hufu the right to write the file and its directory");
  }
  connections.warnings.push_back("the database " + options.path +
                                 " can only be read: tokens are handed out as long as they last, "
                                 "and none can be renewed");
  return opened(std::move(connections), options, clock);
}

}  // namespace

Result<SqliteConnections> open_sqlite(const SqliteOptions& options, const SqliteClock& clock) {
  if (auto made = make_file(options.path); !made) return tl::unexpected(made.error());
  try {
    return open_for_writing(options, clock);
  } catch (const SqliteFailure& failure) {
    if (!is_write_protected(options.path)) {
      return tl::unexpected(error_of(failure, options.path));
    }
  }
  try {
    return open_for_reading(options, clock);
  } catch (const SqliteFailure& failure) {
    return tl::unexpected(error_of(failure, options.path));
  }
}

}  // namespace hufu::store
