#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hufu/error.hpp"
#include "net/http_worker.hpp"

namespace hufu::net {

/// Accepts connections and shares them out: each stays with the worker that had the fewest. Those
/// over the limit are told 503.
///
/// One thread, the first worker's, accepts for all: SO_REUSEPORT would share connections out
/// unevenly, and would let a second server take the same port unnoticed.
///
/// Thread-safety: belongs to whoever owns it; `stop` may be called while the workers run.
class HttpAcceptor {
 public:
  using Workers = std::vector<std::unique_ptr<HttpWorker>>;

  /// There is at least one worker, and they outlive the acceptor.
  HttpAcceptor(const Workers& workers, std::size_t most_connections, ServerState& state);

  /// Binds and listens. Fault::config with a next step where the address cannot be used.
  Result<void> open(const std::string& listen);
  /// Accepts from now on. To be called before the workers start.
  void start();
  /// Accepts whoever is connected by now, stops listening, and calls `stopped` on the first
  /// worker's thread once each of those connections has been handed to its worker.
  void stop(std::function<void()> stopped);

  /// The address it listens on, with the real port.
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, Executor>;

  void accept();
  void accept_what_is_queued();
  void pause();
  HttpWorker& least_busy() const;
  void hand_over(HttpWorker& worker, TcpSocket socket);

  const Workers& workers_;
  const std::size_t most_connections_;
  ServerState& state_;
  std::string address_;
  Acceptor acceptor_;
  SteadyTimer pause_;
};

}  // namespace hufu::net
