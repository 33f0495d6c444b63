#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "store/opening/opening_testing.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using ::testing::HasSubstr;
using ::testing::Not;

/// A small database in one file, and what becomes of it when somebody damages it.
class DamagedDatabase : public StoreFileTest {
 protected:
  static constexpr std::size_t kPage = 4096;
  static constexpr int kApps = 40;

  DamagedDatabase() {
    OpenStore store = open();
    for (int i = 0; i < kApps; ++i) {
      put_token(*store.tokens, {id(i), "access_token"}, "token of " + id(i), clock.wall());
      put_app(*store.registry, app_row(id(i), "secret of " + id(i)));
    }
    store = {};
    std::ifstream file(database, std::ios::binary);
    std::stringstream content;
    content << file.rdbuf();
    sound = content.str();
  }
  static std::string id(int i) { return "wx" + std::to_string(1000 + i); }

  void write(const std::string& content) {
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(database + suffix);
    std::ofstream(database, std::ios::binary | std::ios::trunc) << content;
  }
  /// Opens it and reads everything; the first failure. Whatever is read has to be right.
  std::optional<Error> first_failure() {
    auto store = open_store({uri, "", {}}, clock);
    if (!store) return store.error();
    auto walked = await<Result<void>>([&](auto done) {
      store->tokens->scan(
          [](const Key& key, const Record& record) {
            EXPECT_TRUE(!record.token || record.token->value.same_as("token of " + key.app));
          },
          std::move(done));
    });
    if (!walked) return walked.error();
    walked = await<Result<void>>(
        [&](auto done) { store->registry->scan_apps([](AppRow) {}, std::move(done)); });
    if (!walked) return walked.error();
    for (int i = 0; i < kApps; ++i) {
      auto record = try_load(*store->tokens, {id(i), "access_token"});
      if (!record) return record.error();
      EXPECT_TRUE(!record->token || record->token->value.same_as("token of " + id(i)));
      auto app = await<Result<std::optional<AppRow>>>(
          [&](auto done) { store->registry->load_app(id(i), std::move(done)); });
      if (!app) return app.error();
      if (!*app) continue;
      const Secret& secret = credential((*app)->credentials, kSecret);
      EXPECT_TRUE(secret.empty() || secret.same_as("secret of " + id(i)));
    }
    return std::nullopt;
  }
  void expect_failure_of_the_store(const std::optional<Error>& error) {
    if (!error) return;
    EXPECT_EQ(error->fault, Fault::store) << error->message;
    EXPECT_FALSE(error->next_step.empty()) << error->message;
  }

  std::string sound;
};

TEST_F(DamagedDatabase, IsReportedAsDamagedWhicheverPageIsOverwritten) {
  ASSERT_GT(sound.size(), 10 * kPage);
  for (const char filler : {'\0', '\xa5'}) {
    for (std::size_t at = 0; at < sound.size(); at += kPage) {
      SCOPED_TRACE("byte " + std::to_string(static_cast<unsigned char>(filler)) + " in page " +
                   std::to_string(at / kPage + 1));
      std::string damaged = sound;
      damaged.replace(at, kPage, kPage, filler);
      write(damaged);
      const auto error = first_failure();
      expect_failure_of_the_store(error);
      if (error) {
        EXPECT_THAT(error->message, HasSubstr("is damaged"));
        EXPECT_THAT(error->next_step, HasSubstr("backup"));
      }
    }
  }
}

TEST_F(DamagedDatabase, IsReportedAsDamagedWhereverItIsCutOff) {
  for (std::size_t size = 100; size < sound.size(); size += kPage / 2) {
    SCOPED_TRACE(size);
    write(sound.substr(0, size));
    const auto error = first_failure();
    ASSERT_TRUE(error);
    expect_failure_of_the_store(error);
    EXPECT_THAT(error->message, HasSubstr("is damaged"));
  }
}

TEST_F(DamagedDatabase, IsNeverTakenForABrokenConfigNorReadWrongly) {
  std::uint32_t state = 1;  // A fixed sequence of places: the same damage in every run.
  for (int i = 0; i < 200; ++i) {
    state = state * 1664525U + 1013904223U;
    const std::size_t at = state % sound.size();
    SCOPED_TRACE("byte " + std::to_string(at));
    std::string damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (i % 8)));
    write(damaged);
    expect_failure_of_the_store(first_failure());
  }
}

TEST_F(DamagedDatabase, AListOfSealingKeysThatMakesNoSenseIsDamage) {
  for (const char* damage : {"id = ''", "id = 'x'", "check_value = x''", "id = '0123456G'"}) {
    write(sound);
    run_sql("UPDATE sealing_keys SET " + std::string(damage));
    auto store = open_store({uri, "", {}}, clock);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().fault, Fault::store) << damage;
    EXPECT_THAT(store.error().message, HasSubstr("is damaged"));
    EXPECT_THAT(store.error().message, Not(HasSubstr("sealed with key ")));
  }
}

TEST_F(DamagedDatabase, WithoutTheRowsThatEveryDatabaseHasItIsDamaged) {
  for (const char* table : {"identity", "changes"}) {
    write(sound);
    run_sql("DELETE FROM " + std::string(table));
    auto store = open_store({uri, "", {}}, clock);
    ASSERT_FALSE(store) << table;
    EXPECT_THAT(store.error().message, HasSubstr("is damaged"));
  }
}

}  // namespace
}  // namespace hufu::store
