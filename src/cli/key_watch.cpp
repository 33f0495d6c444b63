#include "cli/key_watch.hpp"

#include <spdlog/spdlog.h>

#include <utility>

#include "store/blocking.hpp"

namespace hufu::cli {

void KeyWatch::begin(Reload reload) {
  thread_ = std::thread([this, reload = std::move(reload)] { watch(reload); });
}

void KeyWatch::end() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  woken_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void KeyWatch::keys_changed() {
  {
    std::lock_guard lock(mutex_);
    changed_ = true;
  }
  woken_.notify_one();
}

void KeyWatch::watch(const Reload& reload) {
  std::unique_lock lock(mutex_);
  for (;;) {
    woken_.wait(lock, [this] { return changed_ || ending_; });
    if (ending_) return;
    changed_ = false;

    lock.unlock();
    auto outcome = store::await<Result<void>>(reload);
    if (!outcome) spdlog::warn("the API keys cannot be read again: {}", outcome.error().message);
    lock.lock();

    if (!outcome) {
      changed_ = true;
      woken_.wait_for(lock, patience_, [this] { return ending_; });
    }
  }
}

}  // namespace hufu::cli
