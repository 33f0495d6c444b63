#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "hufu/clock.hpp"
#include "net/redis/redis_client.hpp"

namespace hufu::store {

/// Counts how often there was a reason to look for changes. Thread-safe.
class ChangeSignal {
 public:
  void notify() { ++count_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::atomic<std::uint64_t> count_ = 0;
};

/// Knows, mostly, whether anything was changed in Redis without asking it: a thread listens to the
/// channel on which each change is told, and notifies the signal.
///
/// Word may be lost (a connection that broke, a right to listen that is missing), so nothing is
/// taken for granted while nobody listens, after a new connection, and longer than a few seconds.
///
/// Thread-safety: everything may be called from any thread.
class RedisFeed {
 public:
  /// `signal` is notified by whoever writes, too: what this process wrote itself, it knows at once.
  RedisFeed(const net::RedisUri& uri, std::string channel, net::RedisPatience patience,
            const Clock& clock, std::shared_ptr<ChangeSignal> signal);
  RedisFeed(const RedisFeed&) = delete;
  RedisFeed& operator=(const RedisFeed&) = delete;
  /// Ends the thread at once.
  ~RedisFeed();

  /// Whether `cursor` is known to be the present still.
  [[nodiscard]] bool is_present(const std::string& cursor) const;
  /// To be called before Redis is asked: the count to hand to `saw`. The first call starts the
  /// thread.
  std::uint64_t about_to_look();
  /// Redis, asked after `about_to_look` returned `notified`, says that `cursor` is the present.
  void saw(const std::string& cursor, std::uint64_t notified);

  /// Whether word of changes is being heard at this moment.
  [[nodiscard]] bool is_listening() const { return listening_; }

 private:
  void listen();
  void listen_until_failure();

  const net::RedisUri& uri_;
  const std::string channel_;
  const net::RedisPatience patience_;
  const Clock& clock_;
  const std::shared_ptr<ChangeSignal> signal_;
  const net::RedisInterrupt end_;
  std::atomic<bool> listening_ = false;
  mutable std::mutex mutex_;  ///< Guards all below.
  std::string seen_cursor_;
  std::uint64_t seen_count_ =
      0;  ///< How often the signal had rung when `seen_cursor_` was asked for.
  SteadyTime seen_at_{};
  std::thread thread_;
};

}  // namespace hufu::store
