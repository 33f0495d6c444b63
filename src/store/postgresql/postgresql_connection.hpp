#pragma once

#include <libpq-fe.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"
#include "store/postgresql/postgresql_address.hpp"

namespace hufu::store {

/// How PostgreSQL, or the way to it, says no. Thrown and caught inside this folder only.
struct PostgresqlFailure {
  std::string code;     ///< SQLSTATE; empty where no server has spoken.
  std::string message;  ///< What was said, one line; holds no password.
};

/// What happened to the database at `address`, and what a person can do about it.
Error error_of(const PostgresqlFailure& failure, const PostgresqlAddress& address);

/// The rows that a statement yields.
class PostgresqlRows {
 public:
  explicit PostgresqlRows(PGresult* result) : result_(result, PQclear) {}

  [[nodiscard]] int size() const { return PQntuples(result_.get()); }
  [[nodiscard]] bool empty() const { return size() == 0; }

  [[nodiscard]] bool is_null(int row, int column) const;
  /// A number of any size, or a boolean.
  [[nodiscard]] std::int64_t integer(int row, int column) const;
  [[nodiscard]] std::uint64_t natural(int row, int column) const {
    return static_cast<std::uint64_t>(integer(row, column));
  }
  [[nodiscard]] WallTime time(int row, int column) const {
    return WallTime(Milliseconds(integer(row, column)));
  }
  [[nodiscard]] std::optional<WallTime> optional_time(int row, int column) const;
  /// Text or bytes; valid while the rows live.
  [[nodiscard]] std::string_view bytes(int row, int column) const;
  [[nodiscard]] std::string text(int row, int column) const {
    return std::string(bytes(row, column));
  }

 private:
  std::unique_ptr<PGresult, void (*)(PGresult*)> result_;
};

/// One connection. Keeps nothing in the session that a pooler between us and the server could give
/// to somebody else: a statement is sent whole, with its values, and forgotten.
///
/// Whatever blocks ends at a deadline of the client's own, so that a server which is frozen, or a
/// network that was cut, holds up a thread for a few seconds at most. (Only the look-up of a host's
/// name is as slow as the system's resolver.) Not thread-safe.
class PostgresqlConnection {
 public:
  /// The longest that an operation takes, and the longest that one host is given to let us in.
  static constexpr Milliseconds kPatience = std::chrono::seconds(5);
  static constexpr Milliseconds kConnectPatience = std::chrono::seconds(3);

  /// Connects to the first host of `address` that lets us in and can be written. Blocks; throws
  /// PostgresqlFailure. `round_trips` counts what is asked over it, and outlives it.
  static std::unique_ptr<PostgresqlConnection> connect(const PostgresqlAddress& address,
                                                       std::atomic<std::uint64_t>& round_trips);
  PostgresqlConnection(const PostgresqlConnection&) = delete;
  PostgresqlConnection& operator=(const PostgresqlConnection&) = delete;
  ~PostgresqlConnection() = default;

  /// Whether it is of no more use: it was cut, timed out, or leads to a server that cannot be
  /// written any more. Looks at the socket, so that a server that went away meanwhile is noticed
  /// before something is entrusted to it.
  [[nodiscard]] bool broken() const;
  /// No pooler stands between: the server's process at the other end is ours alone.
  [[nodiscard]] bool is_direct() const { return is_direct_; }
  /// As a number like 150002.
  [[nodiscard]] int server_version() const { return PQserverVersion(connection_.get()); }

  /// From now on, everything together ends within `patience`.
  void allow(Milliseconds patience);
  /// Runs statements, separated by semicolons, without values.
  void run(const char* sql);

  /// The socket and what came over it unasked, for whoever waits for notifications: see
  /// postgresql_listener.cpp.
  [[nodiscard]] int socket() const { return PQsocket(connection_.get()); }
  /// Reads what has come; how many notifications were in it. Throws where the connection is cut.
  int take_notifications();

 private:
  friend class PostgresqlQuery;
  using Deadline = std::chrono::steady_clock::time_point;
  using Connection = std::unique_ptr<PGconn, void (*)(PGconn*)>;

  PostgresqlConnection(Connection connection, std::atomic<std::uint64_t>& round_trips);
  static Connection connect_to(const PostgresqlAddress& address,
                               const PostgresqlAddress::Host& host);
  void greet();
  PostgresqlRows finish(bool sent);
  void wait(short events);
  [[noreturn]] void lose(std::string why);

  Connection connection_;
  std::atomic<std::uint64_t>& round_trips_;
  Deadline deadline_;
  bool is_direct_ = false;
  bool lost_ = false;
};

/// A statement and the values for its $1, $2, …: bound in order, sent in one round trip.
class PostgresqlQuery {
 public:
  /// `sql` has to outlive it.
  PostgresqlQuery(PostgresqlConnection& connection, const std::string& sql)
      : connection_(connection), sql_(sql) {}

  PostgresqlQuery& bind(std::int64_t value);
  PostgresqlQuery& bind(std::uint64_t value);
  PostgresqlQuery& bind(bool value);
  PostgresqlQuery& bind_text(std::string_view text);
  PostgresqlQuery& bind_bytes(std::string_view bytes);
  PostgresqlQuery& bind_time(const std::optional<WallTime>& time);
  /// Of whatever type the statement wants there.
  PostgresqlQuery& bind_null();
  PostgresqlQuery& bind(Milliseconds span) { return bind(std::int64_t{span.count()}); }

  /// Throws PostgresqlFailure.
  PostgresqlRows run();

 private:
  PostgresqlQuery& add(Oid type, std::optional<std::string> value);

  PostgresqlConnection& connection_;
  const std::string& sql_;
  std::vector<Oid> types_;
  std::vector<std::optional<std::string>> values_;
};

}  // namespace hufu::store
