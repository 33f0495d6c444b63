#include "platform/description_testing.hpp"

namespace hufu::platform::testing {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

const KindDescription& kind() { return kind_of("douyin", "access_token"); }

IssueOutcome refused(const std::string& code) {
  return answered(
      kind(), 200,
      R"({"err_no":)" + code + R"(,"err_tips":"words","data":{"access_token":"","expires_in":0}})");
}

TEST(Douyin, AsksInJson) {
  EXPECT_EQ(request_of(kind().issue),
            "POST https://host/api/apps/v2/token\n"
            "Content-Type: application/json\n\n"
            R"({"appid":"id","secret":"s","grant_type":"client_credential"})");
  EXPECT_TRUE(described("douyin").settings.empty()) << "it has one endpoint only";
}

TEST(Douyin, NestsItsToken) {
  expect_token(
      answered(kind(), 200,
               R"({"err_no":0,"err_tips":"success","data":{"access_token":"T","expires_in":60}})"),
      "T", seconds(60));
  for (const char* body :
       {R"({"err_no":0})", R"({"err_no":0,"data":[]})", R"({"err_no":0,"data":"access_token"})",
        R"({"err_no":0,"data.access_token":"T","data.expires_in":1})",
        R"({"err_no":0,"data":{"access_token":"T"}})",
        R"({"err_no":0,"data":{"access_token":"T","expires_in":0}})"}) {
    SCOPED_TRACE(body);
    expect_lost(answered(kind(), 200, body));
  }
}

TEST(Douyin, GivesEachRefusalARetryClass) {
  for (const char* slow : {"40015", "40017", "40020"}) {
    expect_refusal(refused(slow), RetryClass::slow, std::stoi(slow));
  }
  for (const char* soon : {"-1", "12345"}) {
    expect_refusal(refused(soon), RetryClass::backoff, std::stoi(soon));
  }
  expect_refusal(answered(kind(), 200, R"({"err_no":40017,"err_tips":"bad secret","data":{}})"),
                 RetryClass::slow, 40017, "bad secret");
}

// Every call displaces the token: nothing but a renewal may make it.
TEST(Douyin, EndsTheTokenBeforeAfterFiveMinutes) {
  EXPECT_EQ(kind().rule.shape, RenewalRule::Shape::rotating);
  EXPECT_EQ(kind().rule.overlap, seconds(300));
  EXPECT_EQ(kind().rule.longest_life, seconds(7200));
  EXPECT_FALSE(kind().trial.has_value());
  EXPECT_FALSE(kind().probe.has_value());
}

TEST(Douyin, IsServedInItsPlace) {
  const DropInRoute& route = *kind().drop_in;
  EXPECT_THAT(route.methods, ElementsAre("POST"));
  EXPECT_EQ(route.path, "/api/apps/v2/token");
  EXPECT_EQ(route.parameters, DropInRoute::Parameters::json);
  EXPECT_EQ(route.id, "appid");
  EXPECT_EQ(route.secret, "secret");
  EXPECT_EQ(route.grant_type, "client_credential");
  EXPECT_EQ(drop_in_success(kind(), "T", "60"),
            R"({"err_no":0,"err_tips":"success","data":{"access_token":"T","expires_in":60}})");
  const DropInFailures& failures = described("douyin").drop_in_failures;
  EXPECT_EQ(failures.unknown_app, "40015");
  EXPECT_EQ(failures.wrong_secret, "40017");
  EXPECT_EQ(failures.wrong_grant_type, "40020");
}

}  // namespace
}  // namespace hufu::platform::testing
