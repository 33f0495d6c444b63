#include "net/http_server.hpp"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "net/http_acceptor.hpp"
#include "net/http_worker.hpp"

namespace hufu::net {

class HttpServer::Impl {
 public:
  Impl(const Options& options, Handler& handler)
      : limits_(options.limits), workers_(make_workers(options.threads, handler)) {}
  ~Impl() { stop(Milliseconds(0), Milliseconds(0)); }

  Result<void> start(const std::string& listen) {
    if (auto opened = acceptor_.open(listen); !opened) return opened;
    acceptor_.start();
    for (auto& worker : workers_) worker->start();
    started_ = true;
    return {};
  }

  void stop(Milliseconds timeout, Milliseconds drain) {
    std::lock_guard once(stop_mutex_);
    if (std::exchange(stopped_, true)) return;
    if (started_) {
      stop_accepting();
      std::unique_lock lock(state_.mutex);
      state_.changed.wait_for(lock, drain, [&] { return state_.no_connections(); });
      for (auto& worker : workers_) worker->close_idle();
      state_.changed.wait(lock, [&] { return state_.workers_closing_idle == workers_.size(); });
      state_.changed.wait_for(lock, timeout, [&] { return state_.no_connections(); });
    }
    for (auto& worker : workers_) worker->join();
  }

  [[nodiscard]] const std::string& address() const { return acceptor_.address(); }
  [[nodiscard]] ServerStats stats() const {
    ServerStats stats;
    stats.connections = state_.open;
    stats.accepted = state_.accepted;
    stats.refused = state_.rejected;
    for (auto& worker : workers_) stats.requests += worker->served();
    return stats;
  }

 private:
  HttpAcceptor::Workers make_workers(int threads, Handler& handler) {
    auto cores = std::max(1U, std::thread::hardware_concurrency());
    HttpAcceptor::Workers workers(threads > 0 ? static_cast<unsigned>(threads) : cores);
    for (auto& worker : workers) worker = std::make_unique<HttpWorker>(limits_, handler, state_);
    return workers;
  }

  /// Returns when every accepted connection is with its worker and the workers drain.
  void stop_accepting() {
    acceptor_.stop([this] {
      for (auto& worker : workers_) worker->drain();
      std::lock_guard lock(state_.mutex);
      state_.accepting_stopped = true;
      state_.changed.notify_all();
    });
    std::unique_lock lock(state_.mutex);
    state_.changed.wait(lock, [&] { return state_.accepting_stopped; });
  }

  const ServerLimits limits_;
  ServerState state_;
  std::mutex stop_mutex_;
  bool started_ = false;
  bool stopped_ = false;
  HttpAcceptor::Workers workers_;
  HttpAcceptor acceptor_{workers_, limits_.connections, state_};  // Gone before the event loops.
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(Options options, Handler& handler) {
  auto impl = std::make_unique<Impl>(options, handler);
  if (auto started = impl->start(options.listen); !started) {
    return tl::unexpected(started.error());
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

const std::string& HttpServer::address() const noexcept { return impl_->address(); }
ServerStats HttpServer::stats() const noexcept { return impl_->stats(); }
void HttpServer::stop(Milliseconds timeout, Milliseconds drain) { impl_->stop(timeout, drain); }

}  // namespace hufu::net
