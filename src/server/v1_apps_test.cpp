#include "server/v1_apps.hpp"

#include <gtest/gtest.h>

#include <string>

#include "server/v1_testing.hpp"

namespace hufu::server {
namespace {

using testing::Answered;

class V1Apps : public testing::V1 {};

TEST_F(V1Apps, ListsApps) {
  fixture.keeper.at("wx1").info.from_config = true;
  Answered answer = get("/v1/apps");
  EXPECT_EQ(answer.body,
            R"({"apps":[{"id":"wx-new","platform":"wechat","endpoint":"stable",)"
            R"("credentials":["secret"],"keep":[],"secret_login":true,"origin":"store"},)"
            R"({"id":"wx1","platform":"wechat","endpoint":"stable",)"
            R"("credentials":["secret"],"keep":[],"secret_login":true,"origin":"config"}]})");
}

TEST_F(V1Apps, ListsAppsPageByPage) {
  EXPECT_EQ(get("/v1/apps?limit=1").at("next"), "\"wx-new\"");
  Answered second = get("/v1/apps?limit=1&after=wx-new");
  EXPECT_EQ(second.json().at("apps").as_array().size(), 1U);
  EXPECT_EQ(second.at("next"), "");
  EXPECT_EQ(get("/v1/apps?after=zz").body, R"({"apps":[]})");
  EXPECT_EQ(get("/v1/apps?limit=2147483647").status, 200);
  for (const char* query :
       {"limit=0", "limit=-1", "limit=x", "after=%ff", "state=dead", "platform=%", "q=%00"}) {
    expect_problem(get("/v1/apps?" + std::string(query)), 400, "usage");
  }
}

TEST_F(V1Apps, ShowsAHundredAppsAPageUnlessAskedForMore) {
  get("/v1/apps");
  EXPECT_EQ(fixture.keeper.apps_query->limit, 100U);
  get("/v1/apps?limit=1000");
  EXPECT_EQ(fixture.keeper.apps_query->limit, 1000U);
  get("/v1/apps?limit=1001");
  EXPECT_EQ(fixture.keeper.apps_query->limit, 1000U);
}

TEST_F(V1Apps, PassesOnWhichAppsAreAskedFor) {
  get("/v1/apps?platform=wechat_authorizer&parent=wx%2Bcomponent&state=failing&q=shop&after=wx1");
  const keeper::AppQuery& query = *fixture.keeper.apps_query;
  EXPECT_EQ(query.platform, "wechat_authorizer");
  EXPECT_EQ(query.parent, "wx+component");
  EXPECT_EQ(query.state, keeper::StateFilter::failing);
  EXPECT_EQ(query.part, "shop");
  EXPECT_EQ(query.after, "wx1");
  EXPECT_TRUE(query.scope.empty());
}

TEST_F(V1Apps, ShowsAKeyJustItsApps) {
  fixture.keeper.add_child("child", "wx-parent");
  key = fixture.key({.admin = true}, {"wx1", "wx-gone", "wx-parent/"});
  EXPECT_EQ(get("/v1/apps").json().at("apps").as_array().size(), 2U);
  EXPECT_EQ(get("/v1/apps?limit=1").at("next"), "\"child\"");
  EXPECT_EQ(fixture.keeper.apps_query->scope, (keeper::Scope{"wx-gone", "wx1", "wx-parent/"}));
  EXPECT_EQ(get("/v1/apps/child").status, 200);
  EXPECT_EQ(get("/v1/apps/wx-new").status, 403);
  EXPECT_EQ(get("/v1/apps/wx-parent").status, 403) << "the children are opened, not the parent";
}

TEST_F(V1Apps, ShowsAnAppWithoutItsSecret) {
  fixture.keeper.at("wx1").secret = "CANARY";
  Answered answer = get("/v1/apps/wx1");
  EXPECT_EQ(answer.body,
            R"({"id":"wx1","platform":"wechat","endpoint":"stable","credentials":["secret"],)"
            R"("keep":[],"secret_login":true,"origin":"store"})");
  expect_problem(get("/v1/apps/nobody"), 404, "unknown_app");
}

TEST_F(V1Apps, ShowsTheDocumentThatOtherProgramsRead) {
  fixture.keeper.at("wx1").info.legacy_document = "access_token";
  fixture.keeper.at("wx1").info.legacy_collection = "tokens";
  const auto app = get("/v1/apps/wx1").json();
  EXPECT_EQ(app.at("legacy_document"), "access_token");
  EXPECT_EQ(app.at("legacy_collection"), "tokens");
}

TEST_F(V1Apps, ShowsSettingsParentAndKeptKinds) {
  keeper::AppInfo& info = fixture.keeper.at("wx1").info;
  info.settings = {{"agentid", "1000002"}, {"co\"rp", "a\"b"}};
  info.credentials = {"aes_key", "secret"};
  info.parent = "wx-parent";
  info.keep = {"access_token", "jsapi_ticket"};
  EXPECT_EQ(get("/v1/apps/wx1").body,
            R"({"id":"wx1","platform":"wechat","parent":"wx-parent","agentid":"1000002",)"
            R"("co\"rp":"a\"b","credentials":["aes_key","secret"],)"
            R"("keep":["access_token","jsapi_ticket"],"secret_login":true,"origin":"store"})");
}

TEST_F(V1Apps, PutsAnApp) {
  Answered made = put("/v1/apps/wx2", R"({"id":"wx2","platform":"wechat","endpoint":"classic",)"
                                      R"("secret":" \tCANARY\n","secret_login":false})");
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.body, R"({"id":"wx2","platform":"wechat","endpoint":"classic",)"
                       R"("credentials":["secret"],"keep":[],"secret_login":false,)"
                       R"("origin":"store"})");
  ASSERT_TRUE(fixture.keeper.put);
  EXPECT_EQ(credential(fixture.keeper.put->credentials, "secret").reveal(), "CANARY");
  EXPECT_EQ(setting(fixture.keeper.put->settings, "endpoint"), "classic");
  EXPECT_FALSE(fixture.keeper.put->secret_login);

  EXPECT_EQ(put("/v1/apps/wx1", R"({"secret":"s"})").status, 200);
  EXPECT_EQ(fixture.keeper.put->platform, "wechat");
  EXPECT_TRUE(fixture.keeper.put->settings.empty());
  EXPECT_TRUE(fixture.keeper.put->secret_login);
}

TEST_F(V1Apps, PutsAnAppWithEverythingThatTheConfigFileMaySayOfIt) {
  Answered made = put("/v1/apps/wx2",
                      R"({"platform":"wechat","keep":["access_token","jsapi_ticket"],)"
                      R"("secret":"a","callback_token":"b","aes_key":"c","previous_aes_key":"d",)"
                      R"("legacy_document":"access_token","legacy_collection":"tokens"})");
  EXPECT_EQ(made.status, 201) << made.body;
  const AppConfig& app = *fixture.keeper.put;
  EXPECT_EQ(app.id, "wx2");
  EXPECT_EQ(app.keep, (std::vector<std::string>{"access_token", "jsapi_ticket"}));
  EXPECT_EQ(app.credentials.size(), 4U);
  EXPECT_EQ(credential(app.credentials, "aes_key").reveal(), "c");
  EXPECT_EQ(app.legacy_document, "access_token");
  EXPECT_EQ(app.legacy_collection, "tokens");
}

TEST_F(V1Apps, TakesTheSettingsThatThePlatformsDescriptionNames) {
  Config config;
  config.platforms["acme"].base_url = "https://login.acme.example";
  config.platforms["acme"].custom.emplace().parameters = {
      {"scope", "{scope}"}, {"agent", "{agentid}"}, {"sandbox", "{sandbox}"}};
  fixture.services->about.catalog = platform::Catalog(config);
  Answered made = put("/v1/apps/shop", R"({"platform":"acme","secret":"s","scope":"orders",)"
                                       R"("agentid":1000002,"sandbox":true})");
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(fixture.keeper.put->settings,
            (Settings{{"agentid", "1000002"}, {"sandbox", "true"}, {"scope", "orders"}}));
  expect_problem(put("/v1/apps/shop", R"({"platform":"acme","secret":"s","endpoint":"stable"})"),
                 400, "usage");
}

TEST_F(V1Apps, SaysWhatAPlatformHasInstead) {
  auto next_step = [&](const std::string& body) {
    Answered answer = put("/v1/apps/wx2", body);
    expect_problem(answer, 400, "usage");
    EXPECT_EQ(answer.body.find("CANARY"), std::string::npos);
    return answer.at("next_step");
  };
  EXPECT_EQ(next_step(R"({"secret":"s","secrt":"CANARY"})"), R"("Did you mean \"secret\"?")");
  EXPECT_EQ(next_step(R"({"secret":"s","platform":"wechta"})"), R"("Did you mean \"wechat\"?")");
  EXPECT_EQ(next_step(R"({"secret":"s","endpoint":"stabel"})"), R"("Did you mean \"stable\"?")");
  EXPECT_EQ(next_step(R"({"secret":"s","keep":["jsapi_tickets"]})"),
            R"("Did you mean \"jsapi_ticket\"?")");
  EXPECT_EQ(next_step(R"({"secret":"s","parent":"wx1"})"), R"("Leave it out")");
  EXPECT_EQ(next_step(R"({"callback_token":"CANARY"})"),
            R"("Send it as a text: \"secret\": \"…\"")");
}

TEST_F(V1Apps, KeepsTheCredentialsOfAnAppThatIsPutWithoutThem) {
  EXPECT_EQ(put("/v1/apps/wx1", R"({"endpoint":"classic"})").status, 200);
  EXPECT_TRUE(fixture.keeper.put->credentials.empty());
}

TEST_F(V1Apps, TakesAPercentEncodedId) {
  EXPECT_EQ(put("/v1/apps/ww1%3A1000002", R"({"secret":"s"})").status, 201);
  EXPECT_EQ(fixture.keeper.put->id, "ww1:1000002");
}

TEST_F(V1Apps, RefusesAnAppThatMakesNoSense) {
  for (const char* body : {"",
                           "[]",
                           "{}",
                           R"({"secret":""})",
                           R"({"secret":"  "})",
                           R"({"secret":1})",
                           R"({"secret":null})",
                           R"({"secret":{"env":"X"}})",
                           R"({"secret":"s","aes_key":[]})",
                           R"({"secret":"s","platform":1})",
                           R"({"secret":"s","platform":""})",
                           R"({"secret":"s","parent":1})",
                           R"({"secret":"s","keep":"access_token"})",
                           R"({"secret":"s","keep":[1]})",
                           R"({"secret":"s","keep":[""]})",
                           R"({"secret":"s","endpoint":null})",
                           R"({"secret":"s","endpoint":1.5})",
                           R"({"secret":"s","endpoint":"a b"})",
                           R"({"secret":"s","credentials":["secret"]})",
                           R"({"secret":"s","Secret":"s"})",
                           R"({"secret":"s","secret_login":"true"})",
                           R"({"secret":"s","id":"wx3"})",
                           R"({"secret":"s","id":1})"}) {
    expect_problem(put("/v1/apps/wx2", body), 400, "usage");
  }
  expect_problem(put("/v1/apps/wx1", R"({"secret":""})"), 400, "usage");
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(V1Apps, RefusesAnIdThatIsNone) {
  for (const std::string& id :
       {std::string("a%20b"), std::string("%E8%99%8E"), std::string(129, 'a'), std::string("."),
        std::string(".."), std::string("%2e%2e"), std::string("a%2Fb")}) {
    expect_problem(put("/v1/apps/" + id, R"({"secret":"s"})"), 400, "usage");
  }
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(V1Apps, SaysThatSinksAreOfTheConfigurationFile) {
  Answered answer = put("/v1/apps/wx2", R"({"secret":"s","sink":[{"file":"/run/t"}]})");
  expect_problem(answer, 400, "usage");
  EXPECT_NE(answer.body.find("configuration file"), std::string::npos) << answer.body;
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(V1Apps, KeepsTheValueOfAFieldToItselfThatCannotBeRead) {
  Answered answer = put("/v1/apps/wx2", R"({"secret":["CANARY"]})");
  expect_problem(answer, 400, "usage");
  EXPECT_EQ(answer.body.find("CANARY"), std::string::npos);
}

TEST_F(V1Apps, LeavesAppsOfTheConfigFileAlone) {
  fixture.keeper.at("wx1").info.from_config = true;
  expect_problem(put("/v1/apps/wx1", R"({"secret":"s"})"), 409, "usage");
  expect_problem(fixture.ask({"DELETE", "/v1/apps/wx1", key}), 409, "usage");
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_F(V1Apps, RemovesAnApp) {
  Answered answer = fixture.ask({"DELETE", "/v1/apps/wx1", key});
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.body, "");
  expect_problem(fixture.ask({"DELETE", "/v1/apps/nobody", key}), 404, "unknown_app");
}

TEST_F(V1Apps, SaysWhyAnAppCouldNotBeChanged) {
  fixture.keeper.change_error = Error{Fault::config, "no such platform", {}, {}, {}};
  expect_problem(put("/v1/apps/wx2", R"({"secret":"s"})"), 400, "config");
  fixture.keeper.change_error = Error{Fault::unknown_kind, "no such kind", {}, {}, {}};
  expect_problem(put("/v1/apps/wx2", R"({"secret":"s"})"), 400, "unknown_kind");
  fixture.keeper.change_error = Error{Fault::store, "disk full", {}, {}, {}};
  expect_problem(put("/v1/apps/wx2", R"({"secret":"s"})"), 503, "store");
  expect_problem(fixture.ask({"DELETE", "/v1/apps/wx1", key}), 503, "store");
}

}  // namespace
}  // namespace hufu::server
