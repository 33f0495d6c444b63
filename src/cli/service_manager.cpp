#include "cli/service_manager.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <ctime>

namespace hufu::cli {

void notify_service_manager(const config::Environment& environment,
                            std::string_view state) noexcept {
  const std::string* place = config::find(environment, "NOTIFY_SOCKET");
  sockaddr_un address{};
  if (place == nullptr || place->size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, place->data(), place->size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // Of Linux' abstract names.

  const int channel = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (channel < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + place->size());
  // Whoever started this process and is gone by now is not missed.
  (void)!sendto(channel, state.data(), state.size(), MSG_NOSIGNAL,
                reinterpret_cast<const sockaddr*>(&address), length);
  close(channel);
}

void notify_reloading(const config::Environment& environment) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  notify_service_manager(environment, fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                                                  now.tv_sec * 1'000'000 + now.tv_nsec / 1000));
}

}  // namespace hufu::cli
