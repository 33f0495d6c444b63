#include "net/redis/redis_client.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <cstdio>
#include <future>
#include <thread>

#include "testing/certificates.hpp"
#include "testing/redis_server.hpp"

namespace hufu::net {
namespace {

using namespace std::chrono_literals;
using hufu::testing::Certificate;
using hufu::testing::RedisServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Kind = RedisReply::Kind;

/// One server for all tests that do it no harm.
RedisServer& server() {
  static RedisServer shared;
  return shared;
}

RedisUri parsed(const std::string& uri, std::string_view password = "") {
  auto read = RedisUri::parse(uri, Secret(password));
  if (read) return std::move(*read);
  ADD_FAILURE() << uri << ": " << read.error().message;
  std::abort();
}

std::unique_ptr<RedisConnection> connected(const RedisUri& uri, RedisPatience patience = {}) {
  auto made = RedisConnection::connect(uri, patience);
  if (made) return std::move(*made);
  ADD_FAILURE() << made.error().message << " (" << made.error().next_step << ")";
  std::abort();
}
std::unique_ptr<RedisConnection> connected(const std::string& uri) {
  return connected(parsed(uri));
}

Error refusal(const RedisUri& uri, RedisPatience patience = {}) {
  auto made = RedisConnection::connect(uri, patience);
  EXPECT_FALSE(made);
  return made ? Error() : made.error();
}

RedisReply ask(RedisConnection& connection, std::initializer_list<std::string_view> words) {
  auto reply = connection.command(words);
  if (reply) return std::move(*reply);
  ADD_FAILURE() << reply.error().message;
  return {};
}

// ---- The URI ----

TEST(RedisUriTest, TakesAServerApart) {
  const RedisUri uri = parsed("redis://us%40er:p%3Aw%2f@db.example.com:7000/3?prefix=a%26b&x=1");
  EXPECT_FALSE(uri.tls);
  EXPECT_EQ(uri.user, "us@er");
  EXPECT_TRUE(uri.password.same_as("p:w/"));
  ASSERT_EQ(uri.hosts.size(), 1U);
  EXPECT_EQ(uri.hosts[0].text(), "db.example.com:7000");
  EXPECT_EQ(uri.database, 3U);
  EXPECT_THAT(uri.options, ElementsAre(std::pair("prefix", "a&b"), std::pair("x", "1")));
  EXPECT_EQ(uri.primary, "");
}

TEST(RedisUriTest, KnowsWhatIsLeftOut) {
  const RedisUri uri = parsed("rediss://[::1]", "handed in");
  EXPECT_TRUE(uri.tls);
  EXPECT_EQ(uri.hosts[0].text(), "[::1]:6379");
  EXPECT_EQ(uri.database, 0U);
  EXPECT_EQ(uri.user, "");
  EXPECT_TRUE(uri.password.same_as("handed in"));
}

TEST(RedisUriTest, TakesSentinelsApart) {
  const RedisUri uri = parsed(
      "rediss+sentinel://u:p@s1,s2:26380,[fe80::1]/main/2?sentinel_user=s&sentinel_password=t"
      "&ca_file=/ca.pem");
  EXPECT_TRUE(uri.tls);
  ASSERT_EQ(uri.hosts.size(), 3U);
  EXPECT_EQ(uri.hosts[0].text(), "s1:26379");
  EXPECT_EQ(uri.hosts[1].text(), "s2:26380");
  EXPECT_EQ(uri.hosts[2].text(), "[fe80::1]:26379");
  EXPECT_EQ(uri.primary, "main");
  EXPECT_EQ(uri.database, 2U);
  EXPECT_EQ(uri.sentinel_user, "s");
  EXPECT_TRUE(uri.sentinel_password.same_as("t"));
  EXPECT_EQ(uri.ca_file, "/ca.pem");
}

TEST(RedisUriTest, RefusesWhatItIsNotWithoutRepeatingIt) {
  for (const char* uri : {"",
                          "redis:",
                          "http://x",
                          "redisx://x",
                          "redis+cluster://x",
                          "redis://",
                          "redis://:geheim@",
                          "redis://x:0",
                          "redis://x:70000",
                          "redis://x:geheim",
                          "redis://x/geheim",
                          "redis://x/-1",
                          "redis://u:geheim%zz@x",
                          "redis://a,b",
                          "redis://::1",
                          "redis://[::1",
                          "redis://[::1]geheim",
                          "redis+sentinel://x",
                          "redis+sentinel://x,,y/main",
                          "redis://x?ca_file=/geheim",
                          "rediss://x?cert_file=/geheim",
                          "redis://x?sentinel_user=geheim",
                          "redis://x?a=%geheim"}) {
    auto read = RedisUri::parse(uri, Secret());
    ASSERT_FALSE(read) << uri;
    EXPECT_EQ(read.error().fault, Fault::config);
    EXPECT_NE(read.error().next_step, "") << uri;
    EXPECT_THAT(read.error().message + read.error().next_step, Not(HasSubstr("geheim")));
  }
}

// ---- Commands ----

TEST(RedisClientTest, SendsAndReceivesAnyBytes) {
  auto connection = connected(server().uri());
  const std::string value("\0\r\n\xff$5\r\n", 8);
  EXPECT_EQ(ask(*connection, {"SET", "bytes", value}).text, "OK");
  EXPECT_EQ(ask(*connection, {"GET", "bytes"}).text, value);
  EXPECT_EQ(ask(*connection, {"SET", "bytes", {}}).text, "OK");
  EXPECT_EQ(ask(*connection, {"STRLEN", "bytes"}).integer, 0);
  EXPECT_TRUE(ask(*connection, {"GET", "no such key"}).is(Kind::nil));
}

TEST(RedisClientTest, CarriesALargeValueBothWays) {
  auto connection = connected(server().uri());
  const std::string value(std::size_t(3) * 1024 * 1024, 'x');
  ask(*connection, {"SET", "large", value});
  EXPECT_EQ(ask(*connection, {"GET", "large"}).text, value);
  ask(*connection, {"DEL", "large"});
}

TEST(RedisClientTest, ReadsNestedAnswers) {
  auto connection = connected(server().uri());
  const RedisReply reply =
      ask(*connection, {"EVAL", "return {1, 'two', {3, {'four'}}, false}", "0"});
  ASSERT_EQ(reply.elements.size(), 4U);
  EXPECT_EQ(reply.elements[0].integer, 1);
  EXPECT_EQ(reply.elements[1].text, "two");
  EXPECT_EQ(reply.elements[2].elements[1].elements[0].text, "four");
  EXPECT_TRUE(reply.elements[3].is(Kind::nil));
}

TEST(RedisClientTest, AnswersEachCommandOfAPipelineAndSurvivesARefusal) {
  auto connection = connected(server().uri());
  const auto before = connection->round_trips();
  const std::vector<RedisCommand> commands = {
      {"SET", "text", "a"}, {"INCR", "text"}, {"GET", "text"}};
  auto replies = connection->pipeline(commands);
  ASSERT_TRUE(replies);
  ASSERT_EQ(replies->size(), 3U);
  EXPECT_EQ((*replies)[0].text, "OK");
  EXPECT_TRUE((*replies)[1].is(Kind::refusal));
  EXPECT_EQ((*replies)[2].text, "a");
  EXPECT_EQ(connection->round_trips() - before, 1U);

  auto refused = connection->command({"INCR", "text"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("refused INCR: ERR value is not an integer"));
  EXPECT_FALSE(connection->broken());
}

TEST(RedisClientTest, SendsAScriptsTextOnlyWhereItIsNotKnown) {
  auto connection = connected(server().uri());
  ask(*connection, {"SCRIPT", "FLUSH"});
  const RedisScript script("return {KEYS[1], ARGV[1], ARGV[2]}");
  const std::vector<std::string_view> keys = {"k"};
  const std::vector<std::string_view> arguments = {"a", "b"};
  for (const unsigned round_trips : {2U, 1U}) {
    const auto before = connection->round_trips();
    auto reply = connection->run(script, keys, arguments);
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_EQ(reply->elements[2].text, "b");
    EXPECT_EQ(connection->round_trips() - before, round_trips);
  }
}

TEST(RedisClientTest, RepeatsNoArgumentsOfACommandThatIsNotKnown) {
  auto connection = connected(server().uri());
  auto refused = connection->command({"NOSUCH", "geheim"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("unknown command"));
  EXPECT_THAT(refused.error().message, Not(HasSubstr("geheim")));
}

TEST(RedisClientTest, WorksInTheDatabaseThatTheUriNames) {
  auto third = connected(server().uri() + "/3");
  ask(*third, {"SET", "only here", "1"});
  EXPECT_TRUE(ask(*connected(server().uri()), {"GET", "only here"}).is(Kind::nil));
  EXPECT_EQ(ask(*connected(server().uri() + "/3"), {"GET", "only here"}).text, "1");
  EXPECT_THAT(refusal(parsed(server().uri() + "/999")).message, HasSubstr("refused SELECT"));
}

// ---- Getting in ----

TEST(RedisClientTest, LogsInAsAUserAndKeepsThePasswordToItself) {
  auto admin = connected(server().uri());
  ask(*admin, {"ACL", "SETUSER", "alice", "reset", "on", ">geheim", "~a:*", "+get", "+ping"});
  const std::string place = "alice@" + server().address();

  auto alice = connected(parsed("redis://" + place, "geheim"));
  EXPECT_TRUE(ask(*alice, {"GET", "a:1"}).is(Kind::nil));
  auto forbidden = alice->command({"SET", "a:1", "x"});
  ASSERT_FALSE(forbidden);
  EXPECT_THAT(forbidden.error().message, HasSubstr("forbids SET"));
  EXPECT_THAT(forbidden.error().next_step, HasSubstr("ACL SETUSER"));

  const Error wrong = refusal(parsed("redis://" + place, "geheimer"));
  EXPECT_THAT(wrong.message, HasSubstr("refuses this user and password"));
  EXPECT_THAT(wrong.message + wrong.next_step, Not(HasSubstr("geheim")));
}

TEST(RedisClientTest, LogsInWithAPasswordAlone) {
  const RedisServer locked({"requirepass geheim"});
  ASSERT_TRUE(locked.ready());
  EXPECT_EQ(ask(*connected("redis://:geheim@" + locked.address()), {"PING"}).text, "PONG");
  EXPECT_THAT(refusal(parsed(locked.uri())).message, HasSubstr("wants a password"));
}

TEST(RedisClientTest, SaysThatNobodyListens) {
  const auto port = std::to_string(hufu::testing::free_port());
  const Error error = refusal(parsed("redis://127.0.0.1:" + port));
  EXPECT_EQ(error.fault, Fault::store);
  EXPECT_EQ(error.message, "cannot connect to Redis at 127.0.0.1:" + port + ": Connection refused");
  EXPECT_NE(error.next_step, "");
}

TEST(RedisClientTest, SaysThatTheServerIsFullAndGetsInWhenItIsNot) {
  RedisServer small({"maxclients 1"});
  ASSERT_TRUE(small.ready());
  auto first = connected(small.uri());
  EXPECT_THAT(refusal(parsed(small.uri())).message, HasSubstr("as many clients as it may have"));
  first.reset();
  // The server notices a moment later.
  Result<std::unique_ptr<RedisConnection>> second;
  do {
    second = RedisConnection::connect(parsed(small.uri()));
  } while (!second);
  EXPECT_EQ(ask(**second, {"PING"}).text, "PONG");
}

TEST(RedisClientTest, SaysThatAPortDoesNotSpeakTls) {
  const Error error = refusal(parsed("rediss://" + server().address()), {1s, 1s});
  EXPECT_THAT(error.message, HasSubstr("no TLS session"));
  EXPECT_THAT(error.next_step, HasSubstr("see whether that port speaks TLS"));
}

// ---- Trouble ----

TEST(RedisClientTest, GivesUpOnAServerThatStandsStillAndRecovers) {
  RedisServer slow;
  ASSERT_TRUE(slow.ready());
  const RedisPatience patience{2s, 1s};
  auto connection = connected(parsed(slow.uri()), patience);
  slow.freeze();
  auto lost = connection->command({"PING"});
  ASSERT_FALSE(lost);
  EXPECT_THAT(lost.error().message, HasSubstr("does not answer in time"));
  EXPECT_TRUE(connection->broken());
  EXPECT_FALSE(connection->command({"PING"}));
  EXPECT_THAT(refusal(parsed(slow.uri()), patience).message, HasSubstr("does not answer in time"));
  slow.thaw();
  EXPECT_EQ(ask(*connected(slow.uri()), {"PING"}).text, "PONG");
}

TEST(RedisClientTest, NoticesThatTheServerWasKilledAndRecovers) {
  RedisServer mortal;
  ASSERT_TRUE(mortal.ready());
  auto connection = connected(mortal.uri());
  mortal.stop(SIGKILL);
  auto lost = connection->command({"PING"});
  ASSERT_FALSE(lost);
  EXPECT_THAT(lost.error().message, HasSubstr("was lost"));
  EXPECT_TRUE(connection->broken());
  ASSERT_TRUE(mortal.start());
  EXPECT_EQ(ask(*connected(mortal.uri()), {"PING"}).text, "PONG");
}

TEST(RedisClientTest, GivesAReplicaUpWhenItIsToWrite) {
  RedisServer replica({"replicaof 127.0.0.1 " + std::to_string(server().port())});
  ASSERT_TRUE(replica.ready());
  auto connection = connected(replica.uri());
  Result<RedisReply> refused = connection->command({"SET", "k", "v"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("is a replica"));
  EXPECT_TRUE(connection->broken());
}

TEST(RedisClientTest, TellsWhatARefusalInsideAScriptMeans) {
  // As Redis 6 words it, and as Redis 7 does.
  for (const char* words :
       {"ERR Error running script (call to f_0): @user_script:1: -OOM command not allowed when "
        "used memory > 'maxmemory'.",
        "OOM command not allowed when used memory > 'maxmemory'. script: 0, on @user_script:1.",
        "ERR XADD: OOM command not allowed when used memory > 'maxmemory'. script: 0, on @user_"}) {
    EXPECT_THAT(redis_error(words, "EVALSHA", "h:1").message, HasSubstr("used up its memory"));
  }
  for (const char* words :
       {"ERR ACL failure in script: User hufu has no permissions to run the 'xadd' command script:",
        "ERR Error running script: The user executing the script can't run this command or "
        "subcommand"}) {
    EXPECT_THAT(redis_error(words, "EVALSHA", "h:1").message, HasSubstr("forbids EVALSHA"));
  }
}

// ---- Listening ----

TEST(RedisSubscriptionTest, HearsWhatIsPublishedOnItsChannels) {
  const std::vector<std::string_view> channels = {"one", "two"};
  auto listener = RedisSubscription::open(parsed(server().uri()), channels);
  ASSERT_TRUE(listener) << listener.error().message;
  auto speaker = connected(server().uri());
  ask(*speaker, {"PUBLISH", "other", "not for us"});
  ask(*speaker, {"PUBLISH", "one", "a"});
  ask(*speaker, {"PUBLISH", "two", "b"});
  for (const auto& [channel, text] : {std::pair("one", "a"), std::pair("two", "b")}) {
    auto message = (*listener)->next(5s);
    ASSERT_TRUE(message && *message);
    EXPECT_EQ((*message)->channel, channel);
    EXPECT_EQ((*message)->text, text);
  }
}

TEST(RedisSubscriptionTest, SaysThatAllIsQuietAndHearsTheNextMessage) {
  const std::vector<std::string_view> channels = {"quiet"};
  auto listener = RedisSubscription::open(parsed(server().uri()), channels);
  ASSERT_TRUE(listener);
  auto nothing = (*listener)->next(1ms);
  ASSERT_TRUE(nothing) << nothing.error().message;
  EXPECT_FALSE(*nothing);
  ask(*connected(server().uri()), {"PUBLISH", "quiet", "now"});
  auto message = (*listener)->next(5s);
  ASSERT_TRUE(message && *message);
  EXPECT_EQ((*message)->text, "now");
}

TEST(RedisSubscriptionTest, StopsWaitingWhenItIsInterrupted) {
  const RedisInterrupt interrupt;
  const std::vector<std::string_view> channels = {"silent"};
  auto listener = RedisSubscription::open(parsed(server().uri()), channels, {}, &interrupt);
  ASSERT_TRUE(listener);
  auto received = std::async(std::launch::async, [&] { return (*listener)->next(1h); });
  interrupt.raise();
  auto message = received.get();
  ASSERT_TRUE(message);
  EXPECT_FALSE(*message);
  EXPECT_FALSE(RedisConnection::connect(parsed(server().uri()), {}, &interrupt));
}

TEST(RedisSubscriptionTest, NoticesAServerThatIsGoneOrStandsStill) {
  RedisServer mortal;
  ASSERT_TRUE(mortal.ready());
  const std::vector<std::string_view> channels = {"c"};
  const RedisPatience patience{2s, 1s};
  auto first = RedisSubscription::open(parsed(mortal.uri()), channels, patience);
  ASSERT_TRUE(first);
  mortal.freeze();
  EXPECT_FALSE((*first)->next(1ms));
  mortal.thaw();
  auto second = RedisSubscription::open(parsed(mortal.uri()), channels);
  ASSERT_TRUE(second);
  mortal.stop(SIGKILL);
  EXPECT_FALSE((*second)->next(1h));
}

// ---- Sentinel ----

TEST(RedisSentinelTest, FindsThePrimaryAndTheOneThatTakesItsPlace) {
  RedisServer primary;
  ASSERT_TRUE(primary.ready());
  RedisServer replica({"replicaof 127.0.0.1 " + std::to_string(primary.port())});
  ASSERT_TRUE(replica.ready());
  auto source = connected(primary.uri());
  while (ask(*source, {"INFO", "replication"}).text.find("state=online") == std::string::npos) {
  }
  auto sentinel = RedisServer::sentinel("main", primary.port(), 1);
  ASSERT_TRUE(sentinel->ready());
  const auto nobody = std::to_string(hufu::testing::free_port());
  // The first Sentinel is away: the next one is asked.
  const std::string hosts = "redis+sentinel://127.0.0.1:" + nobody + "," + sentinel->address();

  EXPECT_EQ(connected(hosts + "/main")->peer(), primary.address());
  EXPECT_THAT(refusal(parsed(hosts + "/other")).message, HasSubstr("knows no primary of the name"));

  auto watcher = connected(sentinel->uri());
  const auto knows_replica = [&] {
    return !ask(*watcher, {"SENTINEL", "replicas", "main"}).elements.empty();
  };
  while (!knows_replica()) continue;
  primary.stop(SIGKILL);
  std::unique_ptr<RedisConnection> moved;
  while (!moved) {
    if (auto made = RedisConnection::connect(parsed(hosts + "/main"))) moved = std::move(*made);
  }
  EXPECT_EQ(moved->peer(), replica.address());
  EXPECT_EQ(ask(*moved, {"SET", "k", "v"}).text, "OK");
}

TEST(RedisSentinelTest, AsksFirstTheOneThatAnsweredLast) {
  RedisServer primary;
  ASSERT_TRUE(primary.ready());
  auto frozen = RedisServer::sentinel("main", primary.port(), 1);
  auto well = RedisServer::sentinel("main", primary.port(), 1);
  ASSERT_TRUE(frozen->ready() && well->ready());
  const RedisUri uri =
      parsed("redis+sentinel://" + frozen->address() + "," + well->address() + "/main");
  frozen->freeze();
  EXPECT_EQ(connected(uri, {2s, 5s})->peer(), primary.address());
  // Whoever asked the frozen one again would be here for an hour.
  EXPECT_EQ(connected(uri, {1h, 5s})->peer(), primary.address());
  frozen->thaw();
}

// ---- TLS ----

class RedisTlsTest : public ::testing::Test {
 protected:
  RedisTlsTest() {
    authority_.write_certificate(file("ca.pem"));
    Certificate::authority("another").write_certificate(file("other-ca.pem"));
    const Certificate mine = authority_.issue("redis", "DNS:localhost,IP:127.0.0.1");
    mine.write_certificate(file("redis.pem"));
    mine.write_key(file("redis.key"));
    const Certificate client = authority_.issue("client", "DNS:client");
    client.write_certificate(file("client.pem"));
    client.write_key(file("client.key"));
  }

  [[nodiscard]] std::string file(const std::string& name) const {
    return place_.directory() + "/" + name;
  }
  /// A server that speaks TLS only.
  [[nodiscard]] std::unique_ptr<RedisServer> start(const std::string& clients) const {
    const std::string port = std::to_string(hufu::testing::free_port());
    return std::make_unique<RedisServer>(std::vector<std::string>{
        "tls-port " + port, "tls-cert-file " + file("redis.pem"),
        "tls-key-file " + file("redis.key"), "tls-ca-cert-file " + file("ca.pem"),
        "tls-auth-clients " + clients, "# TLS at " + (tls_port_ = port)});
  }
  [[nodiscard]] std::string uri(const std::string& query,
                                const std::string& host = "localhost") const {
    return "rediss://" + host + ":" + tls_port_ + "?" + query;
  }

  Certificate authority_ = Certificate::authority("tests");
  RedisServer place_;  ///< For its directory, and as a plain server beside.
  mutable std::string tls_port_;
};

TEST_F(RedisTlsTest, ConnectsWhereTheCertificateFits) {
  auto secure = start("no");
  ASSERT_TRUE(secure->ready());
  for (const char* host : {"localhost", "127.0.0.1"}) {
    auto connection = connected(uri("ca_file=" + file("ca.pem"), host));
    const std::string value(std::size_t(1024) * 1024, 'x');
    ask(*connection, {"SET", "large", value});
    EXPECT_EQ(ask(*connection, {"GET", "large"}).text, value);
  }
}

TEST_F(RedisTlsTest, RefusesAnAuthorityThatIsNotTrusted) {
  auto secure = start("no");
  ASSERT_TRUE(secure->ready());
  for (const std::string& query : {std::string(), "ca_file=" + file("other-ca.pem")}) {
    const Error error = refusal(parsed(uri(query)));
    EXPECT_THAT(error.message, HasSubstr("is not trusted: "));
    EXPECT_THAT(error.next_step, HasSubstr("ca_file"));
  }
}

TEST_F(RedisTlsTest, RefusesACertificateOfAnotherHost) {
  const Certificate another = authority_.issue("redis", "DNS:another.example,IP:192.0.2.1");
  another.write_certificate(file("redis.pem"));
  another.write_key(file("redis.key"));
  auto secure = start("no");
  ASSERT_TRUE(secure->ready());
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    const Error error = refusal(parsed(uri("ca_file=" + file("ca.pem"), host)));
    EXPECT_THAT(error.message, HasSubstr("was not issued for " + host));
    EXPECT_NE(error.next_step, "");
  }
}

TEST_F(RedisTlsTest, ShowsACertificateOfItsOwnWhereTheServerWantsOne) {
  auto secure = start("yes");
  ASSERT_TRUE(secure->ready());
  const std::string ca = "ca_file=" + file("ca.pem");
  EXPECT_FALSE(RedisConnection::connect(parsed(uri(ca))));
  auto connection =
      connected(uri(ca + "&cert_file=" + file("client.pem") + "&key_file=" + file("client.key")));
  EXPECT_EQ(ask(*connection, {"PING"}).text, "PONG");
  const Error unreadable = refusal(parsed(uri("ca_file=" + file("no-such-file"))));
  EXPECT_EQ(unreadable.fault, Fault::config);
  EXPECT_THAT(unreadable.message, HasSubstr("no-such-file"));
}

}  // namespace
}  // namespace hufu::net

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (hufu::testing::RedisServer::program().empty()) {
    std::puts("not run: Redis: no server on this machine");
    return 0;
  }
  return RUN_ALL_TESTS();
}
