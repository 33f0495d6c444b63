#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "hufu/clock.hpp"
#include "hufu/store.hpp"
#include "keeper/observer.hpp"

namespace hufu::cli {

/// Has the API keys read again when the keeper says that they changed, and again until it worked:
/// a revoked key must not go on because the database was out at the wrong moment.
///
/// Thread-safety: `keys_changed` may be called from any thread, at any time; it returns at once.
class KeyWatch final : public keeper::Observer {
 public:
  using Reload = std::function<void(Done<Result<void>>)>;

  /// `patience` passes after a failure, before the next attempt.
  explicit KeyWatch(Milliseconds patience = std::chrono::seconds(1)) : patience_(patience) {}
  ~KeyWatch() override { end(); }

  /// Begins to watch. `reload` is called from a thread of its own, one at a time.
  void begin(Reload reload);
  /// Returns when `reload` is not under way and will not be called again.
  void end();

  void keys_changed() override;

 private:
  void watch(const Reload& reload);

  const Milliseconds patience_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool changed_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace hufu::cli
