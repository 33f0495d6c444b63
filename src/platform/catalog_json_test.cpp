#include "platform/catalog_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

namespace hufu::platform {
namespace {

namespace json = boost::json;

json::object member_named(const json::array& among, std::string_view name) {
  for (const json::value& each : among) {
    if (each.as_object().at("name").as_string() == json::string_view(name.data(), name.size())) {
      return each.as_object();
    }
  }
  ADD_FAILURE() << "there is no " << name;
  return {};
}

json::object shown(const Catalog& catalog, std::string_view platform) {
  return member_named(json::parse(to_json(catalog)).at("platforms").as_array(), platform);
}

TEST(CatalogJson, ShowsThePlatformsWithTheirSettingsAndCredentials) {
  const json::object wechat = shown(Catalog(), "wechat");
  EXPECT_EQ(wechat.at("title").as_string(), "WeChat");
  EXPECT_FALSE(wechat.contains("parent"));
  const json::object endpoint = member_named(wechat.at("settings").as_array(), "endpoint");
  EXPECT_EQ(endpoint.at("values"), (json::array{"stable", "classic"}));
  EXPECT_EQ(endpoint.at("default"), "stable");
  EXPECT_EQ(endpoint.at("required"), false);
  const json::array& credentials = wechat.at("credentials").as_array();
  EXPECT_EQ(member_named(credentials, "secret").at("required"), true);
  EXPECT_EQ(member_named(credentials, "aes_key").at("required"), false);
  EXPECT_EQ(json::parse(to_json(*Catalog().find("wechat"))), wechat);
}

TEST(CatalogJson, ShowsHowEachKindIsRenewed) {
  const json::array kinds = shown(Catalog(), "wechat").at("kinds").as_array();
  ASSERT_EQ(kinds.size(), 4U);
  EXPECT_EQ(kinds[0], json::parse(R"({"name":"access_token","main":true,
      "issuer":"wechat/stable/access_token","when":{"endpoint":"stable"},"needs":[],
      "renewal":"windowed","window":300,"longest_lifetime":7200,"probed":true})"));
  EXPECT_EQ(kinds[1].at("renewal"), "rotating");
  EXPECT_EQ(kinds[1].at("overlap"), 300);
  EXPECT_EQ(kinds[2], json::parse(R"({"name":"jsapi_ticket","main":false,
      "issuer":"wechat/jsapi_ticket","needs":[{"of":"self","kind":"access_token"}],
      "renewal":"sticky","longest_lifetime":7200,"probed":false})"));
}

TEST(CatalogJson, ShowsAPlatformOfTheConfiguration) {
  Config config;
  config.platforms["acme"].custom.emplace();
  const json::object acme = shown(Catalog(config), "acme");
  EXPECT_EQ(member_named(acme.at("settings").as_array(), "scope").at("required"), false);
  EXPECT_EQ(acme.at("kinds").at(0).at("renewal"), "independent");
}

}  // namespace
}  // namespace hufu::platform
