#include "cli/log_writer.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace hufu::cli {

class LogWriter::Queue {
 public:
  Queue(int descriptor, Note note, std::size_t most_bytes)
      : descriptor_(descriptor),
        cancelled_(eventfd(0, EFD_CLOEXEC)),
        note_(std::move(note)),
        most_bytes_(most_bytes) {}
  ~Queue() { close(cancelled_); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  void push(std::string_view line) {
    std::lock_guard lock(mutex_);
    changed_.notify_all();
    // Behind a gap nothing is taken either: the note on it comes at the end.
    if (missing_ > 0 || lines_.size() + line.size() > most_bytes_) {
      ++missing_;
      ++dropped_;
    } else {
      lines_.append(line);
    }
  }

  bool flush(Milliseconds timeout) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [&] { return nothing_waits() && !writing_; });
  }

  std::uint64_t dropped() {
    std::lock_guard lock(mutex_);
    return dropped_;
  }

  /// The thread ends as soon as it can; whether it has, within `timeout`.
  bool cancel(Milliseconds timeout) {
    std::unique_lock lock(mutex_);
    ended_ = true;
    eventfd_write(cancelled_, 1);
    changed_.notify_all();
    return changed_.wait_for(lock, timeout, [&] { return finished_; });
  }

  void run() {
    // Signals are for the program's own threads.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);

    std::string lines;
    std::uint64_t lost = 0;  // In writes that failed, since the last note on them.
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return ended_ || !nothing_waits(); });
      if (ended_) break;
      lines.swap(lines_);
      const std::uint64_t missing = std::exchange(missing_, 0);
      writing_ = true;
      lock.unlock();
      if (note(lost)) lost = 0;
      const auto failed = count_lines(write_out(lines));
      lost += failed;
      if (!note(missing)) lost += missing;
      lines.clear();
      lock.lock();
      dropped_ += failed;
      writing_ = false;
      changed_.notify_all();
    }
    finished_ = true;
    changed_.notify_all();
  }

 private:
  [[nodiscard]] bool nothing_waits() const { return lines_.empty() && missing_ == 0; }

  static std::uint64_t count_lines(std::string_view text) {
    return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
  }

  /// Whether a line on so many dropped ones was written. None is needed for 0.
  bool note(std::uint64_t dropped) const {
    return dropped == 0 || write_out(note_(dropped)).empty();
  }

  /// What of `text` was not written because of an error or `cancel`.
  std::string_view write_out(std::string_view text) const {
    while (!text.empty()) {
      pollfd watched[2] = {{descriptor_, POLLOUT, 0}, {cancelled_, POLLIN, 0}};
      if (poll(watched, 2, -1) < 0) continue;
      if (watched[1].revents != 0) break;
      // No more than what does not block: a pipe that is ready takes that much.
      const auto piece = text.substr(0, PIPE_BUF);
      const ssize_t count = ::write(descriptor_, piece.data(), piece.size());
      if (count < 0 && errno != EINTR && errno != EAGAIN) break;
      text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    }
    return text;
  }

  const int descriptor_;
  const int cancelled_;
  const Note note_;
  const std::size_t most_bytes_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string lines_;
  std::uint64_t missing_ = 0;  ///< Dropped behind `lines_`.
  std::uint64_t dropped_ = 0;  ///< In all.
  bool writing_ = false;
  bool ended_ = false;
  bool finished_ = false;
};

LogWriter::LogWriter(int descriptor, Note note, Options options)
    : queue_(std::make_shared<Queue>(descriptor, std::move(note), options.most_bytes)),
      flush_timeout_(options.flush_timeout) {
  thread_ = std::thread([queue = queue_] { queue->run(); });
}

LogWriter::~LogWriter() {
  flush(flush_timeout_);
  if (queue_->cancel(flush_timeout_)) {
    thread_.join();
  } else {
    // Stuck in a write: another process has filled the pipe after it was found ready.
    thread_.detach();
  }
}

void LogWriter::write(std::string_view line) { queue_->push(line); }
bool LogWriter::flush(Milliseconds timeout) { return queue_->flush(timeout); }
std::uint64_t LogWriter::dropped() const { return queue_->dropped(); }

}  // namespace hufu::cli
