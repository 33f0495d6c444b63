#include "platform/custom_platform.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <string>

#include "platform/catalog.hpp"
#include "testing/scripted_server.hpp"

namespace hufu::platform {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using ::testing::AllOf;
using testing::always;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::http;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::read_request;
using testing::ScriptedServer;
using testing::send;
using ::testing::StartsWith;

// ---- What is wrong

PlatformConfig acme() {
  PlatformConfig config;
  config.base_url = "https://login.acme.example";
  config.custom.emplace();
  return config;
}

/// "key: message → next step" of each problem.
std::vector<std::string> problems_of(const PlatformConfig& config, std::string_view name = "acme") {
  std::vector<std::string> texts;
  for (const auto& [key, error] : check_custom_platform(name, config)) {
    EXPECT_EQ(error.fault, Fault::config);
    EXPECT_NE(error.next_step, "") << error.message;
    texts.push_back(key + ": " + error.message + " → " + error.next_step);
  }
  return texts;
}

TEST(CheckCustomPlatform, FindsNothingWrongWithItsDefaults) {
  EXPECT_THAT(problems_of(acme()), IsEmpty());
}

TEST(CheckCustomPlatform, FindsNothingWrongWithEverythingSaid) {
  PlatformConfig config = acme();
  CustomPlatform& custom = *config.custom;
  custom.path = "/{tenant}/oauth2/token";
  custom.encoding = "json";
  custom.client_auth = "body";
  custom.client_id_name = "key";
  custom.client_secret_name = "secret";
  custom.parameters = {{"grant_type", "client_credentials"}, {"scope", "api://{app}/{scope}"}};
  custom.kind = "app_token";
  custom.token = "data.access_token";
  custom.lifetime = "data.expires_in";
  custom.default_lifetime = 1h;
  custom.longest_lifetime = 2h;
  custom.error = "code";
  custom.error_text = "";
  custom.success = "0";
  custom.renewal = "windowed";
  custom.window = 10min;
  custom.permanent = {"10003"};
  custom.probe.emplace();
  custom.probe->path = "/me";
  custom.probe->dead = {"401"};
  EXPECT_THAT(problems_of(config), IsEmpty());
}

struct Wrong {
  const char* what;
  std::function<void(CustomPlatform&)> change;
  const char* told;
};

TEST(CheckCustomPlatform, NamesTheKeyOfWhatIsWrong) {
  auto probed = [](CustomPlatform& custom) -> CustomProbe& {
    custom.probe.emplace();
    custom.probe->path = "/introspect";
    return *custom.probe;
  };
  const Wrong cases[] = {
      {"a relative path", [](auto& c) { c.path = "token"; }, "path: it is not a path: it does not"},
      {"a whole URL", [](auto& c) { c.path = "https://h/t"; }, "path: it is not a path"},
      {"a query", [](auto& c) { c.path = "/t?a=b"; }, "path: it is not a path: it holds"},
      {"a blank", [](auto& c) { c.path = "/a b"; }, "path: it is not a path: it holds"},
      {"a way up", [](auto& c) { c.path = "/a/../b"; }, "path: it is not a path: it holds a \".\""},
      {"an open brace", [](auto& c) { c.path = "/{tenant/t"; }, "path: it holds a brace"},
      {"an empty placeholder", [](auto& c) { c.path = "/{}/t"; }, "path: it holds a brace"},
      {"a secret in a path", [](auto& c) { c.path = "/{secret}"; }, "path: nobody sets {secret}"},
      {"a name that is taken", [](auto& c) { c.path = "/{platform}"; },
       "path: nobody sets \"{platform}\""},
      {"no name of a setting", [](auto& c) { c.path = "/{Tenant ID}"; }, "path: it is not a path"},
      {"upper case", [](auto& c) { c.path = "/{TENANT}"; }, "path: nobody sets \"{TENANT}\""},
      {"another method", [](auto& c) { c.method = "PUT"; }, "method: unknown method \"PUT\""},
      {"another encoding", [](auto& c) { c.encoding = "xml"; }, "encoding: unknown encoding"},
      {"a GET with a body", [](auto& c) { c.method = "GET", c.encoding = "json"; },
       "encoding: a GET has no body"},
      {"another client_auth", [](auto& c) { c.client_auth = "boddy"; }, "Did you mean \"body\"?"},
      {"a name for nothing", [](auto& c) { c.client_id_name = "appid"; },
       "client_id_name: it goes with client_auth = \"body\""},
      {"no name", [](auto& c) { c.client_auth = "body", c.client_secret_name = ""; },
       "client_secret_name: it is not a name"},
      {"one name for two",
       [](auto& c) { c.client_auth = "body", c.client_secret_name = "client_id"; },
       "client_secret_name: it is the same as client_id_name"},
      {"a parameter twice",
       [](auto& c) { c.client_auth = "body", c.parameters["client_id"] = "x"; },
       "client_id_name: there is a parameter of that name"},
      {"a parameter without name", [](auto& c) { c.parameters[""] = "x"; },
       "parameters: a parameter"},
      {"a parameter of two lines", [](auto& c) { c.parameters["a"] = "x\ny"; },
       "parameters: a parameter"},
      {"a secret in a parameter", [](auto& c) { c.parameters["s"] = "{client_secret}"; },
       "parameters.s: nobody sets {client_secret}"},
      {"no name of a kind", [](auto& c) { c.kind = "Access Token"; },
       "kind: \"Access Token\" is not"},
      {"no path to the token", [](auto& c) { c.token = ""; }, "token: it is not a path into"},
      {"a hole in a path", [](auto& c) { c.token = "data..token"; },
       "token: it is not a path into"},
      {"no path to the lifetime", [](auto& c) { c.lifetime = "."; }, "lifetime: it is not a path"},
      {"one place for two", [](auto& c) { c.lifetime = "access_token"; },
       "lifetime: it is the same place"},
      {"no longest life", [](auto& c) { c.longest_lifetime = 0s; }, "longest_lifetime: it must be"},
      {"a default beyond it", [](auto& c) { c.default_lifetime = 2h, c.longest_lifetime = 1h; },
       "default_lifetime: it is longer than"},
      {"no path to the error", [](auto& c) { c.error = "error."; }, "error: it is not a path"},
      {"another renewal", [](auto& c) { c.renewal = "rotate"; }, "renewal: unknown renewal"},
      {"rotating without overlap", [](auto& c) { c.renewal = "rotating"; },
       "renewal: rotating needs overlap"},
      {"windowed without window", [](auto& c) { c.renewal = "windowed"; },
       "renewal: windowed needs window"},
      {"an overlap of nothing", [](auto& c) { c.overlap = 5min; },
       "overlap: it goes with renewal = \"rotating\""},
      {"a window for rotating",
       [](auto& c) { c.renewal = "rotating", c.overlap = 5min, c.window = 5min; },
       "window: it goes with renewal = \"windowed\""},
      {"an overlap as long as a life",
       [](auto& c) { c.renewal = "rotating", c.overlap = c.longest_lifetime = 2h; },
       "overlap: it is not shorter than longest_lifetime"},
      {"a window longer than a life",
       [](auto& c) { c.renewal = "windowed", c.window = 3h, c.longest_lifetime = 2h; },
       "window: it is not shorter than longest_lifetime"},
      {"a permanent success", [](auto& c) { c.success = "0", c.permanent = {"0"}; },
       "permanent: it holds what means success"},
      {"a permanent nothing", [](auto& c) { c.permanent = {""}; },
       "permanent: it holds what means"},
      {"a probe of nothing", [](auto& c) { c.probe.emplace(); }, "probe: it has no path"},
      {"a probe elsewhere", [&](auto& c) { probed(c).path = "https://h"; },
       "probe.path: it is not"},
      {"a probe by PUT", [&](auto& c) { probed(c).method = "PUT"; }, "probe.method: unknown"},
      {"an answer nowhere", [&](auto& c) { probed(c).active = ".."; }, "probe.active: it is not"},
      {"two kinds of probe", [&](auto& c) { probed(c).active = "a", c.probe->dead = {"401"}; },
       "probe.active: it goes with introspection"},
      {"a dead success", [&](auto& c) { probed(c).dead = {""}; },
       "probe.dead: it holds what means"},
  };
  for (const auto& [what, change, told] : cases) {
    PlatformConfig config = acme();
    change(*config.custom);
    EXPECT_THAT(problems_of(config), ElementsAre(HasSubstr(told))) << what;
  }
}

TEST(CheckCustomPlatform, WantsANameAndAnAddress) {
  EXPECT_THAT(problems_of(acme(), "Acme Inc"),
              ElementsAre(HasSubstr("is not a name of a platform")));
  PlatformConfig config = acme();
  config.base_url.clear();
  EXPECT_THAT(problems_of(config), ElementsAre(HasSubstr(": it has no base_url")));
}

// ---- What it does

class CustomIssuer : public ::testing::Test {
 protected:
  CustomPlatform& custom() { return *config_.platforms["acme"].custom; }

  std::shared_ptr<Issuer> issuer_at(const ScriptedServer& server) {
    config_.platforms["acme"].base_url = server.url();
    return make_issuer(Catalog(config_), config_, "acme", {}, {}, client_).value();
  }

  static IssueRequest request(Settings settings = {}) {
    IssueRequest request;
    request.app = "shop 1";
    request.settings = std::move(settings);
    request.credentials.emplace(kSecret, Secret("canary+secret"sv));
    request.timeout = 5s;
    return request;
  }

  IssueOutcome issue(const ScriptedServer& server, Settings settings = {}) {
    std::promise<IssueOutcome> promise;
    issuer_at(server)->issue(request(std::move(settings)),
                             [&](IssueOutcome outcome) { promise.set_value(std::move(outcome)); });
    return promise.get_future().get();
  }

  /// What becomes of one call that is answered like this.
  IssueOutcome answered(std::string_view status, std::string_view body) {
    ScriptedServer server({{read_request(), send(http(status, body))}});
    return issue(server);
  }

  ProbeResult probe(Issuer& issuer) {
    std::promise<ProbeResult> promise;
    issuer.probe(request(), Secret("a+token"sv),
                 [&](ProbeResult result) { promise.set_value(result); });
    return promise.get_future().get();
  }

  std::shared_ptr<net::HttpClient> client_ = std::make_shared<net::HttpClient>();
  Config config_ = [] {
    Config config;
    config.platforms["acme"] = acme();
    return config;
  }();
};

constexpr auto kGood = R"({"access_token":"a-token","token_type":"Bearer","expires_in":3600})"sv;

TEST_F(CustomIssuer, AsksAsOAuthClientsDoUnlessItIsToldOtherwise) {
  ScriptedServer server({always(kGood)});
  auto outcome = issue(server, {{"scope", "orders read"}});
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->value.reveal(), "a-token");
  EXPECT_EQ(outcome->lifetime, 1h);
  const std::string seen = server.requests().at(0);
  EXPECT_THAT(seen, StartsWith("POST /oauth2/token HTTP/1.1\r\n"));
  // shop+1:canary%2Bsecret
  EXPECT_THAT(seen, HasSubstr("\r\nAuthorization: Basic c2hvcCsxOmNhbmFyeSUyQnNlY3JldA==\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
  EXPECT_THAT(seen, EndsWith("\r\n\r\ngrant_type=client_credentials&scope=orders%20read"));

  ASSERT_TRUE(issue(server).has_value());
  EXPECT_THAT(server.requests().at(1), EndsWith("\r\n\r\ngrant_type=client_credentials"));
}

TEST_F(CustomIssuer, PutsIdAndSecretIntoTheBodyUnderTheirNames) {
  custom().client_auth = "body";
  custom().client_id_name = "app_key";
  custom().client_secret_name = "app_secret";
  custom().encoding = "json";
  custom().path = "/{tenant}/token";
  ScriptedServer server({always(kGood)});
  ASSERT_TRUE(issue(server, {{"tenant", "a/b"}}).has_value());
  const std::string seen = server.requests().at(0);
  EXPECT_THAT(seen, StartsWith("POST /a%2Fb/token HTTP/1.1\r\n"));
  EXPECT_THAT(seen, Not(HasSubstr("Authorization")));
  EXPECT_THAT(seen, EndsWith(R"({"grant_type":"client_credentials","app_key":"shop 1",)"
                             R"("app_secret":"canary+secret"})"));
}

TEST_F(CustomIssuer, PutsItsParametersIntoTheQueryOfAGet) {
  custom().method = "GET";
  custom().client_auth = "body";
  custom().parameters = {{"grant_type", "client_credential"}};
  ScriptedServer server({always(kGood)});
  ASSERT_TRUE(issue(server).has_value());
  EXPECT_THAT(server.requests().at(0),
              StartsWith("GET /oauth2/token?grant_type=client_credential&client_id=shop%201"
                         "&client_secret=canary%2Bsecret HTTP/1.1\r\n"));
}

TEST_F(CustomIssuer, FindsTokenAndLifetimeWhereItIsToldTo) {
  custom().token = "data.token";
  custom().lifetime = "data.ttl";
  custom().error = "code";
  custom().success = "0";
  auto outcome = answered("200 OK", R"({"code":0,"data":{"token":"T","ttl":"60"}})");
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->value.reveal(), "T");
  EXPECT_EQ(outcome->lifetime, 60s);
}

TEST_F(CustomIssuer, NeedsALifetimeUnlessThereIsADefault) {
  const auto body = R"({"access_token":"T"})";
  EXPECT_EQ(answered("200 OK", body).error().delivery, IssueFailure::Delivery::lost);
  custom().default_lifetime = 30min;
  EXPECT_EQ(answered("200 OK", body).value().lifetime, 30min);
  custom().longest_lifetime = 1h;
  EXPECT_EQ(answered("200 OK", R"({"access_token":"T","expires_in":7200})").value().lifetime, 1h);
}

TEST_F(CustomIssuer, UnderstandsAnErrorUnderAnyStatus) {
  const auto body = R"({"error":"invalid_client","error_description":"no such client"})";
  for (const char* status : {"200 OK", "400 Bad Request", "401 Unauthorized", "403 Forbidden"}) {
    auto outcome = answered(status, body);
    ASSERT_FALSE(outcome.has_value()) << status;
    EXPECT_EQ(outcome.error().delivery, IssueFailure::Delivery::answered) << status;
    EXPECT_EQ(outcome.error().retry_class, RetryClass::slow) << status;
    EXPECT_EQ(outcome.error().error.fault, Fault::refused) << status;
    EXPECT_THAT(outcome.error().error.message,
                AllOf(StartsWith("acme refused (invalid_client): the app's id or its secret"),
                      HasSubstr("(\"no such client\")")));
  }
  auto busy = answered("503 Service Unavailable", R"({"error":"temporarily_unavailable"})");
  EXPECT_EQ(busy.error().retry_class, RetryClass::backoff);
  EXPECT_THAT(busy.error().error.message, HasSubstr("temporarily_unavailable"));
}

TEST_F(CustomIssuer, TellsPermanentErrorsByTheirTextNumbersIncluded) {
  custom().error = "code";
  custom().success = "0";
  custom().permanent = {"10003", "bad_app"};
  EXPECT_EQ(answered("200 OK", R"({"code":10003})").error().retry_class, RetryClass::slow);
  EXPECT_EQ(answered("200 OK", R"({"code":"10003"})").error().retry_class, RetryClass::slow);
  EXPECT_EQ(answered("200 OK", R"({"code":"bad_app"})").error().retry_class, RetryClass::slow);
  EXPECT_EQ(answered("200 OK", R"({"code":10004})").error().retry_class, RetryClass::backoff);
  custom().permanent.clear();
  custom().error = "error";
  EXPECT_EQ(answered("400 No", R"({"error":"invalid_client"})").error().retry_class,
            RetryClass::backoff);
}

TEST_F(CustomIssuer, NeverRepeatsItsSecret) {
  auto outcome = answered(
      "401 No", R"({"error":"invalid_client","error_description":"bad secret canary+secret"})");
  EXPECT_THAT(outcome.error().error.message, Not(HasSubstr("canary")));
}

TEST_F(CustomIssuer, RenewsAsItIsTold) {
  ScriptedServer server({always(kGood)});
  EXPECT_EQ(issuer_at(server)->rule().shape, RenewalRule::Shape::independent);
  EXPECT_EQ(issuer_at(server)->rule().longest_life, 24h * 30);
  custom().renewal = "rotating";
  custom().overlap = 10min;
  EXPECT_EQ(issuer_at(server)->rule().shape, RenewalRule::Shape::rotating);
  EXPECT_EQ(issuer_at(server)->rule().overlap, 10min);
  custom().renewal = "windowed";
  custom().window = 20min;
  EXPECT_EQ(issuer_at(server)->rule().shape, RenewalRule::Shape::windowed);
  EXPECT_EQ(issuer_at(server)->rule().overlap, 20min);
  custom().renewal = "sticky";
  EXPECT_EQ(issuer_at(server)->rule().shape, RenewalRule::Shape::sticky);
}

TEST_F(CustomIssuer, TriesCredentialsWhereACallDisplacesNothing) {
  ScriptedServer server({always(kGood)});
  EXPECT_TRUE(issuer_at(server)->can_try_credentials());
  custom().renewal = "rotating";
  custom().overlap = 10min;
  EXPECT_FALSE(issuer_at(server)->can_try_credentials());
}

TEST_F(CustomIssuer, CannotProbeUnlessItIsTold) {
  ScriptedServer server({always(kGood)});
  EXPECT_FALSE(issuer_at(server)->can_probe());
}

// RFC 7662.
TEST_F(CustomIssuer, ProbesByIntrospection) {
  custom().probe.emplace();
  custom().probe->path = "/oauth2/introspect";
  ScriptedServer server({{read_request(), send(http("200 OK", R"({"active":true})")),
                          read_request(), send(http("200 OK", R"({"active":false})")),
                          read_request(), send(http("401 No", R"({"error":"invalid_client"})"))}});
  auto issuer = issuer_at(server);
  EXPECT_TRUE(issuer->can_probe());
  EXPECT_TRUE(issuer->probe_needs_credentials());
  EXPECT_EQ(probe(*issuer), ProbeResult::alive);
  EXPECT_EQ(probe(*issuer), ProbeResult::dead);
  EXPECT_EQ(probe(*issuer), ProbeResult::unknown) << "that is about the app, not about the token";
  const std::string seen = server.requests().at(0);
  EXPECT_THAT(seen, StartsWith("POST /oauth2/introspect HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nAuthorization: Basic c2hvcCsxOmNhbmFyeSUyQnNlY3JldA==\r\n"));
  EXPECT_THAT(seen, EndsWith("\r\n\r\ntoken=a%2Btoken"));
}

TEST_F(CustomIssuer, ProbesByAnyOtherCall) {
  custom().probe.emplace();
  custom().probe->path = "/me";
  custom().probe->dead = {"401"};
  ScriptedServer server({{read_request(), send(http("200 OK", R"({"name":"shop"})")),
                          read_request(), send(http("401 No", ""))}});
  auto issuer = issuer_at(server);
  EXPECT_FALSE(issuer->probe_needs_credentials());
  EXPECT_EQ(probe(*issuer), ProbeResult::alive);
  EXPECT_EQ(probe(*issuer), ProbeResult::dead);
  const std::string seen = server.requests().at(0);
  EXPECT_THAT(seen, StartsWith("GET /me HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nAuthorization: Bearer a+token\r\n"));

  custom().probe->token = "access_token";
  ScriptedServer another({always("{}")});
  EXPECT_EQ(probe(*issuer_at(another)), ProbeResult::alive);
  EXPECT_THAT(another.requests().at(0), StartsWith("GET /me?access_token=a%2Btoken "));
}

}  // namespace
}  // namespace hufu::platform
