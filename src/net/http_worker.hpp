#pragma once

#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "net/deferred_reply.hpp"
#include "net/http1_session.hpp"
#include "net/http_connection.hpp"
#include "net/tcp_transport.hpp"

namespace hufu::net {

using SteadyTimer = boost::asio::basic_waitable_timer<
    std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;

/// What acceptor and workers count together, and how far a shutdown has come.
struct ServerState {
  std::atomic<std::size_t> open{0};       ///< Connections within the limit.
  std::atomic<std::size_t> rejecting{0};  ///< Connections over it that are being told so.
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> rejected{0};

  std::mutex mutex;
  std::condition_variable changed;  ///< Also when the last connection goes.
  bool accepting_stopped = false;   ///< Guarded by the mutex, as is the next one.
  std::size_t workers_closing_idle = 0;

  [[nodiscard]] bool no_connections() const { return open == 0 && rejecting == 0; }
  void notify() {
    std::lock_guard lock(mutex);
    changed.notify_all();
  }
};

/// One thread with its event loop and its connections.
///
/// Thread-safety: what is called from any thread says so; everything else belongs to the worker's
/// own thread, or to whoever owns it before `start` and after `join`.
class HttpWorker final : public SessionContext {
 public:
  HttpWorker(const ServerLimits& some_limits, Handler& a_handler, ServerState& state);
  ~HttpWorker() override;

  void start();
  /// Ends the event loop and closes whatever is still open. From any thread but its own.
  void join();

  /// From any thread: takes a connection over. `counted` as in HttpConnection.
  void add(TcpSocket socket, bool counted);
  /// From any thread: from now on each reply is the last of its connection.
  void drain();
  /// From any thread: drains, and closes connections that are or become idle.
  void close_idle();

  std::shared_ptr<Deferred> defer(Http1Session& session, std::uint64_t request_id) override;
  /// The connection is closed.
  void remove(HttpConnection& connection);

  void publish_requests() { published_requests_.store(requests, std::memory_order_relaxed); }
  /// From any thread: requests handed to the handler.
  [[nodiscard]] std::uint64_t served() const {
    return published_requests_.load(std::memory_order_relaxed);
  }
  /// From any thread: connections.
  [[nodiscard]] std::size_t load() const { return load_.load(std::memory_order_relaxed); }
  /// How often `now` moves and time limits are checked.
  [[nodiscard]] Milliseconds tick() const { return tick_; }
  [[nodiscard]] bool closing_idle() const { return closing_idle_; }
  boost::asio::io_context& loop() { return loop_; }

 private:
  using Connections = std::vector<std::shared_ptr<HttpConnection>>;

  void open(TcpSocket socket, bool counted);
  void deliver(std::uint64_t session, std::uint64_t request_id, const OwnedReply* reply);
  Connections all(Connections result = {}) const;
  void update_clock();
  void wait_for_tick();

  ServerState& state_;
  const Milliseconds tick_;
  boost::asio::io_context loop_{1};
  SteadyTimer timer_{loop_};
  std::thread thread_;
  std::shared_ptr<ReplyChannel> replies_;
  std::chrono::sys_seconds second_{};
  std::uint64_t last_id_ = 0;
  bool closing_idle_ = false;
  std::unordered_map<std::uint64_t, std::shared_ptr<HttpConnection>> connections_;
  Connections checked_;  ///< Kept only for its memory.
  std::atomic<std::size_t> load_{0};
  std::atomic<std::uint64_t> published_requests_{0};
};

}  // namespace hufu::net
