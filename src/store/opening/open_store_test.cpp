#include "store/opening/open_store.hpp"

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "store/aes_gcm_sealer.hpp"
#include "store/blocking.hpp"
#include "store/conformance/conformance.hpp"
#include "store/key_file.hpp"
#include "store/memory_store.hpp"
#include "store/opening/opening_testing.hpp"
#include "store/opening/raw_store.hpp"
#include "store/sealed_store.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace conformance;
using namespace std::chrono_literals;
using namespace std::string_view_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// The sealed stores keep the same promises as the plain ones.
class SealedHarness final : public Harness {
 public:
  explicit SealedHarness(bool sqlite) : uri_(sqlite ? "sqlite:" + file() : "memory:") {
    if (!sqlite) shared_ = must(open_store({uri_, "", {}}, clock_));
  }
  Handle open() override {
    OpenStore store = shared_.tokens ? shared_ : must(open_store({uri_, "", {}}, clock_));
    return {store.tokens, store.registry, nullptr, store.cluster};
  }
  void let_pass(Milliseconds span) override { clock_.advance(span); }
  [[nodiscard]] WallTime now() const override { return clock_.wall(); }

 private:
  [[nodiscard]] std::string file() const { return directory_.file("hufu.db"); }

  hufu::testing::FakeClock clock_;
  TempDir directory_;
  std::string uri_;
  OpenStore shared_;
};

const auto kSealed =
    ::testing::Values(Case{"memory", [] { return std::make_unique<SealedHarness>(false); }},
                      Case{"sqlite", [] { return std::make_unique<SealedHarness>(true); }});
INSTANTIATE_TEST_SUITE_P(Sealed, LeaseConformance, kSealed, name_of_case);
INSTANTIATE_TEST_SUITE_P(Sealed, FeedConformance, kSealed, name_of_case);

class OpenStoreTest : public StoreFileTest {};

TEST_F(OpenStoreTest, MakesTheKeyFileBesideANewStore) {
  open();
  struct stat status {};
  ASSERT_EQ(stat(key_file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(OpenStoreTest, WhatWasStoredComesBackAfterARestart) {
  fill();
  OpenStore store = open();
  EXPECT_TRUE(load(*store.tokens, kKey).token->value.same_as("canary-token"));
  auto app = load_app(*store.registry, "wx1");
  EXPECT_TRUE(credential(app->credentials, kSecret).same_as("canary-secret"));
  EXPECT_EQ(app->tag, store.sealer->tag("wx1", "canary-secret"));
  EXPECT_EQ(scan_apps(*store.registry)[0].tag, app->tag);
}

TEST_F(OpenStoreTest, NoFileHoldsATokenOrASecretInTheClear) {
  OpenStore store = open();
  put_token(*store.tokens, kKey, "canary-token", clock.wall());
  put_app(*store.registry, app_row("wx1", "canary-secret"));
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.file(""))) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::stringstream content;
    content << file.rdbuf();
    EXPECT_THAT(content.str(), Not(HasSubstr("canary"))) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 3) << "the database, its log, and the keys";
}

// It was: exit status 6, though the token was fresh and could be read.
TEST_F(OpenStoreTest, AStoreThatAnotherProcessHasLockedIsOpenedAndRead) {
  fill();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(database.c_str(), &other), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  OpenStore store = open();
  EXPECT_TRUE(load(*store.tokens, kKey).token->value.same_as("canary-token"));
  EXPECT_TRUE(load_app(*store.registry, "wx1"));
  sqlite3_close(other);
}

TEST(Unlocking, AStoreThatCanOnlyBeReadIsNotWritten) {
  TempDir directory;
  const std::string key_file = directory.file("hufu.key");
  hufu::testing::FakeClock clock;
  auto below = std::make_shared<MemoryStore>(clock);
  RawStore raw;
  raw.ledger = below;
  raw.read_only = true;
  must_value(unlock(raw, key_file));
  EXPECT_FALSE(std::filesystem::exists(key_file)) << "nothing can be sealed with it";
  must_value(create_key_file(key_file, must_value(Keyring::fresh())));
  must_value(unlock(raw, key_file));
  EXPECT_THAT(noted_keys(*below), IsEmpty());
  raw.read_only = false;
  must_value(unlock(raw, key_file));
  EXPECT_THAT(noted_keys(*below), SizeIs(1));
}

TEST(NotingAgain, TellsAStoreThatHasLostEverythingWhichKeySealsIt) {
  TempDir directory;
  const std::string key_file = directory.file("hufu.key");
  hufu::testing::FakeClock clock;
  const Keyring ring = must_value(create_key_file(key_file, must_value(Keyring::fresh())));
  const auto again = [&](const std::shared_ptr<MemoryStore>& emptied) {
    return await<Result<bool>>(note_again(emptied, ring, key_file));
  };
  auto emptied = std::make_shared<MemoryStore>(clock);
  EXPECT_TRUE(must_value(again(emptied))) << "it had lost that, too";
  ASSERT_THAT(noted_keys(*emptied), SizeIs(1));
  EXPECT_EQ(noted_keys(*emptied)[0].id, ring.active().id);
  EXPECT_FALSE(must_value(again(emptied)));
  EXPECT_THAT(noted_keys(*emptied), SizeIs(1));

  const Keyring another = must_value(Keyring::fresh());
  auto taken = std::make_shared<MemoryStore>(clock);
  must_value(await<Result<bool>>(note_again(taken, another, "")));
  const auto refused = again(taken);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::config);
  EXPECT_THAT(refused.error().message, HasSubstr(another.active().id));
  EXPECT_THAT(noted_keys(*taken), SizeIs(1)) << "two keys in one store would lock everybody out";
}

TEST(NotingAgain, KnowsAKeyThatAnotherNodeTookFromTheSameFileMeanwhile) {
  TempDir directory;
  const std::string key_file = directory.file("hufu.key");
  hufu::testing::FakeClock clock;
  const Keyring before = must_value(create_key_file(key_file, must_value(Keyring::fresh())));
  Keyring rotated = before.clone();
  ASSERT_TRUE(rotated.add_key());
  std::filesystem::remove(key_file);
  must_value(create_key_file(key_file, rotated.clone()));
  auto emptied = std::make_shared<MemoryStore>(clock);
  EXPECT_TRUE(must_value(await<Result<bool>>(note_again(emptied, rotated, key_file))));
  EXPECT_FALSE(must_value(await<Result<bool>>(note_again(emptied, before, key_file))));
  EXPECT_THAT(noted_keys(*emptied), SizeIs(2));
}

TEST_F(OpenStoreTest, WithoutItsKeyFileAStoreThatHoldsSomethingSealedIsNotOpened) {
  fill();
  std::string id = must_value(read_key_file(key_file))->active().id;
  std::filesystem::remove(key_file);
  auto store = open_store({uri, "", {}}, clock);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().fault, Fault::config);
  EXPECT_THAT(store.error().message, HasSubstr(id));
  EXPECT_THAT(store.error().message, HasSubstr(key_file));
  EXPECT_FALSE(std::filesystem::exists(key_file)) << "no new key is made";
}

TEST_F(OpenStoreTest, AWrongKeyFileIsNoticedWhenTheStoreIsOpened) {
  fill();
  std::string id = must_value(read_key_file(key_file))->active().id;
  std::string other = directory.file("other.key");
  must_value(create_key_file(other, must_value(Keyring::fresh())));
  auto store = open_store({uri, other, {}}, clock);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().fault, Fault::config);
  EXPECT_THAT(store.error().message, HasSubstr("sealed with key " + id));
  EXPECT_THAT(store.error().next_step, HasSubstr(id));
}

TEST_F(OpenStoreTest, AKeyOfTheRightNameAndWrongBytesIsNoticedToo) {
  fill();
  std::string text(must_value(read_key_file(key_file))->text().reveal());
  auto last = text.size() - 2;
  text[last] = text[last] == '0' ? '1' : '0';
  std::ofstream(key_file) << text;
  auto store = open_store({uri, "", {}}, clock);
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message, HasSubstr("another key of that id"));
}

TEST_F(OpenStoreTest, ARowThatWasMovedIsNeverTakenForAMissingToken) {
  OpenStore store = open();
  put_token(*store.tokens, kKey, "one", clock.wall());
  put_token(*store.tokens, {"wx2", "access_token"}, "two", clock.wall());
  run_sql(
      "UPDATE tokens SET token = (SELECT token FROM tokens WHERE app = 'wx2') "
      "WHERE app = 'wx1'");

  auto record = try_load(*store.tokens, kKey);
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().fault, Fault::store);
  EXPECT_THAT(record.error().message, HasSubstr("changed or moved"));
  for (std::uint64_t seen : {0U, 1U}) {
    auto outcome = try_acquire(*store.tokens, lease_request(kKey, seen, clock.wall()));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().fault, Fault::store);
  }

  auto found = scan(*store.tokens);
  ASSERT_EQ(found.size(), 2U);
  for (const auto& [key, shown] : found) {
    if (key == kKey) {
      EXPECT_FALSE(shown.token);
      EXPECT_EQ(shown.revision, 1U);
      EXPECT_THAT(shown.failure.value().error.message, HasSubstr("changed or moved"));
    } else {
      EXPECT_TRUE(shown.token->value.same_as("two"));
    }
  }
}

TEST(SealedStore, ABeginThatCannotOpenTheTokenGivesTheLeaseBackWithoutItsMark) {
  hufu::testing::FakeClock clock;
  auto below = std::make_shared<MemoryStore>(clock);
  auto right = std::make_shared<AesGcmSealer>(must_value(Keyring::fresh()));
  auto wrong = std::make_shared<AesGcmSealer>(must_value(Keyring::fresh()));
  SealedStore store(below, right);
  put_token(store, kKey, "token", clock.wall());
  InDoubtCall earlier{clock.wall() - 1s, clock.wall()};
  add_in_doubt(store, kKey, earlier);

  SealedStore other(below, wrong);
  auto outcome = try_acquire(other, lease_request(kKey, 1, clock.wall()));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().fault, Fault::store);
  Record record = load(store, kKey);
  EXPECT_TRUE(record.token->value.same_as("token"));
  EXPECT_THAT(record.in_doubt, ElementsAre(earlier));
  granted(store, lease_request(kKey, 1, clock.wall()));
}

/// A store that answers when the test says so.
class SlowStore final : public TokenStore {
 public:
  void load(const Key&, Done<Result<Record>> done) override { waiting = std::move(done); }
  void acquire_lease(LeaseRequest, Done<Result<AcquireOutcome>>) override {}
  void commit(Lease, Record, Done<Result<WriteOutcome>>) override {}
  void add_in_doubt(const Key&, InDoubtCall, Done<Result<void>>) override {}
  void changes(std::string, Done<Result<Changes>>) override {}
  void scan(std::function<void(Key&&, Record&&)>, Done<Result<void>>) override {}
  Done<Result<Record>> waiting;
};

TEST(SealedStore, IsGoneOnlyWhenNoDoneIsLeft) {
  auto below = std::make_shared<SlowStore>();
  auto sealer = std::make_shared<AesGcmSealer>(must_value(Keyring::fresh()));
  auto store = std::make_unique<SealedStore>(below, sealer);
  std::atomic<bool> told = false;
  store->load(kKey, [&](Result<Record>) { told = true; });
  std::thread answer([done = std::move(below->waiting)] { done(Record()); });
  store.reset();
  EXPECT_TRUE(told);
  answer.join();
}

TEST_F(OpenStoreTest, ACredentialThatWasMovedToAnotherNameIsNotLoaded) {
  OpenStore store = open();
  AppRow app = app_row("wx1", "secret");
  app.credentials.emplace("aes_key", Secret("key"sv));
  put_app(*store.registry, std::move(app));
  run_sql(
      "UPDATE apps SET credentials = json_set(credentials, '$.secret', "
      "json_extract(credentials, '$.aes_key'))");
  auto found = await<Result<std::optional<AppRow>>>(
      [&](auto done) { store.registry->load_app("wx1", std::move(done)); });
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().fault, Fault::store);
}

TEST_F(OpenStoreTest, AnAppWhoseSecretWasMovedIsNotLoaded) {
  OpenStore store = open();
  put_app(*store.registry, app_row("wx1", "one"));
  put_app(*store.registry, app_row("wx2", "two"));
  run_sql(
      "UPDATE apps SET credentials = (SELECT credentials FROM apps WHERE id = 'wx2') "
      "WHERE id = 'wx1'");
  auto app = await<Result<std::optional<AppRow>>>(
      [&](auto done) { store.registry->load_app("wx1", std::move(done)); });
  ASSERT_FALSE(app);
  EXPECT_EQ(app.error().fault, Fault::store);
}

}  // namespace
}  // namespace hufu::store
