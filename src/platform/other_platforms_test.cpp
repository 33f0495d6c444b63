#include <gtest/gtest.h>

#include "platform/description_testing.hpp"

// What the vocabulary of description.hpp can say that no platform which Hufu knows shows: it is
// described here, asked, and understood.

namespace hufu::platform::testing {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST(OtherPlatforms, AnAuthorizedAccountRenewsItsPermissionWithItsToken) {
  KindDescription authorizer;
  authorizer.rule.longest_life = hours(2);
  authorizer.needs = {{Need::Of::parent, "component_access_token"}};
  authorizer.issue = {.method = "POST",
                      .path = "/cgi-bin/component/api_authorizer_token",
                      .query = {{"component_access_token", needed(0)}},
                      .body = {{"component_appid", parent()},
                               {"authorizer_appid", app()},
                               {"authorizer_refresh_token", refresh_token()}}};
  authorizer.answer = {.token = "authorizer_access_token",
                       .refresh_token = "authorizer_refresh_token"};

  IssueRequest request = asked();
  request.parent = "component";
  request.refresh_token = Secret(std::string_view("r1"));
  const net::HttpRequest built = build_request(authorizer.issue, "https://host", request);
  EXPECT_EQ(built.url.reveal(),
            "https://host/cgi-bin/component/api_authorizer_token?component_access_token=n0");
  EXPECT_EQ(built.body.reveal(), R"({"component_appid":"component","authorizer_appid":"id",)"
                                 R"("authorizer_refresh_token":"r1"})");
  auto outcome = answered(authorizer, 200,
                          R"({"authorizer_access_token":"T","expires_in":7200,)"
                          R"("authorizer_refresh_token":"r2"})");
  expect_token(outcome, "T", seconds(7200));
  EXPECT_EQ(outcome->refresh_token.reveal(), "r2");
}

}  // namespace
}  // namespace hufu::platform::testing
