#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"
#include "hufu/store.hpp"

namespace hufu::store {

/// How a pool behaves. The defaults are meant for a database in the same data centre.
struct PoolOptions {
  std::size_t connections = 8;
  /// The longest an operation may wait in the queue before it fails. Each operation has to bring a
  /// bound of its own for the time it takes once it runs.
  Milliseconds patience = std::chrono::seconds(5);
  Milliseconds first_pause = std::chrono::milliseconds(100);  ///< After a failed connect, then
  Milliseconds longest_pause = std::chrono::seconds(2);       ///< doubled up to this.
};

/// Threads that talk to a database server, each over a connection of its own: what turns a blocking
/// client library into a store whose verbs return at once.
///
/// A connection is made when there is something to do, kept, and thrown away when it says that it
/// is broken: after each use, and before the next one, because a server may have gone meanwhile.
/// While the server cannot be reached, one thread tries again from time to time
/// (backoff, shared by all), and whatever is asked for in between fails at once with the reason.
/// Nothing is tried twice: whether a lost answer meant yes is for the keeper to think about.
///
/// `Connection` is any class with `bool broken() const`. Thread-safety: `run` may be called from
/// anywhere. The destructor does what was asked for and calls every `done`.
template <class Connection>
class ConnectionPool {
 public:
  /// Makes a connection, or says why not; blocks, within bounds of its own.
  using Connect = std::function<Result<std::unique_ptr<Connection>>()>;

  ConnectionPool(PoolOptions options, const Clock& clock, Connect connect)
      : options_(options), clock_(clock), connect_(std::move(connect)) {
    for (std::size_t i = 0; i < options_.connections; ++i) {
      threads_.emplace_back([this] { serve(); });
    }
  }
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;
  ~ConnectionPool() { close(); }

  /// Queues `work`, a function from Connection& to Result<T>; `done` gets what it returns, on one
  /// of the pool's threads.
  template <class T, class Work>
  void run(Done<Result<T>> done, Work work) {
    auto job = std::make_unique<JobOf<T, Work>>(std::move(done), std::move(work));
    job->queued_at = clock_.steady();
    {
      std::lock_guard lock(mutex_);
      if (!closing_) {
        queue_.push_back(std::move(job));
        wake_.notify_one();
        return;
      }
    }
    job->fail({Fault::store, "the store is being closed", "", {}, {}});
  }

  /// Takes no more, does what was asked for, and ends. Not from inside a `done`.
  void close() {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

 private:
  struct Job {
    virtual ~Job() = default;
    virtual void run(Connection& connection) = 0;
    virtual void fail(Error error) = 0;
    SteadyTime queued_at{};
  };
  template <class T, class Work>
  struct JobOf final : Job {
    JobOf(Done<Result<T>> to, Work what) : done(std::move(to)), work(std::move(what)) {}
    void run(Connection& connection) override { done(work(connection)); }
    void fail(Error error) override { done(tl::unexpected(std::move(error))); }
    Done<Result<T>> done;
    Work work;
  };

  void serve() {
    std::unique_ptr<Connection> connection;
    while (auto job = next()) {
      if (clock_.steady() - job->queued_at > options_.patience) {
        job->fail({Fault::store,
                   "the database does not answer in time",
                   "look at its load, and at the network between",
                   {},
                   {}});
        continue;
      }
      if (connection && connection->broken()) connection.reset();
      if (!connection) {
        auto made = reconnect();
        if (!made) {
          job->fail(std::move(made.error()));
          continue;
        }
        connection = std::move(*made);
      }
      job->run(*connection);
      if (connection->broken()) connection.reset();
    }
  }

  std::unique_ptr<Job> next() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) return nullptr;
    auto job = std::move(queue_.front());
    queue_.pop_front();
    return job;
  }

  /// One at a time while the server is away; the others hear the reason at once.
  Result<std::unique_ptr<Connection>> reconnect() {
    {
      std::lock_guard lock(mutex_);
      if (failure_ && (trying_ || clock_.steady() < again_at_)) return tl::unexpected(*failure_);
      trying_ = true;
    }
    auto made = connect_();
    std::lock_guard lock(mutex_);
    trying_ = false;
    if (made) {
      failure_.reset();
      pause_ = Milliseconds(0);
    } else {
      failure_ = made.error();
      pause_ = std::clamp(pause_ * 2, options_.first_pause, options_.longest_pause);
      again_at_ = clock_.steady() + pause_;
    }
    return made;
  }

  const PoolOptions options_;
  const Clock& clock_;
  const Connect connect_;
  std::mutex mutex_;  ///< Guards all below but the threads.
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> queue_;
  bool closing_ = false;
  std::optional<Error> failure_;  ///< Why the latest attempt to connect failed.
  bool trying_ = false;           ///< Some thread is connecting after a failure.
  SteadyTime again_at_{};
  Milliseconds pause_{};
  std::vector<std::thread> threads_;
};

}  // namespace hufu::store
