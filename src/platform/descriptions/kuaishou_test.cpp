#include "platform/description_testing.hpp"

namespace hufu::platform::testing {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::ElementsAre;

const KindDescription& kind() { return kind_of("kuaishou", "access_token"); }

IssueOutcome refused(const std::string& code) {
  return answered(kind(), 200, R"({"result":)" + code + R"(,"error_msg":"words"})");
}

TEST(Kuaishou, WantsAForm) {
  EXPECT_EQ(request_of(kind().issue),
            "POST https://host/oauth2/access_token\n"
            "Content-Type: application/x-www-form-urlencoded\n\n"
            "app_id=id&app_secret=s&grant_type=client_credentials");
}

TEST(Kuaishou, SucceedsWithOne) {
  expect_token(answered(kind(), 200, R"({"result":1,"access_token":"T","expires_in":172800})"), "T",
               hours(48));
  // Nothing else is a success: neither the zero of other platforms nor silence.
  expect_refusal(answered(kind(), 200, R"({"result":0,"error_msg":"no"})"), RetryClass::backoff, 0,
                 "no");
  expect_lost(answered(kind(), 200, R"({"access_token":"T","expires_in":1})"));
  expect_lost(answered(kind(), 200, R"({"result":1,"access_token":"T"})"));
  expect_lost(answered(kind(), 200, R"({"result":1,"access_token":"T","expires_in":0})"));
}

TEST(Kuaishou, GivesEachRefusalARetryClass) {
  for (const char* slow : {"100200100", "100200101", "100200104", "100200106"}) {
    expect_refusal(refused(slow), RetryClass::slow, std::stoi(slow));
  }
  for (const char* soon : {"100200500", "12345"}) {
    expect_refusal(refused(soon), RetryClass::backoff, std::stoi(soon));
  }
}

TEST(Kuaishou, EndsNoTokenByAnother) {
  EXPECT_EQ(kind().rule.shape, RenewalRule::Shape::independent);
  EXPECT_EQ(kind().rule.longest_life, seconds(172800));
  EXPECT_TRUE(kind().trial.has_value());
  EXPECT_FALSE(kind().probe.has_value());
}

TEST(Kuaishou, IsServedInItsPlace) {
  const DropInRoute& route = *kind().drop_in;
  EXPECT_THAT(route.methods, ElementsAre("POST"));
  EXPECT_EQ(route.path, "/oauth2/access_token");
  EXPECT_EQ(route.parameters, DropInRoute::Parameters::anywhere);
  EXPECT_EQ(route.id, "app_id");
  EXPECT_EQ(route.secret, "app_secret");
  EXPECT_EQ(route.grant_type, "client_credentials");
  EXPECT_EQ(drop_in_success(kind(), "T", "60"),
            R"({"result":1,"access_token":"T","expires_in":60})");
  const DropInFailures& failures = described("kuaishou").drop_in_failures;
  EXPECT_EQ(failures.wrong_secret, "100200101");
  EXPECT_THAT(failures.never, ::testing::Contains("1")) << "that is a success";
}

}  // namespace
}  // namespace hufu::platform::testing
