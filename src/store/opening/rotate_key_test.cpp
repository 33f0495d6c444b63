#include "store/opening/rotate_key.hpp"

#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "store/aes_gcm_sealer.hpp"
#include "store/key_file.hpp"
#include "store/opening/opening_testing.hpp"
#include "store/opening/raw_store.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace std::string_view_literals;
using ::testing::ElementsAre;

class RotateKeyTest : public StoreFileTest {};

/// Every key id that something in the database is sealed with.
std::set<std::string> key_ids(const std::string& uri, const Clock& clock) {
  RawStore raw = must_value(open_raw_store(must_value(parse_store_uri(uri)), {}, clock));
  std::set<std::string> ids;
  for (const auto& [key, record] : scan(*raw.tokens)) {
    if (record.token) ids.insert(*AesGcmSealer::key_id(record.token->value.reveal()));
    if (!record.refresh_token.empty()) {
      ids.insert(*AesGcmSealer::key_id(record.refresh_token.reveal()));
    }
  }
  for (const auto& app : scan_apps(*raw.registry)) {
    const auto loaded = load_app(*raw.registry, app.id);
    for (const auto& [name, sealed] : loaded->credentials) {
      ids.insert(*AesGcmSealer::key_id(sealed.reveal()));
    }
  }
  return ids;
}

TEST_F(RotateKeyTest, SealsEverythingAnewAndKeepsTheOldKey) {
  fill();
  std::string old = must_value(read_key_file(key_file))->active().id;
  Rotation rotation = must_value(rotate_key({uri, "", {}}, clock));
  EXPECT_NE(rotation.key_id, old);
  EXPECT_EQ(rotation.tokens, 1U);
  EXPECT_EQ(rotation.credentials, 1U);
  EXPECT_EQ(rotation.unreadable, 0U);
  EXPECT_THAT(key_ids(uri, clock), ElementsAre(rotation.key_id));
  EXPECT_NE(must_value(read_key_file(key_file))->find(old), nullptr);

  OpenStore store = open();
  EXPECT_TRUE(load(*store.tokens, kKey).token->value.same_as("canary-token"));
  EXPECT_TRUE(
      credential(load_app(*store.registry, "wx1")->credentials, kSecret).same_as("canary-secret"));
}

TEST_F(RotateKeyTest, SealsRefreshTokensAndEveryCredentialAnew) {
  {
    OpenStore store = open();
    AppRow app = app_row("wx1", "canary-secret");
    app.credentials.emplace("aes_key", Secret("canary-aes-key"sv));
    put_app(*store.registry, std::move(app));
    Acquired grant = granted(*store.tokens, lease_request(kKey, 0, clock.wall()));
    Record next = next_token(grant.record, "canary-token", clock.wall());
    next.refresh_token = Secret("canary-refresh-token"sv);
    commit(*store.tokens, grant.lease, std::move(next));
  }
  Rotation rotation = must_value(rotate_key({uri, "", {}}, clock));
  EXPECT_EQ(rotation.tokens, 2U);
  EXPECT_EQ(rotation.credentials, 2U);
  EXPECT_EQ(rotation.unreadable, 0U);
  EXPECT_THAT(key_ids(uri, clock), ElementsAre(rotation.key_id));

  OpenStore store = open();
  EXPECT_TRUE(load(*store.tokens, kKey).refresh_token.same_as("canary-refresh-token"));
  const auto app = load_app(*store.registry, "wx1");
  EXPECT_TRUE(credential(app->credentials, "aes_key").same_as("canary-aes-key"));
}

TEST_F(RotateKeyTest, AServerThatRunsThroughARotationReadsOnAndWritesWithTheNewKey) {
  fill();
  OpenStore server = open();
  Acquired grant = granted(*server.tokens, lease_request(kKey, 1, clock.wall()));
  std::string cursor = changes(*server.tokens, "").cursor;
  Rotation rotation = must_value(rotate_key({uri, "", {}}, clock));

  EXPECT_THAT(changes(*server.tokens, cursor).tokens, ElementsAre(kKey));
  EXPECT_TRUE(load(*server.tokens, kKey).token->value.same_as("canary-token"));
  EXPECT_EQ(commit(*server.tokens, grant.lease, next_token(grant.record, "next", clock.wall())),
            WriteOutcome::written)
      << "a rotation takes nobody's lease";
  EXPECT_TRUE(load(*server.tokens, kKey).token->value.same_as("next"));
  EXPECT_THAT(key_ids(uri, clock), ElementsAre(rotation.key_id));
}

TEST_F(RotateKeyTest, AServerThatWritesWithTheOldKeyAfterARotationIsStillUnderstood) {
  fill();
  OpenStore server = open();
  must_value(rotate_key({uri, "", {}}, clock));
  put_app(*server.registry, app_row("wx9", "late"));  // it has not met the new key yet
  EXPECT_EQ(key_ids(uri, clock).size(), 2U);
  EXPECT_TRUE(credential(load_app(*open().registry, "wx9")->credentials, kSecret).same_as("late"));
}

TEST_F(RotateKeyTest, WhileServersWriteLosesNothing) {
  OpenStore server = open();
  for (int i = 0; i < 50; ++i) {
    put_token(*server.tokens, {"wx" + std::to_string(i), "k"}, "token", clock.wall());
  }
  std::thread writer([&] {
    for (int i = 0; i < 200; ++i) {
      put_token(*server.tokens, {"wx" + std::to_string(i % 50), "k"}, "newer", clock.wall());
    }
  });
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(must_value(rotate_key({uri, "", {}}, clock)).unreadable, 0U);
  writer.join();
  for (int i = 0; i < 50; ++i) {
    Record record = load(*server.tokens, {"wx" + std::to_string(i), "k"});
    EXPECT_TRUE(record.token->value.same_as("newer"));
    EXPECT_EQ(record.revision, 5U);
  }
}

TEST_F(RotateKeyTest, CountsWhatItCannotReadAndGoesOn) {
  fill();
  run_sql("UPDATE tokens SET revision = 7");
  Rotation rotation = must_value(rotate_key({uri, "", {}}, clock));
  EXPECT_EQ(rotation.unreadable, 1U);
  EXPECT_EQ(rotation.credentials, 1U);
}

TEST_F(RotateKeyTest, AMemoryStoreHasNothingToRotate) {
  auto rotation = rotate_key({"memory:", "", {}}, clock);
  ASSERT_FALSE(rotation);
  EXPECT_EQ(rotation.error().fault, Fault::usage);
}

}  // namespace
}  // namespace hufu::store
