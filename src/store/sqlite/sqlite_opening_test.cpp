#include "store/sqlite/sqlite_opening.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "store/conformance/store_testing.hpp"
#include "store/sqlite/schema_2_testing.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/sqlite/sqlite_testing.hpp"
#include "store/temp_dir.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

/// For as long as it lives this process has no more rights than anybody: root may write whatever
/// its mode says.
class Unprivileged {
 public:
  Unprivileged() : before_(::geteuid()) {
    constexpr uid_t kNobody = 65534;
    if (before_ != 0) return;
    EXPECT_EQ(::seteuid(kNobody), 0);
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;
  ~Unprivileged() { EXPECT_EQ(::seteuid(before_), 0); }

 private:
  const uid_t before_;
};

class SqliteOpening : public ::testing::Test {
 public:
  ~SqliteOpening() override { set_modes(0700, 0600); }

 protected:
  SqliteOpening() { fs::create_directory(place); }

  Result<std::shared_ptr<SqliteStore>> try_open() {
    return SqliteStore::open({.path = path, .busy_timeout = 0ms}, clock);
  }
  std::shared_ptr<SqliteStore> open() { return must_value(try_open()); }
  /// A database with one token, closed again.
  void fill() { put_token(*open(), key, "token", clock.wall()); }
  void set_modes(mode_t of_directory, mode_t of_files) {
    for (const auto& entry : fs::directory_iterator(place)) {
      EXPECT_EQ(::chmod(entry.path().c_str(), of_files), 0);
    }
    EXPECT_EQ(::chmod(place.c_str(), of_directory), 0);
    EXPECT_EQ(::chmod(directory.file("").c_str(), 0755), 0);
  }
  void expect_reads(SqliteStore& store, std::string_view token) {
    EXPECT_TRUE(load(store, key).token->value.same_as(token));
    EXPECT_EQ(scan(store).size(), 1U);
    EXPECT_FALSE(changes(store, changes(store, "").cursor).everything);
    EXPECT_TRUE(time_of(store));
  }
  void expect_writes_fail(SqliteStore& store) {
    auto outcome = try_acquire(store, lease_request(key, 1, clock.wall()));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().fault, Fault::store);
    EXPECT_THAT(outcome.error().message, HasSubstr("cannot be written"));
    EXPECT_THAT(outcome.error().next_step, HasSubstr("the right to write"));
  }

  hufu::testing::FakeClock clock;
  TempDir directory;
  std::string place = directory.file("place");
  std::string path = place + "/hufu.db";
  Key key{"wx1", "access_token"};
};

// ---- Rights ----

TEST_F(SqliteOpening, AFileThatMayOnlyBeReadIsReadWhicheverRightIsMissing) {
  fill();
  struct {
    mode_t directory, files;
  } const modes[] = {{0555, 0444}, {0777, 0444}, {0555, 0666}};
  for (const auto& mode : modes) {
    SCOPED_TRACE(mode.directory);
    SCOPED_TRACE(mode.files);
    for (const char* suffix : {"-wal", "-shm"}) fs::remove(path + suffix);
    set_modes(mode.directory, mode.files);
    Unprivileged nobody;
    auto store = open();
    EXPECT_TRUE(store->is_read_only());
    EXPECT_THAT(store->warnings(), ElementsAre(HasSubstr("can only be read")));
    expect_reads(*store, "token");
    expect_writes_fail(*store);
  }
  set_modes(0777, 0666);
  Unprivileged nobody;
  EXPECT_FALSE(open()->is_read_only());
}

TEST_F(SqliteOpening, WhoMayOnlyReadSeesWhatAnotherProcessWrites) {
  auto writer = open();
  put_token(*writer, key, "one", clock.wall());
  set_modes(0555, 0444);
  std::shared_ptr<SqliteStore> reader;
  {
    Unprivileged nobody;
    reader = open();
  }
  ASSERT_TRUE(reader->is_read_only());
  expect_reads(*reader, "one");
  put_token(*writer, key, "two", clock.wall());
  expect_reads(*reader, "two");
}

TEST_F(SqliteOpening, ALogThatCannotBeReadIsAFailureAndNoOlderToken) {
  const std::string copy = directory.file("copy");
  {
    auto store = open();
    put_token(*store, key, "one", clock.wall());
    Outsider(path).run("PRAGMA wal_checkpoint(TRUNCATE)");
    put_token(*store, key, "two", clock.wall());
    // As a crash, or a snapshot of the disk, leaves them.
    fs::create_directory(copy);
    fs::copy_file(path, copy + "/hufu.db");
    fs::copy_file(path + "-wal", copy + "/hufu.db-wal");
  }
  place = copy;
  path = copy + "/hufu.db";
  set_modes(0555, 0444);
  {
    Unprivileged nobody;
    auto store = try_open();
    if (store) {
      EXPECT_TRUE(load(**store, key).token->value.same_as("two"));
    } else {
      EXPECT_EQ(store.error().fault, Fault::store);
      EXPECT_FALSE(store.error().next_step.empty());
    }
  }
  set_modes(0700, 0600);
  EXPECT_TRUE(load(*open(), key).token->value.same_as("two"));
}

TEST_F(SqliteOpening, AnOlderDatabaseThatMayNotBeWrittenIsLeftAsItIs) {
  Outsider(path).run(kSchema2);
  set_modes(0555, 0444);
  Unprivileged nobody;
  auto store = try_open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().fault, Fault::store);
  EXPECT_THAT(store.error().message, HasSubstr("was written by an older hufu"));
  EXPECT_THAT(store.error().next_step, HasSubstr("the right to write"));
}

TEST_F(SqliteOpening, AFileThatIsMissingWhereNoneMayBeMadeIsAFailure) {
  set_modes(0555, 0);
  Unprivileged nobody;
  auto store = try_open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().fault, Fault::store);
}

TEST_F(SqliteOpening, WhoMayOnlyReadGoesByTheClockOfTheFile) {
  fill();
  set_modes(0555, 0444);
  const WallTime before = clock.wall();
  clock.step_wall(8h);
  Unprivileged nobody;
  auto store = open();
  EXPECT_EQ(time_of(*store), before);
  EXPECT_THAT(store->warnings(), Contains(HasSubstr("set forward by 8 h")));
}

TEST_F(SqliteOpening, WhoMayOnlyReadGoesByTheWallClockAfterTheMachineWasStartedAnew) {
  fill();
  set_modes(0555, 0444);
  clock.step_wall(8h);
  Unprivileged nobody;
  auto store = must_value(SqliteStore::open({.path = path, .boot_id = "another"}, clock));
  EXPECT_EQ(time_of(*store), clock.wall());
}

TEST_F(SqliteOpening, APathWithSignsOfAUriIsOpenedForReadingToo) {
  path = place + "/100% #1.db";
  fill();
  set_modes(0555, 0444);
  Unprivileged nobody;
  expect_reads(*open(), "token");
}

// ---- Locks ----

TEST_F(SqliteOpening, AFileThatAnotherProcessHasLockedIsOpenedAndRead) {
  fill();
  for (const char* lock : {"BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"}) {
    SCOPED_TRACE(lock);
    Outsider outsider(path);
    outsider.run(lock);
    auto store = open();
    EXPECT_FALSE(store->is_read_only());
    EXPECT_THAT(store->warnings(), IsEmpty());
    expect_reads(*store, "token");
    auto outcome = try_acquire(*store, lease_request(key, 1, clock.wall()));
    ASSERT_FALSE(outcome);
    EXPECT_THAT(outcome.error().message, HasSubstr("is locked by another process"));
    outsider.run("COMMIT");
    Acquired lease = granted(*store, lease_request(key, 1, clock.wall()));
    commit(*store, lease.lease, lease.record.clone());
  }
}

// ---- A file that goes away ----

class SqliteFileGone : public SqliteOpening {
 protected:
  void expect_gone(SqliteStore& store) {
    const auto expect = [](const Error& error) {
      EXPECT_EQ(error.fault, Fault::store);
      EXPECT_THAT(error.message, HasSubstr("was removed or replaced while it was in use"));
      EXPECT_THAT(error.next_step, HasSubstr("start hufu again"));
    };
    auto outcome = try_acquire(store, lease_request(key, 1, clock.wall()));
    ASSERT_FALSE(outcome);
    expect(outcome.error());
    auto record = try_load(store, key);
    ASSERT_FALSE(record);
    expect(record.error());
    auto news = await<Result<Changes>>([&](auto done) { store.changes("", done); });
    ASSERT_FALSE(news);
    expect(news.error());
    auto all = await<Result<void>>([&](auto done) { store.scan([](Key, Record) {}, done); });
    ASSERT_FALSE(all);
    expect(all.error());
  }
};

// It was: a server went on for days with a file that nobody could find any more.
TEST_F(SqliteFileGone, AFileThatIsRemovedWhileItIsInUseIsNoticed) {
  auto store = open();
  put_token(*store, key, "token", clock.wall());
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path + suffix);
  expect_gone(*store);
}

TEST_F(SqliteFileGone, AFileThatIsReplacedWhileItIsInUseIsNoticed) {
  auto store = open();
  put_token(*store, key, "token", clock.wall());
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path + suffix);
  auto another = open();
  put_token(*another, key, "another", clock.wall());
  expect_gone(*store);
  EXPECT_TRUE(load(*another, key).token->value.same_as("another"));
}

TEST_F(SqliteFileGone, AFileThatIsPutBackIsUsedAgain) {
  auto store = open();
  put_token(*store, key, "token", clock.wall());
  fs::rename(place, place + "-moved");
  expect_gone(*store);
  fs::rename(place + "-moved", place);
  expect_reads(*store, "token");
  put_token(*store, key, "newer", clock.wall());
}

}  // namespace
}  // namespace hufu::store
