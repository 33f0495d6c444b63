#include "simulator/waiting_room.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace hufu::simulator {
namespace {

// A client's hang-up is only told when asked for, so it is asked for this often.
constexpr std::chrono::milliseconds kLook{2};

}  // namespace

WaitingRoom::WaitingRoom() : thread_([this] { run(); }) {}

WaitingRoom::~WaitingRoom() {
  close();
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void WaitingRoom::close() {
  std::unique_lock lock(mutex_);
  closing_ = true;
  changed_.notify_one();
  emptied_.wait(lock, [this] { return waiters_.empty() && !busy_; });
}

void WaitingRoom::wait(Moment due, std::shared_ptr<net::Pending> client, Then then) {
  {
    std::lock_guard lock(mutex_);
    waiters_.push_back({due, std::move(client), std::move(then)});
  }
  changed_.notify_one();
}

void WaitingRoom::run() {
  std::unique_lock lock(mutex_);
  while (!ending_ || !waiters_.empty()) {
    Moment now = std::chrono::steady_clock::now();
    auto wake_of = [&](const Waiter& waiter) -> std::optional<Wake> {
      if (closing_) return Wake::closing;
      if (waiter.client && waiter.client->abandoned()) return Wake::given_up;
      if (waiter.due <= now) return Wake::due;
      return std::nullopt;
    };
    std::list<Waiter> leaving;
    std::list<Wake> reasons;
    for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
      auto next = std::next(waiter);
      if (auto wake = wake_of(*waiter)) {
        leaving.splice(leaving.end(), waiters_, waiter);
        reasons.push_back(*wake);
      }
      waiter = next;
    }
    if (!leaving.empty()) {
      busy_ = true;
      lock.unlock();
      auto reason = reasons.begin();
      for (Waiter& waiter : leaving) waiter.then(*reason++);
      leaving.clear();
      lock.lock();
      busy_ = false;
      continue;
    }
    if (waiters_.empty()) {
      emptied_.notify_all();
      changed_.wait(lock, [this] { return ending_ || !waiters_.empty(); });
      continue;
    }
    Moment next = now + kLook;
    bool watched = std::any_of(waiters_.begin(), waiters_.end(),
                               [](const Waiter& waiter) { return waiter.client != nullptr; });
    if (!watched)
      next =
          std::min_element(waiters_.begin(), waiters_.end(), [](const Waiter& a, const Waiter& b) {
            return a.due < b.due;
          })->due;
    changed_.wait_until(lock, next);
  }
}

}  // namespace hufu::simulator
