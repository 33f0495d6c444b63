#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "hufu/clock.hpp"
#include "net/byte_buffer.hpp"
#include "net/http_reply.hpp"
#include "net/http_request_reader.hpp"
#include "net/http_server.hpp"

namespace hufu::net {

class Conversation;

/// A Pending that can be told that nobody waits any more.
class Deferred : public Pending {
 public:
  virtual void abandon() noexcept = 0;
};

/// What all conversations of one thread have in common.
struct Surroundings {
  const ServerLimits& limits;
  Handler& handler;
  std::string date;            ///< The `Date` line of this second.
  SteadyTime now{};            ///< As of the last tick.
  bool stopping = false;       ///< Whatever can be the last answer of its connection is.
  std::uint64_t requests = 0;  ///< Handed to the handler so far.

  Surroundings(const ServerLimits& some_limits, Handler& a_handler)
      : limits(some_limits), handler(a_handler) {}
  virtual ~Surroundings() = default;
  /// Makes the Pending whose answer will come back as `conversation.answer(ticket, …)`.
  virtual std::shared_ptr<Deferred> defer(Conversation& conversation, std::uint64_t ticket) = 0;
};

/// The byte logic of one connection: what was received goes in, the handler is asked, what is to be
/// sent comes out, in the order of the requests. It knows no socket, no thread and no timer, so a
/// socket, a TLS stream, a test and a fuzzer can drive it alike.
///
/// The driver's part: receive into `room()` while `wants_input()`, say `received` or
/// `received_end`, send `outgoing()`, say `sent`; close once `finished()`.
/// Memory is bounded: no request is read while `kEnough` bytes wait to be sent, and while an answer
/// is awaited no more than a header's worth of later requests is taken in.
///
/// Thread-safety: none; everything happens on the thread of its driver.
class Conversation final : private Exchange {
 public:
  static constexpr std::size_t kEnough = 256 * 1024;

  /// `peer` is the client's address. `id` is the driver's name for this conversation.
  Conversation(Surroundings& around, std::string peer, std::uint64_t id);
  ~Conversation() override;
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  enum class Phase {
    idle,       ///< Between two requests; nothing to do.
    receiving,  ///< A request has begun and is not whole.
    waiting,    ///< The handler owes an answer.
    sending,    ///< The client owes a read.
    ending,     ///< All is sent; the connection is to be closed.
  };
  [[nodiscard]] Phase phase() const noexcept;
  /// When the request that is being received began.
  [[nodiscard]] SteadyTime request_began() const noexcept { return began_; }

  [[nodiscard]] bool wants_input() const noexcept;
  /// Free memory to receive into; stays valid until `received`, whatever else is called meanwhile.
  [[nodiscard]] std::span<char> room();
  void received(std::size_t count);
  /// Nothing more will come. A client that only closed its sending half still gets its answers, but
  /// one it waits for counts as abandoned.
  void received_end();

  [[nodiscard]] std::string_view outgoing() const noexcept { return out_.view(); }
  void sent(std::size_t count);

  /// The answer to a deferred request. Nothing happens if it is not awaited (any more).
  void answer(std::uint64_t ticket, const Reply& reply);
  /// As Pending::break_off. Nothing happens if the answer is not awaited (any more).
  void break_off(std::uint64_t ticket, std::string_view bytes);
  /// Whether the connection is to end with a reset.
  [[nodiscard]] bool wants_reset() const noexcept { return reset_; }
  /// The answer will never come: 500. Nothing happens if it is not awaited.
  void fail(std::uint64_t ticket);
  /// Answers by itself, in place of the handler, and ends the conversation.
  void refuse(int status);
  /// Whoever still works on an answer is told that nobody will get it.
  void abandon() noexcept;

  [[nodiscard]] bool finished() const noexcept { return ended_ && out_.empty(); }
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

 private:
  void reply(const Reply& reply) override;
  std::shared_ptr<Pending> defer() override;

  void advance();
  void ask_handler();
  void write(const Reply& reply, bool more_to_come);

  Surroundings& around_;
  std::string peer_;
  std::uint64_t id_;
  RequestReader reader_;
  ByteBuffer in_;
  ByteBuffer out_;
  SteadyTime began_{};
  std::size_t room_ = 0;      ///< What the last `room` gave.
  std::uint64_t ticket_ = 0;  ///< Of the last answer that was deferred.
  std::weak_ptr<Deferred> deferred_;
  bool begun_ = false;      ///< Part of a request was received.
  bool replied_ = false;    ///< The handler answered at once.
  bool waiting_ = false;    ///< The handler owes an answer.
  bool keep_alive_ = true;  ///< Of the request being answered.
  bool http10_ = false;
  bool head_ = false;
  bool input_ended_ = false;
  bool ended_ = false;    ///< No request will be answered any more.
  bool reset_ = false;    ///< The last answer was broken off.
  bool hurried_ = false;  ///< The client sends faster than is read.
};

}  // namespace hufu::net
