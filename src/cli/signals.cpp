#include "cli/signals.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <utility>

namespace hufu::cli {
namespace asio = boost::asio;

class Signals::Impl {
 public:
  Impl() {
    termination_.async_wait([this](const boost::system::error_code& cancelled, int) {
      if (!cancelled) loop_.stop();
    });
  }

  void on_hangup(std::function<void()> handle) {
    handle_hangup_ = std::move(handle);
    hangup_.add(SIGHUP);
    await_hangup();
  }

  void post(std::function<void()> work) { asio::post(loop_, std::move(work)); }
  void end() { loop_.stop(); }

  void wait() {
    loop_.run();
    termination_.clear();
  }

 private:
  void await_hangup() {
    hangup_.async_wait([this](const boost::system::error_code& cancelled, int) {
      if (cancelled) return;
      handle_hangup_();
      await_hangup();
    });
  }

  asio::io_context loop_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(loop_);
  asio::signal_set termination_{loop_, SIGINT, SIGTERM};
  asio::signal_set hangup_{loop_};
  std::function<void()> handle_hangup_;
};

Signals::Signals() : impl_(std::make_unique<Impl>()) {}
Signals::~Signals() = default;
void Signals::on_hangup(std::function<void()> handle) { impl_->on_hangup(std::move(handle)); }
void Signals::post(std::function<void()> work) { impl_->post(std::move(work)); }
void Signals::end() { impl_->end(); }
void Signals::wait() { impl_->wait(); }

}  // namespace hufu::cli
