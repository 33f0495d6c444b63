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
/// taken goes back to the store's thread, for the rows that come next to be read into its memory.
///
/// Thread-safety: `put` and `send` belong to one thread, `take` is called on the keeper's.
template <class Row>
class BatchQueue : public std::enable_shared_from_this<BatchQueue<Row>> {
 public:
  BatchQueue(EventLoop& loop, std::function<void(Row&)> take)
      : loop_(loop), take_(std::move(take)) {}

  /// Leaves one of the rows that were taken, or an empty one, in the place of `parts`, which are
  /// what a row is made of. Waits for the keeper while the queue is full; on the keeper's own
  /// thread it never does.
  template <class... Parts>
  void put(Parts&... parts) {
    if (put_ == batch_.size()) batch_.emplace_back();
    exchange(batch_[put_++], parts...);
    if (put_ == kBatch) send();
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
      if (!taken_.empty()) {
        next = std::move(taken_.back());
        taken_.pop_back();
      }
    }
    next.swap(batch_);
    // A std::function wants to be copied, and rows do not let themselves be.
    auto full = std::make_shared<std::vector<Row>>(std::move(next));
    loop_.post([self = this->shared_from_this(), full, count = std::exchange(put_, 0)] {
      self->unload(std::move(*full), count);
    });
  }

 private:
  static constexpr std::size_t kBatch = 512;
  static constexpr std::size_t kMostBatches = 8;

  static void exchange(Row& row, Row& put) { std::swap(row, put); }
  template <class First, class Second>
  static void exchange(std::pair<First, Second>& row, First& first, Second& second) {
    std::swap(row.first, first);
    std::swap(row.second, second);
  }

  void unload(std::vector<Row> batch, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) take_(batch[i]);
    {
      std::lock_guard lock(mutex_);
      --on_the_way_;
      taken_.push_back(std::move(batch));
    }
    room_.notify_one();
  }

  EventLoop& loop_;
  std::function<void(Row&)> take_;
  std::vector<Row> batch_;  // Of the store's thread, and the rows that have been put into it.
  std::size_t put_ = 0;
  std::mutex mutex_;
  std::condition_variable room_;
  std::size_t on_the_way_ = 0;
  std::vector<std::vector<Row>> taken_;
};

}  // namespace hufu::keeper
