#include "hufu/callback_store.hpp"

#include <gmock/gmock.h>

#include <stdexcept>
#include <thread>

#include "store/conformance/conformance.hpp"
#include "store/conformance/store_testing.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace conformance;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Key kKey{"wxcallback", "access_token"};

class CallbackHarness final : public Harness {
 public:
  Handle open() override { return {store_, nullptr, nullptr, nullptr}; }
  void let_pass(Milliseconds span) override { clock_.advance(span); }
  [[nodiscard]] WallTime now() const override { return clock_.wall(); }

 private:
  hufu::testing::FakeClock clock_;
  std::shared_ptr<TokenStore> store_ = callback_store(
      kKey, [] { return std::nullopt; }, [](const SavedToken&) {}, clock_);
};

const Case kCallback{"callback", [] { return std::make_unique<CallbackHarness>(); }, kKey};
INSTANTIATE_TEST_SUITE_P(Callback, LeaseConformance, ::testing::Values(kCallback), name_of_case);

/// What the embedding program keeps, and whether it is in the mood.
class CallbackStoreTest : public ::testing::Test {
 protected:
  std::optional<SavedToken> load_saved() {
    ++loads;
    if (broken) throw std::runtime_error("disk on fire");
    return saved;
  }
  void save(const SavedToken& token) {
    ++saves;
    if (broken) throw std::runtime_error("disk on fire");
    saver = std::this_thread::get_id();
    saved = token;
  }

  hufu::testing::FakeClock clock;
  std::optional<SavedToken> saved;
  bool broken = false;
  int loads = 0;
  int saves = 0;
  std::thread::id saver;
  std::shared_ptr<TokenStore> store = callback_store(
      kKey, [this] { return load_saved(); }, [this](const SavedToken& token) { save(token); },
      clock);
};

TEST_F(CallbackStoreTest, LoadsAtTheFirstUseAndOnlyThen) {
  EXPECT_EQ(loads, 0);
  saved = SavedToken{"kept", clock.wall() + 1h};
  Record record = load(*store, kKey);
  EXPECT_TRUE(record.token->value.same_as("kept"));
  EXPECT_EQ(record.revision, 1U);
  load(*store, kKey);
  EXPECT_EQ(scan(*store).size(), 1U);
  EXPECT_EQ(loads, 1);
}

TEST_F(CallbackStoreTest, GuessesWhatWasNotSavedFromTheEndOfTheToken) {
  saved = SavedToken{"kept", clock.wall() + 1h};
  Record record = load(*store, kKey);
  EXPECT_EQ(record.token->expires_at, clock.wall() + 1h);
  EXPECT_EQ(record.token->obtained_at, clock.wall() + 1h - 7200s);
  EXPECT_EQ(record.renew_at, clock.wall() + 1h - 1800s);
}

TEST_F(CallbackStoreTest, NeverGuessesThatATokenWasObtainedInTheFuture) {
  saved = SavedToken{"kept", clock.wall() + 24h};
  EXPECT_EQ(load(*store, kKey).token->obtained_at, clock.wall());
}

TEST_F(CallbackStoreTest, NothingSavedOrAnEmptyTokenIsNoRecord) {
  saved = SavedToken{"", clock.wall() + 1h};
  EXPECT_EQ(load(*store, kKey).revision, 0U);
  EXPECT_THAT(scan(*store), IsEmpty());
}

TEST_F(CallbackStoreTest, SavesEachTokenOnceOnAThreadOfItsOwn) {
  put_token(*store, kKey, "fresh", clock.wall());
  EXPECT_EQ(saves, 1);
  EXPECT_EQ(saved->token, "fresh");
  EXPECT_EQ(saved->expires_at, clock.wall() + 2h);
  EXPECT_NE(saver, std::this_thread::get_id());
}

TEST_F(CallbackStoreTest, DoesNotSaveAgainWhatDidNotChange) {
  put_token(*store, kKey, "fresh", clock.wall());
  Acquired grant = granted(*store, lease_request(kKey, 1, clock.wall()));
  commit(*store, grant.lease, grant.record.clone());
  add_in_doubt(*store, kKey, {clock.wall(), clock.wall()});
  EXPECT_EQ(saves, 1);
}

TEST_F(CallbackStoreTest, ASaveThatThrowsGivesTheLeaseBackAndChangesNothing) {
  put_token(*store, kKey, "old", clock.wall());
  Acquired grant = granted(*store, lease_request(kKey, 1, clock.wall()));
  broken = true;
  auto outcome = try_commit(*store, grant.lease, next_token(grant.record, "new", clock.wall()));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().fault, Fault::store);
  EXPECT_THAT(outcome.error().message, HasSubstr("disk on fire"));

  Record record = load(*store, kKey);
  EXPECT_TRUE(record.token->value.same_as("old"));
  EXPECT_EQ(record.revision, 1U);
  EXPECT_EQ(record.in_doubt, grant.record.in_doubt) << "the platform was called";
  broken = false;
  put_token(*store, kKey, "newer", clock.wall());
  EXPECT_EQ(saved->token, "newer");
}

TEST_F(CallbackStoreTest, ALoadThatThrowsIsTriedAgainAtTheNextUse) {
  saved = SavedToken{"kept", clock.wall() + 1h};
  broken = true;
  auto outcome = try_load(*store, kKey);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().fault, Fault::store);
  EXPECT_FALSE(try_acquire(*store, lease_request(kKey, 0, clock.wall())))
      << "what cannot be read must not be renewed";
  broken = false;
  EXPECT_TRUE(load(*store, kKey).token->value.same_as("kept"));
}

TEST_F(CallbackStoreTest, ServesOneKeyOnly) {
  auto outcome = try_load(*store, {"wxother", "access_token"});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().fault, Fault::usage);
}

}  // namespace
}  // namespace hufu::store
