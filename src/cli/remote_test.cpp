// The same commands, asking a running server.

#include "cli/remote.hpp"

#include <boost/json/parse.hpp>

#include "cli/machine_for_tests.hpp"
#include "testing/scripted_server.hpp"

namespace hufu::cli {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using testing::kSecret;
using testing::Machine;

constexpr store::Rights kReader{true, true, false, false, false};
constexpr store::Rights kAll{true, true, true, true, true};

TEST(OverAServer, GetPrintsWhatTheServerHolds) {
  Machine machine;
  machine.add_app("wx1", "classic");
  const auto local = machine.run({"get"});
  machine.serve(kReader);
  const auto remote = machine.run({"get", "wx1"});
  EXPECT_EQ(remote.status, 0) << remote.err;
  EXPECT_EQ(remote.out, local.out);
  EXPECT_EQ(machine.run({"get"}).out, local.out) << "the only app, to a key that may only read";
  auto record = boost::json::parse(machine.run({"get", "--json"}).out);
  EXPECT_EQ(record.at("revision"), 1);
  EXPECT_THAT(std::string(record.at("expires_at").as_string()), ContainsRegex("^20.*Z$"));
  EXPECT_EQ(machine.asked().token_calls, 1U);
}

TEST(OverAServer, ExitStatusesAreThoseOfTheStoreItself) {
  Machine machine;
  machine.add_app("wx1", "classic");
  ASSERT_TRUE(machine.platform->model().change_settings("wx2", {{"ip_list", {"203.0.113.7"}}}));
  machine.add_app("wx2");
  machine.serve({true, true, true, false, false});
  EXPECT_EQ(machine.run({"get"}).status, 2);
  EXPECT_EQ(machine.run({"get", "wx9"}).status, 3);
  EXPECT_EQ(machine.run({"get", "w/9"}).status, 3);
  EXPECT_EQ(machine.run({"get", "wx1", "--kind", "nonsense"}).status, 3);
  const auto refused = machine.run({"get", "wx2"});
  EXPECT_EQ(refused.status, 4);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("40164"), HasSubstr("add 127.0.0.1 to the IP list")));
  EXPECT_EQ(machine.run({"app", "list"}).status, 7) << "without the right";
  ASSERT_EQ(machine.run({"get", "wx1"}).status, 0);
  machine.pass(seconds(600));
  EXPECT_EQ(machine.run({"refresh", "wx1"}).status, 0);
  const auto too_soon = machine.run({"refresh", "wx1"});
  EXPECT_EQ(too_soon.status, 8);
  EXPECT_THAT(too_soon.err, ContainsRegex("wait [0-9]+ s"));

  machine.environment["HUFU_KEY"] = "hf_canary";
  EXPECT_EQ(machine.run({"get", "wx1"}).status, 7) << "a wrong key";
  machine.environment.erase("HUFU_KEY");
  EXPECT_EQ(machine.run({"get", "wx1"}).status, 7) << "no key";
}

TEST(OverAServer, NobodyAnswersIsUnreachable) {
  Machine machine;
  hufu::testing::RefusingPort nobody;
  machine.environment["HUFU_KEY"] = "hf_canary";
  EXPECT_EQ(machine.run({"get", "wx1", "--server", nobody.url()}).status, 5);
  EXPECT_EQ(machine.run({"doctor", "--server", nobody.url()}).status, 5);

  hufu::testing::ScriptedServer other_server({hufu::testing::always("<html>")});
  EXPECT_EQ(machine.run({"get", "wx1", "--server", other_server.url()}).status, 5);
  EXPECT_EQ(machine.run({"status", "--server", other_server.url()}).status, 5);
}

TEST(OverAServer, ReportIsJudgedThere) {
  Machine machine;
  machine.add_app("wx1", "classic");
  const std::string token = machine.run({"get"}).out;
  machine.serve(kReader);
  EXPECT_EQ(machine.run({"report", "wx1"}, token).out, "alive\n");
  EXPECT_EQ(machine.run({"app", "test", "wx1"}).status, 0);
  EXPECT_EQ(machine.asked().tokens_made, 1U);
}

TEST(OverAServer, ReportOfADeadTokenRenewsIt) {
  Machine machine;
  machine.add_app("wx1", "classic");
  const std::string token = machine.run({"get"}).out;
  machine.serve(kReader);
  machine.platform->model().revoke_app("wx1");
  EXPECT_EQ(machine.run({"report", "wx1"}, token).out, "renewed\n");
  EXPECT_EQ(machine.run({"report", "wx1"}, token).out, "already_newer\n");
  EXPECT_EQ(machine.asked().tokens_made, 2U);
}

TEST(OverAServer, AppsAreKeptThere) {
  Machine machine;
  machine.serve(kAll);
  EXPECT_EQ(machine.run({"app", "add", "wx1", "--secret-stdin"}, kSecret).out, "added wx1\n");
  EXPECT_EQ(machine.run({"app", "add", "wx1", "--secret-stdin"}, kSecret).out, "replaced wx1\n");
  EXPECT_EQ(machine.run({"get", "wx1"}).status, 0);
  EXPECT_THAT(machine.run({"app", "list"}).out,
              ContainsRegex("wx1 +wechat +endpoint=stable +yes +store"));
  EXPECT_THAT(machine.run({"app", "show", "wx1"}).out,
              HasSubstr("settings      the platform's defaults"));
  EXPECT_EQ(machine.run({"app", "remove", "wx1"}).status, 0);
  EXPECT_EQ(machine.run({"app", "remove", "wx1"}).status, 3);
  EXPECT_EQ(machine.run({"app", "show", "wx1"}).status, 3);
}

TEST(OverAServer, NoSecretTravelsInTheClear) {
  Machine machine;
  machine.environment["HUFU_KEY"] = "hf_canary";
  EXPECT_EQ(machine
                .run({"app", "add", "wx1", "--secret-stdin", "--server", "http://192.0.2.1:7200"},
                     kSecret)
                .status,
            2);
}

TEST(OverAServer, StatusAndDoctorTellWhatItKnows) {
  Machine machine;
  machine.add_app("wx1");
  ASSERT_EQ(machine.run({"get"}).status, 0);
  const auto local = boost::json::parse(machine.run({"status", "--json"}).out);
  machine.serve(kReader);
  const auto remote = boost::json::parse(machine.run({"status", "--json"}).out);
  EXPECT_EQ(remote.at("verdict"), local.at("verdict"));
  for (const char* member : {"app", "kind", "issuer", "state", "revision", "fingerprint",
                             "obtained_at", "expires_at", "renew_at"}) {
    EXPECT_EQ(remote.at("tokens").at(0).at(member), local.at("tokens").at(0).at(member)) << member;
  }
  EXPECT_EQ(machine.run({"doctor"}).status, 0);
  EXPECT_EQ(machine.run({"doctor", "wx9"}).status, 3);
}

TEST(OverAServer, DoctorDoesNotCallADeadTokenOneThatWasNeverFetched) {
  Machine machine;
  machine.add_app("wx1");
  machine.serve(kAll);
  EXPECT_EQ(machine.run({"get"}).status, 0);
  EXPECT_EQ(machine.run({"refresh", "wx1"}).status, 0);
  const std::string token = machine.run({"get"}).out;
  machine.platform->model().revoke_app("wx1");
  EXPECT_EQ(machine.run({"report", "wx1"}, token).status, 8) << "forced a moment ago";
  const auto findings = machine.run({"doctor"});
  EXPECT_EQ(findings.status, 8);
  EXPECT_THAT(findings.out, HasSubstr("cannot be handed out"));
}

TEST(OverAServer, AStatusMayBeLongerThanAnyToken) {
  Machine machine;
  std::string tokens;
  for (int i = 0; i < 2000; ++i) {
    tokens += std::string(i > 0 ? "," : "") + R"({"app":"wx)" + std::to_string(i) +
              R"(","kind":"access_token","state":"fresh","expires_in":7000})";
  }
  hufu::testing::ScriptedServer server(
      {hufu::testing::always(R"({"verdict":"","tokens":[)" + tokens + "]}")});
  machine.environment["HUFU_KEY"] = "hf_canary";
  const auto status = machine.run({"status", "--server", server.url()});
  EXPECT_EQ(status.status, 0) << status.err;
  EXPECT_THAT(status.out, HasSubstr("wx1999"));
}

// ---- Problems

Error error_of(int status, std::string body, std::string retry_after = {}) {
  return error_from({status, std::move(body), {}, std::move(retry_after)});
}

TEST(Problem, BecomesTheErrorItWasMadeFrom) {
  const Error error = error_of(
      503, R"({"status":503,"detail":"no","code":"refused","errcode":40164,"next_step":"mend"})",
      "300");
  EXPECT_EQ(error.fault, Fault::refused);
  EXPECT_EQ(error.message, "no");
  EXPECT_EQ(error.next_step, "mend");
  EXPECT_EQ(error.errcode, 40164);
  EXPECT_EQ(error.retry_after, seconds(300));
}

TEST(Problem, IsToldByItsStatusWhereItsCodeIsUnknown) {
  const std::pair<int, Fault> expected[] = {
      {400, Fault::usage},       {401, Fault::unauthorised}, {403, Fault::forbidden},
      {404, Fault::unknown_app}, {409, Fault::too_soon},     {429, Fault::throttled},
      {503, Fault::unreachable},
  };
  for (auto [status, fault] : expected) {
    EXPECT_EQ(error_of(status, R"({"code":"of a later version"})").fault, fault) << status;
  }
  EXPECT_EQ(error_of(503, R"({"code":"new","errcode":-1})").fault, Fault::refused);
  EXPECT_EQ(error_of(404, "<html>").fault, Fault::config) << "no hufu at this address";
  EXPECT_EQ(error_of(502, "<html>").fault, Fault::unreachable);
}

}  // namespace
}  // namespace hufu::cli
