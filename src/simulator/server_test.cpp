#include "simulator/server.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <thread>

#include "testing/fake_clock.hpp"

namespace hufu::simulator {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr seconds kDeadline{10};  // Of whatever should happen at once.

/// What a client gets to see: everything until the connection ended, and how it ended.
struct Seen {
  int error = 0;  ///< errno of the connect or of the last read; 0 after an orderly end.
  std::string bytes;

  [[nodiscard]] std::string body() const {
    auto end = bytes.find("\r\n\r\n");
    return end == std::string::npos ? std::string() : bytes.substr(end + 4);
  }
  [[nodiscard]] json::object object() const {
    json::error_code failure;
    json::value value = json::parse(body(), failure);
    return value.is_object() ? value.as_object() : json::object();
  }
};

/// A client of the bare socket: it sees what a library would hide.
class Client {
 public:
  explicit Client(const std::string& address) {
    auto colon = address.rfind(':');
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    timeval limit{kDeadline.count(), 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    void* where = &to;
    if (connect(socket_, static_cast<sockaddr*>(where), sizeof to) != 0) error_ = errno;
  }
  ~Client() { close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// `headers` are whole lines.
  Client& send(const std::string& method, const std::string& target, const std::string& body = {},
               const std::string& headers = {}) {
    std::string request = method + " " + target +
                          " HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n" + headers +
                          "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    if (error_ == 0 && ::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) < 0)
      error_ = errno;
    return *this;
  }
  Seen read() {
    Seen seen{error_, {}};
    char buffer[4096];
    while (seen.error == 0) {
      ssize_t count = recv(socket_, buffer, sizeof buffer, 0);
      if (count == 0) break;
      if (count < 0)
        seen.error = errno;
      else
        seen.bytes.append(buffer, static_cast<std::size_t>(count));
    }
    return seen;
  }

 private:
  int socket_ = -1;
  int error_ = 0;
};

template <class Condition>
bool soon(Condition&& condition) {
  auto limit = std::chrono::steady_clock::now() + kDeadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::yield();
  }
  return true;
}

const std::string kGetToken = std::string("/cgi-bin/token?grant_type=client_credential&appid=") +
                              kDemoApp + "&secret=" + kDemoSecret;

class SimulatorTest : public ::testing::Test {
 protected:
  SimulatorTest() {
    Simulator::Options options;
    options.clock = &clock_;
    options.control_listen = "127.0.0.1:0";
    auto started = Simulator::start(std::move(options));
    if (!started) throw std::runtime_error(started.error().message);
    simulator_ = std::move(*started);
  }
  Seen send(const std::string& method, const std::string& target, const std::string& body = {},
            const std::string& headers = {}) {
    return Client(simulator_->address()).send(method, target, body, headers).read();
  }
  Seen control(const std::string& method, const std::string& target, const std::string& body = {}) {
    return Client(simulator_->control_address()).send(method, target, body).read();
  }
  void fault(const std::string& text) {
    Seen seen = control("POST", "/sim/faults", text);
    ASSERT_THAT(seen.bytes, StartsWith("HTTP/1.1 200 ")) << seen.bytes;
  }
  std::uint64_t made() { return model().totals().tokens_made; }
  Model& model() { return simulator_->model(); }

  testing::FakeClock clock_;
  std::unique_ptr<Simulator> simulator_;
};

TEST_F(SimulatorTest, ServesAsThePlatformDoes) {
  Seen seen = send("GET", kGetToken);
  EXPECT_THAT(seen.bytes, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(seen.bytes, HasSubstr("Content-Type: application/json; encoding=utf-8\r\n"));
  std::string token(seen.object().at("access_token").as_string());
  EXPECT_TRUE(model().token(token)->alive(model().now()));
  EXPECT_THAT(send("GET", "/cgi-bin/getcallbackip?access_token=" + token).body(),
              HasSubstr("ip_list"));
  EXPECT_EQ(model().calls().at(0).peer, "127.0.0.1");
}

TEST_F(SimulatorTest, ServesErrorsWithStatus200AndUnknownPagesWithout) {
  EXPECT_THAT(send("GET", "/cgi-bin/token").bytes, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(send("GET", "/elsewhere").bytes, StartsWith("HTTP/1.1 404 "));
}

// The platforms beside WeChat, as a client sees them.

TEST_F(SimulatorTest, ServesAnAgentOfWecom) {
  const std::string query = std::string("/cgi-bin/gettoken?corpid=") + kDemoCorp + "&corpsecret=";
  Seen seen = send("GET", query + kDemoAgentSecret);
  EXPECT_THAT(seen.bytes, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(seen.bytes, HasSubstr("Content-Type: application/json; charset=utf-8\r\n"));
  const std::string token(seen.object().at("access_token").as_string());
  EXPECT_EQ(send("GET", "/cgi-bin/user/get?access_token=" + token).object().at("errcode"), 0);
  EXPECT_EQ(send("GET", query + "x").object().at("errcode"), 40001);
  const json::array calls =
      control("GET", std::string("/sim/calls?endpoint=gettoken&app=") + kDemoAgent)
          .object()
          .at("calls")
          .as_array();
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].at("deed"), "made");
  EXPECT_EQ(control("GET", "/sim/alive?token=" + token).object().at("family"), "wecom");
}

TEST_F(SimulatorTest, ReadsATokenFromAHeader) {
  const std::string credentials =
      json::serialize(json::object{{"app_id", kDemoApp}, {"app_secret", kDemoSecret}});
  const std::string token(
      send("POST", "/open-apis/auth/v3/tenant_access_token/internal", credentials)
          .object()
          .at("tenant_access_token")
          .as_string());
  Seen seen = send("GET", "/open-apis/im/v1/chats", "", "authorization: Bearer " + token + "\r\n");
  EXPECT_EQ(seen.object().at("code"), 0) << seen.bytes;
  seen = send("GET", "/open-apis/im/v1/chats");
  EXPECT_THAT(seen.bytes, StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(seen.object().at("code"), 99991661);
  seen = send("GET", "/open-apis/auth/v3/tenant_access_token/internal");
  EXPECT_THAT(seen.bytes, StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(seen.bytes, HasSubstr("Content-Type: text/plain\r\n"));
  EXPECT_EQ(seen.body(), "404 page not found");
}

TEST_F(SimulatorTest, SpoilsAnswersOfEveryPlatformAndKeepsTheirStatus) {
  const std::string wrong = R"({"appKey":"nobody","appSecret":"x"})";
  const char* path = "/v1.0/oauth2/accessToken";
  fault(R"({"kind":"truncated","endpoint":"/v1.0/oauth2/accessToken","count":1})");
  Seen seen = send("POST", path, wrong);
  EXPECT_THAT(seen.bytes, StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(seen.object(), ::testing::IsEmpty()) << "it does not parse";
  fault(R"({"kind":"cut","count":1})");
  EXPECT_THAT(send("POST", path, wrong).bytes, StartsWith("HTTP/1.1 400 "));
  fault(R"({"kind":"absurd","fields":{"code":7},"count":1})");
  EXPECT_EQ(send("POST", path, wrong).object().at("code"), 7);
  fault(R"({"kind":"errcode","errcode":"Throttling","count":1})");
  seen = send("POST", path, wrong);
  EXPECT_THAT(seen.bytes, StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(seen.object().at("code"), "Throttling");
  EXPECT_EQ(control("GET", "/sim/calls?after=3").object().at("calls").at(0).at("errcode"),
            "Throttling");
  fault(R"({"kind":"reply","status":503,"content_type":"application/json","body":"{}","count":1})");
  EXPECT_THAT(send("POST", path, wrong).bytes, StartsWith("HTTP/1.1 503 "));
}

TEST_F(SimulatorTest, SpoilsWhatStandsInsideOfAnObject) {
  const std::string credentials = json::serialize(json::object{
      {"appid", kDemoApp}, {"secret", kDemoSecret}, {"grant_type", "client_credential"}});
  fault(R"({"kind":"absurd","fields":{"data.expires_in":"soon","no.such":1},"count":1})");
  json::object answer = send("POST", "/api/apps/v2/token", credentials).object();
  EXPECT_EQ(answer.at("data").at("expires_in"), "soon");
  EXPECT_THAT(std::string(answer.at("data").at("access_token").as_string()), StartsWith("SIM_"));
  EXPECT_FALSE(answer.contains("no.such"));
  fault(R"({"kind":"absurd","remove":["data.access_token"],"count":1})");
  answer = send("POST", "/api/apps/v2/token", credentials).object();
  EXPECT_FALSE(answer.at("data").as_object().contains("access_token"));
  EXPECT_TRUE(answer.at("data").as_object().contains("expires_in"));
}

TEST_F(SimulatorTest, IsSteeredOnBothAddresses) {
  EXPECT_EQ(send("POST", "/sim/clock", R"({"advance":"1h"})").object().at("now").as_int64(),
            1'800'003'600'000);
  EXPECT_EQ(control("GET", "/sim/state").object().at("now").as_int64(), 1'800'003'600'000);
  EXPECT_THAT(control("GET", kGetToken).bytes, StartsWith("HTTP/1.1 404 "))
      << "the second address is for steering alone";
}

TEST_F(SimulatorTest, SharesItsClockWithTheProcess) {
  simulator_->clock().advance(seconds(10));
  EXPECT_EQ(model().now(), testing::FakeClock::kStart + seconds(10));
}

// Faults, as a client sees them.

TEST_F(SimulatorTest, ResetsBeforeTheCallIsCarriedOut) {
  fault(R"({"kind":"reset","count":1})");
  Seen seen = send("GET", kGetToken);
  EXPECT_EQ(seen.error, ECONNRESET);
  EXPECT_EQ(seen.bytes, "");
  EXPECT_EQ(made(), 0U);
  EXPECT_EQ(model().calls().at(0).ending, Ending::reset);
  EXPECT_TRUE(send("GET", kGetToken).object().contains("access_token")) << "it was for one call";
}

TEST_F(SimulatorTest, LosesTheAnswerOfACallThatWasCarriedOut) {
  fault(R"({"kind":"reset","after":true})");
  EXPECT_EQ(send("GET", kGetToken).error, ECONNRESET);
  EXPECT_EQ(made(), 1U);
  EXPECT_EQ(model().calls().at(0).deed, Deed::made);
}

TEST_F(SimulatorTest, AnswersLikeABrokenFrontServer) {
  fault(R"({"kind":"reply","status":502,"count":1})");
  Seen seen = send("GET", kGetToken);
  EXPECT_THAT(seen.bytes, StartsWith("HTTP/1.1 502 "));
  EXPECT_THAT(seen.body(), StartsWith("<html>"));
  EXPECT_EQ(made(), 0U);
}

TEST_F(SimulatorTest, AnswersHtmlWithStatus200AfterCarryingOut) {
  fault(R"({"kind":"reply","after":true})");
  Seen seen = send("GET", kGetToken);
  EXPECT_THAT(seen.bytes, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(seen.bytes, HasSubstr("Content-Type: text/html\r\n"));
  EXPECT_EQ(made(), 1U);
}

TEST_F(SimulatorTest, AnswersWithAnEmptyBody) {
  fault(R"({"kind":"reply","body":""})");
  Seen seen = send("GET", kGetToken);
  EXPECT_THAT(seen.bytes, HasSubstr("Content-Length: 0\r\n"));
  EXPECT_EQ(seen.body(), "");
}

TEST_F(SimulatorTest, AnswersHalfOfTheJson) {
  fault(R"({"kind":"truncated"})");
  Seen seen = send("GET", kGetToken);
  EXPECT_THAT(seen.bytes, HasSubstr("Content-Length: " + std::to_string(seen.body().size())));
  EXPECT_THAT(seen.body(), StartsWith(R"({"access_token":"SIM_)"));
  EXPECT_THAT(seen.object(), ::testing::IsEmpty()) << "it does not parse";
  EXPECT_EQ(made(), 1U);
}

TEST_F(SimulatorTest, AnnouncesMoreThanItSends) {
  fault(R"({"kind":"cut"})");
  Seen seen = send("GET", kGetToken);
  EXPECT_EQ(seen.error, 0);
  EXPECT_THAT(seen.bytes, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(seen.bytes,
              ::testing::Not(HasSubstr("Content-Length: " + std::to_string(seen.body().size()))));
  EXPECT_EQ(made(), 1U);
}

TEST_F(SimulatorTest, AnswersAnErrcodeWithoutCarryingOut) {
  fault(R"({"kind":"errcode","errcode":89503})");
  EXPECT_EQ(send("GET", kGetToken).object().at("errcode").as_int64(), 89503);
  EXPECT_EQ(made(), 0U);
  EXPECT_EQ(model().calls().at(0).errcode, 89503);
}

struct Absurdity {
  const char* name;
  const char* change;  ///< Of the fault.
  const char* holds;   ///< The answer holds this,
  const char* lacks;   ///< and not that.
};
class Absurd : public SimulatorTest, public ::testing::WithParamInterface<Absurdity> {};

TEST_P(Absurd, IsAnswered) {
  fault(std::string(R"({"kind":"absurd",)") + GetParam().change + "}");
  std::string body = send("GET", kGetToken).body();
  EXPECT_THAT(body, HasSubstr(GetParam().holds));
  EXPECT_THAT(body, ::testing::Not(HasSubstr(GetParam().lacks)));
  EXPECT_EQ(made(), 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, Absurd,
    ::testing::Values(
        Absurdity{"NoLifetime", R"("remove":["expires_in"])", "access_token", "expires_in"},
        Absurdity{"ZeroLifetime", R"("fields":{"expires_in":0})", R"("expires_in":0})", ":7200"},
        Absurdity{"NegativeLifetime", R"("fields":{"expires_in":-1})", R"("expires_in":-1})",
                  ":7200"},
        Absurdity{"HugeLifetime", R"("fields":{"expires_in":1000000000000000000})",
                  R"("expires_in":1000000000000000000})", ":7200"},
        Absurdity{"ExponentLifetime", R"("fields":{"expires_in":1e18})", R"("expires_in":1E18})",
                  ":7200"},
        Absurdity{"FractionalLifetime", R"("fields":{"expires_in":0.5})", R"("expires_in":5E-1)",
                  ":7200"},
        Absurdity{"LifetimeAsText", R"("fields":{"expires_in":"7200"})", R"("expires_in":"7200")",
                  ":7200"},
        Absurdity{"LifetimeAsWords", R"("fields":{"expires_in":"soon"})", R"(:"soon"})", ":7200"},
        Absurdity{"LifetimeNull", R"("fields":{"expires_in":null})", R"("expires_in":null})",
                  ":7200"},
        Absurdity{"NoToken", R"("remove":["access_token"])", "7200", "access_token"},
        Absurdity{"EmptyToken", R"("fields":{"access_token":""})", R"("access_token":"")", "SIM_"},
        Absurdity{"TokenWithControlCharacters", R"("fields":{"access_token":"a\u0001\nb"})",
                  R"("a\u0001\nb")", "SIM_"},
        Absurdity{"NumberAsToken", R"("fields":{"access_token":7})", R"("access_token":7)",
                  "SIM_"}),
    [](const auto& row) { return row.param.name; });

TEST_F(SimulatorTest, AnswersATokenOfAnyLength) {
  FaultSwitch huge;
  huge.kind = FaultSwitch::Kind::absurd;
  huge.fields["access_token"] = std::string(5000, 'x');
  model().add_fault(huge);
  EXPECT_EQ(send("GET", kGetToken).object().at("access_token").as_string().size(), 5000U);
}

TEST_F(SimulatorTest, HangsUntilTheClientGivesUp) {
  fault(R"({"kind":"hang","count":1})");
  {
    Client client(simulator_->address());
    client.send("GET", kGetToken);
    ASSERT_TRUE(soon([&] { return model().calls().size() == 1; }));
    EXPECT_EQ(model().calls().at(0).ending, Ending::in_flight);
  }
  EXPECT_TRUE(soon([&] { return model().calls().at(0).ending == Ending::given_up; }));
  EXPECT_EQ(made(), 0U);
  send("GET", kGetToken);
  EXPECT_EQ(model().totals().overlapping_pairs, 0U) << "the first call was over";
}

TEST_F(SimulatorTest, AnswersLateWhatItDidAtOnce) {
  fault(R"({"kind":"slow","delay":"50ms","after":true})");
  auto began = std::chrono::steady_clock::now();
  Client client(simulator_->address());
  client.send("GET", kGetToken);
  ASSERT_TRUE(soon([&] { return made() == 1; }));
  EXPECT_TRUE(client.read().object().contains("access_token"));
  EXPECT_GE(std::chrono::steady_clock::now() - began, Milliseconds(50));
}

TEST_F(SimulatorTest, CarriesASlowCallOutEvenIfItsClientHasGone) {
  fault(R"({"kind":"slow","delay":"1s"})");
  { Client(simulator_->address()).send("GET", kGetToken); }
  EXPECT_TRUE(soon([&] {
    return !model().calls().empty() && model().calls().at(0).ending == Ending::given_up;
  }));
  EXPECT_TRUE(soon([&] { return made() == 1; }));
  EXPECT_EQ(model().calls().at(0).ending, Ending::given_up);
}

TEST_F(SimulatorTest, SeesCallsOfOneAppThatOverlap) {
  fault(R"({"kind":"hang","count":1})");
  Client first(simulator_->address());
  first.send("GET", kGetToken);
  ASSERT_TRUE(soon([&] { return model().calls().size() == 1; }));
  send("GET", kGetToken);
  EXPECT_EQ(model().totals().overlapping_pairs, 1U);
}

TEST_F(SimulatorTest, RefusesConnectionsAndComesBackAtTheSameAddress) {
  std::string address = simulator_->address();
  simulator_->refuse();
  EXPECT_EQ(send("GET", kGetToken).error, ECONNREFUSED);
  EXPECT_EQ(simulator_->address(), address);
  ASSERT_TRUE(simulator_->accept());
  EXPECT_TRUE(send("GET", kGetToken).object().contains("access_token"));
}

TEST_F(SimulatorTest, ClosesConnectionsWhenItRefuses) {
  Client idle(simulator_->address());
  EXPECT_TRUE(send("GET", kGetToken).object().contains("access_token"));
  simulator_->refuse();
  EXPECT_EQ(idle.read().bytes, "");
}

TEST_F(SimulatorTest, IsToldToRefuseFromOutside) {
  fault(R"({"kind":"refuse"})");
  EXPECT_TRUE(soon([&] { return send("GET", kGetToken).error == ECONNREFUSED; }));
  EXPECT_THAT(control("DELETE", "/sim/faults").bytes, StartsWith("HTTP/1.1 200 "));
  EXPECT_TRUE(soon([&] { return send("GET", kGetToken).error == 0; }));
}

TEST_F(SimulatorTest, RefusesForAWhile) {
  fault(R"({"kind":"refuse","for":"1s"})");
  EXPECT_TRUE(soon([&] { return send("GET", kGetToken).error == ECONNREFUSED; }));
  EXPECT_TRUE(soon([&] { return send("GET", kGetToken).error == 0; }));
}

TEST_F(SimulatorTest, BreaksOffWhoeverWaitsWhenItEnds) {
  fault(R"({"kind":"hang"})");
  Client client(simulator_->address());
  client.send("GET", kGetToken);
  ASSERT_TRUE(soon([&] { return model().calls().size() == 1; }));
  simulator_.reset();
  EXPECT_EQ(client.read().bytes, "");
}

// Without a second address, refusing for ever could never be taken back.

TEST(Simulator, RefusesOnlyForAWhileWhereItCouldNotBeToldToStop) {
  auto simulator = Simulator::start({});
  ASSERT_TRUE(simulator) << simulator.error().message;
  Client client((*simulator)->address());
  EXPECT_THAT(client.send("POST", "/sim/faults", R"({"kind":"refuse"})").read().bytes,
              StartsWith("HTTP/1.1 400 "));
}

TEST(Simulator, LetsTwoHoursPassInAMoment) {
  Simulator::Options options;
  options.speed = 72'000;  // 7200 s in 0.1 s.
  auto simulator = Simulator::start(std::move(options));
  ASSERT_TRUE(simulator) << simulator.error().message;
  auto send = [&](const std::string& target) {
    return Client((*simulator)->address()).send("GET", target).read().object();
  };
  std::string token(send(kGetToken).at("access_token").as_string());
  EXPECT_TRUE(soon([&] {
    json::object answer = send("/cgi-bin/getcallbackip?access_token=" + token);
    return answer.contains("errcode") && answer.at("errcode").as_int64() == 42001;
  }));
}

TEST(Simulator, SaysWhyItCannotStart) {
  Simulator::Options options;
  options.listen = "nonsense";
  EXPECT_EQ(Simulator::start(options).error().fault, Fault::config);
  auto first = Simulator::start({});
  ASSERT_TRUE(first);
  options.listen = (*first)->address();
  auto second = Simulator::start(options);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr(options.listen));
  options = {};
  options.speed = 0;
  EXPECT_EQ(Simulator::start(options).error().fault, Fault::usage);
}

TEST(Simulator, CountsEveryCallOfManyClients) {
  constexpr int kClients = 4;
  constexpr int kCalls = 50;
  Simulator::Options options;
  options.threads = 2;
  options.model.any_app = true;
  auto simulator = Simulator::start(std::move(options));
  ASSERT_TRUE(simulator) << simulator.error().message;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i)
    clients.emplace_back([&, app = "wx" + std::to_string(i)] {
      for (int call = 0; call < kCalls; ++call)
        Client((*simulator)->address())
            .send("GET", "/cgi-bin/token?grant_type=client_credential&secret=any&appid=" + app)
            .read();
    });
  for (std::thread& client : clients) client.join();
  Totals totals = (*simulator)->model().totals();
  EXPECT_EQ(totals.tokens_made, std::uint64_t{kClients} * kCalls);
  EXPECT_EQ(totals.overlapping_pairs, 0U) << "no client has two calls of one app in flight";
}

}  // namespace
}  // namespace hufu::simulator
