#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "store/conformance/store_testing.hpp"
#include "store/mongodb/mongodb_connection.hpp"
#include "store/temp_dir.hpp"
#include "testing/server_process.hpp"

namespace hufu::store::testing {

using hufu::testing::find_program;
using hufu::testing::free_port;
using hufu::testing::ServerProcess;

/// The server that the tests use: the one of HUFU_TEST_MONGODB_URI, else one that is started: a
/// `mongod` on the path, else FerretDB as script/test builds it.
class MongoServer {
 public:
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

 private:
  static std::unique_ptr<MongoServer> start() {
    std::unique_ptr<MongoServer> server(new MongoServer);
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

  [[nodiscard]] bool answers() const {
    auto address = MongoAddress::parse(Secret(uri("hufu_answers")), Secret());
    ServerClock clock(system_clock());
    return address && MongoConnection::open(*address, clock);
  }

  TempDir directory_;
  std::string what_;
  std::string base_;
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
    try {
      outsider().run(Doc().number("dropDatabase", 1));
    } catch (const MongoFailure& failure) {
      ADD_FAILURE() << failure.message;
    }
  }

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
