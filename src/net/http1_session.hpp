#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "hufu/clock.hpp"
#include "hufu/config.hpp"
#include "net/byte_buffer.hpp"
#include "net/http_handler.hpp"
#include "net/http_reply.hpp"
#include "net/http_request_reader.hpp"

namespace hufu::net {

class Http1Session;

/// A Pending that can be told that its client has gone.
class Deferred : public Pending {
 public:
  virtual void abandon() noexcept = 0;
};

/// What all sessions of one thread have in common.
struct SessionContext {
  const ServerLimits& limits;
  Handler& handler;
  std::string date;            ///< The `Date` line of this second.
  SteadyTime now{};            ///< As of the last tick.
  bool draining = false;       ///< Each reply that can be the last of its connection is.
  std::uint64_t requests = 0;  ///< Handed to the handler so far.

  SessionContext(const ServerLimits& some_limits, Handler& a_handler)
      : limits(some_limits), handler(a_handler) {}
  virtual ~SessionContext() = default;
  /// Makes the Pending whose reply will come back as `session.reply_deferred(request_id, …)`.
  virtual std::shared_ptr<Deferred> defer(Http1Session& session, std::uint64_t request_id) = 0;
};

/// The HTTP/1.1 protocol of one connection: received bytes go in, the handler is called, bytes to
/// be sent come out, in the order of the requests. It knows no socket, no thread and no timer, so a
/// socket, a TLS stream, a test and a fuzzer can drive it alike.
///
/// The driver's part: receive into `prepare()` while `wants_input()`, call `received` or
/// `received_end`, send `outgoing()`, call `sent`; close the connection once `finished()`.
/// Memory is bounded: no request is read while `kOutputHighWater` bytes wait to be sent, and while
/// a deferred reply is outstanding, no more than a header's worth of later requests is buffered.
///
/// Thread-safety: none; everything happens on the thread of its driver.
class Http1Session final : private Exchange {
 public:
  static constexpr std::size_t kOutputHighWater = 256 * 1024;

  /// `peer` is the client's address. `id` is the driver's name for this session.
  Http1Session(SessionContext& context, std::string peer, std::uint64_t id);
  ~Http1Session() override;
  Http1Session(const Http1Session&) = delete;
  Http1Session& operator=(const Http1Session&) = delete;

  enum class Phase {
    idle,       ///< Between two requests; nothing to do.
    receiving,  ///< A request has begun and is not complete.
    waiting,    ///< A deferred reply is outstanding.
    sending,    ///< Output is waiting for the client to read.
    ending,     ///< Everything is sent; the connection is to be closed.
  };
  [[nodiscard]] Phase phase() const noexcept;
  /// When the request that is being received began.
  [[nodiscard]] SteadyTime request_began() const noexcept { return began_; }

  [[nodiscard]] bool wants_input() const noexcept;
  /// Free memory to receive into; stays valid until `received`, whatever else is called meanwhile.
  [[nodiscard]] std::span<char> prepare();
  void received(std::size_t count);
  /// Nothing more will come. A client that only closed its sending half still gets its replies, but
  /// a deferred one counts as abandoned.
  void received_end();

  [[nodiscard]] std::string_view outgoing() const noexcept { return out_.view(); }
  void sent(std::size_t count);

  /// The reply to a deferred request. Does nothing if it is not outstanding (any more).
  void reply_deferred(std::uint64_t request_id, const Reply& reply);
  /// As Pending::break_off. Does nothing if the reply is not outstanding (any more).
  void break_off(std::uint64_t request_id, std::string_view bytes);
  /// Whether the connection is to end with a reset.
  [[nodiscard]] bool wants_reset() const noexcept { return reset_; }
  /// The deferred reply will never come: 500. Does nothing if it is not outstanding.
  void fail(std::uint64_t request_id);
  /// Replies with the server's own error, in place of the handler, and ends the session.
  void reject(int status);
  /// Tells whoever works on a deferred reply that the client will not get it.
  void abandon() noexcept;

  [[nodiscard]] bool finished() const noexcept { return ended_ && out_.empty(); }
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

 private:
  void reply(const Reply& reply) override;
  std::shared_ptr<Pending> defer() override;

  void process_input();
  void call_handler();
  void write(const Reply& reply, bool more_to_come);

  SessionContext& context_;
  std::string peer_;
  std::uint64_t id_;
  RequestReader reader_;
  ByteBuffer in_;
  ByteBuffer out_;
  SteadyTime began_{};
  std::size_t prepared_ = 0;      ///< What the last `prepare` gave.
  std::uint64_t request_id_ = 0;  ///< Of the last request that was deferred.
  std::weak_ptr<Deferred> deferred_;
  bool begun_ = false;      ///< Part of a request was received.
  bool replied_ = false;    ///< The handler replied at once.
  bool waiting_ = false;    ///< A deferred reply is outstanding.
  bool keep_alive_ = true;  ///< Of the request being answered.
  bool http10_ = false;
  bool head_ = false;
  bool input_ended_ = false;
  bool ended_ = false;             ///< No request will be answered any more.
  bool reset_ = false;             ///< The last reply was broken off.
  bool filled_last_read_ = false;  ///< The client sends faster than is read.
};

}  // namespace hufu::net
