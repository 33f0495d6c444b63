#include "cli/key_watch.hpp"

#include <gtest/gtest.h>

#include <future>

namespace hufu::cli {
namespace {

constexpr Milliseconds kForEver = std::chrono::hours(1);
constexpr auto kSoon = std::chrono::seconds(10);

bool comes(std::future<void> event) { return event.wait_for(kSoon) == std::future_status::ready; }

Result<void> database_is_out() { return fail(Fault::store, "the database is out"); }

TEST(KeyWatch, HasTheKeysReadWhenTheyChanged) {
  std::promise<void> read;
  KeyWatch watch(kForEver);
  watch.begin([&](Done<Result<void>> done) {
    read.set_value();
    done({});
  });
  watch.keys_changed();
  EXPECT_TRUE(comes(read.get_future()));
  watch.end();
}

TEST(KeyWatch, KnowsOfAChangeThatCameBeforeItBegan) {
  std::promise<void> read;
  KeyWatch watch(kForEver);
  watch.keys_changed();
  watch.begin([&](Done<Result<void>> done) {
    read.set_value();
    done({});
  });
  EXPECT_TRUE(comes(read.get_future()));
  watch.end();
}

TEST(KeyWatch, TriesAgainUntilItWorked) {
  int attempts = 0;
  std::promise<void> worked;
  KeyWatch watch(Milliseconds(1));
  watch.begin([&](Done<Result<void>> done) {
    if (++attempts < 3) return done(database_is_out());
    worked.set_value();
    done({});
  });
  watch.keys_changed();
  EXPECT_TRUE(comes(worked.get_future()));
  watch.end();
  EXPECT_EQ(attempts, 3);
}

TEST(KeyWatch, MissesNoChangeThatComesWhileTheKeysAreRead) {
  int readings = 0;
  std::promise<void> twice;
  KeyWatch watch(kForEver);
  watch.begin([&](Done<Result<void>> done) {
    if (++readings == 1) watch.keys_changed();
    if (readings == 2) twice.set_value();
    done({});
  });
  watch.keys_changed();
  EXPECT_TRUE(comes(twice.get_future()));
  watch.end();
}

TEST(KeyWatch, EndsWithoutWaitingForTheNextAttempt) {
  std::promise<void> tried;
  KeyWatch watch(kForEver);
  watch.begin([&](Done<Result<void>> done) {
    tried.set_value();
    done(database_is_out());
  });
  watch.keys_changed();
  EXPECT_TRUE(comes(tried.get_future()));
  watch.end();  // A test that hangs here has failed.
}

TEST(KeyWatch, WaitsForTheReadingUnderWay) {
  std::promise<void> begun;
  std::promise<Done<Result<void>>> reader;
  KeyWatch watch(kForEver);
  watch.begin([&](Done<Result<void>> done) {
    reader.set_value(std::move(done));
    begun.set_value();
  });
  watch.keys_changed();
  ASSERT_TRUE(comes(begun.get_future()));
  auto ended = std::async(std::launch::async, [&] { watch.end(); });
  EXPECT_EQ(ended.wait_for(Milliseconds(0)), std::future_status::timeout);
  reader.get_future().get()({});
  EXPECT_EQ(ended.wait_for(kSoon), std::future_status::ready);
}

}  // namespace
}  // namespace hufu::cli
