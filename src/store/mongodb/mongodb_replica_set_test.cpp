#include <gmock/gmock.h>

#include <latch>
#include <set>
#include <string>

#include "store/mongodb/mongodb_store.hpp"
#include "store/mongodb/mongodb_testing.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace std::chrono_literals;
using namespace std::string_view_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

constexpr int kNotWritablePrimary = 10107;
constexpr int kInterruptedByStateChange = 11602;

/// Reads its record as often at once as a pool has connections, and more.
void use_all_connections(MongoStore& store, const Key& key) {
  constexpr int kMany = 32;
  std::latch all(kMany);
  for (int i = 0; i < kMany; ++i) {
    store.load(key, [&](const Result<Record>&) { all.count_down(); });
  }
  all.wait();
}

class MongoConcernTest : public ::testing::Test {
 protected:
  static Result<std::shared_ptr<MongoStore>> try_open(const std::string& uri) {
    MongoOptions options;
    options.uri = Secret(uri);
    return MongoStore::open(std::move(options), system_clock());
  }
  /// With which concerns this database was asked; skips the test where the server keeps no notes.
  std::vector<Doc> concerns() {
    std::vector<Doc> found;
    const Doc reply = database.outsider().run(Doc().number("gateConcerns", 1));
    Fields(reply).each("commands", [&](const Fields& each) {
      bson_t view;
      bson_init_static(&view, each.data(), each.size());
      bson_copy_to(&view, found.emplace_back().reset());
    });
    return found;
  }

  MongoServer& server = *MongoServer::get();
  MongoDatabase database;
  Key key{"wx1", std::string(kAccessToken)};
  const WallTime now = system_clock().wall();
};

/// Every verb there is, most of them on all their ways.
void use_everything(MongoStore& store, const Key& key, WallTime now) {
  Acquired grant = granted(store, lease_request(key, 0, now, "node-a"));
  ASSERT_TRUE(try_acquire(store, lease_request(key, 0, now, "node-b"))) << "which is held";
  EXPECT_EQ(commit(store, grant.lease, next_token(grant.record, "token", now)),
            WriteOutcome::written);
  grant = granted(store, lease_request(key, 1, now));
  ASSERT_TRUE(await<Result<void>>([&](auto done) {
    store.add_in_doubt(key, InDoubtCall{now, now}, done);
  }));
  ASSERT_TRUE(await<Result<WriteOutcome>>(
      [&](auto done) { store.commit(std::move(grant.lease), std::move(grant.record), done); }));
  granted(store, lease_request(key, 1, now));
  granted(store, lease_request({"wx2", "k"}, 0, now));
  EXPECT_FALSE(scan(store).empty());
  EXPECT_TRUE(changes(store, changes(store, "").cursor).tokens.empty());
  ASSERT_TRUE(await<Result<bool>>(
      [&](auto done) { store.reseal_token(key, Secret("token"sv), Secret("sealed"sv), done); }));

  put_app(store, app_row("wx1", "secret"));
  put_app(store, app_row("wx1", "other"));
  ASSERT_TRUE(await<Result<bool>>([&](auto done) {
    store.reseal_credential("wx1", "secret", Secret("other"sv), Secret("sealed"sv), done);
  }));
  EXPECT_FALSE(scan_apps(store).empty());
  ApiKeyRow reader;
  reader.name = "reader";
  EXPECT_TRUE(put_key(store, reader));
  EXPECT_FALSE(put_key(store, reader));
  EXPECT_FALSE(list_keys(store).empty());
  EXPECT_TRUE(revoke_key(store, "reader"));
  ASSERT_TRUE(await<Result<bool>>([&](auto done) { store.remove_app("wx1", done); }));

  ASSERT_TRUE(await<Result<bool>>([&](auto done) { store.note_first_key({"k1", "c"}, done); }));
  ASSERT_TRUE(await<Result<void>>([&](auto done) { store.note_key({"k2", "c"}, done); }));
  NodeRow node;
  node.name = "node";
  ASSERT_TRUE(await<Result<void>>([&](auto done) { store.announce(node, 1min, done); }));
  ASSERT_TRUE(await<Result<ClusterView>>([&](auto done) { store.view(done); }));
  ASSERT_TRUE(await<Result<void>>([&](auto done) { store.leave("node", done); }));

  const LegacyName name{"tokens", "access_token"};
  ASSERT_TRUE(
      await<Result<bool>>([&](auto done) { store.make(name, Secret("token"sv), now + 1h, done); }));
  auto found =
      must(await<Result<std::vector<LegacyDocument>>>([&](auto done) { store.find(name, done); }));
  ASSERT_EQ(found.size(), 1U);
  ASSERT_TRUE(await<Result<bool>>([&](auto done) {
    store.replace(name, std::move(found[0]), Secret("next"sv), now + 1h, done);
  }));
}

TEST_F(MongoConcernTest, EveryWriteIsJournaledAndOfAMajorityAndEveryReadOfAMajority) {
  try {
    concerns();
  } catch (const MongoFailure&) {
    GTEST_SKIP() << "the server does not tell how it was asked";
  }
  use_everything(*must_value(try_open(database.uri())), key, now);
  const bool replica_set = !server.members().empty();
  std::set<std::string> seen;
  for (const Doc& each : concerns()) {
    const Fields asked(each);
    const std::string command(asked.text("command"));
    const std::string what = command + " " + std::string(asked.text("collection"));
    seen.insert(command);
    if (command == "listIndexes") continue;  // Of the primary's own.
    if (command == "find") {
      EXPECT_EQ(asked.doc("readConcern").text("level"), replica_set ? "majority" : "") << what;
      EXPECT_FALSE(asked.has("writeConcern"));
    } else {
      EXPECT_TRUE(asked.doc("writeConcern").flag("j")) << what;
      EXPECT_EQ(asked.doc("writeConcern").text("w"), replica_set ? "majority" : "") << what;
      EXPECT_EQ(asked.doc("writeConcern").has("wtimeout"), replica_set) << what;
    }
  }
  EXPECT_THAT(seen, IsSupersetOf(std::vector<std::string>{"find", "findAndModify", "update",
                                                          "insert", "delete", "createIndexes"}));
}

class MongoReplicaSetTest : public MongoConcernTest {
 protected:
  void SetUp() override {
    if (server.members().empty()) GTEST_SKIP() << "needs a replica set whose primary may be hurt";
    store = must_value(try_open(database.uri()));
    put_token(*store, key, "one", now);
  }
  void TearDown() override {
    if (server.members().empty()) return;
    EXPECT_TRUE(server.wait_until_up());
    if (!dead_.empty()) tell(Doc().text("gateStart", dead_));
  }

  /// Says something to the primary's `admin`.
  Doc tell(const Doc& command) {
    ServerClock clock(system_clock());
    const auto address = must_value(MongoAddress::parse(Secret(server.uri("admin")), Secret()));
    return must_value(MongoConnection::open(address, clock))->run(command);
  }
  std::string primary() {
    const Doc hello = tell(Doc().number("hello", 1));
    return std::string(Fields(hello).text("me"));
  }
  void step_down() { tell(Doc().number("replSetStepDown", 1)); }
  void die() {
    dead_ = primary();
    EXPECT_THROW(tell(Doc().number("shutdown", 1)), MongoFailure);
  }
  /// What comes of the next command of that name: of a server that has not done it, or perhaps.
  void fail_next(std::string_view command, int code) {
    fail(command, Doc().number("errorCode", code));
  }
  void doubt_next(std::string_view command, int code) {
    Doc complaint;
    complaint.number("code", code).text("errmsg", "interrupted");
    fail(command, Doc().doc("writeConcernError", complaint));
  }
  void lose_answer_of_next(std::string_view command) {
    fail(command, Doc().flag("closeConnection", true).flag("gateAfterwards", true));
  }
  std::string uri_of(const std::string& members, const std::string& options) const {
    return "mongodb://" + members + "/" + database.name() + options;
  }
  Result<WriteOutcome> try_commit(const Lease& lease, Record next) {
    return await<Result<WriteOutcome>>(
        [&](auto done) { store->commit(lease, std::move(next), done); });
  }

  std::shared_ptr<MongoStore> store;

 private:
  void fail(std::string_view command, const Doc& how) {
    Doc data;
    data.list("failCommands", std::vector<std::string>{std::string(command)}).all(how);
    Doc point;
    point.text("configureFailPoint", "failCommand").doc("mode", Doc().number("times", 1));
    tell(point.doc("data", data));
  }

  std::string dead_;
};

// ---- Another primary

TEST_F(MongoReplicaSetTest, ANewPrimaryCostsOneFailureAndNotOneForEachConnection) {
  for (const bool dies : {false, true}) {
    use_all_connections(*store, key);
    dies ? die() : step_down();
    ASSERT_TRUE(server.wait_until_up());
    int failures = 0;
    for (int i = 0; i < 20; ++i) failures += try_load(*store, key) ? 0 : 1;
    EXPECT_LE(failures, 1) << (dies ? "died" : "stepped down");
    EXPECT_TRUE(load(*store, key).token->value.same_as("one"));
  }
}

TEST_F(MongoReplicaSetTest, WithoutAPrimaryNobodyWaitsForOne) {
  step_down();
  const auto record = try_load(*store, key);
  ASSERT_FALSE(record) << "it was there after the election";
  EXPECT_FALSE(record.error().next_step.empty());
}

TEST_F(MongoReplicaSetTest, ALeaseOutlivesThePrimaryThatGrantedIt) {
  Acquired grant = granted(*store, lease_request(key, 1, now, "node-a"));
  step_down();
  ASSERT_TRUE(server.wait_until_up());
  use_all_connections(*store, key);  // One finds the old one gone.
  EXPECT_TRUE(std::holds_alternative<Held>(acquire(*store, lease_request(key, 1, now, "node-b"))));
  EXPECT_EQ(commit(*store, grant.lease, next_token(grant.record, "two", now)),
            WriteOutcome::written);
  EXPECT_TRUE(load(*store, key).token->value.same_as("two"));
}

TEST_F(MongoReplicaSetTest, TheFeedGoesOnWithTheNextPrimary) {
  auto other = must_value(try_open(database.uri()));
  std::string cursor = changes(*other, "").cursor;
  int revision = 1;
  for (const bool dies : {false, true}) {
    dies ? die() : step_down();
    ASSERT_TRUE(server.wait_until_up());
    use_all_connections(*store, key);
    use_all_connections(*other, key);
    Acquired grant = granted(*store, lease_request(key, revision++, now));
    commit(*store, grant.lease, next_token(grant.record, "next", now));
    const Changes told = changes(*other, cursor);
    EXPECT_FALSE(told.everything);
    EXPECT_THAT(told.tokens, ElementsAre(key));
    cursor = told.cursor;
    EXPECT_THAT(changes(*other, cursor).tokens, IsEmpty());
  }
}

// ---- What was said no to, and what is in doubt

TEST_F(MongoReplicaSetTest, ALeaseThatAFormerPrimaryRefusedIsFree) {
  fail_next("findAndModify", kNotWritablePrimary);
  const auto refused = try_acquire(*store, lease_request(key, 1, now, "node-a"));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().next_step, HasSubstr("choosing its primary"));
  granted(*store, lease_request(key, 1, now, "node-b"));
}

TEST_F(MongoReplicaSetTest, ALeaseThatNoMajorityConfirmedIsNotGrantedAndMayBeTaken) {
  doubt_next("findAndModify", kInterruptedByStateChange);
  EXPECT_FALSE(try_acquire(*store, lease_request(key, 1, now, "node-a")));
  EXPECT_TRUE(std::holds_alternative<Held>(acquire(*store, lease_request(key, 1, now, "node-b"))));
}

TEST_F(MongoReplicaSetTest, ALeaseWhoseAnswerWasLostIsNotGrantedAndMayBeTaken) {
  lose_answer_of_next("findAndModify");
  EXPECT_FALSE(try_acquire(*store, lease_request(key, 1, now, "node-a")));
  EXPECT_TRUE(std::holds_alternative<Held>(acquire(*store, lease_request(key, 1, now, "node-b"))));
}

TEST_F(MongoReplicaSetTest, ACommitThatAFormerPrimaryRefusedIsDoneBySayingItAgain) {
  Acquired grant = granted(*store, lease_request(key, 1, now));
  fail_next("update", kNotWritablePrimary);
  EXPECT_FALSE(try_commit(grant.lease, next_token(grant.record, "two", now)));
  EXPECT_EQ(commit(*store, grant.lease, next_token(grant.record, "two", now)),
            WriteOutcome::written);
  EXPECT_EQ(load(*store, key).revision, 2);
}

TEST_F(MongoReplicaSetTest, ACommitThatNoMajorityConfirmedIsAFailureWhoeverLooksAgainMayFindDone) {
  Acquired grant = granted(*store, lease_request(key, 1, now));
  doubt_next("update", kInterruptedByStateChange);
  EXPECT_FALSE(try_commit(grant.lease, next_token(grant.record, "two", now)));
  EXPECT_EQ(commit(*store, grant.lease, next_token(grant.record, "two", now)),
            WriteOutcome::fenced);
  EXPECT_TRUE(load(*store, key).token->value.same_as("two"));
}

TEST_F(MongoReplicaSetTest, WhoeverIsRefusedAStepLooksAtWhatRefusedIt) {
  granted(*store, lease_request(key, 1, now, "node-a"));
  EXPECT_TRUE(std::holds_alternative<Held>(acquire(*store, lease_request(key, 1, now, "node-b"))));
  std::int64_t later = 0;
  for (const Doc& each : concerns()) {
    const Fields asked(each);
    if (asked.text("collection") == "hufu_records" && asked.text("command") == "find") {
      later += asked.number_or_0("after");
      EXPECT_LT(asked.number_or_0("after"), asked.number_or_0("count")) << "a load waits for none";
    }
  }
  EXPECT_GT(later, 0) << "reads of a majority, which may not have yet what the primary has";
}

// ---- Which member

TEST_F(MongoReplicaSetTest, AUriThatNamesAnyOfTheMembersIsAboutAllOfThem) {
  for (const std::string& member : server.members()) {
    auto one = try_open(uri_of(member, ""));
    ASSERT_TRUE(one) << one.error().message;
    EXPECT_TRUE(load(**one, key).token->value.same_as("one"));
    for (const auto& warning : (*one)->warnings()) EXPECT_THAT(warning, HasSubstr("FerretDB"));
  }
}

TEST_F(MongoReplicaSetTest, AUriThatIsAboutOneMemberIsWarnedOfAndRefusedAtASecondary) {
  const std::string leader = primary();
  for (const std::string& member : server.members()) {
    auto one = try_open(uri_of(member, "?directConnection=true"));
    ASSERT_EQ(one.has_value(), member == leader);
    if (one) {
      EXPECT_THAT((*one)->warnings(), Contains(HasSubstr("directConnection")));
    } else {
      EXPECT_THAT(one.error().message, HasSubstr("NotWritablePrimary"));
    }
  }
}

}  // namespace
}  // namespace hufu::store
