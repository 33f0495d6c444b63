#pragma once

#include <memory>
#include <string_view>

namespace hufu::net {

/// One parsed request. Every view lives until the handler returns; what is needed later is copied.
class Request {
 public:
  virtual ~Request() = default;
  std::string_view method;
  std::string_view path;   ///< As sent, before the '?'; not decoded.
  std::string_view query;  ///< As sent, after the '?'; not decoded.
  std::string_view body;
  std::string_view peer;  ///< The client's address, without its port.
  /// The first header of that name (any case), or an empty view.
  [[nodiscard]] virtual std::string_view header(std::string_view name) const noexcept = 0;
};

/// A reply with a body in memory. `headers` holds complete extra lines ("ETag: \"3\"\r\n").
struct Reply {
  int status = 200;
  std::string_view content_type = "application/json";
  std::string_view headers{};
  std::string_view body{};
};

/// The right to answer one request later. Thread-safety: `reply` may be called from any thread,
/// once; it copies what it needs. Dropping it unanswered answers 500. `abandoned` is true once the
/// client has hung up.
class Pending {
 public:
  virtual ~Pending() = default;
  virtual void reply(const Reply& reply) = 0;
  [[nodiscard]] virtual bool abandoned() const noexcept = 0;
  /// Instead of `reply`, for a server that misbehaves on purpose: sends `bytes` as they are and
  /// closes the connection; without bytes, resets it (RST). One without a connection answers 500.
  virtual void break_off(std::string_view bytes) {
    static_cast<void>(bytes);
    reply({500});
  }
};

/// What a handler answers through: at once, or later.
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// Formats the reply straight into the connection's buffer; allocates nothing once that is warm.
  virtual void reply(const Reply& reply) = 0;
  /// Puts the reply off: it may come later and from any thread. Until it has come, no later request
  /// of this connection is handled.
  [[nodiscard]] virtual std::shared_ptr<Pending> defer() = 0;
};

/// What the server calls for every well-formed request; others it answers by itself (400, 408, 413,
/// 414, 417, 431, 501, 505) with a small `application/problem+json`, and closes. Called from all
/// server threads at once. Must either `reply` or `defer`, must not block and must not throw.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void handle(const Request& request, Exchange& exchange) = 0;
};

}  // namespace hufu::net
