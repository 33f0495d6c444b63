#include "server/access_log.hpp"

#include <spdlog/spdlog.h>

namespace hufu::server {

void log_request(const Route* route, int status, std::string_view peer) noexcept {
  spdlog::logger* logger = spdlog::default_logger_raw();
  if (logger == nullptr || !logger->should_log(spdlog::level::debug)) return;
  logger->debug("{} {} {} {}", route != nullptr ? route->method : "-",
                route != nullptr ? route->path : "(no such route)", status, peer);
}

}  // namespace hufu::server
