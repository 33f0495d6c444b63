#include <gtest/gtest.h>

#include "keeper/keeper_testing.hpp"

/// The token that a program before Hufu left in the database, as the keeper meets it.
namespace hufu::keeper {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::Node;
using testing::TestCluster;

/// Finds what `left` says now.
FindImported finds(const Result<std::optional<ImportedToken>>& left) {
  return [&left](const Key&, Done<Result<std::optional<ImportedToken>>> done) {
    if (!left) return done(tl::unexpected(left.error()));
    if (!*left) return done(std::optional<ImportedToken>());
    const ImportedToken& token = **left;
    done(ImportedToken{token.value.clone(), token.promised_until, token.written_at});
  };
}

class Import : public ::testing::Test {
 protected:
  Import() { cluster_.find_imported = finds(left_); }

  void leave(Milliseconds lasts) {
    left_ = ImportedToken{Secret(std::string_view("left")), cluster_.clock.wall() + lasts,
                          cluster_.clock.wall() - minutes(10)};
  }

  Result<std::optional<ImportedToken>> left_ = std::optional<ImportedToken>();
  TestCluster cluster_;
};

TEST_F(Import, OfATokenThatLastsNeedsNoCall) {
  leave(minutes(90));
  Node node(cluster_);
  node.start();
  EXPECT_EQ(node.token(), "left");
  EXPECT_TRUE(cluster_.platform->calls.empty());
}

TEST_F(Import, OfNothingIsAnOrdinaryFirstFetch) {
  Node node(cluster_);
  node.start();
  EXPECT_EQ(node.token(), "token-1");
}

TEST_F(Import, DoesNotCallThePlatformWhileNobodyCanSayWhatWasLeft) {
  left_ = hufu::fail(Fault::store, "the database does not answer", "look at it");
  Node node(cluster_);
  node.start();
  EXPECT_EQ(node.token(), "");
  EXPECT_EQ(node.error.fault, Fault::store);
  node.pass(seconds(30));
  EXPECT_TRUE(cluster_.platform->calls.empty());

  leave(minutes(90));
  node.pass(minutes(1));
  EXPECT_EQ(node.token(), "left");
  EXPECT_TRUE(cluster_.platform->calls.empty());
}

TEST_F(Import, IsPassedOverWhenAnOperatorWantsANewToken) {
  left_ = hufu::fail(Fault::store, "the database does not answer", "look at it");
  Node node(cluster_);
  node.start();
  node.refresh();
  EXPECT_EQ(node.token(), "token-1");
}

}  // namespace
}  // namespace hufu::keeper
