#pragma once

#include <string>

#include "hufu/error.hpp"

namespace hufu::simulator {

/// An address that is bound but not listened on.
///
/// It keeps a port for a listener that comes and goes: while that is away, clients are refused
/// (ECONNREFUSED) and nobody else is given the port. Works on Linux, where such a socket and a
/// listener share an address as long as both set SO_REUSEADDR.
class HeldPort {
 public:
  /// Binds "HOST:PORT" or "[::1]:PORT"; port 0 takes any free one. Fault::config if it cannot.
  static Result<HeldPort> hold(const std::string& address);

  HeldPort(HeldPort&& other) noexcept;
  HeldPort& operator=(HeldPort&& other) noexcept;
  HeldPort(const HeldPort&) = delete;
  HeldPort& operator=(const HeldPort&) = delete;
  ~HeldPort();

  /// The same address, with the real port.
  [[nodiscard]] const std::string& address() const noexcept { return address_; }

 private:
  HeldPort(int socket, std::string address) : socket_(socket), address_(std::move(address)) {}

  int socket_;
  std::string address_;
};

}  // namespace hufu::simulator
