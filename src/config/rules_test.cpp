#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "config/address_rules.hpp"
#include "config/app_rules.hpp"
#include "config/sources.hpp"
#include "config/store_uri.hpp"
#include "config/timing_rules.hpp"

namespace hufu::config {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(Listen, IsAHostAndAPort) {
  for (const char* text : {"127.0.0.1:7200", "0.0.0.0:0", "localhost:80", "[::1]:65535", "[::]:1"})
    EXPECT_EQ(check_listen(text), std::string(text));
}

TEST(Listen, RefusesEverythingElse) {
  for (const char* text : {"", "7200", ":7200", "localhost", "127.0.0.1:", "127.0.0.1:65536",
                           "127.0.0.1:-1", "127.0.0.1:+1", "::1:7200", "[::1]", "[::1:80", "[]:80",
                           "[x]:80", "a b:80", "http://a:80", "a/b:80"}) {
    auto result = check_listen(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().fault, Fault::config);
    EXPECT_FALSE(result.error().next_step.empty()) << text;
  }
  EXPECT_THAT(check_listen(":7200").error().next_step, HasSubstr("127.0.0.1:7200"));
  EXPECT_THAT(check_listen("8080").error().next_step, HasSubstr("127.0.0.1:8080"));
}

TEST(BasePath, LosesTheSlashAtItsEnd) {
  EXPECT_EQ(check_base_path(""), "");
  EXPECT_EQ(check_base_path("/"), "");
  EXPECT_EQ(check_base_path("/wechat"), "/wechat");
  EXPECT_EQ(check_base_path("/wechat/"), "/wechat");
  EXPECT_EQ(check_base_path("/a/b-c._~"), "/a/b-c._~");
}

TEST(BasePath, RefusesEverythingElse) {
  for (const char* text : {"wechat", "wechat/", "//", "/a//b", "/a b", "/a?b", "/a%20", "/../a",
                           "/a/..", "/./a", "/虎"}) {
    EXPECT_FALSE(check_base_path(text)) << text;
  }
}

TEST(StoreUri, IsWellFormedAndCompiledIn) {
  std::vector<std::string> all = {"memory", "sqlite", "mongodb", "postgresql", "redis"};
  for (const char* uri :
       {"memory:", "sqlite:/var/lib/hufu.db", "sqlite:hufu.db", "mongodb://h:1,h:2/db?replicaSet=r",
        "postgresql://u:p@h/db", "postgres://h", "redis://h:6379/0"}) {
    EXPECT_TRUE(check_store(uri, all)) << uri;
  }
  for (const char* uri : {"mongodb://h/db", "postgresql://h/db", "postgres://h/db", "redis://h"}) {
    auto result = check_store(uri, {"memory", "sqlite"});
    ASSERT_FALSE(result) << uri;
    EXPECT_THAT(result.error().message, HasSubstr("this build of hufu has no "));
  }
}

TEST(StoreUri, RefusesWhatIsMalformedWithoutRepeatingAPassword) {
  std::vector<std::string> all = {"memory", "sqlite", "mongodb", "postgresql", "redis"};
  for (const char* uri :
       {"", ":", "sqlite", "sqlite:", "sqlite::memory:", "sqlite:~/canary.db", "sqlite:/var/",
        "memory:canary", "mongodb:canary", "mongodb:/canary", "mongodb://", "mongodb://u:canary@",
        "redis://:6379", "redis://u:canary@h x", "mysql://u:canary@h", "sqlite:/a\nb"}) {
    auto result = check_store(uri, all);
    ASSERT_FALSE(result) << uri;
    EXPECT_EQ(result.error().fault, Fault::config);
    EXPECT_FALSE(result.error().next_step.empty()) << uri;
    EXPECT_EQ(result.error().message.find("canary"), std::string::npos) << result.error().message;
  }
  EXPECT_THAT(check_store("/var/hufu.db", all).error().next_step, HasSubstr("sqlite:/var/hufu.db"));
  EXPECT_THAT(check_store("sqlit:/var/hufu.db", all).error().next_step, HasSubstr("sqlite:"));
}

TEST(StoreUri, IsShownWithoutItsPassword) {
  EXPECT_EQ(masked_store("memory:"), "memory:");
  EXPECT_EQ(masked_store("sqlite:/a?b"), "sqlite:/a?b");
  EXPECT_EQ(masked_store("redis://h:1/0"), "redis://h:1/0");
  EXPECT_EQ(masked_store("mongodb://u:canary@h:1,i:2/db"), "mongodb://u:********@h:1,i:2/db");
  EXPECT_EQ(masked_store("mongodb://u:can@ry/x@h/db"), "mongodb://u:********@h/db");
  EXPECT_EQ(masked_store("redis://:canary@h"), "redis://:********@h");
  EXPECT_EQ(masked_store("postgresql://h/d?password=canary"), "postgresql://h/d?…");
}

TEST(LegacyDocument, IsForAMongoDbStoreAndInACollectionOfAnotherProgram) {
  EXPECT_TRUE(check_legacy_document("", "", "memory:"));
  EXPECT_TRUE(check_legacy_document("access_token", "", "mongodb://h/db"));
  EXPECT_TRUE(check_legacy_document("access_token", "tokens", "mongodb+srv://h/db"));
  for (const char* store : {"memory:", "sqlite:/a", "redis://h", "postgresql://u:canary@h"}) {
    auto result = check_legacy_document("access_token", "", store);
    ASSERT_FALSE(result) << store;
    EXPECT_THAT(result.error().message, HasSubstr("needs a MongoDB store"));
    EXPECT_EQ(result.error().next_step.find("canary"), std::string::npos);
  }
  EXPECT_FALSE(check_legacy_document("", "tokens", "mongodb://h/db"));
  for (const char* collection : {"hufu_records", "system.users", "a$b"}) {
    EXPECT_FALSE(check_legacy_document("access_token", collection, "mongodb://h/db")) << collection;
  }
}

TimingOverrides timing(Milliseconds use_slack, Milliseconds refresh_ahead, Milliseconds overlap,
                       Milliseconds lease, Milliseconds request_timeout) {
  return {use_slack, refresh_ahead, overlap, lease, request_timeout};
}

/// Of a configuration with these lengths of time for every platform.
Result<void> check(const TimingOverrides& timing, const std::string& platform = "wechat") {
  Config config;
  config.timing = timing;
  config.platforms["acme"].custom.emplace();
  return check_timing(config, *platform::Catalog(config).find(platform));
}

TEST(Timing, KeepsThePromiseByDefaultAndWhenItIsShort) {
  EXPECT_TRUE(check({}));
  EXPECT_TRUE(check(timing(1s, 5s, 6s, 3s, 1s)));
  EXPECT_TRUE(check(timing(1ms, 2ms, 4ms, 2ms, 1ms)));
}

TEST(Timing, IsRefusedWhereItCannotKeepThePromise) {
  const struct {
    TimingOverrides value;
    std::vector<const char*> named;
  } cases[] = {
      {timing(20s, 30min, 300s, 280s, 8s), {"timing.lease (280s)", "5m − 20s = 280s"}},
      {timing(20s, 30min, 300s, 290s, 8s), {"timing.lease (290s)"}},
      {timing(20s, 30min, 20s, 10s, 8s), {"timing.overlap (20s)", "timing.use_slack (20s)"}},
      {timing(20s, 30min, 10s, 1s, 500ms), {"timing.overlap (10s)", "timing.use_slack (20s)"}},
      {timing(20s, 30min, 300s, 8s, 8s), {"timing.request_timeout (8s)", "timing.lease (8s)"}},
      {timing(20s, 20s, 300s, 30s, 8s), {"timing.refresh_ahead (20s)", "timing.use_slack (20s)"}},
      {timing(0s, 30min, 300s, 30s, 8s), {"timing.use_slack must"}},
      {timing(20s, 0s, 300s, 30s, 8s), {"timing.refresh_ahead must"}},
      {timing(20s, 30min, 0s, 30s, 8s), {"timing.overlap must"}},
      {timing(20s, 30min, 300s, 0s, 8s), {"timing.lease must"}},
      {timing(20s, 30min, 300s, 30s, -1s), {"timing.request_timeout must"}},
      {timing(2h, 3h, 4h, 30s, 8s), {"timing.use_slack (2h)", "platform.wechat.longest_lifetime"}},
  };
  for (const auto& [value, named] : cases) {
    auto result = check(value);
    ASSERT_FALSE(result) << named[0];
    EXPECT_EQ(result.error().fault, Fault::config);
    EXPECT_FALSE(result.error().next_step.empty());
    for (const char* name : named) EXPECT_THAT(result.error().message, HasSubstr(name));
  }
}

TEST(Timing, NeedsNoOverlapWhereNoTokenEndsAnother) {
  EXPECT_FALSE(check(timing(20s, 30min, 10s, 300s, 8s), "wechat"));
  EXPECT_TRUE(check(timing(20s, 30min, 10s, 300s, 8s), "acme"));
}

TEST(Timing, IsBlamedOnTheKeyThatSetIt) {
  Config config;
  config.timing.lease = 290s;
  config.platforms["wechat"].timing.overlap = 200s;
  const platform::Catalog catalog;
  const auto& wechat = *catalog.find("wechat");
  EXPECT_THAT(check_timing(config, wechat).error().message,
              HasSubstr("timing.lease (290s) must be shorter than platform.wechat.timing.overlap"));
  config.platforms["wechat"].timing.lease = 100s;
  EXPECT_TRUE(check_timing(config, wechat)) << "what a platform is told wins";
}

TEST(Timings, AreCheckedForAppsOfTheStoreToo) {
  Config config;
  config.platforms["acme"].custom.emplace();
  config.apps.emplace_back().platform = "acme";
  config.timing.lease = 290s;
  EXPECT_EQ(check_timings(config, platform::Catalog(config)).size(), 1U) << "acme has no overlap";
}

TEST(Timings, TellOfEachFailureOnceAndOfPlatformsInUseOnly) {
  Config config;
  config.timing.lease = 1s;
  config.timing.request_timeout = 2s;
  for (const char* name : {"acme", "bolt"}) config.platforms[name].custom.emplace();
  EXPECT_EQ(check_timings(config, platform::Catalog(config)).size(), 1U);
  config.platforms["bolt"].timing.lease = 2s;
  EXPECT_EQ(check_timings(config, platform::Catalog(config)).size(), 2U);
}

TEST(SystemFiles, TellAMissingFileFromOneThatCannotBeRead) {
  auto folder = std::filesystem::temp_directory_path() / ("hufu-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  auto path = (folder / "a").string();
  std::ofstream(path) << "text\n";
  ReadFile read = system_files();
  EXPECT_EQ(read(path), "text\n");
  EXPECT_TRUE(read(path + "x").error().missing);
  EXPECT_TRUE(read(path + "/x").error().missing);
  EXPECT_FALSE(read(folder.string()).error().missing);
  std::ofstream(path) << std::string(kLargestFile + 1, 'x');
  EXPECT_THAT(read(path).error().reason, HasSubstr("larger"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace hufu::config
