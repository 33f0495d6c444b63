#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/error.hpp"
#include "hufu/secret.hpp"

namespace hufu::net {

struct RedisAddress {
  std::string host;  ///< A name, an IPv4 or (without brackets) an IPv6 address.
  std::uint16_t port = 0;

  /// As people write it: "HOST:PORT" or "[IPV6]:PORT".
  [[nodiscard]] std::string text() const;
};

/// Where a Redis is and how to get in, taken apart.
///
///     redis://[USER[:PASSWORD]@]HOST[:6379][/DATABASE][?…]
///     redis+sentinel://[USER[:PASSWORD]@]HOST[:26379],HOST…/NAME[/DATABASE][?…]
///
/// and the same with rediss: over TLS, Sentinels included. User, password and the values of the
/// query are percent-decoded.
struct RedisUri {
  bool tls = false;
  std::vector<RedisAddress> hosts;  ///< The server; with `primary` set, the Sentinels.
  std::string primary;              ///< The name by which Sentinels know it; empty: no Sentinels.
  std::string user;                 ///< Empty: the default user.
  Secret password;                  ///< Empty: none is sent.
  std::uint32_t database = 0;

  /// Of TLS (`ca_file`, `cert_file`, `key_file` in the query): PEM files. No ca_file: the
  /// authorities that the system trusts.
  std::string ca_file;
  std::string cert_file;
  std::string key_file;

  /// The place in `hosts` of the Sentinel that led to the primary last. It is asked first, so that
  /// one which takes connections and never answers costs its time once, not at every connection.
  std::shared_ptr<std::atomic<std::size_t>> led_there =
      std::make_shared<std::atomic<std::size_t>>(0);
  /// For the Sentinels, if they want a password (`sentinel_user`, `sentinel_password`). A user
  /// without a password of its own has that of the server.
  std::string sentinel_user;
  Secret sentinel_password;

  /// What else stands in the query: for whoever uses the connection to know, or to refuse.
  std::map<std::string, std::string> options;

  /// Fault::config with a next step for what is nothing of the kind. No message repeats the URI.
  /// `password` is that of the user where the URI holds none.
  static Result<RedisUri> parse(std::string_view text, const Secret& password);
};

}  // namespace hufu::net
