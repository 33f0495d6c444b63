#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "hufu/error.hpp"
#include "net/redis/redis_interrupt.hpp"
#include "net/redis/redis_uri.hpp"

namespace hufu::net {

/// When an operation has to be over.
using RedisDeadline = std::chrono::steady_clock::time_point;

/// A TCP connection, with or without TLS, on which nothing waits longer than it is told to.
/// Not thread-safe. Every failure is final: nothing is sent or received after it.
class RedisTransport {
 public:
  /// Connects to `address`; over TLS, if `uri` says so, with a certificate that was issued by an
  /// authority that is trusted and for this very host. `interrupt` may be null.
  static Result<std::unique_ptr<RedisTransport>> connect(const RedisAddress& address,
                                                         const RedisUri& uri,
                                                         RedisDeadline deadline,
                                                         const RedisInterrupt* interrupt);
  RedisTransport(const RedisTransport&) = delete;
  RedisTransport& operator=(const RedisTransport&) = delete;
  ~RedisTransport();

  /// Sends all of `bytes`.
  Result<void> send(std::string_view bytes, RedisDeadline deadline);
  /// Receives at least one byte; none when the deadline passed or the interrupt was raised, which
  /// is no failure. An end of the connection is one.
  Result<std::size_t> receive(std::span<char> into, RedisDeadline deadline);

  /// "HOST:PORT", for messages.
  [[nodiscard]] const std::string& peer() const { return peer_; }

 private:
  enum class Waited { ready, late, interrupted };
  struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  RedisTransport(std::string peer, const RedisInterrupt* interrupt)
      : peer_(std::move(peer)), interrupt_(interrupt) {}

  Result<void> connect_socket(const RedisAddress& address, RedisDeadline deadline);
  Result<void> start_tls(const std::string& host, const RedisUri& uri, RedisDeadline deadline);
  [[nodiscard]] Error tls_refusal(const std::string& host) const;
  [[nodiscard]] Waited wait(short events, RedisDeadline deadline) const;
  /// Waits for what OpenSSL wanted when it gave `outcome`; late where it wanted nothing more.
  Result<Waited> wait_for_tls(int outcome, RedisDeadline deadline) const;

  std::string peer_;
  const RedisInterrupt* interrupt_;
  int socket_ = -1;
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::unique_ptr<SSL, FreeSsl> ssl_;  ///< Null without TLS.
};

}  // namespace hufu::net
