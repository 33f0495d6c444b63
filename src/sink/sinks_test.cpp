#include "sink/sinks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "sink/legacy_documents_testing.hpp"
#include "store/aes_gcm_sealer.hpp"
#include "store/keyring.hpp"
#include "store/memory_store.hpp"

namespace hufu::sink {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using ::testing::HasSubstr;

class SinksTest : public ::testing::Test {
 public:
  ~SinksTest() override {
    sinks.stop();
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
  Result<void> prepare(const std::vector<AppConfig>& apps) {
    return sinks.prepare(apps, [](const std::string&) { return std::string(kAccessToken); });
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
      const std::string kind = key.kind == kAccessToken ? "" : key.kind + "-";
      return Grant{key,  Secret(token + "-" + kind + "of-" + key.app), seconds(3600), {}, 1, {},
                   false};
    };
  }

  std::mutex mutex;
  std::string token = "A";
  std::string directory;
  keeper::Observer nobody;
  Sinks sinks{system_clock(), nobody};
};

TEST_F(SinksTest, WriteEachAppsTokenToItsOwnSink) {
  SinkConfig one = file("1");
  SinkConfig two = file("2");
  ASSERT_TRUE(prepare(apps({{"wx1", &one}, {"wx2", &two}})));
  sinks.start(read());
  EXPECT_TRUE(becomes("1", "A-of-wx1\n"));
  EXPECT_TRUE(becomes("2", "A-of-wx2\n"));
  sinks.changed({"wx3"});  // Has none.
}

TEST_F(SinksTest, HoldTheKindThatTheyName) {
  SinkConfig token_file = file("token");
  SinkConfig ticket_file = file("ticket");
  ticket_file.kind = "jsapi_ticket";
  ASSERT_TRUE(prepare(apps({{"wx1", &token_file}, {"wx1", &ticket_file}})));
  sinks.start(read());
  EXPECT_TRUE(becomes("token", "A-of-wx1\n"));
  EXPECT_TRUE(becomes("ticket", "A-jsapi_ticket-of-wx1\n"));
}

TEST_F(SinksTest, AreReplacedByThoseOfANewConfiguration) {
  SinkConfig one = file("1");
  ASSERT_TRUE(prepare(apps({{"wx1", &one}})));
  sinks.start(read());
  EXPECT_TRUE(becomes("1", "A-of-wx1\n"));
  SinkConfig two = file("2");
  ASSERT_TRUE(prepare(apps({{"wx1", &two}})));
  {
    std::lock_guard lock(mutex);
    token = "B";
  }
  sinks.start(read());
  EXPECT_TRUE(becomes("2", "B-of-wx1\n"));
  EXPECT_TRUE(becomes("1", "A-of-wx1\n")) << "left where it is";
}

TEST_F(SinksTest, OfOneTargetAreNotHeldUpByAnotherThatIsDown) {
  SinkConfig redis;
  redis.redis = "redis://127.0.0.1:1/0";
  redis.sdk = "wxjava";
  SinkConfig one = file("1");
  ASSERT_TRUE(prepare(apps({{"wx1", &redis}, {"wx2", &one}})));
  sinks.start(read());
  EXPECT_TRUE(becomes("1", "A-of-wx2\n"));
}

TEST_F(SinksTest, ThatMakeNoSenseAreReportedAndChangeNothing) {
  SinkConfig redis;
  redis.redis = "redis://";
  redis.sdk = "wxjava";
  const auto prepared = prepare(apps({{"wx1", &redis}}));
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().fault, Fault::config);
  EXPECT_THAT(prepared.error().message, HasSubstr("a sink of app wx1: "));
}

class LegacyDocumentsTest : public SinksTest {
 public:
  ~LegacyDocumentsTest() override { sinks.stop(); }

 protected:
  LegacyDocumentsTest() {
    auto target = std::make_shared<LegacyDocumentTarget>(
        documents, std::make_shared<store::MemoryStore>(system_clock()),
        std::make_shared<store::AesGcmSealer>(std::move(*store::Keyring::fresh()), std::string()),
        system_clock());
    sinks.start_legacy_documents(
        target,
        [this](const std::string& app) -> std::optional<store::LegacyName> {
          std::lock_guard lock(mutex);
          return app == with_document ? std::optional(testing::kLegacyName) : std::nullopt;
        },
        read());
  }
  std::string document() {
    sinks.drain();
    return documents->all.empty() ? "" : std::string(documents->all[0].token.reveal());
  }

  std::shared_ptr<testing::FakeDocuments> documents =
      std::make_shared<testing::FakeDocuments>(system_clock());
  std::string with_document = "wx1";
};

TEST_F(LegacyDocumentsTest, AreWrittenForWhateverAppHasOneWhenItsTokenChanges) {
  sinks.changed({"wx2"});
  sinks.changed({"wx1", "jsapi_ticket"});
  EXPECT_EQ(document(), "");
  sinks.changed({"wx1"});
  EXPECT_EQ(document(), "A-of-wx1");
}

TEST_F(LegacyDocumentsTest, OfAnAppThatGetsOneLaterAreWrittenWithItsNextChange) {
  sinks.changed({"wx2"});
  EXPECT_EQ(document(), "");
  {
    std::lock_guard lock(mutex);
    with_document = "wx2";
  }
  sinks.changed({"wx2"});
  EXPECT_EQ(document(), "A-of-wx2");
}

}  // namespace
}  // namespace hufu::sink
