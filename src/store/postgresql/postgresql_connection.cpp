#include "store/postgresql/postgresql_connection.hpp"

#include <poll.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <limits>
#include <utility>

namespace hufu::store {
namespace {

// Types, as pg_type.dat numbers them for ever.
constexpr Oid kInferred = 0;
constexpr Oid kBool = 16;
constexpr Oid kBytes = 17;
constexpr Oid kInt8 = 20;
constexpr Oid kText = 25;

/// Milliseconds until `deadline`, as poll takes them. These wait for a network, whatever time the
/// clock of the program shows.
int left_until(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<Milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<Milliseconds::rep>(left.count(), 0));
}

/// False where the deadline came first.
bool wait_for(int socket, short events, std::chrono::steady_clock::time_point deadline) {
  pollfd one{socket, events, 0};
  while (true) {
    const int ready = ::poll(&one, 1, left_until(deadline));
    if (ready >= 0) return ready > 0;
    if (errno != EINTR) return true;  // libpq finds out what is wrong.
  }
}

/// "FATAL:  28P01: password authentication failed …" as libpq writes it with PQERRORS_VERBOSE,
/// behind words about the server; or words alone, where no server has spoken.
PostgresqlFailure failure_from(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  for (std::size_t at = text.find(":  "); at != std::string_view::npos;
       at = text.find(":  ", at + 1)) {
    const std::string_view rest = text.substr(at + 3);
    const bool has_code = rest.size() > 7 && rest[5] == ':' && rest[6] == ' ' &&
                          std::all_of(rest.begin(), rest.begin() + 5, [](unsigned char c) {
                            return std::isdigit(c) != 0 || std::isupper(c) != 0;
                          });
    if (has_code) return {std::string(rest.substr(0, 5)), std::string(rest.substr(7))};
  }
  return {"", std::string(text)};
}

/// Why libpq could not connect.
PostgresqlFailure refusal_of(PGconn* connection) {
  PostgresqlFailure failure = failure_from(PQerrorMessage(connection));
  // libpq gives up by itself where these stand; it has words for them, but no code.
  if (PQconnectionNeedsPassword(connection) != 0) failure.code = "28P01";
  if (failure.message.find("session is read-only") != std::string::npos) failure.code = "25006";
  return failure;
}

void hide(std::string& message, const Secret& password) {
  if (password.empty()) return;
  for (auto at = message.find(password.reveal()); at != std::string::npos;
       at = message.find(password.reveal(), at)) {
    message.replace(at, password.size(), "********");
    at += 8;
  }
}

void hear_nothing(void* /*unused*/, const char* /*notice*/) {}

}  // namespace

// ---- Failures ----

Error error_of(const PostgresqlFailure& failure, const PostgresqlAddress& address) {
  const std::string said = failure.message.empty() ? "" : " (" + failure.message + ")";
  auto error = [&](std::string_view what, std::string next_step) {
    return Error{
        Fault::store, address.shown + " " + std::string(what) + said, std::move(next_step), {}, {}};
  };
  const std::string& code = failure.code;
  auto is = [&](auto... codes) { return ((code == codes) || ...); };
  auto is_class = [&](std::string_view prefix) { return code.starts_with(prefix); };

  auto says = [&](std::string_view words) {
    return failure.message.find(words) != std::string::npos;
  };
  if (code.empty() && (says("certificate") || says("SSL error") || says("support SSL"))) {
    return error("cannot be reached over a verified TLS connection",
                 "name the certificate authority with sslrootcert=FILE in the URI, and the host as "
                 "its certificate does; sslmode says what is asked for");
  }
  if (code.empty() || is_class("08")) {
    return error("cannot be reached",
                 "check that the server runs, and that host and port are right and not behind a "
                 "firewall");
  }
  if (is_class("28")) {
    return error("does not let the user " + address.user + " in",
                 "set the password of that user with store_password, HUFU_STORE_PASSWORD or "
                 "~/.pgpass, and let pg_hba.conf allow this machine");
  }
  if (is("3D000")) {
    return error("does not exist", "make it: CREATE DATABASE NAME OWNER " + address.user);
  }
  if (is("42501")) {
    return error("forbids this to the user " + address.user,
                 "make that user the owner of the database, or of the tables hufu_…, and grant it "
                 "CREATE on its schema");
  }
  if (is("53100")) {
    return error("cannot grow: its disk is full", "free some space; nothing stored is lost");
  }
  if (is("53300", "53400")) {
    return error("has no connection left",
                 "raise max_connections, or the limit of the user or the database, or put a pooler "
                 "in front");
  }
  if (is("25006")) {
    return error("cannot be written: it is a standby, or set to read-only",
                 "name all servers in the URI, HOST1,HOST2, so that the one that can be written is "
                 "found; or look at default_transaction_read_only");
  }
  if (is("57P01", "57P02", "57P03", "57P05")) {
    return error("is being stopped or started", "wait for it; it is tried again by itself");
  }
  if (is("57014", "55P03")) {
    return error("does not answer in time", "look at its load, and for locks in pg_stat_activity");
  }
  if (is_class("40")) {
    return error("gave way to another transaction",
                 "leave default_transaction_isolation at read committed; it is tried again by "
                 "itself");
  }
  if (is("42P01", "42703")) {
    return error("lacks a table of Hufu's, or has another one of that name",
                 "restore it from a backup, or restart Hufu to make its tables anew");
  }
  if (is("42P07")) {
    return error("holds a table of another program that is called like one of Hufu's",
                 "give Hufu a database of its own");
  }
  if (is_class("58") || is_class("XX")) {
    return error("is damaged, or its disk fails", "look into the server's log");
  }
  return error("cannot be used: SQLSTATE " + code, "look into the server's log");
}

// ---- Rows ----

bool PostgresqlRows::is_null(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) != 0;
}

std::int64_t PostgresqlRows::integer(int row, int column) const {
  // Network byte order; of a smaller type, the sign is in its first byte.
  const std::string_view big_endian = bytes(row, column);
  const bool negative =
      big_endian.size() > 1 && (static_cast<unsigned char>(big_endian.front()) & 0x80U) != 0;
  std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
  for (const char byte : big_endian) value = value << 8U | static_cast<unsigned char>(byte);
  return static_cast<std::int64_t>(value);
}

std::optional<WallTime> PostgresqlRows::optional_time(int row, int column) const {
  if (is_null(row, column)) return std::nullopt;
  return time(row, column);
}

std::string_view PostgresqlRows::bytes(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

// ---- Connecting ----

PostgresqlConnection::PostgresqlConnection(Connection connection,
                                           std::atomic<std::uint64_t>& round_trips)
    : connection_(std::move(connection)),
      round_trips_(round_trips),
      deadline_(std::chrono::steady_clock::now() + kConnectPatience) {}

std::unique_ptr<PostgresqlConnection> PostgresqlConnection::connect(
    const PostgresqlAddress& address, std::atomic<std::uint64_t>& round_trips) {
  std::optional<PostgresqlFailure> telling;
  for (const auto& host : address.hosts) {
    try {
      auto made = std::unique_ptr<PostgresqlConnection>(
          new PostgresqlConnection(connect_to(address, host), round_trips));
      made->greet();
      return made;
    } catch (PostgresqlFailure& failure) {
      // What a server said tells more than that another one said nothing.
      if (!telling || telling->code.empty()) telling = std::move(failure);
    }
  }
  hide(telling->message, address.password);
  throw std::move(*telling);
}

PostgresqlConnection::Connection PostgresqlConnection::connect_to(
    const PostgresqlAddress& address, const PostgresqlAddress::Host& host) {
  std::vector<const char*> keys;
  std::vector<const char*> values;
  auto add = [&](const char* key, const std::string& value) {
    if (value.empty()) return;
    keys.push_back(key);
    values.push_back(value.c_str());
  };
  for (const auto& [key, value] : address.options) add(key.c_str(), value);
  add("host", host.name);
  add("hostaddr", host.address);
  add("port", host.port);
  std::string password(address.password.reveal());
  add("password", password);
  keys.push_back(nullptr);
  values.push_back(nullptr);

  Connection made(PQconnectStartParams(keys.data(), values.data(), 0), PQfinish);
  wipe(password);
  PGconn* connection = made.get();
  if (connection == nullptr) throw PostgresqlFailure{"", "out of memory"};
  PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
  PQsetNoticeProcessor(connection, hear_nothing, nullptr);

  // libpq's own connect_timeout is for callers that block in it.
  const Deadline deadline = std::chrono::steady_clock::now() + kConnectPatience;
  auto step = PQstatus(connection) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (step == PGRES_POLLING_READING || step == PGRES_POLLING_WRITING) {
    const short events = step == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (!wait_for(PQsocket(connection), events, deadline)) {
      throw PostgresqlFailure{
          "", "no answer within " + std::to_string(kConnectPatience.count() / 1000) + " s"};
    }
    step = PQconnectPoll(connection);
  }
  if (step == PGRES_POLLING_OK) {
    PQsetnonblocking(connection, 1);
    return made;
  }
  throw refusal_of(connection);
}

/// Finds out whether a pooler stands between. Only where none does may the session be told
/// something: that the server, too, gives up what nobody waits for any more.
void PostgresqlConnection::greet() {
  static const std::string kGreeting =
      "SELECT pg_backend_pid() = $1, CASE WHEN pg_backend_pid() = $1 "
      "THEN set_config('statement_timeout', '" +
      std::to_string(kPatience.count()) + "', false) END";
  const auto own = static_cast<std::int64_t>(PQbackendPID(connection_.get()));
  const PostgresqlRows answer = PostgresqlQuery(*this, kGreeting).bind(own).run();
  is_direct_ = answer.integer(0, 0) != 0;
}

// ---- Asking ----

bool PostgresqlConnection::broken() const {
  // An idle server says nothing but goodbye. Its words come first, then the end of the stream.
  for (int i = 0; i < 3; ++i) {
    if (lost_ || PQstatus(connection_.get()) == CONNECTION_BAD) return true;
    if (!wait_for(socket(), POLLIN, {})) return false;
    if (PQconsumeInput(connection_.get()) == 0) return true;
  }
  return false;
}

void PostgresqlConnection::allow(Milliseconds patience) {
  deadline_ = std::chrono::steady_clock::now() + patience;
}

void PostgresqlConnection::lose(std::string why) {
  lost_ = true;
  throw PostgresqlFailure{"", std::move(why)};
}

void PostgresqlConnection::wait(short events) {
  if (!wait_for(socket(), events, deadline_)) lose("it did not answer in time");
}

void PostgresqlConnection::run(const char* sql) {
  ++round_trips_;
  finish(PQsendQuery(connection_.get(), sql) != 0);
}

/// Sees what was sent through to its answer, the last one where there are several.
PostgresqlRows PostgresqlConnection::finish(bool sent) {
  PGconn* connection = connection_.get();
  auto cut = [&] { lose(failure_from(PQerrorMessage(connection)).message); };
  if (!sent) cut();
  int unsent = PQflush(connection);
  while (unsent == 1) {
    wait(POLLIN | POLLOUT);
    if (PQconsumeInput(connection) == 0) cut();
    unsent = PQflush(connection);
  }
  if (unsent < 0) cut();

  PostgresqlRows last(nullptr);
  std::optional<PostgresqlFailure> failure;
  while (true) {
    while (PQisBusy(connection) != 0) {
      wait(POLLIN);
      if (PQconsumeInput(connection) == 0) break;  // Words of goodbye may have come before.
    }
    PGresult* result = PQgetResult(connection);
    if (result == nullptr) break;
    last = PostgresqlRows(result);
    const auto status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || failure) continue;
    const char* code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char* words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (code != nullptr && words != nullptr) {
      failure = PostgresqlFailure{code, words};
    } else {
      failure = failure_from(PQresultErrorMessage(result));
    }
  }
  if (!failure) return last;
  // Elsewhere there may be a server that can be written.
  if (failure->code.empty() || failure->code == "25006") lost_ = true;
  throw std::move(*failure);
}

int PostgresqlConnection::take_notifications() {
  if (PQconsumeInput(connection_.get()) == 0) lose("the connection was cut");
  int count = 0;
  while (PGnotify* notification = PQnotifies(connection_.get())) {
    PQfreemem(notification);
    ++count;
  }
  return count;
}

// ---- Values ----

PostgresqlQuery& PostgresqlQuery::add(Oid type, std::optional<std::string> value) {
  types_.push_back(type);
  values_.push_back(std::move(value));
  return *this;
}

PostgresqlQuery& PostgresqlQuery::bind(std::int64_t value) {
  std::string big_endian;
  for (int shift = 56; shift >= 0; shift -= 8) {
    big_endian += static_cast<char>(static_cast<std::uint64_t>(value) >> shift & 0xffU);
  }
  return add(kInt8, std::move(big_endian));
}

PostgresqlQuery& PostgresqlQuery::bind(std::uint64_t value) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return bind(static_cast<std::int64_t>(std::min(value, kMost)));
}

PostgresqlQuery& PostgresqlQuery::bind(bool value) {
  return add(kBool, std::string(1, value ? '\1' : '\0'));
}

PostgresqlQuery& PostgresqlQuery::bind_text(std::string_view text) {
  return add(kText, std::string(text));
}
PostgresqlQuery& PostgresqlQuery::bind_bytes(std::string_view bytes) {
  return add(kBytes, std::string(bytes));
}

PostgresqlQuery& PostgresqlQuery::bind_time(const std::optional<WallTime>& time) {
  return time ? bind(std::int64_t{time->time_since_epoch().count()}) : bind_null();
}

PostgresqlQuery& PostgresqlQuery::bind_null() { return add(kInferred, std::nullopt); }

PostgresqlRows PostgresqlQuery::run() {
  std::vector<const char*> values;
  std::vector<int> sizes;
  for (const auto& value : values_) {
    values.push_back(value ? value->data() : nullptr);
    sizes.push_back(value ? static_cast<int>(value->size()) : 0);
  }
  const std::vector<int> binary(values_.size(), 1);
  ++connection_.round_trips_;
  const int sent = PQsendQueryParams(connection_.connection_.get(), sql_.c_str(),
                                     static_cast<int>(values.size()), types_.data(), values.data(),
                                     sizes.data(), binary.data(), 1);
  return connection_.finish(sent != 0);
}

}  // namespace hufu::store
