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
#include "store/record_text.hpp"
#include "store/row_text.hpp"
#include "store/sealed_store.hpp"
#include "store/sqlite/schema_2_testing.hpp"
#include "store/temp_dir.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace conformance;
using namespace std::chrono_literals;
using namespace std::string_view_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

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

// ---- Older databases ----

/// A database of schema 2 with an app and its token, both sealed with a key of its own.
class OlderDatabase : public OpenStoreTest {
 protected:
  OlderDatabase() {
    auto ring = must_value(create_key_file(key_file, must_value(Keyring::fresh())));
    const std::string id = ring.active().id;
    const std::string check = ring.check_value(ring.active());
    const AesGcmSealer sealer(std::move(ring));
    const auto sealed = [&](std::string_view plain, const std::string& associated_data) {
      return hex_of(sealer.seal(plain, associated_data).reveal());
    };
    const std::string now = std::to_string(millis(clock.wall()));
    run_sql(kSchema2);
    run_sql("INSERT INTO changes VALUES (3, 'wx1', 'access_token')");
    run_sql("INSERT INTO sealing_keys VALUES ('" + id + "', x'" + hex_of(check) + "')");
    run_sql(
        "INSERT INTO apps (id, platform, endpoint, secret_login, secret, tag, created_at, "
        "updated_at) VALUES ('wx1', 'wechat', 'classic', 0, x'" +
        sealed("not-a-secret", "app|wx1") + "', x'" +
        hex_of(bytes_of(sealer.tag("wx1", "not-a-secret"))) + "', " + now + ", " + now + ")");
    run_sql(
        "INSERT INTO tokens (app, kind, revision, token, issuer, obtained_at, expires_at, "
        "renew_at, predecessors, marks, late_marks, budget, fence, holder, lease_until, "
        "created_at, updated_at) VALUES ('wx1', 'access_token', 17, x'" +
        sealed("not-a-token", "token|wx1|access_token|17") + "', 'wechat/classic/access_token', " +
        now + ", " + now + " + 7200000, " + now +
        " + 5400000, '89abcdef;', '5:3;1:2?;', '', '', 3, '', 0, " + now + ", " + now + ")");
  }
};

TEST_F(OlderDatabase, KeepsItsTokensAndItsApps) {
  for (int round = 0; round < 2; ++round) {
    OpenStore store = open();
    const Record record = load(*store.tokens, kKey);
    ASSERT_TRUE(record.token);
    EXPECT_TRUE(record.token->value.same_as("not-a-token"));
    EXPECT_EQ(record.token->issuer, "wechat/classic/access_token");
    EXPECT_EQ(record.token->expires_at, clock.wall() + 2h);
    EXPECT_EQ(record.token->overlap, std::nullopt);
    EXPECT_EQ(record.revision, 17U);
    EXPECT_EQ(record.renew_at, clock.wall() + 90min);
    EXPECT_EQ(record.updated_at, clock.wall());
    EXPECT_TRUE(record.refresh_token.empty());
    EXPECT_THAT(record.predecessors, ElementsAre(Fingerprint{0x89abcdef}));
    EXPECT_THAT(record.in_doubt,
                ElementsAre(InDoubtCall{time_from(5), time_from(3), InDoubtCall::State::known_dead},
                            InDoubtCall{time_from(1), time_from(2), InDoubtCall::State::pending}));

    const auto app = load_app(*store.registry, "wx1");
    ASSERT_TRUE(app);
    EXPECT_EQ(app->platform, "wechat");
    EXPECT_EQ(app->settings, (Settings{{"endpoint", "classic"}}));
    ASSERT_EQ(app->credentials.size(), 1U);
    EXPECT_TRUE(credential(app->credentials, kSecret).same_as("not-a-secret"));
    EXPECT_EQ(app->tag, store.sealer->tag("wx1", "not-a-secret"));
    EXPECT_EQ(app->parent, "");
    EXPECT_TRUE(app->keep.empty());
    EXPECT_FALSE(app->secret_login);
    EXPECT_THAT(scan_apps(*store.registry), SizeIs(1));
  }
}

TEST_F(OlderDatabase, IsRenewedAndRotatedLikeANewOne) {
  {
    OpenStore store = open();
    Acquired lease = granted(*store.tokens, lease_request(kKey, 17, clock.wall()));
    EXPECT_GT(lease.lease.fence, 3U);
    EXPECT_EQ(commit(*store.tokens, lease.lease, next_token(lease.record, "next", clock.wall())),
              WriteOutcome::written);
  }
  const Rotation rotation = must_value(rotate_key({uri, "", {}}, clock));
  EXPECT_EQ(rotation.tokens, 1U);
  EXPECT_EQ(rotation.credentials, 1U);
  EXPECT_EQ(rotation.unreadable, 0U);
}

// ---- Rotation ----

/// Every key id that something in the database is sealed with.
std::set<std::string> key_ids(const std::string& uri, const Clock& clock) {
  RawStore raw = must_value(open_raw_store(must_value(parse_store_uri(uri)), {}, clock));
  std::set<std::string> ids;
  for (const auto& [key, record] : scan(*raw.tokens)) {
    if (record.token) ids.insert(*AesGcmSealer::key_id(record.token->value.reveal()));
    if (!record.refresh_token.empty()) {
      ids.insert(*AesGcmSealer::key_id(record.refresh_token.reveal()));
    }
  }
  for (const auto& app : scan_apps(*raw.registry)) {
    const auto loaded = load_app(*raw.registry, app.id);
    for (const auto& [name, sealed] : loaded->credentials) {
      ids.insert(*AesGcmSealer::key_id(sealed.reveal()));
    }
  }
  return ids;
}

TEST_F(OpenStoreTest, RotationSealsEverythingAnewAndKeepsTheOldKey) {
  fill();
  std::string old = must_value(read_key_file(key_file))->active().id;
  Rotation rotation = must_value(rotate_key({uri, "", {}}, clock));
  EXPECT_NE(rotation.key_id, old);
  EXPECT_EQ(rotation.tokens, 1U);
  EXPECT_EQ(rotation.credentials, 1U);
  EXPECT_EQ(rotation.unreadable, 0U);
  EXPECT_THAT(key_ids(uri, clock), ElementsAre(rotation.key_id));
  EXPECT_NE(must_value(read_key_file(key_file))->find(old), nullptr);

  OpenStore store = open();
  EXPECT_TRUE(load(*store.tokens, kKey).token->value.same_as("canary-token"));
  EXPECT_TRUE(
      credential(load_app(*store.registry, "wx1")->credentials, kSecret).same_as("canary-secret"));
}

TEST_F(OpenStoreTest, RotationSealsRefreshTokensAndEveryCredentialAnew) {
  {
    OpenStore store = open();
    AppRow app = app_row("wx1", "canary-secret");
    app.credentials.emplace("aes_key", Secret("canary-aes-key"sv));
    put_app(*store.registry, std::move(app));
    Acquired grant = granted(*store.tokens, lease_request(kKey, 0, clock.wall()));
    Record next = next_token(grant.record, "canary-token", clock.wall());
    next.refresh_token = Secret("canary-refresh-token"sv);
    commit(*store.tokens, grant.lease, std::move(next));
  }
  Rotation rotation = must_value(rotate_key({uri, "", {}}, clock));
  EXPECT_EQ(rotation.tokens, 2U);
  EXPECT_EQ(rotation.credentials, 2U);
  EXPECT_EQ(rotation.unreadable, 0U);
  EXPECT_THAT(key_ids(uri, clock), ElementsAre(rotation.key_id));

  OpenStore store = open();
  EXPECT_TRUE(load(*store.tokens, kKey).refresh_token.same_as("canary-refresh-token"));
  const auto app = load_app(*store.registry, "wx1");
  EXPECT_TRUE(credential(app->credentials, "aes_key").same_as("canary-aes-key"));
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
  EXPECT_TRUE(credential(load_app(*open().registry, "wx9")->credentials, kSecret).same_as("late"));
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
  EXPECT_EQ(rotation.credentials, 1U);
}

TEST_F(OpenStoreTest, AMemoryStoreHasNothingToRotate) {
  auto rotation = rotate_key({"memory:", "", {}}, clock);
  ASSERT_FALSE(rotation);
  EXPECT_EQ(rotation.error().fault, Fault::usage);
}

}  // namespace
}  // namespace hufu::store
