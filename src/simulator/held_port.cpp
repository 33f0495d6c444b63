#include "simulator/held_port.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <system_error>
#include <utility>

namespace hufu::simulator {
namespace {

tl::unexpected<Error> cannot(const std::string& address, const std::string& why) {
  return fail(Fault::config, "cannot listen on " + address + ": " + why,
              "Choose another address; port 0 takes any free one.");
}

std::uint16_t port_of(int socket) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  std::string port(NI_MAXSERV, '\0');
  void* address = &bound;
  if (getsockname(socket, static_cast<sockaddr*>(address), &size) != 0) return 0;
  if (getnameinfo(static_cast<sockaddr*>(address), size, nullptr, 0, port.data(),
                  static_cast<socklen_t>(port.size()), NI_NUMERICSERV) != 0)
    return 0;
  return static_cast<std::uint16_t>(std::atoi(port.c_str()));
}

}  // namespace

Result<HeldPort> HeldPort::hold(const std::string& address) {
  auto colon = address.rfind(':');
  if (colon == std::string::npos) return cannot(address, "it is not HOST:PORT");
  std::string host = address.substr(0, colon);
  std::string bare = host;
  if (bare.size() > 2 && bare.front() == '[' && bare.back() == ']')
    bare = bare.substr(1, bare.size() - 2);

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  std::string port = address.substr(colon + 1);
  if (int error = getaddrinfo(bare.c_str(), port.c_str(), &hints, &list); error != 0)
    return cannot(address, gai_strerror(error));
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, &freeaddrinfo);

  int handle = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (handle < 0) return cannot(address, std::generic_category().message(errno));
  HeldPort held(handle, {});
  int on = 1;
  setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(handle, list->ai_addr, list->ai_addrlen) != 0)
    return cannot(address, std::generic_category().message(errno));
  held.address_ = host + ":" + std::to_string(port_of(handle));
  return held;
}

HeldPort::HeldPort(HeldPort&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), address_(std::move(other.address_)) {}

HeldPort& HeldPort::operator=(HeldPort&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(address_, other.address_);
  return *this;
}

HeldPort::~HeldPort() {
  if (socket_ >= 0) close(socket_);
}

}  // namespace hufu::simulator
