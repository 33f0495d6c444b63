#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "server/drop_in.hpp"
#include "server/route_fixture_testing.hpp"
#include "server/route_table.hpp"

namespace hufu::server {
namespace {

using testing::Answered;
using testing::FakeKeeper;
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

const RouteTable& table() {
  static const RouteTable routes{platform::Catalog()};
  return routes;
}

bool is_drop_in(const Route& route) { return route.guard == Guard::drop_in; }

/// Opens to whoever shows a token that was handed out here: neither keys nor rights count.
bool takes_token(const Route& route) {
  return is_drop_in(route) && route.drop_in->first().route.id.empty();
}

/// Whether `body` is the failure of that code in the shape of the dialect.
bool says(const std::string& body, const DropInDialect& dialect, const std::string& code) {
  std::string pattern;
  dialect.body.append(pattern, [&](ReplyTemplate::Place place) {
    pattern += place == ReplyTemplate::Place::code ? code : "\x01";
  });
  // What stands between two places must be there, in order.
  std::size_t at = 0;
  for (std::size_t begin = 0; begin <= pattern.size();) {
    const std::size_t end = std::min(pattern.find('\x01', begin), pattern.size());
    at = body.find(pattern.substr(begin, end - begin), at);
    if (at == std::string::npos) return false;
    begin = end + 1;
  }
  return true;
}

/// What each of Hufu's own routes is asked with, and what it says to the right key. A route without
/// a row here fails the tests below.
struct Row {
  std::string body;
  int granted = 200;
};
const std::map<std::string, Row> kRows = {
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

int granted_by(const Route& route) {
  return is_drop_in(route) ? 200 : kRows.at(name_of(route)).granted;
}

class Authorisation : public ::testing::TestWithParam<Route> {
 protected:
  Authorisation() {
    for (const char* id : {"wx1", "wx2"}) {
      FakeKeeper::App& app = fixture.keeper.add(id, std::string("TOKEN of ") + id);
      if (!is_drop_in(GetParam())) continue;
      const DropInKind& kind = GetParam().drop_in->first();
      app.info.platform = kind.platform;
      app.info.settings = {{kind.account.empty() ? "none" : kind.account, account_of(id)}};
      fixture.keeper.put_token(id, kind.kind, std::string("TOKEN-of-") + id);
      if (takes_token(GetParam())) {
        fixture.keeper.put_token(id, kind.needed, std::string("NEEDED-of-") + id);
      }
    }
  }

  static std::string account_of(const std::string& app) { return "account-of-" + app; }

  /// Asks the route for `app` with `key`, in the way of its guard.
  Answered ask(const std::string& key, const std::string& app = "wx1") {
    const Route& route = GetParam();
    std::string path(route.path);
    if (auto placeholder = path.find("{app}"); placeholder != std::string::npos)
      path.replace(placeholder, 5, app);
    if (!is_drop_in(route)) {
      return fixture.ask({route.method, path, key, kRows.at(name_of(route)).body});
    }
    return takes_token(route) ? ask_by_token(path, app) : ask_by_credentials(path, app, key);
  }

  Answered ask_by_token(const std::string& path, const std::string& app) {
    const platform::DropInRoute& shape = GetParam().drop_in->first().route;
    std::string query;
    for (const auto& [name, value] : shape.query) query += name + "=" + value + "&";
    const std::string token = "NEEDED-of-" + app;
    if (shape.token.in == platform::TokenPlace::In::header) {
      const std::string scheme = shape.token.scheme.empty() ? "" : shape.token.scheme + " ";
      return fixture.ask(
          {GetParam().method, path + "?" + query, {}, {}, {{shape.token.name, scheme + token}}});
    }
    return fixture.ask({GetParam().method, path + "?" + query + shape.token.name + "=" + token});
  }

  Answered ask_by_credentials(const std::string& path, const std::string& app,
                              const std::string& key) {
    const DropInKind& kind = GetParam().drop_in->first();
    const platform::DropInRoute& shape = kind.route;
    const std::string id = kind.account.empty() ? app : account_of(app);
    if (shape.parameters == platform::DropInRoute::Parameters::json) {
      return fixture.ask({GetParam().method,
                          path,
                          {},
                          R"({"grant_type":")" + shape.grant_type + R"(",")" + shape.id + R"(":")" +
                              id + R"(",")" + shape.secret + R"(":")" + key + "\"}"});
    }
    return fixture.ask({GetParam().method, path + "?grant_type=" + shape.grant_type + "&" +
                                               shape.id + "=" + id + "&" + shape.secret + "=" +
                                               key});
  }

  /// What came out, in the words of HTTP, whatever dialect the route speaks.
  static int verdict(const Answered& answer) {
    if (!is_drop_in(GetParam())) return answer.status;
    const DropInDialect& dialect = GetParam().drop_in->dialect();
    const platform::DropInFailures& failures = dialect.failures;
    const bool alike = failures.wrong_secret == failures.unknown_app;
    for (const std::string& code : {failures.no_secret, failures.wrong_secret}) {
      if (says(answer.body, dialect, code)) return alike ? 403404 : 403;
    }
    if (says(answer.body, dialect, failures.unknown_app)) return 404;
    EXPECT_EQ(answer.status, 200) << answer.body;
    return 200;
  }
  /// Some platforms have one code for an unknown id and a wrong secret.
  static int expected(int verdict) {
    if (!is_drop_in(GetParam()) || (verdict != 403 && verdict != 404)) return verdict;
    const platform::DropInFailures& failures = GetParam().drop_in->dialect().failures;
    return failures.wrong_secret == failures.unknown_app ? 403404 : verdict;
  }

  bool judges_keys() const { return GetParam().guard != Guard::open && !takes_token(GetParam()); }
  bool names_an_app() const {
    if (takes_token(GetParam())) return false;
    return GetParam().guard == Guard::drop_in ||
           GetParam().path.find("{app}") != std::string_view::npos;
  }
  int refused() const { return is_drop_in(GetParam()) ? expected(403) : 401; }

  RouteFixture fixture;
};

TEST_P(Authorisation, HasARowForTheRoute) {
  EXPECT_TRUE(is_drop_in(GetParam()) || kRows.contains(name_of(GetParam())));
}

TEST_P(Authorisation, GrantsAKeyWithTheRightUnlessItMustNameTheApp) {
  Answered answer = ask(fixture.key(only(GetParam().right)));
  EXPECT_EQ(answer.times, 1);
  const bool must_name = is_drop_in(GetParam()) &&
                         fixture.services->carries_authority(GetParam().drop_in->first().kind);
  EXPECT_EQ(verdict(answer), must_name ? expected(403) : granted_by(GetParam())) << answer.body;
}

TEST_P(Authorisation, GrantsAKeyForJustThisApp) {
  Answered answer = ask(fixture.key(only(GetParam().right), {"wx1"}));
  EXPECT_EQ(verdict(answer), granted_by(GetParam())) << answer.body;
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
  EXPECT_EQ(verdict(ask(fixture.key(all_but(GetParam().right)))), expected(403));
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_P(Authorisation, RefusesAKeyOfAnotherApp) {
  if (!names_an_app()) return;
  EXPECT_EQ(verdict(ask(fixture.key(only(GetParam().right), {"wx2"}))), expected(403));
  EXPECT_TRUE(fixture.keeper.asked.empty());
}

TEST_P(Authorisation, TellsOfUnknownAppsOnlyToAKeyThatMaySeeAll) {
  if (!names_an_app()) return;
  int unknown = GetParam().method == "PUT" ? 201 : expected(404);
  EXPECT_EQ(verdict(ask(fixture.key(only(GetParam().right)), "wx-nobody")), unknown);
  // The platforms tell everybody which ids exist, so the routes in their place do.
  int hidden = is_drop_in(GetParam()) ? expected(404) : 403;
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
                         ::testing::ValuesIn(table().routes().begin(), table().routes().end()),
                         test_name);

TEST(AuthorisationMatrix, HasNoRowWithoutARoute) {
  const auto& routes = table().routes();
  EXPECT_EQ(kRows.size(), static_cast<std::size_t>(std::count_if(
                              routes.begin(), routes.end(),
                              [](const Route& route) { return !is_drop_in(route); })));
}

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
