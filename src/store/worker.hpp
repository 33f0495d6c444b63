#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace hufu::store {

/// A thread with a queue. Whatever has piled up while it was busy is handed to `work` in one go, in
/// order: what makes group commit possible.
///
/// Thread-safety: `push` may be called from anywhere, `work` itself included.
template <class Job>
class Worker {
 public:
  using Work = std::function<void(std::vector<Job>&)>;

  explicit Worker(Work work) : work_(std::move(work)), thread_([this] { run(); }) {}
  ~Worker() { close(); }

  /// Takes `job` over; false, and `job` is left alone, once the worker is closing.
  bool push(Job& job) {
    {
      std::lock_guard lock(mutex_);
      if (closing_) return false;
      queue_.push_back(std::move(job));
    }
    wake_.notify_one();
    return true;
  }

  /// Takes no more jobs, does those it has, and ends. Not from the worker's own thread.
  void close() {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run() {
    std::vector<Job> batch;
    while (true) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
        if (queue_.empty()) return;
        batch.swap(queue_);
      }
      work_(batch);
      batch.clear();
    }
  }

  Work work_;
  std::mutex mutex_;  ///< Guards the queue and the flag.
  std::condition_variable wake_;
  std::vector<Job> queue_;
  bool closing_ = false;
  std::thread thread_;  ///< Last: it uses all of the above.
};

}  // namespace hufu::store
