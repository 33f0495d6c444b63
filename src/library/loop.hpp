#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>

#include "hufu/clock.hpp"
#include "keeper/keeper_impl.hpp"

namespace hufu::library {

/// The keeper's thread: runs its loop, and calls `run_due` when the next event is due.
class Loop {
 public:
  explicit Loop(const Clock& clock);
  ~Loop() { stop(); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  boost::asio::io_context& context() noexcept { return context_; }
  /// Begins to turn, for `keeper`.
  void run(keeper::KeeperImpl& keeper);
  /// Ends the thread, after which the keeper may go. It must have stopped before.
  void stop();

 private:
  void turn();
  void set_timer(WallTime next);

  const Clock& clock_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer timer_;
  keeper::KeeperImpl* keeper_ = nullptr;
  bool turning_soon_ = false;
  std::thread thread_;
};

}  // namespace hufu::library
