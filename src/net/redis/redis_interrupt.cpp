#include "net/redis/redis_interrupt.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace hufu::net {

RedisInterrupt::RedisInterrupt() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

RedisInterrupt::~RedisInterrupt() { ::close(event_); }

void RedisInterrupt::raise() const {
  const std::uint64_t one = 1;
  // It fails only where so many were added before that it is raised anyway.
  [[maybe_unused]] const auto written = ::write(event_, &one, sizeof one);
}

bool RedisInterrupt::raised(Milliseconds patience) const {
  pollfd waiting{event_, POLLIN, 0};
  return ::poll(&waiting, 1, static_cast<int>(patience.count())) > 0;
}

}  // namespace hufu::net
