#include <gmock/gmock.h>

#include "store/aes_gcm_sealer.hpp"
#include "store/key_file.hpp"
#include "store/opening/opening_testing.hpp"
#include "store/opening/rotate_key.hpp"
#include "store/record_text.hpp"
#include "store/row_text.hpp"
#include "store/sqlite/schema_2_testing.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::SizeIs;

/// A database of schema 2 with an app and its token, both sealed with a key of its own.
class OlderDatabase : public StoreFileTest {
 protected:
  OlderDatabase() {
    auto ring = must_value(create_key_file(key_file, must_value(Keyring::fresh())));
    const std::string id = ring.active().id;
    const std::string check = ring.check_value(ring.active());
    const AesGcmSealer sealer(std::move(ring));
    const auto sealed = [&](std::string_view plain, const std::string& associated_data) {
      return hex_of(sealer.seal(plain, associated_data).reveal());
    };
    const std::string now = std::to_string(millis(clock.wall()));
    run_sql(kSchema2);
    run_sql("INSERT INTO changes VALUES (3, 'wx1', 'access_token')");
    run_sql("INSERT INTO sealing_keys VALUES ('" + id + "', x'" + hex_of(check) + "')");
    run_sql(
        "INSERT INTO apps (id, platform, endpoint, secret_login, secret, tag, created_at, "
        "updated_at) VALUES ('wx1', 'wechat', 'classic', 0, x'" +
        sealed("not-a-secret", "app|wx1") + "', x'" +
        hex_of(bytes_of(sealer.tag("wx1", "not-a-secret"))) + "', " + now + ", " + now + ")");
    run_sql(
        "INSERT INTO tokens (app, kind, revision, token, issuer, obtained_at, expires_at, "
        "renew_at, predecessors, marks, late_marks, budget, fence, holder, lease_until, "
        "created_at, updated_at) VALUES ('wx1', 'access_token', 17, x'" +
        sealed("not-a-token", "token|wx1|access_token|17") + "', 'wechat/classic/access_token', " +
        now + ", " + now + " + 7200000, " + now +
        " + 5400000, '89abcdef;', '5:3;1:2?;', '', '', 3, '', 0, " + now + ", " + now + ")");
  }
};

TEST_F(OlderDatabase, KeepsItsTokensAndItsApps) {
  for (int round = 0; round < 2; ++round) {
    OpenStore store = open();
    const Record record = load(*store.tokens, kKey);
    ASSERT_TRUE(record.token);
    EXPECT_TRUE(record.token->value.same_as("not-a-token"));
    EXPECT_EQ(record.token->issuer, "wechat/classic/access_token");
    EXPECT_EQ(record.token->expires_at, clock.wall() + 2h);
    EXPECT_EQ(record.token->overlap, std::nullopt);
    EXPECT_EQ(record.revision, 17U);
    EXPECT_EQ(record.renew_at, clock.wall() + 90min);
    EXPECT_EQ(record.updated_at, clock.wall());
    EXPECT_TRUE(record.refresh_token.empty());
    EXPECT_THAT(record.predecessors, ElementsAre(Fingerprint{0x89abcdef}));
    EXPECT_THAT(record.in_doubt,
                ElementsAre(InDoubtCall{time_from(5), time_from(3), InDoubtCall::State::known_dead},
                            InDoubtCall{time_from(1), time_from(2), InDoubtCall::State::pending}));

    const auto app = load_app(*store.registry, "wx1");
    ASSERT_TRUE(app);
    EXPECT_EQ(app->platform, "wechat");
    EXPECT_EQ(app->settings, (Settings{{"endpoint", "classic"}}));
    ASSERT_EQ(app->credentials.size(), 1U);
    EXPECT_TRUE(credential(app->credentials, kSecret).same_as("not-a-secret"));
    EXPECT_EQ(app->tag, store.sealer->tag("wx1", "not-a-secret"));
    EXPECT_EQ(app->parent, "");
    EXPECT_TRUE(app->keep.empty());
    EXPECT_FALSE(app->secret_login);
    EXPECT_THAT(scan_apps(*store.registry), SizeIs(1));
  }
}

TEST_F(OlderDatabase, IsRenewedAndRotatedLikeANewOne) {
  {
    OpenStore store = open();
    Acquired lease = granted(*store.tokens, lease_request(kKey, 17, clock.wall()));
    EXPECT_GT(lease.lease.fence, 3U);
    EXPECT_EQ(commit(*store.tokens, lease.lease, next_token(lease.record, "next", clock.wall())),
              WriteOutcome::written);
  }
  const Rotation rotation = must_value(rotate_key({uri, "", {}}, clock));
  EXPECT_EQ(rotation.tokens, 1U);
  EXPECT_EQ(rotation.credentials, 1U);
  EXPECT_EQ(rotation.unreadable, 0U);
}

}  // namespace
}  // namespace hufu::store
