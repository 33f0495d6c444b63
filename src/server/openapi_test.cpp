#include "server/openapi.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>
#include <string>

#include "server/route_fixture_testing.hpp"
#include "server/route_table.hpp"

namespace hufu::server {
namespace {

namespace json = boost::json;

const RouteTable& table() {
  static const RouteTable routes{platform::Catalog()};
  return routes;
}

const json::object& document() {
  static const json::value parsed = json::parse(openapi_document(platform::Catalog(), table()));
  return parsed.as_object();
}

const json::value* operation(std::string_view method, std::string_view path) {
  const json::value* item = document().at("paths").as_object().if_contains(path);
  if (item == nullptr) return nullptr;
  std::string lower(method);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return item->as_object().if_contains(lower);
}

TEST(OpenApi, DescribesEveryRouteAndTheRightItNeeds) {
  for (const Route& route : table().routes()) {
    SCOPED_TRACE(std::string(route.method) + " " + std::string(route.path));
    const json::value* described = operation(route.method, route.path);
    ASSERT_NE(described, nullptr);
    const json::value* security = described->as_object().if_contains("security");
    switch (route.guard) {
      case Guard::open: EXPECT_EQ(security, nullptr); break;
      case Guard::drop_in:
        ASSERT_NE(security, nullptr);
        EXPECT_EQ(json::serialize(*security),
                  route.drop_in->first().route.id.empty()
                      ? R"([{"access_token":[]}])"
                      : R"([{"secret":[")" + std::string(name_of(route.right)) + "\"]}]");
        break;
      case Guard::key:
        ASSERT_NE(security, nullptr);
        EXPECT_EQ(json::serialize(*security),
                  R"([{"key":[")" + std::string(name_of(route.right)) + "\"]}]");
        break;
    }
  }
}

TEST(OpenApi, DescribesNoRouteThatIsNotThere) {
  std::size_t described = 0;
  for (const auto& path : document().at("paths").as_object()) {
    for (const auto& item : path.value().as_object()) {
      if (item.key() != "parameters") ++described;
    }
  }
  EXPECT_EQ(described, table().routes().size());
}

TEST(OpenApi, NamesEveryPlatformAndKind) {
  const platform::Catalog catalog;
  const json::object& components = document().at("components").as_object();
  const std::string platforms = json::serialize(
      components.at("schemas").at("NewApp").at("properties").at("platform").at("enum"));
  const std::string kinds =
      json::serialize(components.at("parameters").at("kind").at("schema").at("enum"));
  for (const platform::PlatformDescription& each : catalog.platforms()) {
    EXPECT_NE(platforms.find('"' + each.name + '"'), std::string::npos) << each.name;
    for (const std::string_view kind : platform::kind_names(each)) {
      EXPECT_NE(kinds.find('"' + std::string(kind) + '"'), std::string::npos) << kind;
    }
  }
}

TEST(OpenApi, ShowsASuccessOfEachKindThatIsServedInAPlatformsPlace) {
  for (const Route& route : table().routes()) {
    if (route.drop_in == nullptr) continue;
    const std::string described = json::serialize(*operation(route.method, route.path));
    for (const DropInKind& kind : route.drop_in->kinds) {
      EXPECT_NE(described.find('"' + kind.platform + ' ' + kind.kind + R"(":{"value":{)"),
                std::string::npos)
          << route.path;
    }
  }
}

TEST(OpenApi, NamesEveryRight) {
  std::string text(
      document().at("components").at("securitySchemes").at("key").at("description").as_string());
  for (Right right :
       {Right::see, Right::read, Right::report, Right::refresh, Right::gateway, Right::admin}) {
    EXPECT_NE(text.find("`" + std::string(name_of(right)) + "`"), std::string::npos);
  }
}

TEST(OpenApi, NamesEveryFault) {
  const json::array& codes = document()
                                 .at("components")
                                 .at("schemas")
                                 .at("Problem")
                                 .at("properties")
                                 .at("code")
                                 .at("enum")
                                 .as_array();
  std::set<std::string> named;
  for (const json::value& code : codes) named.insert(std::string(code.as_string()));
  for (int fault = 0; fault <= static_cast<int>(Fault::internal); ++fault) {
    EXPECT_TRUE(named.contains(std::string(name_of(static_cast<Fault>(fault))))) << fault;
  }
}

void check_references(const json::value& value) {
  if (const json::array* array = value.if_array()) {
    for (const json::value& item : *array) check_references(item);
  }
  const json::object* object = value.if_object();
  if (object == nullptr) return;
  for (const auto& member : *object) {
    check_references(member.value());
    if (member.key() != "$ref") continue;
    std::string pointer(member.value().as_string());
    json::error_code error;
    json::value whole(document());
    EXPECT_NE(whole.find_pointer(pointer.substr(1), error), nullptr) << pointer;
  }
}

TEST(OpenApi, PointsOnlyAtWhatItHolds) { check_references(json::value(document())); }

TEST(OpenApi, IsServedWithTheVersionOfTheProgram) {
  testing::RouteFixture fixture;
  testing::Answered answer = fixture.ask({"GET", "/openapi.json"});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "application/json");
  EXPECT_EQ(answer.at("openapi"), "\"3.1.0\"");
  EXPECT_EQ(answer.body.find('@'), std::string::npos);
}

}  // namespace
}  // namespace hufu::server
