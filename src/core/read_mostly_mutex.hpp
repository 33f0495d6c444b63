#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <thread>

namespace hufu {

/// Guards what many threads read again and again and few change, for as long as a copy takes.
///
///     { const ReadMostlyMutex::Reading reading(mutex); … }
///     { const ReadMostlyMutex::Writing writing(mutex); … }
///
/// A shared_mutex counts its readers in one place: two threads that read the same take that cache
/// line from each other with every read, which costs more than the read. Here each thread says in
/// a cache line of its own what it reads, and a writer looks at all of them (folly::SharedMutex and
/// the kernel's percpu-rwsem do likewise). Writers go first: readers that come while one waits are
/// held off. Measured in docs/decisions/2026-11-24-token-table.md.
///
/// Thread-safety: all members, from any thread. A thread may read several things at once; it must
/// not write what it reads. Nothing here allocates or throws.
class ReadMostlyMutex {
 public:
  class Reading;
  class Writing;

  ReadMostlyMutex() = default;
  ReadMostlyMutex(const ReadMostlyMutex&) = delete;
  ReadMostlyMutex& operator=(const ReadMostlyMutex&) = delete;

  /// Whether a writer is inside or waits for the readers to leave.
  [[nodiscard]] bool being_written() const noexcept { return writing_.load(); }

 private:
  /// Where a thread says what it reads; null while it reads nothing.
  struct alignas(64) Slot {
    std::atomic<const ReadMostlyMutex*> reads;  // C++20 makes it null.
    [[nodiscard]] bool take(const ReadMostlyMutex& mutex) noexcept {
      const ReadMostlyMutex* nobody = nullptr;
      return reads.compare_exchange_strong(nobody, &mutex);
    }
  };
  static constexpr std::size_t kSlots = 64;
  static constexpr std::size_t kSpare = 4;  ///< For threads that read several things at once.

  /// A slot that says from now on that this mutex is read.
  [[nodiscard]] Slot& take_slot() const noexcept {
    thread_local constinit std::size_t number = 0;  // From 1; 0 until there is one.
    if (number == 0) number = threads.fetch_add(1) + 1;
    Slot& mine = slots[number % kSlots];
    return mine.take(*this) ? mine : take_another(number);
  }
  /// Mine is taken: by another of more than 64 threads, or by myself one call further up.
  [[nodiscard]] Slot& take_another(std::size_t number) const noexcept {
    for (;; std::this_thread::yield()) {
      const std::size_t in_use = slots_in_use();
      for (std::size_t i = 1; i <= in_use; ++i) {
        Slot& slot = slots[(number + i) % in_use];
        if (slot.take(*this)) return slot;
      }
    }
  }
  void wait_for_readers() const noexcept {
    const std::size_t in_use = slots_in_use();
    for (std::size_t i = 0; i < in_use; ++i) {
      while (slots[i].reads.load() == this) std::this_thread::yield();
    }
  }
  /// No slot from here on was ever taken. Never less than before.
  static std::size_t slots_in_use() noexcept {
    return std::min(kSlots, threads.load() + 1 + kSpare);
  }

  static inline std::atomic<std::size_t> threads{0};  ///< How many have a number.
  static inline std::array<Slot, kSlots> slots;

  std::mutex writers_;
  std::atomic<bool> writing_{false};
};

/// Holds off writers while it lives.
class ReadMostlyMutex::Reading {
 public:
  explicit Reading(const ReadMostlyMutex& mutex) noexcept {
    for (;;) {
      slot_ = &mutex.take_slot();
      // A reader leaves word, then looks; a writer leaves word, then looks; in the one order that
      // all sequentially consistent operations have. So at least one of them sees the other, and
      // where both do it is the reader who steps back.
      if (!mutex.being_written()) return;
      leave();
      mutex.writing_.wait(true);
    }
  }
  ~Reading() { leave(); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

 private:
  void leave() noexcept { slot_->reads.store(nullptr, std::memory_order_release); }
  Slot* slot_ = nullptr;
};

/// Is alone while it lives.
class ReadMostlyMutex::Writing {
 public:
  explicit Writing(ReadMostlyMutex& mutex) : mutex_(mutex), alone_(mutex.writers_) {
    mutex_.writing_.store(true);
    mutex_.wait_for_readers();
  }
  ~Writing() {
    mutex_.writing_.store(false, std::memory_order_release);
    mutex_.writing_.notify_all();
  }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;

 private:
  ReadMostlyMutex& mutex_;
  std::lock_guard<std::mutex> alone_;
};

}  // namespace hufu
