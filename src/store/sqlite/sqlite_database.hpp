#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"

namespace hufu::store {

/// How SQLite says no. Thrown and caught inside the SQLite store only: it never leaves this folder,
/// let alone crosses another.
struct SqliteFailure {
  int code;  ///< Extended result code.
  std::string message;
};

/// What happened to the database at `path`, and what a person can do about it.
Error error_of(const SqliteFailure& failure, const std::string& path);

/// One connection with its prepared statements. Not thread-safe: each thread has its own.
class SqliteDatabase {
 public:
  enum class Access {
    write,
    read,
    /// Reads a file that nobody writes meanwhile: needs no files beside it, so that a directory
    /// that may not be written is no hindrance. A write-ahead log is not looked at.
    read_alone,
  };

  /// Opens an existing file. `vfs`: empty for SQLite's own.
  SqliteDatabase(const std::string& path, Milliseconds busy_timeout, const std::string& vfs,
                 Access access = Access::write);
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;
  ~SqliteDatabase();

  /// Runs statements that yield nothing of interest.
  void run(const char* sql);
  /// A number that a pragma or a query yields; 0 if it yields none.
  std::int64_t number(const char* sql);

  /// Whether the file itself may be written, as far as its own rights go.
  [[nodiscard]] bool is_read_only() const { return sqlite3_db_readonly(db_.get(), "main") != 0; }
  /// Whether the file that is open no longer is the one at the path: it was removed, or replaced.
  [[nodiscard]] bool has_moved() const;

  [[nodiscard]] bool in_transaction() const { return sqlite3_get_autocommit(db_.get()) == 0; }
  /// Rows that the latest INSERT, UPDATE or DELETE touched.
  [[nodiscard]] std::int64_t changes() const { return sqlite3_changes64(db_.get()); }
  [[nodiscard]] std::int64_t last_row() const { return sqlite3_last_insert_rowid(db_.get()); }

  /// Pages in the write-ahead log after the latest commit; needs `watch_log`.
  [[nodiscard]] int log_pages() const { return log_pages_; }
  /// Ends SQLite's own checkpoints, which would make a commit wait, in favour of `checkpoint`.
  void watch_log();
  /// Copies the log into the database as far as no reader minds. A failure is not reported: the
  /// log keeps what it holds, and the next one tries again.
  void checkpoint();

 private:
  friend class Query;
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  sqlite3_stmt* prepared(const char* sql);
  [[noreturn]] void fail(int code) const;

  std::unique_ptr<sqlite3, Close> db_;
  /// By address: each statement is a literal somewhere.
  std::unordered_map<const char*, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
  int log_pages_ = 0;
};

/// One use of a prepared statement: bind in order, step, read; the end of its scope resets it.
/// `sql` must be a literal.
class Query {
 public:
  Query(SqliteDatabase& database, const char* sql);
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query();

  Query& bind(std::int64_t value);
  Query& bind(std::nullopt_t);
  Query& bind_text(std::string_view text);
  Query& bind_blob(std::string_view bytes);
  Query& bind_time(WallTime time) { return bind(time.time_since_epoch().count()); }
  Query& bind_time(const std::optional<WallTime>& time) {
    return time ? bind_time(*time) : bind(std::nullopt);
  }

  /// Steps to the next row; false when there is none.
  bool row();
  /// Runs a statement that yields no rows.
  void run() { row(); }

  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] WallTime time(int column) const { return WallTime(Milliseconds(integer(column))); }
  [[nodiscard]] std::optional<WallTime> optional_time(int column) const;
  /// Text or blob; valid until the next step.
  [[nodiscard]] std::string_view bytes(int column) const;
  [[nodiscard]] std::string text(int column) const { return std::string(bytes(column)); }

 private:
  SqliteDatabase& database_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

}  // namespace hufu::store
