#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <map>
#include <utility>

#include "hufu/clock.hpp"
#include "hufu/store.hpp"

namespace hufu::keeper {

template <class T>
using Task = boost::asio::awaitable<T>;

/// The keeper's one thread: every decision is made on it, in coroutines that read top to bottom, so
/// that none of them needs a lock. It also says what time it is.
///
/// Time inside is one line: the steady clock, moved to where the database's clock stood at the
/// start (the machine's wall clock, where the database has none), and kept with that one. So all
/// nodes of a cluster are on one line, however far their own clocks are apart, and setting one of
/// them changes nothing.
///
/// Thread-safety: `now`, `enter` and `post` may be called from any thread; everything else belongs
/// to the loop's own.
class EventLoop {
 public:
  /// `context` is run by the owner on one thread; both outlive the loop.
  EventLoop(boost::asio::io_context& context, const Clock& clock);

  [[nodiscard]] const Clock& clock() const noexcept { return clock_; }
  /// Now, on the keeper's line.
  [[nodiscard]] WallTime now() const noexcept {
    return WallTime(clock_.steady() - origin_.load(std::memory_order_relaxed));
  }
  /// The steady moment at which the line began (1970), and a new place for it.
  [[nodiscard]] SteadyTime origin() const noexcept { return origin_; }
  void set_origin(SteadyTime origin) noexcept { origin_ = origin; }

  void post(std::function<void()> run) { boost::asio::post(context_, std::move(run)); }
  [[nodiscard]] bool is_this_thread() const {
    return context_.get_executor().running_in_this_thread();
  }
  /// Runs `task` as soon as it is this thread's turn.
  void spawn(Task<void> task);
  /// From any thread: runs `work`, a function that returns a Task<T>, and reports.
  template <class T, class Work>
  void enter(Done<T> done, Work work);

  /// Calls `run` at `when`; at once when the loop is stopping.
  void at(WallTime when, std::function<void()> run);
  /// Returns after `span`; at once when the loop is stopping.
  Task<void> sleep(Milliseconds span);

  /// Runs the timers that are due; returns the moment of the next, WallTime::max() for none.
  WallTime run_timers();
  /// Called whenever the next event may have moved nearer.
  void on_rescheduled(std::function<void()> notify) { rescheduled_ = std::move(notify); }
  void rescheduled() const {
    if (rescheduled_) rescheduled_();
  }

  [[nodiscard]] bool stopping() const noexcept { return stopping_; }
  /// Wakes whoever sleeps; `done` comes when every task has ended.
  void stop(std::function<void()> done);

 private:
  template <class T, class Work>
  static Task<void> tell(Done<T> done, Work work);

  boost::asio::io_context& context_;
  const Clock& clock_;
  std::atomic<SteadyTime> origin_;
  std::multimap<WallTime, std::function<void()>> timers_;
  std::size_t tasks_ = 0;
  bool stopping_ = false;
  std::function<void()> stopped_;
  std::function<void()> rescheduled_;
};

template <class T, class Work>
void EventLoop::enter(Done<T> done, Work work) {
  post([this, done = std::move(done), work = std::move(work)]() mutable {
    spawn(tell<T>(std::move(done), std::move(work)));
  });
}

template <class T, class Work>
Task<void> EventLoop::tell(Done<T> done, Work work) {
  T result = co_await work();
  done(std::move(result));
}

}  // namespace hufu::keeper
