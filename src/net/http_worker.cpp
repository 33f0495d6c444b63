#include "net/http_worker.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace hufu::net {

namespace asio = boost::asio;

HttpWorker::HttpWorker(const ServerLimits& some_limits, Handler& a_handler, ServerState& state)
    : SessionContext(some_limits, a_handler),
      state_(state),
      tick_(std::clamp(std::min(limits.idle, limits.request) / 8, Milliseconds(5),
                       Milliseconds(1000))),
      replies_(std::make_shared<ReplyChannel>(
          loop_, [this](std::uint64_t session, std::uint64_t request_id, const OwnedReply* reply) {
            deliver(session, request_id, reply);
          })) {
  update_clock();
}

HttpWorker::~HttpWorker() {
  connections_.clear();
  replies_->close();
}

void HttpWorker::start() {
  wait_for_tick();
  thread_ = std::thread([this] { loop_.run(); });
}

void HttpWorker::join() {
  asio::post(loop_, [this] {
    for (auto& connection : all()) connection->close();
    loop_.stop();
  });
  if (thread_.joinable()) thread_.join();
}

void HttpWorker::add(TcpSocket socket, bool counted) {
  load_.fetch_add(1, std::memory_order_relaxed);
  asio::post(loop_, [this, counted, socket = std::move(socket)]() mutable {
    open(std::move(socket), counted);
  });
}

void HttpWorker::open(TcpSocket socket, bool counted) {
  auto id = ++last_id_;
  auto connection =
      std::make_shared<HttpConnection>(*this, TcpTransport(std::move(socket)), id, counted);
  connections_.emplace(id, connection);
  if (!counted) connection->session().reject(503);
  connection->proceed();
  if (closing_idle_) connection->close_if_idle();
}

void HttpWorker::drain() {
  asio::post(loop_, [this] {
    draining = true;
    // The last connection may have gone before this worker knew that somebody waits for that.
    state_.notify();
  });
}

void HttpWorker::close_idle() {
  asio::post(loop_, [this] {
    draining = closing_idle_ = true;
    for (auto& connection : all()) connection->close_if_idle();
    std::lock_guard lock(state_.mutex);
    ++state_.workers_closing_idle;
    state_.changed.notify_all();
  });
}

std::shared_ptr<Deferred> HttpWorker::defer(Http1Session& session, std::uint64_t request_id) {
  return std::make_shared<DeferredReply>(replies_, session.id(), request_id);
}

void HttpWorker::deliver(std::uint64_t session, std::uint64_t request_id, const OwnedReply* reply) {
  auto found = connections_.find(session);
  if (found == connections_.end()) return;
  auto connection = found->second;
  Http1Session& waiting = connection->session();
  if (reply == nullptr) {
    waiting.fail(request_id);
  } else if (reply->broken_off) {
    waiting.break_off(request_id, reply->body);
  } else {
    waiting.reply_deferred(request_id, reply->view());
  }
  connection->proceed();
}

void HttpWorker::remove(HttpConnection& connection) {
  bool counted = connection.counted();
  if (connections_.erase(connection.session().id()) == 0) return;
  load_.fetch_sub(1, std::memory_order_relaxed);
  --(counted ? state_.open : state_.rejecting);
  if (draining) state_.notify();
}

/// All connections, so that they may go while they are walked through; in the memory of `result`.
HttpWorker::Connections HttpWorker::all(Connections result) const {
  result.reserve(connections_.size());
  for (auto& [id, connection] : connections_) result.push_back(connection);
  return result;
}

void HttpWorker::update_clock() {
  now = system_clock().steady();
  auto second = std::chrono::floor<std::chrono::seconds>(system_clock().wall());
  if (std::exchange(second_, second) != second) date = date_line(second);
}

/// One timer for all connections: one a request would cost more than its parsing.
void HttpWorker::wait_for_tick() {
  timer_.expires_after(tick_);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    update_clock();
    checked_ = all(std::move(checked_));
    for (auto& connection : checked_) connection->check_timeouts();
    checked_.clear();
    wait_for_tick();
  });
}

}  // namespace hufu::net
