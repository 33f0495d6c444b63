#include "store/mongodb/mongodb_store.hpp"

#include <gmock/gmock.h>

#include <iostream>
#include <thread>

#include "core/process.hpp"
#include "store/aes_gcm_sealer.hpp"
#include "store/conformance/conformance.hpp"
#include "store/keyring.hpp"
#include "store/mongodb/mongodb_testing.hpp"
#include "store/sealed_store.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace conformance;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kRecords = "hufu_records";

std::shared_ptr<MongoStore> open(const MongoDatabase& database) {
  MongoOptions options;
  options.uri = Secret(database.uri());
  return must_value(MongoStore::open(std::move(options), system_clock()));
}

/// Moves the ends of all leases, and a second more: the store takes an end for reached as late as
/// its first look at the server's clock was slow.
void let_leases_age(MongoDatabase& database, Milliseconds span) {
  Doc held;
  held.doc("holder", Doc().text("$gt", ""));
  for (const Doc& found : database.find(kRecords, held)) {
    Doc end;
    end.date("lease_until", Fields(found).date_or_epoch("lease_until") - span - 1s);
    database.outsider().update(kRecords, Doc().text("_id", Fields(found).text("_id")),
                               Doc().doc("$set", end));
  }
}

class MongoHarness final : public Harness {
 public:
  Handle open() override {
    auto store = hufu::store::open(database_);
    return {store, store, store, store};
  }
  void let_pass(Milliseconds span) override { let_leases_age(database_, span); }
  /// Stands still, so that a test may ask twice.
  [[nodiscard]] WallTime now() const override { return now_; }
  [[nodiscard]] Milliseconds clock_slop() const override { return 1min; }

 private:
  MongoDatabase database_;
  const WallTime now_ = system_clock().wall();
};

const auto kStores =
    ::testing::Values(Case{"mongodb", [] { return std::make_unique<MongoHarness>(); }});
INSTANTIATE_TEST_SUITE_P(MongoDb, LeaseConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(MongoDb, FeedConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(MongoDb, RegistryConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(MongoDb, LedgerConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(MongoDb, ClusterConformance, kStores, name_of_case);

class MongoStoreTest : public ::testing::Test {
 protected:
  std::shared_ptr<MongoStore> open() { return hufu::store::open(database); }
  Result<std::shared_ptr<MongoStore>> try_open(const std::string& uri,
                                               std::string_view password = "") {
    MongoOptions options;
    options.uri = Secret(uri);
    options.password = Secret(password);
    return MongoStore::open(std::move(options), system_clock());
  }
  static Doc with_id(std::string_view which) {
    Doc filter;
    filter.text("_id", which);
    return filter;
  }
  void set(const Doc& filter, const Doc& fields) {
    database.outsider().update(kRecords, filter, Doc().doc("$set", fields));
  }

  MongoDatabase database;
  Key key{"wx1", std::string(kAccessToken)};
  const std::string id = "wx1\naccess_token";
  const WallTime now = system_clock().wall();
};

// ---- Opening ----

TEST_F(MongoStoreTest, ADatabaseOfANewerVersionIsRefused) {
  open();
  database.outsider().update("hufu_meta", with_id("schema"),
                             Doc().doc("$set", Doc().number("version", 3)));
  auto store = try_open(database.uri());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().fault, Fault::store);
  EXPECT_THAT(store.error().message, HasSubstr("written by a newer hufu"));
  EXPECT_FALSE(store.error().next_step.empty());
}

TEST_F(MongoStoreTest, ManyProcessesCanOpenANewDatabaseAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      auto store = open();
      put_token(*store, {"wx" + std::to_string(i), "k"}, "token", now);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(scan(*open()), SizeIs(6));
}

TEST_F(MongoStoreTest, AWrongPasswordIsReportedAndNotRepeated) {
  std::string uri = database.uri();
  uri.insert(uri.find("//") + 2, "canaryuser@");
  auto store = try_open(uri, "canarypassword");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().fault, Fault::store);
  EXPECT_THAT(store.error().message + store.error().next_step, Not(HasSubstr("canary")));
  put_token(*open(), key, "and it recovers", now);
}

TEST_F(MongoStoreTest, AUriThatCannotBeReadIsNotRepeated) {
  for (const char* uri : {"mongodb://", "mongodb://canary:canary@", "mongodb://canary%zz@host/",
                          "mongodb://host:canary/"}) {
    auto store = try_open(uri);
    ASSERT_FALSE(store) << uri;
    EXPECT_EQ(store.error().fault, Fault::config);
    EXPECT_THAT(store.error().message + store.error().next_step, Not(HasSubstr("canary")));
  }
}

TEST_F(MongoStoreTest, WarnsOfWhatCrossesANetworkUnprotected) {
  const auto warnings = [](std::string_view uri) {
    return must_value(MongoAddress::parse(Secret(uri), Secret())).warnings();
  };
  EXPECT_THAT(warnings("mongodb://127.0.0.1/"), IsEmpty());
  EXPECT_THAT(warnings("mongodb://db.example/?tls=true"), IsEmpty());
  EXPECT_THAT(warnings("mongodb://localhost,db.example/"), ElementsAre(HasSubstr("tls=true")));
  EXPECT_THAT(warnings("mongodb://db.example/?tls=true&tlsInsecure=true"),
              ElementsAre(HasSubstr("not verified")));
  EXPECT_THAT(warnings("mongodb://db.example/?tls=true&tlsAllowInvalidCertificates=true"),
              ElementsAre(HasSubstr("not verified")));
}

// ---- Leases ----

TEST_F(MongoStoreTest, TheLeaseOfAProcessThatIsGoneIsFreeAtOnce) {
  auto store = open();
  std::string gone = process_identity();
  gone.back() = gone.back() == '1' ? '2' : '1';  // The same process id, started at another moment.
  ASSERT_TRUE(process_is_gone(gone));
  granted(*store, lease_request(key, 0, now, gone));
  granted(*store, lease_request(key, 0, now, "node-b"));
}

TEST_F(MongoStoreTest, ALeaseThatEndsLaterThanAnyWasGrantedForIsOver) {
  auto store = open();
  granted(*store, lease_request(key, 0, now, "node-a"));
  set(with_id(id), Doc().date("lease_until", now + 1h));
  granted(*store, lease_request(key, 0, now, "node-b"));
}

TEST_F(MongoStoreTest, ADamagedRecordIsAFailureOfThatRecordOnly) {
  auto store = open();
  put_token(*store, key, "token", now);
  put_token(*store, {"wx2", "access_token"}, "token", now);
  set(with_id(id), Doc().text("budget", "{"));
  EXPECT_FALSE(try_load(*store, key));
  EXPECT_FALSE(try_acquire(*store, lease_request(key, 1, now)));
  for (const auto& [found, record] : scan(*store)) {
    EXPECT_EQ(record.token.has_value(), found != key);
    EXPECT_EQ(record.failure.has_value(), found == key);
  }
  set(with_id(id), Doc().text("budget", ""));
  granted(*store, lease_request(key, 1, now));
}

// ---- The feed ----

TEST_F(MongoStoreTest, AWriteThatBecomesVisibleLateWithAnOlderStampIsReported) {
  auto store = open();
  const Key slow{"wxslow", "k"};
  const Key quick{"wxquick", "k"};
  put_token(*store, slow, "one", now);
  const std::string before = changes(*store, "").cursor;

  // The slow writer has its stamp, and is not seen yet: as if its document were still on its way.
  granted(*store, lease_request(slow, 1, now));
  const Doc stamped = std::move(database.find(kRecords, with_id("wxslow\nk")).at(0));
  database.outsider().remove(kRecords, with_id("wxslow\nk"));
  put_token(*store, quick, "one", now);
  const Changes first = changes(*store, before);
  EXPECT_THAT(first.tokens, ElementsAre(quick));
  database.outsider().insert(kRecords, stamped);

  const Changes second = changes(*store, first.cursor);
  EXPECT_THAT(second.tokens, ElementsAre(slow));
  EXPECT_THAT(changes(*store, second.cursor).tokens, IsEmpty());
}

TEST_F(MongoStoreTest, ACursorOfAnotherDatabaseMeansReadEverything) {
  MongoDatabase other;
  const std::string cursor = changes(*hufu::store::open(other), "").cursor;
  EXPECT_TRUE(changes(*open(), cursor).everything);
}

TEST_F(MongoStoreTest, NothingInTheDatabaseIsInTheClear) {
  const auto store = open();
  const auto sealer =
      std::make_shared<const AesGcmSealer>(must_value(Keyring::fresh()), std::string());
  SealedStore sealed(store, sealer);
  SealedRegistry registry(store, sealer);
  put_app(registry, app_row("wx1", "canarysecret"));
  Acquired grant = granted(sealed, lease_request(key, 0, now));
  commit(sealed, grant.lease, next_token(grant.record, "canarytoken", now));
  EXPECT_TRUE(load(sealed, key).token->value.same_as("canarytoken"));
  for (const char* collection : {"hufu_records", "hufu_sealing_keys", "hufu_nodes", "hufu_meta"}) {
    for (const Doc& document : database.find(collection)) {
      const Fields all(document);
      const std::string_view bytes(reinterpret_cast<const char*>(all.data()), all.size());
      EXPECT_EQ(bytes.find("canary"), std::string_view::npos) << collection;
    }
  }
}

TEST_F(MongoStoreTest, APlainTokenThatAnOlderVersionLeftOnARecordGoesWithTheNextCommit) {
  const auto store = open();
  put_token(*store, key, "one", now);
  set(with_id(id), Doc().doc("copy", Doc().text("token", "canary").text("name", "access_token")));
  EXPECT_TRUE(load(*store, key).token->value.same_as("one"));
  put_token(*store, key, "two", now);
  EXPECT_FALSE(Fields(database.find(kRecords, with_id(id)).at(0)).has("copy"));
}

// ---- Names, and documents of an older version ----

TEST_F(MongoStoreTest, ANameThatWouldBeAPathIsOneFieldAndComesBack) {
  const auto store = open();
  AppRow app = app_row("wx1", "secret");
  for (const char* name : {"a.b", "$where", "50%2E", "%", "plain_1"}) {
    app.settings[name] = name;
    app.credentials.emplace(name, Secret(std::string_view("sealed")));
  }
  const Settings settings = app.settings;
  put_app(*store, std::move(app));
  const auto found = load_app(*store, "wx1");
  EXPECT_EQ(found->settings, settings);
  EXPECT_THAT(found->credentials, SizeIs(6));
  EXPECT_TRUE(reseal_credential(*store, "wx1", "$where", "sealed", "anew"));
  EXPECT_TRUE(credential(load_app(*store, "wx1")->credentials, "$where").same_as("anew"));
}

/// A database as version 1 left it: a record with a lease that was not given back, and an app.
class MongoOlderDatabaseTest : public MongoStoreTest {
 protected:
  MongoOlderDatabaseTest() {
    open();
    database.outsider().update("hufu_meta", with_id("schema"),
                               Doc().doc("$set", Doc().number("version", 1)));
    Doc record = stamped(id);
    record.text("app", "wx1").text("kind", "access_token").flag("gone", false);
    record.number("revision", 17).binary("token", "sealed").text("issuer", "wechat/classic");
    record.date("obtained_at", now).date("expires_at", now + 2h).date("renew_at", now + 1h);
    record.null("displaced_at").null("alive_at").text("predecessors", "89abcdef;");
    record.list("marks", {"5:3;", "1:2?;"}).list("late_marks", std::vector<std::string>());
    record.number("late", 0).text("budget", "").number("fence", 3).text("holder", "");
    record.date("lease_until", WallTime()).number("lease_for", 30'000);
    database.outsider().insert(kRecords, record);
    Doc app = stamped("wx1\n");
    app.text("app", "wx1").text("kind", "").flag("gone", false).text("platform", "wechat");
    app.text("endpoint", "classic").flag("secret_login", true).binary("secret", "sealed secret");
    app.text("legacy_document", "access_token").text("legacy_collection", "");
    app.binary("tag", "0123456789abcdef");
    database.outsider().insert(kRecords, app);
    store = open();
  }
  Doc stamped(std::string_view name) const {
    Doc document = with_id(name);
    document.stamp("changed", 1).date("created_at", now - 1h).date("updated_at", now);
    return document;
  }

  std::shared_ptr<MongoStore> store;
};

TEST_F(MongoOlderDatabaseTest, IsReadAsItIs) {
  using State = InDoubtCall::State;
  const Record record = load(*store, key);
  ASSERT_TRUE(record.token);
  EXPECT_TRUE(record.token->value.same_as("sealed"));
  EXPECT_EQ(record.token->overlap, std::nullopt);
  EXPECT_EQ(record.revision, 17U);
  EXPECT_TRUE(record.refresh_token.empty());
  EXPECT_THAT(record.in_doubt,
              ElementsAre(InDoubtCall{WallTime(5ms), WallTime(3ms), State::known_dead},
                          InDoubtCall{WallTime(1ms), WallTime(2ms), State::pending}));
  const auto app = load_app(*store, "wx1");
  ASSERT_TRUE(app);
  EXPECT_EQ(app->settings, (Settings{{"endpoint", "classic"}}));
  EXPECT_THAT(app->credentials, SizeIs(1));
  EXPECT_TRUE(credential(app->credentials, kSecret).same_as("sealed secret"));
  EXPECT_EQ(app->legacy_document, "access_token");
  EXPECT_EQ(app->parent, "");
  EXPECT_THAT(app->keep, IsEmpty());
}

TEST_F(MongoOlderDatabaseTest, IsWrittenOnWhereItStands) {
  Acquired grant = granted(*store, lease_request(key, 17, now));
  EXPECT_EQ(grant.lease.fence, 4U);
  ASSERT_THAT(grant.record.in_doubt, SizeIs(3));
  EXPECT_EQ(grant.record.in_doubt[2].fence, 4U);
  EXPECT_EQ(grant.record.in_doubt[1].fence, 0U) << "of a lease that nobody knows any more";
  EXPECT_EQ(commit(*store, grant.lease, next_token(grant.record, "next", now)),
            WriteOutcome::written);
  EXPECT_EQ(load(*store, key).revision, 18U);
  EXPECT_TRUE(reseal_credential(*store, "wx1", kSecret, "sealed secret", "anew"));
}

TEST_F(MongoOlderDatabaseTest, IsRefusedToTheOlderVersionFromNowOn) {
  const Doc schema = std::move(database.find("hufu_meta", with_id("schema")).at(0));
  EXPECT_EQ(Fields(schema).number("version"), 2);
  EXPECT_FALSE(Fields(schema).text("identity").empty());
}

// What it does not know it leaves alone, in whatever it still writes as long as it runs.
TEST_F(MongoOlderDatabaseTest, AnOlderProgramThatRunsOnTakesNothingWithIt) {
  AppRow app = app_row("wx1", "secret");
  app.parent = "wxparent";
  app.credentials.emplace("aes_key", Secret(std::string_view("sealed key")));
  put_app(*store, std::move(app));
  Acquired grant = granted(*store, lease_request(key, 17, now));
  Record next = next_token(grant.record, "next", now);
  next.refresh_token = Secret(std::string_view("sealed refresh token"));
  commit(*store, grant.lease, std::move(next));

  // It replaces the app, removes the record, and makes it again.
  set(with_id("wx1\n"), Doc().text("endpoint", "stable").binary("secret", "another"));
  set(with_id(id), Doc().flag("gone", true));
  const auto found = load_app(*store, "wx1");
  EXPECT_EQ(found->parent, "wxparent");
  EXPECT_TRUE(credential(found->credentials, "aes_key").same_as("sealed key"));
  EXPECT_TRUE(credential(found->credentials, kSecret).same_as("another"));
  EXPECT_TRUE(granted(*store, lease_request(key, 0, now)).record.refresh_token.empty())
      << "of a record that was made anew";
}

// ---- A server in failure ----

class MongoFaultTest : public MongoStoreTest {
 protected:
  void SetUp() override {
    if (server.process() == nullptr) GTEST_SKIP() << "the server is not ours to hurt";
    store = open();
    put_token(*store, key, "one", now);
  }
  void TearDown() override { static_cast<void>(server.wait_until_up()); }

  /// Reads and writes again, once each connection has noticed that it is of no use any more.
  void expect_recovery() {
    int begins = 0;
    const bool recovered = server.process()->wait_until([&] {
      const auto record = try_load(*store, key);
      const Key fresh{"wx" + std::to_string(++begins), "fresh"};
      return record && record->token->value.same_as("one") &&
             try_acquire(*store, lease_request(fresh, 0, now));
    });
    EXPECT_TRUE(recovered) << "and it recovers";
  }
  void expect_failure() {
    for (int tries = 0; tries < 3; ++tries) {
      auto record = try_load(*store, key);
      ASSERT_FALSE(record);
      EXPECT_FALSE(record.error().next_step.empty());
    }
  }

  MongoServer& server = *MongoServer::get();
  std::shared_ptr<MongoStore> store;
};

TEST_F(MongoFaultTest, IsKilledAndStartedAgainAndItRecovers) {
  server.process()->stop(SIGKILL);
  expect_failure();
  server.process()->start();
  ASSERT_TRUE(server.wait_until_up());
  expect_recovery();
}

TEST_F(MongoFaultTest, StandsStillAndItRecovers) {
  server.process()->freeze();
  auto record = try_load(*store, key);
  server.process()->thaw();
  EXPECT_FALSE(record) << "bounded by the driver's time-outs";
  expect_recovery();
}

TEST_F(MongoFaultTest, IsNotThereAtTheStartAndItRecovers) {
  server.process()->stop(SIGKILL);
  EXPECT_FALSE(try_open(database.uri()));
  server.process()->start();
  ASSERT_TRUE(server.wait_until_up());
  EXPECT_TRUE(try_open(database.uri()));
}

}  // namespace
}  // namespace hufu::store

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const bool replica_set = argc > 1 && std::string_view(argv[1]) == "--replica-set";
  if (replica_set) hufu::store::testing::MongoServer::be_replica_set();
  auto* server = hufu::store::testing::MongoServer::get();
  if (server == nullptr) {
    std::cout << (replica_set ? "not run: MongoDB as a replica set: no ferretdb in build/servers\n"
                              : "not run: MongoDB: no HUFU_TEST_MONGODB_URI that answers, no "
                                "mongod on the path, no ferretdb in build/servers\n");
    return 0;
  }
  std::cout << "against " << server->what() << "\n";
  return RUN_ALL_TESTS();
}
