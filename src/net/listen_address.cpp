#include "net/listen_address.hpp"

#include <charconv>

namespace hufu::net {

Result<ListenAddress> ListenAddress::parse(std::string_view text) {
  auto bad = [&](std::string why) {
    return fail(Fault::config, "cannot listen on \"" + std::string(text) + "\": " + std::move(why),
                "Write HOST:PORT, for one 127.0.0.1:7200, [::1]:7200 or 0.0.0.0:7200");
  };
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad("the port is missing");
  auto host = text.substr(0, colon);
  auto digits = text.substr(colon + 1);

  ListenAddress address;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return bad("the port is not a number from 0 to 65535");
  }
  bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad("an IPv6 address stands in [brackets]");
  }
  if (host.empty()) return bad("the host is missing");
  if (host.find_first_of(" /[]@") != std::string_view::npos ||
      (bracketed && host.find(':') == std::string_view::npos)) {
    return bad("the host is neither a name nor an address");
  }
  address.host = host;
  return address;
}

std::string ListenAddress::text() const {
  bool bracketed = host.find(':') != std::string_view::npos;
  return (bracketed ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace hufu::net
