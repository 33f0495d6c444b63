#include "keeper/event_loop.hpp"

#include <boost/asio/co_spawn.hpp>
#include <exception>

#include "keeper/await.hpp"

namespace hufu::keeper {
namespace asio = boost::asio;

EventLoop::EventLoop(asio::io_context& context, const Clock& clock)
    : context_(context), clock_(clock), origin_(clock.steady() - clock.wall().time_since_epoch()) {}

void EventLoop::spawn(Task<void> task) {
  ++tasks_;
  asio::co_spawn(context_, std::move(task), [this](const std::exception_ptr& bug) {
    if (bug) std::rethrow_exception(bug);  // No exception crosses a folder: this is a bug.
    --tasks_;
    if (stopping_ && tasks_ == 0 && stopped_) std::exchange(stopped_, nullptr)();
  });
}

void EventLoop::at(WallTime when, std::function<void()> run) {
  timers_.emplace(stopping_ ? WallTime{} : when, std::move(run));
  rescheduled();
}

Task<void> EventLoop::sleep(Milliseconds span) {
  if (stopping_) co_return;
  const WallTime until = now() + span;
  co_await await<bool>(
      [this, until](Done<bool> done) { at(until, [done = std::move(done)] { done(true); }); });
}

WallTime EventLoop::run_timers() {
  const WallTime moment = now();
  while (!timers_.empty() && timers_.begin()->first <= moment) {
    auto run = std::move(timers_.extract(timers_.begin()).mapped());
    run();
  }
  return timers_.empty() ? WallTime::max() : timers_.begin()->first;
}

void EventLoop::stop(std::function<void()> done) {
  stopping_ = true;
  stopped_ = std::move(done);
  for (auto& [when, run] : std::exchange(timers_, {})) post(std::move(run));
  if (tasks_ == 0) std::exchange(stopped_, nullptr)();
}

}  // namespace hufu::keeper
