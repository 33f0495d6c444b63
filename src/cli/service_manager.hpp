#pragma once

#include <string_view>

#include "config/sources.hpp"

namespace hufu::cli {

/// Tells systemd how this process is ("READY=1", "STOPPING=1", as sd_notify(3) has them), where it
/// asked for that (NOTIFY_SOCKET). Nothing happens where it did not, or where it cannot be reached.
void notify_service_manager(const config::Environment& environment,
                            std::string_view state) noexcept;

/// As `notify_service_manager`, before a configuration is read again; "READY=1" ends it.
void notify_reloading(const config::Environment& environment);

}  // namespace hufu::cli
