#include "store/redis/redis_store.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <sstream>
#include <thread>

#include "core/process.hpp"
#include "store/conformance/conformance.hpp"
#include "store/conformance/store_testing.hpp"
#include "store/record_text.hpp"
#include "testing/certificates.hpp"
#include "testing/fake_clock.hpp"
#include "testing/redis_server.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace conformance;
using namespace std::chrono_literals;
using hufu::testing::Certificate;
using hufu::testing::RedisServer;
using net::RedisConnection;
using net::RedisReply;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// One server for all tests that do it no harm.
RedisServer& server() {
  static RedisServer shared;
  return shared;
}

RedisOptions options_for(const std::string& uri, std::string_view password = "") {
  return must_value(RedisOptions::from_uri(uri, Secret(password)));
}

/// Waits for something that another process does.
template <class Condition>
void wait_until(Condition condition) {
  while (!condition()) std::this_thread::sleep_for(2ms);
}

/// As an operator would ask, past the store.
class Operator {
 public:
  explicit Operator(const std::string& uri)
      : connection_(must_value(RedisConnection::connect(options_for(uri).uri))) {}

  RedisReply ask(std::initializer_list<std::string_view> words) {
    return must(connection_->command(words));
  }
  /// Moves the ends of all leases back by `span`, which is as if time had passed.
  void age_leases(Milliseconds span) {
    constexpr std::string_view kScript =
        "for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
        "redis.call('ZINCRBY', KEYS[1], -ARGV[1], member) "
        "redis.call('HINCRBY', '{hufu}:token:' .. member, 'lease_until', -ARGV[1]) end";
    ask({"EVAL", kScript, "1", "{hufu}:leases", std::to_string(span.count())});
  }

 private:
  std::unique_ptr<RedisConnection> connection_;
};

class RedisHarness final : public Harness {
 public:
  explicit RedisHarness(std::size_t change_log) : operator_(server().uri()) {
    operator_.ask({"FLUSHALL"});
    options_.change_log = change_log;
    options_.signal = std::make_shared<ChangeSignal>();
    options_.pool.connections = 4;
  }
  Handle open() override {
    auto store = must(RedisStore::open(clone(), system_clock()));
    return {store, store, store, store};
  }
  void let_pass(Milliseconds span) override { operator_.age_leases(span); }
  /// The suite takes what it asked for twice for one moment; the server's clock goes on meanwhile.
  [[nodiscard]] WallTime now() const override { return started_; }
  [[nodiscard]] Milliseconds clock_slop() const override { return 1min; }

 private:
  [[nodiscard]] RedisOptions clone() const {
    RedisOptions options = options_for(server().uri());
    options.change_log = options_.change_log;
    options.signal = options_.signal;
    options.pool = options_.pool;
    return options;
  }

  const WallTime started_ = system_clock().wall();
  Operator operator_;
  RedisOptions options_;
};

Case redis(std::string name, std::size_t change_log) {
  return {std::move(name), [=] { return std::make_unique<RedisHarness>(change_log); }};
}
const auto kStores =
    ::testing::Values(redis("redis", 100'000), redis("redis_that_forgets_soon", 16));
INSTANTIATE_TEST_SUITE_P(Redis, LeaseConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Redis, FeedConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Redis, RegistryConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Redis, LedgerConformance, kStores, name_of_case);
INSTANTIATE_TEST_SUITE_P(Redis, ClusterConformance, kStores, name_of_case);

using Store = std::shared_ptr<RedisStore>;

/// Impatient, so that no test waits for a server that does not answer.
RedisOptions impatient(RedisOptions options) {
  options.pool.connections = 2;
  options.pool.first_pause = 10ms;
  options.pool.longest_pause = 50ms;
  options.patience = {2s, 2s};
  return options;
}
Store opened(RedisOptions options, const Clock& clock = system_clock()) {
  return must_value(RedisStore::open(std::move(options), clock));
}
Store opened(const std::string& uri) { return opened(impatient(options_for(uri))); }

WallTime now() { return system_clock().wall(); }
const Key kKey{"wx1", "access_token"};

/// What a load fails with, again and again until it does.
Error failure_of(RedisStore& store) {
  Result<Record> record;
  wait_until([&] { return !(record = try_load(store, kKey)); });
  return record.error();
}

/// A renewal from beginning to end; its error where it did not come that far.
Result<std::uint64_t> renew(RedisStore& store, const Key& key, std::string_view token,
                            const std::string& holder = "node-a") {
  auto record = try_load(store, key);
  if (!record) return tl::unexpected(record.error());
  auto acquired = try_acquire(store, lease_request(key, record->revision, now(), holder));
  if (!acquired) return tl::unexpected(acquired.error());
  auto* grant = std::get_if<Acquired>(&*acquired);
  if (grant == nullptr) return fail(Fault::store, "somebody renews");
  const Record next = next_token(grant->record, token, now());
  const std::uint64_t revision = next.revision;
  auto written = try_commit(store, grant->lease, next.clone());
  if (!written) return tl::unexpected(written.error());
  if (*written != WriteOutcome::written) return fail(Fault::store, "fenced");
  return revision;
}

/// Renews until it works: what every failure has to end in.
void expect_recovery(RedisStore& store) {
  int attempt = 0;
  wait_until([&] {
    return renew(store, {"wxrecovery" + std::to_string(++attempt), "k"}, "works again");
  });
}

class RedisStoreTest : public ::testing::Test {
 protected:
  RedisStoreTest() { as_operator.ask({"FLUSHALL"}); }

  Operator as_operator{server().uri()};
};

// ---- Steps ----

TEST_F(RedisStoreTest, ARenewalIsTwoRoundTrips) {
  Store store = opened(server().uri());
  ASSERT_TRUE(renew(*store, kKey, "the scripts are known now"));
  const Record before = load(*store, kKey);
  as_operator.ask({"CONFIG", "RESETSTAT"});
  const Acquired grant = granted(*store, lease_request(kKey, before.revision, now()));
  commit(*store, grant.lease, next_token(grant.record, "token", now()));
  const std::string stats = as_operator.ask({"INFO", "commandstats"}).text;
  EXPECT_THAT(stats, HasSubstr("cmdstat_evalsha:calls=2,"));
  EXPECT_THAT(stats, Not(HasSubstr("cmdstat_eval:")));
}

TEST_F(RedisStoreTest, AServerThatForgotTheScriptsIsToldThemAgain) {
  Store store = opened(server().uri());
  ASSERT_TRUE(renew(*store, kKey, "one"));
  as_operator.ask({"SCRIPT", "FLUSH"});
  ASSERT_TRUE(renew(*store, kKey, "two"));
  EXPECT_TRUE(load(*store, kKey).token->value.same_as("two"));
}

TEST_F(RedisStoreTest, TheLeaseOfAProcessThatIsGoneIsFreeAtOnce) {
  Store store = opened(server().uri());
  const std::string gone = process_identity().substr(0, process_identity().rfind('/')) + "/1";
  ASSERT_TRUE(process_is_gone(gone));
  const Acquired first = granted(*store, lease_request(kKey, 0, now(), gone));
  EXPECT_THAT(view(*store).leases, IsEmpty());
  const Acquired second = granted(*store, lease_request(kKey, 0, now(), "node-b"));
  EXPECT_GT(second.lease.fence, first.lease.fence);
  EXPECT_EQ(commit(*store, first.lease, next_token(first.record, "late", now())),
            WriteOutcome::fenced);
}

TEST_F(RedisStoreTest, ALeaseThatLastsLongerThanItWasGivenIsOver) {
  Store store = opened(server().uri());
  granted(*store, lease_request(kKey, 0, now(), "node-a"));
  // As after the server's clock was set back by 50 seconds: that may be.
  as_operator.age_leases(-50s);
  EXPECT_TRUE(
      std::holds_alternative<Held>(acquire(*store, lease_request(kKey, 0, now(), "node-b"))));
  as_operator.age_leases(-1h);
  granted(*store, lease_request(kKey, 0, now(), "node-b"));
}

TEST_F(RedisStoreTest, NamesWithColonsAndPercentSignsAreKeptApart) {
  Store store = opened(server().uri());
  const std::vector<Key> keys = {{"a:b", "c"}, {"a", "b:c"}, {"a%3Ab", "c"}, {"a%", "c"}};
  for (const Key& key : keys) ASSERT_TRUE(renew(*store, key, key.app + "|" + key.kind));
  for (const Key& key : keys) {
    EXPECT_TRUE(load(*store, key).token->value.same_as(key.app + "|" + key.kind));
  }
  std::vector<Key> seen;
  for (auto& [key, record] : scan(*store)) seen.push_back(key);
  EXPECT_THAT(seen, ::testing::UnorderedElementsAreArray(keys));

  put_app(*store, app_row("a:b", "secret"));
  EXPECT_TRUE(load_app(*store, "a:b"));
  EXPECT_TRUE(remove_app(*store, "a:b"));
  EXPECT_EQ(load(*store, keys[0]).revision, 0U);
  for (const std::size_t other : {1U, 2U, 3U}) EXPECT_EQ(load(*store, keys[other]).revision, 1U);

  announce(*store, {"host:1%", "h", "v", "l", {}, {}, 0, {}});
  announce(*store, {"other", "h", "v", "l", {}, {}, 0, {}}, -1h);
  EXPECT_EQ(view(*store).nodes.size(), 1U);
  EXPECT_EQ(as_operator.ask({"EXISTS", "{hufu}:node:host%3A1%25"}).integer, 0);
}

TEST_F(RedisStoreTest, StoresOfDifferentPrefixesDoNotSeeEachOther) {
  Store one = opened(server().uri());
  Store two = opened(server().uri() + "?prefix=shop");
  ASSERT_TRUE(renew(*one, kKey, "one"));
  EXPECT_FALSE(load(*two, kKey).token);
  EXPECT_TRUE(changes(*two, changes(*one, "").cursor).everything);
  for (const RedisReply& key : as_operator.ask({"KEYS", "*"}).elements) {
    EXPECT_THAT(key.text, ::testing::AnyOf(::testing::StartsWith("{hufu}:"),
                                           ::testing::StartsWith("{shop}:")));
  }
}

TEST_F(RedisStoreTest, ARecordThatCannotBeReadIsNotTakenForNone) {
  Store store = opened(server().uri());
  ASSERT_TRUE(renew(*store, kKey, "one"));
  as_operator.ask({"HSET", "{hufu}:token:wx1:access_token", "marks", "scribble"});
  auto record = try_load(*store, kKey);
  ASSERT_FALSE(record);
  EXPECT_THAT(record.error().message, HasSubstr("cannot be read"));
  auto found = scan(*store);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_FALSE(found[0].second.token);
  EXPECT_TRUE(found[0].second.failure);
}

TEST_F(RedisStoreTest, ATypeThatIsNotOursIsAnError) {
  as_operator.ask({"SET", "{hufu}:token:wx1:access_token", "something else"});
  Store store = opened(server().uri());
  auto acquired = try_acquire(*store, lease_request(kKey, 0, now()));
  ASSERT_FALSE(acquired);
  EXPECT_THAT(acquired.error().message, HasSubstr("WRONGTYPE"));
  ASSERT_TRUE(renew(*store, {"wx2", "k"}, "and it recovers"));
}

// ---- Opening ----

TEST_F(RedisStoreTest, AUriIsReadOrRefusedWithoutRepeatingIt) {
  const RedisOptions options = options_for("redis://h?prefix=shop-1&wait_replicas=2");
  EXPECT_EQ(options.name, "shop-1");
  EXPECT_EQ(options.wait_replicas, 2U);
  for (const char* uri : {"redis://h?prefix={canary}", "redis://h?prefix=", "redis://h?canary=1",
                          "redis://h?wait_replicas=canary", "redis://u:p?canary@h"}) {
    auto read = RedisOptions::from_uri(uri, Secret());
    ASSERT_FALSE(read) << uri;
    EXPECT_EQ(read.error().fault, Fault::config);
    EXPECT_NE(read.error().next_step, "");
    EXPECT_THAT(read.error().message + read.error().next_step, Not(HasSubstr("canary")));
  }
}

TEST_F(RedisStoreTest, AStoreOfANewerProgramIsLeftAlone) {
  as_operator.ask({"HSET", "{hufu}:store", "identity", "0123", "schema", "99"});
  auto store = RedisStore::open(options_for(server().uri()), system_clock());
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message, HasSubstr("was written by a newer hufu"));
}

/// What the program before settings and credentials wrote of an app.
void put_app_as_before(Operator& as_operator, const std::string& id, std::string_view secret) {
  as_operator.ask({"HSET", "{hufu}:app:" + id, "platform", "wechat", "endpoint", "classic",
                   "secret_login", "0", "secret", secret, "tag", "0123456789abcdef", "created_at",
                   "1", "updated_at", "2"});
  as_operator.ask({"ZADD", "{hufu}:apps", "0", id});
}

TEST_F(RedisStoreTest, AStoreOfBeforeSettingsAndCredentialsKeepsItsTokensAndItsApps) {
  as_operator.ask({"HSET", "{hufu}:store", "identity", "0123", "schema", "1"});
  put_app_as_before(as_operator, "wx1", "sealed");
  as_operator.ask({"HSET",         "{hufu}:token:wx1:access_token",
                   "app",          "wx1",
                   "kind",         "access_token",
                   "revision",     "17",
                   "token",        "sealed",
                   "issuer",       "wechat/classic/access_token",
                   "obtained_at",  "3",
                   "expires_at",   "4",
                   "renew_at",     "5",
                   "predecessors", "",
                   "marks",        "5:3;1:2?;",
                   "budget",       "",
                   "fence",        "3",
                   "holder",       "",
                   "created_at",   "6",
                   "updated_at",   "7"});
  as_operator.ask({"ZADD", "{hufu}:tokens", "0", "wx1:access_token"});

  Store store = opened(server().uri());
  EXPECT_EQ(as_operator.ask({"HGET", "{hufu}:store", "schema"}).text, "2")
      << "so that the program before refuses it";
  const Record record = load(*store, kKey);
  EXPECT_TRUE(record.token->value.same_as("sealed"));
  EXPECT_EQ(record.token->overlap, std::nullopt);
  EXPECT_EQ(record.revision, 17U);
  EXPECT_TRUE(record.refresh_token.empty());
  EXPECT_THAT(record.in_doubt,
              ElementsAre(InDoubtCall{WallTime(5ms), WallTime(3ms), InDoubtCall::State::known_dead},
                          InDoubtCall{WallTime(1ms), WallTime(2ms), InDoubtCall::State::pending}));
  const auto app = load_app(*store, "wx1");
  ASSERT_TRUE(app);
  EXPECT_EQ(app->settings, (Settings{{"endpoint", "classic"}}));
  ASSERT_EQ(app->credentials.size(), 1U);
  EXPECT_TRUE(credential(app->credentials, kSecret).same_as("sealed"));
  const auto shown = scan_apps(*store);
  ASSERT_EQ(shown.size(), 1U);
  EXPECT_TRUE(shown[0].credentials.contains(kSecret));
  EXPECT_TRUE(credential(shown[0].credentials, kSecret).empty());
}

TEST_F(RedisStoreTest, ACredentialOfBeforeIsSwappedAndReplacedLikeANewOne) {
  Store store = opened(server().uri());
  put_app_as_before(as_operator, "wx1", "sealed");
  EXPECT_FALSE(reseal_credential(*store, "wx1", kSecret, "another", "anew"));
  EXPECT_TRUE(reseal_credential(*store, "wx1", kSecret, "sealed", "anew"));
  EXPECT_TRUE(credential(load_app(*store, "wx1")->credentials, kSecret).same_as("anew"));

  put_app(*store, app_row("wx1", "new"));
  EXPECT_TRUE(credential(load_app(*store, "wx1")->credentials, kSecret).same_as("new"));
  EXPECT_EQ(as_operator.ask({"HGET", "{hufu}:app:wx1", "secret"}).text, "");
}

TEST_F(RedisStoreTest, AnOperatorIsWarnedOfWhatMayBeLost) {
  EXPECT_THAT(opened(server().uri())->warnings(), ElementsAre(HasSubstr("appendonly is off")));

  RedisServer other({"appendonly yes", "appendfsync everysec", "maxmemory 100mb",
                     "maxmemory-policy allkeys-lru"});
  ASSERT_TRUE(other.ready());
  EXPECT_THAT(opened(other.uri() + "?wait_replicas=1")->warnings(),
              ElementsAre(HasSubstr("appendfsync is everysec"),
                          HasSubstr("maxmemory-policy is allkeys-lru"),
                          HasSubstr("wait_replicas is 1, but 0 replicas follow")));

  Operator setting(other.uri());
  setting.ask({"CONFIG", "SET", "appendfsync", "always"});
  setting.ask({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  EXPECT_THAT(opened(other.uri())->warnings(), IsEmpty());
}

/// Everything that a store does to a Redis, on an empty one.
void use_every_verb(RedisStore& store) {
  const Acquired grant = granted(store, lease_request(kKey, 0, now()));
  add_in_doubt(store, kKey, {now(), now()});
  EXPECT_EQ(view(store).leases.size(), 1U);
  commit(store, grant.lease, next_token(grant.record, "token", now()));
  EXPECT_TRUE(reseal_token(store, kKey, "token", "sealed again"));
  EXPECT_TRUE(time_of(store));
  put_app(store, app_row("wx1", "secret"));
  EXPECT_TRUE(load_app(store, "wx1"));
  EXPECT_TRUE(reseal_credential(store, "wx1", kSecret, "secret", "another"));
  EXPECT_EQ(scan_apps(store).size(), 1U);
  EXPECT_EQ(scan(store).size(), 1U);
  EXPECT_TRUE(remove_app(store, "wx1"));
  EXPECT_TRUE(put_key(store, {"shop", {}, {}, {}, {}}));
  EXPECT_EQ(list_keys(store).size(), 1U);
  EXPECT_TRUE(revoke_key(store, "shop"));
  note_key(store, {"k1", "check"});
  EXPECT_EQ(noted_keys(store).size(), 1U);
  announce(store, {"forgotten", "h", "v", "l", {}, {}, 0, {}});
  announce(store, {"node", "h", "v", "l", {}, {}, 0, {}}, -1h);
  EXPECT_EQ(view(store).nodes.size(), 1U);
  leave(store, "node");
  changes(store, changes(store, "").cursor);
  wait_until([&] { return store.is_listening(); });
}

/// The line of docs/stores/redis.md, word by word, for the password "geheim".
std::vector<std::string> documented_rights() {
  std::ifstream page(HUFU_DOCS "/stores/redis.md");
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("ACL SETUSER hufu ")) continue;
    std::istringstream stream(line);
    std::vector<std::string> words{std::istream_iterator<std::string>(stream), {}};
    for (std::string& word : words) {
      if (word == ">PASSWORD") word = ">geheim";
    }
    return words;
  }
  return {};
}

TEST_F(RedisStoreTest, TheDocumentedRightsAreEnoughAndEachIsNeeded) {
  const std::vector<std::string> words = documented_rights();
  ASSERT_GT(words.size(), 20U);
  RedisServer replicated;
  ASSERT_TRUE(replicated.ready());
  Operator setting(replicated.uri());
  std::unique_ptr<RedisConnection> admin =
      must_value(RedisConnection::connect(options_for(replicated.uri()).uri));
  must(admin->command(std::vector<std::string_view>(words.begin(), words.end())));

  Store store = opened(impatient(
      options_for("redis://hufu@" + replicated.address() + "/1?wait_replicas=1", "geheim")));
  EXPECT_THAT(store->warnings(), Contains(HasSubstr("appendonly is off")));
  use_every_verb(*store);
  const std::string log = [&] {
    std::string all;
    for (const RedisReply& entry : setting.ask({"ACL", "LOG"}).elements) {
      for (const RedisReply& field : entry.elements) all += field.text + " ";
    }
    return all;
  }();
  EXPECT_EQ(log, "");

  // Without one of them it says which.
  setting.ask({"ACL", "SETUSER", "hufu", "-xadd"});
  auto refused = RedisStore::open(options_for("redis://hufu@" + replicated.address(), "geheim"),
                                  system_clock());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("forbids"), HasSubstr("XADD")));
  EXPECT_THAT(refused.error().next_step, HasSubstr("ACL SETUSER"));
  setting.ask({"ACL", "SETUSER", "hufu", "+xadd", "-info", "-config"});
  EXPECT_THAT(
      opened(impatient(options_for("redis://hufu@" + replicated.address(), "geheim")))->warnings(),
      IsEmpty());
}

TEST_F(RedisStoreTest, InARedisClusterAStoreStaysWithinOneSlot) {
  RedisServer node({"cluster-enabled yes"});
  ASSERT_TRUE(node.ready());
  Store store;
  {
    auto admin = must_value(RedisConnection::connect(options_for(node.uri()).uri));
    auto lacking = RedisStore::open(options_for(node.uri()), system_clock());
    ASSERT_FALSE(lacking);
    EXPECT_THAT(lacking.error().message, HasSubstr("Redis Cluster"));
    // Only the slot of the store's keys: anything else would be refused.
    const auto slot = must(admin->command({"CLUSTER", "KEYSLOT", "{hufu}:"})).integer;
    must(admin->command({"CLUSTER", "ADDSLOTS", std::to_string(slot)}));
    must(admin->command({"CONFIG", "SET", "cluster-require-full-coverage", "no"}));
    wait_until([&] {
      auto made = RedisStore::open(options_for(node.uri()), system_clock());
      if (made) store = std::move(*made);
      return made.has_value();
    });
  }
  use_every_verb(*store);
}

// ---- The feed ----

TEST_F(RedisStoreTest, WordOfAnotherNodesWriteArrivesByItself) {
  // Its clock stands still, so only word makes it look.
  const hufu::testing::FakeClock clock;
  Store reader = opened(options_for(server().uri()), clock);
  std::string cursor = changes(*reader, "").cursor;
  wait_until([&] { return reader->is_listening(); });
  cursor = changes(*reader, cursor).cursor;
  as_operator.ask({"CONFIG", "RESETSTAT"});
  for (int i = 0; i < 100; ++i) changes(*reader, cursor);
  EXPECT_THAT(as_operator.ask({"INFO", "commandstats"}).text, Not(HasSubstr("cmdstat_evalsha")))
      << "while nothing is heard, nobody asks";

  Store writer = opened(server().uri());
  ASSERT_TRUE(renew(*writer, kKey, "token"));
  Changes news;
  wait_until([&] { return !(news = changes(*reader, cursor)).tokens.empty(); });
  EXPECT_THAT(news.tokens, ElementsAre(kKey));
  EXPECT_FALSE(news.everything);
}

TEST_F(RedisStoreTest, WhatWasWrittenWhileNobodyListenedIsTold) {
  const hufu::testing::FakeClock clock;
  Store reader = opened(options_for(server().uri()), clock);
  const std::string cursor = changes(*reader, "").cursor;
  wait_until([&] { return reader->is_listening(); });
  changes(*reader, cursor);
  Store writer = opened(server().uri());
  for (int i = 0; i < 20; ++i) {
    as_operator.ask({"CLIENT", "KILL", "TYPE", "pubsub"});
    ASSERT_TRUE(renew(*writer, {"wx" + std::to_string(i), "k"}, "token"));
  }
  wait_until([&] { return changes(*reader, cursor).tokens.size() == 20; });
}

TEST_F(RedisStoreTest, ADatasetThatWasFlushedIsNoticedAndNoFenceComesTwice) {
  hufu::testing::FakeClock clock;
  Store store = opened(options_for(server().uri()), clock);
  ASSERT_TRUE(renew(*store, kKey, "lost"));
  const Acquired before = granted(*store, lease_request(kKey, 1, now(), "node-a"));
  const std::string cursor = changes(*store, "").cursor;
  wait_until([&] { return store->is_listening(); });
  changes(*store, cursor);

  as_operator.ask({"FLUSHALL"});
  clock.advance(3s);  // So long silence is taken for news.
  const Changes news = changes(*store, cursor);
  EXPECT_TRUE(news.everything);
  EXPECT_THAT(scan(*store), IsEmpty());
  EXPECT_FALSE(changes(*store, news.cursor).everything);

  const Acquired after = granted(*store, lease_request(kKey, 1, now(), "node-a"));
  EXPECT_GT(after.lease.fence, before.lease.fence);
  EXPECT_EQ(commit(*store, before.lease, next_token(before.record, "old", now())),
            WriteOutcome::fenced);
  EXPECT_EQ(commit(*store, after.lease, next_token(after.record, "new", now())),
            WriteOutcome::written);
}

TEST_F(RedisStoreTest, ADatasetThatLacksTheLatestWritesIsNoticed) {
  Store store = opened(server().uri());
  ASSERT_TRUE(renew(*store, kKey, "kept"));
  const std::string seen = changes(*store, "").cursor;
  ASSERT_TRUE(renew(*store, kKey, "not replicated"));
  const std::string cursor = changes(*store, "").cursor;
  // As on a replica that lagged by those two writes.
  for (int i = 0; i < 2; ++i) {
    const RedisReply latest =
        as_operator.ask({"XREVRANGE", "{hufu}:changes", "+", "-", "COUNT", "1"});
    as_operator.ask({"XDEL", "{hufu}:changes", latest.elements[0].elements[0].text});
  }
  Store another = opened(server().uri());
  EXPECT_TRUE(changes(*another, cursor).everything);
  EXPECT_FALSE(changes(*another, seen).everything);
}

// ---- FailureState, each with its end ----

TEST_F(RedisStoreTest, NothingThatWasAcknowledgedIsLostWhenTheServerIsKilled) {
  RedisServer durable({"appendonly yes", "appendfsync always"});
  ASSERT_TRUE(durable.ready());
  Store store = opened(durable.uri());
  const std::string cursor = changes(*store, "").cursor;
  std::atomic<std::uint64_t> acknowledged = 0;
  auto writer = std::async(std::launch::async, [&] {
    while (auto revision = renew(*store, kKey, "token")) acknowledged = *revision;
  });
  wait_until([&] { return acknowledged >= 50; });
  durable.stop(SIGKILL);
  writer.get();
  const Error error = failure_of(*store);
  EXPECT_EQ(error.fault, Fault::store);
  EXPECT_NE(error.next_step, "");

  ASSERT_TRUE(durable.start());
  expect_recovery(*store);
  const std::uint64_t found = load(*store, kKey).revision;
  EXPECT_GE(found, acknowledged);
  EXPECT_LE(found, acknowledged + 1);
  EXPECT_FALSE(changes(*store, cursor).everything) << "the log was kept, too";
}

TEST_F(RedisStoreTest, AServerThatForgetsEverythingWhenItIsKilledIsNoticed) {
  RedisServer forgetful;
  ASSERT_TRUE(forgetful.ready());
  Store store = opened(forgetful.uri());
  ASSERT_TRUE(renew(*store, kKey, "token"));
  const std::string cursor = changes(*store, "").cursor;
  forgetful.stop(SIGKILL);
  failure_of(*store);
  ASSERT_TRUE(forgetful.start());
  expect_recovery(*store);
  EXPECT_TRUE(changes(*store, cursor).everything);
}

TEST_F(RedisStoreTest, AServerThatStandsStillFailsWhatIsAskedAndThenWorks) {
  RedisServer still;
  ASSERT_TRUE(still.ready());
  Store store = opened(still.uri());
  ASSERT_TRUE(renew(*store, kKey, "token"));
  still.freeze();
  EXPECT_THAT(failure_of(*store).message, HasSubstr("does not answer in time"));
  still.thaw();
  expect_recovery(*store);
  EXPECT_TRUE(load(*store, kKey).token->value.same_as("token"));
}

TEST_F(RedisStoreTest, AStoreIsClosedWhileItsServerStandsStill) {
  RedisServer still;
  ASSERT_TRUE(still.ready());
  Store store = opened(still.uri());
  changes(*store, "");
  still.freeze();
  std::promise<Error> told;
  store->load(kKey,
              [&](Result<Record> record) { told.set_value(record ? Error() : record.error()); });
  store.reset();
  EXPECT_THAT(told.get_future().get().message, HasSubstr("does not answer in time"));
}

TEST_F(RedisStoreTest, AServerThatIsFullSaysSoAndIsUsedAgainWhenItIsNot) {
  RedisServer small({"maxclients 3"});
  ASSERT_TRUE(small.ready());
  Store store = opened(small.uri());
  std::vector<std::unique_ptr<RedisConnection>> others;
  wait_until([&] {
    auto made = RedisConnection::connect(options_for(small.uri()).uri);
    if (made) others.push_back(std::move(*made));
    return others.size() == 3;
  });
  EXPECT_THAT(failure_of(*store).message, HasSubstr("as many clients as it may have"));
  others.clear();
  expect_recovery(*store);
}

TEST_F(RedisStoreTest, AServerWithoutMemoryTakesNothingInAndKeepsWhatItHas) {
  RedisServer full;
  ASSERT_TRUE(full.ready());
  Operator setting(full.uri());
  Store store = opened(full.uri());
  put_app(*store, app_row("wx9", "secret"));
  ASSERT_TRUE(renew(*store, kKey, "token"));
  const Acquired grant = granted(*store, lease_request(kKey, 1, now(), "node-a"));
  setting.ask({"CONFIG", "SET", "maxmemory", "1"});

  auto refused = try_acquire(*store, lease_request({"wx2", "k"}, 0, now()));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("used up its memory"));
  EXPECT_FALSE(try_commit(*store, grant.lease, next_token(grant.record, "two", now())));
  EXPECT_TRUE(load(*store, kKey).token->value.same_as("token"));
  EXPECT_EQ(load(*store, {"wx2", "k"}).created_at, WallTime()) << "not even half of it was written";
  EXPECT_TRUE(remove_app(*store, "wx9")) << "room can be made";

  setting.ask({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_EQ(commit(*store, grant.lease, next_token(grant.record, "two", now())),
            WriteOutcome::written);
  expect_recovery(*store);
}

TEST_F(RedisStoreTest, AServerThatCannotSaveTakesNothingIn) {
  RedisServer full({"save 3600 1"});
  ASSERT_TRUE(full.ready());
  Operator setting(full.uri());
  Store store = opened(full.uri());
  ASSERT_TRUE(renew(*store, kKey, "token"));
  const auto saving_is = [&](const char* state) {
    return setting.ask({"INFO", "persistence"})
               .text.find(std::string("rdb_last_bgsave_status:") + state) != std::string::npos;
  };
  std::filesystem::create_directories(full.directory() + "/dump.rdb/in the way");
  setting.ask({"BGSAVE"});
  wait_until([&] { return saving_is("err"); });
  auto refused = renew(*store, kKey, "another");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("could not save to its disk"));
  EXPECT_TRUE(load(*store, kKey).token->value.same_as("token"));
  EXPECT_EQ(Operator(full.uri()).ask({"ECHO", "read me"}).text, "read me")
      << "who connects now is let in, though Redis refuses his PING";

  std::filesystem::remove_all(full.directory() + "/dump.rdb");
  setting.ask({"BGSAVE"});
  wait_until([&] { return saving_is("ok"); });
  expect_recovery(*store);
}

TEST_F(RedisStoreTest, AServerThatStillLoadsIsWaitedFor) {
  RedisServer slow(
      {"key-load-delay 10000", "loading-process-events-interval-bytes 1024", "rdbcompression no"});
  ASSERT_TRUE(slow.ready());
  Store store = opened(slow.uri());
  const std::string value(4096, 'x');
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(renew(*store, {"wx" + std::to_string(i), "k"}, value));
  }
  Operator(slow.uri()).ask({"SAVE"});
  slow.stop(SIGKILL);
  // The server is started on this thread, with which it would end.
  auto refused = std::async(std::launch::async, [&] {
    wait_until(
        [&] { return failure_of(*store).message.find("still loading") != std::string::npos; });
  });
  ASSERT_TRUE(slow.start());
  refused.get();
  expect_recovery(*store);
  EXPECT_TRUE(load(*store, {"wx99", "k"}).token->value.same_as(value));
}

TEST_F(RedisStoreTest, APrimaryThatBecameAReplicaIsLeft) {
  RedisServer moved;
  ASSERT_TRUE(moved.ready());
  Operator setting(moved.uri());
  Store store = opened(moved.uri());
  ASSERT_TRUE(renew(*store, kKey, "token"));
  setting.ask({"REPLICAOF", "127.0.0.1", std::to_string(hufu::testing::free_port())});
  auto refused = renew(*store, kKey, "another");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("is a replica"));
  setting.ask({"REPLICAOF", "NO", "ONE"});
  expect_recovery(*store);
}

// ---- Replicas ----

/// Waits until a replica follows `primary`.
void wait_until_followed(const RedisServer& primary) {
  Operator watcher(primary.uri());
  wait_until([&] {
    return watcher.ask({"INFO", "replication"}).text.find("state=online") != std::string::npos;
  });
}

TEST_F(RedisStoreTest, ACommitWaitsForReplicasAndIsASuccessWithoutThem) {
  RedisServer primary;
  ASSERT_TRUE(primary.ready());
  RedisServer replica({"replicaof 127.0.0.1 " + std::to_string(primary.port())});
  ASSERT_TRUE(replica.ready());
  Operator setting(primary.uri());
  wait_until_followed(primary);
  Store store = opened(options_for(primary.uri() + "?wait_replicas=1"));
  ASSERT_TRUE(renew(*store, kKey, "token"));
  EXPECT_EQ(store->unconfirmed(), 0U);
  Operator copy(replica.uri());
  EXPECT_EQ(copy.ask({"HGET", "{hufu}:token:wx1:access_token", "token"}).text, "token");

  replica.freeze();
  ASSERT_TRUE(renew(*store, kKey, "another"));
  EXPECT_EQ(store->unconfirmed(), 2U);
  replica.thaw();
  wait_until([&] {
    return copy.ask({"HGET", "{hufu}:token:wx1:access_token", "token"}).text == "another";
  });
  const auto before = store->unconfirmed();
  ASSERT_TRUE(renew(*store, kKey, "third"));
  EXPECT_EQ(store->unconfirmed(), before);
}

TEST_F(RedisStoreTest, SentinelLeadsToThePrimaryThatTookOver) {
  RedisServer primary;
  ASSERT_TRUE(primary.ready());
  RedisServer replica({"replicaof 127.0.0.1 " + std::to_string(primary.port())});
  ASSERT_TRUE(replica.ready());
  wait_until_followed(primary);  // Or the Sentinels look for it ten seconds later.
  std::vector<std::unique_ptr<RedisServer>> sentinels;
  std::string hosts;
  for (int i = 0; i < 3; ++i) {
    sentinels.push_back(RedisServer::sentinel("main", primary.port(), 2));
    ASSERT_TRUE(sentinels.back()->ready());
    hosts += (hosts.empty() ? "" : ",") + sentinels.back()->address();
  }
  for (const auto& sentinel : sentinels) {
    Operator watcher(sentinel->uri());
    const auto knows = [&](const char* what, std::size_t many) {
      return watcher.ask({"SENTINEL", what, "main"}).elements.size() == many;
    };
    wait_until([&] { return knows("replicas", 1) && knows("sentinels", 2); });
  }

  RedisOptions options =
      impatient(options_for("redis+sentinel://" + hosts + "/main?wait_replicas=1"));
  options.patience.command = 5s;  // It waits for the replica.
  Store store = opened(std::move(options));
  ASSERT_TRUE(renew(*store, kKey, "token"));
  const std::uint64_t revision = load(*store, kKey).revision;
  const Acquired before = granted(*store, lease_request(kKey, revision, now(), "node-a"));
  EXPECT_EQ(store->unconfirmed(), 0U);
  const std::string cursor = changes(*store, "").cursor;

  primary.stop(SIGKILL);
  failure_of(*store);
  expect_recovery(*store);
  EXPECT_TRUE(load(*store, kKey).token->value.same_as("token")) << "it was confirmed";
  EXPECT_EQ(load(*store, kKey).in_doubt.size(), 1U) << "and so was the mark";
  EXPECT_EQ(commit(*store, before.lease, next_token(before.record, "two", now())),
            WriteOutcome::written);
  const Acquired after = granted(*store, lease_request(kKey, revision + 1, now(), "node-a"));
  EXPECT_GT(after.lease.fence, before.lease.fence);
  EXPECT_FALSE(changes(*store, cursor).everything) << "nothing was lost";

  // The old one comes back, as a replica.
  ASSERT_TRUE(primary.start());
  const auto role = [&]() -> std::string {
    // It throws everybody out when it changes sides.
    auto connection = RedisConnection::connect(options_for(primary.uri()).uri);
    if (!connection) return "";
    auto reply = (*connection)->command({"ROLE"});
    return reply ? reply->elements.at(0).text : "";
  };
  wait_until([&] { return role() == "slave"; });
  expect_recovery(*store);
}

// ---- TLS ----

TEST_F(RedisStoreTest, OverTlsTheCertificateHasToFit) {
  RedisServer place;
  ASSERT_TRUE(place.ready());
  const auto file = [&](const std::string& name) { return place.directory() + "/" + name; };
  const Certificate authority = Certificate::authority("tests");
  authority.write_certificate(file("ca.pem"));
  Certificate::authority("another").write_certificate(file("other.pem"));
  const Certificate certificate = authority.issue("redis", "DNS:localhost");
  certificate.write_certificate(file("redis.pem"));
  certificate.write_key(file("redis.key"));
  const std::string port = std::to_string(hufu::testing::free_port());
  RedisServer secure({"tls-port " + port, "tls-cert-file " + file("redis.pem"),
                      "tls-key-file " + file("redis.key"), "tls-auth-clients no"});
  ASSERT_TRUE(secure.ready());
  const auto uri = [&](const std::string& host, const std::string& ca) {
    return "rediss://" + host + ":" + port + "?ca_file=" + file(ca);
  };
  const auto refusal = [&](const std::string& host, const std::string& ca) {
    auto store = RedisStore::open(options_for(uri(host, ca)), system_clock());
    EXPECT_FALSE(store);
    return store ? std::string() : store.error().message;
  };
  EXPECT_THAT(refusal("localhost", "other.pem"), HasSubstr("is not trusted"));
  EXPECT_THAT(refusal("127.0.0.1", "ca.pem"), HasSubstr("was not issued for 127.0.0.1"));

  Store store = opened(uri("localhost", "ca.pem"));
  ASSERT_TRUE(renew(*store, kKey, "token"));
  changes(*store, "");
  wait_until([&] { return store->is_listening(); });
  secure.stop(SIGKILL);
  failure_of(*store);
  ASSERT_TRUE(secure.start());
  expect_recovery(*store);
}

}  // namespace
}  // namespace hufu::store

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (hufu::testing::RedisServer::program().empty()) {
    std::puts("not run: Redis: no server on this machine");
    return 0;
  }
  return RUN_ALL_TESTS();
}
