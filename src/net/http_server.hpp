#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "hufu/config.hpp"
#include "hufu/error.hpp"

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
  /// Takes the answer out of the handler's hands. The connection reads on only after it came.
  [[nodiscard]] virtual std::shared_ptr<Pending> defer() = 0;
};

/// What the server asks for every well-formed request; others it answers by itself (400, 408, 413,
/// 414, 417, 431, 501, 505) with a small `application/problem+json`, and closes. Called from all
/// server threads at once. Must either `reply` or `defer`, must not block and must not throw.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void handle(const Request& request, Exchange& exchange) = 0;
};

struct ServerStats {
  std::uint64_t connections = 0;  ///< Open now.
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  ///< Over the limit.
  std::uint64_t requests = 0;
};

/// An HTTP/1.1 server: keep-alive, pipelining (answers in order), limits on header, body,
/// connections and idle time. Beast parses; replies are formatted by hand (docs/decisions).
/// Connections over the limit are told 503. One thread accepts, and each connection then stays with
/// the thread that had the fewest.
///
/// Thread-safety: all members may be called from any thread; `stop` and the destructor not from a
/// handler.
class HttpServer {
 public:
  struct Options {
    std::string listen = "127.0.0.1:0";  ///< "HOST:PORT", "[::1]:PORT"; port 0: any free one.
    int threads = 1;                     ///< 0: one a core.
    ServerLimits limits;
  };

  /// Binds and starts to serve. Fault::config with a next step where the address cannot be used.
  static Result<std::unique_ptr<HttpServer>> start(Options options, Handler& handler);

  /// As `stop(0)`.
  ~HttpServer();
  /// The address it listens on, with the real port.
  [[nodiscard]] const std::string& address() const noexcept;
  [[nodiscard]] ServerStats stats() const noexcept;
  /// Stops to accept (whose connection is made by then, is let in), lets every request that has
  /// begun be answered (its connection then closes), and returns when all is done or `patience` is
  /// over. What is still open then is closed; a Pending left over is abandoned, and its answer goes
  /// nowhere.
  ///
  /// A client does not know that its idle connection is about to be closed, and may be sending at
  /// that moment. So idle connections are left open for `parting` (before `patience` begins; not a
  /// moment longer than there are any): what comes on one is answered, as its last.
  void stop(Milliseconds patience, Milliseconds parting = Milliseconds(0));

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hufu::net
