#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "hufu/clock.hpp"

namespace hufu::cli {

/// Writes lines to a file descriptor on a thread of its own, so that whoever logs never waits for a
/// pipe that nobody reads, a terminal that is stopped or a slow disk. What does not fit into the
/// queue is dropped and counted, whole lines at a time, and a line in its place says how many.
///
/// Thread-safety: all members may be called from any thread.
class LogWriter {
 public:
  struct Options {
    std::size_t most_bytes = 1024 * 1024;  ///< Of lines that wait. As many again are being written.
    Milliseconds flush_timeout = std::chrono::milliseconds(500);  ///< Of the destructor.
  };
  /// Makes the line that says how many are missing.
  using Note = std::function<std::string(std::uint64_t dropped)>;

  /// `descriptor` stays open for as long as the process lives.
  LogWriter(int descriptor, Note note, Options options);
  /// As `flush(flush_timeout)`. What cannot be written by then is dropped.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  /// `line` ends with a line break.
  void write(std::string_view line);
  /// Waits until everything is written, but no longer than `timeout`; whether it is.
  bool flush(Milliseconds timeout);
  /// Lines that were dropped so far.
  [[nodiscard]] std::uint64_t dropped() const;

 private:
  class Queue;
  std::shared_ptr<Queue> queue_;  ///< The thread's too, which may outlive this object.
  Milliseconds flush_timeout_;
  std::thread thread_;
};

}  // namespace hufu::cli
