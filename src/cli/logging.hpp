#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <ostream>
#include <string_view>

#include "hufu/config.hpp"

namespace hufu::cli {

/// A logger that writes one line a message to `out`, each flushed at once.
///
/// `level`: trace, debug, info, warn, error. `format`: "text" ("TIME LEVEL MESSAGE") or "json"
/// ({"time","level","message"}). Times are RFC 3339 in UTC. Control characters in a message are
/// escaped, so that no message can forge a line. Thread-safe; `out` must outlive it.
std::shared_ptr<spdlog::logger> make_logger(std::ostream& out, std::string_view level,
                                            std::string_view format);

/// From now on everything that logs, logs to `out` as `config` says.
void start_logging(const Config& config, std::ostream& out);

}  // namespace hufu::cli
