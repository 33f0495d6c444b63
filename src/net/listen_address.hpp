#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hufu/error.hpp"

namespace hufu::net {

/// "HOST:PORT" or "[IPV6]:PORT", taken apart.
struct ListenAddress {
  std::string host;  ///< A name, an IPv4 or (without brackets) an IPv6 address.
  std::uint16_t port = 0;

  /// Fault::config with a next step when `text` is nothing of the kind.
  static Result<ListenAddress> parse(std::string_view text);
  /// The form it is written in.
  [[nodiscard]] std::string text() const;
};

}  // namespace hufu::net
