#include "platform/description_testing.hpp"

namespace hufu::platform::testing {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

const KindDescription& kind(const std::string& endpoint = "stable") {
  return kind_of("douyin_open", "client_token", {{"endpoint", endpoint}});
}

IssueOutcome refused(const std::string& code) {
  return answered(
      kind(), 200,
      R"({"data":{"description":"words","error_code":)" + code + R"(},"message":"error"})");
}

TEST(DouyinOpen, AsksOneOfTwoEndpoints) {
  const std::string body =
      "Content-Type: application/json\n\n"
      R"({"client_key":"id","client_secret":"s","grant_type":"client_credential"})";
  EXPECT_EQ(request_of(kind("stable").issue),
            "POST https://host/oauth/stable_client_token/\n" + body);
  EXPECT_EQ(request_of(kind("classic").issue), "POST https://host/oauth/client_token/\n" + body);
  EXPECT_EQ(&kind_of("douyin_open"), &kind("stable")) << "that is the one unless it is said";
}

TEST(DouyinOpen, NestsTokenCodeAndWords) {
  for (const char* endpoint : {"stable", "classic"}) {
    expect_token(answered(kind(endpoint), 200,
                          R"({"data":{"access_token":"clt.1","description":"","error_code":0,)"
                          R"("expires_in":7200},"message":"success"})"),
                 "clt.1", seconds(7200));
    expect_lost(
        answered(kind(endpoint), 200,
                 R"({"data":{"access_token":"clt.1","error_code":0},"message":"success"})"));
    expect_lost(answered(kind(endpoint), 200, R"({"message":"error"})"));
    expect_refusal(
        answered(kind(endpoint), 200, R"({"data":{"error_code":10003,"description":"no"}})"),
        RetryClass::slow, 10003, "no");
  }
}

TEST(DouyinOpen, GivesEachRefusalARetryClass) {
  for (const char* slow : {"10002", "10003", "10013", "2100005", "2190001", "2190004", "28001007",
                           "28001016", "28001018", "28003017"}) {
    expect_refusal(refused(slow), RetryClass::slow, std::stoi(slow));
  }
  for (const char* minute : {"10020", "28003018"}) {
    expect_refusal(refused(minute), RetryClass::next_minute, std::stoi(minute));
  }
  for (const char* soon : {"2100004", "28001005", "28001006", "12345"}) {
    expect_refusal(refused(soon), RetryClass::backoff, std::stoi(soon));
  }
}

TEST(DouyinOpen, NeverPassesOnCodesOfADeadToken) {
  for (const char* code : {"10008", "2190002", "2190008", "28001003", "28001008"}) {
    expect_refusal(refused(code), RetryClass::backoff, 2100004);
    EXPECT_THAT(described("douyin_open").drop_in_failures.never, ::testing::Contains(code));
  }
}

TEST(DouyinOpen, RenewsByTheEndpoint) {
  EXPECT_EQ(kind("stable").rule.shape, RenewalRule::Shape::windowed);
  EXPECT_TRUE(kind("stable").trial.has_value()) << "asking ends no token";
  EXPECT_EQ(kind("classic").rule.shape, RenewalRule::Shape::rotating);
  EXPECT_FALSE(kind("classic").trial.has_value()) << "asking ends the token before";
  for (const char* endpoint : {"stable", "classic"}) {
    EXPECT_EQ(kind(endpoint).rule.overlap, seconds(300));
    EXPECT_EQ(kind(endpoint).rule.longest_life, seconds(7200));
    EXPECT_EQ(kind(endpoint).place.in, TokenPlace::In::header);
    EXPECT_EQ(kind(endpoint).place.name, "access-token");
  }
}

TEST(DouyinOpen, IsServedInItsPlace) {
  for (const char* endpoint : {"stable", "classic"}) {
    const DropInRoute& route = *kind(endpoint).drop_in;
    EXPECT_THAT(route.methods, ElementsAre("POST"));
    EXPECT_EQ(route.path, kind(endpoint).issue.path);
    EXPECT_EQ(route.parameters, DropInRoute::Parameters::anywhere);
    EXPECT_EQ(route.id, "client_key");
    EXPECT_EQ(route.secret, "client_secret");
    EXPECT_EQ(route.grant_type, "client_credential");
    EXPECT_EQ(drop_in_success(kind(endpoint), "clt.1", "60"),
              R"({"data":{"access_token":"clt.1","description":"","error_code":0,)"
              R"("expires_in":60},"message":"success"})");
  }
  const DropInFailures& failures = described("douyin_open").drop_in_failures;
  EXPECT_EQ(failures.no_id, "10002");
  EXPECT_EQ(failures.unknown_app, "10003");
  EXPECT_EQ(failures.wrong_secret, "10013");
}

}  // namespace
}  // namespace hufu::platform::testing
