#include "platform/catalog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <set>
#include <string>
#include <utility>

#include "platform/base_url.hpp"
#include "platform/response_parser.hpp"

namespace hufu::platform {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::StartsWith;

/// A configuration that describes the platform "acme".
Config with_acme() {
  Config config;
  config.platforms["acme"].base_url = "https://login.acme.example";
  config.platforms["acme"].custom.emplace();
  return config;
}

class MakeIssuer : public ::testing::Test {
 protected:
  Result<std::shared_ptr<Issuer>> make(std::string_view platform, std::string_view endpoint = {},
                                       std::string_view kind = {}) {
    return make_issuer(Catalog(config_), config_, platform, endpoint, kind, client_);
  }
  Config config_ = with_acme();
  std::shared_ptr<net::HttpClient> client_ = std::make_shared<net::HttpClient>();
};

TEST_F(MakeIssuer, NamesIssuersByPlatformWayAndKind) {
  EXPECT_EQ(make("wechat", "stable", "access_token").value()->name(), "wechat/stable/access_token");
  EXPECT_EQ(make("wechat", "classic", "access_token").value()->name(),
            "wechat/classic/access_token");
  EXPECT_EQ(make("wechat", "stable", "jsapi_ticket").value()->name(), "wechat/jsapi_ticket");
  EXPECT_EQ(make("wechat", "classic", "wx_card_ticket").value()->name(), "wechat/wx_card_ticket");
  EXPECT_EQ(make("acme").value()->name(), "acme/access_token");
}

TEST_F(MakeIssuer, TakesTheDefaultEndpointAndTheMainKindWhereNoneIsNamed) {
  EXPECT_EQ(make("wechat").value()->name(), "wechat/stable/access_token");
  EXPECT_EQ(make("wechat", "classic").value()->name(), "wechat/classic/access_token");
}

TEST_F(MakeIssuer, TakesTheOverlapFromTheConfiguration) {
  EXPECT_EQ(make("wechat", "classic").value()->rule().overlap, 300s);
  config_.timing.overlap = 77s;
  EXPECT_EQ(make("wechat", "classic").value()->rule().overlap, 77s);
  EXPECT_EQ(make("wechat", "classic", "jsapi_ticket").value()->rule().overlap, 0s);
  EXPECT_EQ(make("acme").value()->rule().overlap, 0s) << "none of its tokens ends another";
  config_.platforms["wechat"].timing.overlap = 66s;
  EXPECT_EQ(make("wechat", "classic").value()->rule().overlap, 66s);
}

TEST_F(MakeIssuer, NamesWhatExistsWhenAskedForWhatDoesNot) {
  auto platform = make("feishuu");
  ASSERT_FALSE(platform.has_value());
  EXPECT_EQ(platform.error().fault, Fault::config);
  EXPECT_EQ(platform.error().message, "there is no platform \"feishuu\"");
  EXPECT_THAT(platform.error().next_step, AllOf(HasSubstr("acme"), HasSubstr("wechat")));

  auto endpoint = make("wechat", "new");
  ASSERT_FALSE(endpoint.has_value());
  EXPECT_EQ(endpoint.error().fault, Fault::config);
  EXPECT_EQ(endpoint.error().next_step, "use one of: stable, classic");
  EXPECT_EQ(make("acme", "classic").error().fault, Fault::config);

  auto kind = make("wechat", "stable", "agent_ticket");
  ASSERT_FALSE(kind.has_value());
  EXPECT_EQ(kind.error().fault, Fault::unknown_kind);
  EXPECT_EQ(kind.error().message, "an app of wechat has no \"agent_ticket\"");
  EXPECT_EQ(kind.error().next_step, "use one of: access_token, jsapi_ticket, wx_card_ticket");
}

TEST_F(MakeIssuer, RefusesAnAddressThatMayNotBeCalled) {
  config_.platforms["wechat"].base_url = "http://api.weixin.qq.com";
  EXPECT_EQ(make("wechat").error().fault, Fault::config);
}

TEST(Catalog, HoldsThePlatformsOfTheConfigurationBesideThoseItKnows) {
  EXPECT_THAT(Catalog().names(), AllOf(Contains("wechat"), Not(Contains("acme"))));
  EXPECT_THAT(Catalog(with_acme()).names(), IsSupersetOf({"acme", "wechat"}));
}

TEST(Catalog, KeepsItsOwnDescriptionOfAPlatformThatIsDescribedAgain) {
  Config config;
  config.platforms["wechat"].custom.emplace();
  EXPECT_EQ(Catalog(config).find("wechat")->title, "WeChat");
}

TEST(Catalog, TellsWhichPlatformsAConfigurationUses) {
  auto used = [](const Config& config) {
    const Catalog catalog(config);
    std::vector<std::string> names;
    for (const auto* platform : catalog.in_use(config)) names.push_back(platform->name);
    return names;
  };
  EXPECT_THAT(used({}), ElementsAre("wechat"));
  EXPECT_THAT(used(with_acme()), ElementsAre("acme", "wechat"));
  Config config = with_acme();
  config.apps.emplace_back().platform = "acme";
  EXPECT_THAT(used(config), ElementsAre("acme"));
}

TEST(Catalog, ListsEachKindOnceTheMainOneFirst) {
  const Catalog catalog;
  EXPECT_THAT(kind_names(*catalog.find("wechat")),
              ElementsAre("access_token", "jsapi_ticket", "wx_card_ticket"));
  EXPECT_EQ(main_kind(*catalog.find("wechat")), "access_token");
}

TEST(Catalog, KnowsWhatASettingIsWhereAnAppSaysNothing) {
  const Catalog catalog;
  const PlatformDescription& wechat = *catalog.find("wechat");
  EXPECT_EQ(effective_setting(wechat, {}, "endpoint"), "stable");
  EXPECT_EQ(effective_setting(wechat, {{"endpoint", "classic"}}, "endpoint"), "classic");
  EXPECT_EQ(effective_setting(wechat, {}, "scope"), "");
}

// Every description must be whole: a hole shows here, not at three in the morning.
TEST(Catalog, HoldsOnlyWholeDescriptions) {
  const Catalog catalog;
  std::set<std::string> issuers;
  for (const PlatformDescription& platform : catalog.platforms()) {
    SCOPED_TRACE(platform.name);
    EXPECT_FALSE(platform.title.empty());
    EXPECT_TRUE(address_of(platform, {}).has_value());
    for (const auto& setting : platform.settings) EXPECT_NE(setting.meaning, "") << setting.name;
    for (const auto& each : platform.credentials) EXPECT_NE(each.meaning, "") << each.name;
    ASSERT_FALSE(platform.kinds.empty());
    for (const KindDescription& kind : platform.kinds) {
      SCOPED_TRACE(issuer_name(platform, kind));
      EXPECT_TRUE(issuers.insert(issuer_name(platform, kind)).second) << "two of one name";
      const bool displaces = kind.rule.shape == RenewalRule::Shape::rotating ||
                             kind.rule.shape == RenewalRule::Shape::windowed;
      EXPECT_EQ(kind.rule.overlap > 0s, displaces);
      EXPECT_GT(kind.rule.longest_life, kind.rule.overlap);
      EXPECT_THAT(kind.issue.path, StartsWith("/"));
      if (kind.when) {
        const SettingDescription* setting = find_setting(platform, kind.when->setting);
        ASSERT_NE(setting, nullptr);
        EXPECT_THAT(setting->values, Contains(kind.when->value));
      }
      for (const Need& need : kind.needs) {
        const PlatformDescription* of =
            need.of == Need::Of::self ? &platform : catalog.find(platform.parent);
        ASSERT_NE(of, nullptr);
        EXPECT_THAT(kind_names(*of), Contains(need.kind));
      }
      for (const auto& [code, mapping] : kind.errors) {
        EXPECT_NE(mapping.words, "") << code;
        EXPECT_NE(mapping.fix, "") << code;
      }
    }
  }
}

/// `with` in place of each "{name}".
std::string filled(std::string body,
                   std::initializer_list<std::pair<const char*, const char*>> in) {
  for (const auto& [name, with] : in) {
    const std::string placeholder = "{" + std::string(name) + "}";
    for (auto at = body.find(placeholder); at != std::string::npos; at = body.find(placeholder)) {
      body.replace(at, placeholder.size(), with);
    }
  }
  return body;
}

IssueOutcome read(const KindDescription& kind, int status, std::string body) {
  net::HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return parse_issue_response("The platform", kind, response, {});
}

// What is answered in a platform's place is what Hufu itself understands of that platform.
TEST(Catalog, HoldsOnlyRoutesThatAnswerAsThePlatformItself) {
  const Catalog catalog;
  for (const PlatformDescription& platform : catalog.platforms()) {
    for (const KindDescription& kind : platform.kinds) {
      if (!kind.drop_in) continue;
      SCOPED_TRACE(issuer_name(platform, kind));
      const DropInRoute& route = *kind.drop_in;
      EXPECT_FALSE(route.methods.empty());
      EXPECT_THAT(route.path, StartsWith("/"));
      EXPECT_EQ(route.id.empty(), route.secret.empty());
      EXPECT_EQ(route.id.empty(), route.token.in != TokenPlace::In::nowhere)
          << "either a secret or a token says who calls";
      EXPECT_EQ(route.id.empty(), !kind.needs.empty());

      auto issued = read(kind, 200, filled(route.success, {{"token", "T"}, {"lifetime", "60"}}));
      ASSERT_TRUE(issued.has_value()) << issued.error().error.message;
      EXPECT_EQ(issued->value.reveal(), "T");
      EXPECT_EQ(issued->lifetime, 60s);

      const DropInFailures& failures = platform.drop_in_failures;
      for (const std::string& code :
           {failures.no_id, failures.unknown_app, failures.no_secret, failures.wrong_secret,
            failures.wrong_grant_type, failures.wrong_parameter, failures.busy}) {
        if (code.empty()) continue;
        EXPECT_THAT(failures.never, Not(Contains(code)));
        auto refused = read(
            kind, failures.status,
            filled(failures.body, {{"code", code.c_str()}, {"message", "words"}, {"rid", "r"}}));
        ASSERT_FALSE(refused.has_value());
        EXPECT_EQ(refused.error().delivery, IssueFailure::Delivery::answered) << code;
        EXPECT_THAT(refused.error().error.message,
                    AnyOf(HasSubstr("(" + code + ")"), HasSubstr("\"" + code + "\"")));
      }
    }
  }
}

}  // namespace
}  // namespace hufu::platform
