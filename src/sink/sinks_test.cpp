#include "sink/sinks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

namespace hufu::sink {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using ::testing::HasSubstr;

class SinksTest : public ::testing::Test {
 public:
  ~SinksTest() override {
    sinks.end();
    std::error_code ignored;
    fs::remove_all(directory, ignored);
  }

 protected:
  SinksTest() {
    std::string pattern = (fs::temp_directory_path() / "hufu-sinks-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
  }

  static std::vector<AppConfig> apps(
      std::initializer_list<std::pair<std::string, SinkConfig*>> all) {
    std::vector<AppConfig> made;
    for (const auto& [id, sink] : all) {
      auto& app = made.emplace_back();
      app.id = id;
      app.credentials.insert_or_assign(std::string(kSecret), Secret(std::string_view("s3cret")));
      app.sinks.push_back(std::move(*sink));
    }
    return made;
  }
  [[nodiscard]] SinkConfig file(const std::string& name) const {
    SinkConfig sink;
    sink.file = directory + "/" + name;
    return sink;
  }
  [[nodiscard]] bool becomes(const std::string& name, const std::string& text) const {
    for (int i = 0; i < 20'000; ++i) {
      std::ifstream opened(directory + "/" + name);
      if (std::string(std::istreambuf_iterator<char>(opened), {}) == text) return true;
      std::this_thread::sleep_for(Milliseconds(1));
    }
    return false;
  }
  ReadToken read() {
    return [this](const Key& key) -> std::optional<Grant> {
      std::lock_guard lock(mutex);
      return Grant{key, Secret(token + "-of-" + key.app), seconds(3600), {}, 1, {}, false};
    };
  }

  std::mutex mutex;
  std::string token = "A";
  std::string directory;
  keeper::Observer nobody;
  Sinks sinks{system_clock(), nobody};
};

TEST_F(SinksTest, BringEachAppsTokenToItsOwnSink) {
  SinkConfig one = file("1");
  SinkConfig two = file("2");
  ASSERT_TRUE(sinks.prepare(apps({{"wx1", &one}, {"wx2", &two}})));
  sinks.begin(read());
  EXPECT_TRUE(becomes("1", "A-of-wx1\n"));
  EXPECT_TRUE(becomes("2", "A-of-wx2\n"));
  sinks.changed({"wx3"});  // Has none.
}

TEST_F(SinksTest, AreReplacedByThoseOfANewConfiguration) {
  SinkConfig one = file("1");
  ASSERT_TRUE(sinks.prepare(apps({{"wx1", &one}})));
  sinks.begin(read());
  EXPECT_TRUE(becomes("1", "A-of-wx1\n"));
  SinkConfig two = file("2");
  ASSERT_TRUE(sinks.prepare(apps({{"wx1", &two}})));
  {
    std::lock_guard lock(mutex);
    token = "B";
  }
  sinks.begin(read());
  EXPECT_TRUE(becomes("2", "B-of-wx1\n"));
  EXPECT_TRUE(becomes("1", "A-of-wx1\n")) << "left where it is";
}

TEST_F(SinksTest, OfAnotherTargetAreNotHeldUpByARedisThatIsOut) {
  SinkConfig redis;
  redis.redis = "redis://127.0.0.1:1/0";
  redis.sdk = "wxjava";
  SinkConfig one = file("1");
  ASSERT_TRUE(sinks.prepare(apps({{"wx1", &redis}, {"wx2", &one}})));
  sinks.begin(read());
  EXPECT_TRUE(becomes("1", "A-of-wx2\n"));
}

TEST_F(SinksTest, ThatMakeNoSenseAreToldAndChangeNothing) {
  SinkConfig redis;
  redis.redis = "redis://";
  redis.sdk = "wxjava";
  const auto prepared = sinks.prepare(apps({{"wx1", &redis}}));
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().fault, Fault::config);
  EXPECT_THAT(prepared.error().message, HasSubstr("a sink of app wx1: "));
}

}  // namespace
}  // namespace hufu::sink
