#include "server/v1_status.hpp"

#include <gtest/gtest.h>

#include <string>

#include "server/v1_testing.hpp"

namespace hufu::server {
namespace {

using std::chrono::milliseconds;
using testing::Answered;

class V1Status : public testing::V1 {};

TEST_F(V1Status, ShowsTheStatus) {
  TokenStatus good;
  good.key.app = "wx1";
  good.issuer = "wechat/stable/access_token";
  good.state = TokenState::fresh;
  good.revision = 3;
  good.fingerprint = Fingerprint{0x0a1b2c3d};
  good.expires_in = std::chrono::seconds(7000);
  good.obtained_at = hufu::testing::FakeClock::kStart;
  good.expires_at = good.obtained_at + std::chrono::seconds(7200);
  good.renew_at = good.obtained_at + std::chrono::milliseconds(5'399'999);
  TokenStatus bad;
  bad.key.app = "wx2";
  bad.state = TokenState::missing;
  bad.failure = FailureState{{Fault::refused, "invalid ip", "add it", 40164, {}},
                             good.obtained_at,
                             good.obtained_at + std::chrono::seconds(300),
                             2,
                             "CANARY"};
  fixture.keeper.statuses.push_back(std::move(good));
  fixture.keeper.statuses.push_back(std::move(bad));
  fixture.keeper.view.now = hufu::testing::FakeClock::kStart;
  EXPECT_EQ(get("/v1/status").body,
            R"({"verdict":"1 of 2 tokens unusable: wx2","store_usable":true,)"
            R"("now":"2027-01-15T08:00:00Z",)"
            R"("counts":{"fresh":1,"stale":0,"unusable":0,"missing":1,"failing":1},"tokens":[)"
            R"({"app":"wx1","kind":"access_token","issuer":"wechat/stable/access_token",)"
            R"("state":"fresh","revision":3,"expires_in":7000,"fingerprint":"0a1b2c3d",)"
            R"("obtained_at":"2027-01-15T08:00:00Z","expires_at":"2027-01-15T10:00:00Z",)"
            R"("renew_at":"2027-01-15T09:29:59Z"},)"
            R"({"app":"wx2","kind":"access_token","issuer":"","state":"missing","revision":0,)"
            R"("expires_in":0,"trouble":{"code":"refused","errcode":40164,"message":"invalid ip",)"
            R"("next_step":"add it","at":"2027-01-15T08:00:00Z",)"
            R"("next_attempt_at":"2027-01-15T08:05:00Z","failures":2}}],"nodes":[],"leases":[]})");
}

TEST_F(V1Status, StatusSaysFirstThatTheStoreCannotBeUsed) {
  fixture.keeper.healthy.store_ok = false;
  EXPECT_EQ(get("/v1/status").json().at("verdict"),
            "the store cannot be used, nothing is renewed; no app is known");
  EXPECT_FALSE(get("/v1/status").json().at("store_usable").as_bool());
}

TEST_F(V1Status, StatusShowsTheNodesAndWhoHoldsWhichLease) {
  store::NodeRow node;
  node.name = "host-a/boot/7/1";
  node.host = "host-a";
  node.version = "1.2.3";
  node.listen = "0.0.0.0:7200";
  node.started_at = hufu::testing::FakeClock::kStart;
  node.seen_at = node.started_at + std::chrono::seconds(5);
  node.clock_ahead = std::chrono::milliseconds(-600'042);
  node.fenced = 2;
  fixture.keeper.view.now = node.seen_at + std::chrono::seconds(1);
  fixture.keeper.view.nodes.push_back(node);
  fixture.keeper.view.leases.push_back(
      {{"wx1", "access_token"}, node.name, 17, std::chrono::milliseconds(29'999)});
  EXPECT_EQ(
      get("/v1/status").body,
      R"({"verdict":"no app is known","store_usable":true,"now":"2027-01-15T08:00:06Z",)"
      R"("counts":{"fresh":0,"stale":0,"unusable":0,"missing":0,"failing":0},"tokens":[],"nodes":[)"
      R"({"name":"host-a/boot/7/1","host":"host-a","version":"1.2.3",)"
      R"("listen":"0.0.0.0:7200","started_at":"2027-01-15T08:00:00Z",)"
      R"("seen_at":"2027-01-15T08:00:05Z","clock_ahead":-600.042,"fenced":2}],"leases":[)"
      R"({"app":"wx1","kind":"access_token","holder":"host-a/boot/7/1","fence":17,)"
      R"("remaining":29}]})");
}

TEST_F(V1Status, ShowsAPageOfTokensAndTheCountsOfAll) {
  TokenStatus token;
  token.key.app = "wx1";
  token.state = TokenState::fresh;
  fixture.keeper.statuses.push_back(token);
  fixture.keeper.counts = keeper::TokenCounts{40, 1, 0, 1, 0};
  fixture.keeper.next_status = "wx1 access_token";
  Answered answer = get("/v1/status?after=wx0+access_token&limit=1&state=stale");
  EXPECT_EQ(answer.at("verdict"), R"("1 of 42 tokens unusable")");
  EXPECT_EQ(answer.at("counts"), R"({"fresh":40,"stale":1,"unusable":0,"missing":1,"failing":0})");
  EXPECT_EQ(answer.at("next"), R"("wx1 access_token")");
  const keeper::StatusQuery& query = *fixture.keeper.status_query;
  EXPECT_EQ(query.after, "wx0 access_token");
  EXPECT_EQ(query.limit, 1U);
  EXPECT_EQ(query.state, keeper::StateFilter::stale);
}

TEST_F(V1Status, ShowsAHundredTokensAPageUnlessAskedForMore) {
  EXPECT_EQ(get("/v1/status").at("next"), "");
  EXPECT_EQ(fixture.keeper.status_query->limit, 100U);
  get("/v1/status?limit=5000");
  EXPECT_EQ(fixture.keeper.status_query->limit, 1000U);
  for (const char* query : {"limit=0", "limit=x", "state=x", "after=%ff"}) {
    expect_problem(get("/v1/status?" + std::string(query)), 400, "usage");
  }
}

TEST_F(V1Status, ShowsAKeyJustItsAppsAndNoNodes) {
  fixture.keeper.add_child("child", "wx-parent");
  for (const char* app : {"child", "wx1", "wx2"}) {
    TokenStatus status;
    status.key.app = app;
    fixture.keeper.statuses.push_back(std::move(status));
    fixture.keeper.view.leases.push_back({{app, "access_token"}, "node", 1, milliseconds(1)});
  }
  fixture.keeper.view.nodes.emplace_back();
  key = fixture.key({.see = true}, {"wx1", "wx-parent/"});
  const auto status = get("/v1/status").json();
  EXPECT_EQ(status.at("tokens").as_array().size(), 2U);
  EXPECT_EQ(status.at("leases").as_array().size(), 2U);
  EXPECT_EQ(status.at("counts").at("missing"), 2);
  EXPECT_TRUE(status.at("nodes").as_array().empty());
}

TEST_F(V1Status, ShowsWhatIsWrongFromOutside) {
  TokenStatus token;
  token.key.app = "wx1";
  token.state = TokenState::fresh;
  token.notice = "another program fetches tokens for this app";
  fixture.keeper.statuses.push_back(token);
  const auto status = get("/v1/status").json();
  EXPECT_EQ(status.at("tokens").at(0).at("notice"), "another program fetches tokens for this app");
  EXPECT_EQ(status.at("verdict"),
            "1 token, all usable; wx1: another program fetches tokens for this app");
}

TEST_F(V1Status, IsOpenToAKeyThatSeesNoToken) {
  key = fixture.key({.see = true});
  EXPECT_EQ(get("/v1/status").status, 200);
  EXPECT_EQ(get("/v1/platforms").status, 200);
  EXPECT_EQ(get("/v1/apps/wx1/token").status, 403);
}

TEST_F(V1Status, ShowsWhatCanBeKept) {
  Config config;
  config.platforms["acme"].custom = CustomPlatform{};
  fixture.services->about.catalog = platform::Catalog(config);
  const auto platforms = get("/v1/platforms").json().at("platforms").as_array();
  const auto& catalog = fixture.services->about.catalog.platforms();
  ASSERT_EQ(platforms.size(), catalog.size());
  for (std::size_t i = 0; i < catalog.size(); ++i) {
    EXPECT_EQ(platforms[i].at("name").as_string(), catalog[i].name);
    EXPECT_EQ(platforms[i].at("kinds").at(0).at("name").as_string(),
              platform::main_kind(catalog[i]));
  }
  EXPECT_EQ(platforms.at(0).at("name"), "acme") << "one of the configuration";
}

}  // namespace
}  // namespace hufu::server
