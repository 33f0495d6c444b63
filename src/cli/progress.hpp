#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <ostream>
#include <string>
#include <thread>

#include "hufu/clock.hpp"

namespace hufu::cli {

/// Tells a person who waits what for: one line, which appears after `patience` and is gone when
/// this object is. Nobody else may write to `out` while it lives. Does nothing where `on` is false.
class Progress {
 public:
  Progress(std::ostream& out, bool on, std::string what,
           Milliseconds patience = std::chrono::seconds(1));
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void wait(Milliseconds patience);

  std::ostream& out_;
  std::string what_;
  std::mutex mutex_;
  std::condition_variable done_changed_;
  bool done_ = false;
  bool shown_ = false;
  std::thread thread_;
};

}  // namespace hufu::cli
