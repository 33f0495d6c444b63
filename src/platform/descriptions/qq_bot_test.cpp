#include "platform/description_testing.hpp"

namespace hufu::platform::testing {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

const KindDescription& kind() { return kind_of("qq_bot", "access_token"); }

TEST(QqBot, AsksInCamelCase) {
  EXPECT_EQ(request_of(kind().issue),
            "POST https://host/app/getAppAccessToken\n"
            "Content-Type: application/json\n\n"
            R"({"appId":"id","clientSecret":"s"})");
}

TEST(QqBot, GivesItsLifetimeAsAString) {
  expect_token(answered(kind(), 200, R"({"access_token":"T","expires_in":"7200"})"), "T",
               seconds(7200));
  expect_token(answered(kind(), 200, R"({"access_token":"T","expires_in":60})"), "T", seconds(60));
  for (const char* rest : {"", R"(,"expires_in":"")", R"(,"expires_in":"0")"}) {
    expect_lost(answered(kind(), 200, R"({"access_token":"T")" + std::string(rest) + "}"));
  }
}

TEST(QqBot, GivesEachRefusalARetryClass) {
  for (const int status : {200, 401}) {
    for (const char* slow : {"100007", "100016"}) {
      expect_refusal(
          answered(kind(), status, R"({"code":)" + std::string(slow) + R"(,"message":"words"})"),
          RetryClass::slow, std::stoi(slow), "words");
    }
    expect_refusal(answered(kind(), status, R"({"code":12345,"message":"words"})"),
                   RetryClass::backoff, 12345);
  }
}

TEST(QqBot, BringsANewTokenInTheLastMinute) {
  EXPECT_EQ(kind().rule.shape, RenewalRule::Shape::windowed);
  EXPECT_EQ(kind().rule.overlap, seconds(60));
  EXPECT_EQ(kind().rule.longest_life, seconds(7200));
  EXPECT_TRUE(kind().trial.has_value()) << "asking ends no token";
  EXPECT_FALSE(kind().probe.has_value());
}

TEST(QqBot, IsServedInItsPlace) {
  const DropInRoute& route = *kind().drop_in;
  EXPECT_THAT(route.methods, ElementsAre("POST"));
  EXPECT_EQ(route.path, "/app/getAppAccessToken");
  EXPECT_EQ(route.parameters, DropInRoute::Parameters::json);
  EXPECT_EQ(route.id, "appId");
  EXPECT_EQ(route.secret, "clientSecret");
  EXPECT_EQ(drop_in_success(kind(), "T", "60"), R"({"access_token":"T","expires_in":"60"})")
      << "clients read a string";
  EXPECT_EQ(described("qq_bot").drop_in_failures.wrong_secret, "100016");
  EXPECT_EQ(kind().place.name, "Authorization");
  EXPECT_EQ(kind().place.scheme, "QQBot");
}

}  // namespace
}  // namespace hufu::platform::testing
