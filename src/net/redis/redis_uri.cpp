#include "net/redis/redis_uri.hpp"

#include <charconv>
#include <optional>
#include <utility>

namespace hufu::net {
namespace {

constexpr std::uint16_t kServerPort = 6379;
constexpr std::uint16_t kSentinelPort = 26379;

tl::unexpected<Error> bad(
    std::string why, std::string next =
                         "write redis://HOST:6379/0 or redis+sentinel://HOST,HOST/NAME/0, with "
                         "rediss for TLS") {
  return fail(Fault::config, "the URI of Redis cannot be read: " + std::move(why), std::move(next));
}

template <class Number>
std::optional<Number> number_from(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::string> decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    unsigned char byte = 0;
    const std::string_view hex = text.substr(i + 1, 2);
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), byte, 16);
    if (hex.size() != 2 || error != std::errc() || end != hex.data() + 2) return std::nullopt;
    plain += static_cast<char>(byte);
    i += 2;
  }
  return plain;
}

/// Cuts `text` at the first `mark`: what stands before it, and leaves what stands behind. All of
/// it where there is none.
std::string_view cut(std::string_view& text, char mark) {
  const std::size_t at = text.find(mark);
  const std::string_view before = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return before;
}

Result<RedisAddress> address_from(std::string_view text, std::uint16_t default_port) {
  RedisAddress address{"", default_port};
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return bad("a bracket is not closed");
    address.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return bad("something follows an IPv6 address");
    if (!port.empty()) port.remove_prefix(1);
  } else {
    port = text;
    address.host = cut(port, ':');
    if (port.find(':') != std::string_view::npos) return bad("an IPv6 address needs brackets");
  }
  if (address.host.empty()) return bad("a host is missing");
  if (port.empty()) return address;
  const auto number = number_from<std::uint16_t>(port);
  if (!number || *number == 0) return bad("a port is not a number from 1 to 65535");
  address.port = *number;
  return address;
}

Result<void> read_login(RedisUri& uri, std::string_view login) {
  auto user = decoded(cut(login, ':'));
  auto password = decoded(login);
  if (!user || !password) {
    return bad("user and password are not percent-encoded", "write % as %25, @ as %40, / as %2F");
  }
  uri.user = std::move(*user);
  uri.password = Secret(std::move(*password));
  return {};
}

Result<void> read_path(RedisUri& uri, bool sentinels, std::string_view path) {
  if (sentinels) {
    uri.primary = cut(path, '/');
    if (uri.primary.empty()) {
      return bad("the name of the primary is missing",
                 "write redis+sentinel://HOST,HOST/NAME, with the NAME of `sentinel monitor NAME`");
    }
  }
  if (path.empty()) return {};
  const auto database = number_from<std::uint32_t>(path);
  if (!database) return bad("the database is not a number", "write it last, like /0");
  uri.database = *database;
  return {};
}

Result<void> read_query(RedisUri& uri, std::string_view query) {
  std::map<std::string, std::string*> known = {{"ca_file", &uri.ca_file},
                                               {"cert_file", &uri.cert_file},
                                               {"key_file", &uri.key_file},
                                               {"sentinel_user", &uri.sentinel_user}};
  while (!query.empty()) {
    std::string_view value = cut(query, '&');
    const std::string name(cut(value, '='));
    auto plain = decoded(value);
    if (!plain) return bad("the query is not percent-encoded", "write % as %25, & as %26");
    if (name == "sentinel_password") {
      uri.sentinel_password = Secret(std::move(*plain));
    } else if (const auto place = known.find(name); place != known.end()) {
      *place->second = std::move(*plain);
    } else {
      uri.options[name] = std::move(*plain);
    }
  }
  return {};
}

Result<void> check(const RedisUri& uri) {
  const bool files = !uri.ca_file.empty() || !uri.cert_file.empty() || !uri.key_file.empty();
  if (files && !uri.tls) return bad("it names files for TLS, but no TLS", "write rediss://");
  if (uri.cert_file.empty() != uri.key_file.empty()) {
    return bad("cert_file and key_file go together");
  }
  const bool sentinel_login = !uri.sentinel_user.empty() || !uri.sentinel_password.empty();
  if (sentinel_login && uri.primary.empty()) {
    return bad("it names a user or password for Sentinels, but no Sentinels",
               "write redis+sentinel://");
  }
  return {};
}

}  // namespace

std::string RedisAddress::text() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<RedisUri> RedisUri::parse(std::string_view text, const Secret& password) {
  RedisUri uri;
  const std::size_t colon = text.find("://");
  const std::string_view scheme = text.substr(0, colon);
  const bool sentinels = scheme.ends_with("+sentinel");
  uri.tls = scheme.starts_with("rediss");
  if (colon == std::string_view::npos ||
      scheme.substr(0, scheme.find('+')) != (uri.tls ? "rediss" : "redis") ||
      (!sentinels && scheme.find('+') != std::string_view::npos)) {
    return bad(
        "it does not begin with redis://, rediss://, redis+sentinel:// or "
        "rediss+sentinel://");
  }

  std::string_view query = text.substr(colon + 3);
  std::string_view path = cut(query, '?');
  std::string_view hosts = cut(path, '/');
  if (const std::size_t at = hosts.rfind('@'); at != std::string_view::npos) {
    if (auto read = read_login(uri, hosts.substr(0, at)); !read)
      return tl::unexpected(read.error());
    hosts.remove_prefix(at + 1);
  }
  if (uri.password.empty()) uri.password = password.clone();

  do {
    auto address = address_from(cut(hosts, ','), sentinels ? kSentinelPort : kServerPort);
    if (!address) return tl::unexpected(address.error());
    uri.hosts.push_back(std::move(*address));
  } while (!hosts.empty());
  if (!sentinels && uri.hosts.size() > 1) {
    return bad("it names several hosts", "write redis+sentinel:// where these are Sentinels");
  }

  if (auto read = read_path(uri, sentinels, path); !read) return tl::unexpected(read.error());
  if (auto read = read_query(uri, query); !read) return tl::unexpected(read.error());
  if (auto fine = check(uri); !fine) return tl::unexpected(fine.error());
  return uri;
}

}  // namespace hufu::net
