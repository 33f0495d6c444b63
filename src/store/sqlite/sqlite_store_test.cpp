#include "store/sqlite/sqlite_store.hpp"

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <set>
#include <thread>

#include "core/process.hpp"
#include "store/conformance/conformance.hpp"
#include "store/conformance/store_testing.hpp"
#include "store/sqlite/faulty_vfs.hpp"
#include "store/sqlite/sqlite_schema.hpp"
#include "store/sqlite/sqlite_testing.hpp"
#include "store/temp_dir.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace conformance;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SqliteHarness final : public Harness {
 public:
  explicit SqliteHarness(std::size_t change_log) { options_.change_log = change_log; }
  Handle open() override {
    auto store = must(SqliteStore::open(options_, clock_));
    return {store, store, store, store};
  }
  void let_pass(Milliseconds span) override { clock_.advance(span); }
  [[nodiscard]] WallTime now() const override { return clock_.wall(); }

 private:
  hufu::testing::FakeClock clock_;
  TempDir directory_;
  SqliteOptions options_{.path = directory_.file("hufu.db")};
};

Case sqlite(std::string name, std::size_t change_log) {
  return {std::move(name), [=] { return std::make_unique<SqliteHarness>(change_log); }};
}
const auto kStores =
    ::testing::Values(sqlite("sqlite", 100'000), sqlite("sqlite_that_forgets_soon", 16));
INSTANTIATE_TEST_SUITE_P(Sqlite, LeaseConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Sqlite, FeedConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Sqlite, RegistryConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Sqlite, LedgerConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Sqlite, ClusterConformance, kStores, name_of_case);

class SqliteStoreTest : public ::testing::Test {
 protected:
  Result<std::shared_ptr<SqliteStore>> try_open() { return SqliteStore::open(options, clock); }
  std::shared_ptr<SqliteStore> open() { return must(try_open()); }
  void expect_refused(std::string_view message) {
    auto store = try_open();
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().fault, Fault::store);
    EXPECT_THAT(store.error().message, HasSubstr(std::string(message)));
    EXPECT_THAT(store.error().message, HasSubstr(options.path));
    EXPECT_FALSE(store.error().next_step.empty());
  }

  hufu::testing::FakeClock clock;
  TempDir directory;
  SqliteOptions options{.path = directory.file("hufu.db"), .busy_timeout = 0ms};
  Key key{"wx1", "access_token"};
};

mode_t mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777;
}

// ---- The file ----

TEST_F(SqliteStoreTest, MakesItsFilesAndDirectoriesForItsOwnerOnly) {
  options.path = directory.file("a/b/hufu.db");
  auto store = open();
  put_token(*store, key, "token", clock.wall());
  EXPECT_EQ(mode_of(directory.file("a")), 0700U);
  EXPECT_EQ(mode_of(directory.file("a/b")), 0700U);
  for (const char* suffix : {"", "-wal", "-shm"}) EXPECT_EQ(mode_of(options.path + suffix), 0600U);
}

TEST_F(SqliteStoreTest, WhatIsReportedAsDoneHasBeenSynced) {
  FaultyVfs disk;
  options.vfs = FaultyVfs::kName;
  auto store = open();
  int before = disk.syncs();
  Acquired grant = granted(*store, lease_request(key, 0, clock.wall()));
  EXPECT_GT(disk.syncs(), before);
  before = disk.syncs();
  commit(*store, grant.lease, next_token(grant.record, "token", clock.wall()));
  EXPECT_GT(disk.syncs(), before);
  before = disk.syncs();
  put_app(*store, app_row("wx1", "secret"));
  EXPECT_GT(disk.syncs(), before);
}

TEST_F(SqliteStoreTest, SuccessIsNotReportedWhereAnyCallToTheDiskFailed) {
  FaultyVfs disk;
  options.vfs = FaultyVfs::kName;
  auto store = open();
  put_token(*store, key, "token", clock.wall());
  int failures = 0;
  for (int nth = 1;; ++nth) {
    disk.fail(nth, SQLITE_IOERR, /*lasting=*/true);
    auto outcome = try_acquire(*store, lease_request(key, 1, clock.wall()));
    disk.heal();
    clock.advance(1h);
    EXPECT_NE(outcome.has_value(), disk.fired());
    if (outcome) break;
    ++failures;
  }
  EXPECT_GT(failures, 1);
}

TEST_F(SqliteStoreTest, AnotherProgramsDatabaseIsLeftAlone) {
  { Outsider(options.path).run("CREATE TABLE precious (x); INSERT INTO precious VALUES (1)"); }
  expect_refused("belongs to another program");
  EXPECT_EQ(Outsider(options.path).text("SELECT x FROM precious"), "1");
  EXPECT_EQ(Outsider(options.path).text("PRAGMA journal_mode"), "delete");
}

TEST_F(SqliteStoreTest, AFileThatIsNoDatabaseIsRefused) {
  std::ofstream(options.path) << std::string(8192, 'x');
  expect_refused("is no SQLite database");
}

TEST_F(SqliteStoreTest, APathThatCannotBeIsRefused) {
  std::ofstream(directory.file("file")) << "x";
  options.path = directory.file("file/hufu.db");
  expect_refused("cannot make");
  options.path = directory.file("dir");
  std::filesystem::create_directory(options.path);
  expect_refused("cannot be opened");
}

TEST_F(SqliteStoreTest, ADatabaseOfEveryOlderVersionIsBroughtUpToDate) {
  for (int version = 0; version <= schema_version(); ++version) {
    SCOPED_TRACE(version);
    std::filesystem::remove(options.path);
    std::ofstream(options.path).close();
    {
      SqliteDatabase old(options.path, 0ms, "");
      must(migrate(old, options.path, version));
      EXPECT_EQ(old.number("PRAGMA user_version"), version);
    }
    auto store = open();
    put_token(*store, key, "token", clock.wall());
    EXPECT_EQ(Outsider(options.path).text("PRAGMA user_version"), std::to_string(schema_version()));
  }
}

TEST_F(SqliteStoreTest, ADatabaseOfANewerVersionIsRefused) {
  open();
  Outsider(options.path).run("PRAGMA user_version = " + std::to_string(schema_version() + 1));
  expect_refused("written by a newer hufu");
}

TEST_F(SqliteStoreTest, ManyWhoOpenANewFileAtOnceAllCan) {
  options.busy_timeout = 30s;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      auto store = open();
      put_token(*store, {"wx" + std::to_string(i), "k"}, "token", clock.wall());
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(scan(*open()), SizeIs(6));
}

/// Lets something happen right before the n-th statement of the next connection that is opened.
class BeforeStatement {
 public:
  BeforeStatement(int nth, std::function<void()> happen) : left_(nth), happen_(std::move(happen)) {
    current() = this;
    sqlite3_auto_extension(reinterpret_cast<void (*)()>(watch));
  }
  BeforeStatement(const BeforeStatement&) = delete;
  BeforeStatement& operator=(const BeforeStatement&) = delete;
  ~BeforeStatement() { sqlite3_reset_auto_extension(); }

  [[nodiscard]] bool happened() const { return left_ <= 0; }

 private:
  static BeforeStatement*& current() {
    static BeforeStatement* one = nullptr;
    return one;
  }
  static int watch(sqlite3* db, char**, const sqlite3_api_routines*) {
    sqlite3_reset_auto_extension();
    return sqlite3_trace_v2(
        db, SQLITE_TRACE_STMT,
        [](unsigned, void* self, void*, void*) {
          auto& here = *static_cast<BeforeStatement*>(self);
          if (--here.left_ == 0) here.happen_();
          return 0;
        },
        current());
  }

  int left_;
  std::function<void()> happen_;
};

// It was: one process made the tables between another's look at the version and its look at them.
TEST_F(SqliteStoreTest, AFileThatAnotherProcessMigratesMeanwhileIsNotTakenForAStrangers) {
  for (const char* mode : {"PRAGMA journal_mode = DELETE", "PRAGMA journal_mode = WAL"}) {
    bool happened = true;
    for (int nth = 1; happened; ++nth) {
      SCOPED_TRACE(std::string(mode) + ", statement " + std::to_string(nth));
      std::filesystem::remove(options.path);
      std::ofstream(options.path).close();
      SqliteDatabase quicker(options.path, 0ms, "");
      quicker.run(mode);
      BeforeStatement before(nth, [&] {
        try {
          must(migrate(quicker, options.path));
        } catch (const SqliteFailure&) {
          // Locked: the other one is not to be disturbed at this point.
        }
      });
      SqliteDatabase looking(options.path, 0ms, "");
      must(check_schema(looking, options.path));
      happened = before.happened();
    }
  }
}

TEST_F(SqliteStoreTest, OtherToolsCanReadTheRows) {
  auto store = open();
  Acquired grant = granted(*store, lease_request(key, 0, clock.wall(), "node-a"));
  Outsider outsider(options.path);
  std::string now = std::to_string(clock.wall().time_since_epoch().count());
  EXPECT_EQ(outsider.text("SELECT holder FROM tokens WHERE app = 'wx1'"), "node-a");
  EXPECT_THAT(outsider.text("SELECT marks FROM tokens"), HasSubstr(now + ":"));
  commit(*store, grant.lease, next_token(grant.record, "token", clock.wall()));
  EXPECT_EQ(outsider.text("SELECT token FROM tokens WHERE kind = 'access_token'"), "token");
  EXPECT_EQ(outsider.text("SELECT obtained_at FROM tokens"), now);
  EXPECT_EQ(outsider.text("SELECT issuer FROM tokens"), "wechat/stable/access_token");
}

TEST_F(SqliteStoreTest, ARecordThatSomebodyDamagedIsAFailureOfThatRecordOnly) {
  auto store = open();
  put_token(*store, key, "token", clock.wall());
  put_token(*store, {"wx2", "access_token"}, "token", clock.wall());
  for (const char* damage :
       {"marks = 'x'", "predecessors = 'x;'", "budget = '{'", "trouble = ''"}) {
    Outsider(options.path).run("UPDATE tokens SET " + std::string(damage) + " WHERE app = 'wx1'");
    auto record = try_load(*store, key);
    ASSERT_FALSE(record) << damage;
    EXPECT_THAT(record.error().message, HasSubstr("wx1 access_token"));
    EXPECT_FALSE(try_acquire(*store, lease_request(key, 1, clock.wall())));
    auto found = scan(*store);
    ASSERT_THAT(found, SizeIs(2));
    for (const auto& [found_key, shown] : found) {
      EXPECT_EQ(shown.token.has_value(), found_key != key);
      EXPECT_EQ(shown.failure.has_value(), found_key == key);
    }
    Outsider(options.path)
        .run("UPDATE tokens SET marks = '', predecessors = '', budget = '', trouble = NULL");
  }
}

TEST_F(SqliteStoreTest, ARowOfAScanHasNothingOfTheRowBefore) {
  auto store = open();
  for (const std::string id : {"wx1", "wx2", "wx3"}) {
    AppRow app;
    app.id = id;
    app.platform = "wechat";
    app.parent = id == "wx1" ? "wxparent" : "";
    app.settings = {{"endpoint", "classic"}, {"title", id}};
    app.credentials.emplace("secret", Secret(std::string_view("s")));
    if (id == "wx1") app.credentials.emplace("aes_key", Secret(std::string_view("k")));
    if (id == "wx1") app.keep = {"jsapi_ticket"};
    app.tag.fill(1);
    put_app(*store, std::move(app));
    Acquired grant = granted(*store, lease_request({id, "k"}, 0, clock.wall(), "node"));
    Record next = next_token(grant.record, "token of " + id, clock.wall());
    next.refresh_token = Secret(std::string_view("refresh token"));
    next.refresh_token_expires_at = clock.wall() + 1h;
    next.predecessors = {{7}};
    next.in_doubt = {InDoubtCall{.called_at = clock.wall(), .may_die_at = clock.wall() + 1h}};
    next.failure = FailureState{{Fault::refused, "m", "n", {}, {}}, clock.wall(), {}, 1, {}};
    next.budget.report_count = 3;
    commit(*store, grant.lease, std::move(next));
  }
  Outsider outsider(options.path);
  outsider.run("UPDATE apps SET keep = '{' WHERE id = 'wx2'");
  outsider.run("UPDATE apps SET settings = '{\"title\":\"3\"}' WHERE id = 'wx3'");
  outsider.run("UPDATE tokens SET marks = 'x' WHERE app = 'wx2'");
  outsider.run(
      "UPDATE tokens SET token = NULL, refresh_token = NULL, refresh_token_expires_at = NULL, "
      "predecessors = '', marks = '', trouble = NULL, budget = '' WHERE app = 'wx3'");

  std::vector<AppRow> apps;
  must(await<Result<void>>([&](auto done) {
    store->scan_apps(
        [&](const AppRow& app) {
          apps.push_back({app.id, app.platform, app.parent, app.settings, {}, app.keep});
          for (const auto& [name, secret] : app.credentials) apps.back().credentials[name] = {};
          apps.back().tag = app.tag;
        },
        std::move(done));
  }));
  ASSERT_THAT(apps, SizeIs(3));
  EXPECT_THAT(apps[0].credentials, SizeIs(2));
  EXPECT_THAT(apps[1].settings, IsEmpty());
  EXPECT_THAT(apps[1].credentials, IsEmpty());
  EXPECT_THAT(apps[1].keep, IsEmpty());
  EXPECT_EQ(apps[1].parent, "");
  EXPECT_EQ(apps[1].tag, SecretTag{});
  EXPECT_EQ(apps[2].settings, (Settings{{"title", "3"}}));
  EXPECT_THAT(apps[2].credentials, SizeIs(1));

  std::vector<Record> records;
  must(await<Result<void>>([&](auto done) {
    store->scan([&](const Key&, const Record& record) { records.push_back(record.clone()); },
                std::move(done));
  }));
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_TRUE(records[0].token->value.same_as("token of wx1"));
  EXPECT_THAT(records[0].in_doubt, SizeIs(1));
  EXPECT_THAT(records[1].failure->error.message, HasSubstr("wx2"));
  EXPECT_THAT(records[1].in_doubt, IsEmpty());
  EXPECT_FALSE(records[2].token);
  EXPECT_TRUE(records[2].refresh_token.empty());
  EXPECT_FALSE(records[2].refresh_token_expires_at);
  EXPECT_THAT(records[2].predecessors, IsEmpty());
  EXPECT_THAT(records[2].in_doubt, IsEmpty());
  EXPECT_FALSE(records[2].failure);
  EXPECT_EQ(records[2].budget.report_count, 0);
}

TEST_F(SqliteStoreTest, AnUnreadableListOfAppsNeverMeansAllApps) {
  auto store = open();
  ApiKeyRow shop;
  shop.name = "shop";
  shop.apps = {"wx1"};
  put_key(*store, shop);
  for (const char* apps : {"[]", "{}", "[1]", "wx1"}) {
    Outsider(options.path).run("UPDATE api_keys SET apps = '" + std::string(apps) + "'");
    auto keys = await<Result<std::vector<ApiKeyRow>>>([&](auto done) { store->list_keys(done); });
    ASSERT_FALSE(keys) << apps;
    EXPECT_EQ(keys.error().fault, Fault::store);
  }
}

// ---- The feed ----

TEST_F(SqliteStoreTest, SaysReadEverythingToACursorThatIsOlderThanItsLog) {
  options.change_log = 8;
  auto store = open();
  std::string old = changes(*store, "").cursor;
  for (int i = 0; i < 30; ++i) {
    granted(*store, lease_request({"wx" + std::to_string(i), "k"}, 0, clock.wall()));
  }
  EXPECT_TRUE(changes(*store, old).everything);
  EXPECT_LE(std::stoi(Outsider(options.path).text("SELECT count(*) FROM changes")), 2 * 8 + 1);
}

TEST_F(SqliteStoreTest, SaysReadEverythingToACursorOfAnotherDatabase) {
  std::string cursor = changes(*open(), "").cursor;
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(options.path + suffix);
  EXPECT_TRUE(changes(*open(), cursor).everything);
}

// ---- Leases ----

TEST_F(SqliteStoreTest, TheLeaseOfAProcessThatIsGoneIsFreeAtOnce) {
  auto store = open();
  // Our own process id, started at another moment: an earlier process that had the id.
  std::string gone = process_identity().substr(0, process_identity().rfind('/')) + "/1";
  ASSERT_TRUE(process_is_gone(gone));
  LeaseRequest first = lease_request(key, 0, clock.wall(), gone);
  Acquired before = granted(*store, first);
  Acquired after = granted(*store, lease_request(key, 0, clock.wall() + 1ms, "node-b"));
  EXPECT_THAT(after.record.in_doubt, SizeIs(2)) << "what it called may have been carried out";
  EXPECT_EQ(commit(*store, before.lease, next_token(before.record, "late", clock.wall())),
            WriteOutcome::fenced);
}

TEST_F(SqliteStoreTest, TheLeaseOfALivingProcessIsNot) {
  auto store = open();
  granted(*store, lease_request(key, 0, clock.wall(), process_identity()));
  EXPECT_TRUE(
      std::holds_alternative<Held>(acquire(*store, lease_request(key, 0, clock.wall(), "node-b"))));
}

// ---- FailureState ----

TEST_F(SqliteStoreTest, AnOperationThatFailsTakesNoneOfItsNeighboursDown) {
  auto store = open();
  Outsider outsider(options.path);
  outsider.run(
      "CREATE TRIGGER refuse BEFORE INSERT ON tokens WHEN NEW.app = 'wxbad' "
      "BEGIN SELECT RAISE(ABORT, 'no'); END;"
      "CREATE TRIGGER undo_all BEFORE INSERT ON tokens WHEN NEW.app = 'wxworse' "
      "BEGIN SELECT RAISE(ROLLBACK, 'nothing at all'); END");
  // Held up by another process, all of these end up in one transaction.
  options.busy_timeout = 60s;
  auto patient = open();
  outsider.run("BEGIN IMMEDIATE");
  std::vector<std::string> apps = {"wx0", "wxbad", "wx1", "wxworse", "wx2"};
  std::string cursor = changes(*patient, "").cursor;
  std::vector<std::promise<bool>> outcomes(apps.size());
  for (std::size_t i = 0; i < apps.size(); ++i) {
    patient->acquire_lease(
        lease_request({apps[i], "k"}, 0, clock.wall()),
        [&, i](Result<AcquireOutcome> outcome) { outcomes[i].set_value(outcome.has_value()); });
  }
  outsider.run("COMMIT");
  std::vector<bool> granted;
  for (auto& outcome : outcomes) granted.push_back(outcome.get_future().get());
  EXPECT_THAT(granted, ElementsAre(true, false, true, false, true));
  EXPECT_THAT(scan(*patient), SizeIs(3));
  EXPECT_THAT(changes(*patient, cursor).tokens,
              ElementsAre(Key{"wx0", "k"}, Key{"wx1", "k"}, Key{"wx2", "k"}))
      << "what failed has left nothing behind";
}

TEST_F(SqliteStoreTest, ALockThatIsNotGivenBackIsAFailureAndReadsGoOn) {
  auto store = open();
  put_token(*store, key, "token", clock.wall());
  Outsider outsider(options.path);
  outsider.run("BEGIN IMMEDIATE");
  auto outcome = try_acquire(*store, lease_request(key, 1, clock.wall()));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().fault, Fault::store);
  EXPECT_THAT(outcome.error().message, HasSubstr("locked by another process"));
  EXPECT_TRUE(load(*store, key).token->value.same_as("token"));
  outsider.run("COMMIT");
  granted(*store, lease_request(key, 1, clock.wall()));
}

TEST_F(SqliteStoreTest, AFullDiskIsAFailureAndNothingIsLostAndItGoesOnWhenThereIsRoom) {
  FaultyVfs disk;
  options.vfs = FaultyVfs::kName;
  auto store = open();
  put_token(*store, key, "token", clock.wall());
  disk.fail(1, SQLITE_FULL, /*lasting=*/true);
  auto outcome = try_acquire(*store, lease_request(key, 1, clock.wall()));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().fault, Fault::store);
  EXPECT_THAT(outcome.error().message, HasSubstr("disk is full"));
  EXPECT_FALSE(outcome.error().next_step.empty());
  disk.heal();
  EXPECT_TRUE(load(*store, key).token->value.same_as("token"));
  put_token(*store, key, "newer", clock.wall());
}

TEST_F(SqliteStoreTest, AFileThatMayNotBeWrittenIsAFailureUntilItMayBeWritten) {
  FaultyVfs disk;
  options.vfs = FaultyVfs::kName;
  auto store = open();
  put_token(*store, key, "token", clock.wall());
  disk.fail(1, SQLITE_READONLY, /*lasting=*/true);
  auto outcome = try_acquire(*store, lease_request(key, 1, clock.wall()));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().fault, Fault::store);
  EXPECT_THAT(outcome.error().message, HasSubstr("cannot be written"));
  EXPECT_THAT(outcome.error().next_step, HasSubstr("right to write"));
  disk.heal();
  granted(*store, lease_request(key, 1, clock.wall()));
}

TEST_F(SqliteStoreTest, ADatabaseThatIsDamagedWhileInUseIsAFailureAndNoCrash) {
  {
    auto store = open();
    for (int i = 0; i < 200; ++i) {
      granted(*store, lease_request({"wx" + std::to_string(i), "k"}, 0, clock.wall()));
    }
  }
  auto size = std::filesystem::file_size(options.path);
  {
    std::fstream file(options.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(size - 4096, '\xa5');
  }
  auto store = try_open();
  if (!store) {
    EXPECT_EQ(store.error().fault, Fault::store);
    return;
  }
  auto outcome = try_acquire(**store, lease_request(key, 0, clock.wall()));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().fault, Fault::store);
  EXPECT_FALSE(try_load(**store, key));
}

/// What one run of the loop below does with a store: every kind of write, and reads in between.
/// Returns whether all of it succeeded; what was reported as stored is noted in `known`.
bool exercise(SqliteStore& store, const Key& key, WallTime now, std::uint64_t& revision,
              std::set<std::string>& apps) {
  auto outcome = try_acquire(store, lease_request(key, revision, now));
  if (!outcome) return false;
  auto* grant = std::get_if<Acquired>(&*outcome);
  if (grant == nullptr) return false;
  Record next = next_token(grant->record, "token" + std::to_string(revision + 1), now);
  auto written = try_commit(store, grant->lease, std::move(next));
  if (!written) return false;
  EXPECT_EQ(*written, WriteOutcome::written);
  ++revision;
  std::string id = "wx" + std::to_string(revision);
  if (!await<Result<void>>([&](auto done) { store.put_app(app_row(id, "secret"), done); })) {
    return false;
  }
  apps.insert(id);
  return try_load(store, key).has_value() &&
         await<Result<Changes>>([&](auto done) { store.changes("", done); }).has_value();
}

class DiskFaults : public ::testing::TestWithParam<std::tuple<int, bool>> {};

// SQLite's own way to test itself: let the first call to the disk fail, then the second, and so on
// until one whole run meets no fault. After each, what was reported as stored is there, the file is
// sound, and the store works again.
TEST_P(DiskFaults, WhicheverCallFailsNothingThatWasReportedIsLostAndTheStoreRecovers) {
  auto [code, lasting] = GetParam();
  hufu::testing::FakeClock clock;
  TempDir directory;
  FaultyVfs disk;
  SqliteOptions options{.path = directory.file("hufu.db"), .busy_timeout = 0ms};
  options.vfs = FaultyVfs::kName;
  Key key{"wx0", "access_token"};
  std::uint64_t revision = 0;
  std::set<std::string> apps;
  int nth = 1;
  for (bool finished = false; !finished; ++nth) {
    SCOPED_TRACE(nth);
    ASSERT_LT(nth, 1000);
    disk.fail(nth, code, lasting);
    bool opened = false;
    bool all_fine = false;
    {
      auto store = SqliteStore::open(options, clock);
      opened = store.has_value();
      if (opened) {
        all_fine = exercise(**store, key, clock.wall(), revision, apps);
        disk.heal();
        clock.advance(kLease);
        // The same store, once the disk is back. A commit that failed may have taken place.
        Record record = load(**store, key);
        EXPECT_GE(record.revision, revision);
        EXPECT_LE(record.revision, revision + 1);
        revision = record.revision;
        EXPECT_TRUE(exercise(**store, key, clock.wall(), revision, apps));
      } else {
        EXPECT_EQ(store.error().fault, Fault::store);
      }
    }
    finished = all_fine && !disk.fired();
    disk.heal();
    clock.advance(kLease);

    if (std::filesystem::exists(options.path)) {
      EXPECT_EQ(Outsider(options.path).text("PRAGMA integrity_check"), "ok");
    }
    auto store = must(SqliteStore::open(options, clock));
    Record record = load(*store, key);
    EXPECT_EQ(record.revision, revision);
    if (revision > 0) {
      EXPECT_TRUE(record.token->value.same_as("token" + std::to_string(revision)));
    }
    for (const auto& id : apps) EXPECT_TRUE(load_app(*store, id)) << id;
  }
  EXPECT_GT(nth, 10) << "the loop must have met faults to mean anything";
}

INSTANTIATE_TEST_SUITE_P(Sqlite, DiskFaults,
                         ::testing::Combine(::testing::Values(SQLITE_IOERR, SQLITE_FULL),
                                            ::testing::Bool()));

// ---- Threads ----

TEST_F(SqliteStoreTest, EveryDoneIsCalledBeforeItIsGone) {
  constexpr int kMany = 500;
  std::atomic<int> told = 0;
  auto store = open();
  for (int i = 0; i < kMany; ++i) {
    store->acquire_lease(lease_request({"wx" + std::to_string(i), "k"}, 0, clock.wall()),
                         [&](Result<AcquireOutcome>) { ++told; });
    store->load(key, [&](Result<Record>) { ++told; });
  }
  store->scan([](Key, Record) {}, [&](Result<void>) { ++told; });
  store.reset();
  EXPECT_EQ(told, 2 * kMany + 1);
}

TEST_F(SqliteStoreTest, ADoneThatAsksForMoreWhileTheStoreGoesIsAnsweredToo) {
  std::atomic<int> told = 0;
  for (int round = 0; round < 20; ++round) {
    told = 0;
    auto store = open();
    SqliteStore* raw = store.get();
    store->load(key, [&, raw](Result<Record>) {
      ++told;
      raw->acquire_lease(lease_request(key, 99, clock.wall()), [&, raw](Result<AcquireOutcome>) {
        ++told;
        raw->load(key, [&](Result<Record>) { ++told; });
      });
    });
    store.reset();
    EXPECT_EQ(told, 3);
  }
}

TEST_F(SqliteStoreTest, AScanLetsOtherReadsTakeTheirTurn) {
  auto store = open();
  Outsider(options.path)
      .run(
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) "
          "INSERT INTO tokens (app, kind, revision, renew_at, predecessors, marks, late_marks, "
          "budget, fence, holder, lease_until, created_at, updated_at) "
          "SELECT 'wx' || i, 'k', 0, 0, '', '', '', '', 0, '', 0, 0, 0 FROM n");
  std::vector<std::string> order;  // told on the reader's thread only
  std::promise<void> finished;
  std::atomic<int> seen = 0;
  bool asked = false;
  store->scan(
      [&](Key, Record) {
        ++seen;
        if (std::exchange(asked, true)) return;
        store->load(key, [&](Result<Record>) { order.emplace_back("load"); });
      },
      [&](Result<void> end) {
        EXPECT_TRUE(end);
        order.emplace_back("scan");
        finished.set_value();
      });
  finished.get_future().wait();
  EXPECT_EQ(seen, 30000);
  EXPECT_THAT(order, ElementsAre("load", "scan"));
}

}  // namespace
}  // namespace hufu::store
