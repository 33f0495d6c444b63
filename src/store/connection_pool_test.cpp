#include "store/connection_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>

#include "store/blocking.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::store {
namespace {

using namespace std::chrono_literals;

struct Line {
  int number = 0;
  bool cut = false;
  std::atomic<int>* looks = nullptr;       ///< How often somebody asked `broken`.
  std::atomic<int>* last_alive = nullptr;  ///< The server has dropped all lines before this one.
  [[nodiscard]] bool broken() const {
    ++*looks;
    return cut || number < *last_alive;
  }
};

/// A pool of one thread over a server that can be switched off.
class ConnectionPoolTest : public ::testing::Test {
 protected:
  Result<int> ask(bool cut = false) {
    return await<Result<int>>([&](auto done) {
      pool.run<int>(std::move(done), [cut](Line& line) -> Result<int> {
        line.cut = cut;
        return line.number;
      });
    });
  }

  std::atomic<bool> up = true;
  std::atomic<int> attempts = 0;
  std::atomic<int> looks = 0;
  std::atomic<int> last_alive = 0;
  hufu::testing::FakeClock clock;
  ConnectionPool<Line> pool{{.connections = 1}, clock, [this]() -> Result<std::unique_ptr<Line>> {
                              const int number = ++attempts;
                              if (!up)
                                return fail(Fault::store, "attempt " + std::to_string(number));
                              auto line = std::make_unique<Line>();
                              line->number = number;
                              line->looks = &looks;
                              line->last_alive = &last_alive;
                              return line;
                            }};
};

TEST_F(ConnectionPoolTest, ConnectsWhenThereIsSomethingToDoAndKeepsTheConnection) {
  EXPECT_EQ(attempts, 0);
  EXPECT_EQ(ask().value(), 1);
  EXPECT_EQ(ask().value(), 1);
  EXPECT_EQ(attempts, 1);
}

TEST_F(ConnectionPoolTest, ThrowsABrokenConnectionAwayAndMakesAnother) {
  EXPECT_EQ(ask(/*cut=*/true).value(), 1);
  EXPECT_EQ(ask().value(), 2);
}

TEST_F(ConnectionPoolTest, AConnectionThatWasCutWhileNobodyUsedItIsNotUsedAgain) {
  EXPECT_EQ(ask().value(), 1);
  while (looks == 0) std::this_thread::yield();  // The look after that use.
  last_alive = 2;
  EXPECT_EQ(ask().value(), 2);
}

TEST_F(ConnectionPoolTest, AServerThatIsAwayIsAskedAgainEverMoreRarelyAndEverybodyHearsWhy) {
  up = false;
  EXPECT_EQ(ask().error().message, "attempt 1");
  EXPECT_EQ(ask().error().message, "attempt 1") << "not tried again so soon";
  clock.advance(100ms);
  EXPECT_EQ(ask().error().message, "attempt 2");
  clock.advance(100ms);
  EXPECT_EQ(ask().error().message, "attempt 2") << "the pause is longer now";
  clock.advance(100ms);
  EXPECT_EQ(ask().error().message, "attempt 3");
  for (int i = 0; i < 10; ++i) {
    clock.advance(2s);
    EXPECT_FALSE(ask());
  }
  EXPECT_EQ(attempts, 13) << "the pause never exceeds two seconds";
}

TEST_F(ConnectionPoolTest, AServerThatComesBackIsServedAndTheNextOutageBeginsWithAShortPause) {
  up = false;
  for (int i = 0; i < 8; ++i) {
    clock.advance(2s);
    ask();
  }
  up = true;
  clock.advance(2s);
  EXPECT_TRUE(ask(/*cut=*/true));
  up = false;
  EXPECT_FALSE(ask());
  up = true;
  clock.advance(100ms);
  EXPECT_TRUE(ask());
}

TEST_F(ConnectionPoolTest, WhatHasWaitedTooLongFailsInsteadOfTakingPlaceLate) {
  std::promise<void> frozen;
  std::promise<void> thaw;
  pool.run<int>([](Result<int>) {},
                [&](Line&) -> Result<int> {
                  frozen.set_value();
                  thaw.get_future().wait();
                  return 0;
                });
  frozen.get_future().wait();
  std::promise<Result<int>> late;
  bool took_place = false;
  pool.run<int>([&](Result<int> result) { late.set_value(std::move(result)); },
                [&](Line&) -> Result<int> {
                  took_place = true;
                  return 0;
                });
  clock.advance(6s);
  thaw.set_value();
  EXPECT_EQ(late.get_future().get().error().fault, Fault::store);
  EXPECT_FALSE(took_place);
}

TEST_F(ConnectionPoolTest, ClosingDoesWhatWasAskedForAndTakesNoMore) {
  std::atomic<int> done = 0;
  for (int i = 0; i < 20; ++i) {
    pool.run<int>([&](Result<int> result) { done += result.has_value(); },
                  [](Line& line) -> Result<int> { return line.number; });
  }
  pool.close();
  EXPECT_EQ(done, 20);
  EXPECT_EQ(ask().error().message, "the store is being closed");
}

}  // namespace
}  // namespace hufu::store
