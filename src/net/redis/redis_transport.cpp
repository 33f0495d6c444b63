#include "net/redis/redis_transport.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <system_error>

namespace hufu::net {
namespace {

std::string reason_of(int code) { return std::error_code(code, std::generic_category()).message(); }

tl::unexpected<Error> cannot_connect(const std::string& peer, const std::string& why) {
  return fail(Fault::store, "cannot connect to Redis at " + peer + ": " + why,
              "start it, or correct the address; look at the network between");
}

tl::unexpected<Error> lost(const std::string& peer, const std::string& why) {
  return fail(Fault::store, "the connection to Redis at " + peer + " was lost: " + why,
              "look at its log, and at the network between");
}

tl::unexpected<Error> too_late(const std::string& peer) {
  return fail(Fault::store, "Redis at " + peer + " does not answer in time",
              "look at its load, and at the network between");
}

tl::unexpected<Error> no_tls(const std::string& peer, const std::string& why) {
  return fail(Fault::store, "no TLS session with Redis at " + peer + ": " + why,
              "see whether that port speaks TLS, and whether it wants a certificate of ours "
              "(cert_file and key_file in the URI)");
}

tl::unexpected<Error> unusable(const std::string& what, const std::string& file) {
  return fail(Fault::config, "the " + what + " " + file + " for TLS to Redis cannot be used",
              "name a PEM file that this process may read");
}

bool would_block(int code) { return code == EAGAIN || code == EWOULDBLOCK || code == EINTR; }

/// What the latest failure of OpenSSL says of itself.
std::string tls_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  return reason != nullptr ? reason : "the connection ended";
}

/// OpenSSL's own socket BIO would raise SIGPIPE, which is not ours to ignore in a program that
/// embeds us.
int socket_of(BIO* bio) { return *static_cast<const int*>(BIO_get_data(bio)); }

int bio_write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const auto sent = ::send(socket_of(bio), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && would_block(errno)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  const auto got = ::recv(socket_of(bio), into, static_cast<std::size_t>(size), 0);
  if (got < 0 && would_block(errno)) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}

long bio_control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* bio_method() {
  static BIO_METHOD* const kMethod = [] {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "redis socket");
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_ctrl(method, bio_control);
    return method;
  }();
  return kMethod;
}

bool is_ip(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

struct FreeAddresses {
  void operator()(addrinfo* addresses) const { ::freeaddrinfo(addresses); }
};

}  // namespace

RedisTransport::~RedisTransport() {
  if (socket_ >= 0) ::close(socket_);
}

Result<std::unique_ptr<RedisTransport>> RedisTransport::connect(const RedisAddress& address,
                                                                const RedisUri& uri,
                                                                RedisDeadline deadline,
                                                                const RedisInterrupt* interrupt) {
  std::unique_ptr<RedisTransport> transport(new RedisTransport(address.text(), interrupt));
  if (auto done = transport->connect_socket(address, deadline); !done) {
    return tl::unexpected(done.error());
  }
  if (uri.tls) {
    if (auto done = transport->start_tls(address.host, uri, deadline); !done) {
      return tl::unexpected(done.error());
    }
  }
  return transport;
}

Result<void> RedisTransport::connect_socket(const RedisAddress& address, RedisDeadline deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int unknown =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (unknown != 0) return cannot_connect(peer_, ::gai_strerror(unknown));
  const std::unique_ptr<addrinfo, FreeAddresses> all(found);

  std::ptrdiff_t left = 0;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) ++left;
  std::string why = "no address";
  // An address that stays silent must not use up the time of those behind it.
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next, --left) {
    const auto now = std::chrono::steady_clock::now();
    const RedisDeadline share = now + (deadline - now) / left;
    if (socket_ >= 0) ::close(socket_);
    socket_ = ::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_ < 0) {
      why = reason_of(errno);
      continue;
    }
    int code = ::connect(socket_, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
    if (code == EINPROGRESS) {
      if (wait(POLLOUT, share) != Waited::ready) {
        why = "it does not answer in time";
        continue;
      }
      socklen_t size = sizeof code;
      ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &code, &size);
    }
    if (code == 0) {
      const int yes = 1;
      ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      ::setsockopt(socket_, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
      return {};
    }
    why = reason_of(code);
  }
  return cannot_connect(peer_, why);
}

Result<void> RedisTransport::start_tls(const std::string& host, const RedisUri& uri,
                                       RedisDeadline deadline) {
  ERR_clear_error();
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (!context_) return cannot_connect(peer_, "TLS: " + tls_reason());
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  if (uri.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context_.get());
  } else if (SSL_CTX_load_verify_file(context_.get(), uri.ca_file.c_str()) != 1) {
    return unusable("ca_file", uri.ca_file);
  }
  if (!uri.cert_file.empty()) {
    if (SSL_CTX_use_certificate_chain_file(context_.get(), uri.cert_file.c_str()) != 1) {
      return unusable("cert_file", uri.cert_file);
    }
    if (SSL_CTX_use_PrivateKey_file(context_.get(), uri.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
      return unusable("key_file", uri.key_file);
    }
  }

  ssl_.reset(SSL_new(context_.get()));
  BIO* bio = BIO_new(bio_method());
  if (!ssl_ || bio == nullptr) {
    BIO_free(bio);
    return cannot_connect(peer_, "TLS: " + tls_reason());
  }
  BIO_set_data(bio, &socket_);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  if (is_ip(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str());
  } else {
    SSL_set1_host(ssl_.get(), host.c_str());
    // What the macro SSL_set_tlsext_host_name does, without its old cast. OpenSSL copies the name.
    std::string name = host;
    SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
  }

  while (true) {
    ERR_clear_error();
    const int outcome = SSL_connect(ssl_.get());
    if (outcome == 1) return {};
    auto waited = wait_for_tls(outcome, deadline);
    if (!waited) return tl::unexpected(tls_refusal(host));
    if (*waited != Waited::ready) return no_tls(peer_, "it does not answer in time");
  }
}

Error RedisTransport::tls_refusal(const std::string& host) const {
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    return {Fault::store,
            "the certificate of Redis at " + peer_ + " was not issued for " + host,
            "connect by a name that it was issued for, or have one issued for this name",
            {},
            {}};
  }
  if (verdict != X509_V_OK) {
    return {Fault::store,
            "the certificate of Redis at " + peer_ +
                " is not trusted: " + X509_verify_cert_error_string(verdict),
            "name the authority that issued it with ca_file=PATH in the URI",
            {},
            {}};
  }
  return no_tls(peer_, tls_reason()).value();
}

Result<void> RedisTransport::send(std::string_view bytes, RedisDeadline deadline) {
  while (!bytes.empty()) {
    Result<Waited> waited = Waited::ready;
    if (ssl_) {
      ERR_clear_error();
      const int size = static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX));
      const int sent = SSL_write(ssl_.get(), bytes.data(), size);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
        continue;
      }
      waited = wait_for_tls(sent, deadline);
    } else {
      const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
        continue;
      }
      if (!would_block(errno)) return lost(peer_, reason_of(errno));
      waited = wait(POLLOUT, deadline);
    }
    if (!waited) return tl::unexpected(waited.error());
    if (*waited != Waited::ready) return too_late(peer_);
  }
  return {};
}

Result<std::size_t> RedisTransport::receive(std::span<char> into, RedisDeadline deadline) {
  while (true) {
    Result<Waited> waited = Waited::ready;
    if (ssl_) {
      ERR_clear_error();
      const int size = static_cast<int>(std::min<std::size_t>(into.size(), INT_MAX));
      const int got = SSL_read(ssl_.get(), into.data(), size);
      if (got > 0) return static_cast<std::size_t>(got);
      waited = wait_for_tls(got, deadline);
    } else {
      const auto got = ::recv(socket_, into.data(), into.size(), 0);
      if (got > 0) return static_cast<std::size_t>(got);
      if (got == 0) return lost(peer_, "it was closed");
      if (!would_block(errno)) return lost(peer_, reason_of(errno));
      waited = wait(POLLIN, deadline);
    }
    if (!waited) return tl::unexpected(waited.error());
    if (*waited != Waited::ready) return 0;
  }
}

Result<RedisTransport::Waited> RedisTransport::wait_for_tls(int outcome,
                                                            RedisDeadline deadline) const {
  switch (SSL_get_error(ssl_.get(), outcome)) {
    case SSL_ERROR_WANT_READ: return wait(POLLIN, deadline);
    case SSL_ERROR_WANT_WRITE: return wait(POLLOUT, deadline);
    case SSL_ERROR_ZERO_RETURN: return lost(peer_, "it was closed");
    default: return lost(peer_, tls_reason());
  }
}

RedisTransport::Waited RedisTransport::wait(short events, RedisDeadline deadline) const {
  std::array<pollfd, 2> waiting = {
      {{socket_, events, 0}, {interrupt_ != nullptr ? interrupt_->descriptor() : -1, POLLIN, 0}}};
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const auto patience = std::clamp<std::chrono::milliseconds::rep>(left.count(), 0, INT_MAX);
    const int ready = ::poll(waiting.data(), waiting.size(), static_cast<int>(patience));
    if (ready < 0 && errno == EINTR) continue;
    if (waiting[1].revents != 0) return Waited::interrupted;
    if (waiting[0].revents != 0) return Waited::ready;
    if (patience == 0 || ready < 0) return Waited::late;
  }
}

}  // namespace hufu::net
