#include "platform/description_testing.hpp"

namespace hufu::platform::testing {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

const KindDescription& kind() { return kind_of("qq", "access_token"); }

IssueOutcome refused(const std::string& code) {
  return answered(kind(), 200, R"({"errcode":)" + code + R"(,"errmsg":"words"})");
}

TEST(Qq, AsksAsWeChatIsAsked) {
  EXPECT_EQ(request_of(kind().issue),
            "GET https://host/api/getToken?grant_type=client_credential&appid=id&secret=s\n");
  for (const char* body :
       {R"({"access_token":"T","expires_in":7200})",
        R"({"errcode":0,"errmsg":"ok","access_token":"T","expires_in":"7200"})"}) {
    expect_token(answered(kind(), 200, body), "T", seconds(7200));
  }
  expect_lost(answered(kind(), 200, R"({"access_token":"T"})"));
  expect_lost(answered(kind(), 200, R"({"access_token":"T","expires_in":0})"));
}

TEST(Qq, GivesEachRefusalARetryClass) {
  for (const char* slow : {"40002", "40013", "40125", "41002", "41004", "45009"}) {
    expect_refusal(refused(slow), RetryClass::slow, std::stoi(slow));
  }
  expect_refusal(refused("45011"), RetryClass::next_minute, 45011);
  expect_refusal(refused("-1"), RetryClass::backoff, -1);
}

TEST(Qq, NeverPassesOnCodesOfADeadToken) {
  expect_refusal(refused("40001"), RetryClass::slow, 40125, "the app secret is wrong");
  for (const char* code : {"40014", "42001"}) {
    expect_refusal(refused(code), RetryClass::backoff, -1);
  }
}

TEST(Qq, EndsTheTokenBeforeAfterFiveMinutes) {
  EXPECT_EQ(kind().rule.shape, RenewalRule::Shape::rotating);
  EXPECT_EQ(kind().rule.overlap, seconds(300));
  EXPECT_EQ(kind().rule.longest_life, seconds(7200));
  EXPECT_FALSE(kind().trial.has_value());
  EXPECT_FALSE(kind().probe.has_value());
}

TEST(Qq, IsServedInItsPlace) {
  const DropInRoute& route = *kind().drop_in;
  EXPECT_THAT(route.methods, ElementsAre("GET", "POST"));
  EXPECT_EQ(route.path, "/api/getToken");
  EXPECT_EQ(route.id, "appid");
  EXPECT_EQ(route.secret, "secret");
  EXPECT_EQ(route.grant_type, "client_credential");
  EXPECT_EQ(drop_in_success(kind(), "T", "60"), R"({"access_token":"T","expires_in":60})");
  const DropInFailures& failures = described("qq").drop_in_failures;
  EXPECT_EQ(failures.wrong_secret, "40125");
  EXPECT_EQ(failures.unknown_app, "40013");
  EXPECT_THAT(failures.never, ::testing::IsSupersetOf({"40001", "40014", "42001"}));
}

}  // namespace
}  // namespace hufu::platform::testing
