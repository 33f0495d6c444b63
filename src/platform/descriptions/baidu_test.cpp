#include "platform/description_testing.hpp"

namespace hufu::platform::testing {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::ElementsAre;

const KindDescription& kind() { return kind_of("baidu", "access_token"); }

TEST(Baidu, AsksInTheQueryOfAPost) {
  EXPECT_EQ(request_of(kind().issue),
            "POST https://host/oauth/2.0/token?grant_type=client_credentials&client_id=id"
            "&client_secret=s\n");
}

TEST(Baidu, GivesATokenForThirtyDays) {
  expect_token(answered(kind(), 200,
                        R"({"refresh_token":"25.r","expires_in":2592000,"scope":"public",)"
                        R"("session_key":"k","access_token":"24.t","session_secret":"x"})"),
               "24.t", hours(30 * 24));
  expect_token(answered(kind(), 200, R"({"access_token":"24.t","expires_in":2592001})"), "24.t",
               hours(30 * 24));
  expect_lost(answered(kind(), 200, R"({"access_token":"24.t"})"));
  expect_lost(answered(kind(), 200, R"({"access_token":"24.t","expires_in":0})"));
}

TEST(Baidu, GivesEachRefusalARetryClass) {
  for (const int status : {200, 400, 401}) {
    for (const char* description : {"unknown client id", "Client authentication failed"}) {
      expect_refusal(answered(kind(), status,
                              R"({"error":"invalid_client","error_description":")" +
                                  std::string(description) + "\"}"),
                     RetryClass::slow, std::nullopt, description);
    }
    for (const char* slow :
         {"invalid_request", "invalid_scope", "unauthorized_client", "unsupported_grant_type"}) {
      expect_refusal(answered(kind(), status, R"({"error":")" + std::string(slow) + "\"}"),
                     RetryClass::slow, std::nullopt);
    }
    expect_refusal(answered(kind(), status, R"({"error":"unheard_of"})"), RetryClass::backoff,
                   std::nullopt);
  }
}

TEST(Baidu, EndsNoTokenByAnother) {
  EXPECT_EQ(kind().rule.shape, RenewalRule::Shape::independent);
  EXPECT_EQ(kind().rule.longest_life, seconds(2592000));
  EXPECT_TRUE(kind().trial.has_value());
  EXPECT_FALSE(kind().probe.has_value());
}

// Without the scope, the platform's own clients sign their calls instead of using the token; the
// refresh token and the session never leave.
TEST(Baidu, IsServedInItsPlace) {
  const DropInRoute& route = *kind().drop_in;
  EXPECT_THAT(route.methods, ElementsAre("GET", "POST"));
  EXPECT_EQ(route.path, "/oauth/2.0/token");
  EXPECT_EQ(route.id, "client_id");
  EXPECT_EQ(route.secret, "client_secret");
  EXPECT_EQ(route.grant_type, "client_credentials");
  EXPECT_EQ(drop_in_success(kind(), "24.t", "60"),
            R"({"refresh_token":"","expires_in":60,"session_key":"","access_token":"24.t",)"
            R"("scope":"public brain_all_scope","session_secret":""})");
  const DropInFailures& failures = described("baidu").drop_in_failures;
  EXPECT_EQ(failures.wrong_secret, "invalid_client");
  EXPECT_EQ(failures.status, 400);
}

}  // namespace
}  // namespace hufu::platform::testing
