#include "platform/description_testing.hpp"

namespace hufu::platform::testing {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

const KindDescription& kind() { return kind_of("wecom_provider", "provider_access_token"); }

IssueOutcome refused(const std::string& code) {
  return answered(kind(), 200, R"({"errcode":)" + code + R"(,"errmsg":"words"})");
}

TEST(WeComProvider, AsksByItsOwnCorporation) {
  EXPECT_EQ(request_of(kind().issue),
            "POST https://host/cgi-bin/service/get_provider_token\n"
            "Content-Type: application/json\n\n"
            R"({"corpid":"id","provider_secret":"s"})");
  EXPECT_EQ(main_kind(described("wecom_provider")), "provider_access_token");
}

TEST(WeComProvider, UnderstandsASuccessWithAndWithoutACode) {
  for (const char* body :
       {R"({"errcode":0,"errmsg":"ok","provider_access_token":"T","expires_in":7200})",
        R"({"provider_access_token":"T","expires_in":7200})"}) {
    expect_token(answered(kind(), 200, body), "T", seconds(7200));
  }
  expect_lost(answered(kind(), 200, R"({"errcode":0,"provider_access_token":"T"})"));
  expect_lost(answered(kind(), 200, R"({"provider_access_token":"T","expires_in":0})"));
}

TEST(WeComProvider, GivesEachRefusalARetryClass) {
  for (const char* slow : {"40013", "40091", "41002", "41004", "43002", "47001", "60020"}) {
    expect_refusal(refused(slow), RetryClass::slow, std::stoi(slow));
  }
  expect_refusal(refused("45009"), RetryClass::next_minute, 45009);
  for (const char* soon : {"-1", "45033"}) {
    expect_refusal(refused(soon), RetryClass::backoff, std::stoi(soon));
  }
  EXPECT_TRUE(refused("60020").error().this_node_only);
}

TEST(WeComProvider, NeverPassesOnCodesOfADeadToken) {
  expect_refusal(refused("40001"), RetryClass::slow, 40091, "the provider's secret is wrong");
  for (const char* code : {"40014", "40082", "42001"}) {
    expect_refusal(refused(code), RetryClass::backoff, -1);
  }
}

TEST(WeComProvider, KeepsItsTokenAndBelievesWhoReportsIt) {
  EXPECT_EQ(kind().rule.shape, RenewalRule::Shape::windowed);
  EXPECT_EQ(kind().rule.longest_life, seconds(7200));
  EXPECT_TRUE(kind().trial.has_value());
  EXPECT_FALSE(kind().probe.has_value());
  EXPECT_EQ(kind().place.name, "provider_access_token");
}

TEST(WeComProvider, IsServedInItsPlace) {
  const DropInRoute& route = *kind().drop_in;
  EXPECT_THAT(route.methods, ElementsAre("POST"));
  EXPECT_EQ(route.path, "/cgi-bin/service/get_provider_token");
  EXPECT_EQ(route.parameters, DropInRoute::Parameters::json);
  EXPECT_EQ(route.id, "corpid");
  EXPECT_EQ(route.secret, "provider_secret");
  EXPECT_EQ(drop_in_success(kind(), "T", "60"),
            R"({"errcode":0,"errmsg":"ok","provider_access_token":"T","expires_in":60})");
  EXPECT_EQ(described("wecom_provider").drop_in_failures.wrong_secret, "40091");
}

}  // namespace
}  // namespace hufu::platform::testing
