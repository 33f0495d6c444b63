#include "cli/service.hpp"

#include <gtest/gtest.h>

#include <future>

#include "simulator/server.hpp"
#include "store/blocking.hpp"
#include "testing/raw_client.hpp"

namespace hufu::cli {
namespace {

constexpr const char* kAnyPort = "127.0.0.1:0";

/// A platform that knows everybody, and a service that knows the apps it is told.
struct ServiceFixture {
  std::unique_ptr<simulator::Simulator> platform;
  std::unique_ptr<Service> service;

  explicit ServiceFixture(std::vector<std::string> apps) {
    simulator::Simulator::Options options;
    options.model.any_app = true;
    platform = std::move(simulator::Simulator::start(options).value());
    Config config;
    config.threads = 1;
    config.platforms["wechat"] = {platform->base_url(), false};
    config.apps = configured(apps);
    service = std::move(Service::open(std::move(config), "1.2.3").value());
  }

  static std::vector<AppConfig> configured(const std::vector<std::string>& ids) {
    std::vector<AppConfig> apps;
    for (const std::string& id : ids) {
      AppConfig app;
      app.id = id;
      app.credentials.insert_or_assign(std::string(kSecret),
                                       Secret(std::string_view("opens-nothing")));
      apps.push_back(std::move(app));
    }
    return apps;
  }

  /// Returns when the store has been read.
  Result<void> start(const std::string& listen = kAnyPort) {
    auto read = std::make_shared<std::promise<Result<void>>>();
    auto outcome = read->get_future();
    auto started =
        service->start(listen, [read](Result<void> done) { read->set_value(std::move(done)); });
    return started ? outcome.get() : started;
  }

  Result<Grant> get(const std::string& app) {
    return store::await<Result<Grant>>(
        [&](auto done) { service->keeper().get(Key{app}, keeper::Wish{}, std::move(done)); });
  }
};

std::string request_for(const std::string& app) {
  return "GET /cgi-bin/token?grant_type=client_credential&appid=" + app +
         "&secret=opens-nothing HTTP/1.1\r\nHost: h\r\n\r\n";
}

TEST(Service, AnswersWithATokenOfThePlatform) {
  ServiceFixture fixture({"wx1"});
  ASSERT_TRUE(fixture.start());
  auto grant = fixture.get("wx1");
  ASSERT_TRUE(grant);
  EXPECT_TRUE(fixture.platform->model().token(grant->token.reveal()));
}

TEST(Service, TakesAppsInWithoutDroppingAConnection) {
  ServiceFixture fixture({"wx1", "wx2"});
  ASSERT_TRUE(fixture.start());
  ASSERT_TRUE(fixture.get("wx1"));
  testing::RawClient client(fixture.service->address());
  ASSERT_TRUE(client.send(request_for("wx1")));
  EXPECT_NE(client.read_answer().find("access_token"), std::string::npos);

  ASSERT_TRUE(fixture.service->set_apps(ServiceFixture::configured({"wx2", "wx3"})));
  ASSERT_TRUE(client.send(request_for("wx3")));
  EXPECT_NE(client.read_answer().find("access_token"), std::string::npos);
  ASSERT_TRUE(client.send(request_for("wx1")));
  EXPECT_NE(client.read_answer().find("40013"), std::string::npos);
}

TEST(Service, SaysThatItsPortIsTakenAndCanListenElsewhere) {
  ServiceFixture first({"wx1"});
  ASSERT_TRUE(first.start());
  ServiceFixture second({"wx1"});
  auto started = second.start(first.service->address());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().fault, Fault::config);
  EXPECT_FALSE(started.error().next_step.empty());
  EXPECT_TRUE(second.start());
}

TEST(Service, StopsThoughItWasNeverStarted) {
  ServiceFixture fixture({"wx1"});
  fixture.service.reset();
}

TEST(Service, AnswersWhatHadBegunBeforeItEnds) {
  ServiceFixture fixture({"wx1"});
  ASSERT_TRUE(fixture.start());
  ASSERT_TRUE(fixture.get("wx1"));
  simulator::FaultSwitch slow;
  slow.kind = simulator::FaultSwitch::Kind::slow;
  slow.endpoint = "getcallbackip";
  slow.delay = Milliseconds(100);
  fixture.platform->model().add_fault(slow);

  // A report of the token: the server asks the platform before it answers.
  const std::string body =
      R"({"grant_type":"client_credential","appid":"wx1","secret":"opens-nothing","force_refresh":true})";
  testing::RawClient client(fixture.service->address());
  ASSERT_TRUE(client.send("POST /cgi-bin/stable_token HTTP/1.1\r\nHost: h\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n\r\n" + body));
  while (fixture.platform->model().calls("", "getcallbackip").empty()) std::this_thread::yield();
  auto stopped =
      std::async(std::launch::async, [&] { fixture.service->stop(std::chrono::seconds(10)); });
  EXPECT_NE(client.read_answer().find("access_token"), std::string::npos);
  client.close();
  stopped.get();
}

}  // namespace
}  // namespace hufu::cli
