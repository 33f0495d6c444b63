#include "config/address_rules.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "core/text.hpp"
#include "platform/base_url.hpp"

namespace hufu::config {
namespace {

bool is_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_port(std::string_view text) noexcept {
  unsigned value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value <= 65535;
}

bool is_host_name(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter_or_digit(c) || c == '.' || c == '-';
  });
}

}  // namespace

Result<std::string> check_listen(std::string_view text) {
  auto bad = [&](std::string_view why, std::string next) {
    return fail(Fault::config, quoted(text) + " is not HOST:PORT: " + std::string(why),
                std::move(next));
  };
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return bad("the port is missing", is_port(text)
                                          ? "Write \"127.0.0.1:" + std::string(text) + "\""
                                          : "Write \"127.0.0.1:7200\"");
  }
  std::string_view host = text.substr(0, colon);
  std::string_view port = text.substr(colon + 1);
  if (!is_port(port))
    return bad("the port is not a number from 0 to 65535", "Write \"127.0.0.1:7200\"");
  if (host.empty()) {
    return bad("the host is missing", "Write \"127.0.0.1" + std::string(text) +
                                          "\" for this machine alone or \"0.0.0.0" +
                                          std::string(text) + "\" for everybody");
  }
  if (host.front() == '[' && host.back() == ']') {
    in6_addr address{};
    std::string inside(host.substr(1, host.size() - 2));
    if (inet_pton(AF_INET6, inside.c_str(), &address) == 1) return std::string(text);
    return bad("there is no IPv6 address in the brackets", "Write \"[::1]:7200\"");
  }
  if (host.find(':') != std::string_view::npos) {
    return bad("an IPv6 address stands in brackets", "Write \"[::1]:7200\"");
  }
  if (!is_host_name(host))
    return bad("the host is not a name or address", "Write \"127.0.0.1:7200\"");
  return std::string(text);
}

Result<std::string> check_base_path(std::string_view text) {
  std::string_view path = text;
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return std::string();

  auto bad = [&](std::string_view why) {
    return fail(Fault::config, quoted(text) + " is not a path prefix: " + std::string(why),
                "Write it like \"/wechat\"");
  };
  if (path.front() != '/') return bad("it does not begin with a slash");
  bool plain = std::all_of(path.begin(), path.end(), [](char c) {
    return is_letter_or_digit(c) || std::string_view("/-._~").find(c) != std::string_view::npos;
  });
  if (!plain) return bad("it holds something else than letters, digits and - . _ ~ /");
  for (std::string_view rest = path; !rest.empty();) {
    rest.remove_prefix(1);
    std::string_view segment = rest.substr(0, rest.find('/'));
    if (segment.empty() || segment == "." || segment == "..") {
      return bad("it holds an empty, \".\" or \"..\" segment");
    }
    rest.remove_prefix(segment.size());
  }
  return std::string(path);
}

Result<std::string> check_base_url(std::string_view text) { return platform::check_base_url(text); }

bool leaves_in_the_clear(std::string_view url) { return platform::leaves_in_the_clear(url); }

}  // namespace hufu::config
