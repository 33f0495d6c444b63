#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "store/conformance/store_testing.hpp"
#include "store/mongodb/mongodb_connection.hpp"
#include "store/temp_dir.hpp"
#include "testing/server_process.hpp"

namespace hufu::store::testing {

using hufu::testing::find_program;
using hufu::testing::free_port;
using hufu::testing::ServerProcess;

/// The server that the tests use: the one of HUFU_TEST_MONGODB_URI, else one that is started: a
/// `mongod` on the path, else FerretDB as script/test builds it. Or, where that is asked for, the
/// latter as a replica set of three.
class MongoServer {
 public:
  /// Before the first `get`.
  static void be_replica_set() { wants_replica_set() = true; }
  /// Null where there is none to be had.
  static MongoServer* get() {
    static const std::unique_ptr<MongoServer> server = start();
    return server.get();
  }

  /// Of a database on it.
  [[nodiscard]] std::string uri(const std::string& database) const {
    const auto query = base_.find('?');
    const std::string host = base_.substr(0, query);
    return host + (host.ends_with("/") ? "" : "/") + database +
           (query == std::string::npos ? "" : base_.substr(query));
  }
  /// Empty where it was not started here.
  [[nodiscard]] ServerProcess* process() { return process_.get(); }
  [[nodiscard]] bool wait_until_up() {
    return process_->wait_until([this] { return answers(); });
  }
  [[nodiscard]] const std::string& what() const { return what_; }
  /// The addresses of its members; empty where it is another server.
  [[nodiscard]] const std::vector<std::string>& members() const { return members_; }

 private:
  static bool& wants_replica_set() {
    static bool wanted = false;
    return wanted;
  }
  static std::unique_ptr<MongoServer> start() {
    std::unique_ptr<MongoServer> server(new MongoServer);
    if (wants_replica_set()) return start_replica_set(std::move(server));
    if (const char* given = std::getenv("HUFU_TEST_MONGODB_URI")) {
      server->base_ = given;
      server->what_ = "HUFU_TEST_MONGODB_URI";
      return server->answers() ? std::move(server) : nullptr;
    }
    const std::string port = std::to_string(free_port());
    const std::string data = server->directory_.file("data");
    std::filesystem::create_directory(data);
    std::vector<std::string> arguments;
    if (const auto mongod = find_program("mongod", {}); !mongod.empty()) {
      arguments = {mongod, "--dbpath", data, "--port", port, "--bind_ip", "127.0.0.1"};
    } else if (const auto ferretdb = find_program("ferretdb", {HUFU_TEST_SERVERS});
               !ferretdb.empty()) {
      arguments = {ferretdb, "127.0.0.1:" + port, data};
    } else {
      return nullptr;
    }
    server->what_ = arguments[0];
    server->base_ = "mongodb://127.0.0.1:" + port + "/";
    server->process_ =
        std::make_unique<ServerProcess>(std::move(arguments), server->directory_.file("log"));
    return server->wait_until_up() ? std::move(server) : nullptr;
  }

  static std::unique_ptr<MongoServer> start_replica_set(std::unique_ptr<MongoServer> server) {
    const auto ferretdb = find_program("ferretdb", {HUFU_TEST_SERVERS});
    if (ferretdb.empty()) return nullptr;
    const std::string data = server->directory_.file("data");
    std::filesystem::create_directory(data);
    std::string all;
    for (int i = 0; i < 3; ++i) {
      server->members_.push_back("127.0.0.1:" + std::to_string(free_port()));
      all += (i == 0 ? "" : ",") + server->members_.back();
    }
    server->what_ = ferretdb + " as a replica set";
    server->base_ = "mongodb://" + all + "/?replicaSet=hufu";
    server->process_ = std::make_unique<ServerProcess>(
        std::vector<std::string>{ferretdb, "-election", "500ms", all, data},
        server->directory_.file("log"));
    return server->wait_until_up() ? std::move(server) : nullptr;
  }

  [[nodiscard]] bool answers() const {
    auto address = MongoAddress::parse(Secret(uri("hufu_answers")), Secret());
    ServerClock clock(system_clock());
    return address && MongoConnection::open(*address, clock);
  }

  TempDir directory_;
  std::string what_;
  std::string base_;
  std::vector<std::string> members_;
  std::unique_ptr<ServerProcess> process_;
};

/// A database of its own, for the length of one test, and somebody else's connection to it.
class MongoDatabase {
 public:
  explicit MongoDatabase(std::string extra = "")
      : name_("hufu_test_" + std::to_string(::getpid()) + "_" + std::to_string(++counter())),
        uri_(MongoServer::get()->uri(name_) + extra) {}
  MongoDatabase(const MongoDatabase&) = delete;
  MongoDatabase& operator=(const MongoDatabase&) = delete;
  ~MongoDatabase() {
    connection_.reset();  // The primary may be another one by now.
    try {
      outsider().run(Doc().number("dropDatabase", 1));
    } catch (const MongoFailure& failure) {
      ADD_FAILURE() << failure.message;
    }
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& uri() const { return uri_; }
  [[nodiscard]] MongoConnection& outsider() {
    if (!connection_ || connection_->broken()) {
      const auto address = must_value(MongoAddress::parse(Secret(uri_), Secret()));
      connection_ = must_value(MongoConnection::open(address, clock_));
    }
    return *connection_;
  }
  /// Every document of a collection that fits.
  std::vector<Doc> find(const char* collection, const Doc& filter = {}) {
    std::vector<Doc> found;
    outsider().find(collection, filter, {}, {}, 10'000, [&](const Fields& fields) {
      Doc copy;
      bson_t view;
      bson_init_static(&view, fields.data(), fields.size());
      bson_copy_to(&view, copy.reset());
      found.push_back(std::move(copy));
    });
    return found;
  }

 private:
  static std::atomic<int>& counter() {
    static std::atomic<int> count = 0;
    return count;
  }

  const std::string name_;
  const std::string uri_;
  ServerClock clock_{system_clock()};
  std::unique_ptr<MongoConnection> connection_;
};

}  // namespace hufu::store::testing
