#pragma once

#include <memory>
#include <optional>
#include <string>

#include "hufu/clock.hpp"
#include "net/redis/redis_client.hpp"
#include "sink/layout.hpp"
#include "sink/sink.hpp"

namespace hufu::sink {

/// One Redis, with the connection that all its sinks share: made when it is needed, and made anew
/// when it broke.
///
/// Thread-safety: one thread at a time, but for `interrupt`, which any may call.
class RedisTarget {
 public:
  explicit RedisTarget(net::RedisUri uri, const Clock& clock)
      : uri_(std::move(uri)), clock_(clock) {}

  /// A connection that works, as far as is known. After a failure, for a second, that failure again
  /// and at once: so a Redis that hangs costs its sinks one wait and not one each.
  Result<net::RedisConnection*> connection();
  /// Takes note of how the latest exchange failed.
  void failed(const Error& error);
  /// Ends the exchange in progress, and every later one, with a failure.
  void interrupt() const { interrupt_.raise(); }

  [[nodiscard]] const Clock& clock() const noexcept { return clock_; }

 private:
  const net::RedisUri uri_;
  const Clock& clock_;
  net::RedisInterrupt interrupt_;
  std::unique_ptr<net::RedisConnection> connection_;
  std::optional<Error> failure_;  ///< The latest, until `again_at_`.
  SteadyTime again_at_{};
};

/// Keys of a Redis.
///
/// A key ends when the promise on its token does: the moment is told to Redis on its own clock, so
/// that neither a wrong clock nor a command that was long under way makes it live on.
class RedisSink final : public Sink {
 public:
  RedisSink(std::shared_ptr<RedisTarget> target, Layout layout)
      : target_(std::move(target)), layout_(std::move(layout)) {}

  Result<void> put(const Grant& grant, SteadyTime until) override;
  Result<void> keep(const Grant& grant, SteadyTime until) override;
  /// Leaves a token alone that somebody else, another node for one, has written meanwhile.
  Result<void> withdraw(const Secret& token) override;

 private:
  using Keys = std::vector<std::string>;

  /// Runs `work` on the connection, and takes note of its failure.
  template <class Work>
  Result<void> with_redis(Work work);
  Result<void> write(net::RedisConnection& redis, const Keys& keys, const Grant& grant,
                     SteadyTime until) const;
  struct Found {
    Keys ours;
    Keys free;
  };
  /// The keys that hold `token`, and those that hold nothing. All are watched from then on, until
  /// the next step or `unwatch`: if somebody writes one meanwhile, the step does nothing.
  Result<Found> watch(net::RedisConnection& redis, const Secret& token) const;

  std::shared_ptr<RedisTarget> target_;
  const Layout layout_;
};

}  // namespace hufu::sink
