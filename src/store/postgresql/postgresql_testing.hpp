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
    if (failed_ || PQntuples(result.get()) == 0) return std::nullopt;
    return PQgetvalue(result.get(), 0, 0);
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
  /// More lines for postgresql.conf may follow; `place`: where its data lies, else in a directory
  /// of its own.
  explicit PostgresqlServer(const std::string& settings = "", const std::string& place = "")
      : data_(place.empty() ? directory_.file("data") : place), port_(hufu::testing::free_port()) {
    const unsigned user = postgresql_user();
    std::filesystem::create_directory(data_);
    for (const std::string& path : {data_, directory_.file("")}) {
      if (user != 0 && ::chown(path.c_str(), user, user) != 0) return;
    }
    hufu::testing::ServerProcess initdb(
        {find_postgresql("initdb"), "--pgdata=" + data_, "--username=postgres", "--auth=trust",
         "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"},
        directory_.file("initdb.log"), user);
    ::waitpid(initdb.pid(), nullptr, 0);
    std::ofstream(data_ + "/postgresql.conf", std::ios::app)
        << "listen_addresses = '127.0.0.1'\nport = " << port_ << "\nunix_socket_directories = '"
        << directory_.file("") << "'\n"
        << "max_connections = 300\nshared_buffers = 32MB\n"
        << "restart_after_crash = on\n"
        << settings << "\n";
    std::ofstream(data_ + "/pg_hba.conf")
        << "host all locked 127.0.0.1/32 scram-sha-256\nlocal all all trust\n"
        << "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n";
    process_.emplace(std::vector<std::string>{find_postgresql("postgres"), "-D", data_},
                     directory_.file("server.log"), user);
    if (!wait_until_up()) return;
    PostgresqlOutsider admin(uri("postgres", "postgres"));
    admin.run("CREATE ROLE hufu LOGIN");
    admin.run("CREATE ROLE locked LOGIN PASSWORD 'right'");
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
  [[nodiscard]] const std::string& data() const { return data_; }

  /// An empty database that `hufu` owns; its name.
  std::string new_database() {
    static int number = 0;
    std::string name = "hufu_" + std::to_string(++number);
    PostgresqlOutsider admin(uri("postgres", "postgres"));
    admin.run("CREATE DATABASE " + name + " OWNER hufu");
    return name;
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
  void signal_all(int signal) const {
    const std::string server = std::to_string(process_->pid());
    ::kill(process_->pid(), signal);
    std::ifstream children("/proc/" + server + "/task/" + server + "/children");
    for (pid_t child = 0; children >> child;) ::kill(child, signal);
  }

  TempDir directory_;
  std::string data_;
  std::uint16_t port_;
  std::optional<hufu::testing::ServerProcess> process_;
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
