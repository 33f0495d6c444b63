#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <set>
#include <sstream>

#include "store/aes_gcm_sealer.hpp"
#include "store/conformance/store_testing.hpp"
#include "store/key_file.hpp"
#include "store/keyring.hpp"
#include "store/temp_dir.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using ::testing::HasSubstr;
using ::testing::Not;

Keyring fresh() { return must_value(Keyring::fresh()); }

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

void write_file(const std::string& path, const std::string& text, mode_t mode = 0600) {
  std::ofstream(path) << text;
  chmod(path.c_str(), mode);
}

// ---- Keyring ----

TEST(Keyring, ComesBackFromItsText) {
  Keyring ring = fresh();
  must(ring.add_key());
  Keyring back = must_value(Keyring::parse(ring.text().reveal(), "a file"));
  EXPECT_TRUE(back.contains(ring));
  EXPECT_TRUE(ring.contains(back));
  EXPECT_EQ(back.active().id, ring.active().id);
}

TEST(Keyring, TheKeyAddedLastIsTheActiveOneAndTheOldOnesStay) {
  Keyring ring = fresh();
  std::string old = ring.active().id;
  must(ring.add_key());
  EXPECT_NE(ring.active().id, old);
  EXPECT_NE(ring.find(old), nullptr);
  EXPECT_EQ(ring.find("00000000x"), nullptr);
}

TEST(Keyring, TextThatMakesNoSenseNamesItsLineAndNothingOfWhatIsInIt) {
  const std::string good(64, 'a');
  const std::string tag = "tag " + good + "\n";
  const std::string key = "key 01234567 " + good + "\n";
  struct Case {
    std::string text;
    std::string message;
  };
  for (const auto& [text, message] : std::vector<Case>{
           {"", "no key"},
           {tag, "no key"},
           {key, "no tag key"},
           {tag + tag + key, "line 2: there is a second tag key"},
           {tag + key + key, "line 3: there is a second key of that id"},
           {tag + "key 01234567 abc\n", "line 2: a key has 64 hex digits"},
           {tag + "key 01234567\n", "line 2: a key has 64 hex digits"},
           {tag + "key 0123456 " + good + "\n", "line 2: the id"},
           {tag + "key 0123456A " + good + "\n", "line 2: the id"},
           {"# fine\n\n" + tag + "lock 1\n", "line 4: neither"},
           {tag + "key 01234567 " + good + " more\n", "line 2: there is more"},
           {"tag " + std::string(64, 'g') + "\n" + key, "line 1: a tag key has 64 hex digits"}}) {
    auto ring = Keyring::parse(text, "FILE");
    ASSERT_FALSE(ring) << text;
    EXPECT_EQ(ring.error().fault, Fault::config);
    EXPECT_THAT(ring.error().message, HasSubstr(message));
    EXPECT_THAT(ring.error().message, HasSubstr("FILE"));
    EXPECT_THAT(ring.error().message, Not(HasSubstr("aaaa")));
  }
}

TEST(Keyring, ReadsAFileThatAnEditorOfAnotherSystemSaved) {
  Keyring ring = fresh();
  std::string text(ring.text().reveal());
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) {
    text.insert(at, "\r");
  }
  text.resize(text.size() - 2);  // no newline at the end
  EXPECT_TRUE(must_value(Keyring::parse(text, "f")).contains(ring));
}

TEST(Keyring, ItsCheckValueTellsItFromAKeyOfTheSameIdAndFromAnotherTagKey) {
  const std::string a(64, 'a');
  const std::string b(64, 'b');
  auto check = [](const std::string& tag, const std::string& key) {
    Keyring ring = must_value(Keyring::parse("tag " + tag + "\nkey 01234567 " + key, "f"));
    return ring.check_value(ring.active());
  };
  EXPECT_EQ(check(a, a), check(a, a));
  EXPECT_NE(check(a, a), check(a, b));
  EXPECT_NE(check(a, a), check(b, a));
}

// ---- Key file ----

TEST(KeyFile, IsMadeForItsOwnerOnlyAndComesBack) {
  TempDir directory;
  std::string path = directory.file("hufu.key");
  EXPECT_FALSE(must_value(read_key_file(path)));
  Keyring ring = must_value(create_key_file(path, fresh()));
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_TRUE(must_value(read_key_file(path))->contains(ring));
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(directory.file(""))) {
    ++files;
  }
  EXPECT_EQ(files, 1U) << "no draft is left behind";
}

TEST(KeyFile, OfTwoWhoMakeItTheFirstWins) {
  TempDir directory;
  std::string path = directory.file("hufu.key");
  Keyring first = must_value(create_key_file(path, fresh()));
  Keyring second = must_value(create_key_file(path, fresh()));
  EXPECT_TRUE(second.contains(first));
  EXPECT_TRUE(first.contains(second));
}

TEST(KeyFile, IsNotUsedWhereOthersCanReadIt) {
  TempDir directory;
  std::string path = directory.file("hufu.key");
  for (mode_t mode : {0640U, 0604U, 0660U, 0644U}) {
    write_file(path, std::string(fresh().text().reveal()), mode);
    auto ring = read_key_file(path);
    ASSERT_FALSE(ring) << mode;
    EXPECT_EQ(ring.error().fault, Fault::config);
    EXPECT_THAT(ring.error().next_step, HasSubstr("chmod 600"));
  }
  chmod(path.c_str(), 0400);
  EXPECT_TRUE(read_key_file(path));
}

TEST(KeyFile, ADirectoryIsNoKeyFile) {
  TempDir directory;
  auto ring = read_key_file(directory.file(""));
  ASSERT_FALSE(ring);
  EXPECT_EQ(ring.error().fault, Fault::config);
}

TEST(KeyFile, AnAddedKeyIsActiveAndTheOldOnesStay) {
  TempDir directory;
  std::string path = directory.file("hufu.key");
  Keyring before = must_value(create_key_file(path, fresh()));
  Keyring after = must_value(add_key_to_file(path));
  EXPECT_TRUE(after.contains(before));
  EXPECT_NE(after.active().id, before.active().id);
  EXPECT_EQ(must_value(read_key_file(path))->active().id, after.active().id);
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST(KeyFile, ManyWhoAddAKeyAtOnceLoseNone) {
  TempDir directory;
  std::string path = directory.file("hufu.key");
  must_value(create_key_file(path, fresh()));
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(add_key_to_file(path)); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(must_value(read_key_file(path))->keys().size(), 9U);
}

// ---- Sealer ----

class SealerTest : public ::testing::Test {
 protected:
  TempDir directory;
  std::string path = directory.file("hufu.key");
  AesGcmSealer sealer{must_value(create_key_file(path, fresh())), path};
};

TEST_F(SealerTest, OpensWhatItSealed) {
  using namespace std::string_literals;
  for (const std::string& plain : {""s, "t"s, "a token"s, "\0\xff\0"s, std::string(4096, 'x')}) {
    Secret sealed = sealer.seal(plain, "data");
    EXPECT_EQ(sealed.size(), plain.size() + 33);
    EXPECT_TRUE(must_value(sealer.open(sealed.reveal(), "data")).same_as(plain));
  }
}

TEST_F(SealerTest, TheSameTextSealedTwiceLooksDifferentAndShowsNothing) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    std::string sealed(sealer.seal("canary", "data").reveal());
    EXPECT_THAT(sealed, Not(HasSubstr("canary")));
    EXPECT_TRUE(seen.insert(sealed).second);
  }
}

TEST_F(SealerTest, WhatWasMovedDoesNotOpen) {
  Secret sealed = sealer.seal("token", "token|wx1|access_token|1");
  for (const char* data : {"token|wx2|access_token|1", "token|wx1|access_token|2", "app|wx1", ""}) {
    auto plain = sealer.open(sealed.reveal(), data);
    ASSERT_FALSE(plain) << data;
    EXPECT_EQ(plain.error().fault, Fault::store);
    EXPECT_THAT(plain.error().message, HasSubstr("changed or moved"));
  }
}

TEST_F(SealerTest, NoBitCanBeChanged) {
  std::string sealed(sealer.seal("token", "data").reveal());
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string bent = sealed;
    bent[bit / 8] = static_cast<char>(bent[bit / 8] ^ (1 << (bit % 8)));
    auto plain = sealer.open(bent, "data");
    ASSERT_FALSE(plain) << bit;
    EXPECT_EQ(plain.error().fault, Fault::store);
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(sealer.open(std::string_view(sealed).substr(0, size), "data")) << size;
  }
  EXPECT_TRUE(sealer.open(sealed, "data")) << "and a failure before does not stick";
}

TEST_F(SealerTest, NamesTheKeyThatIsWanted) {
  AesGcmSealer other(fresh());
  std::string id = *AesGcmSealer::key_id(sealer.seal("token", "data").reveal());
  auto plain = other.open(sealer.seal("token", "data").reveal(), "data");
  ASSERT_FALSE(plain);
  EXPECT_THAT(plain.error().message, HasSubstr(id));
  EXPECT_THAT(plain.error().next_step, HasSubstr(id));
}

TEST_F(SealerTest, MeetsANewKeyByReadingItsFileAgainAndSealsWithItFromThereOn) {
  std::string before(sealer.seal("token", "data").reveal());
  AesGcmSealer rotated(must_value(add_key_to_file(path)));
  Secret sealed = rotated.seal("token", "data");
  EXPECT_TRUE(must_value(sealer.open(sealed.reveal(), "data")).same_as("token"));
  EXPECT_EQ(AesGcmSealer::key_id(sealer.seal("x", "p").reveal()),
            AesGcmSealer::key_id(sealed.reveal()));
  EXPECT_TRUE(must_value(sealer.open(before, "data")).same_as("token"));
}

TEST_F(SealerTest, DoesNotTakeOverAFileThatLacksAKeyItUsed) {
  std::filesystem::remove(path);
  AesGcmSealer other(must_value(create_key_file(path, fresh())));
  EXPECT_FALSE(sealer.open(other.seal("token", "data").reveal(), "data"));
  Secret sealed = sealer.seal("token", "data");
  EXPECT_TRUE(sealer.open(sealed.reveal(), "data"));
}

TEST_F(SealerTest, FingerprintsAndTagsOutliveARotation) {
  Fingerprint fingerprint = sealer.fingerprint("token");
  SecretTag tag = sealer.tag("wx1", "secret");
  AesGcmSealer rotated(must_value(add_key_to_file(path)));
  EXPECT_EQ(rotated.fingerprint("token"), fingerprint);
  EXPECT_EQ(rotated.tag("wx1", "secret"), tag);
}

TEST_F(SealerTest, FingerprintsAndTagsTellOneTextFromAnotherAndOneKeyFileFromAnother) {
  AesGcmSealer other(fresh());
  EXPECT_NE(sealer.fingerprint("token"), sealer.fingerprint("tokem"));
  EXPECT_NE(sealer.fingerprint("token"), other.fingerprint("token"));
  EXPECT_NE(sealer.tag("wx1", "secret"), sealer.tag("wx2", "secret"));
  EXPECT_NE(sealer.tag("wx1", "secret"), sealer.tag("wx1", "secreT"));
  EXPECT_NE(sealer.tag("wx1", "secret"), other.tag("wx1", "secret"));
}

TEST_F(SealerTest, ManyThreadsSealAndOpenWhileTheKeysAreRotated) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        Secret sealed = sealer.seal("token", "data");
        EXPECT_TRUE(must_value(sealer.open(sealed.reveal(), "data")).same_as("token"));
      }
    });
  }
  for (int i = 0; i < 3; ++i) {
    AesGcmSealer rotated(must_value(add_key_to_file(path)));
    EXPECT_TRUE(sealer.open(rotated.seal("token", "data").reveal(), "data"));
  }
  for (auto& thread : threads) thread.join();
}

TEST(KeyFile, HoldsNoMoreThanItSays) {
  TempDir directory;
  std::string path = directory.file("hufu.key");
  must_value(create_key_file(path, fresh()));
  EXPECT_THAT(content_of(path), HasSubstr("\ntag "));
  EXPECT_THAT(content_of(path), HasSubstr("\nkey "));
}

}  // namespace
}  // namespace hufu::store
