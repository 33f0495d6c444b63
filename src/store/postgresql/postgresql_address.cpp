#include "store/postgresql/postgresql_address.hpp"

#include <libpq-fe.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>

namespace hufu::store {
namespace {

/// What Debian and most of its relatives call the certificate authorities that they trust. libpq
/// 15 does not find them by itself.
constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

tl::unexpected<Error> unreadable(std::string why, std::string next_step) {
  return fail(Fault::config, "the store's PostgreSQL URI " + std::move(why), std::move(next_step));
}

/// A password that holds an @, a / or a ? is taken for a host, a database or an option, and would
/// end up in messages: the @ that follows it gives it away.
bool has_stray_at(std::string_view uri) {
  const auto authority = uri.find("://");
  if (authority == std::string_view::npos) return false;
  uri.remove_prefix(authority + 3);
  const auto first = uri.find('@');
  if (first == std::string_view::npos) return false;
  return uri.find('@', first + 1) != std::string_view::npos || uri.find_first_of("/?#") < first;
}

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

/// The parts of "a,b,c"; one empty part of nothing.
std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    parts.emplace_back(list.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

/// What the URI says, by keyword.
class Options {
 public:
  explicit Options(std::vector<std::pair<std::string, std::string>>& values) : values_(values) {}

  void set(std::string key, std::string value) {
    values_.emplace_back(std::move(key), std::move(value));
  }
  [[nodiscard]] const std::string* find(std::string_view key) const {
    auto found = std::find_if(values_.begin(), values_.end(),
                              [&](const auto& option) { return option.first == key; });
    return found == values_.end() ? nullptr : &found->second;
  }
  /// The URI's value, else the environment's.
  [[nodiscard]] std::optional<std::string> effective(std::string_view key, const char* name) const {
    if (const std::string* value = find(key)) return *value;
    return variable(name);
  }
  void set_default(const char* key, std::string value) {
    if (find(key) == nullptr) set(key, std::move(value));
  }

 private:
  std::vector<std::pair<std::string, std::string>>& values_;
};

/// Pairs hosts, addresses and ports as libpq does: one port serves all hosts.
Result<std::vector<PostgresqlAddress::Host>> pair_up(const std::string& names,
                                                     const std::string& addresses,
                                                     const std::string& ports) {
  const auto name = split(names);
  const auto address = split(addresses);
  const auto port = split(ports);
  const std::size_t count = std::max(name.size(), address.size());
  const bool fits = (names.empty() || name.size() == count) &&
                    (addresses.empty() || address.size() == count) &&
                    (port.size() == 1 || port.size() == count);
  if (!fits) {
    return unreadable("names more ports than hosts, or the other way round",
                      "write it like postgresql://USER@HOST1:5432,HOST2:5432/NAME");
  }
  std::vector<PostgresqlAddress::Host> hosts(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!names.empty()) hosts[i].name = name[i];
    if (!addresses.empty()) hosts[i].address = address[i];
    hosts[i].port = port[port.size() == 1 ? 0 : i];
  }
  return hosts;
}

std::string shown(const PostgresqlAddress::Host& host) {
  const std::string& name = host.name.empty() ? host.address : host.name;
  if (name.empty() || name.front() == '/' || name.front() == '@') return "this machine's socket";
  const bool is_ipv6 = name.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + name + "]" : name) + (host.port.empty() ? "" : ":" + host.port);
}

void settle_tls(PostgresqlAddress& address, Options& options) {
  const bool far = options.find("service") != nullptr ||
                   std::any_of(address.hosts.begin(), address.hosts.end(), [](const auto& host) {
                     return !is_this_machine(host.address.empty() ? host.name : host.address);
                   });
  if (!far) return;
  const auto mode = options.effective("sslmode", "PGSSLMODE");
  if (!mode) options.set("sslmode", "verify-full");
  if (mode && !mode->starts_with("verify-")) {
    address.warnings.push_back("The connection to " + address.shown +
                               " is set to sslmode=" + *mode +
                               ", which does not verify who answers; use sslmode=verify-full");
    return;
  }
  const auto home = variable("HOME");
  const bool has_own = home && ::access((*home + "/.postgresql/root.crt").c_str(), R_OK) == 0;
  if (!options.effective("sslrootcert", "PGSSLROOTCERT") && !has_own &&
      ::access(kSystemAuthorities, R_OK) == 0) {
    options.set("sslrootcert", kSystemAuthorities);
  }
}

}  // namespace

bool is_this_machine(std::string_view host) {
  return host.empty() || host.front() == '/' || host.front() == '@' || host == "localhost" ||
         host == "::1" || host.starts_with("127.");
}

Result<PostgresqlAddress> parse_postgresql_address(const Secret& uri, const Secret& password) {
  if (has_stray_at(uri.reveal())) {
    return unreadable("has an @ where none belongs",
                      "write an @ as %40, a / as %2F and a ? as %3F inside a user's name or a "
                      "password, or put the password into store_password");
  }
  std::string text(uri.reveal());
  char* ignored = nullptr;  // What libpq says may hold parts of a password.
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> parsed(
      PQconninfoParse(text.c_str(), &ignored), PQconninfoFree);
  wipe(text);
  PQfreemem(ignored);
  if (!parsed) {
    return unreadable("is not understood",
                      "write it like postgresql://USER@HOST:5432/NAME?sslmode=verify-full, and "
                      "special characters as % and two hex digits");
  }

  PostgresqlAddress address;
  Options options(address.options);
  std::string names;
  std::string addresses;
  std::string ports;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view key = option->keyword;
    if (key == "password") {
      address.password = Secret(std::string_view(option->val));
    } else if (key == "host") {
      names = option->val;
    } else if (key == "hostaddr") {
      addresses = option->val;
    } else if (key == "port") {
      ports = option->val;
    } else {
      options.set(option->keyword, option->val);
    }
  }
  if (!password.empty()) address.password = password.clone();
  if (names.empty()) names = variable("PGHOST").value_or("");
  if (addresses.empty()) addresses = variable("PGHOSTADDR").value_or("");
  if (ports.empty()) ports = variable("PGPORT").value_or("");
  auto hosts = pair_up(names, addresses, ports);
  if (!hosts) return tl::unexpected(hosts.error());
  address.hosts = std::move(*hosts);

  address.user = options.effective("user", "PGUSER").value_or("of this process");
  address.shown = "the PostgreSQL database";
  if (auto name = options.effective("dbname", "PGDATABASE")) address.shown += " " + *name;
  address.shown += " at ";
  for (const auto& host : address.hosts) {
    if (&host != &address.hosts.front()) address.shown += ", ";
    address.shown += shown(host);
  }

  settle_tls(address, options);
  options.set_default("target_session_attrs", "read-write");
  options.set_default("fallback_application_name", "hufu");
  options.set("client_encoding", "UTF8");
  // Kerberos has no deadline of its own.
  options.set_default("gssencmode", "disable");
  // A peer that is gone without a word is noticed.
  options.set_default("tcp_user_timeout", "5000");
  options.set_default("keepalives_idle", "10");
  options.set_default("keepalives_interval", "3");
  options.set_default("keepalives_count", "3");
  return address;
}

}  // namespace hufu::store
