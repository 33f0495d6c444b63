#include "net/tcp_transport.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

namespace hufu::net {

namespace ip = boost::asio::ip;

TcpTransport::TcpTransport(TcpSocket socket) : socket_(std::move(socket)) {
  ErrorCode ignored;
  socket_.set_option(ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

std::string TcpTransport::peer_address() const {
  ErrorCode ignored;
  auto address = socket_.remote_endpoint(ignored).address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address.to_string();
}

void TcpTransport::cancel() {
  ErrorCode ignored;
  socket_.cancel(ignored);
}

bool TcpTransport::shutdown_send() {
  ErrorCode error;
  socket_.shutdown(TcpSocket::shutdown_send, error);
  return !error;
}

bool TcpTransport::all_acknowledged() {
  int unacknowledged = 1;
  return ::ioctl(socket_.native_handle(), SIOCOUTQ, &unacknowledged) == 0 && unacknowledged == 0;
}

void TcpTransport::reset() {
  ErrorCode ignored;
  socket_.set_option(TcpSocket::linger(true, 0), ignored);
  socket_.close(ignored);
}

void TcpTransport::close() {
  ErrorCode ignored;
  socket_.close(ignored);
}

}  // namespace hufu::net
