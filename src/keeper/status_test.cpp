#include <gtest/gtest.h>

#include "keeper/keeper_impl.hpp"
#include "keeper/keeper_testing.hpp"

// What people are shown of many apps, and whether one is said to be usable.

namespace hufu::keeper {
namespace {

using std::chrono::seconds;
using testing::fake_app;
using testing::FakePlatform;
using testing::Node;
using testing::TestCluster;
using Fate = FakePlatform::Fate;

std::uint64_t counted(Node& node) {
  StatusPage page;
  node.keeper->status({}, [&](Result<StatusPage> shown) { page = std::move(*shown); });
  node.run();
  const TokenCounts& counts = page.counts;
  return counts.fresh + counts.stale + counts.unusable + counts.missing;
}

TEST(Status, CountedManyRowsAnewWithEveryAppOfAnImport) {
  TestCluster cluster;
  cluster.platform->usual = Fate::hold;
  Node node(cluster, true, testing::fake_apps(20'001));
  node.start();
  EXPECT_EQ(counted(node), 20'001U);
  node.keeper->put_app(fake_app("new", "x"), [](const Result<AppInfo>&) {});
  node.run();
  EXPECT_EQ(counted(node), 20'001U) << "counted a moment ago";
  node.pass(seconds(5), seconds(5));
  EXPECT_EQ(counted(node), 20'002U);
}

TEST(Status, OfAFewRowsIsAlwaysCountedAnew) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  EXPECT_EQ(counted(node), 1U);
  node.keeper->put_app(fake_app("new", "x"), [](const Result<AppInfo>&) {});
  node.run();
  EXPECT_EQ(counted(node), 2U);
}

// As /metrics asks where there are too many apps for a line each.
TEST(Status, EndedTheProcessWhenAskedForTheCountsAlone) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  StatusQuery query;
  query.limit = 0;
  StatusPage page;
  node.keeper->status(query, [&](Result<StatusPage> shown) { page = std::move(*shown); });
  node.run();
  EXPECT_EQ(page.counts.missing + page.counts.fresh, 1U);
  EXPECT_TRUE(page.tokens.empty());
  EXPECT_EQ(page.next, "");
}

// `hufu status` on a store of a million apps: a thousand pages.
TEST(Status, OfACommandReadTheWholeStoreForEachPage) {
  TestCluster cluster;
  Node node(cluster, false, testing::fake_apps(5));
  node.start();
  StatusQuery query;
  query.limit = 2;
  std::size_t shown = 0;
  do {
    StatusPage page;
    node.keeper->status(query, [&](Result<StatusPage> next) { page = std::move(*next); });
    node.run();
    shown += page.tokens.size();
    query.after = page.next;
  } while (!query.after.empty());
  EXPECT_EQ(shown, 5U);
  EXPECT_EQ(node.store->scans, 1);
}

TEST(Health, SaidThatNoAppIsUsableWhileASuspectTokenWasHandedOut) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.pass(seconds(5480), seconds(1));
  cluster.platform->fates = {Fate::lose_answer};
  cluster.platform->usual = Fate::no_connection;
  cluster.platform->reachable = false;
  bool suspect = false;
  for (int i = 0; i < 1400; i += 5) {
    node.pass(seconds(5), seconds(1));
    auto asked = node.ask();
    ASSERT_TRUE(asked.ready() && asked->has_value()) << i;
    suspect = suspect || asked->value().suspect;
    node.pass(seconds(1));
    EXPECT_EQ(node.keeper->health().usable, 1U) << i;
    EXPECT_TRUE(node.keeper->health().without.empty()) << i;
  }
  EXPECT_TRUE(suspect);
  node.pass(seconds(60), seconds(1));
  EXPECT_EQ(node.keeper->health().usable, 0U) << "its end has come";
  EXPECT_EQ(node.keeper->health().without, std::vector<std::string>{"wx1"});
}

}  // namespace
}  // namespace hufu::keeper
