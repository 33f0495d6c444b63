#include <gtest/gtest.h>

#include "keeper/keeper_impl.hpp"
#include "keeper/keeper_testing.hpp"

// Kinds beside the main one: fetched when they are first asked for, kept as long as somebody asks,
// made with a token of another kind.

namespace hufu::keeper {
namespace {

using std::chrono::seconds;
using testing::FakePlatform;
using testing::Node;
using testing::TestCluster;
using Fate = FakePlatform::Fate;

constexpr const char* kTicket = "ticket";

/// A cluster whose platform also has tickets: sticky, made with the access token.
class WithTickets : public ::testing::Test {
 protected:
  WithTickets()
      : tickets(
            std::make_shared<FakePlatform>(cluster.clock, TestCluster::sticky(), "fake/ticket")) {
    tickets->needed = {{Need::Of::self, std::string(kAccessToken)}};
    tickets->probed = false;
    cluster.kinds.emplace(kTicket, tickets);
  }

  static Node::Pending<Result<Grant>> ask_for_ticket(Node& node) {
    Node::Pending<Result<Grant>> pending;
    node.keeper->get(Key{"wx1", kTicket}, Wish{},
                     [slot = pending.slot](Result<Grant> r) { *slot = std::move(r); });
    node.run();
    return pending;
  }
  std::string ticket(Node& node) {
    auto pending = ask_for_ticket(node);
    if (!pending.ready()) return "(waiting)";
    if (!*pending) {
      error = pending->error();
      return "";
    }
    return std::string(pending->value().token.reveal());
  }

  static std::vector<AppConfig> keeping() {
    auto apps = Node::default_apps();
    apps[0].keep = {kTicket};
    return apps;
  }

  TestCluster cluster;
  std::shared_ptr<FakePlatform> tickets;
  Error error;
};

TEST_F(WithTickets, ATicketIsFetchedWhenItIsFirstAskedForWithTheTokenOfItsApp) {
  Node node(cluster);
  node.start();
  node.pass(seconds(60), seconds(1));
  EXPECT_EQ(tickets->calls.size(), 0U) << "nobody has asked for one";
  EXPECT_EQ(ticket(node), "token-1");
  EXPECT_EQ(tickets->needed_tokens, std::vector<std::string>{"token-1"});
  EXPECT_EQ(ticket(node), "token-1");
  EXPECT_EQ(tickets->calls.size(), 1U);
}

TEST_F(WithTickets, AnAccessTokenThatIsMissingIsFetchedFirst) {
  Node node(cluster);
  node.start();
  EXPECT_EQ(ticket(node), "token-1");
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
}

TEST_F(WithTickets, ATicketThatNobodyAsksForLapses) {
  Node node(cluster);
  node.start();
  ticket(node);
  node.pass(seconds(4 * 7200), seconds(30));
  EXPECT_EQ(tickets->calls.size(), 2U) << "the first, and one for who asked within the first life";
  EXPECT_FALSE(ticket(node).empty());
  EXPECT_EQ(tickets->calls.size(), 3U);
}

TEST_F(WithTickets, ATicketThatIsAskedForIsRenewedAtItsEnd) {
  Node node(cluster);
  node.start();
  ticket(node);
  for (int i = 0; i < 4 * 7200; i += 600) {
    EXPECT_FALSE(ticket(node).empty()) << i;
    node.pass(seconds(600), seconds(30));
  }
  EXPECT_GE(tickets->calls.size(), 4U);
  EXPECT_LE(tickets->calls.size(), 5U);
}

TEST_F(WithTickets, ATicketThatAnAppKeepsIsThereBeforeAnybodyAsks) {
  Node node(cluster, true, keeping());
  node.start();
  node.pass(seconds(5), seconds(1));
  EXPECT_EQ(tickets->calls.size(), 1U);
  node.pass(seconds(3 * 7200), seconds(30));
  EXPECT_EQ(tickets->calls.size(), 4U);
}

TEST_F(WithTickets, ATicketIsPromisedDownToItsEnd) {
  Node node(cluster);
  node.start();
  ticket(node);
  node.pass(seconds(7190), seconds(10));
  auto pending = ask_for_ticket(node);
  ASSERT_TRUE(pending.ready());
  EXPECT_EQ(pending->value().expires_in, seconds(10));
}

TEST_F(WithTickets, ADeadAccessTokenIsReportedOnceAndTheTicketMadeWithItsSuccessor) {
  Node node(cluster);
  node.start();
  node.token();
  cluster.platform->revoke("token-1");
  tickets->fates = {Fate::needed_token_is_dead};
  EXPECT_EQ(ticket(node), "token-1");
  EXPECT_EQ(tickets->needed_tokens, (std::vector<std::string>{"token-1", "token-2"}));
  EXPECT_EQ(cluster.platform->calls.size(), 2U);
}

TEST_F(WithTickets, APlatformThatCallsALivingAccessTokenDeadIsNoStorm) {
  Node node(cluster, true, keeping());
  node.start();
  node.token();
  tickets->usual = Fate::needed_token_is_dead;
  node.pass(seconds(600), seconds(1));
  EXPECT_EQ(cluster.platform->calls.size(), 1U) << "the access token lives: nothing is renewed";
  EXPECT_LE(tickets->calls.size(), 25U) << "1 s, 2 s, 4 s … 60 s apart, less what chance takes";
  EXPECT_GE(tickets->calls.size(), 8U);
  EXPECT_EQ(node.token(), "token-1");
}

TEST_F(WithTickets, OneThatIsFirstAskedForWhileItsAccessTokenIsInBackoffIsRefusedAtOnce) {
  cluster.platform->usual = Fate::refuse_for_good;
  Node node(cluster);
  node.start();
  EXPECT_EQ(node.token(), "");
  // Nothing in such a renewal waits: it is over before whoever started it goes on.
  EXPECT_EQ(ticket(node), "");
  EXPECT_EQ(error.errcode, 40164);
  EXPECT_EQ(ticket(node), "");
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
}

TEST_F(WithTickets, OneThatSomebodyAskedForIsRenewedThoughTheFirstAttemptFails) {
  Node node(cluster);
  node.start();
  ticket(node);
  node.pass(seconds(7000), seconds(10));
  ticket(node);
  tickets->fates = {Fate::refuse};
  node.pass(seconds(230), seconds(1));
  EXPECT_EQ(tickets->calls.size(), 3U);
  EXPECT_EQ(tickets->newest(), "token-2");
}

TEST_F(WithTickets, OneThatThePlatformHandsOutPastItsEndByOurCountIsAskedForAgain) {
  tickets->later = Milliseconds(600);  // A life of the platform's begins when the call has come.
  Node node(cluster);
  node.start();
  ticket(node);
  node.pass(seconds(7200), seconds(10));
  auto pending = ask_for_ticket(node);
  EXPECT_FALSE(pending.ready()) << "whoever asks just then waits";
  node.pass(seconds(1));
  ASSERT_TRUE(pending.ready());
  ASSERT_TRUE(*pending);
  EXPECT_EQ(pending->value().token.reveal(), "token-2");
}

TEST_F(WithTickets, AReportThatMeetsADeadAccessTokenCountsAsOne) {
  Node node(cluster);
  node.start();
  ticket(node);
  cluster.platform->revoke("token-1");
  tickets->fates = {Fate::needed_token_is_dead};
  node.keeper->report(Key{"wx1", kTicket}, Secret(std::string_view("token-1")),
                      [](const Result<Report>&) {});
  node.pass(seconds(1));
  ASSERT_EQ(tickets->calls.size(), 3U);
  std::optional<Record> stored;
  cluster.store->load(Key{"wx1", kTicket},
                      [&](Result<Record> record) { stored = std::move(*record); });
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->budget.report_count, 1);
}

TEST_F(WithTickets, AnAppWhoseAccessTokenIsRefusedHasTicketsThatWaitWithoutTroubleOfTheirOwn) {
  cluster.platform->usual = Fate::refuse;
  Node node(cluster, true, keeping());
  node.start();
  node.pass(seconds(120), seconds(1));
  EXPECT_EQ(tickets->calls.size(), 0U);
  EXPECT_EQ(ticket(node), "");
  EXPECT_EQ(error.errcode, 40164) << "what is wrong is the access token's";
  std::optional<Result<Record>> stored;
  cluster.store->load(Key{"wx1", kTicket},
                      [&](Result<Record> record) { stored = std::move(record); });
  ASSERT_TRUE(stored && stored->has_value());
  EXPECT_FALSE((*stored)->failure);
  cluster.platform->usual = Fate::answer;
  while (node.token().empty()) node.pass(seconds(1), seconds(1));
  node.pass(seconds(1));
  EXPECT_EQ(tickets->calls.size(), 1U) << "within a second of the renewal";
}

TEST_F(WithTickets, TheOwnerOfAnAccessTokenIsKnownAsLongAsItMayStillBeHeld) {
  Node node(cluster);
  node.start();
  node.token();
  const auto owner = [&](std::string_view token) {
    std::string found;
    node.keeper->owner_of(token, [&](std::string_view app, std::string_view kind) {
      found = std::string(app) + " " + std::string(kind);
    });
    return found;
  };
  EXPECT_EQ(owner("token-1"), "wx1 access_token");
  EXPECT_EQ(owner("token-9"), "");
  node.pass(seconds(301), seconds(1));
  node.refresh();
  EXPECT_EQ(owner("token-2"), "wx1 access_token");
  EXPECT_EQ(owner("token-1"), "wx1 access_token") << "it was promised for longer";
  node.pass(seconds(7200), seconds(60));
  EXPECT_EQ(owner("token-1"), "");
}

// ---- two issuers of one kind

TEST(ChangedEndpoint, LeavesAFreshTokenAloneUntilItsPlannedRenewal) {
  TestCluster cluster;
  auto other =
      std::make_shared<FakePlatform>(cluster.clock, TestCluster::windowed(), "fake/o/access_token");
  cluster.endpoints.emplace("o", other);
  Node a(cluster);
  a.start();
  a.token();
  auto apps = Node::default_apps();
  apps[0].settings["endpoint"] = "o";
  Node b(cluster, true, std::move(apps));
  b.start();
  for (int i = 0; i < 60; ++i) {
    a.pass(seconds(1), seconds(1));
    b.run();
  }
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
  EXPECT_EQ(other->calls.size(), 0U) << "a token that its record calls fresh is left alone";
  EXPECT_EQ(b.ask()->value().token.reveal(), "token-1");
  EXPECT_LE(b.ask()->value().expires_in, seconds(5772 - 60))
      << "promised by the issuer that made it, not by the reader's";
  // Somebody renews at the plan; the other one takes that.
  for (int i = 0; i < 6000; i += 5) {
    cluster.clock.advance(seconds(5));
    b.run();
    a.run();
  }
  EXPECT_EQ(cluster.platform->calls.size() + other->calls.size(), 2U);
}

TEST(ChangedEndpoint, TakesEffectAtOnceByARefreshAndDisplacesNothing) {
  TestCluster cluster;
  auto other =
      std::make_shared<FakePlatform>(cluster.clock, TestCluster::windowed(), "fake/o/access_token");
  cluster.endpoints.emplace("o", other);
  Node node(cluster);
  node.start();
  node.token();
  auto apps = Node::default_apps();
  apps[0].settings["endpoint"] = "o";
  node.keeper->set_config_apps(std::move(apps), [](const Result<void>&) {});
  node.run();
  EXPECT_EQ(other->calls.size(), 0U);
  EXPECT_TRUE(*node.refresh());
  ASSERT_EQ(other->calls.size(), 1U);
  EXPECT_FALSE(other->calls[0].force);
  EXPECT_TRUE(cluster.platform->alive("token-1"));
}

// ---- what is learnt of a secret

void replace_secret(Node& node, std::string_view secret) {
  auto apps = Node::default_apps();
  apps[0].credentials.insert_or_assign(std::string(kSecret), Secret(secret));
  node.keeper->set_config_apps(std::move(apps), [](const Result<void>&) {});
}

TEST(ReplacedSecret, IsTriedWithinAMinuteAndItsRefusalShownWhileTheTokenIsHandedOut) {
  TestCluster cluster;
  cluster.platform->tries_credentials = true;
  cluster.platform->wrong_secret = "mistyped";
  Node node(cluster);
  node.start();
  node.token();
  replace_secret(node, "mistyped");
  node.pass(seconds(60), seconds(1));
  EXPECT_EQ(cluster.platform->trials, 1);
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
  EXPECT_EQ(node.token(), "token-1");
  StatusPage page;
  node.keeper->status({}, [&](Result<StatusPage> r) { page = std::move(*r); });
  node.run();
  ASSERT_TRUE(page.tokens.at(0).failure);
  EXPECT_EQ(page.tokens[0].failure->error.message, "the secret is wrong");
  EXPECT_EQ(page.counts.failing, 1U);
  EXPECT_EQ(page.counts.fresh, 1U);
}

/// The apps whose tokens could not be renewed.
std::size_t failing_apps(Node& node) {
  AppQuery query;
  query.state = StateFilter::failing;
  return node.keeper->apps(query).apps.size();
}

TEST(ReplacedSecret, IsShownAsRefusedUntilAnotherOneIsTakenWhateverTheStoreSays) {
  TestCluster cluster;
  cluster.platform->tries_credentials = true;
  cluster.platform->wrong_secret = "mistyped";
  Node node(cluster);
  node.start();
  node.token();
  replace_secret(node, "mistyped");
  node.pass(seconds(60), seconds(1));
  node.store->forgetful = true;  // Everything is read again.
  node.pass(seconds(1));
  EXPECT_EQ(failing_apps(node), 1U);

  node.keeper->set_config_apps(Node::default_apps(), [](const Result<void>&) {});
  node.pass(seconds(60), seconds(1));
  EXPECT_EQ(cluster.platform->trials, 2);
  EXPECT_EQ(failing_apps(node), 0U);
}

TEST(ReplacedSecret, EndsTheFailureOfTheOneBeforeInTheListOfFailingApps) {
  TestCluster cluster;
  cluster.platform->usual = Fate::refuse_for_good;
  Node node(cluster);
  node.start();
  node.token();
  EXPECT_EQ(failing_apps(node), 1U);
  cluster.platform->usual = Fate::answer;
  replace_secret(node, "another");
  node.pass(seconds(1));
  EXPECT_EQ(node.token(), "token-1");
  EXPECT_EQ(failing_apps(node), 0U);
}

TEST(ReplacedSecret, IsTheOneThatARenewalUsesWhichWaitedForALease) {
  TestCluster cluster;
  cluster.platform->fates = {Fate::hold};
  Node holder(cluster, false);
  Node waiting(cluster, false);
  holder.start();
  waiting.start();
  holder.ask();
  auto answer = waiting.ask();
  waiting.pass(seconds(1));
  replace_secret(waiting, "another");
  waiting.pass(seconds(60));
  ASSERT_TRUE(answer.ready());
  EXPECT_EQ(cluster.platform->secrets, (std::vector<std::string>{"not-a-secret", "another"}));
}

// ---- asking again is a hint

Node::Pending<Result<Grant>> recheck(Node& node) {
  Node::Pending<Result<Grant>> pending;
  node.keeper->recheck(Key{"wx1", {}}, seconds(1),
                       [slot = pending.slot](Result<Grant> r) { *slot = std::move(r); });
  node.run();
  return pending;
}

TEST(Hint, OfADeadTokenRenewsItBeforeTheAnswer) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  cluster.platform->revoke("token-1");
  EXPECT_EQ(recheck(node)->value().token.reveal(), "token-2");
  EXPECT_EQ(cluster.platform->calls.size(), 2U);
}

TEST(Hint, OfALivingTokenCostsAProbeAMinuteAtMostAndThenFewer) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  for (int i = 0; i < 3600; i += 5) {
    EXPECT_EQ(recheck(node)->value().token.reveal(), "token-1") << i;
    node.pass(seconds(5), seconds(5));
  }
  EXPECT_EQ(cluster.platform->calls.size(), 1U);
  EXPECT_GE(cluster.platform->probes, 5);
  EXPECT_LE(cluster.platform->probes, 9) << "after 1, 2, 4, 8 and then every 10 minutes";
}

TEST(Hint, IsAnsweredAfterASecondWhereThePlatformHangs) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  node.token();
  cluster.platform->hold_probes = true;
  auto answer = recheck(node);
  EXPECT_FALSE(answer.ready());
  node.pass(seconds(1));
  ASSERT_TRUE(answer.ready());
  EXPECT_EQ(answer->value().token.reveal(), "token-1");
}

// ---- a platform that hangs

TEST(Isolation, APlatformThatHangsHoldsUpNoRenewalOfAnother) {
  TestCluster cluster;
  auto hanging =
      std::make_shared<FakePlatform>(cluster.clock, TestCluster::rotating(), "hang/e/access_token");
  hanging->usual = Fate::hold;
  cluster.platforms.emplace("hang", hanging);
  auto apps = Node::default_apps();
  for (int i = 0; i < 2000; ++i) {
    apps.push_back(testing::fake_app("hang" + std::to_string(i), "x"));
    apps.back().platform = "hang";
  }
  Node node(cluster, true, std::move(apps));
  node.start();
  EXPECT_EQ(node.token(), "token-1") << "its first caller does not wait for theirs";
  node.pass(seconds(3 * 7200), seconds(10));
  EXPECT_GE(cluster.platform->calls.size(), 4U) << "renewed ahead as ever";
  EXPECT_LE(hanging->in_flight(), 256U);
  hanging->release_as(IssueFailure::Delivery::lost);
}

TEST(Status, SaysThatAnotherProgramFetchesTokensWhenTheyDieEarlyAgainAndAgain) {
  TestCluster cluster;
  Node node(cluster);
  node.start();
  for (int i = 1; i <= 3; ++i) {
    const std::string token = node.token();
    cluster.platform->revoke(token);
    EXPECT_EQ(node.report(token)->value().outcome, ReportOutcome::renewed) << i;
    node.pass(seconds(600), seconds(10));
  }
  StatusPage page;
  node.keeper->status({}, [&](Result<StatusPage> r) { page = std::move(*r); });
  node.run();
  EXPECT_NE(page.tokens.at(0).notice.find("another program fetches tokens for wx1: 3 tokens died"),
            std::string::npos)
      << page.tokens[0].notice;
}

TEST(AskingAgain, IsLookedIntoForSoManyAppsOfAPlatformAtOnceAndNoMore) {
  TestCluster cluster;
  cluster.platform->hold_probes = true;
  Node node(cluster, true, testing::fake_apps(200));
  node.start();
  node.pass(seconds(10));
  int answered = 0;
  for (int i = 0; i < 200; ++i) {
    node.keeper->recheck(Key{"wx" + std::to_string(i), {}}, seconds(1),
                         [&](const Result<Grant>& grant) { answered += grant ? 1 : 0; });
  }
  node.run();
  EXPECT_EQ(cluster.platform->probes, 64);
  EXPECT_EQ(answered, 200 - 64) << "the others are not kept waiting";
  node.pass(seconds(1));
  EXPECT_EQ(answered, 200);
}

}  // namespace
}  // namespace hufu::keeper
