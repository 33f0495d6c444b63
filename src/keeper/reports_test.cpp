#include <gtest/gtest.h>

#include "keeper/keeper_impl.hpp"
#include "keeper/keeper_testing.hpp"

// A report is answered with a token that may be handed out, or with why there is none.

namespace hufu::keeper {
namespace {

using std::chrono::seconds;
using testing::FakePlatform;
using testing::Node;
using testing::TestCluster;
using Fate = FakePlatform::Fate;

TEST(Reports, ADeadTokenWhoseRenewalWasThrottledWasHandedOutWithoutASecondToLive) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  for (int i = 0; i < 3; ++i) {
    cluster.platform->revoke(cluster.platform->newest());
    node.report(cluster.platform->newest());
  }
  cluster.platform->revoke(cluster.platform->newest());
  for (int again = 0; again < 3; ++again) {
    auto told = node.report(cluster.platform->newest());
    ASSERT_TRUE(told.ready());
    ASSERT_FALSE(told->has_value()) << "it is dead";
    EXPECT_EQ(told->error().fault, Fault::throttled);
    EXPECT_FALSE(told->error().next_step.empty());
    EXPECT_GE(told->error().retry_after, seconds(1));
    EXPECT_LE(told->error().retry_after, seconds(30));
  }
  EXPECT_EQ(cluster.platform->calls.size(), 4U);
}

TEST(Reports, AnExpiredTokenThatNobodyCouldBeAskedAboutWasHandedOut) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  cluster.platform->usual = Fate::no_connection;
  cluster.platform->reachable = false;
  node.pass(seconds(7300), seconds(10));
  auto told = node.report("token-1");
  ASSERT_TRUE(told.ready());
  ASSERT_FALSE(told->has_value()) << "its end has come";
  EXPECT_EQ(told->error().fault, Fault::unreachable);
  EXPECT_GE(told->error().retry_after, seconds(1));
}

TEST(Reports, AnExpiredTokenIsAnsweredWithItsSuccessorAsSoonAsThereCanBeOne) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  cluster.platform->usual = Fate::no_connection;
  cluster.platform->reachable = false;
  node.pass(seconds(7300), seconds(10));
  cluster.platform->usual = Fate::answer;
  std::optional<Node::Pending<Result<Report>>> told;
  for (int i = 0; i < 60 && !(told && (*told)->has_value()); ++i) {
    node.pass(seconds(1));
    told = node.report("token-1");
    ASSERT_TRUE(told->ready());
  }
  ASSERT_TRUE((*told)->has_value());
  EXPECT_EQ((*told)->value().grant.token.reveal(), "token-2");
  EXPECT_GT((*told)->value().grant.expires_in, seconds(0));
}

TEST(Reports, EveryKindOfAnAppWasProbedTenTimesAMinute) {
  TestCluster cluster;
  auto tickets =
      std::make_shared<FakePlatform>(cluster.clock, TestCluster::sticky(), "fake/ticket");
  cluster.kinds.emplace("ticket", tickets);
  Node node(cluster);
  node.start();
  node.token();
  const Key ticket{"wx1", "ticket"};
  node.keeper->get(ticket, Wish{}, [](const Result<Grant>&) {});
  node.run();
  for (int i = 0; i < 59; ++i) {
    EXPECT_EQ(node.report("token-1")->value().outcome, ReportOutcome::alive);
    std::optional<Result<Report>> told;
    node.keeper->report(ticket, Secret(std::string_view("token-1")),
                        [&](Result<Report> report) { told = std::move(report); });
    node.run();
    ASSERT_TRUE(told && told->has_value());
    EXPECT_EQ((*told)->outcome, ReportOutcome::alive);
    node.pass(seconds(1));
  }
  EXPECT_EQ(cluster.platform->probes + tickets->probes, 10) << "a verdict holds ten seconds";
}

}  // namespace
}  // namespace hufu::keeper
