#include "net/http_acceptor.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "net/listen_address.hpp"

namespace hufu::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// How long no connection is accepted after the process ran out of file descriptors.
constexpr Milliseconds kAcceptPause = std::chrono::milliseconds(100);
/// So many connections over the limit are told so at a time; more are just closed.
constexpr std::size_t kMostRejections = 128;

/// What the host name stands for. "localhost" is both families; more clients try 127.0.0.1 alone
/// than ::1 alone.
std::vector<tcp::endpoint> resolve(asio::io_context& loop, const ListenAddress& address) {
  error_code error;
  tcp::resolver resolver(loop);
  auto found = resolver.resolve(address.host, std::to_string(address.port),
                                tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error) return {};
  std::vector<tcp::endpoint> endpoints(found.begin(), found.end());
  std::stable_partition(endpoints.begin(), endpoints.end(),
                        [](const auto& endpoint) { return endpoint.address().is_v4(); });
  return endpoints;
}

tl::unexpected<Error> cannot_listen(const ListenAddress& wanted, error_code error) {
  auto port = std::to_string(wanted.port);
  if (error == asio::error::address_in_use) {
    return fail(Fault::config,
                "port " + port + " is taken: another program listens on " + wanted.text(),
                "Stop that program (ss -ltnp shows it) or listen on another port");
  }
  if (error == boost::system::errc::permission_denied) {
    return fail(Fault::config, "port " + port + " needs a right this process does not have",
                "Listen on a port from 1024 up, or grant CAP_NET_BIND_SERVICE");
  }
  if (error == boost::system::errc::address_not_available) {
    return fail(Fault::config, wanted.host + " is not an address of this machine",
                "Listen on one that `ip address` shows, or on 0.0.0.0 for all of them");
  }
  return fail(Fault::config, "cannot listen on " + wanted.text() + ": " + error.message(),
              "Listen on another address");
}

}  // namespace

HttpAcceptor::HttpAcceptor(const Workers& workers, std::size_t most_connections, ServerState& state)
    : workers_(workers),
      most_connections_(most_connections),
      state_(state),
      acceptor_(workers.front()->loop()),
      pause_(workers.front()->loop()) {}

Result<void> HttpAcceptor::open(const std::string& listen) {
  auto wanted = ListenAddress::parse(listen);
  if (!wanted) return tl::unexpected(wanted.error());
  auto endpoints = resolve(workers_.front()->loop(), *wanted);
  if (endpoints.empty()) {
    return fail(Fault::config, "the host name \"" + wanted->host + "\" cannot be resolved",
                "Listen on an address of this machine, for one 127.0.0.1");
  }
  error_code error;
  for (const auto& endpoint : endpoints) {
    Acceptor acceptor(workers_.front()->loop());
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
    if (!error) acceptor.non_blocking(true, error);
    if (error) continue;
    acceptor_ = std::move(acceptor);
    auto bound = acceptor_.local_endpoint(error);
    address_ = ListenAddress{bound.address().to_string(), bound.port()}.text();
    return {};
  }
  return cannot_listen(*wanted, error);
}

void HttpAcceptor::start() { accept(); }

void HttpAcceptor::stop(std::function<void()> stopped) {
  auto& loop = workers_.front()->loop();
  asio::post(loop, [this, &loop, stopped = std::move(stopped)]() mutable {
    pause_.cancel();
    accept_what_is_queued();
    // Behind the accept that was outstanding: it may have completed with a connection.
    asio::post(loop, std::move(stopped));
  });
}

void HttpAcceptor::accept() {
  HttpWorker& worker = least_busy();
  acceptor_.async_accept(worker.loop(), [this, &worker](error_code error, TcpSocket socket) {
    if (!error) hand_over(worker, std::move(socket));
    if (!acceptor_.is_open()) return;
    if (error) return pause();
    accept();
  });
}

/// Accepts whatever the kernel has connected (as far as there are file descriptors) and stops
/// listening. Those clients may have sent their request, and the kernel resets what it holds for an
/// acceptor that is closed.
void HttpAcceptor::accept_what_is_queued() {
  error_code error;
  while (!error) {
    HttpWorker& worker = least_busy();
    TcpSocket socket = acceptor_.accept(worker.loop(), error);
    if (!error) hand_over(worker, std::move(socket));
  }
  acceptor_.close(error);
}

/// Out of file descriptors or memory: connections end, so it is tried again, but not in a busy
/// loop.
void HttpAcceptor::pause() {
  pause_.expires_after(kAcceptPause);
  pause_.async_wait([this](error_code error) {
    if (!error) accept();
  });
}

HttpWorker& HttpAcceptor::least_busy() const {
  return **std::min_element(workers_.begin(), workers_.end(),
                            [](const auto& a, const auto& b) { return a->load() < b->load(); });
}

void HttpAcceptor::hand_over(HttpWorker& worker, TcpSocket socket) {
  ++state_.accepted;
  const bool counted = state_.open < most_connections_;
  if (!counted) {
    ++state_.rejected;
    if (state_.rejecting >= kMostRejections) return;
  }
  ++(counted ? state_.open : state_.rejecting);
  worker.add(std::move(socket), counted);
}

}  // namespace hufu::net
