#include "sink/legacy_document_sink.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "sink/legacy_documents_testing.hpp"
#include "store/aes_gcm_sealer.hpp"
#include "store/blocking.hpp"
#include "store/keyring.hpp"
#include "store/memory_store.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::sink {
namespace {

using namespace hufu::sink::testing;
using std::chrono::seconds;
using store::LegacyDocument;
using store::LegacyName;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Key kKey{"wx1", std::string(kAccessToken)};

class LegacyDocumentSinkTest : public ::testing::Test {
 protected:
  /// What the keeper hands out now: the `revision`th token, promised for an hour.
  Grant grant(std::uint64_t revision) {
    const std::string value = "token-" + std::to_string(revision);
    return {kKey, Secret(value), seconds(3600), {}, revision, {}, false};
  }
  SteadyTime end() { return clock.steady() + seconds(3600); }
  Result<void> put(std::uint64_t revision) { return sink.put(grant(revision), end()); }
  Result<void> keep(std::uint64_t revision) { return sink.keep(grant(revision), end()); }

  /// Stores the next token, as a renewal does.
  void renew() {
    auto outcome = store::await<Result<AcquireOutcome>>([&](auto done) {
      tokens->acquire_lease({kKey, stored, "node", seconds(30), {}, {}}, std::move(done));
    });
    auto& acquired = std::get<Acquired>(*outcome);
    Record next;
    next.revision = ++stored;
    next.token = Token{grant(stored).token.clone(), clock.wall(), clock.wall() + seconds(7200),
                       "wechat/classic/access_token"};
    if (acquired.record.token) {
      next.predecessors = acquired.record.predecessors;
      next.predecessors.insert(next.predecessors.begin(),
                               sealer->fingerprint(acquired.record.token->value.reveal()));
    }
    ASSERT_EQ(*store::await<Result<WriteOutcome>>([&](auto done) {
      tokens->commit(acquired.lease, std::move(next), std::move(done));
    }),
              WriteOutcome::written);
  }
  /// What another program does to the first document.
  void save(std::string_view token, Milliseconds life) {
    if (documents->all.empty()) documents->all.push_back({"theirs", Secret(), {}, {}});
    documents->all[0].token = Secret(token);
    documents->all[0].promised_until = clock.wall() + life;
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const LegacyDocument& each : documents->all) all.emplace_back(each.token.reveal());
    return all;
  }

  hufu::testing::FakeClock clock;
  std::shared_ptr<FakeDocuments> documents = std::make_shared<FakeDocuments>(clock);
  std::shared_ptr<TokenStore> tokens = std::make_shared<store::MemoryStore>(clock);
  std::shared_ptr<const store::Sealer> sealer =
      std::make_shared<store::AesGcmSealer>(std::move(*store::Keyring::fresh()), std::string());
  std::shared_ptr<LegacyDocumentTarget> target =
      std::make_shared<LegacyDocumentTarget>(documents, tokens, sealer, clock);
  std::optional<LegacyName> name = kLegacyName;
  LegacyDocumentSink sink{target, [this](const std::string&) { return name; }};
  std::uint64_t stored = 0;  ///< The revision that is.
};

TEST_F(LegacyDocumentSinkTest, ADocumentIsMadeAndSaysHowLongItsTokenIsPromised) {
  renew();
  ASSERT_TRUE(put(1));
  EXPECT_THAT(texts(), ElementsAre("token-1"));
  EXPECT_EQ(documents->all[0].promised_until, clock.wall() + seconds(3600));
}

TEST_F(LegacyDocumentSinkTest, EveryDocumentOfTheNameIsKeptUpToDate) {
  save("old", seconds(60));
  documents->all.push_back({"second", Secret(), {}, {}});
  renew();
  ASSERT_TRUE(put(1));
  EXPECT_THAT(texts(), ElementsAre("token-1", "token-1"));
}

TEST_F(LegacyDocumentSinkTest, NothingIsWrittenWhereNothingChanged) {
  renew();
  ASSERT_TRUE(put(1));
  ASSERT_TRUE(put(1)) << "of another process, say";
  ASSERT_TRUE(sink.keep(grant(1), end() + seconds(1)));
  EXPECT_EQ(documents->writes, 1);
  ASSERT_TRUE(sink.keep(grant(1), end() + seconds(60))) << "a promise that grew";
  EXPECT_EQ(documents->writes, 2);
  EXPECT_EQ(documents->all[0].promised_until, clock.wall() + seconds(3660));
}

// The program read the document, Hufu renewed the token, the program saved what it had read.
TEST_F(LegacyDocumentSinkTest, AnOlderTokenThatAProgramSavedAgainIsReplacedByTheCurrentOne) {
  renew();
  renew();
  renew();
  ASSERT_TRUE(put(3));
  for (const char* older : {"token-2", "token-1"}) {
    save(older, seconds(3000));
    ASSERT_TRUE(keep(3));
    EXPECT_THAT(texts(), ElementsAre("token-3"));
  }
}

TEST_F(LegacyDocumentSinkTest, AnOlderTokenIsReplacedWhileTheCurrentOneIsNotStoredYet) {
  renew();
  ASSERT_TRUE(put(2)) << "handed out from memory";
  save("token-1", seconds(3000));
  ASSERT_TRUE(keep(2));
  EXPECT_THAT(texts(), ElementsAre("token-2"));
}

TEST_F(LegacyDocumentSinkTest, ATokenThatAProgramFetchedItselfStaysUntilThereIsANewerOne) {
  renew();
  ASSERT_TRUE(put(1));
  save("theirs", seconds(3600));
  ASSERT_TRUE(keep(1));
  EXPECT_THAT(texts(), ElementsAre("theirs"));
  renew();
  ASSERT_TRUE(put(2));
  EXPECT_THAT(texts(), ElementsAre("token-2"));
}

TEST_F(LegacyDocumentSinkTest, ADocumentThatHasEndedIsBroughtUpToDateWhoeverWroteIt) {
  renew();
  ASSERT_TRUE(put(1));
  save("theirs", seconds(-1));
  ASSERT_TRUE(keep(1));
  EXPECT_THAT(texts(), ElementsAre("token-1"));
}

TEST_F(LegacyDocumentSinkTest, ADocumentThatIsGoneComesBack) {
  renew();
  ASSERT_TRUE(put(1));
  documents->all.clear();
  ASSERT_TRUE(keep(1));
  EXPECT_THAT(texts(), ElementsAre("token-1"));
}

TEST_F(LegacyDocumentSinkTest, ANodeThatHasNotHeardOfTheNewestTokenWritesNothing) {
  renew();
  renew();
  save("token-2", seconds(3600));
  ASSERT_TRUE(put(1));
  EXPECT_THAT(texts(), ElementsAre("token-2"));
  documents->all.clear();
  ASSERT_TRUE(keep(1));
  EXPECT_THAT(texts(), IsEmpty());
}

TEST_F(LegacyDocumentSinkTest, WhatAProgramSavesAtTheSameMomentIsLookedAtAgain) {
  renew();
  renew();
  ASSERT_TRUE(put(2));
  save("token-1", seconds(3000));
  documents->before_write = [&] { save("theirs", seconds(3600)); };
  ASSERT_TRUE(keep(2));
  EXPECT_THAT(texts(), ElementsAre("theirs")) << "not overwritten for what stood there before";
}

TEST_F(LegacyDocumentSinkTest, ATokenThatIsNotPromisedAnyMoreIsSaidToHaveEnded) {
  renew();
  ASSERT_TRUE(put(1));
  ASSERT_TRUE(sink.withdraw(Secret(std::string_view("token-1"))));
  EXPECT_THAT(texts(), ElementsAre("token-1"));
  EXPECT_EQ(documents->all[0].promised_until, clock.wall());
  save("theirs", seconds(3600));
  ASSERT_TRUE(sink.withdraw(Secret(std::string_view("token-1"))));
  EXPECT_EQ(documents->all[0].promised_until, clock.wall() + seconds(3600));
}

TEST_F(LegacyDocumentSinkTest, AnEndThatHasPassedIsNotMoved) {
  renew();
  ASSERT_TRUE(put(1));
  const auto promised = documents->all[0].promised_until;
  clock.advance(seconds(4000));
  ASSERT_TRUE(sink.withdraw(Secret(std::string_view("token-1"))));
  EXPECT_EQ(documents->all[0].promised_until, promised);
}

TEST_F(LegacyDocumentSinkTest, AnAppWithoutADocumentIsLeftAlone) {
  renew();
  name.reset();
  ASSERT_TRUE(put(1));
  EXPECT_THAT(texts(), IsEmpty());
}

TEST_F(LegacyDocumentSinkTest, AnInterruptEndsAWaitForTheStore) {
  renew();
  documents->hangs = true;
  std::thread other([&] { target->interrupt(); });
  EXPECT_FALSE(put(1));
  other.join();
  EXPECT_FALSE(put(1)) << "and every later one";
}

// ---- what the keeper imports

class ImportTest : public LegacyDocumentSinkTest {
 protected:
  std::optional<keeper::ImportedToken> import(const Key& key) {
    const auto find = import_from(documents, [this](const std::string&) { return name; });
    return *store::await<Result<std::optional<keeper::ImportedToken>>>(
        [&](auto done) { find(key, std::move(done)); });
  }
};

TEST_F(ImportTest, TakesTheNewestTokenThatHasAnEnd) {
  EXPECT_FALSE(import(kKey));
  documents->all.push_back({"1", Secret(std::string_view("endless")), {}, {}});
  documents->all.push_back({"2", Secret(), clock.wall() + seconds(60), {}});
  EXPECT_FALSE(import(kKey));
  documents->all.push_back(
      {"3", Secret(std::string_view("theirs")), clock.wall() + seconds(60), clock.wall()});
  const auto found = import(kKey);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->value.same_as("theirs"));
  EXPECT_EQ(found->promised_until, clock.wall() + seconds(60));
  EXPECT_EQ(found->written_at, clock.wall());
}

TEST_F(ImportTest, FindsNothingForOtherKindsAndForAppsWithoutADocument) {
  save("theirs", seconds(60));
  EXPECT_FALSE(import({"wx1", "jsapi_ticket"}));
  name.reset();
  EXPECT_FALSE(import(kKey));
}

}  // namespace
}  // namespace hufu::sink
