#include "store/sqlite/sqlite_database.hpp"

#include <algorithm>
#include <limits>

namespace hufu::store {

Error error_of(const SqliteFailure& failure, const std::string& path) {
  auto error = [&](std::string_view what, std::string next_step) {
    return Error{Fault::store,
                 "the database " + path + " " + std::string(what) + " (" + failure.message + ")",
                 std::move(next_step),
                 {},
                 {}};
  };
  switch (failure.code & 0xff) {
    case SQLITE_FULL:
      return error("cannot grow: the disk is full", "free some space; nothing stored is lost");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return error("cannot be written",
                   "give the user that runs hufu the right to write the file and its directory");
    case SQLITE_CANTOPEN:
      return error("cannot be opened",
                   "check that the directory exists and that the user that runs hufu may write it");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return error("is locked by another process",
                   "find it with fuser, and let it finish or stop it");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return error(
          "is damaged, or is no SQLite database",
          "restore it from a backup, or move it away together with its -wal and -shm files "
          "to start with an empty one");
    case SQLITE_IOERR:
      return error("cannot be read or written: the disk failed",
                   "look for the cause in the kernel's log");
    case SQLITE_ERROR:
      return error("is not as this hufu made it",
                   "start every hufu that uses it again, if one of them was upgraded; if it is "
                   "damaged, restore it from a backup");
    default: return error("cannot be used", "look for the cause in what SQLite says");
  }
}

namespace {

/// SQLite's URI for a file that nobody writes.
std::string unchanging(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    switch (c) {
      case '%': uri += "%25"; break;
      case '?': uri += "%3f"; break;
      case '#': uri += "%23"; break;
      default: uri += c;
    }
  }
  return uri + "?immutable=1";
}

}  // namespace

SqliteDatabase::SqliteDatabase(const std::string& path, Milliseconds busy_timeout,
                               const std::string& vfs, Access access) {
  const bool alone = access == Access::read_alone;
  const int flags = (access == Access::write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) |
                    (alone ? SQLITE_OPEN_URI : 0) | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  sqlite3* db = nullptr;
  int code = sqlite3_open_v2(alone ? unchanging(path).c_str() : path.c_str(), &db, flags,
                             vfs.empty() ? nullptr : vfs.c_str());
  db_.reset(db);
  if (code != SQLITE_OK) fail(code);
  sqlite3_busy_timeout(db, static_cast<int>(std::clamp<Milliseconds::rep>(
                               busy_timeout.count(), 0, std::numeric_limits<int>::max())));
}

SqliteDatabase::~SqliteDatabase() = default;

void SqliteDatabase::run(const char* sql) {
  int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

std::int64_t SqliteDatabase::number(const char* sql) {
  Query query(*this, sql);
  return query.row() ? query.integer(0) : 0;
}

bool SqliteDatabase::has_moved() const {
  int moved = 0;
  sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return moved != 0;
}

void SqliteDatabase::watch_log() {
  sqlite3_wal_hook(
      db_.get(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<SqliteDatabase*>(self)->log_pages_ = pages;
        return SQLITE_OK;
      },
      this);
}

void SqliteDatabase::checkpoint() {
  log_pages_ = 0;
  sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

sqlite3_stmt* SqliteDatabase::prepared(const char* sql) {
  auto& statement = statements_[sql];
  if (!statement) {
    sqlite3_stmt* fresh = nullptr;
    int code = sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &fresh, nullptr);
    if (code != SQLITE_OK) fail(code);
    statement.reset(fresh);
  }
  return statement.get();
}

void SqliteDatabase::fail(int code) const {
  throw SqliteFailure{code, db_ ? sqlite3_errmsg(db_.get()) : sqlite3_errstr(code)};
}

Query::Query(SqliteDatabase& database, const char* sql)
    : database_(database), statement_(database.prepared(sql)) {}

Query::~Query() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Query& Query::bind(std::int64_t value) {
  sqlite3_bind_int64(statement_, ++bound_, value);
  return *this;
}

Query& Query::bind(std::nullopt_t) {
  sqlite3_bind_null(statement_, ++bound_);
  return *this;
}

Query& Query::bind_text(std::string_view text) {
  // An empty view may have no address, which SQLite would take for NULL.
  const char* data = text.empty() ? "" : text.data();
  int code =
      sqlite3_bind_text64(statement_, ++bound_, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) database_.fail(code);
  return *this;
}

Query& Query::bind_blob(std::string_view bytes) {
  const char* data = bytes.empty() ? "" : bytes.data();
  int code = sqlite3_bind_blob64(statement_, ++bound_, data, bytes.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) database_.fail(code);
  return *this;
}

bool Query::row() {
  int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) database_.fail(code);
  return false;
}

bool Query::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Query::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::optional<WallTime> Query::optional_time(int column) const {
  if (is_null(column)) return std::nullopt;
  return time(column);
}

std::string_view Query::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

}  // namespace hufu::store
