#include "net/http_connection.hpp"

#include <boost/asio/error.hpp>
#include <utility>

#include "net/http_worker.hpp"

namespace hufu::net {
namespace {

namespace asio = boost::asio;

/// How long a connection is kept after its last reply was sent (a lingering close), so that bytes
/// of the client that are still on their way do not make the kernel reset it before that reply was
/// read.
constexpr Milliseconds kLinger = std::chrono::seconds(2);

}  // namespace

HttpConnection::HttpConnection(HttpWorker& worker, TcpTransport transport, std::uint64_t id,
                               bool counted)
    : worker_(worker),
      transport_(std::move(transport)),
      session_(worker, transport_.peer_address(), id),
      active_(worker.now),
      counted_(counted) {}

void HttpConnection::proceed() {
  worker_.publish_requests();
  if (closed_ || !send()) return;
  if (session_.finished()) {
    finish();
  } else if (worker_.closing_idle() && session_.phase() == Http1Session::Phase::idle) {
    return close_if_idle();
  }
  // In its turn behind the connections that are ready now: by then the next request has often come,
  // and a read that finds nothing is a call of the kernel for nothing.
  transport_.post([self = shared_from_this()] { self->receive(); });
}

/// Sends what there is; false if some of it must wait (or never will be sent).
bool HttpConnection::send() {
  while (!session_.outgoing().empty()) {
    if (sending_) break;
    TcpTransport::ErrorCode error;
    // Tried at once: a socket is nearly always ready to take a reply, and no handler is needed.
    auto count = transport_.write_some(session_.outgoing(), error);
    if (error == asio::error::would_block) {
      sending_ = true;
      transport_.async_wait_writable([self = shared_from_this()](TcpTransport::ErrorCode failure) {
        self->sending_ = false;
        if (failure) return self->close();
        self->proceed();
      });
      break;
    }
    if (error) {
      close();
      return false;
    }
    active_ = worker_.now;
    session_.sent(count);
  }
  if (sending_) receive();  // Up to the bound, later requests are buffered meanwhile.
  return !sending_;
}

void HttpConnection::receive() {
  if (closed_ || receiving_ || !(lingering_ || session_.wants_input())) return;
  receiving_ = true;
  transport_.async_read_some(
      session_.prepare(),
      [self = shared_from_this()](TcpTransport::ErrorCode error, std::size_t count) {
        self->on_received(error, count);
      });
}

void HttpConnection::on_received(TcpTransport::ErrorCode error, std::size_t count) {
  receiving_ = false;
  if (closed_) return;
  if (error == asio::error::operation_aborted && worker_.closing_idle()) {
    return read_what_has_arrived();
  }
  if (error == asio::error::eof) {
    if (lingering_) return close();
    session_.received_end();
  } else if (error) {
    return close();
  } else if (!lingering_) {
    active_ = worker_.now;
    session_.received(count);
  }
  proceed();
}

/// Everything is sent. Closes our half and reads on until the client has closed its own: to close
/// with unread bytes would reset the connection and could take the last reply with it.
void HttpConnection::finish() {
  if (std::exchange(lingering_, true)) return;
  active_ = worker_.now;
  const bool done = worker_.draining && transport_.all_acknowledged();
  if (session_.wants_reset()) {
    transport_.reset();
    return close();
  }
  if (!transport_.shutdown_send() || done) close();
}

void HttpConnection::close() {
  if (std::exchange(closed_, true)) return;
  auto self = shared_from_this();
  session_.abandon();
  transport_.close();
  worker_.remove(*this);
}

bool HttpConnection::longer_than(Milliseconds limit, SteadyTime since) const {
  // `since` may be as old as the tick before the moment it stands for.
  return worker_.now - since > limit + worker_.tick();
}

void HttpConnection::check_timeouts() {
  if (closed_) return;
  const auto& limits = worker_.limits;
  if (lingering_) {
    if (longer_than(kLinger, active_) || (worker_.draining && transport_.all_acknowledged())) {
      close();
    }
    return;
  }
  switch (session_.phase()) {
    case Http1Session::Phase::idle:
    case Http1Session::Phase::sending:
      if (longer_than(limits.idle, active_)) close();
      break;
    case Http1Session::Phase::receiving:
      if (!longer_than(limits.request, session_.request_began())) break;
      session_.reject(408);
      proceed();
      break;
    case Http1Session::Phase::waiting:
    case Http1Session::Phase::ending: break;
  }
}

void HttpConnection::close_if_idle() {
  if (closed_ || lingering_ || session_.phase() != Http1Session::Phase::idle) return;
  // A request may have arrived that nobody has read yet. Cancelling the outstanding read is free of
  // races: it brings that request, or the moment to look for it once more.
  if (receiving_) {
    transport_.cancel();
  } else {
    read_what_has_arrived();
  }
}

/// If nothing has, this connection is done. (To close our receiving half instead would end the
/// outstanding read too, but then the kernel answers whatever the client sends next with a reset,
/// and that can destroy a reply the client has not read yet.)
void HttpConnection::read_what_has_arrived() {
  TcpTransport::ErrorCode error;
  auto count = transport_.read_some(session_.prepare(), error);
  if (error == asio::error::would_block) error = asio::error::eof;
  on_received(error, count);
}

}  // namespace hufu::net
