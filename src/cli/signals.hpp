#pragma once

#include <functional>
#include <memory>

namespace hufu::cli {

/// The main thread of a process that stays: it waits until somebody says that it is time to go, and
/// does small things meanwhile.
///
/// At most one of these lives at a time. Thread-safety: `post` and `end` may be called from any
/// thread, the rest belongs to the one that waits.
class Signals {
 public:
  /// From now on SIGINT and SIGTERM end `wait`, not the process.
  Signals();
  /// Every signal means again what it meant before.
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// From now on SIGHUP does not end the process either: `handle` runs on the thread that waits.
  void on_hangup(std::function<void()> handle);
  /// Runs `work` on the thread that waits; never, if that has gone on already.
  void post(std::function<void()> work);
  /// Ends `wait` as SIGTERM does.
  void end();

  /// Returns at the first SIGINT or SIGTERM. The next one then ends the process at once: whoever
  /// asks twice does not want to wait for a graceful end.
  void wait();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hufu::cli
