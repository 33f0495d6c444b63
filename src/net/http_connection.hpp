#pragma once

#include <cstdint>
#include <memory>

#include "hufu/clock.hpp"
#include "net/http1_session.hpp"
#include "net/tcp_transport.hpp"

namespace hufu::net {

class HttpWorker;

/// One connection: drives an Http1Session over a transport, and ends it when it takes too long.
///
/// Thread-safety: none; lives on the thread of its worker, and may outlive its place there for as
/// long as a callback is outstanding.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  /// `counted`: within the limit of connections; others are only told 503.
  HttpConnection(HttpWorker& worker, TcpTransport transport, std::uint64_t id, bool counted);

  /// Does whatever can be done: send, read on, or come to an end.
  void proceed();
  void close();
  /// Called once a tick: ends what takes too long.
  void check_timeouts();
  /// Closes the connection if it is idle. A request that has arrived unread is still answered.
  void close_if_idle();

  Http1Session& session() { return session_; }
  [[nodiscard]] bool counted() const { return counted_; }

 private:
  bool send();
  void receive();
  void on_received(TcpTransport::ErrorCode error, std::size_t count);
  void read_what_has_arrived();
  void finish();
  [[nodiscard]] bool longer_than(Milliseconds limit, SteadyTime since) const;

  HttpWorker& worker_;
  TcpTransport transport_;
  Http1Session session_;
  SteadyTime active_;       ///< When a byte last moved, as of the worker's tick.
  bool counted_;            ///< Within the limit of connections.
  bool receiving_ = false;  ///< A read is outstanding.
  bool sending_ = false;    ///< The kernel's buffer is full; a wait for it is outstanding.
  bool lingering_ = false;  ///< Our half is closed.
  bool closed_ = false;
};

}  // namespace hufu::net
