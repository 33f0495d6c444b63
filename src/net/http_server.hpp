#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "net/http_handler.hpp"

namespace hufu::net {

struct ServerStats {
  std::uint64_t connections = 0;  ///< Open now.
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  ///< Over the limit.
  std::uint64_t requests = 0;
};

/// An HTTP/1.1 server: keep-alive, pipelining (answers in order), limits on header, body,
/// connections and idle time. Beast parses; replies are formatted by hand (docs/decisions).
/// Connections over the limit are told 503. One thread accepts (HttpAcceptor), and each connection
/// (HttpConnection) then stays with the thread that had the fewest (HttpWorker).
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
  /// Stops accepting (after whoever is connected by then), lets every request that has begun be
  /// answered (its connection then closes), and returns when all is done or `timeout` is over. What
  /// is still open then is closed; a Pending left over is abandoned, and its reply goes nowhere.
  ///
  /// A client does not know that its idle connection is about to be closed, and may be sending at
  /// that moment. So before `timeout` begins, idle connections are drained: left open for `drain`
  /// (not a moment longer than there are any), and what comes on one is answered, as its last.
  void stop(Milliseconds timeout, Milliseconds drain = Milliseconds(0));

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hufu::net
