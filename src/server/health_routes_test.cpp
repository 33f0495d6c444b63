#include "server/health_routes.hpp"

#include <gtest/gtest.h>

#include "server/route_fixture_testing.hpp"

namespace hufu::server {
namespace {

using testing::Answered;
using testing::RouteFixture;

Answered ready(const keeper::Health& health) {
  RouteFixture fixture;
  fixture.keeper.healthy = health;
  return fixture.ask({"GET", "/readyz"});
}

TEST(Healthz, IsWellWhateverElseIsNot) {
  RouteFixture fixture;
  fixture.keeper.healthy = {false, false, 5, 0, {}};
  EXPECT_EQ(fixture.ask({"GET", "/healthz"}).status, 200);
}

TEST(Readyz, IsReadyWithOneUsableTokenAndNamesTheRest) {
  Answered answer = ready({true, true, 3, 1, {"wx1", "wx2"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"ready":true,"apps":3,"usable":1,"without_token":["wx1","wx2"],)"
                         R"("without_token_total":2})");
}

TEST(Readyz, IsNotWhileStarting) {
  Answered answer = ready({false, true, 0, 0, {}});
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.at("reason"), "\"starting\"");
}

TEST(Readyz, IsNotWhenTheStoreIsOutAndStillNamesWhoHasNoToken) {
  Answered answer = ready({true, false, 2, 1, {"wx1"}});
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.at("reason"), "\"the store cannot be used\"");
  EXPECT_EQ(answer.at("without_token"), R"(["wx1"])");
}

TEST(Readyz, IsNotWhenNotOneAppHasAUsableToken) {
  Answered answer = ready({true, true, 2, 0, {"wx1", "wx2"}});
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.at("without_token"), R"(["wx1","wx2"])");
}

TEST(Readyz, IsReadyForItsFirstApp) { EXPECT_EQ(ready({true, true, 0, 0, {}}).status, 200); }

}  // namespace
}  // namespace hufu::server
