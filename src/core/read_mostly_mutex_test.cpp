#include "core/read_mostly_mutex.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace hufu {
namespace {

using Reading = ReadMostlyMutex::Reading;
using Writing = ReadMostlyMutex::Writing;

/// Two numbers that are equal whenever nobody is writing.
struct Pair {
  ReadMostlyMutex mutex;
  int first = 0;
  int second = 0;

  void write(int value) {
    const Writing writing(mutex);
    first = value;
    second = value;
  }
  [[nodiscard]] bool equal() const {
    const Reading reading(mutex);
    return first == second;
  }
};

void wait_for_a_writer_of(const ReadMostlyMutex& mutex) {
  while (!mutex.being_written()) std::this_thread::yield();
}

TEST(ReadMostlyMutex, AWriterWaitsForAReaderThatCameFirst) {
  Pair pair;
  std::optional<Reading> reading(std::in_place, pair.mutex);
  std::atomic<bool> written{false};
  std::thread writer([&] {
    pair.write(1);
    written = true;
  });
  wait_for_a_writer_of(pair.mutex);
  EXPECT_FALSE(written);
  EXPECT_EQ(pair.first, 0);
  reading.reset();
  writer.join();
  EXPECT_EQ(pair.first, 1);
}

TEST(ReadMostlyMutex, AReaderWaitsForAWriterThatCameFirst) {
  Pair pair;
  std::optional<Writing> writing(std::in_place, pair.mutex);
  std::atomic<bool> begun{false};
  std::atomic<bool> read{false};
  std::thread reader([&] {
    begun = true;
    EXPECT_TRUE(pair.equal());
    read = true;
  });
  while (!begun) std::this_thread::yield();
  pair.first = 1;
  EXPECT_FALSE(read);
  pair.second = 1;
  writing.reset();
  reader.join();
  EXPECT_TRUE(read);
}

TEST(ReadMostlyMutex, AWriterDoesNotWaitForReadersOfAnother) {
  Pair one;
  Pair other;
  const Reading reading(one.mutex);
  other.write(1);
  EXPECT_FALSE(one.mutex.being_written());
}

TEST(ReadMostlyMutex, AThreadMayReadTwoThingsAtOnce) {
  Pair one;
  Pair other;
  std::optional<Reading> first(std::in_place, one.mutex);
  std::optional<Reading> second(std::in_place, other.mutex);
  first.reset();
  one.write(1);
  std::thread writer([&] { other.write(1); });
  wait_for_a_writer_of(other.mutex);
  EXPECT_EQ(other.first, 0);
  second.reset();
  writer.join();
  EXPECT_EQ(other.first, 1);
}

TEST(ReadMostlyMutex, MoreThreadsThanSlotsReadNothingHalfWritten) {
  Pair pair;
  std::atomic<int> unequal{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 80; ++i) {
    readers.emplace_back([&] {
      do {
        if (!pair.equal()) ++unequal;
      } while (!over);
    });
  }
  for (int value = 1; value <= 100; ++value) pair.write(value);
  over = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(unequal, 0);
  EXPECT_EQ(pair.second, 100);
}

}  // namespace
}  // namespace hufu
