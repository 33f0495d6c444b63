#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "net/http1_session.hpp"

namespace hufu::net {

/// A Reply that owns what it says; its body is wiped.
struct OwnedReply {
  explicit OwnedReply(const Reply& reply);
  /// Of Pending::break_off: `body` is all the bytes there are.
  explicit OwnedReply(std::string_view bytes);
  ~OwnedReply();
  OwnedReply(OwnedReply&&) = default;
  OwnedReply& operator=(OwnedReply&&) = default;
  [[nodiscard]] Reply view() const { return {status, content_type, headers, body}; }

  int status = 0;
  std::string content_type;
  std::string headers;
  std::string body;
  bool broken_off = false;
};

/// How deferred replies get from any thread to the event loop of a worker. It outlives the worker
/// for as long as somebody holds a Pending; replies that come after `close` are dropped.
///
/// Thread-safety: all members may be called from any thread.
class ReplyChannel {
 public:
  /// Called on the event loop's thread. A null reply says that none will come.
  using Deliver =
      std::function<void(std::uint64_t session, std::uint64_t request_id, const OwnedReply* reply)>;

  ReplyChannel(boost::asio::io_context& loop, Deliver deliver)
      : loop_(&loop), deliver_(std::move(deliver)) {}
  /// Returns when the loop is no longer in use by a `post`.
  void close();
  void post(std::uint64_t session, std::uint64_t request_id, std::unique_ptr<OwnedReply> reply);

 private:
  std::mutex mutex_;
  boost::asio::io_context* loop_;  ///< Null once closed.
  const Deliver deliver_;
};

/// The Pending of a request that a server received.
class DeferredReply final : public Deferred {
 public:
  DeferredReply(std::shared_ptr<ReplyChannel> channel, std::uint64_t session,
                std::uint64_t request_id)
      : channel_(std::move(channel)), session_(session), request_id_(request_id) {}
  ~DeferredReply() override;
  void reply(const Reply& reply) override;
  void break_off(std::string_view bytes) override;
  [[nodiscard]] bool abandoned() const noexcept override { return abandoned_; }
  void abandon() noexcept override { abandoned_ = true; }

 private:
  std::shared_ptr<ReplyChannel> channel_;
  const std::uint64_t session_;
  const std::uint64_t request_id_;
  std::atomic<bool> replied_{false};
  std::atomic<bool> abandoned_{false};
};

}  // namespace hufu::net
