#pragma once

#include "hufu/clock.hpp"

namespace hufu::net {

/// How one thread tells another, that waits for Redis, to stop waiting. Once raised it stays so.
///
/// Thread-safety: everything may be called from any thread. It outlives whatever was given it.
class RedisInterrupt {
 public:
  RedisInterrupt();
  RedisInterrupt(const RedisInterrupt&) = delete;
  RedisInterrupt& operator=(const RedisInterrupt&) = delete;
  ~RedisInterrupt();

  void raise() const;
  /// Whether it has been raised; waits up to `patience` for that.
  [[nodiscard]] bool raised(Milliseconds patience = Milliseconds(0)) const;
  /// Readable once it has been raised; for poll(2).
  [[nodiscard]] int descriptor() const { return event_; }

 private:
  int event_;
};

}  // namespace hufu::net
