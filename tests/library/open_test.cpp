// The library as a program that embeds it sees it, against the simulated platform.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <optional>
#include <thread>

#include "hufu/callback_store.hpp"
#include "hufu/keeper.hpp"
#include "simulator/server.hpp"

namespace hufu {
namespace {

using namespace std::string_view_literals;

class Library : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = simulator::Simulator::start({});
    ASSERT_TRUE(started) << started.error().message;
    platform = std::move(*started);
    char name[] = "/tmp/hufu-library-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  [[nodiscard]] Config config(std::string endpoint = "classic") const {
    Config config;
    AppConfig app;
    app.id = simulator::kDemoApp;
    app.credentials.emplace(kSecret, Secret(std::string_view(simulator::kDemoSecret)));
    app.settings["endpoint"] = std::move(endpoint);
    config.apps.push_back(std::move(app));
    config.platforms["wechat"].base_url = platform->base_url();
    config.store = "sqlite:" + (folder / "hufu.db").string();
    return config;
  }
  [[nodiscard]] std::uint64_t calls() const { return platform->model().totals().token_calls; }

  std::unique_ptr<simulator::Simulator> platform;
  std::filesystem::path folder;
};

TEST_F(Library, FetchesATokenWithAnIdAndASecret) {
  auto keeper = Keeper::open(config());
  ASSERT_TRUE(keeper) << keeper.error().message;
  auto grant = (*keeper)->get();
  ASSERT_TRUE(grant) << grant.error().message;
  EXPECT_GT(grant->expires_in, std::chrono::seconds(5000));
  EXPECT_EQ(grant->revision, 1U);
  const WallTime now = platform->clock().wall();
  EXPECT_TRUE(platform->model().was_alive(grant->token.reveal(), now, now + grant->expires_in));
}

TEST_F(Library, KeepsTheTokenOverARestart) {
  std::string first;
  for (int i = 0; i < 30; ++i) {
    auto keeper = Keeper::open(config());
    ASSERT_TRUE(keeper) << keeper.error().message;
    auto grant = (*keeper)->get(simulator::kDemoApp);
    ASSERT_TRUE(grant) << grant.error().message;
    if (first.empty()) first = grant->token.reveal();
    EXPECT_EQ(grant->token.reveal(), first);
  }
  EXPECT_EQ(calls(), 1U);
}

TEST_F(Library, SharesOneCallAmongThreads) {
  auto keeper = Keeper::open(config("stable"));
  ASSERT_TRUE(keeper);
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE((*keeper)->get()); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(calls(), 1U);
}

TEST_F(Library, RefreshesOnceAndThenSaysTooSoon) {
  auto keeper = Keeper::open(config());
  ASSERT_TRUE(keeper);
  ASSERT_TRUE((*keeper)->get());
  auto renewed = (*keeper)->refresh(simulator::kDemoApp);
  ASSERT_TRUE(renewed) << renewed.error().message;
  EXPECT_EQ(renewed->revision, 2U);
  auto again = (*keeper)->refresh(simulator::kDemoApp);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().fault, Fault::too_soon);
}

TEST_F(Library, AsksThePlatformAboutAReportedToken) {
  auto keeper = Keeper::open(config("stable"));
  ASSERT_TRUE(keeper);
  auto grant = (*keeper)->get();
  ASSERT_TRUE(grant);
  auto report = (*keeper)->report(simulator::kDemoApp, grant->token);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->outcome, ReportOutcome::alive);
  EXPECT_EQ(calls(), 1U);
}

TEST_F(Library, WorksOverTwoCallbacks) {
  std::optional<SavedToken> saved;
  for (int i = 0; i < 2; ++i) {
    Config two = config();
    two.custom_store = callback_store(
        Key{simulator::kDemoApp}, [&] { return saved; },
        [&](const SavedToken& token) { saved = token; });
    auto keeper = Keeper::open(std::move(two));
    ASSERT_TRUE(keeper) << keeper.error().message;
    auto grant = (*keeper)->get();
    ASSERT_TRUE(grant) << grant.error().message;
    ASSERT_TRUE(saved);
    EXPECT_EQ(saved->token, grant->token.reveal());
  }
  EXPECT_EQ(calls(), 1U) << "what was saved is loaded";
}

TEST_F(Library, RefusesATimingThatCannotKeepThePromise) {
  Config wrong = config();
  wrong.timing.lease = std::chrono::seconds(290);
  auto keeper = Keeper::open(std::move(wrong));
  ASSERT_FALSE(keeper);
  EXPECT_EQ(keeper.error().fault, Fault::config);
}

TEST_F(Library, SaysWhatThePlatformSaid) {
  Config wrong = config();
  wrong.apps[0].credentials.insert_or_assign(std::string(kSecret), Secret("another-secret"sv));
  auto keeper = Keeper::open(std::move(wrong));
  ASSERT_TRUE(keeper);
  auto grant = (*keeper)->get();
  ASSERT_FALSE(grant);
  EXPECT_EQ(grant.error().fault, Fault::refused);
  EXPECT_EQ(grant.error().errcode, 40125);
}

TEST_F(Library, KeepsNothingInTheClear) {
  std::string token;
  {
    auto keeper = Keeper::open(config());
    ASSERT_TRUE(keeper);
    token = (*keeper)->get()->token.reveal();
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::string bytes(entry.file_size(), '\0');
    std::FILE* file = std::fopen(entry.path().c_str(), "rb");
    ASSERT_NE(file, nullptr);
    ASSERT_EQ(std::fread(bytes.data(), 1, bytes.size(), file), bytes.size());
    std::fclose(file);
    EXPECT_EQ(bytes.find(token), std::string::npos) << entry.path();
    EXPECT_EQ(bytes.find(simulator::kDemoSecret), std::string::npos) << entry.path();
  }
}

}  // namespace
}  // namespace hufu
