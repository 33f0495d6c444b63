#include "store/opening/open_store.hpp"

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>
#include <set>
#include <sstream>

#include "store/aes_gcm_sealer.hpp"
#include "store/conformance/conformance.hpp"
#include "store/conformance/store_testing.hpp"
#include "store/key_file.hpp"
#include "store/memory_store.hpp"
#include "store/opening/raw_store.hpp"
#include "store/opening/rotate_key.hpp"
#include "store/sealed_store.hpp"
#include "store/temp_dir.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace conformance;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const Key kKey{"wx1", "access_token"};

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

// ---- URIs ----

TEST(StoreUri, SaysWhereAStoreIs) {
  EXPECT_EQ(must_value(parse_store_uri("memory:")).kind, StoreUri::Kind::memory);
  EXPECT_EQ(must_value(parse_store_uri("sqlite:/var/lib/hufu/hufu.db")).path,
            "/var/lib/hufu/hufu.db");
  EXPECT_EQ(must_value(parse_store_uri("sqlite:///var/lib/hufu.db")).path, "/var/lib/hufu.db");
  EXPECT_EQ(must_value(parse_store_uri("sqlite:hufu.db")).path,
            (std::filesystem::current_path() / "hufu.db").string());
  EXPECT_EQ(must_value(parse_store_uri("sqlite:./a/../hufu.db")).path,
            (std::filesystem::current_path() / "hufu.db").string());
}

TEST(StoreUri, WhatMakesNoSenseIsABrokenConfigWithAWayOut) {
  using namespace std::string_literals;
  for (const std::string& uri :
       {""s, "hufu.db"s, "sqlite:"s, "sqlite://"s, "sqlite://host/file.db"s, "sqlite:/var/lib/"s,
        "sqlite::memory:"s, "sqlite:a\0b"s, "memory:x"s, "memory"s, "file:x"s, ":x"s,
        "mysql://u:canary@h"s}) {
    auto store = open_store({uri, "", {}}, system_clock());
    ASSERT_FALSE(store) << uri;
    EXPECT_EQ(store.error().fault, Fault::config) << uri;
    EXPECT_THAT(store.error().next_step, HasSubstr("sqlite:/")) << uri;
    EXPECT_THAT(store.error().message, Not(HasSubstr("canary")));
    EXPECT_FALSE(check_store_uri(uri));
  }
  EXPECT_TRUE(check_store_uri("sqlite:/nowhere/at/all.db"));
}

TEST(StoreUri, OfADatabaseServerIsKeptWholeAndSecret) {
  StoreUri place = must_value(parse_store_uri("postgresql://u:canary@h/d"));
  EXPECT_EQ(place.kind, StoreUri::Kind::postgresql);
  EXPECT_TRUE(place.address.same_as("postgresql://u:canary@h/d"));
  EXPECT_TRUE(place.is_shared());
}

TEST(StoreUri, OfAStoreThatNodesShareNeedsAKeyFile) {
  auto store = open_store({"redis://:canary@h", "", {}}, system_clock());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().fault, Fault::config);
  EXPECT_THAT(store.error().next_step, HasSubstr("key_file"));
  EXPECT_THAT(store.error().message, Not(HasSubstr("canary")));
}

// ---- Opening, sealed ----

class OpenStoreTest : public ::testing::Test {
 protected:
  OpenStore open() { return must(open_store({uri, "", {}}, clock)); }
  /// A sealed token and a sealed app in a store that is closed again.
  void fill() {
    OpenStore store = open();
    put_token(*store.tokens, kKey, "canary-token", clock.wall());
    put_app(*store.registry, app_row("wx1", "canary-secret"));
  }
  void run_sql(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(database.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

  hufu::testing::FakeClock clock;
  TempDir directory;
  std::string database = directory.file("hufu.db");
  std::string key_file = directory.file("hufu.key");
  std::string uri = "sqlite:" + database;
};

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
  EXPECT_TRUE(app->secret.same_as("canary-secret"));
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
  void scan(std::function<void(Key, Record)>, Done<Result<void>>) override {}
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

TEST_F(OpenStoreTest, AnAppWhoseSecretWasMovedIsNotLoaded) {
  OpenStore store = open();
  put_app(*store.registry, app_row("wx1", "one"));
  put_app(*store.registry, app_row("wx2", "two"));
  run_sql("UPDATE apps SET secret = (SELECT secret FROM apps WHERE id = 'wx2') WHERE id = 'wx1'");
  auto app = await<Result<std::optional<AppRow>>>(
      [&](auto done) { store.registry->load_app("wx1", std::move(done)); });
  ASSERT_FALSE(app);
  EXPECT_EQ(app.error().fault, Fault::store);
}

// ---- Rotation ----

/// Every key id that something in the database is sealed with.
std::set<std::string> key_ids(const std::string& uri, const Clock& clock) {
  RawStore raw = must_value(open_raw_store(must_value(parse_store_uri(uri)), {}, clock));
  std::set<std::string> ids;
  for (const auto& [key, record] : scan(*raw.tokens)) {
    if (record.token) ids.insert(*AesGcmSealer::key_id(record.token->value.reveal()));
  }
  for (const auto& app : scan_apps(*raw.registry)) {
    ids.insert(*AesGcmSealer::key_id(load_app(*raw.registry, app.id)->secret.reveal()));
  }
  return ids;
}

TEST_F(OpenStoreTest, RotationSealsEverythingAnewAndKeepsTheOldKey) {
  fill();
  std::string old = must_value(read_key_file(key_file))->active().id;
  Rotation rotation = must_value(rotate_key({uri, "", {}}, clock));
  EXPECT_NE(rotation.key_id, old);
  EXPECT_EQ(rotation.tokens, 1U);
  EXPECT_EQ(rotation.apps, 1U);
  EXPECT_EQ(rotation.unreadable, 0U);
  EXPECT_THAT(key_ids(uri, clock), ElementsAre(rotation.key_id));
  EXPECT_NE(must_value(read_key_file(key_file))->find(old), nullptr);

  OpenStore store = open();
  EXPECT_TRUE(load(*store.tokens, kKey).token->value.same_as("canary-token"));
  EXPECT_TRUE(load_app(*store.registry, "wx1")->secret.same_as("canary-secret"));
}

TEST_F(OpenStoreTest, AServerThatRunsThroughARotationReadsOnAndWritesWithTheNewKey) {
  fill();
  OpenStore server = open();
  Acquired grant = granted(*server.tokens, lease_request(kKey, 1, clock.wall()));
  std::string cursor = changes(*server.tokens, "").cursor;
  Rotation rotation = must_value(rotate_key({uri, "", {}}, clock));

  EXPECT_THAT(changes(*server.tokens, cursor).tokens, ElementsAre(kKey));
  EXPECT_TRUE(load(*server.tokens, kKey).token->value.same_as("canary-token"));
  EXPECT_EQ(commit(*server.tokens, grant.lease, next_token(grant.record, "next", clock.wall())),
            WriteOutcome::written)
      << "a rotation takes nobody's lease";
  EXPECT_TRUE(load(*server.tokens, kKey).token->value.same_as("next"));
  EXPECT_THAT(key_ids(uri, clock), ElementsAre(rotation.key_id));
}

TEST_F(OpenStoreTest, AServerThatWritesWithTheOldKeyAfterARotationIsStillUnderstood) {
  fill();
  OpenStore server = open();
  must_value(rotate_key({uri, "", {}}, clock));
  put_app(*server.registry, app_row("wx9", "late"));  // it has not met the new key yet
  EXPECT_EQ(key_ids(uri, clock).size(), 2U);
  EXPECT_TRUE(load_app(*open().registry, "wx9")->secret.same_as("late"));
}

TEST_F(OpenStoreTest, RotationWhileServersWriteLosesNothing) {
  OpenStore server = open();
  for (int i = 0; i < 50; ++i) {
    put_token(*server.tokens, {"wx" + std::to_string(i), "k"}, "token", clock.wall());
  }
  std::thread writer([&] {
    for (int i = 0; i < 200; ++i) {
      put_token(*server.tokens, {"wx" + std::to_string(i % 50), "k"}, "newer", clock.wall());
    }
  });
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(must_value(rotate_key({uri, "", {}}, clock)).unreadable, 0U);
  writer.join();
  for (int i = 0; i < 50; ++i) {
    Record record = load(*server.tokens, {"wx" + std::to_string(i), "k"});
    EXPECT_TRUE(record.token->value.same_as("newer"));
    EXPECT_EQ(record.revision, 5U);
  }
}

TEST_F(OpenStoreTest, RotationCountsWhatItCannotReadAndGoesOn) {
  fill();
  run_sql("UPDATE tokens SET revision = 7");
  Rotation rotation = must_value(rotate_key({uri, "", {}}, clock));
  EXPECT_EQ(rotation.unreadable, 1U);
  EXPECT_EQ(rotation.apps, 1U);
}

TEST_F(OpenStoreTest, AMemoryStoreHasNothingToRotate) {
  auto rotation = rotate_key({"memory:", "", {}}, clock);
  ASSERT_FALSE(rotation);
  EXPECT_EQ(rotation.error().fault, Fault::usage);
}

}  // namespace
}  // namespace hufu::store
