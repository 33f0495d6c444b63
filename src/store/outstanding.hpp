#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

#include "hufu/store.hpp"

namespace hufu::store {

/// The operations whose `done` is still to come. Its destructor waits for them: what keeps the
/// promise that none is called afterwards, for a store that stands on one which others share.
class Outstanding {
 public:
  Outstanding() = default;
  Outstanding(const Outstanding&) = delete;
  Outstanding& operator=(const Outstanding&) = delete;
  ~Outstanding() {
    std::unique_lock lock(state_->mutex);
    state_->none.wait(lock, [this] { return state_->count == 0; });
  }

  /// `done`, counted until it has returned.
  template <class T>
  Done<T> track(Done<T> done) {
    {
      std::lock_guard lock(state_->mutex);
      ++state_->count;
    }
    return [state = state_, done = std::move(done)](T outcome) {
      done(std::move(outcome));
      std::lock_guard lock(state->mutex);
      if (--state->count == 0) state->none.notify_all();
    };
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable none;
    std::size_t count = 0;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace hufu::store
