#include "store/postgresql/postgresql_store.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mount.h>

#include <atomic>
#include <barrier>
#include <cstring>
#include <future>
#include <iostream>
#include <thread>

#include "core/process.hpp"
#include "store/conformance/conformance.hpp"
#include "store/conformance/store_testing.hpp"
#include "store/postgresql/postgresql_schema.hpp"
#include "store/postgresql/postgresql_testing.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace conformance;
using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// The server of this program; `main` starts it.
PostgresqlServer* server = nullptr;
Pooler* pooler = nullptr;

PostgresqlOptions options_for(const std::string& uri, std::size_t change_log = 100'000) {
  PostgresqlOptions options;
  options.uri = Secret(std::string_view(uri));
  options.pool.connections = 4;
  options.change_log = change_log;
  return options;
}

class PostgresqlHarness final : public Harness {
 public:
  PostgresqlHarness(bool pooled, std::size_t change_log)
      : uri_(pooled ? pooler->uri(database_.name()) : database_.uri()), change_log_(change_log) {}

  Handle open() override {
    auto store = must(PostgresqlStore::open(options_for(uri_, change_log_), system_clock()));
    return {store, store, store, store};
  }
  void let_pass(Milliseconds span) override {
    PostgresqlOutsider outsider(database_.uri());
    EXPECT_TRUE(outsider.run("UPDATE hufu_tokens SET lease_until = lease_until - " +
                             std::to_string(span.count())));
  }
  /// The moment at which the test began, so that two looks within it see the same one.
  [[nodiscard]] WallTime now() const override { return began_; }
  [[nodiscard]] Milliseconds clock_slop() const override { return 1min; }

 private:
  const WallTime began_ = system_clock().wall();
  const TestDatabase database_{*server};
  const std::string uri_;
  const std::size_t change_log_;
};

Case postgresql(std::string name, bool pooled, std::size_t change_log) {
  return {std::move(name), [=] { return std::make_unique<PostgresqlHarness>(pooled, change_log); }};
}
const auto kStores = ::testing::Values(postgresql("postgresql", false, 100'000),
                                       postgresql("through_a_pooler", true, 16));
INSTANTIATE_TEST_SUITE_P(Postgresql, LeaseConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Postgresql, FeedConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Postgresql, RegistryConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Postgresql, LedgerConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Postgresql, ClusterConformance, kStores, name_of_case);

struct Mounted {
  std::string place;
  ~Mounted() { ::umount2(place.c_str(), MNT_DETACH); }
};

class PostgresqlStoreTest : public ::testing::Test {
 protected:
  Result<std::shared_ptr<PostgresqlStore>> try_open(const std::string& uri,
                                                    std::size_t change_log = 100'000) {
    return PostgresqlStore::open(options_for(uri, change_log), clock);
  }
  std::shared_ptr<PostgresqlStore> open(std::size_t change_log = 100'000) {
    return must(try_open(database.uri(), change_log));
  }
  void expect_refused(const std::string& uri, std::string_view message) {
    auto store = try_open(uri);
    ASSERT_FALSE(store) << message;
    EXPECT_EQ(store.error().fault, Fault::store);
    EXPECT_THAT(store.error().message, HasSubstr(std::string(message)));
    EXPECT_FALSE(store.error().next_step.empty());
  }
  /// Waits until `store` answers; the pauses between its attempts to connect pass at once.
  void wait_until_back(PostgresqlStore& store) {
    while (!try_load(store, key)) clock.advance(1min);
  }
  /// Whether `store` does what it is for again.
  void expect_recovers(PostgresqlStore& store) {
    wait_until_back(store);
    const Record stored = load(store, key);
    Acquired grant = granted(store, lease_request(key, stored.revision, now(), "after"));
    Record next = next_token(grant.record, "after", now());
    EXPECT_EQ(commit(store, grant.lease, std::move(next)), WriteOutcome::written);
    EXPECT_TRUE(load(store, key).token->value.same_as("after"));
  }
  /// The first changes that are told after `cursor`.
  Changes news_after(PostgresqlStore& store, const std::string& cursor) {
    Changes news = changes(store, cursor);
    while (!news.everything && news.tokens.empty()) news = changes(store, news.cursor);
    return news;
  }
  /// Its statements from now on are sent over one connection that exists already.
  static PoolOptions one_connection() { return {.connections = 1}; }
  [[nodiscard]] static WallTime now() { return system_clock().wall(); }

  const TestDatabase database{*server};
  hufu::testing::FakeClock clock;
  Key key{"wx1", "access_token"};
  Key other{"wx2", "access_token"};
};

// ---- Opening ----

TEST_F(PostgresqlStoreTest, ManyThatOpenANewDatabaseAtOnceAllCanUseIt) {
  constexpr int kNodes = 8;
  std::barrier start(kNodes);
  std::vector<std::thread> nodes;
  for (int i = 0; i < kNodes; ++i) {
    nodes.emplace_back([&, i] {
      start.arrive_and_wait();
      auto store = open();
      if (store) put_app(*store, app_row("wx" + std::to_string(i), "secret"));
    });
  }
  for (auto& node : nodes) node.join();
  EXPECT_THAT(scan_apps(*open()), SizeIs(kNodes));
}

TEST_F(PostgresqlStoreTest, IsReachedThroughASocketToo) {
  auto store = must(try_open(server->socket_uri(database.name())));
  put_token(*store, key, "token", now());
  EXPECT_THAT(store->warnings(), IsEmpty());
}

TEST_F(PostgresqlStoreTest, RefusesWhatANewerHufuWrote) {
  open();
  PostgresqlOutsider outsider(database.uri());
  ASSERT_TRUE(outsider.run("UPDATE hufu_schema SET version = 99"));
  expect_refused(database.uri(), "was written by a newer hufu (schema 99");
  EXPECT_EQ(outsider.ask("SELECT version FROM hufu_schema"), "99");
}

TEST_F(PostgresqlStoreTest, ADatabaseOfBeforeSettingsAndCredentialsKeepsItsTokensAndItsApps) {
  {
    const auto address = must_value(parse_postgresql_address(Secret(database.uri()), Secret()));
    std::atomic<std::uint64_t> round_trips = 0;
    const auto connection = PostgresqlConnection::connect(address, round_trips);
    must(migrate(*connection, address, 1));
  }
  PostgresqlOutsider outsider(database.uri());
  ASSERT_TRUE(outsider.run(
      "INSERT INTO hufu_apps VALUES ('wx1', 'wechat', 'classic', false, '\\x00ff', "
      "decode(repeat('a0', 16), 'hex'), 1, 2), ('wx2', 'wechat', '', true, '\\x73', "
      "decode(repeat('a0', 16), 'hex'), 1, 2); "
      "INSERT INTO hufu_tokens (app, kind, revision, token, issuer, obtained_at, expires_at, "
      "renew_at, predecessors, marks, late_marks, budget, fence, holder, lease_until, "
      "lease_length, created_at, updated_at) VALUES ('wx1', 'access_token', 17, 'sealed', "
      "'wechat/classic/access_token', 3, 4, 5, '', '5:3;1:2?;', '', '', nextval('hufu_fences'), "
      "'', 0, 0, 6, 7)"));
  for (int round = 0; round < 2; ++round) {
    auto store = open();
    const Record record = load(*store, key);
    EXPECT_TRUE(record.token->value.same_as("sealed"));
    EXPECT_EQ(record.token->overlap, std::nullopt);
    EXPECT_EQ(record.revision, 17U);
    EXPECT_EQ(record.updated_at, WallTime(7ms));
    EXPECT_TRUE(record.refresh_token.empty());
    EXPECT_THAT(
        record.in_doubt,
        ElementsAre(InDoubtCall{WallTime(5ms), WallTime(3ms), InDoubtCall::State::known_dead},
                    InDoubtCall{WallTime(1ms), WallTime(2ms), InDoubtCall::State::pending}));
    const auto app = load_app(*store, "wx1");
    ASSERT_TRUE(app);
    EXPECT_EQ(app->settings, (Settings{{"endpoint", "classic"}}));
    EXPECT_TRUE(credential(app->credentials, kSecret).same_as(std::string_view("\0\xff", 2)));
    EXPECT_EQ(app->tag[15], 0xa0);
    EXPECT_FALSE(app->secret_login);
    EXPECT_THAT(load_app(*store, "wx2")->settings, IsEmpty());
    EXPECT_THAT(scan_apps(*store), SizeIs(2));
  }
  EXPECT_TRUE(reseal_credential(*open(), "wx2", kSecret, "s", "sealed again"));
}

TEST_F(PostgresqlStoreTest, LeavesTheTablesOfOthersAlone) {
  PostgresqlOutsider outsider(database.uri());
  ASSERT_TRUE(outsider.run("CREATE TABLE hufu_apps (mine text); INSERT INTO hufu_apps VALUES (1)"));
  expect_refused(database.uri(), "holds a table of another program");
  EXPECT_EQ(outsider.ask("SELECT mine FROM hufu_apps"), "1");
  EXPECT_EQ(outsider.ask("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'hufu%'"), "1")
      << "all or nothing";
}

TEST_F(PostgresqlStoreTest, SaysWhoMayNotMakeItsTables) {
  database.admin("CREATE ROLE guest LOGIN");
  // As it is from PostgreSQL 15 on by itself.
  PostgresqlOutsider(database.uri("postgres")).run("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
  expect_refused(database.uri("guest"), "forbids this to the user guest");
}

TEST_F(PostgresqlStoreTest, AWrongPasswordNamesTheUserAndNeverThePassword) {
  database.admin("ALTER DATABASE " + database.name() + " OWNER TO locked");
  PostgresqlOptions options = options_for(database.uri("locked"));
  for (const char* password : {"", "canary"}) {
    options.password = Secret(std::string_view(password));
    auto store = PostgresqlStore::open(std::move(options), clock);
    ASSERT_FALSE(store);
    EXPECT_THAT(store.error().message, HasSubstr("does not let the user locked in"));
    EXPECT_THAT(store.error().next_step, HasSubstr("HUFU_STORE_PASSWORD"));
    EXPECT_THAT(store.error().message + store.error().next_step, Not(HasSubstr("canary")));
    options = options_for(database.uri("locked"));
  }
  options.password = Secret(std::string_view("right"));
  put_token(*must(PostgresqlStore::open(std::move(options), clock)), key, "token", now());
}

TEST_F(PostgresqlStoreTest, IsSpokenToOverTlsThatIsVerified) {
  if (PostgresqlServer::find_openssl().empty()) GTEST_SKIP() << "there is no openssl";
  const PostgresqlServer secure;
  const TestDatabase shop(secure);
  const std::string certificate = secure.switch_to_tls("localhost");
  const std::string port = std::to_string(secure.port());
  const std::string trusting = "&sslrootcert=" + certificate;

  auto store = must(try_open("postgresql://hufu@localhost:" + port + "/" + shop.name() +
                             "?sslmode=verify-full" + trusting));
  put_token(*store, key, "token", now());
  PostgresqlOutsider admin(secure.uri(shop.name(), "postgres"));
  EXPECT_EQ(admin.ask("SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                      "WHERE usename = 'hufu' AND NOT ssl"),
            "0");

  // Another name, which no loopback address excuses; and a certificate that nobody vouches for.
  const std::string elsewhere =
      "postgresql:///" + shop.name() + "?user=hufu&port=" + port + "&hostaddr=";
  expect_refused(elsewhere + "127.0.0.1&host=db.example&sslmode=verify-full" + trusting,
                 "cannot be reached over a verified TLS connection");
  expect_refused("postgresql://hufu@localhost:" + port + "/" + shop.name() +
                     "?sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt",
                 "cannot be reached over a verified TLS connection");
}

TEST_F(PostgresqlStoreTest, SaysWhatIsMissingOrAway) {
  expect_refused(server->uri("nowhere"), "does not exist");
  const std::string closed = std::to_string(hufu::testing::free_port());
  expect_refused("postgresql://hufu@127.0.0.1:" + closed + "/db", "cannot be reached");
}

TEST_F(PostgresqlStoreTest, WarnsOfAPoolerAndOfSettingsThatLoseWhatWasStored) {
  EXPECT_THAT(open()->warnings(), IsEmpty());
  auto pooled = must(try_open(pooler->uri(database.name())));
  EXPECT_THAT(pooled->warnings(), ElementsAre(HasSubstr("through a pooler")));
  database.admin("ALTER DATABASE " + database.name() + " SET synchronous_commit = off");
  database.admin("ALTER DATABASE " + database.name() +
                 " SET default_transaction_isolation = serializable");
  EXPECT_THAT(open()->warnings(),
              ElementsAre(HasSubstr("synchronous_commit"), HasSubstr("isolation")));
}

// ---- Leases ----

TEST_F(PostgresqlStoreTest, ARenewalTakesTwoRoundTripsAndARefusalOneMoreThanAGrant) {
  PostgresqlOptions options = options_for(database.uri());
  options.pool = one_connection();
  auto store = must(PostgresqlStore::open(std::move(options), clock));
  load(*store, key);
  auto spent = [&, before = store->round_trips()]() mutable {
    return store->round_trips() - std::exchange(before, store->round_trips());
  };
  Acquired grant = granted(*store, lease_request(key, 0, now()));
  EXPECT_EQ(spent(), 1U);
  acquire(*store, lease_request(key, 0, now()));
  EXPECT_EQ(spent(), 2U);
  commit(*store, grant.lease, next_token(grant.record, "one", now()));
  EXPECT_EQ(spent(), 1U);
  grant = granted(*store, lease_request(key, 1, now()));
  commit(*store, grant.lease, grant.record.clone());
  EXPECT_EQ(spent(), 2U);
}

TEST_F(PostgresqlStoreTest, TheLeaseOfAProcessThatIsGoneIsFreeAtOnce) {
  auto store = open();
  // Our own process id, started at another moment: an earlier process that had the id.
  const std::string gone = process_identity().substr(0, process_identity().rfind('/')) + "/1";
  ASSERT_TRUE(process_is_gone(gone));
  Acquired before = granted(*store, lease_request(key, 0, now(), gone));
  EXPECT_THAT(view(*store).leases, IsEmpty());
  Acquired after = granted(*store, lease_request(key, 0, now() + 1ms, "node-b"));
  EXPECT_THAT(after.record.in_doubt, SizeIs(2)) << "what it called may have been carried out";
  EXPECT_EQ(commit(*store, before.lease, next_token(before.record, "late", now())),
            WriteOutcome::fenced);
}

TEST_F(PostgresqlStoreTest, ALeaseFromBeforeTheDatabasesClockWasSetBackIsOver) {
  auto store = open();
  PostgresqlOutsider outsider(database.uri());
  granted(*store, lease_request(key, 0, now()));
  ASSERT_TRUE(outsider.run("UPDATE hufu_tokens SET lease_until = lease_until + 50000"));
  EXPECT_TRUE(std::holds_alternative<Held>(acquire(*store, lease_request(key, 0, now(), "node-b"))))
      << "by less than a minute";
  ASSERT_TRUE(outsider.run("UPDATE hufu_tokens SET lease_until = lease_until + 3600000"));
  EXPECT_THAT(view(*store).leases, IsEmpty());
  granted(*store, lease_request(key, 0, now(), "node-b"));
}

TEST_F(PostgresqlStoreTest, TextsThatAreNoTextAreKeptByteForByte) {
  auto store = open();
  Acquired grant = granted(*store, lease_request(key, 0, now()));
  Record next = grant.record.clone();
  next.failure =
      FailureState{{Fault::refused, "\xce\xde\xd0\xa7 GBK \xff", "", {}, {}}, now(), now(), 1, {}};
  EXPECT_EQ(commit(*store, grant.lease, std::move(next)), WriteOutcome::written);
}

// ---- The feed ----

TEST_F(PostgresqlStoreTest, WhatATransactionWroteThatEndsLateIsToldOnceAndNothingElseIsToldAgain) {
  auto store = open();
  std::string cursor = changes(*store, "").cursor;
  PostgresqlOutsider slow(database.uri());
  ASSERT_TRUE(
      slow.run("BEGIN; INSERT INTO hufu_changes (app, kind) VALUES ('slow', 'k'); "
               "SELECT pg_notify('hufu_changes', '')"));
  put_token(*store, key, "one", now());

  Changes news = changes(*store, cursor);
  EXPECT_THAT(news.tokens, ElementsAre(key)) << "its number is higher than the one to come";
  EXPECT_THAT(changes(*store, news.cursor).tokens, IsEmpty());
  put_token(*store, other, "two", now());
  news = changes(*store, news.cursor);
  EXPECT_THAT(news.tokens, ElementsAre(other));

  ASSERT_TRUE(slow.run("COMMIT"));
  clock.advance(PostgresqlFeed::kSafety);  // So that it looks, whether it has heard or not.
  news = changes(*store, news.cursor);
  EXPECT_THAT(news.tokens, ElementsAre(Key{"slow", "k"}));
  put_token(*store, key, "three", now());
  EXPECT_THAT(changes(*store, news.cursor).tokens, ElementsAre(key));
}

TEST_F(PostgresqlStoreTest, WhatIsUndoneIsNeverTold) {
  auto store = open();
  PostgresqlOutsider undone(database.uri());
  ASSERT_TRUE(undone.run("BEGIN; INSERT INTO hufu_changes (app, kind) VALUES ('undone', 'k')"));
  const std::string cursor = changes(*store, "").cursor;
  ASSERT_TRUE(undone.run("ROLLBACK"));
  put_token(*store, key, "one", now());
  EXPECT_THAT(changes(*store, cursor).tokens, ElementsAre(key));
}

TEST_F(PostgresqlStoreTest, AnEntryThatWasTrimmedBeforeItWasToldMeansReadEverything) {
  auto store = open(16);
  PostgresqlOutsider slow(database.uri());
  ASSERT_TRUE(slow.run("BEGIN; INSERT INTO hufu_changes (app, kind) VALUES ('slow', 'k')"));
  for (int i = 0; i < 10; ++i) put_token(*store, key, "token", now());
  const std::string cursor = changes(*store, "").cursor;
  ASSERT_TRUE(slow.run("COMMIT"));
  PostgresqlOutsider outsider(database.uri());
  auto is_there = [&] {
    return outsider.ask("SELECT count(*) FROM hufu_changes WHERE app = 'slow'") != "0";
  };
  while (is_there()) {
    put_token(*store, key, "token", now());
    const Changes news = changes(*store, cursor);
    if (!news.everything) {
      EXPECT_THAT(news.tokens, Contains(Key{"slow", "k"}));
    }
  }
  EXPECT_TRUE(changes(*store, cursor).everything);
}

TEST_F(PostgresqlStoreTest, TheLogOfChangesDoesNotGrowForEver) {
  auto store = open(16);
  PostgresqlOutsider outsider(database.uri());
  for (int i = 0; i < 200; ++i) put_token(*store, key, "token", now());
  store.reset();  // With the last trimming.
  EXPECT_LE(std::stoi(outsider.ask("SELECT count(*) FROM hufu_changes").value()), 3 * 16);
  EXPECT_GE(std::stoi(outsider.ask("SELECT count(*) FROM hufu_changes").value()), 16);
}

TEST_F(PostgresqlStoreTest, ACursorOfAnotherDatabaseMeansReadEverything) {
  const TestDatabase elsewhere(*server);
  auto foreign = must(try_open(elsewhere.uri()));
  EXPECT_TRUE(changes(*open(), changes(*foreign, "").cursor).everything);
}

TEST_F(PostgresqlStoreTest, WhileNothingHappensNothingIsAskedAndWhatOthersDoIsHeard) {
  auto store = open();
  std::string cursor = changes(*store, "").cursor;
  auto asks = [&] {
    const auto before = store->round_trips();
    cursor = changes(*store, cursor).cursor;
    return store->round_trips() > before;
  };
  while (asks()) std::this_thread::yield();  // Until it listens.
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(asks());

  PostgresqlOutsider outsider(database.uri());
  ASSERT_TRUE(
      outsider.run("WITH told AS (INSERT INTO hufu_changes (app, kind) VALUES ('wx9', 'k')) "
                   "SELECT pg_notify('hufu_changes', '')"));
  const Changes news = news_after(*store, cursor);
  EXPECT_THAT(news.tokens, ElementsAre(Key{"wx9", "k"}));
  cursor = news.cursor;
  while (asks()) std::this_thread::yield();

  clock.advance(PostgresqlFeed::kSafety);
  EXPECT_TRUE(asks()) << "in case that a notification was lost";
}

TEST_F(PostgresqlStoreTest, EveryKindOfChangeNotifiesTheOthers) {
  auto store = open();
  PostgresqlOutsider listener(database.uri());
  ASSERT_TRUE(listener.run("LISTEN hufu_changes"));
  auto expect_notified = [&](const char* by, const std::function<void()>& act) {
    act();
    EXPECT_TRUE(listener.run("SELECT 1"));
    EXPECT_EQ(listener.notifications(), 1) << by;
  };
  Acquired grant;
  expect_notified("acquire_lease", [&] { grant = granted(*store, lease_request(key, 0, now())); });
  expect_notified("commit",
                  [&] { commit(*store, grant.lease, next_token(grant.record, "old", now())); });
  expect_notified("add_in_doubt", [&] { add_in_doubt(*store, key, {now(), now()}); });
  expect_notified("reseal_token", [&] { reseal_token(*store, key, "old", "new"); });
  expect_notified("put_app", [&] { put_app(*store, app_row("wx1", "old")); });
  expect_notified("reseal_credential",
                  [&] { reseal_credential(*store, "wx1", kSecret, "old", "new"); });
  expect_notified("remove_app", [&] { remove_app(*store, "wx1"); });
  ApiKeyRow shop;
  shop.name = "shop";
  expect_notified("put_key", [&] { put_key(*store, shop); });
  expect_notified("revoke_key", [&] { revoke_key(*store, "shop"); });
}

// ---- FailureState ----

TEST_F(PostgresqlStoreTest, AServerThatCrashesAndComesBackLosesNothingAndItRecovers) {
  auto store = open();
  put_token(*store, key, "kept", now());
  const std::string cursor = changes(*store, "").cursor;
  server->kill();
  auto away = try_load(*store, key);
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().fault, Fault::store);
  ASSERT_TRUE(server->start());

  wait_until_back(*store);
  EXPECT_TRUE(load(*store, key).token->value.same_as("kept"));
  expect_recovers(*store);
  EXPECT_THAT(changes(*store, cursor).tokens, ElementsAre(key)) << "the cursor is still good";
}

TEST_F(PostgresqlStoreTest, ConnectionsThatARestartHasCutAreReplacedBeforeTheyAreUsed) {
  auto store = open();
  put_token(*store, key, "kept", now());
  server->kill();
  ASSERT_TRUE(server->start());
  EXPECT_TRUE(load(*store, key).token->value.same_as("kept"));
  expect_recovers(*store);
}

TEST_F(PostgresqlStoreTest, AKilledSessionTakesNothingThatWasReportedAsStoredAndItRecovers) {
  auto store = open();
  PostgresqlOutsider outsider(database.uri("postgres"));
  const std::string backends =
      "SELECT pid FROM pg_stat_activity WHERE usename = 'hufu' AND datname = current_database() "
      "AND query LIKE '%hufu_tokens%' LIMIT 1";
  std::atomic<bool> killed = false;
  std::uint64_t stored = 0;
  std::thread writer([&] {
    // Until the session was killed in the middle of this.
    while (!killed) {
      auto outcome = try_acquire(*store, lease_request(key, stored, now()));
      if (!outcome) break;
      auto* grant = std::get_if<Acquired>(&*outcome);
      if (grant == nullptr) break;
      auto written = try_commit(*store, grant->lease, next_token(grant->record, "token", now()));
      if (!written) break;
      stored = grant->record.revision + 1;
    }
  });
  std::optional<std::string> victim;
  while (!(victim = outsider.ask(backends))) std::this_thread::yield();
  EXPECT_EQ(::kill(std::stoi(*victim), SIGKILL), 0);
  while (::kill(std::stoi(*victim), 0) == 0) std::this_thread::yield();  // Until it is noticed.
  ASSERT_TRUE(server->wait_until_up());
  killed = true;
  writer.join();

  wait_until_back(*store);
  EXPECT_GE(load(*store, key).revision, stored);
  PostgresqlOutsider after(database.uri());
  after.run("UPDATE hufu_tokens SET lease_until = 0");
  expect_recovers(*store);
}

TEST_F(PostgresqlStoreTest, AFrozenServerHoldsNobodyUpForEverAndItRecovers) {
  auto store = open();
  put_token(*store, key, "kept", now());
  server->freeze();
  // Each is answered, which `await` waits for.
  EXPECT_FALSE(try_load(*store, key));
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      EXPECT_FALSE(try_load(*store, other));
      EXPECT_FALSE(try_acquire(*store, lease_request(other, 0, now())));
    });
  }
  for (auto& thread : threads) thread.join();
  server->thaw();
  expect_recovers(*store);
}

TEST_F(PostgresqlStoreTest, ARowThatSomebodyLocksHoldsUpNoOtherKeyAndItRecovers) {
  auto store = open();
  put_token(*store, key, "kept", now());
  PostgresqlOutsider locker(database.uri());
  ASSERT_TRUE(locker.run("BEGIN; SELECT FROM hufu_tokens FOR UPDATE"));
  std::promise<Result<AcquireOutcome>> stuck;
  store->acquire_lease(lease_request(key, 1, now()),
                       [&](auto outcome) { stuck.set_value(std::move(outcome)); });
  put_token(*store, other, "free", now());
  EXPECT_TRUE(load(*store, key).token->value.same_as("kept"));
  const auto outcome = stuck.get_future().get();
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().message,
              ::testing::AnyOf(HasSubstr("in time"), HasSubstr("cannot be reached")));
  PostgresqlOutsider watcher(database.uri());
  while (watcher.ask("SELECT count(*) FROM pg_stat_activity"
                     " WHERE datname = current_database() AND wait_event_type = 'Lock'") != "0") {
    std::this_thread::yield();
  }
  ASSERT_TRUE(locker.run("ROLLBACK"));
  EXPECT_THAT(load(*store, key).in_doubt, IsEmpty()) << "the server, too, gave it up";
  expect_recovers(*store);
}

TEST_F(PostgresqlStoreTest, ASpentConnectionLimitIsNamedAndItRecovers) {
  auto store = open();
  database.admin("ALTER DATABASE " + database.name() + " CONNECTION LIMIT 0");
  auto refused = try_load(*store, key);
  while (refused) refused = try_load(*store, key);  // Somebody had connected before.
  EXPECT_THAT(refused.error().message, HasSubstr("has no connection left"));
  EXPECT_THAT(refused.error().next_step, HasSubstr("max_connections"));
  database.admin("ALTER DATABASE " + database.name() + " CONNECTION LIMIT -1");
  expect_recovers(*store);
}

TEST_F(PostgresqlStoreTest, AServerThatTurnsReadOnlyIsNamedAndItRecovers) {
  auto store = open();
  put_token(*store, key, "kept", now());
  auto set = [&](const char* value) {
    database.admin("ALTER DATABASE " + database.name() +
                   " SET default_transaction_read_only = " + value);
    database.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" +
                   database.name() + "'");
  };
  set("on");
  auto refused = try_acquire(*store, lease_request(key, 1, now()));
  auto is_named = [&] {
    return !refused && refused.error().message.find("cannot be written") != std::string::npos;
  };
  while (!is_named()) {
    clock.advance(1min);
    refused = try_acquire(*store, lease_request(key, 1, now()));
  }
  EXPECT_THAT(refused.error().next_step, HasSubstr("default_transaction_read_only"));
  expect_refused(database.uri(), "cannot be written");
  set("off");
  expect_recovers(*store);
}

TEST_F(PostgresqlStoreTest, AFullDiskIsNamedAndItRecovers) {
  TempDir directory;
  const std::string place = directory.file("small");
  std::filesystem::create_directory(place);
  if (::mount("tmpfs", place.c_str(), "tmpfs", 0, "size=16m") != 0) {
    GTEST_SKIP() << "a file system of a few megabytes could not be mounted: "
                 << std::strerror(errno);
  }
  const Mounted mounted{place};
  for (const std::string& path : {directory.file(""), place}) {
    ASSERT_EQ(::chown(path.c_str(), postgresql_user(), postgresql_user()), 0);
  }
  ASSERT_TRUE(database.admin("CREATE TABLESPACE small LOCATION '" + place + "'"));
  ASSERT_TRUE(database.admin("ALTER DATABASE " + database.name() + " SET TABLESPACE small"));
  {
    auto store = open();
    put_token(*store, key, "kept", now());
    PostgresqlOutsider outsider(database.uri());
    outsider.run("CREATE TABLE filler AS SELECT repeat(md5(random()::text), 30) AS line");
    while (outsider.run("INSERT INTO filler SELECT line FROM filler LIMIT 1000")) {
    }
    Result<AcquireOutcome> refused;
    for (int i = 0; refused; ++i) {
      refused = try_acquire(
          *store, lease_request({"wx" + std::string(100, 'x') + std::to_string(i)}, 0, now()));
    }
    EXPECT_THAT(refused.error().message, HasSubstr("its disk is full"));
    EXPECT_TRUE(load(*store, key).token->value.same_as("kept"));
    EXPECT_TRUE(outsider.run("DROP TABLE filler"));
    expect_recovers(*store);
  }
  database.admin("ALTER DATABASE " + database.name() + " SET TABLESPACE pg_default");
  database.admin("DROP TABLESPACE small");
}

TEST_F(PostgresqlStoreTest, APromotedStandbyIsFoundAndItRecovers) {
  PostgresqlServer primary;
  const TestDatabase shop(primary);
  PostgresqlServer standby(primary, PostgresqlServer::Standby());
  ASSERT_TRUE(standby.wait_until_up());
  const std::string both = "postgresql://hufu@127.0.0.1:" + std::to_string(standby.port()) +
                           ",127.0.0.1:" + std::to_string(primary.port()) + "/" + shop.name();
  auto store = must(try_open(both));
  put_token(*store, key, "kept", now());
  const std::string cursor = changes(*store, "").cursor;
  PostgresqlOutsider follower(standby.uri(shop.name()));
  while (follower.ask("SELECT revision FROM hufu_tokens WHERE app = 'wx1'") != "1") {
    std::this_thread::yield();
  }

  primary.kill();
  PostgresqlOutsider admin(standby.uri("postgres", "postgres"));
  ASSERT_TRUE(admin.run("SELECT pg_promote()"));
  wait_until_back(*store);
  EXPECT_TRUE(load(*store, key).token->value.same_as("kept"));
  expect_recovers(*store);
  const Changes news = changes(*store, cursor);
  EXPECT_TRUE(news.everything || news.tokens == std::vector<Key>{key});
}

TEST_F(PostgresqlStoreTest, EveryDoneIsCalledBeforeItIsGone) {
  constexpr int kMany = 200;
  std::atomic<int> told = 0;
  auto store = open();
  for (int i = 0; i < kMany; ++i) {
    store->acquire_lease(lease_request({"wx" + std::to_string(i), "k"}, 0, now()),
                         [&](Result<AcquireOutcome>) { ++told; });
    store->load(key, [&](Result<Record>) { ++told; });
  }
  store->scan([](Key, Record) {}, [&](Result<void>) { ++told; });
  store.reset();
  EXPECT_EQ(told, 2 * kMany + 1);
}

}  // namespace
}  // namespace hufu::store

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  if (hufu::store::testing::find_postgresql("postgres").empty()) {
    std::cout << "not run: PostgreSQL: no server on this machine\n";
    return 0;
  }
  hufu::store::testing::PostgresqlServer server;
  hufu::store::testing::Pooler pooler(server);
  hufu::store::server = &server;
  hufu::store::pooler = &pooler;
  return RUN_ALL_TESTS();
}
