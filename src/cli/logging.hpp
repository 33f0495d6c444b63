#pragma once

#include <spdlog/logger.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string_view>

#include "cli/context.hpp"
#include "cli/log_writer.hpp"
#include "hufu/config.hpp"

namespace hufu::cli {

/// A logger that writes one line a message to `out`, each flushed at once.
///
/// `level`: trace, debug, info, warn, error. `format`: "text" ("TIME LEVEL MESSAGE") or "json"
/// ({"time","level","message"}). Times are RFC 3339 in UTC. Control characters in a message are
/// escaped, so that no message can forge a line. Thread-safe; `out` must outlive it.
std::shared_ptr<spdlog::logger> make_logger(std::ostream& out, std::string_view level,
                                            std::string_view format);

/// While it lives, everything that logs does so as `config` says, and never waits: see LogWriter.
///
/// Thread-safety: one at a time; made before the first thread that logs, and gone after the last.
class Logging {
 public:
  /// To a descriptor that stays open for as long as the process lives.
  Logging(const Config& config, int descriptor);
  /// As `flush`; everything logs to where it did before.
  ~Logging();
  Logging(const Logging&) = delete;
  Logging& operator=(const Logging&) = delete;

  /// Waits for a moment until everything is written; whether it is.
  bool flush();
  /// As Context::fail, behind what was logged before; prints nothing where nobody reads the log,
  /// as printing would wait for ever.
  ExitStatus fail(const Context& context, const Error& error);
  /// Tells how many lines could not be written so far. May be called from any thread, and also
  /// after this object has gone.
  [[nodiscard]] std::function<std::uint64_t()> drop_counter() const {
    return [writer = writer_] { return writer->dropped(); };
  }

 private:
  std::shared_ptr<LogWriter> writer_;
  std::shared_ptr<spdlog::logger> before_;
};

}  // namespace hufu::cli
