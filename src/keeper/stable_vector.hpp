#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "keeper/chunk_memory.hpp"

namespace hufu::keeper {

/// A vector that grows by chunks and moves nothing: a reader that learned of an element may use it
/// while others are added. The chunks lie in a ChunkMemory, if it is given one.
///
/// Thread-safety: one thread at a time adds. `operator[]` from any thread, for an element whose
/// number came to it by way of a lock or an atomic; the elements themselves are their users' to
/// guard.
template <class T, std::uint32_t kChunk = 128>
class StableVector {
 public:
  StableVector() = default;
  /// `memory` outlives the vector.
  explicit StableVector(ChunkMemory& memory) : memory_(&memory) {}
  StableVector(const StableVector&) = delete;
  StableVector& operator=(const StableVector&) = delete;
  ~StableVector() {
    for (T* chunk : chunks_) {
      std::destroy_n(chunk, kChunk);
      if (memory_ == nullptr) std::allocator<T>().deallocate(chunk, kChunk);
    }
  }
  /// Before the first element is added.
  void use(ChunkMemory& memory) noexcept { memory_ = &memory; }

  [[nodiscard]] T& operator[](std::uint32_t i) const noexcept {
    return directory_.load(std::memory_order_acquire)[i / kChunk][i % kChunk];
  }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

  /// Returns the number of the first of `count` new elements. Those of one chunk lie one after the
  /// other: with `count` above 1, the caller sees to it that they do not cross into the next.
  std::uint32_t add(std::uint32_t count = 1) {
    if (size_ == chunks_.size() * kChunk) add_chunk();
    const std::uint32_t first = size_;
    size_ += count;
    return first;
  }

 private:
  void add_chunk() {
    chunks_.push_back(memory_ != nullptr ? static_cast<T*>(memory_->take(kChunk * sizeof(T)))
                                         : std::allocator<T>().allocate(kChunk));
    // A ChunkMemory's is zero as it comes, and need not be written twice.
    if (memory_ == nullptr || !std::is_trivially_default_constructible_v<T>) {
      std::uninitialized_value_construct_n(chunks_.back(), kChunk);
    }
    if (chunks_.size() > capacity_) {
      // Readers may be in the present directory, so it stays: all of them together are no longer
      // than the latest.
      capacity_ = capacity_ == 0 ? 4 : 2 * capacity_;
      directories_.push_back(std::make_unique<T*[]>(capacity_));
      for (std::size_t i = 0; i < chunks_.size(); ++i) directories_.back()[i] = chunks_[i];
      directory_.store(directories_.back().get(), std::memory_order_release);
    }
    directories_.back()[chunks_.size() - 1] = chunks_.back();
  }

  std::atomic<T**> directory_{nullptr};
  std::uint32_t size_ = 0;
  std::size_t capacity_ = 0;
  ChunkMemory* memory_ = nullptr;
  std::vector<T*> chunks_;
  std::vector<std::unique_ptr<T*[]>> directories_;
};

}  // namespace hufu::keeper
