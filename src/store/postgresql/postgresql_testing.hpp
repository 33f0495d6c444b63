#pragma once

#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/temp_dir.hpp"
#include "testing/server_process.hpp"

/// A real PostgreSQL server, and a pooler in front of it, for the length of a test program.
namespace hufu::store::testing {

/// A session of somebody else's: `psql`, an operator, another program.
class PostgresqlOutsider {
 public:
  explicit PostgresqlOutsider(const std::string& uri)
      : connection_(PQconnectdb(uri.c_str()), PQfinish) {
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
  }

  [[nodiscard]] bool connected() const { return PQstatus(connection_.get()) == CONNECTION_OK; }
  /// The first value of the last statement; nothing where there is none, or it failed.
  std::optional<std::string> ask(const std::string& sql) {
    const std::unique_ptr<PGresult, void (*)(PGresult*)> result(
        PQexec(connection_.get(), sql.c_str()), PQclear);
    failed_ = PQresultStatus(result.get()) != PGRES_TUPLES_OK &&
              PQresultStatus(result.get()) != PGRES_COMMAND_OK;
    if (PQntuples(result.get()) == 0 || PQnfields(result.get()) == 0) return std::nullopt;
    return PQgetvalue(result.get(), 0, 0);
  }
  /// Notifications that came since this was asked last.
  int notifications() {
    PQconsumeInput(connection_.get());
    int count = 0;
    while (PGnotify* one = PQnotifies(connection_.get())) {
      PQfreemem(one);
      ++count;
    }
    return count;
  }
  /// Whether it could be done.
  bool run(const std::string& sql) {
    ask(sql);
    return !failed_;
  }

 private:
  std::unique_ptr<PGconn, void (*)(PGconn*)> connection_;
  bool failed_ = false;
};

/// The user that PostgreSQL's programs run as: they refuse to run as root. 0: as whom we are.
inline unsigned postgresql_user() {
  if (::getuid() != 0) return 0;
  const passwd* user = ::getpwnam("postgres");
  if (user == nullptr) user = ::getpwnam("nobody");
  return user == nullptr ? 0 : user->pw_uid;
}

/// The newest server of this machine; empty where there is none.
inline std::string find_postgresql(const std::string& program) {
  std::vector<std::string> places;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
    places.push_back(entry.path().string() + "/bin");
  }
  std::sort(places.rbegin(), places.rend());
  return hufu::testing::find_program(program, places);
}

/// A server on a loopback port and a socket, with the user `hufu` who may make nothing but tables.
/// Users are who they say they are, save `locked`, whose password is "right".
class PostgresqlServer {
 public:
  PostgresqlServer() {
    make_directory();
    run({find_postgresql("initdb"), "--pgdata=" + data_, "--username=postgres", "--auth=trust",
         "--encoding=UTF8", "--locale=C", "--no-sync"});
    std::ofstream(data_ + "/pg_hba.conf")
        << "host all locked 127.0.0.1/32 scram-sha-256\nlocal all all trust\n"
        << "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n";
    serve();
    if (!wait_until_up()) return;
    PostgresqlOutsider admin(uri("postgres", "postgres"));
    admin.run("CREATE ROLE hufu LOGIN");
    admin.run("CREATE ROLE locked LOGIN PASSWORD 'right'");
  }

  PostgresqlServer(const PostgresqlServer&) = delete;
  PostgresqlServer& operator=(const PostgresqlServer&) = delete;
  /// In the one quick way after which it leaves no shared memory behind.
  ~PostgresqlServer() {
    if (process_) process_->stop(SIGQUIT);
  }

  struct Standby {};
  /// A copy of `primary` that follows it until it is promoted.
  PostgresqlServer(const PostgresqlServer& primary, Standby) {
    make_directory();
    run({find_postgresql("pg_basebackup"), "--pgdata=" + data_, "--write-recovery-conf",
         "--checkpoint=fast", "--no-sync", "--dbname=" + primary.uri("postgres", "postgres")});
    serve();
  }

  [[nodiscard]] bool wait_until_up() {
    return process_ && process_->wait_until([this] {
      return PQping(uri("postgres", "postgres").c_str()) == PQPING_OK;
    });
  }
  [[nodiscard]] std::string uri(const std::string& database,
                                const std::string& user = "hufu") const {
    return "postgresql://" + user + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
  }
  /// The same through the Unix socket.
  [[nodiscard]] std::string socket_uri(const std::string& database) const {
    return "postgresql:///" + database + "?user=hufu&host=" + directory_.file("") +
           "&port=" + std::to_string(port_);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

  static std::string find_openssl() { return hufu::testing::find_program("openssl", {}); }
  /// Speaks TLS from now on, as `host`; the certificate that vouches for it.
  [[nodiscard]] std::string switch_to_tls(const std::string& host) const {
    run({find_openssl(), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=" + host, "-addext", "subjectAltName=DNS:" + host, "-keyout", data_ + "/server.key",
         "-out", data_ + "/server.crt"});
    PostgresqlOutsider admin(uri("postgres", "postgres"));
    admin.run("ALTER SYSTEM SET ssl = on");
    admin.run("SELECT pg_reload_conf()");
    while (PostgresqlOutsider(uri("postgres", "postgres")).ask("SHOW ssl") != "on") {
    }
    return data_ + "/server.crt";
  }

  /// Ends at once, as in a crash ("immediate shutdown").
  void kill() { process_->stop(SIGQUIT); }
  [[nodiscard]] bool start() {
    process_->start();
    return wait_until_up();
  }
  /// The server and all that serve its sessions stand still, and go on.
  void freeze() const { signal_all(SIGSTOP); }
  void thaw() const { signal_all(SIGCONT); }

 private:
  void make_directory() {
    const unsigned user = postgresql_user();
    std::filesystem::create_directory(data_);
    std::filesystem::permissions(data_, std::filesystem::perms::owner_all);
    for (const std::string& path : {data_, directory_.file("")}) {
      if (user != 0 && ::chown(path.c_str(), user, user) != 0) return;
    }
  }
  void run(std::vector<std::string> arguments) const {
    hufu::testing::ServerProcess process(std::move(arguments), directory_.file("setup.log"),
                                         postgresql_user());
    static_cast<void>(process.wait_until([] { return false; }));
  }
  void serve() {
    std::ofstream(data_ + "/postgresql.conf", std::ios::app)
        << "listen_addresses = '127.0.0.1'\nport = " << port_ << "\nunix_socket_directories = '"
        << directory_.file("") << "'\n"
        << "max_connections = 300\nshared_buffers = 32MB\nrestart_after_crash = on\n"
        << "dynamic_shared_memory_type = mmap\npassword_encryption = scram-sha-256\n";
    process_.emplace(std::vector<std::string>{find_postgresql("postgres"), "-D", data_},
                     directory_.file("server.log"), postgresql_user());
  }
  void signal_all(int signal) const {
    const std::string server = std::to_string(process_->pid());
    ::kill(process_->pid(), signal);
    std::ifstream children("/proc/" + server + "/task/" + server + "/children");
    for (pid_t child = 0; children >> child;) ::kill(child, signal);
  }

  TempDir directory_;
  std::string data_ = directory_.file("data");
  std::uint16_t port_ = hufu::testing::free_port();
  std::optional<hufu::testing::ServerProcess> process_;
};

/// An empty database that the user `hufu` owns, for the length of one test.
class TestDatabase {
 public:
  explicit TestDatabase(const PostgresqlServer& server) : server_(server) {
    static int number = 0;
    name_ = "hufu_" + std::to_string(++number);
    admin("CREATE DATABASE " + name_ + " OWNER hufu");
  }
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;
  ~TestDatabase() { admin("DROP DATABASE " + name_ + " WITH (FORCE)"); }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string uri(const std::string& user = "hufu") const {
    return server_.uri(name_, user);
  }
  /// Has the server's administrator do something; each time in a session of its own.
  bool admin(const std::string& sql) const {
    return PostgresqlOutsider(server_.uri("postgres", "postgres")).run(sql);
  }

 private:
  const PostgresqlServer& server_;
  std::string name_;
};

/// PgBouncer in transaction mode, in front of a server.
class Pooler {
 public:
  explicit Pooler(const PostgresqlServer& server) : port_(hufu::testing::free_port()) {
    const unsigned user = postgresql_user();
    std::ofstream(directory_.file("users")) << "\"hufu\" \"\"\n";
    std::ofstream(directory_.file("pgbouncer.ini"))
        << "[databases]\n* = host=127.0.0.1 port=" << server.port() << "\n[pgbouncer]\n"
        << "listen_addr = 127.0.0.1\nlisten_port = " << port_ << "\nunix_socket_dir =\n"
        << "auth_type = trust\nauth_file = " << directory_.file("users") << "\n"
        << "pool_mode = transaction\ndefault_pool_size = 4\nmax_client_conn = 900\n";
    for (const char* path : {"", "users", "pgbouncer.ini"}) {
      if (user != 0 && ::chown(directory_.file(path).c_str(), user, user) != 0) return;
    }
    process_.emplace(std::vector<std::string>{program(), directory_.file("pgbouncer.ini")},
                     directory_.file("log"), user);
    static_cast<void>(
        process_->wait_until([this] { return PostgresqlOutsider(uri("postgres")).connected(); }));
  }
  static std::string program() { return hufu::testing::find_program("pgbouncer", {"/usr/sbin"}); }
  [[nodiscard]] std::string uri(const std::string& database) const {
    return "postgresql://hufu@127.0.0.1:" + std::to_string(port_) + "/" + database;
  }

 private:
  TempDir directory_;
  std::uint16_t port_;
  std::optional<hufu::testing::ServerProcess> process_;
};

}  // namespace hufu::store::testing
