#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "server/route_fixture_testing.hpp"

namespace hufu::server {
namespace {

using testing::Answered;
using testing::RouteFixture;

store::Rights only(Right right) {
  store::Rights rights;
  rights.see = right == Right::see;
  rights.read = right == Right::read;
  rights.report = right == Right::report;
  rights.refresh = right == Right::refresh;
  rights.gateway = right == Right::gateway;
  rights.admin = right == Right::admin;
  return rights;
}

/// All rights that do not include `right`.
store::Rights all_but(Right right) {
  store::Rights rights;
  rights.see = right != Right::see;
  rights.read = right != Right::read && right != Right::see;
  rights.report = right != Right::report;
  rights.refresh = right != Right::refresh;
  rights.gateway = right != Right::gateway;
  rights.admin = right != Right::admin;
  return rights;
}

/// Opens to whoever shows a token that was handed out here: neither keys nor rights count.
bool takes_token(const Route& route) { return route.path.ends_with("getticket"); }

/// What each route is asked with, and what it says to the right key. A route without a row here
/// fails the tests below.
struct Row {
  std::string body;
  int granted = 200;
};
const std::map<std::string, Row> kRows = {
    {"GET /cgi-bin/token", {}},
    {"POST /cgi-bin/token", {}},
    {"POST /cgi-bin/stable_token", {}},
    {"GET /cgi-bin/ticket/getticket", {}},
    {"POST /cgi-bin/ticket/getticket", {}},
    {"GET /v1/apps/{app}/token", {}},
    {"POST /v1/apps/{app}/token/report", {R"({"token":"refused"})"}},
    {"POST /v1/apps/{app}/token/refresh", {}},
    {"GET /v1/apps", {}},
    {"GET /v1/apps/{app}", {}},
    {"PUT /v1/apps/{app}", {R"({"secret":"s"})"}},
    {"DELETE /v1/apps/{app}", {"", 204}},
    {"GET /v1/platforms", {}},
    {"GET /v1/status", {}},
    {"GET /healthz", {}},
    {"GET /readyz", {}},
    {"GET /metrics", {}},
    {"GET /openapi.json", {}},
};

std::string name_of(const Route& route) {
  return std::string(route.method) + " " + std::string(route.path);
}

class Authorisation : public ::testing::TestWithParam<Route> {
 protected:
  Authorisation() {
    fixture.keeper.add("wx1", "TOKEN-1");
    fixture.keeper.add("wx2", "TOKEN-2");
    fixture.keeper.put_token("wx1", "jsapi_ticket", "TICKET-1");
  }

  /// Asks the route for `app` with `key`, in the way of its guard.
  Answered ask(const std::string& key, const std::string& app = "wx1") {
    const Route& route = GetParam();
    std::string path(route.path);
    if (auto placeholder = path.find("{app}"); placeholder != std::string::npos)
      path.replace(placeholder, 5, app);
    if (route.guard != Guard::drop_in) {
      return fixture.ask({route.method, path, key, kRows.at(name_of(route)).body});
    }
    if (takes_token(route)) {
      path += "?type=jsapi&access_token=TOKEN-1";
      return fixture.ask({route.method, path});
    }
    std::string query = "grant_type=client_credential&appid=" + app + "&secret=" + key;
    std::string json =
        R"({"grant_type":"client_credential","appid":")" + app + R"(","secret":")" + key + R"("})";
    bool takes_json = path.ends_with("stable_token");
    return takes_json ? fixture.ask({route.method, path, {}, json})
                      : fixture.ask({route.method, path + "?" + query});
  }

  /// What came out, in the words of HTTP, whatever dialect the route speaks.
  static int verdict(const Answered& answer) {
    if (GetParam().guard != Guard::drop_in) return answer.status;
    std::string errcode = answer.at("errcode");
    if (errcode.empty() || errcode == "0") return 200;
    if (errcode == "40125" || errcode == "41004") return 403;
    return errcode == "40013" ? 404 : std::stoi(errcode);
  }

  bool judges_keys() const { return GetParam().guard != Guard::open && !takes_token(GetParam()); }
  bool names_an_app() const {
    if (takes_token(GetParam())) return false;
    return GetParam().guard == Guard::drop_in ||
           GetParam().path.find("{app}") != std::string_view::npos;
  }
  int refused() const { return GetParam().guard == Guard::drop_in ? 403 : 401; }

  RouteFixture fixture;
};

TEST_P(Authorisation, HasARowForTheRoute) { EXPECT_TRUE(kRows.contains(name_of(GetParam()))); }

TEST_P(Authorisation, GrantsAKeyWithTheRight) {
  Answered answer = ask(fixture.key(only(GetParam().right)));
  EXPECT_EQ(answer.times, 1);
  EXPECT_EQ(verdict(answer), kRows.at(name_of(GetParam())).granted) << answer.body;
}

TEST_P(Authorisation, GrantsAKeyForJustThisApp) {
  Answered answer = ask(fixture.key(only(GetParam().right), {"wx1"}));
  EXPECT_EQ(verdict(answer), kRows.at(name_of(GetParam())).granted) << answer.body;
}

TEST_P(Authorisation, AsksNothingOfAnOpenRoute) {
  if (GetParam().guard != Guard::open) return;
  EXPECT_EQ(ask("").status, 200);
  EXPECT_EQ(ask("wrong").status, 200);
}

TEST_P(Authorisation, RefusesUnknownKeysAllAlike) {
  if (!judges_keys()) return;
  std::string good = fixture.key(only(GetParam().right));
  std::string altered = good;
  altered[10] = altered[10] == 'A' ? 'B' : 'A';
  Answered none = ask("");
  EXPECT_EQ(verdict(none), refused()) << none.body;
  for (const std::string& wrong : {std::string("wrong"), altered, good + good, good.substr(1),
                                   std::string(10'000, 'k'), std::string("hf_")}) {
    Answered answer = ask(wrong);
    EXPECT_EQ(verdict(answer), refused()) << wrong.substr(0, 50);
    if (GetParam().guard == Guard::key) {
      EXPECT_EQ(answer.body, none.body);
      EXPECT_EQ(answer.headers, none.headers);
      EXPECT_TRUE(answer.has_header("WWW-Authenticate: Bearer"));
    }
  }
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_P(Authorisation, RefusesARevokedKey) {
  if (!judges_keys()) return;
  std::string key = fixture.key(only(GetParam().right));
  fixture.services->keys.reload({});
  EXPECT_EQ(verdict(ask(key)), refused());
}

TEST_P(Authorisation, RefusesAKeyWithoutTheRight) {
  if (!judges_keys()) return;
  EXPECT_EQ(verdict(ask(fixture.key(all_but(GetParam().right)))), 403);
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_P(Authorisation, RefusesAKeyOfAnotherApp) {
  if (!names_an_app()) return;
  EXPECT_EQ(verdict(ask(fixture.key(only(GetParam().right), {"wx2"}))), 403);
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_P(Authorisation, TellsOfUnknownAppsOnlyToAKeyThatMaySeeAll) {
  if (!names_an_app()) return;
  int unknown = GetParam().method == "PUT" ? 201 : 404;
  EXPECT_EQ(verdict(ask(fixture.key(only(GetParam().right)), "wx-nobody")), unknown);
  // WeChat tells everybody which appids exist, so the routes in its shape do.
  int hidden = GetParam().guard == Guard::drop_in ? 404 : 403;
  EXPECT_EQ(verdict(ask(fixture.key(only(GetParam().right), {"wx1"}), "wx-nobody")), hidden);
}

TEST_P(Authorisation, KnowsNoAppByANameThatCannotBeDecoded) {
  if (GetParam().guard != Guard::key || !names_an_app()) return;
  for (const char* broken : {"%", "%00", "%ff", "%zz"}) {
    EXPECT_EQ(ask(fixture.key(only(GetParam().right)), broken).status, 404) << broken;
    EXPECT_EQ(ask(fixture.key(only(GetParam().right), {"wx1"}), broken).status, 403) << broken;
    EXPECT_EQ(ask("wrong", broken).status, 401) << broken;
  }
}

std::string test_name(const ::testing::TestParamInfo<Route>& info) {
  std::string name = name_of(info.param);
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(EveryRoute, Authorisation,
                         ::testing::ValuesIn(route_table().begin(), route_table().end()),
                         test_name);

TEST(AuthorisationMatrix, HasNoRowWithoutARoute) { EXPECT_EQ(kRows.size(), route_table().size()); }

TEST(AuthorisationHeader, IsReadInAnyCaseAndNoOtherScheme) {
  RouteFixture fixture;
  fixture.keeper.add("wx1", "TOKEN-1");
  std::string key = fixture.key({.read = true});
  auto ask = [&](const std::string& header) {
    return fixture.ask({"GET", "/v1/apps/wx1/token", {}, {}, {{"Authorization", header}}}).status;
  };
  EXPECT_EQ(ask("Bearer " + key), 200);
  EXPECT_EQ(ask("bearer " + key), 200);
  EXPECT_EQ(ask("BEARER   " + key + " "), 200);
  for (const std::string& wrong :
       {std::string(), std::string("Bearer"), std::string("Bearer "), key, "Basic " + key,
        "Bearer" + key, "Bearer\t" + key, "Bearer " + key + "," + key, " Bearer " + key}) {
    EXPECT_EQ(ask(wrong), 401) << wrong;
  }
}

TEST(AuthorisationHeader, IsTheOnlyPlaceForAKeyUnderV1) {
  RouteFixture fixture;
  fixture.keeper.add("wx1", "TOKEN-1");
  std::string key = fixture.key({.read = true});
  EXPECT_EQ(
      fixture.ask({"GET", "/v1/apps/wx1/token?secret=" + key + "&access_token=" + key}).status,
      401);
}

}  // namespace
}  // namespace hufu::server
