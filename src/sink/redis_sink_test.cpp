#include "sink/redis_sink.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <thread>
#include <tuple>
#include <utility>

#include "testing/fake_clock.hpp"
#include "testing/redis_server.hpp"

namespace hufu::sink {
namespace {

using hufu::testing::RedisServer;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;

Grant grant(std::string_view token, seconds expires_in = seconds(600)) {
  return {Key{"wx1"}, Secret(token),  expires_in, WallTime(seconds(1'789'657'178)),
          1,          Fingerprint{1}, false};
}
SteadyTime after(seconds span) { return system_clock().steady() + span; }

net::RedisUri uri_of(const std::string& text) {
  auto uri = net::RedisUri::parse(text, Secret());
  if (!uri) std::abort();
  return std::move(*uri);
}

class RedisSinkTest : public ::testing::Test {
 protected:
  /// A sink for the SDK of that name; it has the server to itself.
  std::unique_ptr<RedisSink> sink_for(const std::string& sdk,
                                      std::string_view kind = kAccessToken) {
    AppConfig app;
    app.id = "wx1";
    return sink_for(sdk, std::move(app), kind);
  }
  /// The same for an agent of WeCom.
  std::unique_ptr<RedisSink> agents_sink_for(const std::string& sdk,
                                             std::string_view kind = kAccessToken) {
    AppConfig app;
    app.id = "crm";
    app.platform = "wecom";
    app.settings = {{"corpid", "ww1"}, {"agentid", "1000002"}};
    return sink_for(sdk, std::move(app), kind);
  }
  std::unique_ptr<RedisSink> sink_for(const std::string& sdk, AppConfig app,
                                      std::string_view kind) {
    SinkConfig config;
    config.sdk = sdk;
    app.credentials.emplace(kSecret, Secret(std::string_view("s3cret")));
    auto layout = layout_of(config, app, kind);
    if (!layout) std::abort();
    return std::make_unique<RedisSink>(target, std::move(*layout));
  }
  /// What somebody else finds there.
  std::string ask(std::initializer_list<std::string_view> words) {
    auto connection = net::RedisConnection::connect(uri_of(server.uri()));
    if (!connection) return connection.error().message;
    auto reply = (*connection)->command(words);
    if (!reply) return reply.error().message;
    if (reply->is(net::RedisReply::Kind::integer)) return std::to_string(reply->integer);
    return reply->is(net::RedisReply::Kind::nil) ? "(nil)" : reply->text;
  }
  std::int64_t ttl(std::string_view key) { return std::stoll(ask({"PTTL", key})); }

  RedisServer server;
  std::shared_ptr<RedisTarget> target =
      std::make_shared<RedisTarget>(uri_of(server.uri()), system_clock());
};

TEST_F(RedisSinkTest, WritesWhatSilenceperReads) {
  ASSERT_TRUE(sink_for("silenceper")->put(grant("TOKEN-1"), after(seconds(600))));
  for (const char* key : {"gowechat_officialaccount__access_token_wx1",
                          "gowechat_officialaccount__stable_access_token_wx1"}) {
    EXPECT_EQ(ask({"GET", key}), "TOKEN-1");
    EXPECT_THAT(ttl(key), AllOf(Ge(570'000), Le(600'000)));
  }
  EXPECT_EQ(ask({"DBSIZE"}), "2");
}

TEST_F(RedisSinkTest, WritesWhatWxJavaReads) {
  ASSERT_TRUE(sink_for("wxjava")->put(grant("TOKEN-1"), after(seconds(600))));
  EXPECT_EQ(ask({"GET", "wx:access_token:wx1"}), "TOKEN-1");
  EXPECT_THAT(ttl("wx:access_token:wx1"), AllOf(Ge(570'000), Le(600'000)));
  EXPECT_EQ(ask({"DBSIZE"}), "1");
}

TEST_F(RedisSinkTest, WritesWhatWechatpyReadsAndRemovesWhatWouldMisleadIt) {
  ask({"SET", "wechatpy:wx1_access_token_expires_at", "1"});
  ASSERT_TRUE(sink_for("wechatpy")->put(grant("TOKEN-1"), after(seconds(600))));
  EXPECT_EQ(ask({"GET", "wechatpy:wx1_access_token"}), "\"TOKEN-1\"");
  EXPECT_THAT(ttl("wechatpy:wx1_access_token"), AllOf(Ge(570'000), Le(600'000)));
  EXPECT_EQ(ask({"DBSIZE"}), "1");
}

TEST_F(RedisSinkTest, WritesWhatPowerWeChatReads) {
  ASSERT_TRUE(sink_for("powerwechat")->put(grant("TOKEN-1"), after(seconds(600))));
  const std::string key = "powerwechat.access_token.54dee21cdb4291d548b0c2e0db22bc92";
  EXPECT_THAT(
      ask({"GET", key}),
      ::testing::MatchesRegex(R"(\{"access_token":"TOKEN-1","expires_in":(600|5[0-9]{2})\})"));
  EXPECT_THAT(ttl(key), AllOf(Ge(570'000), Le(600'000)));
}

TEST_F(RedisSinkTest, WritesTheEndOfATicketBesideItByTheClockOfRedis) {
  auto sink = sink_for("wechatpy", "jsapi_ticket");
  ASSERT_TRUE(sink->put(grant("TICKET-1"), after(seconds(600))));
  EXPECT_EQ(ask({"GET", "wechatpy:wx1_jsapi_ticket"}), "\"TICKET-1\"");
  const std::string end = "wechatpy:wx1_jsapi_ticket_expires_at";
  const std::int64_t in_ten_minutes =
      std::chrono::floor<seconds>(system_clock().wall().time_since_epoch()).count() + 600;
  EXPECT_THAT(std::stoll(ask({"GET", end})), AllOf(Ge(in_ten_minutes - 30), Le(in_ten_minutes)));
  EXPECT_THAT(ttl(end), AllOf(Ge(570'000), Le(600'000)));
  ASSERT_TRUE(sink->keep(grant("TICKET-1"), after(seconds(60))));
  EXPECT_LE(std::stoll(ask({"GET", end})), in_ten_minutes - 540 + 30);
  ASSERT_TRUE(sink->withdraw(Secret(std::string_view("TICKET-1"))));
  EXPECT_EQ(ask({"DBSIZE"}), "0");
}

TEST_F(RedisSinkTest, WritesTheTicketsThatOtherSdksRead) {
  ASSERT_TRUE(sink_for("silenceper", "jsapi_ticket")->put(grant("T"), after(seconds(600))));
  EXPECT_EQ(ask({"GET", "gowechat_officialaccount__jsapi_ticket_wx1"}), "T");
  ASSERT_TRUE(sink_for("wxjava", "jsapi_ticket")->put(grant("T"), after(seconds(600))));
  EXPECT_EQ(ask({"GET", "wx:ticket:key:wx1:jsapi"}), "T");
  ASSERT_TRUE(sink_for("powerwechat", "jsapi_ticket")->put(grant("T"), after(seconds(600))));
  EXPECT_THAT(ask({"GET", "powerwechat.basic_service.jssdk.ticket.jsapi.wx1"}),
              HasSubstr(R"("ticket":"T")"));
}

TEST_F(RedisSinkTest, WritesWhatSdksReadForAnAgentOfWecom) {
  const std::pair<const char*, const char*> keys[] = {
      {"silenceper", "gowechat_work__access_token_ww1_1000002"},
      {"wxjava", "wechat_cp_access_token_key:ww1:1000002"}};
  for (const auto& [sdk, key] : keys) {
    auto sink = agents_sink_for(sdk);
    ASSERT_TRUE(sink->put(grant("TOKEN-1"), after(seconds(600))));
    EXPECT_EQ(ask({"GET", key}), "TOKEN-1");
    EXPECT_THAT(ttl(key), AllOf(Ge(570'000), Le(600'000)));
    EXPECT_EQ(ask({"DBSIZE"}), "1") << "and the other agents' key is left alone";
    ASSERT_TRUE(sink->withdraw(Secret(std::string_view("TOKEN-1"))));
  }
  ASSERT_TRUE(agents_sink_for("powerwechat")->put(grant("TOKEN-1"), after(seconds(600))));
  EXPECT_THAT(ask({"GET", "powerwechat.access_token.4fd302b266ed41539bc20d7c54dbad77"}),
              HasSubstr(R"("access_token":"TOKEN-1")"));
}

TEST_F(RedisSinkTest, WritesTheTicketsThatSdksReadForAnAgentOfWecom) {
  const std::tuple<const char*, const char*, const char*> keys[] = {
      {"silenceper", "jsapi_ticket", "gowechat_work__corp_jsapi_ticket_ww1"},
      {"silenceper", "agent_ticket", "gowechat_work__agent_jsapi_ticket_ww1_1000002"},
      {"wxjava", "jsapi_ticket", "wechat_cp_jsapi_ticket_key:ww1:1000002"},
      {"wxjava", "agent_ticket", "wechat_cp_agent_jsapi_ticket_key:ww1:1000002"}};
  for (const auto& [sdk, kind, key] : keys) {
    ASSERT_TRUE(agents_sink_for(sdk, kind)->put(grant("T"), after(seconds(600))));
    EXPECT_EQ(ask({"GET", key}), "T");
    EXPECT_THAT(ttl(key), AllOf(Ge(570'000), Le(600'000)));
  }
  ASSERT_TRUE(agents_sink_for("powerwechat", "jsapi_ticket")->put(grant("T"), after(seconds(600))));
  EXPECT_THAT(ask({"GET", "powerwechat.basic_service.jssdk.ticket.jsapi.ww1"}),
              HasSubstr(R"("ticket":"T")"));
}

TEST_F(RedisSinkTest, SetsTheTtlOfAKeyToWhatIsPromised) {
  auto sink = sink_for("wxjava");
  ASSERT_TRUE(sink->put(grant("TOKEN-1"), after(seconds(60))));
  EXPECT_THAT(ttl("wx:access_token:wx1"), Le(60'000));
  ASSERT_TRUE(sink->keep(grant("TOKEN-1"), after(seconds(600))));
  EXPECT_THAT(ttl("wx:access_token:wx1"), AllOf(Ge(570'000), Le(600'000)));
  ASSERT_TRUE(sink->keep(grant("TOKEN-1"), after(seconds(30))));
  EXPECT_THAT(ttl("wx:access_token:wx1"), Le(30'000));
}

TEST_F(RedisSinkTest, WritesNothingThatIsPromisedForLessThanASecond) {
  ASSERT_TRUE(sink_for("wxjava")->put(grant("TOKEN-1"), after(seconds(0))));
  EXPECT_EQ(ask({"DBSIZE"}), "0");
}

TEST_F(RedisSinkTest, WritesAKeyAgainThatWasLost) {
  auto sink = sink_for("silenceper");
  ASSERT_TRUE(sink->put(grant("TOKEN-1"), after(seconds(600))));
  ask({"DEL", "gowechat_officialaccount__access_token_wx1"});
  ASSERT_TRUE(sink->keep(grant("TOKEN-1"), after(seconds(600))));
  EXPECT_EQ(ask({"DBSIZE"}), "2");
}

// A node that is cut off from the store knows nothing of the token that replaced its own.
TEST_F(RedisSinkTest, DoesNotRestoreATokenThatOthersHaveReplaced) {
  auto sink = sink_for("wxjava");
  ASSERT_TRUE(sink->put(grant("TOKEN-1"), after(seconds(600))));
  ask({"SET", "wx:access_token:wx1", "TOKEN-2", "EX", "500"});
  ASSERT_TRUE(sink->keep(grant("TOKEN-1"), after(seconds(600))));
  EXPECT_EQ(ask({"GET", "wx:access_token:wx1"}), "TOKEN-2");
  ASSERT_TRUE(sink->put(grant("TOKEN-3"), after(seconds(600)))) << "one that is new to it, it puts";
  EXPECT_EQ(ask({"GET", "wx:access_token:wx1"}), "TOKEN-3");
}

TEST_F(RedisSinkTest, RemovesItsToken) {
  auto sink = sink_for("silenceper");
  ASSERT_TRUE(sink->put(grant("TOKEN-1"), after(seconds(600))));
  ASSERT_TRUE(sink->withdraw(Secret(std::string_view("TOKEN-1"))));
  EXPECT_EQ(ask({"DBSIZE"}), "0");
  EXPECT_TRUE(sink->withdraw(Secret(std::string_view("TOKEN-1")))) << "and it may be gone already";
}

TEST_F(RedisSinkTest, LeavesATokenAloneThatSomebodyElseWroteMeanwhile) {
  auto sink = sink_for("wxjava");
  ASSERT_TRUE(sink->put(grant("TOKEN-1"), after(seconds(600))));
  ask({"SET", "wx:access_token:wx1", "TOKEN-2", "EX", "500"});
  ASSERT_TRUE(sink->withdraw(Secret(std::string_view("TOKEN-1"))));
  EXPECT_EQ(ask({"GET", "wx:access_token:wx1"}), "TOKEN-2");
}

TEST_F(RedisSinkTest, ReportsARefusalAndGoesOnAfterwards) {
  ask({"CONFIG", "SET", "maxmemory", "1"});
  auto sink = sink_for("wxjava");
  const auto refused = sink->put(grant("TOKEN-1"), after(seconds(600)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::store);
  EXPECT_FALSE(refused.error().next_step.empty());
  EXPECT_THAT(refused.error().message, Not(HasSubstr("TOKEN-1")));
  ask({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(sink->put(grant("TOKEN-1"), after(seconds(600))));
  EXPECT_EQ(ask({"GET", "wx:access_token:wx1"}), "TOKEN-1");
}

// What was sent to a Redis that stood still is carried out when it goes on, however late.
TEST_F(RedisSinkTest, LeavesNoKeyThatOutlivesItsPromiseAfterRedisStoodStill) {
  auto sink = sink_for("wxjava");
  ASSERT_TRUE(sink->put(grant("TOKEN-1"), after(seconds(600))));
  server.freeze();
  const SteadyTime end = after(seconds(3));
  EXPECT_FALSE(sink->put(grant("TOKEN-2"), end)) << "within its patience";
  while (system_clock().steady() < end) std::this_thread::yield();
  server.thaw();
  EXPECT_NE(ask({"GET", "wx:access_token:wx1"}), "TOKEN-2");
}

TEST_F(RedisSinkTest, ReconnectsWhenRedisIsBack) {
  auto sink = sink_for("wxjava");
  ASSERT_TRUE(sink->put(grant("TOKEN-1"), after(seconds(600))));
  server.stop();
  EXPECT_FALSE(sink->put(grant("TOKEN-1"), after(seconds(600))));
  ASSERT_TRUE(server.start());
  const SteadyTime patience = after(seconds(20));
  bool back = false;
  while (!back && system_clock().steady() < patience) {
    back = sink->put(grant("TOKEN-1"), after(seconds(600))).has_value();
  }
  EXPECT_TRUE(back);
  EXPECT_EQ(ask({"GET", "wx:access_token:wx1"}), "TOKEN-1");
}

TEST_F(RedisSinkTest, CostsOneTimeoutAndNotOneForEachSinkWhileRedisIsDown) {
  hufu::testing::FakeClock clock;
  RedisTarget shared(uri_of(server.uri()), clock);
  server.stop();
  const auto first = shared.connection();
  ASSERT_FALSE(first);
  ASSERT_TRUE(server.start());
  const auto again = shared.connection();
  ASSERT_FALSE(again) << "Redis was not asked";
  EXPECT_EQ(again.error().message, first.error().message);
  clock.advance(seconds(1));
  EXPECT_TRUE(shared.connection());
}

TEST_F(RedisSinkTest, EndsAWaitWhenItIsInterrupted) {
  auto sink = sink_for("wxjava");
  ASSERT_TRUE(sink->put(grant("TOKEN-1"), after(seconds(600))));
  server.freeze();
  std::thread other([&] { target->interrupt(); });
  EXPECT_FALSE(sink->put(grant("TOKEN-2"), after(seconds(600))));
  other.join();
  server.thaw();
  EXPECT_FALSE(sink->put(grant("TOKEN-2"), after(seconds(600)))) << "and for ever";
}

}  // namespace
}  // namespace hufu::sink

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (hufu::testing::RedisServer::program().empty()) {
    std::puts("not run: Redis: no server on this machine");
    return 0;
  }
  return RUN_ALL_TESTS();
}
