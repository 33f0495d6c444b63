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
  emptied_.wait(lock, [this] { return guests_.empty() && !busy_; });
}

void WaitingRoom::wait(Moment due, std::shared_ptr<net::Pending> client, Then then) {
  {
    std::lock_guard lock(mutex_);
    guests_.push_back({due, std::move(client), std::move(then)});
  }
  changed_.notify_one();
}

void WaitingRoom::run() {
  std::unique_lock lock(mutex_);
  while (!ending_ || !guests_.empty()) {
    Moment now = std::chrono::steady_clock::now();
    auto wake_of = [&](const Guest& guest) -> std::optional<Wake> {
      if (closing_) return Wake::closing;
      if (guest.client && guest.client->abandoned()) return Wake::given_up;
      if (guest.due <= now) return Wake::due;
      return std::nullopt;
    };
    std::list<Guest> leaving;
    std::list<Wake> reasons;
    for (auto guest = guests_.begin(); guest != guests_.end();) {
      auto next = std::next(guest);
      if (auto wake = wake_of(*guest)) {
        leaving.splice(leaving.end(), guests_, guest);
        reasons.push_back(*wake);
      }
      guest = next;
    }
    if (!leaving.empty()) {
      busy_ = true;
      lock.unlock();
      auto reason = reasons.begin();
      for (Guest& guest : leaving) guest.then(*reason++);
      leaving.clear();
      lock.lock();
      busy_ = false;
      continue;
    }
    if (guests_.empty()) {
      emptied_.notify_all();
      changed_.wait(lock, [this] { return ending_ || !guests_.empty(); });
      continue;
    }
    Moment next = now + kLook;
    bool watched = std::any_of(guests_.begin(), guests_.end(),
                               [](const Guest& guest) { return guest.client != nullptr; });
    if (!watched)
      next = std::min_element(guests_.begin(), guests_.end(), [](const Guest& a, const Guest& b) {
               return a.due < b.due;
             })->due;
    changed_.wait_until(lock, next);
  }
}

}  // namespace hufu::simulator
