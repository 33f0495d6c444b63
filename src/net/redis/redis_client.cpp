#include "net/redis/redis_client.hpp"

#include <hiredis/hiredis.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

namespace hufu::net {
namespace {

using Kind = RedisReply::Kind;

/// So many bytes of a pipeline are sent in one go.
constexpr std::size_t kPacket = 32 * 1024;

RedisDeadline within(Milliseconds patience) { return std::chrono::steady_clock::now() + patience; }

/// Redis refuses PING, too, while it could not save to its disk; but it answers, and can be read.
bool only_cannot_save(const RedisReply& pong) {
  return pong.is(Kind::refusal) && refusal_is(pong.text, "MISCONF");
}

tl::unexpected<Error> late(const std::string& peer) {
  return fail(Fault::store, "Redis at " + peer + " does not answer in time",
              "look at its load, and at the network between");
}

/// Commands as Redis reads them; wiped when they were sent.
class Wire {
 public:
  Wire() = default;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire() { clear(); }

  void add(const RedisCommand& command) {
    std::vector<const char*> words;
    std::vector<std::size_t> sizes;
    for (const std::string_view word : command) {
      words.push_back(word.data() != nullptr ? word.data() : "");
      sizes.push_back(word.size());
    }
    char* formatted = nullptr;
    const long long size = redisFormatCommandArgv(&formatted, static_cast<int>(words.size()),
                                                  words.data(), sizes.data());
    if (size < 0) throw std::bad_alloc();
    const auto length = static_cast<std::size_t>(size);
    // Growing by itself, a string would leave a copy behind that nobody wipes.
    if (bytes_.capacity() < bytes_.size() + length) {
      std::string larger;
      larger.reserve(std::max(kPacket, bytes_.size()) + length);
      larger = bytes_;
      wipe(bytes_);
      bytes_ = std::move(larger);
    }
    bytes_.append(formatted, length);
    OPENSSL_cleanse(formatted, length);
    redisFreeCommand(formatted);
  }
  void clear() { wipe(bytes_); }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// Refusals that a command on another connection may not meet: this server is not the one to ask.
bool is_about_server(std::string_view refusal) {
  return refusal_is(refusal, "READONLY") || refusal_is(refusal, "LOADING") ||
         refusal_is(refusal, "MASTERDOWN");
}

/// The message that a push of a subscribed connection holds.
std::optional<RedisMessage> message_in(RedisReply& reply) {
  if (!reply.is(Kind::array) || reply.elements.size() != 3) return std::nullopt;
  if (reply.elements[0].text != "message") return std::nullopt;
  return RedisMessage{std::move(reply.elements[1].text), std::move(reply.elements[2].text)};
}

}  // namespace

RedisScript::RedisScript(std::string text) : text_(std::move(text)) {
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text_.data()), text_.size(), digest.data());
  static constexpr char kDigits[] = "0123456789abcdef";
  for (const unsigned char byte : digest) {
    sha1_ += kDigits[byte >> 4];
    sha1_ += kDigits[byte & 0xf];
  }
}

// ---- Connecting ----

Result<std::unique_ptr<RedisConnection>> RedisConnection::connect(const RedisUri& uri,
                                                                  RedisPatience patience,
                                                                  const RedisInterrupt* interrupt) {
  if (uri.primary.empty()) {
    return log_in(uri.hosts.front(), uri, uri.user, uri.password, uri.database, patience,
                  interrupt);
  }
  Result<std::unique_ptr<RedisConnection>> found;
  const std::size_t first = uri.led_there->load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < uri.hosts.size(); ++i) {
    const std::size_t place = (first + i) % uri.hosts.size();
    found = ask_sentinel(uri.hosts[place], uri, patience, interrupt);
    if (found) uri.led_there->store(place, std::memory_order_relaxed);
    if (found || (interrupt != nullptr && interrupt->raised())) break;
  }
  return found;
}

/// To the primary that this Sentinel names.
Result<std::unique_ptr<RedisConnection>> RedisConnection::ask_sentinel(
    const RedisAddress& sentinel, const RedisUri& uri, RedisPatience patience,
    const RedisInterrupt* interrupt) {
  const bool same = !uri.sentinel_user.empty() && uri.sentinel_password.empty();
  auto asked = log_in(sentinel, uri, uri.sentinel_user, same ? uri.password : uri.sentinel_password,
                      0, patience, interrupt);
  if (!asked) return asked;
  auto told = (*asked)->command({"SENTINEL", "get-master-addr-by-name", uri.primary});
  if (!told) return tl::unexpected(told.error());
  if (told->elements.size() != 2) {
    return fail(
        Fault::store,
        "the Sentinel at " + sentinel.text() + " knows no primary of the name " + uri.primary,
        "write the name that its configuration gives: sentinel monitor NAME …");
  }
  const RedisAddress address{told->elements[0].text,
                             static_cast<std::uint16_t>(std::atoi(told->elements[1].text.c_str()))};
  auto made = log_in(address, uri, uri.user, uri.password, uri.database, patience, interrupt);
  if (!made) return made;
  // A Sentinel that does not know of a switch yet names the primary of before.
  auto role = (*made)->command({"ROLE"});
  if (!role) return tl::unexpected(role.error());
  if (role->elements.empty() || role->elements.front().text != "master") {
    return fail(Fault::store,
                "the Sentinel at " + sentinel.text() + " names Redis at " + address.text() +
                    " as the primary, which says that it is not",
                "wait until the Sentinels agree; SENTINEL CKQUORUM tells whether they can");
  }
  return made;
}

Result<std::unique_ptr<RedisConnection>> RedisConnection::log_in(
    const RedisAddress& address, const RedisUri& uri, std::string_view user, const Secret& password,
    std::uint32_t database, RedisPatience patience, const RedisInterrupt* interrupt) {
  const RedisDeadline deadline = within(patience.connect);
  auto transport = RedisTransport::connect(address, uri, deadline, interrupt);
  if (!transport) return tl::unexpected(transport.error());
  std::unique_ptr<RedisConnection> made(new RedisConnection(std::move(*transport), patience));

  std::vector<RedisCommand> commands;
  const std::string number = std::to_string(database);
  if (!password.empty()) {
    commands.push_back({"AUTH"});
    if (!user.empty()) commands.back().push_back(user);
    commands.back().push_back(password.reveal());
  }
  if (database != 0) commands.push_back({"SELECT", number});
  // Something has to be asked: a server that is full says so only then.
  if (commands.empty()) commands.push_back({"PING"});

  if (auto sent = made->send(commands, deadline); !sent) return tl::unexpected(sent.error());
  for (const RedisCommand& command : commands) {
    auto reply = made->answer(deadline);
    if (!reply) return tl::unexpected(reply.error());
    if (command.front() == "PING" && only_cannot_save(*reply)) continue;
    if (reply->is(Kind::refusal)) return made->refused(*reply, command.front());
  }
  return made;
}

// ---- Asking ----

Result<RedisReply> RedisConnection::command(std::span<const std::string_view> words) {
  const RedisCommand command(words.begin(), words.end());
  auto replies = pipeline({&command, 1});
  if (!replies) return tl::unexpected(replies.error());
  RedisReply& reply = replies->front();
  if (reply.is(Kind::refusal)) return refused(reply, words.front());
  return std::move(reply);
}

Result<std::vector<RedisReply>> RedisConnection::pipeline(std::span<const RedisCommand> commands) {
  const RedisDeadline deadline = within(patience_.command);
  if (auto sent = send(commands, deadline); !sent) return tl::unexpected(sent.error());
  std::vector<RedisReply> replies;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    auto reply = answer(deadline);
    if (!reply) return tl::unexpected(reply.error());
    replies.push_back(std::move(*reply));
  }
  return replies;
}

Result<RedisReply> RedisConnection::run(const RedisScript& script,
                                        std::span<const std::string_view> keys,
                                        std::span<const std::string_view> arguments) {
  const std::string count = std::to_string(keys.size());
  RedisCommand command = {"EVALSHA", script.sha1(), count};
  command.insert(command.end(), keys.begin(), keys.end());
  command.insert(command.end(), arguments.begin(), arguments.end());
  auto replies = pipeline({&command, 1});
  if (replies && replies->front().is(Kind::refusal) &&
      replies->front().text.starts_with("NOSCRIPT")) {
    command[0] = "EVAL";
    command[1] = script.text();
    replies = pipeline({&command, 1});
  }
  if (!replies) return tl::unexpected(replies.error());
  RedisReply& reply = replies->front();
  if (reply.is(Kind::refusal)) return refused(reply, command.front());
  return std::move(reply);
}

Result<void> RedisConnection::send(std::span<const RedisCommand> commands, RedisDeadline deadline) {
  if (broken_) {
    return fail(Fault::store, "the connection to Redis at " + peer() + " is broken", "");
  }
  ++round_trips_;
  Wire wire;
  for (const RedisCommand& command : commands) {
    wire.add(command);
    if (wire.bytes().size() < kPacket && &command != &commands.back()) continue;
    auto sent = transport_->send(wire.bytes(), deadline);
    wire.clear();
    if (sent) continue;
    broken_ = true;
    // A server that is full says why before it hangs up.
    if (auto last = receive(within(Milliseconds(0))); last && *last && (*last)->is(Kind::refusal)) {
      return refused(**last, command.front());
    }
    return sent;
  }
  return {};
}

Result<std::unique_ptr<RedisReply>> RedisConnection::receive(RedisDeadline deadline) {
  while (true) {
    auto reply = reader_.next();
    if (!reply) broken_ = true;
    if (!reply || *reply) return reply;
    auto got = transport_->receive(buffer_, deadline);
    if (!got) {
      broken_ = true;
      return tl::unexpected(got.error());
    }
    if (*got == 0) return nullptr;
    reader_.feed({buffer_.data(), *got});
  }
}

Result<RedisReply> RedisConnection::answer(RedisDeadline deadline) {
  auto reply = receive(deadline);
  if (!reply) return tl::unexpected(reply.error());
  if (!*reply) {
    // An answer that came later would be taken for that of the next command.
    broken_ = true;
    return late(peer());
  }
  note(**reply);
  return std::move(**reply);
}

void RedisConnection::note(const RedisReply& reply) {
  if (reply.is(Kind::refusal) && is_about_server(reply.text)) broken_ = true;
}

tl::unexpected<Error> RedisConnection::refused(const RedisReply& reply, std::string_view command) {
  return tl::unexpected(redis_error(reply.text, command, peer()));
}

// ---- Listening ----

Result<std::unique_ptr<RedisSubscription>> RedisSubscription::open(
    const RedisUri& uri, std::span<const std::string_view> channels, RedisPatience patience,
    const RedisInterrupt* interrupt) {
  auto connection = RedisConnection::connect(uri, patience, interrupt);
  if (!connection) return tl::unexpected(connection.error());
  std::unique_ptr<RedisSubscription> made(new RedisSubscription(std::move(*connection), interrupt));

  RedisConnection& to = *made->connection_;
  RedisCommand command = {"SUBSCRIBE"};
  command.insert(command.end(), channels.begin(), channels.end());
  const RedisDeadline deadline = within(patience.command);
  if (auto sent = to.send({&command, 1}, deadline); !sent) return tl::unexpected(sent.error());
  for (std::size_t subscribed = 0; subscribed < channels.size();) {
    auto reply = to.answer(deadline);
    if (!reply) return tl::unexpected(reply.error());
    if (reply->is(Kind::refusal)) return to.refused(*reply, command.front());
    if (auto message = message_in(*reply)) {
      made->received_.push_back(std::move(*message));
    } else {
      ++subscribed;
    }
  }
  return made;
}

Result<std::optional<RedisMessage>> RedisSubscription::next(Milliseconds quiet) {
  if (!received_.empty()) {
    RedisMessage message = std::move(received_.front());
    received_.pop_front();
    return message;
  }
  RedisConnection& from = *connection_;
  RedisDeadline deadline = within(quiet);
  for (bool asked = false;;) {
    auto reply = from.receive(deadline);
    if (!reply) return tl::unexpected(reply.error());
    if (*reply) {
      if (asked && only_cannot_save(**reply)) return std::nullopt;
      if ((*reply)->is(Kind::refusal)) return from.refused(**reply, "SUBSCRIBE");
      if (auto message = message_in(**reply)) return message;
      if (asked) return std::nullopt;
      continue;
    }
    if (interrupt_ != nullptr && interrupt_->raised()) return std::nullopt;
    if (asked) {
      from.broken_ = true;
      return late(from.peer());
    }
    // Silence may mean that nothing happens, or that nobody is there.
    const RedisCommand ping = {"PING"};
    deadline = within(from.patience_.command);
    if (auto sent = from.send({&ping, 1}, deadline); !sent) return tl::unexpected(sent.error());
    asked = true;
  }
}

}  // namespace hufu::net
