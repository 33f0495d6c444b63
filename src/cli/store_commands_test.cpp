// app, key, rotate-key and doctor, on the store itself.

#include <sys/stat.h>

#include <boost/json/parse.hpp>
#include <fstream>

#include "cli/machine_for_tests.hpp"
#include "testing/scripted_server.hpp"

namespace hufu::cli {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kSecret;
using testing::Machine;
using ::testing::MatchesRegex;
using ::testing::Not;

// ---- app

TEST(AppAdd, TakesTheSecretFromInputFileOrVariableWithoutWhiteSpaceAroundIt) {
  Machine machine;
  const std::string padded = "\r\n  " + std::string(kSecret) + "\n\n";
  machine.files["/run/secret"] = padded;
  machine.environment["APP_SECRET"] = padded;
  EXPECT_EQ(machine.run({"app", "add", "wx1", "--secret-stdin"}, padded).out, "added wx1\n");
  EXPECT_EQ(machine.run({"get", "wx1"}).status, 0);
  for (const auto& place :
       {std::vector<std::string>{"--secret-file", "/run/secret"}, {"--secret-env", "APP_SECRET"}}) {
    EXPECT_EQ(machine.run({"app", "remove", "wx1"}).status, 0);
    EXPECT_EQ(machine.run({"app", "add", "wx1", place[0], place[1]}).status, 0);
    EXPECT_EQ(machine.run({"get", "wx1"}).status, 0) << place[0];
  }
}

TEST(AppAdd, SaysWhenItReplaces) {
  Machine machine;
  machine.add_app("wx1");
  EXPECT_EQ(machine.run({"app", "add", "wx1", "--secret-stdin", "--no-secret-login"}, kSecret).out,
            "replaced wx1\n");
  auto app = boost::json::parse(machine.run({"app", "show", "wx1", "--json"}).out);
  EXPECT_EQ(app.at("secret_login"), false);
}

TEST(AppAdd, TakesALegacyDocumentWhereTheStoreKeepsOne) {
  Machine machine;
  const auto refused =
      machine.run({"app", "add", "wx1", "--secret-stdin", "--legacy-document", "t"}, kSecret);
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("this store keeps no legacy document"));
  EXPECT_EQ(
      machine.run({"app", "add", "wx1", "--secret-stdin", "--legacy-collection", "t"}, kSecret)
          .status,
      2)
      << "of which document?";
  EXPECT_EQ(machine
                .run({"app", "add", "wx1", "--secret-stdin", "--legacy-document", "t",
                      "--legacy-collection", "hufu_records"},
                     kSecret)
                .status,
            2);
  EXPECT_EQ(machine.run({"app", "list"}).out, "");
  EXPECT_THAT(machine.run({"app", "add", "--help"}).out, HasSubstr("--legacy-document"));
  EXPECT_THAT(machine.run({"completion", "bash"}).out, HasSubstr("--legacy-collection"));
}

TEST(AppAdd, NeverTakesASecretAsAnArgumentAndNeverRepeatsOne) {
  // Machine::run fails where a canary shows in an output.
  Machine machine;
  for (const auto& attempt :
       std::vector<std::vector<std::string>>{{"canary"},
                                             {"--secret", "canary"},
                                             {"--secret=canary"},
                                             {"--secret-stdin=canary"},
                                             {"--secret-file", "canary"},
                                             {"--secret-env", "canary"},
                                             {"--secret-file", "a", "--secret-env", "b"},
                                             {}}) {
    std::vector<std::string> arguments = {"app", "add", "wx1"};
    arguments.insert(arguments.end(), attempt.begin(), attempt.end());
    EXPECT_EQ(machine.run(arguments).status, 2);
  }
  EXPECT_EQ(machine.run({"app", "add", "wx1", "--secret-stdin"}, " \n").status, 2);
  EXPECT_EQ(machine.run({"app", "add", "wx1", "--secret-stdin"}, "canary two").status, 2);
  EXPECT_THAT(machine.run({"app", "add", "wx1", "--secret", "canary"}).err,
              HasSubstr("Did you mean --secret-stdin?"));
  EXPECT_EQ(machine.run({"app", "list"}).out, "");
}

TEST(AppAdd, RefusesWhatCannotBeAnApp) {
  Machine machine;
  EXPECT_EQ(machine.run({"app", "add", "w x", "--secret-stdin"}, kSecret).status, 2);
  EXPECT_EQ(
      machine.run({"app", "add", "wx1", "--platform", "wechta", "--secret-stdin"}, kSecret).status,
      2);
  EXPECT_EQ(
      machine.run({"app", "add", "wx1", "--endpoint", "stabel", "--secret-stdin"}, kSecret).status,
      2);
  const auto forgotten =
      machine.run({"app", "add", "wx1", "--secret-stdin", "--store", "memory:"}, kSecret);
  EXPECT_EQ(forgotten.status, 2) << "it would be gone with the command";
  EXPECT_THAT(forgotten.out, IsEmpty());
}

TEST(App, OfTheConfigurationIsShownAndLeftAlone) {
  Machine machine;
  machine.environment["WECHAT_APPID"] = "wx2";
  machine.environment["WECHAT_APPSECRET"] = kSecret;
  machine.add_app("wx1");
  EXPECT_THAT(machine.run({"app", "list"}).out,
              MatchesRegex("APP .*\nwx1 .* store\nwx2 .* config\n"));
  const auto list = boost::json::parse(machine.run({"app", "list", "--json"}).out);
  EXPECT_EQ(list.at("apps").at(1).at("origin"), "config");

  const auto put = machine.run({"app", "add", "wx2", "--secret-stdin"}, kSecret);
  EXPECT_EQ(put.status, 2);
  EXPECT_THAT(put.err, HasSubstr("stands in the config"));
  EXPECT_EQ(machine.run({"app", "remove", "wx2"}).status, 2);
}

TEST(App, ThatIsUnknownCannotBeShownRemovedOrTested) {
  Machine machine;
  for (const char* verb : {"show", "remove", "test"}) {
    EXPECT_EQ(machine.run({"app", verb, "wx1"}).status, 3) << verb;
  }
}

TEST(App, ThatWasRemovedIsGoneWithItsTokens) {
  Machine machine;
  machine.add_app("wx1");
  ASSERT_EQ(machine.run({"get", "wx1"}).status, 0);
  EXPECT_EQ(machine.run({"app", "remove", "wx1"}).out, "removed wx1\n");
  EXPECT_EQ(machine.run({"get", "wx1"}).status, 3);
  EXPECT_EQ(machine.run({"app", "remove", "wx1"}).status, 3);
}

TEST(AppTest, ProbesATokenThatWorksAndRenewsNothing) {
  Machine machine;
  machine.add_app("wx1", "classic");
  EXPECT_THAT(machine.run({"app", "test", "wx1"}).out, HasSubstr("gave a new token"));
  EXPECT_THAT(machine.run({"app", "test", "wx1"}).out, HasSubstr("accepts the credentials"));
  EXPECT_EQ(machine.asked().tokens_made, 2U)
      << "one of the app, and one of stable_token, which tries the secret and displaces nothing";
  EXPECT_EQ(machine.asked().accepted, 1U);
}

TEST(AppTest, ReplacesATokenThatThePlatformTookBack) {
  Machine machine;
  machine.add_app("wx1", "classic");
  ASSERT_EQ(machine.run({"get"}).status, 0);
  machine.platform->model().revoke_app("wx1");
  auto outcome = boost::json::parse(machine.run({"app", "test", "wx1", "--json"}).out);
  EXPECT_EQ(outcome.at("outcome"), "renewed");
}

TEST(AppTest, TriesAtOnceWhatWasMended) {
  Machine machine;
  machine.add_app("wx1");
  ASSERT_TRUE(machine.platform->model().change_settings("wx1", {{"ip_list", {"203.0.113.7"}}}));
  EXPECT_EQ(machine.run({"get", "wx1"}).status, 4);
  EXPECT_EQ(machine.run({"app", "test", "wx1"}).status, 4);
  ASSERT_TRUE(
      machine.platform->model().change_settings("wx1", {{"ip_list", boost::json::array()}}));
  EXPECT_EQ(machine.run({"get", "wx1"}).status, 4) << "waits for five minutes";
  EXPECT_EQ(machine.run({"app", "test", "wx1"}).status, 0);
  EXPECT_EQ(machine.run({"get", "wx1"}).status, 0);
}

TEST(AppTest, SaysThatThePlatformCannotBeReached) {
  Machine machine;
  machine.add_app("wx1");
  ASSERT_EQ(machine.run({"get", "wx1"}).status, 0);
  machine.platform->refuse();
  EXPECT_EQ(machine.run({"app", "test", "wx1"}).status, 5);
}

// ---- key

TEST(KeyCreate, PrintsTheKeyAloneAndOnce) {
  Machine machine;
  const auto made = machine.run({"key", "create", "shop"});
  EXPECT_EQ(made.status, 0);
  EXPECT_THAT(made.out, MatchesRegex("hf_[A-Za-z0-9_-]{43}\n"));
  const std::string key = made.out.substr(0, made.out.size() - 1);
  EXPECT_THAT(made.err, Not(HasSubstr(key)));
  EXPECT_THAT(machine.run({"key", "list", "--json"}).out, Not(HasSubstr(key)));

  const auto taken = machine.run({"key", "create", "shop"});
  EXPECT_EQ(taken.status, 2);
  EXPECT_THAT(taken.out, IsEmpty());
}

TEST(KeyCreate, LeavesNoKeyThatCouldNotBePrinted) {
  Machine machine;
  std::ofstream full("/dev/full");
  const auto failed = machine.run_into(full, {"key", "create", "shop"});
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err, HasSubstr("the key was revoked again"));
  EXPECT_EQ(machine.run({"key", "list"}).out, "");
  EXPECT_EQ(machine.run({"key", "create", "shop"}).status, 0) << "the name is free again";
}

TEST(KeyCreate, KeepsAppsAndRights) {
  Machine machine;
  machine.add_app("wx1");
  ASSERT_EQ(machine.run({"key", "create", "shop"}).status, 0);
  const auto desk = machine.run(
      {"key", "create", "--app", "wx1", "--app", "wx9", "--can", "refresh,admin", "desk"});
  EXPECT_EQ(desk.status, 0);
  EXPECT_THAT(desk.err, AllOf(HasSubstr("no app wx9"), Not(HasSubstr("no app wx1"))));
  EXPECT_THAT(
      machine.run({"key", "list"}).out,
      MatchesRegex("NAME .*\ndesk  wx1, wx9  refresh, admin .*\nshop  all +read, report .*\n"));
  EXPECT_EQ(machine.run({"key", "create", "x", "--can", "fly"}).status, 2);
  EXPECT_EQ(machine.run({"key", "create", "a b"}).status, 2);
}

TEST(KeyCreate, OpensTheChildrenOfAnApp) {
  Machine machine;
  const auto shops =
      machine.run({"key", "create", "shops", "--app", "wxparent/", "--can", "see,read"});
  EXPECT_EQ(shops.status, 0);
  EXPECT_THAT(shops.err, HasSubstr("no app wxparent is known"));
  EXPECT_THAT(machine.run({"key", "list"}).out,
              MatchesRegex("NAME .*\nshops  wxparent/  see, read .*\n"));
  for (const char* app : {"/", "wxparent//", "a/b", "../"}) {
    EXPECT_EQ(machine.run({"key", "create", "x", "--app", app}).status, 2) << app;
  }
}

TEST(KeyCreate, KeepsAMargin) {
  Machine machine;
  ASSERT_EQ(machine.run({"key", "create", "php"}).status, 0);
  const auto go = machine.run({"key", "create", "go", "--margin", "1500", "--json"});
  EXPECT_EQ(boost::json::parse(go.out).at("margin"), 1500);
  EXPECT_THAT(machine.run({"key", "list"}).out,
              MatchesRegex("NAME .* MARGIN .*\ngo .* 1500 s .*\nphp .* -  .*\n"));
  for (const char* margin : {"3601", "-1", "x"}) {
    EXPECT_EQ(machine.run({"key", "create", "x", "--margin", margin}).status, 2) << margin;
  }
}

TEST(KeyRevoke, KnowsWhatItRevoked) {
  Machine machine;
  ASSERT_EQ(machine.run({"key", "create", "shop"}).status, 0);
  EXPECT_EQ(machine.run({"key", "revoke", "shop"}).out, "revoked shop\n");
  EXPECT_EQ(machine.run({"key", "revoke", "canary"}).status, 3)
      << "maybe the key itself: not repeated";
  EXPECT_EQ(machine.run({"key", "list"}).out, "");
}

TEST(Key, IsOfTheStoreAndNotOfAServer) {
  Machine machine;
  EXPECT_EQ(machine.run({"key", "create", "shop", "--server", "http://127.0.0.1:1"}).status, 2);
  machine.environment["HUFU_SERVER"] = "http://127.0.0.1:1";
  EXPECT_EQ(machine.run({"key", "list"}).status, 2);
  EXPECT_EQ(machine.run({"key", "revoke", "shop"}).status, 2);
  EXPECT_EQ(machine.run({"rotate-key"}).status, 2);
}

// ---- rotate-key

TEST(RotateKey, TellsOldAndNewKeyAndLosesNothing) {
  Machine machine;
  machine.add_app("wx1");
  const auto token = machine.run({"get"});
  auto first = boost::json::parse(machine.run({"rotate-key", "--json"}).out);
  EXPECT_EQ(first.at("tokens"), 1);
  EXPECT_EQ(first.at("credentials"), 1);
  EXPECT_NE(first.at("old_key"), first.at("new_key"));
  EXPECT_THAT(machine.run({"rotate-key"}).out,
              HasSubstr("old key  " + std::string(first.at("new_key").as_string()) + "\n"));
  EXPECT_EQ(machine.run({"get"}).out, token.out);
  EXPECT_EQ(machine.asked().token_calls, 1U);
  EXPECT_EQ(machine.run({"rotate-key", "--store", "memory:"}).status, 2);
}

// ---- doctor

TEST(Doctor, FindsNothingWhereAllIsWell) {
  Machine machine;
  machine.add_app("wx1");
  const auto report = machine.run({"doctor"});
  EXPECT_EQ(report.status, 0) << report.out;
  EXPECT_THAT(report.out,
              AllOf(ContainsRegex("ok +config "), ContainsRegex("ok +store .*mode 0600"),
                    ContainsRegex("ok +wechat "), ContainsRegex("ok +clock "),
                    ContainsRegex("ok +wx1 +.*secret"), Not(HasSubstr("FAIL"))));
  EXPECT_THAT(machine.run({"doctor", "wx1"}).out, HasSubstr("the platform accepts its secret"));
  EXPECT_THAT(machine.run({"key", "list"}).out, IsEmpty()) << "its trial of writing leaves nothing";
}

TEST(Doctor, NamesTheAddressThatTheIpListLacks) {
  Machine machine;
  machine.add_app("wx1");
  ASSERT_TRUE(machine.platform->model().change_settings("wx1", {{"ip_list", {"203.0.113.7"}}}));
  const auto report = machine.run({"doctor"});
  EXPECT_EQ(report.status, 4);
  EXPECT_THAT(report.out, HasSubstr("→ 40164: add 127.0.0.1 to the IP list of wx1"));
  auto json = boost::json::parse(machine.run({"doctor", "--json"}).out);
  EXPECT_EQ(json.at("ok"), false);
}

TEST(Doctor, ExitsWithTheFirstFault) {
  Machine machine;
  machine.add_app("wx1");
  EXPECT_EQ(machine.run({"doctor", "wx9"}).status, 3);
  EXPECT_EQ(machine.run({"doctor", "--store", "nonsense"}).status, 3);
  EXPECT_EQ(machine.run({"doctor", "--store", "sqlite:/dev/null/no.db"}).status, 6);
  machine.platform->refuse();
  EXPECT_EQ(machine.run({"doctor"}).status, 5);
  ASSERT_EQ(chmod(machine.dir.file("hufu.key").c_str(), 0644), 0);
  const auto open_to_all = machine.run({"doctor"});
  EXPECT_EQ(open_to_all.status, 3);
  EXPECT_THAT(open_to_all.out, ContainsRegex("FAIL +store .*hufu.key"));
}

TEST(Doctor, WarnsOfAClockThatIsWrong) {
  Machine machine;
  hufu::testing::ScriptedServer late(
      {{hufu::testing::read_request(),
        hufu::testing::send(
            hufu::testing::http("404 Not Found", "{}", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n")),
        hufu::testing::again()}});
  machine.environment["WECHAT_BASE_URL"] = late.url();
  const auto report = machine.run({"doctor"});
  EXPECT_EQ(report.status, 0);
  EXPECT_THAT(report.out, ContainsRegex("warn +clock +this machine's clock is .* ahead of"));
}

TEST(DamagedSecret, IsNamedByConfigCheckAndDoctorWithoutBeingShown) {
  Machine machine;
  machine.environment["WECHAT_APPID"] = "wx1";
  machine.environment["WECHAT_APPSECRET"] = "\"" + std::string(kSecret) + "\"";
  const auto checked = machine.run({"config", "check"});
  EXPECT_EQ(checked.status, 0) << "it may be right even so";
  EXPECT_THAT(checked.err, HasSubstr("environment WECHAT_APPSECRET: app.wx1.secret: it looks "
                                     "damaged: it stands in quotation marks"));
  const auto json = boost::json::parse(machine.run({"config", "check", "--json"}).out);
  EXPECT_EQ(json.at("ok"), true);
  EXPECT_EQ(json.at("warnings").as_array().size(), 2U) << "the id is none of WeChat, either";
  EXPECT_THAT(machine.run({"doctor"}).out,
              ContainsRegex("warn +config +.*it stands in quotation marks"));
}

}  // namespace
}  // namespace hufu::cli
