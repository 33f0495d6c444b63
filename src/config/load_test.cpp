#include "config/load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/app_rules.hpp"
#include "config/fields.hpp"
#include "platform/catalog.hpp"

namespace hufu::config {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

/// A machine with files and variables of the test's own.
struct Machine {
  std::map<std::string, std::string> files;
  std::map<std::string, std::string> broken;  ///< Path and reason.
  Sources sources;

  Machine() {
    sources.environment = {{"HOME", "/srv/me"}};
    sources.read_file = [this](const std::string& path) -> tl::expected<std::string, FileFailure> {
      if (auto file = broken.find(path); file != broken.end()) {
        return tl::unexpected(FileFailure{false, file->second});
      }
      if (auto file = files.find(path); file != files.end()) return file->second;
      return tl::unexpected(FileFailure{true, "No such file or directory"});
    };
  }
  Machine& file(std::string text, const std::string& path = "./hufu.toml") {
    files[path] = std::move(text);
    return *this;
  }
  Machine& variable(const std::string& name, const std::string& value) {
    sources.environment[name] = value;
    return *this;
  }
  Machine& flag(const std::string& key, const std::string& value) {
    sources.flags[key] = value;
    return *this;
  }
  /// What must load.
  Loaded loaded() const {
    auto result = load(sources);
    EXPECT_TRUE(result) << result.error().message;
    return result ? std::move(*result) : Loaded();
  }
  Config config() const { return loaded().config; }
  /// "message → next step" of each problem.
  std::vector<std::string> problems() const {
    std::vector<std::string> texts;
    for (const Error& problem : examine(sources).problems) {
      EXPECT_EQ(problem.fault, Fault::config);
      EXPECT_FALSE(problem.next_step.empty()) << problem.message;
      texts.push_back(problem.message + " → " + problem.next_step);
    }
    return texts;
  }
};

std::vector<std::string> problems_of(std::string text) {
  return Machine().file(std::move(text)).problems();
}

/// An app whose secret comes from a variable that is set.
constexpr const char* kApp = R"([[app]]
id = "wx1"
secret = { env = "WX1" }
)";

// ---- Which file

TEST(ConfigFile, IsNotNeeded) {
  Loaded loaded = Machine().loaded();
  EXPECT_EQ(loaded.file, "");
  EXPECT_EQ(loaded.config.listen, "127.0.0.1:7200");
  EXPECT_EQ(loaded.config.timing.use_slack, std::nullopt);
  EXPECT_THAT(loaded.config.apps, IsEmpty());
}

TEST(ConfigFile, IsTheFirstOfFlagVariableHereAndEtc) {
  Machine machine;
  machine.file("listen = \"127.0.0.1:4\"", "/etc/hufu/hufu.toml");
  EXPECT_EQ(machine.config().listen, "127.0.0.1:4");
  machine.file("listen = \"127.0.0.1:3\"");
  EXPECT_EQ(machine.config().listen, "127.0.0.1:3");
  machine.file("listen = \"127.0.0.1:2\"", "/v.toml").variable("HUFU_CONFIG", "/v.toml");
  EXPECT_EQ(machine.config().listen, "127.0.0.1:2");
  machine.file("listen = \"127.0.0.1:1\"", "/f.toml");
  machine.sources.file = "/f.toml";
  EXPECT_EQ(machine.config().listen, "127.0.0.1:1");
  EXPECT_EQ(machine.loaded().file, "/f.toml");
}

TEST(ConfigFile, MustExistWhereItIsNamed) {
  Machine machine;
  machine.variable("HUFU_CONFIG", "/v.toml").file("", "./hufu.toml");
  EXPECT_THAT(
      machine.problems(),
      ElementsAre(AllOf(HasSubstr("\"/v.toml\", named by HUFU_CONFIG: it does not exist"))));
  machine.sources.file = "/f.toml";
  EXPECT_THAT(machine.problems(), ElementsAre(HasSubstr("\"/f.toml\", named by --config")));
}

TEST(ConfigFile, IsNotSkippedBecauseItCannotBeRead) {
  Machine machine;
  machine.broken["./hufu.toml"] = "Permission denied";
  machine.file("", "/etc/hufu/hufu.toml");
  EXPECT_THAT(machine.problems(),
              ElementsAre(AllOf(HasSubstr("./hufu.toml"), HasSubstr("Permission denied"))));
}

TEST(ConfigFile, ThatIsNotTomlIsTheOnlyProblem) {
  Machine machine;
  machine.file("listen = \n").variable("HUFU_LISTEN", "nowhere");
  EXPECT_THAT(machine.problems(), ElementsAre(StartsWith("./hufu.toml:1: this is not TOML")));
}

TEST(ConfigFile, ShowsNothingOfALineThatMayHoldASecret) {
  EXPECT_THAT(problems_of("[[app]]\nid = \"wx1\"\nsecret = tanary-of-a-secret\n"),
              ElementsAre(AllOf(StartsWith("./hufu.toml:3: this is not TOML →"),
                                Not(HasSubstr("tanary")))));
}

// ---- Precedence and origin

TEST(ConfigValue, ComesFromTheFlagThenTheVariableThenTheFileThenItsDefault) {
  Machine machine;
  EXPECT_EQ(machine.loaded().origin("store").text(), "default");
  machine.file("\nstore = \"sqlite:/file.db\"");
  EXPECT_EQ(machine.config().store, "sqlite:/file.db");
  EXPECT_EQ(machine.loaded().origin("store").text(), "./hufu.toml:2");
  machine.variable("HUFU_STORE", "sqlite:/variable.db");
  EXPECT_EQ(machine.config().store, "sqlite:/variable.db");
  EXPECT_EQ(machine.loaded().origin("store").text(), "environment HUFU_STORE");
  machine.flag("store", "memory:");
  EXPECT_EQ(machine.config().store, "memory:");
  EXPECT_EQ(machine.loaded().origin("store").text(), "flag --store");
}

TEST(ConfigValue, IgnoresAVariableThatIsSetButEmpty) {
  EXPECT_EQ(Machine().variable("HUFU_LISTEN", "").config().listen, "127.0.0.1:7200");
}

TEST(ConfigValue, NamesVariableOrFlagWhereOneIsWrong) {
  EXPECT_THAT(Machine().variable("HUFU_LOG_LEVEL", "loud").problems(),
              ElementsAre(StartsWith("environment HUFU_LOG_LEVEL: \"loud\" is none of: trace, ")));
  EXPECT_THAT(Machine().flag("threads", "many").problems(),
              ElementsAre(StartsWith("flag --threads: \"many\" is not a whole number")));
}

TEST(ConfigFile, MaySetEverything) {
  Config config = Machine()
                      .variable("WX1", "s")
                      .variable("TOKEN", "not-a-secret")
                      .file(R"(
listen = "[::1]:80"
store = "memory:"
key_file = "/k"
base_path = "/wechat/"
log_level = "debug"
log_format = "json"
threads = 3
[timing]
use_slack = "1s"
refresh_ahead = "5s"
overlap = "6s"
lease = "3s"
request_timeout = "1s"
[server]
max_header_bytes = 2048
max_body_bytes = 4096
max_connections = 7
idle_timeout = "5s"
read_timeout = "500ms"
[platform.wechat]
base_url = "http://sim:8080/"
allow_http = true
fallback = ["http://sim2:8080/", "https://sim3"]
proxy = "http://10.0.0.9:3128"
[platform.wechat.timing]
lease = "4s"
[[app]]
id = "wx1"
platform = "wechat"
endpoint = "classic"
secret = { env = "WX1" }
secret_login = false
keep = ["access_token", "jsapi_ticket"]
callback_token = { env = "TOKEN" }
)")
                      .config();
  EXPECT_EQ(config.listen, "[::1]:80");
  EXPECT_EQ(config.store, "memory:");
  EXPECT_EQ(config.key_file, "/k");
  EXPECT_EQ(config.base_path, "/wechat");
  EXPECT_EQ(config.log_level, "debug");
  EXPECT_EQ(config.log_format, "json");
  EXPECT_EQ(config.threads, 3);
  EXPECT_EQ(config.timing.use_slack, 1s);
  EXPECT_EQ(config.timing.refresh_ahead, 5s);
  EXPECT_EQ(config.timing.overlap, 6s);
  EXPECT_EQ(config.timing.lease, 3s);
  EXPECT_EQ(config.timing.request_timeout, 1s);
  EXPECT_EQ(config.limits.header_bytes, 2048U);
  EXPECT_EQ(config.limits.body_bytes, 4096U);
  EXPECT_EQ(config.limits.connections, 7U);
  EXPECT_EQ(config.limits.idle, 5s);
  EXPECT_EQ(config.limits.request, 500ms);
  EXPECT_EQ(config.platforms["wechat"].base_url, "http://sim:8080");
  EXPECT_TRUE(config.platforms["wechat"].allow_http);
  EXPECT_THAT(config.platforms["wechat"].fallback, ElementsAre("http://sim2:8080", "https://sim3"));
  EXPECT_EQ(config.platforms["wechat"].proxy, "http://10.0.0.9:3128");
  EXPECT_EQ(config.platforms["wechat"].timing.lease, 4s);
  EXPECT_EQ(config.platforms["wechat"].timing.overlap, std::nullopt);
  ASSERT_EQ(config.apps.size(), 1U);
  EXPECT_EQ(config.apps[0].id, "wx1");
  EXPECT_EQ(hufu::setting(config.apps[0].settings, "endpoint"), "classic");
  EXPECT_FALSE(config.apps[0].secret_login);
  EXPECT_THAT(config.apps[0].keep, ElementsAre("access_token", "jsapi_ticket"));
  EXPECT_EQ(credential(config.apps[0].credentials, kSecret).reveal(), "s");
  EXPECT_EQ(credential(config.apps[0].credentials, "callback_token").reveal(), "not-a-secret");
}

// ---- Unknown keys and wrong types

TEST(UnknownKey, IsAnErrorThatNamesTheLineAndTheNearest) {
  EXPECT_THAT(problems_of("\n\nlissten = \"x\"\n"),
              ElementsAre("./hufu.toml:3: unknown key lissten → Did you mean listen?"));
  EXPECT_THAT(problems_of("[timing]\nleese = \"3s\"\n"),
              ElementsAre("./hufu.toml:2: unknown key timing.leese → Did you mean timing.lease?"));
  EXPECT_THAT(problems_of("[timming]\nlease = \"3s\"\n"),
              ElementsAre("./hufu.toml:1: unknown key timming → Did you mean timing?"));
  EXPECT_THAT(problems_of("[platform.wecaht]\n"),
              ElementsAre("./hufu.toml:1: unknown key platform.wecaht → "
                          "Did you mean platform.wechat?"));
  EXPECT_THAT(problems_of("[platform.wechat]\nbase_ur = \"x\"\n"),
              ElementsAre("./hufu.toml:2: unknown key platform.wechat.base_ur → Did you mean "
                          "platform.wechat.base_url?"));
  EXPECT_THAT(
      Machine().variable("WX1", "s").file(std::string(kApp) + "endpiont = \"x\"").problems(),
      ElementsAre("./hufu.toml:4: unknown key app.wx1.endpiont → Did you mean "
                  "app.wx1.endpoint?"));
}

TEST(UnknownKey, TellsWhereAMisplacedOneBelongs) {
  EXPECT_THAT(problems_of("lease = \"3s\"\n"), ElementsAre(HasSubstr("It belongs below [timing]")));
  EXPECT_THAT(Machine()
                  .variable("WX1", "s")
                  .file(std::string(kApp) + "listen = \"127.0.0.1:1\"")
                  .problems(),
              ElementsAre(HasSubstr("It belongs above the first [section]")));
}

TEST(UnknownKey, CannotPaintTheTerminal) {
  EXPECT_THAT(problems_of("\"\\u001b[31m\" = 1\n"), ElementsAre(Not(HasSubstr("\x1b"))));
}

TEST(ConfigFile, TellsAllItsProblemsInOrder) {
  EXPECT_THAT(problems_of("zzz = 1\nthreads = -1\naaa = 2\n"),
              ElementsAre(StartsWith("./hufu.toml:1"), StartsWith("./hufu.toml:2"),
                          StartsWith("./hufu.toml:3")));
}

TEST(ConfigFile, RefusesValuesOfAnotherType) {
  EXPECT_THAT(problems_of("listen = 7200"),
              ElementsAre(HasSubstr("listen: a whole number where a text is expected")));
  EXPECT_THAT(problems_of("[timing]\nlease = 30"),
              ElementsAre(AllOf(HasSubstr("timing.lease: a whole number where a duration"),
                                HasSubstr("in quotes, like \"30s\""))));
  EXPECT_THAT(problems_of("threads = \"3\""), ElementsAre(HasSubstr("text where a integer")));
  EXPECT_THAT(problems_of("threads = 1.5"), ElementsAre(HasSubstr("a fraction where")));
  EXPECT_THAT(problems_of("listen = 2026-01-01"), ElementsAre(HasSubstr("a date or time where")));
  EXPECT_THAT(problems_of("timing = 3"), ElementsAre(HasSubstr("Write [timing]")));
  EXPECT_THAT(problems_of("platform = 3"), ElementsAre(HasSubstr("[platform.wechat]")));
  EXPECT_THAT(problems_of("platform.wechat = 3"), ElementsAre(HasSubstr("[platform.wechat]")));
  EXPECT_THAT(problems_of("app = 3"), ElementsAre(HasSubstr("[[app]]")));
  EXPECT_THAT(problems_of("[app]\nid = \"wx1\""), ElementsAre(HasSubstr("[[app]]")));
  EXPECT_THAT(problems_of("app = [3]"), ElementsAre(HasSubstr("[[app]]")));
}

TEST(ConfigFile, RefusesNumbersOutOfRange) {
  for (const char* text :
       {"threads = -1", "threads = 1025", "server.max_connections = 0", "server.max_body_bytes = 1",
        "server.max_header_bytes = 99999999999", "server.idle_timeout = \"0s\"",
        "server.read_timeout = \"2h\"", "timing.lease = \"1e9h\"", "timing.lease = \"-1s\""}) {
    EXPECT_THAT(problems_of(text), ::testing::SizeIs(1)) << text;
  }
}

// ---- Apps

TEST(App, TakesItsSecretFromAVariableOrAFileWithoutWhiteSpaceAround) {
  Machine machine;
  machine.variable("WX1", " \ts3cret\r\n").files["/run/wx2"] = "\n t0ken \n\n";
  Config config =
      machine.file(std::string(kApp) + "[[app]]\nid = \"wx2\"\nsecret = { file = \"/run/wx2\" }\n")
          .config();
  ASSERT_EQ(config.apps.size(), 2U);
  EXPECT_EQ(credential(config.apps[0].credentials, kSecret).reveal(), "s3cret");
  EXPECT_EQ(credential(config.apps[1].credentials, kSecret).reveal(), "t0ken");
  EXPECT_TRUE(config.apps[0].secret_login);
  EXPECT_TRUE(hufu::setting(config.apps[0].settings, "endpoint").empty());
  EXPECT_EQ(machine.loaded().origin("app.wx1.secret").text(), "./hufu.toml:3 (environment WX1)");
  EXPECT_EQ(machine.loaded().origin("app.wx2.secret").text(), "./hufu.toml:6 (file /run/wx2)");
}

TEST(App, NamesTheVariableOrTheFileOfASecretThatIsNotThere) {
  EXPECT_THAT(problems_of(kApp), ElementsAre(AllOf(StartsWith("./hufu.toml:3: app.wx1.secret: "),
                                                   HasSubstr("variable WX1 is not set"))));
  EXPECT_THAT(Machine().file(kApp).variable("WX1", "").problems(),
              ElementsAre(HasSubstr("variable WX1 is empty")));
  EXPECT_THAT(Machine().file(kApp).variable("WX1", " \n").problems(),
              ElementsAre(HasSubstr("variable WX1 is empty")));
  const char* from_file = "[[app]]\nid = \"wx1\"\nsecret = { file = \"/s\" }\n";
  EXPECT_THAT(problems_of(from_file), ElementsAre(HasSubstr("\"/s\" does not exist")));
  EXPECT_THAT(Machine().file(from_file).file("\n", "/s").problems(),
              ElementsAre(HasSubstr("\"/s\" is empty")));
  Machine machine;
  machine.broken["/s"] = "Permission denied";
  EXPECT_THAT(machine.file(from_file).problems(), ElementsAre(HasSubstr("Permission denied")));
}

TEST(App, NeverShowsASecretThatCannotBeOne) {
  for (const std::string& secret :
       {std::string("canary one\ncanary two"), "canary" + std::string(2000, 'x')}) {
    EXPECT_THAT(Machine().file(kApp).variable("WX1", secret).problems(),
                ElementsAre(AllOf(HasSubstr("WX1"), Not(HasSubstr("canary")))));
  }
}

TEST(App, RefusesASecretInTheFileItselfAndSaysWhatToWrite) {
  EXPECT_THAT(problems_of("[[app]]\nid = \"wx1\"\nsecret = \"canary\"\n"),
              ElementsAre(AllOf(StartsWith("./hufu.toml:3: app.wx1.secret"),
                                HasSubstr("{ env = \"NAME\" }"), Not(HasSubstr("canary")))));
}

TEST(App, RefusesASecretThatComesFromNowhereOrTwoPlaces) {
  for (const char* secret :
       {"{}", "3", "{ env = \"\" }", "{ env = 3 }", "{ env = \"A\", file = \"/b\" }", "[]"}) {
    EXPECT_THAT(problems_of("[[app]]\nid = \"wx1\"\nsecret = " + std::string(secret)),
                ElementsAre(HasSubstr("does not say where the secret is")))
        << secret;
  }
  EXPECT_THAT(problems_of("[[app]]\nid = \"wx1\"\nsecret = { evn = \"A\" }"),
              ElementsAre(HasSubstr("Did you mean app.wx1.secret.env?")));
}

TEST(App, NeedsAnIdAndASecret) {
  EXPECT_THAT(problems_of("[[app]]\nsecret = { env = \"A\" }"),
              ElementsAre(StartsWith("./hufu.toml:1: app: it has no id")));
  EXPECT_THAT(problems_of("\n[[app]]\nid = \"wx1\""),
              ElementsAre(StartsWith("./hufu.toml:3: app wx1: it has no secret")));
}

TEST(App, IsDefinedOnce) {
  EXPECT_THAT(
      Machine().variable("WX1", "s").file(std::string(kApp) + kApp).problems(),
      ElementsAre("./hufu.toml:5: app.id: \"wx1\" is already defined in line 2 → Remove one of "
                  "the two"));
}

TEST(App, RefusesUnknownPlatformsAndEndpoints) {
  EXPECT_THAT(
      Machine().variable("WX1", "s").file(std::string(kApp) + "endpoint = \"stabel\"").problems(),
      ElementsAre("./hufu.toml:4: app wx1: unknown endpoint of wechat \"stabel\" → Did you mean "
                  "\"stable\"?"));
  EXPECT_THAT(
      Machine().variable("WX1", "s").file(std::string(kApp) + "platform = \"x\"").problems(),
      ElementsAre(AllOf(StartsWith("./hufu.toml:4: app wx1: unknown platform \"x\" → Known are: "),
                        HasSubstr("wechat"))));
}

TEST(App, RefusesKindsThatItsPlatformHasNot) {
  EXPECT_THAT(
      Machine().variable("WX1", "s").file(std::string(kApp) + "keep = [\"jsapi\"]").problems(),
      ElementsAre(AllOf(StartsWith("./hufu.toml:4: app wx1: an app of wechat has no \"jsapi\""),
                        HasSubstr("Known are: access_token, jsapi_ticket, wx_card_ticket"))));
  EXPECT_THAT(Machine().variable("WX1", "s").file(std::string(kApp) + "keep = \"x\"").problems(),
              ElementsAre(HasSubstr("app.wx1.keep: text where a list is expected")));
}

TEST(App, RefusesIdsThatWouldLeadElsewhereInAPath) {
  for (const char* id : {".", ".."}) {
    EXPECT_THAT(problems_of("[[app]]\nid = \"" + std::string(id) + "\"\n"),
                ElementsAre(HasSubstr("is not an app id")));
  }
}

TEST(App, BelongsToAnotherOnlyWhereItsPlatformSaysSo) {
  EXPECT_THAT(
      Machine().variable("WX1", "s").file(std::string(kApp) + "parent = \"wx9\"").problems(),
      ElementsAre(HasSubstr("./hufu.toml:4: app wx1: an app of wechat belongs to no other")));
}

TEST(App, SaysWhereASecretIsDamaged) {
  const std::string good = "0123456789abcdef0123456789abcdef";
  Machine machine;
  machine.file("[[app]]\nid = \"wx0123456789abcdef\"\nsecret = { env = \"WX1\" }\n");
  EXPECT_THAT(machine.variable("WX1", good).loaded().warnings, IsEmpty());
  const std::pair<std::string, const char*> damaged[] = {
      {"\"" + good + "\"", "quotation marks"},
      {"WX_SECRET=" + good, "a name and an equals sign"},
      {good.substr(1), "31 characters"},
      {"0123456789ABCDEF0123456789abcdef", "upper-case letters"},
  };
  for (const auto& [secret, told] : damaged) {
    auto warnings = machine.variable("WX1", secret).loaded().warnings;
    ASSERT_EQ(warnings.size(), 1U) << told;
    EXPECT_THAT(warnings[0].message,
                AllOf(StartsWith("./hufu.toml:3 (environment WX1): app.wx0123456789abcdef.secret: "
                                 "it looks damaged: "),
                      HasSubstr(told), Not(HasSubstr("89abcdef0"))));
    EXPECT_NE(warnings[0].next_step, "");
  }
}

TEST(App, RefusesASecretThatCannotBeOneAndSaysWhy) {
  const std::pair<std::string, const char*> broken[] = {
      {"\xef\xbb\xbf"
       "canary",
       "begins with a byte order mark"},
      {std::string("\xff\xfe"
                   "c\0a\0n\0",
                   8),
       "UTF-16"},
      {std::string("c\0a\0n\0a\0", 8), "UTF-16"},
      {"can\u00a0ary", "a blank that is not seen"},
      {"can\u200bary", "a blank that is not seen"},
      {"canary\u3000", "a blank that is not seen"},
      {"can ary", "white space in its middle"},
  };
  for (const auto& [secret, told] : broken) {
    EXPECT_THAT(Machine()
                    .file("[[app]]\nid = \"wx1\"\nsecret = { file = \"/s\" }\n")
                    .file(secret, "/s")
                    .problems(),
                ElementsAre(AllOf(HasSubstr("secret file \"/s\""), HasSubstr(told),
                                  Not(HasSubstr("ary")))));
  }
}

TEST(AppFromTheEnvironment, NeedsNoFile) {
  Machine machine;
  machine.variable("WECHAT_APPID", "wx1").variable("WECHAT_APPSECRET", "s\n");
  Config config = machine.config();
  ASSERT_EQ(config.apps.size(), 1U);
  EXPECT_EQ(config.apps[0].id, "wx1");
  EXPECT_EQ(config.apps[0].platform, "wechat");
  EXPECT_TRUE(hufu::setting(config.apps[0].settings, "endpoint").empty());
  EXPECT_EQ(credential(config.apps[0].credentials, kSecret).reveal(), "s");
  EXPECT_EQ(machine.loaded().origin("app.wx1.secret").text(), "environment WECHAT_APPSECRET");
  machine.variable("WECHAT_ENDPOINT", "classic");
  EXPECT_EQ(hufu::setting(machine.config().apps[0].settings, "endpoint"), "classic");
}

TEST(AppFromTheEnvironment, StandsBesideThoseOfTheFile) {
  Config config = Machine()
                      .variable("WX1", "one")
                      .variable("WECHAT_APPID", "wx2")
                      .variable("WECHAT_APPSECRET", "two")
                      .file(kApp)
                      .config();
  ASSERT_EQ(config.apps.size(), 2U);
  EXPECT_EQ(config.apps[1].id, "wx2");
}

TEST(AppFromTheEnvironment, OverridesTheOneOfTheFileWithTheSameId) {
  Config config = Machine()
                      .variable("WECHAT_APPID", "wx1")
                      .variable("WECHAT_APPSECRET", "new")
                      .file("[[app]]\nid = \"wx1\"\nendpoint = \"classic\"\nsecret_login = false\n")
                      .config();
  ASSERT_EQ(config.apps.size(), 1U);
  EXPECT_EQ(credential(config.apps[0].credentials, kSecret).reveal(), "new");
  EXPECT_EQ(hufu::setting(config.apps[0].settings, "endpoint"), "classic");
  EXPECT_FALSE(config.apps[0].secret_login);
}

TEST(AppFromTheEnvironment, IsNoneWithHalfOfItMissing) {
  EXPECT_THAT(Machine().variable("WECHAT_APPID", "wx1").problems(),
              ElementsAre(HasSubstr("WECHAT_APPID: it is set, but WECHAT_APPSECRET is not")));
  EXPECT_THAT(Machine().variable("WECHAT_APPSECRET", "canary").problems(),
              ElementsAre(AllOf(HasSubstr("WECHAT_APPSECRET: it is set, but WECHAT_APPID is not"),
                                Not(HasSubstr("canary")))));
  EXPECT_THAT(Machine().variable("WECHAT_ENDPOINT", "stable").problems(),
              ElementsAre(HasSubstr("WECHAT_ENDPOINT: it is set, but WECHAT_APPID is not")));
}

TEST(AppFromTheEnvironment, IsNotHalfOfOneWhereTheFileTakesASecretFromItsVariable) {
  Config config = Machine()
                      .variable("WECHAT_APPSECRET", "s")
                      .file("[[app]]\nid = \"wx1\"\nsecret = { env = \"WECHAT_APPSECRET\" }\n")
                      .config();
  ASSERT_EQ(config.apps.size(), 1U);
  EXPECT_EQ(credential(config.apps[0].credentials, kSecret).reveal(), "s");
}

TEST(AppFromTheEnvironment, IsCheckedLikeAnyOther) {
  Machine machine;
  machine.variable("WECHAT_APPID", "wx/1").variable("WECHAT_APPSECRET", "s");
  EXPECT_THAT(machine.problems(),
              ElementsAre(HasSubstr("WECHAT_APPID: \"wx/1\" is not an app id")));
  machine.variable("WECHAT_APPID", "wx1").variable("WECHAT_ENDPOINT", "fast");
  EXPECT_THAT(machine.problems(),
              ElementsAre(HasSubstr("environment WECHAT_ENDPOINT: app wx1: unknown endpoint")));
}

// ---- Rules between values

TEST(Platform, MayBePlainHttpToThisMachineAlone) {
  for (const char* url : {"http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:1",
                          "http://localhost:1", "http://LOCALHOST:1", "http://0x7f.1"}) {
    EXPECT_EQ(Machine().variable("WECHAT_BASE_URL", url).problems().size(), 0U) << url;
  }
  for (const char* url : {"http://10.0.0.1", "http://sim:1", "http://[::2]:1",
                          "http://127.0.0.1.example.org", "http://localhost.example.org"}) {
    EXPECT_THAT(Machine().variable("WECHAT_BASE_URL", url).problems(),
                ElementsAre(AllOf(StartsWith("environment WECHAT_BASE_URL: platform.wechat."),
                                  HasSubstr("allow_http = true"))))
        << url;
    EXPECT_EQ(Machine()
                  .variable("WECHAT_BASE_URL", url)
                  .file("[platform.wechat]\nallow_http = true")
                  .config()
                  .platforms["wechat"]
                  .base_url,
              url);
  }
}

TEST(Timing, IsCheckedWithTheLineNamed) {
  EXPECT_THAT(problems_of("timing.lease = \"280s\""),
              ElementsAre(AllOf(StartsWith("./hufu.toml:1: timing.lease (280s) must be shorter"),
                                HasSubstr("Lower timing.lease below 280s"))));
}

TEST(Timing, NamesTheLineOfTheFirstSettingThatSomebodyMade) {
  // The lease, which the message names first, is the default.
  EXPECT_THAT(problems_of("[timing]\nuse_slack = \"5s\"\nrequest_timeout = \"2s\"\n"
                          "overlap = \"25s\"\n"),
              ElementsAre(StartsWith("./hufu.toml:4: timing.lease (30s) must be shorter")));
  EXPECT_THAT(problems_of("[timing]\nlease = \"8s\"\nrequest_timeout = \"9s\"\n"),
              ElementsAre(StartsWith("./hufu.toml:3: timing.request_timeout (9s) must be")));
}

TEST(Store, LiesInTheStateDirectoryUnlessSaidOtherwise) {
  Machine machine;
  EXPECT_EQ(machine.config().store, "sqlite:/srv/me/.local/state/hufu/hufu.db");
  machine.variable("XDG_STATE_HOME", "/state");
  EXPECT_EQ(machine.config().store, "sqlite:/state/hufu/hufu.db");
  machine.variable("XDG_STATE_HOME", "not/absolute");
  EXPECT_EQ(machine.config().store, "sqlite:/srv/me/.local/state/hufu/hufu.db");
  machine.sources.environment.clear();
  EXPECT_THAT(machine.problems(), ElementsAre(HasSubstr("neither XDG_STATE_HOME nor HOME")));
  EXPECT_EQ(machine.flag("store", "memory:").config().store, "memory:");
}

TEST(Store, IsCheckedWhereverItCameFrom) {
  EXPECT_THAT(problems_of("store = \"sqlite:\""),
              ElementsAre(StartsWith("./hufu.toml:1: store: the store \"sqlite:\" has no path")));
  Machine machine;
  machine.sources.stores = {"memory", "sqlite"};
  EXPECT_THAT(
      machine.flag("store", "mongodb://u:canary@h/d").problems(),
      ElementsAre(AllOf(StartsWith("flag --store: store: this build of hufu has no mongodb"),
                        HasSubstr("It has: memory, sqlite"), Not(HasSubstr("canary")))));
  machine.sources.stores.emplace_back("mongodb");
  EXPECT_EQ(machine.flag("store", "mongodb://h/d").config().store, "mongodb://h/d");
}

TEST(Store, ThatNodesShareHasItsKeysInTheStateDirectoryUnlessSaidOtherwise) {
  Machine machine;
  machine.sources.stores.emplace_back("postgresql");
  machine.flag("store", "postgresql://h/d");
  EXPECT_EQ(machine.config().key_file, "/srv/me/.local/state/hufu/hufu.key");
  machine.flag("key_file", "/etc/hufu.key");
  EXPECT_EQ(machine.config().key_file, "/etc/hufu.key");
}

TEST(StorePassword, ComesFromAFileOrAVariable) {
  Machine machine;
  machine.variable("PG", " in the variable is no password")
      .variable("HUFU_STORE_PASSWORD", "two\n");
  EXPECT_TRUE(machine.config().store_password.same_as("two"));
  machine.sources.environment.erase("HUFU_STORE_PASSWORD");
  machine.variable("PG", "one").file("store_password = { env = \"PG\" }");
  EXPECT_TRUE(machine.config().store_password.same_as("one"));
}

TEST(StorePassword, InTheFileItselfIsRefusedWithoutRepeatingIt) {
  EXPECT_THAT(problems_of("store_password = \"canary\""),
              ElementsAre(AllOf(StartsWith("./hufu.toml:1: store_password: a secret must not"),
                                HasSubstr("store_password = { env"), Not(HasSubstr("canary")))));
}

// ---- What is shown

/// "key=value origin" of each line, sections in order.
std::string shown(const Machine& machine) {
  std::string all;
  for (const Setting& setting : effective(machine.loaded())) {
    all += setting.key + "=" + setting.value + " " + setting.origin.text() + "\n";
  }
  return all;
}

TEST(EffectiveValues, HoldEveryKeyOnceAndNoSecret) {
  Machine machine;
  machine.variable("WX1", "canary").file(kApp).flag("store", "redis://u:canary@h:1/0?p=canary");
  machine.sources.stores.emplace_back("redis");
  std::set<std::string> keys;
  std::string all;
  for (const Setting& setting : effective(machine.loaded())) {
    EXPECT_TRUE(keys.insert(setting.key).second) << setting.key;
    all += setting.key + "=" + setting.value + " " + setting.origin.text() + "\n";
  }
  const platform::Catalog catalog;
  const auto& wechat = *catalog.find("wechat");
  EXPECT_EQ(keys.size(), settings().size() + 1 + platform_fields().size() + app_fields().size() +
                             wechat.settings.size() + wechat.credentials.size());
  EXPECT_THAT(all, Not(HasSubstr("canary")));
  EXPECT_THAT(all, HasSubstr("app.wx1.secret=******** ./hufu.toml:3 (environment WX1)\n"));
  EXPECT_THAT(all, HasSubstr("store=redis://u:********@h:1/0?… flag --store\n"));
  EXPECT_THAT(all, HasSubstr("timing.overlap=5m default\n"));
}

TEST(EffectiveValues, ShowWhatHoldsForAPlatformAndWhoSaidSo) {
  Machine machine;
  machine.file(R"([timing]
lease = "20s"
[platform.wechat]
proxy = "http://user:canary@10.0.0.9:3128"
[platform.wechat.timing]
overlap = "200s"
[platform.acme]
base_url = "https://login.acme.example"
renewal = "windowed"
window = "10m"
)");
  const std::string all = shown(machine);
  EXPECT_THAT(all, Not(HasSubstr("canary")));
  EXPECT_THAT(all, HasSubstr("timing.lease=20s ./hufu.toml:2\n"));
  EXPECT_THAT(all, HasSubstr("timing.overlap=5m default\n"));
  EXPECT_THAT(all, HasSubstr("platform.wechat.base_url=https://api.weixin.qq.com default\n"));
  EXPECT_THAT(all, HasSubstr("platform.wechat.proxy=http://user:********@10.0.0.9:3128 "));
  EXPECT_THAT(all, HasSubstr("platform.wechat.timing.overlap=200s ./hufu.toml:6\n"));
  EXPECT_THAT(all, Not(HasSubstr("platform.wechat.timing.lease")));
  EXPECT_THAT(all, HasSubstr("platform.acme.window=10m ./hufu.toml:10\n"));
  EXPECT_THAT(all, HasSubstr("platform.acme.timing.overlap=10m default\n"));
  EXPECT_THAT(all, HasSubstr("platform.acme.path=/oauth2/token default\n"));
  EXPECT_THAT(all, HasSubstr("platform.acme.permanent=[\"invalid_client\", "));
}

TEST(EffectiveValues, ShowSettingsAndCredentialsByTheirPlatform) {
  Machine machine;
  machine.variable("S", "canary").file(R"([platform.acme]
base_url = "https://login.acme.example"
[[app]]
id = "shop"
platform = "acme"
scope = "orders"
secret = { env = "S" }
)");
  const std::string all = shown(machine);
  EXPECT_THAT(all, HasSubstr("app.shop.scope=orders ./hufu.toml:6\n"));
  EXPECT_THAT(all, HasSubstr("app.shop.secret=******** ./hufu.toml:7 (environment S)\n"));
  EXPECT_THAT(all, Not(HasSubstr("app.shop.endpoint")));
  EXPECT_THAT(all, Not(HasSubstr("canary")));
}

// ---- Platforms of one's own

/// A platform and what is said about it, below line 2.
std::vector<std::string> problems_of_platform(const std::string& lines) {
  return problems_of("[platform.acme]\nbase_url = \"https://login.acme.example\"\n" + lines);
}

TEST(CustomPlatform, IsReadWhole) {
  Config config = Machine()
                      .variable("S", "s")
                      .file(R"(
[platform.acme]
base_url = "https://login.acme.example"
path = "/{tenant}/oauth2/token"
method = "POST"
encoding = "json"
client_auth = "body"
client_id_name = "id"
client_secret_name = "key"
parameters = { grant_type = "client_credentials", scope = "{scope}", version = 2 }
kind = "app_token"
token = "data.access_token"
lifetime = "data.expires_in"
default_lifetime = "1h"
longest_lifetime = "30d"
error = "code"
error_text = "message"
success = 0
renewal = "rotating"
overlap = "10m"
permanent = ["invalid_client", 10003]
probe = { path = "/introspect", method = "POST", token = "t", active = "data.active" }
timing = { refresh_ahead = "1h" }
[[app]]
id = "shop"
platform = "acme"
tenant = 7
scope = true
secret = { env = "S" }
)")
                      .config();
  const PlatformConfig& acme = config.platforms["acme"];
  ASSERT_TRUE(acme.custom);
  EXPECT_EQ(acme.custom->path, "/{tenant}/oauth2/token");
  EXPECT_EQ(acme.custom->encoding, "json");
  EXPECT_EQ(acme.custom->client_auth, "body");
  EXPECT_EQ(acme.custom->client_id_name, "id");
  EXPECT_EQ(acme.custom->client_secret_name, "key");
  EXPECT_EQ(acme.custom->parameters.size(), 3U);
  EXPECT_EQ(acme.custom->parameters.at("version"), "2");
  EXPECT_EQ(acme.custom->kind, "app_token");
  EXPECT_EQ(acme.custom->token, "data.access_token");
  EXPECT_EQ(acme.custom->lifetime, "data.expires_in");
  EXPECT_EQ(acme.custom->default_lifetime, 1h);
  EXPECT_EQ(acme.custom->longest_lifetime, 720h);
  EXPECT_EQ(acme.custom->error, "code");
  EXPECT_EQ(acme.custom->error_text, "message");
  EXPECT_EQ(acme.custom->success, "0");
  EXPECT_EQ(acme.custom->renewal, "rotating");
  EXPECT_EQ(acme.custom->overlap, 10min);
  EXPECT_THAT(acme.custom->permanent, ElementsAre("invalid_client", "10003"));
  EXPECT_EQ(acme.custom->probe->path, "/introspect");
  EXPECT_EQ(acme.custom->probe->token, "t");
  EXPECT_EQ(acme.custom->probe->active, "data.active");
  EXPECT_EQ(acme.timing.refresh_ahead, 1h);
  EXPECT_EQ(config.apps[0].settings, (Settings{{"scope", "true"}, {"tenant", "7"}}));
}

TEST(CustomPlatform, NeedsNothingButAnAddress) {
  EXPECT_THAT(problems_of_platform(""), IsEmpty());
  EXPECT_THAT(problems_of("[platform.acme]\npath = \"/t\"\n"),
              ElementsAre(StartsWith("./hufu.toml:1: platform.acme: it has no base_url")));
}

TEST(CustomPlatform, NamesTheLineOfWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"pth = \"/t\"", "unknown key platform.acme.pth → Did you mean platform.acme.path?"},
      {"path = 3", "platform.acme.path: a whole number where a text is expected"},
      {"path = \"token\"", "platform.acme.path: it is not a path"},
      {"path = \"/{secret}\"", "platform.acme.path: nobody sets {secret}"},
      {"method = \"put\"", "platform.acme.method: unknown method"},
      {"client_auth = \"boddy\"", "Did you mean \"body\"?"},
      {"parameters = \"x\"", "platform.acme.parameters: text where a table is expected"},
      {"parameters = { a = [] }", "platform.acme.parameters: a list where a text is expected"},
      {"parameters = { a = \"{app\" }", "platform.acme.parameters.a: it holds a brace"},
      {"kind = \"A B\"", "platform.acme.kind: \"A B\" is not a name of a kind"},
      {"token = \"a..b\"", "platform.acme.token: it is not a path into an answer"},
      {"default_lifetime = 3600",
       "platform.acme.default_lifetime: a whole number where a duration"},
      {"default_lifetime = \"40d\"", "platform.acme.default_lifetime: it is longer than"},
      {"renewal = \"rotating\"", "platform.acme.renewal: rotating needs overlap"},
      {"renewal = \"sometimes\"", "platform.acme.renewal: unknown renewal"},
      {"window = \"5m\"", "platform.acme.window: it goes with renewal = \"windowed\""},
      {"permanent = \"invalid_client\"", "platform.acme.permanent: text where a list is expected"},
      {"permanent = [true]", "platform.acme.permanent: true or false where a text is expected"},
      {"fallback = [\"http://10.0.0.1\"]", "platform.acme.fallback: plain http:// to another"},
      {"fallback = [\"nowhere\"]", "platform.acme.fallback: this is not a usable URL"},
      {"proxy = \"10.0.0.9:3128\"", "platform.acme.proxy: this is not a usable proxy"},
      {"probe = {}", "platform.acme.probe: it has no path"},
      {"probe = \"/introspect\"", "platform.acme.probe: text where a table is expected"},
      {"probe = { path = \"/i\", actve = \"a\" }",
       "unknown key platform.acme.probe.actve → Did you mean platform.acme.probe.active?"},
      {"timing = { lease = \"0s\" }", "platform.acme.timing.lease must be longer than 0s"},
      {"timing = { leese = \"3s\" }", "Did you mean platform.acme.timing.lease?"},
  };
  for (const auto& [line, told] : cases) {
    EXPECT_THAT(problems_of_platform(line),
                ElementsAre(AllOf(StartsWith("./hufu.toml:3: "), HasSubstr(told))))
        << line;
  }
}

TEST(CustomPlatform, IsRefusedWhereItsRenewalIsImpossible) {
  EXPECT_THAT(
      problems_of_platform("longest_lifetime = \"1h\"\nrenewal = \"windowed\"\nwindow = \"1h\"\n"),
      ElementsAre(
          AllOf(StartsWith("./hufu.toml:5: platform.acme.window: it is not shorter than"))));
  EXPECT_THAT(problems_of_platform("renewal = \"rotating\"\noverlap = \"40s\"\n"),
              ElementsAre(AllOf(StartsWith("./hufu.toml:4: timing.lease (30s) must be shorter than "
                                           "platform.acme.overlap − timing.use_slack"),
                                HasSubstr("Lower timing.lease below 20s"))));
  EXPECT_THAT(problems_of_platform("longest_lifetime = \"10s\"\n"),
              ElementsAre(StartsWith("./hufu.toml:3: timing.use_slack (20s) must be shorter than "
                                     "platform.acme.longest_lifetime (10s)")));
}

TEST(CustomPlatform, IsOfAnotherNameThanThoseThatHufuKnows) {
  EXPECT_THAT(problems_of("[platform.wechat]\npath = \"/token\"\n"),
              ElementsAre(AllOf(StartsWith("./hufu.toml:2: platform.wechat.path: Hufu knows this"),
                                HasSubstr("under another name"))));
  EXPECT_THAT(problems_of("[platform.wecaht]\nbase_url = \"https://h\"\n"),
              ElementsAre(HasSubstr("Did you mean platform.wechat?")));
  EXPECT_THAT(problems_of("[platform.wechat2]\nbase_url = \"https://h\"\npath = \"/t\"\n"),
              IsEmpty());
}

/// Two apps of a platform whose path has a placeholder, with these lines.
std::vector<std::string> problems_of_apps(const std::string& one, const std::string& two) {
  return Machine()
      .variable("S", "s")
      .file(
          "[platform.acme]\nbase_url = \"https://login.acme.example\"\npath = "
          "\"/{tenant}/token\"\n[[app]]\nid = \"one\"\nplatform = \"acme\"\nsecret = { env = "
          "\"S\" }\n" +
          one + "[[app]]\nid = \"two\"\nplatform = \"acme\"\nsecret = { env = \"S\" }\n" + two)
      .problems();
}

TEST(CustomPlatform, NamesThePlaceholderThatNobodySets) {
  EXPECT_THAT(problems_of_apps("", ""),
              ElementsAre(StartsWith("./hufu.toml:3: platform.acme.path: nobody sets {tenant}: no "
                                     "app of acme has such a setting")));
  EXPECT_THAT(problems_of_apps("tenant = \"t\"\n", ""),
              ElementsAre(StartsWith("./hufu.toml:10: app two: it has no tenant")));
  EXPECT_THAT(problems_of_apps("tenant = \"t\"\n", "tenant = \"u\"\n"), IsEmpty());
  EXPECT_THAT(problems_of_apps("tenant = \"t\"\n", "tennant = \"u\"\n"),
              ::testing::Contains(HasSubstr("Did you mean app.two.tenant?")));
}

// ---- Sinks

/// An app and what stands below it.
std::vector<std::string> problems_of_sink(const std::string& lines) {
  return Machine().variable("WX1", "s").file(std::string(kApp) + lines).problems();
}

TEST(ConfigSink, IsARedisOrAFileOfItsApp) {
  const Config config = Machine()
                            .variable("WX1", "s")
                            .variable("REDIS_PASSWORD", "pw-canary")
                            .file(std::string(kApp) + R"(
[[app.sink]]
redis = "redis://hufu@cache:6379/3"
password = { env = "REDIS_PASSWORD" }
sdk = "silenceper"
prefix = "gowechat_miniprogram_"
[[app.sink]]
redis = "rediss://cache/0"
key = "my:{app}"
format = "json"
[[app.sink]]
file = "/run/hufu/wx.token"
)")
                            .config();
  ASSERT_EQ(config.apps.size(), 1U);
  const auto& sinks = config.apps[0].sinks;
  ASSERT_EQ(sinks.size(), 3U);
  EXPECT_EQ(sinks[0].redis, "redis://hufu@cache:6379/3");
  EXPECT_TRUE(sinks[0].password.same_as("pw-canary"));
  EXPECT_EQ(sinks[0].sdk, "silenceper");
  EXPECT_EQ(sinks[0].prefix, "gowechat_miniprogram_");
  EXPECT_EQ(sinks[1].key, "my:{app}");
  EXPECT_EQ(sinks[1].format, "json");
  EXPECT_EQ(sinks[2].file, "/run/hufu/wx.token");
  EXPECT_EQ(sinks[2].format, "raw");
}

TEST(ConfigSink, WritesTheKeysThatAnSdkReadsForTheAppsPlatform) {
  const auto problems_of = [](const std::string& lines) {
    return Machine()
        .variable("S", "s")
        .file(
            "[[app]]\nid = \"sales\"\nplatform = \"wecom\"\ncorpid = \"ww0123456789abcdef\"\n"
            "secret = { env = \"S\" }\n" +
            lines + "[[app.sink]]\nredis = \"redis://cache/0\"\nsdk = \"silenceper\"\n")
        .problems();
  };
  EXPECT_THAT(problems_of("agentid = 1000002\nkeep = [\"jsapi_ticket\", \"agent_ticket\"]\n"),
              IsEmpty());
  EXPECT_THAT(problems_of("keep = [\"agent_ticket\"]\n"),
              ElementsAre(HasSubstr("the app's agentid in it")));
}

TEST(ConfigSink, IsShownWithItsPasswordsMasked) {
  Machine machine;
  machine.variable("WX1", "s").variable("PW", "pw-canary").file(std::string(kApp) + R"(
[[app.sink]]
redis = "redis+sentinel://u:uri-canary@h:1/main?sentinel_password=canary"
sdk = "wxjava"
password = { env = "PW" }
)");
  std::string all;
  for (const Setting& setting : effective(machine.loaded())) {
    all += setting.key + "=" + setting.value + " " + setting.origin.text() + "\n";
  }
  EXPECT_THAT(all, Not(HasSubstr("canary")));
  EXPECT_THAT(
      all,
      HasSubstr("app.wx1.sink.1.redis=redis+sentinel://u:********@h:1/main?… ./hufu.toml:6\n"));
  EXPECT_THAT(all, HasSubstr("app.wx1.sink.1.sdk=wxjava ./hufu.toml:7\n"));
  EXPECT_THAT(all, HasSubstr("app.wx1.sink.1.password=******** ./hufu.toml:8 (environment PW)\n"));
  EXPECT_THAT(all, Not(HasSubstr("app.wx1.sink.1.file")));
}

TEST(ConfigSink, NamesTheLineOfAnUnknownKey) {
  EXPECT_THAT(problems_of_sink("[[app.sink]]\nfile = \"/run/t\"\nformt = \"raw\"\n"),
              ElementsAre(AllOf(HasSubstr("./hufu.toml:6: unknown key app.wx1.sink.1.formt"),
                                HasSubstr("Did you mean app.wx1.sink.1.format?"))));
}

TEST(ConfigSink, ThatIsNoListIsExplained) {
  EXPECT_THAT(problems_of_sink("[app.sink]\nfile = \"/run/t\"\n"),
              ElementsAre(AllOf(HasSubstr("./hufu.toml:4"), HasSubstr("Write [[app.sink]]"))));
}

TEST(ConfigSink, WhoseKeysDoNotGoTogetherIsExplained) {
  const std::string redis = "[[app.sink]]\nredis = \"redis://h/0\"\n";
  const std::string file = "[[app.sink]]\nfile = \"/run/t\"\n";
  EXPECT_THAT(
      problems_of_sink("[[app.sink]]\n"),
      ElementsAre(HasSubstr("./hufu.toml:4: app.wx1.sink.1: it is either a Redis or a file")));
  EXPECT_THAT(problems_of_sink(redis + "file = \"/run/t\"\n"),
              ElementsAre(HasSubstr("either a Redis or a file")));
  EXPECT_THAT(problems_of_sink(redis), ElementsAre(HasSubstr("needs either sdk or key")));
  EXPECT_THAT(problems_of_sink(redis + "sdk = \"wxjava\"\nkey = \"k\"\n"),
              ElementsAre(HasSubstr("needs either sdk or key")));
  EXPECT_THAT(problems_of_sink(redis + "sdk = \"wxjva\"\n"),
              ElementsAre(AllOf(HasSubstr("./hufu.toml:6: app.wx1.sink.1.sdk: unknown SDK"),
                                HasSubstr("Did you mean \"wxjava\"?"))));
  EXPECT_THAT(problems_of_sink(redis + "sdk = \"wxjava\"\nformat = \"json\"\n"),
              ElementsAre(HasSubstr("./hufu.toml:7: app.wx1.sink.1.format: the SDK decides")));
  EXPECT_THAT(problems_of_sink(redis + "sdk = \"powerwechat\"\nprefix = \"p\"\n"),
              ElementsAre(HasSubstr("./hufu.toml:7: app.wx1.sink.1.prefix: ")));
  EXPECT_THAT(problems_of_sink(redis + "key = \"k\"\nprefix = \"p\"\n"),
              ElementsAre(HasSubstr("it goes with sdk")));
  EXPECT_THAT(problems_of_sink(file + "sdk = \"wxjava\"\n"),
              ElementsAre(HasSubstr("./hufu.toml:6: app.wx1.sink.1.sdk: it goes with redis")));
  EXPECT_THAT(problems_of_sink(file + "format = \"xml\"\n"),
              ElementsAre(HasSubstr("is none of: raw, json")));
  EXPECT_THAT(problems_of_sink("[[app.sink]]\nfile = \"/run/\"\n"),
              ElementsAre(HasSubstr("it is a directory")));
  EXPECT_THAT(problems_of_sink("[[app.sink]]\nredis = \"http://h/0\"\nsdk = \"wxjava\"\n"),
              ElementsAre(HasSubstr("./hufu.toml:5: app.wx1.sink.1.redis: ")));
  EXPECT_THAT(problems_of_sink("[[app.sink]]\nredis = \"redis://h/0?x=1\"\nsdk = \"wxjava\"\n"),
              ElementsAre(HasSubstr("unknown option \"x\"")));
}

TEST(ConfigSink, WhoseKeyWouldShowTheSecretIsRefusedWithTheReason) {
  const std::string redis = "[[app.sink]]\nredis = \"redis://h/0\"\n";
  EXPECT_THAT(problems_of_sink(redis + "sdk = \"easywechat\"\n"),
              ElementsAre(AllOf(HasSubstr("./hufu.toml:6"), HasSubstr("contain the app's secret"),
                                HasSubstr("docs/how-to/point-an-sdk-here.md"))));
  EXPECT_THAT(problems_of_sink(redis + "key = \"t:{app}:{secret}\"\n"),
              ElementsAre(AllOf(HasSubstr("./hufu.toml:6"), HasSubstr("would show the secret"))));
}

TEST(ConfigSink, SharesItsPlaceWithNoOther) {
  const std::string file = "[[app.sink]]\nfile = \"/run/t\"\n";
  EXPECT_THAT(problems_of_sink(file + file),
              ElementsAre(AllOf(HasSubstr("./hufu.toml:6: app.wx1.sink.2: "),
                                HasSubstr("same place as app.wx1.sink.1"))));
  EXPECT_EQ(problems_of_sink(file + "[[app.sink]]\nfile = \"/run/./t\"\n").size(), 1U);
  const std::string key = "[[app.sink]]\nredis = \"redis://h/0\"\nkey = \"wx:access_token:wx1\"\n";
  const std::string sdk = "[[app.sink]]\nredis = \"redis://h/0\"\nsdk = \"wxjava\"\n";
  EXPECT_THAT(problems_of_sink(key + sdk), ElementsAre(HasSubstr("same place")));
  const std::string elsewhere = "[[app.sink]]\nredis = \"redis://h/1\"\nsdk = \"wxjava\"\n";
  EXPECT_THAT(problems_of_sink(elsewhere + sdk), IsEmpty());
}

TEST(ConfigSink, SharesTheKeyThatItsSettingsMakeWithNoOther) {
  const auto apps = [](const char* first, const char* second) {
    std::string text = R"([platform.acme]
base_url = "https://a.example"
parameters = { tenant = "{tenant}" }
)";
    for (const auto& [id, tenant] : {std::pair("a1", first), {"a2", second}}) {
      text += "[[app]]\nid = \"" + std::string(id) +
              "\"\nplatform = \"acme\"\nsecret = { env = \"WX1\" }\ntenant = \"" + tenant +
              "\"\n[[app.sink]]\nredis = \"redis://h/0\"\nkey = \"t:{tenant}\"\n";
    }
    return Machine().variable("WX1", "s").file(text).problems();
  };
  EXPECT_THAT(apps("north", "south"), IsEmpty());
  EXPECT_THAT(apps("north", "north"),
              ElementsAre(AllOf(HasSubstr("app.a2.sink.1: "),
                                HasSubstr("same place as app.a1.sink.1, \"t:north\""))));
}

TEST(ConfigSink, OfAnSdkIsForAPlatformThatItsKeysAreKnownFor) {
  EXPECT_THAT(Machine()
                  .variable("WX1", "s")
                  .file("[platform.acme]\nbase_url = \"https://a.example\"\n"
                        "[[app]]\nid = \"a1\"\nplatform = \"acme\"\nsecret = { env = \"WX1\" }\n"
                        "[[app.sink]]\nredis = \"redis://h/0\"\nsdk = \"wxjava\"\n")
                  .problems(),
              ElementsAre(AllOf(HasSubstr("./hufu.toml:9: app.a1.sink.1.sdk: the keys of wxjava"),
                                HasSubstr("Write key instead"))));
}

TEST(ConfigSink, WhoseLineIsNoTomlShowsNoPassword) {
  EXPECT_THAT(problems_of_sink("[[app.sink]]\nredis = redis://u:canary@h\n"),
              ElementsAre(Not(HasSubstr("canary"))));
}

TEST(AppNames, AreThoseOfTheFieldsAndTheSink) {
  std::set<std::string_view> names(platform::kAppNames.begin(), platform::kAppNames.end());
  std::set<std::string_view> fields{"sink"};
  for (const auto& field : app_fields()) fields.insert(field.name);
  EXPECT_EQ(names, fields);
}

}  // namespace
}  // namespace hufu::config
