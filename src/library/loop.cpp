#include "library/loop.hpp"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/post.hpp>

namespace hufu::library {
namespace asio = boost::asio;

namespace {

/// The timer never sleeps longer than this, so that a clock that was scaled or that moved while the
/// machine slept is noticed.
constexpr Milliseconds kLongestNap = std::chrono::seconds(1);

}  // namespace

Loop::Loop(const Clock& clock)
    : clock_(clock), work_(asio::make_work_guard(context_)), timer_(context_) {}

void Loop::stop() {
  work_.reset();
  context_.stop();
  if (thread_.joinable()) thread_.join();
}

void Loop::run(keeper::KeeperImpl& keeper) {
  keeper_ = &keeper;
  // Many rows are rescheduled in one go; one turn serves them all.
  keeper.on_rescheduled([this] {
    if (turning_soon_) return;
    turning_soon_ = true;
    asio::post(context_, [this] { turn(); });
  });
  asio::post(context_, [this] { turn(); });
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "hufu-keeper");
    context_.run();
  });
}

void Loop::turn() {
  turning_soon_ = false;
  set_timer(keeper_->run_due());
}

void Loop::set_timer(WallTime next) {
  const WallTime now = keeper_->now();
  Milliseconds nap = kLongestNap;
  if (next <= now) {
    nap = Milliseconds(0);
  } else if (next - now < std::chrono::hours(24)) {
    // A millisecond more than the rounded time: waking early would only mean to turn twice.
    nap = std::min(kLongestNap, clock_.real(next - now) + Milliseconds(1));
  }
  timer_.expires_after(nap);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled) turn();
  });
}

}  // namespace hufu::library
