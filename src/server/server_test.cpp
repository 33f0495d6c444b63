#include "server/server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/route_fixture_testing.hpp"

namespace hufu::server {
namespace {

using std::chrono::seconds;
using testing::FakeKeeper;
using testing::grant;

/// The keys of a database that answers at once, or when told to.
class FakeRegistry final : public store::Registry {
 public:
  using Rows = Result<std::vector<store::ApiKeyRow>>;

  std::string add_key(store::Rights rights) {
    NewApiKey made = make_api_key().value();
    std::lock_guard lock(mutex_);
    store::ApiKeyRow row;
    row.name = "key " + std::to_string(rows_.size());
    row.hash = made.hash;
    row.rights = rights;
    rows_.push_back(std::move(row));
    return std::string(made.key.reveal());
  }
  void revoke_all() {
    std::lock_guard lock(mutex_);
    rows_.clear();
  }
  std::vector<store::ApiKeyRow> rows() {
    std::lock_guard lock(mutex_);
    return rows_;
  }

  std::optional<Error> error;
  bool hold = false;
  std::vector<Done<Rows>> held;

  void list_keys(Done<Rows> done) override {
    if (hold) return held.push_back(std::move(done));
    if (error) return done(tl::unexpected<Error>(*error));
    done(rows());
  }

  void put_app(store::AppRow, Done<Result<void>>) override {}
  void load_app(const std::string&, Done<Result<std::optional<store::AppRow>>>) override {}
  void remove_app(const std::string&, Done<Result<bool>>) override {}
  void scan_apps(std::function<void(store::AppRow&&)>, Done<Result<void>>) override {}
  void put_key(store::ApiKeyRow, Done<Result<bool>>) override {}
  void revoke_key(const std::string&, Done<Result<bool>>) override {}

 private:
  std::mutex mutex_;
  std::vector<store::ApiKeyRow> rows_;
};

/// A client with one connection. Its deadline is there so that a broken server fails the test.
class Client {
 public:
  explicit Client(const std::string& address) {
    auto colon = address.rfind(':');
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    timeval deadline{10, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  }
  ~Client() { close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send_request(std::string_view method, std::string_view target, const std::string& key = {},
                    const std::string& body = {}, const std::string& headers = {}) {
    std::string request = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\n";
    request += "Host: hufu\r\n" + headers;
    if (!key.empty()) request += "Authorization: Bearer " + key + "\r\n";
    if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    request += "\r\n" + body;
    EXPECT_EQ(write(socket_, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  }

  struct Response {
    int status = 0;  ///< 0: the connection ended.
    std::string head;
    std::string body;
  };
  Response receive(bool bodiless = false) {
    Response response;
    std::size_t end = 0;
    while ((end = unread_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more()) return response;
    }
    response.head = unread_.substr(0, end + 2);
    unread_.erase(0, end + 4);
    response.status = std::stoi(response.head.substr(9, 3));
    auto length = response.head.find("Content-Length: ");
    if (bodiless || length == std::string::npos) return response;
    std::size_t size = std::stoul(response.head.substr(length + 16));
    while (unread_.size() < size && read_more()) continue;
    response.body = unread_.substr(0, size);
    unread_.erase(0, size);
    return response;
  }
  Response ask(std::string_view method, std::string_view target, const std::string& key = {},
               const std::string& body = {}, const std::string& headers = {}) {
    send_request(method, target, key, body, headers);
    return receive(method == "HEAD");
  }

 private:
  bool read_more() {
    char some[4096];
    ssize_t size = read(socket_, some, sizeof some);
    if (size <= 0) return false;
    unread_.append(some, static_cast<std::size_t>(size));
    return true;
  }

  int socket_ = socket(AF_INET, SOCK_STREAM, 0);
  std::string unread_;
};

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    keeper.add("wx1", "TOKEN-1");
    keeper.add("wx-new");
    options.listen = "127.0.0.1:0";
    options.threads = 2;
    key = registry->add_key({true, true, true, true, true});
  }
  std::unique_ptr<Server> start() {
    auto started = Server::start(options, keeper, registry, clock);
    EXPECT_TRUE(started.has_value()) << started.error().message;
    return *std::move(started);
  }

  hufu::testing::FakeClock clock;
  FakeKeeper keeper;
  std::shared_ptr<FakeRegistry> registry = std::make_shared<FakeRegistry>();
  Server::Options options;
  std::string key;
};

TEST_F(ServerTest, AnswersOnOneConnectionWhateverIsAsked) {
  auto server = start();
  Client client(server->address());
  auto token =
      client.ask("GET", "/cgi-bin/token?grant_type=client_credential&appid=wx1&secret=" + key);
  EXPECT_EQ(token.status, 200);
  EXPECT_EQ(token.body, R"({"access_token":"TOKEN-1","expires_in":7000})");
  EXPECT_NE(token.head.find("Content-Type: application/json; encoding=utf-8\r\n"),
            std::string::npos);
  EXPECT_EQ(client.ask("GET", "/v1/apps/wx1/token", key).status, 200);
  EXPECT_EQ(client.ask("GET", "/v1/apps/wx-new/token", key).status, 200);
  EXPECT_EQ(client.ask("POST", "/v1/apps/wx1/token/report", key, R"({"token":"x"})").status, 200);
  EXPECT_EQ(client.ask("GET", "/v1/apps/wx1/token").status, 401);
  EXPECT_EQ(client.ask("GET", "/nothing").status, 404);
  EXPECT_EQ(client.ask("DELETE", "/v1/status", key).status, 405);
  EXPECT_EQ(client.ask("DELETE", "/v1/apps/wx1", key).status, 204);
  EXPECT_EQ(client.ask("GET", "/readyz").status, 200);
}

TEST_F(ServerTest, SendsNoBodyWhereNoneBelongs) {
  auto server = start();
  Client client(server->address());
  auto head = client.ask("HEAD", "/v1/apps/wx1/token", key);
  EXPECT_EQ(head.status, 200);
  EXPECT_NE(head.head.find("ETag: \"1-0a1b2c3d\"\r\n"), std::string::npos);
  auto unchanged =
      client.ask("GET", "/v1/apps/wx1/token", key, {}, "If-None-Match: \"1-0a1b2c3d\"\r\n");
  EXPECT_EQ(unchanged.status, 304);
  EXPECT_NE(unchanged.head.find("ETag: \"1-0a1b2c3d\"\r\n"), std::string::npos);
  // Nothing was left over that would be taken for the next answer.
  EXPECT_EQ(client.ask("GET", "/healthz").body, R"({"alive":true})");
}

TEST_F(ServerTest, AnswersManyAtOnce) {
  auto server = start();
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      Client client(server->address());
      for (int k = 0; k < 100; ++k) {
        if (client.ask("GET", "/v1/apps/wx1/token", key).status == 200) ++good;
      }
    });
  }
  for (int i = 0; i < 20; ++i) server->reload_keys([](Result<void>) {});
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 400);
}

TEST_F(ServerTest, KnowsAKeyOnceItIsReloadedAndForgetsARevokedOne) {
  auto server = start();
  Client client(server->address());
  std::string fresh = registry->add_key({.read = true});
  EXPECT_EQ(client.ask("GET", "/v1/apps/wx1/token", fresh).status, 401);
  server->reload_keys([](Result<void> outcome) { EXPECT_TRUE(outcome.has_value()); });
  EXPECT_EQ(client.ask("GET", "/v1/apps/wx1/token", fresh).status, 200);
  registry->revoke_all();
  server->reload_keys([](Result<void>) {});
  EXPECT_EQ(client.ask("GET", "/v1/apps/wx1/token", fresh).status, 401);
}

TEST_F(ServerTest, EndsTheLongPollsOfARevokedKey) {
  std::promise<void> held;
  keeper.holds = true;
  keeper.on_held = [&] { held.set_value(); };
  auto server = start();
  Client client(server->address());
  client.send_request("GET", "/v1/apps/wx1/token?wait=60", key, {},
                      "If-None-Match: \"1-0a1b2c3d\"\r\n");
  held.get_future().get();
  registry->revoke_all();
  server->reload_keys([](Result<void>) {});
  EXPECT_EQ(client.receive().status, 401);
}

TEST_F(ServerTest, KeepsTheKeysItHasWhenTheStoreIsOutAndSaysSo) {
  auto server = start();
  registry->error = Error{Fault::store, "out", {}, {}, {}};
  std::optional<Fault> fault;
  server->reload_keys([&](Result<void> outcome) { fault = outcome.error().fault; });
  EXPECT_EQ(fault, Fault::store);
  Client client(server->address());
  EXPECT_EQ(client.ask("GET", "/v1/apps/wx1/token", key).status, 200);
}

TEST_F(ServerTest, NeverBringsARevokedKeyBack) {
  auto server = start();
  registry->hold = true;
  int done = 0;
  std::vector<store::ApiKeyRow> before = registry->rows();
  server->reload_keys([&](Result<void>) { ++done; });
  registry->revoke_all();
  server->reload_keys([&](Result<void>) { ++done; });
  server->reload_keys([&](Result<void>) { ++done; });

  // One reading at a time: the second begins only when the first, by now outdated, has ended.
  ASSERT_EQ(registry->held.size(), 1U);
  registry->held[0](before);
  EXPECT_EQ(done, 1);
  ASSERT_EQ(registry->held.size(), 2U);
  registry->held[1](registry->rows());
  EXPECT_EQ(done, 3);
  EXPECT_EQ(registry->held.size(), 2U);
  registry->held.clear();
  Client client(server->address());
  EXPECT_EQ(client.ask("GET", "/v1/apps/wx1/token", key).status, 401);
}

TEST_F(ServerTest, DoesNotStartWithoutItsKeysOrItsAddress) {
  auto server = start();
  options.listen = server->address();
  auto second = Server::start(options, keeper, registry, clock);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().fault, Fault::config);

  options.listen = "127.0.0.1:0";
  registry->error = Error{Fault::store, "out", {}, {}, {}};
  auto third = Server::start(options, keeper, registry, clock);
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().fault, Fault::store);
}

TEST_F(ServerTest, LetsWhatHasBegunBeAnsweredBeforeItStops) {
  std::promise<Done<Result<Grant>>> taken;
  keeper.on_get_later = [&](Done<Result<Grant>> done) { taken.set_value(std::move(done)); };
  auto server = start();
  auto client = std::make_unique<Client>(server->address());
  client->send_request("GET", "/v1/apps/wx-new/token", key);
  Done<Result<Grant>> done = taken.get_future().get();

  auto stopped = std::async(std::launch::async, [&] { server->stop(seconds(30)); });
  done(grant("wx-new", "in time"));
  EXPECT_NE(client->receive().body.find("in time"), std::string::npos);
  client.reset();
  stopped.get();
}

TEST_F(ServerTest, IsNotMissedByAnAnswerThatComesTooLate) {
  std::promise<Done<Result<Grant>>> taken;
  keeper.on_get_later = [&](Done<Result<Grant>> done) { taken.set_value(std::move(done)); };
  auto server = start();
  Client client(server->address());
  client.send_request("GET", "/v1/apps/wx-new/token", key);
  Done<Result<Grant>> done = taken.get_future().get();
  server.reset();
  done(grant("wx-new", "too late"));
  EXPECT_EQ(client.receive().body.find("too late"), std::string::npos);
}

TEST_F(ServerTest, StandsHostileRequests) {
  auto server = start();
  const std::string long_line(15'000, 'a');
  for (const std::string& target :
       {std::string("/%00%ff"), "/v1/apps/" + long_line + "/token", "/cgi-bin/token?" + long_line,
        std::string("/cgi-bin/token?appid=%&secret=%zz"), std::string("/../../etc/passwd"),
        std::string("http://elsewhere/v1/status"), std::string("*"), std::string("//////")}) {
    Client client(server->address());
    int status = client.ask("GET", target, key).status;
    EXPECT_TRUE(status == 200 || (status >= 400 && status < 500)) << target.substr(0, 60) << status;
  }
  Client client(server->address());
  EXPECT_EQ(client.ask("GET", "/healthz").status, 200);
}

}  // namespace
}  // namespace hufu::server
