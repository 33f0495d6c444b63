#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "keeper/keeper_impl.hpp"
#include "keeper/keeper_testing.hpp"

// Apps of the store: what a change of one leaves behind.

namespace hufu::keeper {
namespace {

using testing::Node;
using testing::TestCluster;

/// A registry that reads at once, and answers in the order and at the time that the test chooses.
class SlowRegistry final : public store::Registry {
 public:
  explicit SlowRegistry(std::shared_ptr<store::MemoryStore> below) : below_(std::move(below)) {}

  bool slow = false;

  /// Answers the oldest question; false where there is none.
  bool answer_one() {
    if (held_.empty()) return false;
    const auto answer = std::move(held_.front());
    held_.pop_front();
    answer();
    return true;
  }

  void put_app(store::AppRow app, Done<Result<void>> done) override {
    below_->put_app(std::move(app), std::move(done));
  }
  void load_app(const std::string& id, Done<Result<std::optional<store::AppRow>>> done) override {
    if (!slow) return below_->load_app(id, std::move(done));
    below_->load_app(id, [this, done](Result<std::optional<store::AppRow>> read) {
      auto kept = std::make_shared<Result<std::optional<store::AppRow>>>(std::move(read));
      held_.emplace_back([kept, done] { done(std::move(*kept)); });
    });
  }
  void remove_app(const std::string& id, Done<Result<bool>> done) override {
    below_->remove_app(id, std::move(done));
  }
  void scan_apps(std::function<void(store::AppRow&&)> visit, Done<Result<void>> done) override {
    below_->scan_apps(std::move(visit), std::move(done));
  }
  void put_key(store::ApiKeyRow key, Done<Result<bool>> done) override {
    below_->put_key(std::move(key), std::move(done));
  }
  void revoke_key(const std::string& name, Done<Result<bool>> done) override {
    below_->revoke_key(name, std::move(done));
  }
  void list_keys(Done<Result<std::vector<store::ApiKeyRow>>> done) override {
    below_->list_keys(std::move(done));
  }

 private:
  std::shared_ptr<store::MemoryStore> below_;
  std::deque<std::function<void()>> held_;
};

AppConfig app_with(std::string_view credential, std::string_view value) {
  AppConfig app;
  app.id = "wx2";
  app.platform = "fake";
  app.settings["endpoint"] = "e";
  app.credentials.emplace(credential, Secret(value));
  return app;
}

class ChangesOfApps : public ::testing::Test {
 protected:
  ChangesOfApps() : registry(std::make_shared<SlowRegistry>(cluster.store)) {
    cluster.registry = registry;
  }

  Node::Pending<Result<AppInfo>> put(Node& node, AppConfig app) {
    Node::Pending<Result<AppInfo>> pending;
    node.keeper->put_app(std::move(app),
                         [slot = pending.slot](Result<AppInfo> info) { *slot = std::move(info); });
    node.run();
    return pending;
  }
  void answer_everything(Node& node) {
    while (registry->answer_one()) node.run();
  }
  [[nodiscard]] std::string stored(std::string_view name) const {
    std::string text;
    cluster.store->load_app("wx2", [&](const Result<std::optional<store::AppRow>>& app) {
      if (app && *app) text = credential((*app)->credentials, name).reveal();
    });
    return text;
  }

  TestCluster cluster;
  std::shared_ptr<SlowRegistry> registry;
};

TEST_F(ChangesOfApps, ASecretThatWasSavedWasTakenBackByAnotherChangeOfTheSameApp) {
  Node node(cluster);
  node.start();
  ASSERT_TRUE(put(node, app_with("secret", "S1"))->has_value());

  registry->slow = true;
  auto first = put(node, app_with("secret", "S2"));
  auto second = put(node, app_with("aes_key", "K1"));  // Without the secret: it stays.
  answer_everything(node);
  ASSERT_TRUE(first.ready() && second.ready());
  EXPECT_TRUE(first->has_value() && second->has_value());
  EXPECT_EQ(stored("secret"), "S2");
  EXPECT_EQ(stored("aes_key"), "K1");
}

TEST_F(ChangesOfApps, ManyChangesOfOneAppAreMadeOneAfterTheOther) {
  Node node(cluster);
  node.start();
  registry->slow = true;
  std::vector<Node::Pending<Result<AppInfo>>> changes;
  for (int i = 0; i < 20; ++i) {
    const std::string value = "S" + std::to_string(i);
    changes.push_back(put(node, app_with(i % 2 == 0 ? "secret" : "aes_key", value)));
  }
  answer_everything(node);
  for (auto& change : changes) {
    ASSERT_TRUE(change.ready());
    EXPECT_TRUE(change->has_value());
  }
  EXPECT_EQ(stored("secret"), "S18");
  EXPECT_EQ(stored("aes_key"), "S19");
}

TEST_F(ChangesOfApps, ARemovalWaitsForTheChangeBeforeIt) {
  Node node(cluster);
  node.start();
  registry->slow = true;
  auto change = put(node, app_with("secret", "S1"));
  std::optional<Result<bool>> removed;
  node.keeper->remove_app("wx2", [&](Result<bool> result) { removed = std::move(result); });
  node.run();
  EXPECT_FALSE(removed) << "the app is still being written";
  answer_everything(node);
  ASSERT_TRUE(removed && removed->has_value());
  EXPECT_TRUE(**removed);
  EXPECT_EQ(stored("secret"), "");
  EXPECT_FALSE(node.keeper->knows("wx2"));
}

TEST_F(ChangesOfApps, ANewAppWasMadeWithoutTheCredentialThatItsPlatformNeeds) {
  cluster.missing_credential = [](const std::string&, const Credentials& credentials) {
    return credential(credentials, "secret").empty() ? std::string("secret") : std::string();
  };
  Node node(cluster);
  node.start();
  auto made = put(node, app_with("aes_key", "K1"));
  ASSERT_FALSE(made->has_value());
  EXPECT_EQ(made->error().fault, Fault::usage);
  EXPECT_EQ(made->error().message, "app wx2 needs its secret");
  EXPECT_FALSE(node.keeper->knows("wx2"));

  ASSERT_TRUE(put(node, app_with("secret", "S1"))->has_value());
  EXPECT_TRUE(put(node, app_with("aes_key", "K1"))->has_value()) << "it has its secret already";
  EXPECT_EQ(stored("secret"), "S1");
}

TEST_F(ChangesOfApps, AnAppThatMovedToAnotherMainKindLeftItsOldTokenHalfRemoved) {
  cluster.main_kinds.emplace("suites", "suite_token");
  cluster.kinds.emplace("suite_token", std::make_shared<testing::FakePlatform>(
                                           cluster.clock, TestCluster::rotating(), "suites/token"));
  Node node(cluster);
  node.start();
  ASSERT_TRUE(put(node, app_with("secret", "S1"))->has_value());
  auto before = node.ask({}, "wx2");
  ASSERT_TRUE(before.ready() && before->has_value());
  const Seen seen{before->value().revision, before->value().fingerprint};
  std::optional<Result<std::optional<Grant>>> waited;
  node.keeper->wait(Key{"wx2", std::string(kAccessToken)}, seen, std::chrono::seconds(60),
                    [&](Result<std::optional<Grant>> grant) { waited = std::move(grant); });
  node.run();
  ASSERT_FALSE(waited);
  node.listener.clear();

  AppConfig moved = app_with("secret", "S1");
  moved.platform = "suites";
  ASSERT_TRUE(put(node, std::move(moved))->has_value());
  EXPECT_TRUE(waited) << "its kind is gone: nothing comes any more";
  const Key old{"wx2", std::string(kAccessToken)};
  EXPECT_EQ(std::count(node.listener.begin(), node.listener.end(), old), 1) << "a sink, say";
  std::optional<Result<Grant>> after;
  node.keeper->get(Key{"wx2", {}}, Wish{}, [&](Result<Grant> grant) { after = std::move(grant); });
  node.run();
  ASSERT_TRUE(after && after->has_value());
  EXPECT_EQ((*after)->key.kind, "suite_token");
}

// ---- Apps that share an account

class AppsOfAnAccount : public ChangesOfApps {
 protected:
  using Ids = std::vector<std::string>;

  AppsOfAnAccount() { cluster.account = "corpid"; }

  static AppConfig agent(const std::string& id, const std::string& corp) {
    AppConfig app = app_with("secret", "S");
    app.id = id;
    if (!corp.empty()) app.settings["corpid"] = corp;
    return app;
  }
  static Ids of(const Node& node, std::string_view account) {
    const auto apps = node.keeper->apps_of_account("fake", account);
    return apps ? *apps : Ids{};
  }
};

TEST_F(AppsOfAnAccount, AreFoundByThePlatformAndTheAccount) {
  Node node(cluster);
  node.start();
  for (const auto& [id, corp] : {std::pair("b", "C1"), {"a", "C1"}, {"c", "C2"}, {"d", ""}}) {
    ASSERT_TRUE(put(node, agent(id, corp))->has_value());
  }
  EXPECT_EQ(of(node, "C1"), (Ids{"a", "b"}));
  EXPECT_EQ(of(node, "C2"), Ids{"c"});
  EXPECT_EQ(of(node, "C3"), Ids{});
  EXPECT_EQ(of(node, ""), Ids{});
  EXPECT_EQ(node.keeper->apps_of_account("other", "C1"), nullptr);
  EXPECT_EQ(node.keeper->platform_of("a"), "fake");
  EXPECT_EQ(node.keeper->platform_of("nobody"), "");
}

TEST_F(AppsOfAnAccount, FollowWhatBecomesOfAnApp) {
  Node node(cluster);
  node.start();
  for (const char* id : {"a", "b"}) ASSERT_TRUE(put(node, agent(id, "C1"))->has_value());
  const auto before = node.keeper->apps_of_account("fake", "C1");
  ASSERT_TRUE(put(node, agent("a", "C2"))->has_value());
  EXPECT_EQ(of(node, "C1"), Ids{"b"});
  EXPECT_EQ(of(node, "C2"), Ids{"a"});
  EXPECT_EQ(*before, (Ids{"a", "b"})) << "a reader holds the list as it was";
  node.keeper->remove_app("b", [](const Result<bool>&) {});
  node.run();
  EXPECT_EQ(of(node, "C1"), Ids{});
}

TEST_F(AppsOfAnAccount, AreFoundOnAnotherNodeAndAfterAStart) {
  Node node(cluster);
  node.start();
  ASSERT_TRUE(put(node, agent("a", "C1"))->has_value());
  Node later(cluster);
  later.start();
  EXPECT_EQ(of(later, "C1"), Ids{"a"});
}

}  // namespace
}  // namespace hufu::keeper
