#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hufu/error.hpp"
#include "hufu/secret.hpp"

namespace hufu::store {

/// Where a PostgreSQL server is and how it is spoken to: a URI as libpq takes it, with what Hufu
/// adds to it. A plain value; move only, because it may hold a password.
///
/// What the URI, or a PG… variable of the environment, says wins. Where they say nothing, Hufu asks
/// for a verified TLS connection to any host but this machine, for a server that can be written,
/// and for connections that notice when the other side is gone.
struct PostgresqlAddress {
  /// One server of those that the URI names; tried in order. Empty texts: libpq's own choice.
  struct Host {
    std::string name;     ///< A host's name, or the directory of a Unix socket.
    std::string address;  ///< An IP address that spares the look-up of the name.
    std::string port;
  };

  std::vector<Host> hosts;  ///< At least one.
  /// Keywords and values for libpq; neither hosts nor the password.
  std::vector<std::pair<std::string, std::string>> options;
  Secret password;                    ///< Empty: PGPASSWORD or ~/.pgpass, as libpq does.
  std::string user;                   ///< For messages.
  std::string shown;                  ///< "the PostgreSQL database NAME at HOST:PORT".
  std::vector<std::string> warnings;  ///< What an operator should know, a sentence each.
};

/// Reads "postgresql://…" or "postgres://…". A `password` that is not empty wins over the one in
/// the URI. Fault::config where the URI cannot be read; no message repeats any of it, because a
/// password that is written wrongly may stand anywhere in it.
Result<PostgresqlAddress> parse_postgresql_address(const Secret& uri, const Secret& password);

/// Whether nothing but this machine stands between us and `host`: a Unix socket's directory,
/// localhost or a loopback address.
bool is_this_machine(std::string_view host);

}  // namespace hufu::store
