#include "platform/app_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hufu::platform {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Secret secret(std::string_view text) { return Secret(text); }

AppConfig app_of(std::string platform) {
  AppConfig app;
  app.id = "wx0123456789abcdef";
  app.platform = std::move(platform);
  return app;
}

/// "key: message → next step" of each problem.
std::vector<std::string> told(const std::vector<AppProblem>& problems) {
  std::vector<std::string> texts;
  for (const auto& [key, error] : problems) {
    EXPECT_EQ(error.fault, Fault::usage);
    EXPECT_NE(error.next_step, "");
    texts.push_back(key + ": " + error.message + " → " + error.next_step);
  }
  return texts;
}

Config with_acme() {
  Config config;
  config.platforms["acme"].custom.emplace();
  config.platforms["acme"].custom->path = "/{tenant}/token";
  return config;
}

std::vector<std::string> problems_of(const AppConfig& app) {
  return told(check_app(Catalog(with_acme()), app));
}

TEST(CheckApp, TakesWhatThePlatformDescribes) {
  AppConfig app = app_of("wechat");
  EXPECT_THAT(problems_of(app), IsEmpty());
  app.settings["endpoint"] = "classic";
  app.credentials.emplace("secret", secret("s"));
  app.credentials.emplace("callback_token", secret("t"));
  app.keep = {"access_token", "jsapi_ticket"};
  EXPECT_THAT(problems_of(app), IsEmpty());
}

TEST(CheckApp, SuggestsWhatAMistypedNameWasMeantToBe) {
  EXPECT_THAT(problems_of(app_of("wechta")),
              ElementsAre("platform: unknown platform \"wechta\" → Did you mean \"wechat\"?"));
  AppConfig app = app_of("wechat");
  app.settings["endpiont"] = "classic";
  app.credentials.emplace("sceret", secret("canary"));
  app.keep = {"jsapi-ticket"};
  EXPECT_THAT(
      problems_of(app),
      ElementsAre("endpiont: unknown setting of wechat \"endpiont\" → Did you mean \"endpoint\"?",
                  "sceret: unknown credential of wechat \"sceret\" → Did you mean \"secret\"?",
                  "keep: an app of wechat has no \"jsapi-ticket\" → Did you mean "
                  "\"jsapi_ticket\"?"));
  app = app_of("wechat");
  app.settings["endpoint"] = "stabel";
  EXPECT_THAT(problems_of(app), ElementsAre("endpoint: unknown endpoint of wechat \"stabel\" → "
                                            "Did you mean \"stable\"?"));
}

TEST(CheckApp, WantsTheSettingsThatAPathNeeds) {
  EXPECT_THAT(problems_of(app_of("acme")), ElementsAre(HasSubstr("tenant: it has no tenant")));
  AppConfig app = app_of("acme");
  app.settings["tenant"] = "t1";
  EXPECT_THAT(problems_of(app), IsEmpty());
  for (const std::string& value :
       {std::string("."), std::string(".."), std::string("a\nb"), std::string(1025, 'x')}) {
    app.settings["tenant"] = value;
    EXPECT_THAT(problems_of(app), ElementsAre(HasSubstr("is not a value of a setting"))) << value;
  }
}

TEST(CheckApp, KnowsWhetherAnAppBelongsToAnother) {
  AppConfig app = app_of("wechat");
  app.parent = "wx9";
  EXPECT_THAT(problems_of(app), ElementsAre(HasSubstr("parent: an app of wechat belongs to no")));
}

TEST(CheckAppId, IsPrintableAsciiWithoutSpacesAndSlashes) {
  for (const std::string& id :
       {std::string("w"), std::string("wx0123456789abcdef"), std::string(128, 'x'),
        std::string("a.b:c_d-e~"), std::string("ww0123:1000002"), std::string("...")}) {
    EXPECT_TRUE(check_app_id(id)) << id;
  }
  for (const std::string& id :
       {std::string(), std::string(129, 'x'), std::string("a b"), std::string("a/b"),
        std::string("a\n"), std::string("虎"), std::string("a\0b", 3), std::string("a\x7f"),
        std::string("."), std::string("..")}) {
    EXPECT_FALSE(check_app_id(id)) << id;
  }
}

TEST(MissingCredential, IsTheFirstThatAnAppMustHave) {
  const Catalog catalog;
  const PlatformDescription& wechat = *catalog.find("wechat");
  auto missing = missing_credential(wechat, {});
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->error.message, "it has no secret");
  Credentials credentials;
  credentials.emplace("secret", secret("s"));
  EXPECT_FALSE(missing_credential(wechat, credentials));
}

TEST(FindDamageIn, NamesWhatLooksDamagedWithoutShowingIt) {
  const Catalog catalog;
  const PlatformDescription& wechat = *catalog.find("wechat");
  AppConfig app = app_of("wechat");
  app.credentials.emplace("secret", secret("0123456789abcdef0123456789abcdef"));
  EXPECT_THAT(told(find_damage_in(wechat, app)), IsEmpty());
  app.id = "0123456789abcdef";
  app.credentials.insert_or_assign("secret", secret("\"canary\""));
  app.credentials.insert_or_assign("aes_key", secret("canary"));
  EXPECT_THAT(told(find_damage_in(wechat, app)),
              ElementsAre(HasSubstr("id: it looks damaged: it does not begin with \"wx\""),
                          AllOf(HasSubstr("aes_key: it looks damaged: it has 6 characters"),
                                Not(HasSubstr("canary"))),
                          AllOf(HasSubstr("secret: it looks damaged: it stands in quotation marks"),
                                Not(HasSubstr("canary")))));
}

}  // namespace
}  // namespace hufu::platform
