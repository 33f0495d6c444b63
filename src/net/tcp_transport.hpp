#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace hufu::net {

/// Everything names its executor: the type-erased one of Asio's defaults costs a tenth of a
/// request.
using Executor = boost::asio::io_context::executor_type;
using TcpSocket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;

/// The bytes of one connection, over plain TCP, without ever blocking.
///
/// Thread-safety: none; belongs to the thread of its event loop. Callbacks get an error code first
/// and run on that thread; memory that was handed in has to stay until they have run.
class TcpTransport {
 public:
  using ErrorCode = boost::system::error_code;

  explicit TcpTransport(TcpSocket socket);

  /// The client's address without its port; one of IPv4 in its own notation on an IPv6 socket too.
  [[nodiscard]] std::string peer_address() const;

  /// Sends what the kernel takes at once. `would_block` when that is nothing.
  std::size_t write_some(std::string_view bytes, ErrorCode& error) {
    return socket_.write_some(boost::asio::buffer(bytes.data(), bytes.size()), error);
  }
  /// Receives what has arrived already. `would_block` when that is nothing.
  std::size_t read_some(std::span<char> into, ErrorCode& error) {
    return socket_.read_some(boost::asio::buffer(into.data(), into.size()), error);
  }
  template <class Callback>
  void async_read_some(std::span<char> into, Callback&& callback) {
    socket_.async_read_some(boost::asio::buffer(into.data(), into.size()),
                            std::forward<Callback>(callback));
  }
  /// Calls it when whatever is ready now has had its turn.
  template <class Callback>
  void post(Callback&& callback) {
    boost::asio::post(socket_.get_executor(), std::forward<Callback>(callback));
  }
  template <class Callback>
  void async_wait_writable(Callback&& callback) {
    socket_.async_wait(TcpSocket::wait_write, std::forward<Callback>(callback));
  }
  /// Callbacks that are outstanding are called with `operation_aborted`, or with what they were
  /// waiting for if that has come.
  void cancel();

  /// Closes the sending half. False if the connection is gone.
  bool shutdown_send();
  /// Whether the client's kernel has acknowledged every byte: closing then cannot lose any of them.
  [[nodiscard]] bool all_acknowledged();
  /// Closes with a reset (RST) instead of an orderly end.
  void reset();
  void close();

 private:
  TcpSocket socket_;
};

}  // namespace hufu::net
