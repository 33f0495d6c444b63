#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "keeper/event_loop.hpp"

namespace hufu::keeper {

/// Carries rows from the store's thread to the keeper's in batches: a million of them must neither
/// be posted one by one nor pile up in memory where the store is the faster of the two. What was
/// taken goes back to be destroyed by the thread that made it, for whose allocator that is far
/// cheaper.
///
/// Thread-safety: `put` and `send` belong to one thread, `take` is called on the keeper's.
template <class Row>
class BatchQueue : public std::enable_shared_from_this<BatchQueue<Row>> {
 public:
  BatchQueue(EventLoop& loop, std::function<void(Row&)> take)
      : loop_(loop), take_(std::move(take)) {}

  /// Waits for the keeper while the queue is full; on the keeper's own thread it never does.
  template <class... Parts>
  void put(Parts&&... parts) {
    batch_.emplace_back(std::forward<Parts>(parts)...);
    if (batch_.size() == kBatch) send();
  }
  /// Sends what has been put since the last full batch.
  void send() {
    std::vector<Row> next;
    {
      std::unique_lock lock(mutex_);
      if (!loop_.is_this_thread()) {
        room_.wait(lock, [this] { return on_the_way_ < kMostBatches; });
      }
      ++on_the_way_;
      next.swap(taken_);
    }
    next.clear();
    next.swap(batch_);
    // A std::function wants to be copied, and rows do not let themselves be.
    auto full = std::make_shared<std::vector<Row>>(std::move(next));
    loop_.post([self = this->shared_from_this(), full] { self->unload(std::move(*full)); });
  }

 private:
  static constexpr std::size_t kBatch = 512;
  static constexpr std::size_t kMostBatches = 8;

  void unload(std::vector<Row> batch) {
    for (Row& row : batch) take_(row);
    {
      std::lock_guard lock(mutex_);
      --on_the_way_;
      batch.swap(taken_);
    }
    room_.notify_one();
  }

  EventLoop& loop_;
  std::function<void(Row&)> take_;
  std::vector<Row> batch_;  // Of the store's thread.
  std::mutex mutex_;
  std::condition_variable room_;
  std::size_t on_the_way_ = 0;
  std::vector<Row> taken_;
};

}  // namespace hufu::keeper
