#include "net/url_origin.hpp"

#include <algorithm>

namespace hufu::net {

std::string origin_of(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  auto authority = url.substr(scheme + 3);
  authority = authority.substr(0, authority.find_first_of("/?#\\"));
  if (auto at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);

  std::string origin(url.substr(0, scheme + 3));
  origin += authority;
  std::transform(origin.begin(), origin.end(), origin.begin(), [](char c) {
    return 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return origin;
}

std::string host_of(std::string_view url) {
  const std::string origin = origin_of(url);
  const auto host = std::string_view(origin).substr(std::min(origin.find("://"), origin.size()));
  const auto rest = host.substr(std::min<std::size_t>(3, host.size()));
  const auto bracket = rest.find(']');
  const auto colon = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
  return std::string(rest.substr(0, colon));
}

}  // namespace hufu::net
