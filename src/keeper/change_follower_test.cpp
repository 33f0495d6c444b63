#include <gtest/gtest.h>

#include "keeper/keeper_impl.hpp"
#include "keeper/keeper_testing.hpp"

// A store that has lost what was in it, under a running node.

namespace hufu::keeper {
namespace {

using std::chrono::seconds;
using testing::Node;
using testing::TestCluster;

class LostStore : public ::testing::Test {
 protected:
  LostStore() {
    cluster.note_key_again = [this](Done<Result<bool>> done) {
      ++notes;
      acquisitions_before = node != nullptr ? node->store->acquisitions : 0;
      node->store->forgetful = refused;  // It says so until everything was read.
      if (refused) return done(hufu::fail(Fault::config, "sealed with another key"));
      done(true);
    };
  }
  /// Everything that the store holds of the app, and the feed with it.
  void lose(const std::string& id) {
    cluster.store->put_app(row_of(id), [](const Result<void>&) {});
    cluster.store->remove_app(id, [](const Result<bool>&) {});
    node->store->forgetful = true;
  }
  static store::AppRow row_of(const std::string& id) {
    store::AppRow row;
    row.id = id;
    row.platform = "fake";
    row.settings["endpoint"] = "e";
    row.credentials.emplace(kSecret, Secret(std::string_view("x")));
    return row;
  }
  [[nodiscard]] std::string stored_token() const {
    std::string token;
    cluster.store->load(Key{"wx1"}, [&](const Result<Record>& record) {
      if (record && record->token) token = record->token->value.reveal();
    });
    return token;
  }

  TestCluster cluster;
  Node* node = nullptr;
  int notes = 0;
  int acquisitions_before = 0;
  bool refused = false;
};

TEST_F(LostStore, IsToldWhichKeySealsItBeforeATokenIsWrittenBack) {
  Node running(cluster);
  node = &running;
  running.start();
  running.token();
  EXPECT_EQ(notes, 0) << "a start has noted it already";
  const int acquisitions = running.store->acquisitions;
  lose("wx1");
  ASSERT_EQ(stored_token(), "");
  running.pass(seconds(1));
  EXPECT_EQ(notes, 1);
  EXPECT_EQ(acquisitions_before, acquisitions) << "the key first";
  EXPECT_EQ(stored_token(), "token-1");
  EXPECT_EQ(running.losses, (std::vector<std::pair<std::size_t, std::size_t>>{{0, 1}}));
}

TEST_F(LostStore, LosesItsAppsWithAWarning) {
  cluster.store->put_app(row_of("wx9"), [](const Result<void>&) {});
  Node running(cluster);
  node = &running;
  running.start();
  running.pass(seconds(1));
  ASSERT_TRUE(running.keeper->knows("wx9"));
  lose("wx9");
  running.pass(seconds(1));
  EXPECT_FALSE(running.keeper->knows("wx9"));
  EXPECT_EQ(running.losses, (std::vector<std::pair<std::size_t, std::size_t>>{{1, 0}}));
}

TEST_F(LostStore, IsLeftAloneWhereAnotherKeyHasComeFirst) {
  Node running(cluster);
  node = &running;
  running.start();
  running.token();
  refused = true;
  lose("wx1");
  running.pass(seconds(1));
  EXPECT_EQ(stored_token(), "") << "nobody there could open it";
  EXPECT_FALSE(running.keeper->health().store_ok);
  EXPECT_EQ(running.token(), "token-1") << "from memory";
  EXPECT_TRUE(running.losses.empty());
}

}  // namespace
}  // namespace hufu::keeper
