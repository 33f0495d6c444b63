#include "cli/progress.hpp"

#include "cli/output.hpp"

namespace hufu::cli {

Progress::Progress(std::ostream& out, bool on, std::string what, Milliseconds patience)
    : out_(out), what_(printable(what)) {
  if (on) thread_ = std::thread([this, patience] { wait(patience); });
}

Progress::~Progress() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    done_ = true;
  }
  done_changed_.notify_one();
  thread_.join();
  if (shown_) out_ << "\r\x1b[K" << std::flush;
}

void Progress::wait(Milliseconds patience) {
  std::unique_lock lock(mutex_);
  if (done_changed_.wait_for(lock, patience, [this] { return done_; })) return;
  out_ << what_ << " …" << std::flush;
  shown_ = true;
}

}  // namespace hufu::cli
