#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "hufu/clock.hpp"
#include "net/http_server.hpp"

namespace hufu::simulator {

/// Where calls wait: for a delay to pass, or for their client to give up.
///
/// One thread of its own, on which everybody is woken. Thread-safety: `wait` may be called from any
/// thread, also from inside a wake-up.
class WaitingRoom {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  static constexpr Moment kNever = Moment::max();

  enum class Wake {
    due,       ///< The moment has come.
    given_up,  ///< The client hung up before it.
    closing,   ///< The simulator ends.
  };
  using Then = std::function<void(Wake)>;

  WaitingRoom();
  ~WaitingRoom();  ///< As `close`, then ends the thread.
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;

  /// Calls `then` exactly once: at `due`, or as soon as the client of `client` has hung up. Without
  /// a client only at `due`.
  void wait(Moment due, std::shared_ptr<net::Pending> client, Then then);

  /// Wakes everybody with `closing`, from now on also whoever comes later, and returns when the
  /// room is empty. Not to be called from inside a wake-up.
  void close();

  /// The moment after `delay` of real time.
  static Moment after(Milliseconds delay) { return std::chrono::steady_clock::now() + delay; }

 private:
  struct Waiter {
    Moment due;
    std::shared_ptr<net::Pending> client;
    Then then;
  };
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable emptied_;
  std::list<Waiter> waiters_;
  bool busy_ = false;  ///< Somebody is being woken.
  bool closing_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace hufu::simulator
