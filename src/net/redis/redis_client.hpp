#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"
#include "net/redis/redis_interrupt.hpp"
#include "net/redis/redis_reply.hpp"
#include "net/redis/redis_transport.hpp"
#include "net/redis/redis_uri.hpp"

namespace hufu::net {

/// How long Redis may take.
struct RedisPatience {
  /// From the name to a connection that is logged in; each Sentinel has as long again.
  Milliseconds connect = std::chrono::seconds(2);
  Milliseconds command =
      std::chrono::seconds(5);  ///< From the first byte sent to the last received.
};

/// The words of one command; views, which have to outlive the call.
using RedisCommand = std::vector<std::string_view>;

/// A Lua script. It goes by its SHA-1 where the server knows it, by its text where not.
class RedisScript {
 public:
  explicit RedisScript(std::string text);
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::string& sha1() const { return sha1_; }

 private:
  std::string text_;
  std::string sha1_;
};

/// A connection to one Redis (6 or later), logged in, with its database selected. Each call blocks,
/// within its patience, and is tried exactly once.
///
/// Where the URI names Sentinels, each is asked in turn for the primary, beginning with the one
/// that led there last, and what it names has to say itself that it is one. A connection does not
/// move: when it is `broken`, also because its server is no longer the primary or still loads, make
/// a new one.
///
/// The password is in no error. The commands' bytes are wiped after they were sent.
///
/// Thread-safety: as a std::string; a thread at a time.
class RedisConnection {
 public:
  /// Fault::store with a next step if there is none to be had. Raising `interrupt`, which may be
  /// null, ends this and every later call with a failure. The name is looked up within the bounds
  /// of the system's resolver.
  static Result<std::unique_ptr<RedisConnection>> connect(
      const RedisUri& uri, RedisPatience patience = {}, const RedisInterrupt* interrupt = nullptr);

  /// What Redis answered; its refusal is a failure, of Fault::store, whose message says what it
  /// means. After any other failure the connection is broken, and whether the command took place
  /// is not known.
  Result<RedisReply> command(std::span<const std::string_view> words);
  Result<RedisReply> command(std::initializer_list<std::string_view> words) {
    return command(std::span(words.begin(), words.size()));
  }
  /// A few commands in one round trip; an answer each, refusals included. Not one transaction.
  Result<std::vector<RedisReply>> pipeline(std::span<const RedisCommand> commands);
  /// Runs a script in one round trip, or in two if the server did not know it yet.
  Result<RedisReply> run(const RedisScript& script, std::span<const std::string_view> keys,
                         std::span<const std::string_view> arguments);

  /// Whether nothing more can be done with it.
  [[nodiscard]] bool broken() const { return broken_; }
  /// "HOST:PORT", for messages.
  [[nodiscard]] const std::string& peer() const { return transport_->peer(); }
  /// How often a command, or a pipeline, was sent to it.
  [[nodiscard]] std::uint64_t round_trips() const { return round_trips_; }

 private:
  friend class RedisSubscription;
  RedisConnection(std::unique_ptr<RedisTransport> transport, RedisPatience patience)
      : transport_(std::move(transport)), patience_(patience) {}

  static Result<std::unique_ptr<RedisConnection>> log_in(const RedisAddress& address,
                                                         const RedisUri& uri, std::string_view user,
                                                         const Secret& password,
                                                         std::uint32_t database,
                                                         RedisPatience patience,
                                                         const RedisInterrupt* interrupt);
  static Result<std::unique_ptr<RedisConnection>> ask_sentinel(const RedisAddress& sentinel,
                                                               const RedisUri& uri,
                                                               RedisPatience patience,
                                                               const RedisInterrupt* interrupt);
  Result<void> send(std::span<const RedisCommand> commands, RedisDeadline deadline);
  /// The next reply; null when the deadline passed or the interrupt was raised.
  Result<std::unique_ptr<RedisReply>> receive(RedisDeadline deadline);
  Result<RedisReply> answer(RedisDeadline deadline);
  tl::unexpected<Error> refused(const RedisReply& reply, std::string_view command);
  void note(const RedisReply& reply);

  std::unique_ptr<RedisTransport> transport_;
  RedisPatience patience_;
  RedisReader reader_;
  std::array<char, std::size_t(16) * 1024> buffer_{};  ///< Of what is on its way to `reader_`.
  std::uint64_t round_trips_ = 0;
  bool broken_ = false;
};

/// What was published on a channel.
struct RedisMessage {
  std::string channel;
  std::string text;
};

/// A connection that listens to channels.
///
/// Thread-safety: a thread at a time; another may raise the interrupt that it was given.
class RedisSubscription {
 public:
  /// Connects as RedisConnection does; whatever is published after it returned is received.
  static Result<std::unique_ptr<RedisSubscription>> open(const RedisUri& uri,
                                                         std::span<const std::string_view> channels,
                                                         RedisPatience patience = {},
                                                         const RedisInterrupt* interrupt = nullptr);

  /// The next message. None when nothing came for as long as `quiet` and the server, asked then,
  /// is still there, or when the interrupt was raised. A failure is final.
  Result<std::optional<RedisMessage>> next(Milliseconds quiet);

 private:
  RedisSubscription(std::unique_ptr<RedisConnection> connection, const RedisInterrupt* interrupt)
      : connection_(std::move(connection)), interrupt_(interrupt) {}

  std::unique_ptr<RedisConnection> connection_;
  const RedisInterrupt* interrupt_;
  std::deque<RedisMessage> received_;  ///< While the channels were being subscribed to.
};

}  // namespace hufu::net
