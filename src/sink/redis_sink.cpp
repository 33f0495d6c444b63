#include "sink/redis_sink.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace hufu::sink {
namespace {

using net::RedisCommand;
using net::RedisConnection;
using net::RedisReply;
using std::chrono::seconds;

constexpr Milliseconds kPause = seconds(1);
constexpr net::RedisPatience kPatience{seconds(2), seconds(2)};

tl::unexpected<Error> senseless(const RedisConnection& redis, const char* command) {
  return fail(Fault::store, redis.peer() + " answered " + command + " with something senseless",
              "look whether that is a Redis");
}

/// What time it is there, in milliseconds since 1970; not later than now.
Result<std::int64_t> time_at(RedisConnection& redis) {
  auto reply = redis.command({"TIME"});
  if (!reply) return tl::unexpected(std::move(reply.error()));
  std::int64_t parts[2] = {0, 0};
  if (reply->elements.size() != 2) return senseless(redis, "TIME");
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string& text = reply->elements[i].text;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parts[i]);
    if (error != std::errc()) return senseless(redis, "TIME");
  }
  return parts[0] * 1000 + parts[1] / 1000;
}

/// Runs `commands` as one step, or says why not.
Result<RedisReply> at_once(RedisConnection& redis, std::vector<RedisCommand> commands) {
  commands.insert(commands.begin(), RedisCommand{"MULTI"});
  commands.push_back(RedisCommand{"EXEC"});
  auto replies = redis.pipeline(commands);
  if (!replies) return tl::unexpected(std::move(replies.error()));
  // The first refusal is the cause of all others.
  for (std::size_t i = 0; i < replies->size(); ++i) {
    const RedisReply& reply = (*replies)[i];
    if (!reply.is(RedisReply::Kind::refusal)) continue;
    return tl::unexpected(net::redis_error(reply.text, commands[i].front(), redis.peer()));
  }
  RedisReply outcome = std::move(replies->back());
  for (std::size_t i = 0; i < outcome.elements.size(); ++i) {
    const RedisReply& reply = outcome.elements[i];
    if (!reply.is(RedisReply::Kind::refusal)) continue;
    return tl::unexpected(net::redis_error(reply.text, commands[i + 1].front(), redis.peer()));
  }
  return outcome;
}

Result<void> unwatch(RedisConnection& redis) {
  auto reply = redis.command({"UNWATCH"});
  if (!reply) return tl::unexpected(std::move(reply.error()));
  return {};
}

}  // namespace

Result<RedisConnection*> RedisTarget::connection() {
  if (connection_ && !connection_->broken()) return connection_.get();
  connection_.reset();
  if (failure_ && clock_.steady() < again_at_) return tl::unexpected(*failure_);
  auto made = RedisConnection::connect(uri_, kPatience, &interrupt_);
  if (!made) {
    failed(made.error());
    return tl::unexpected(std::move(made.error()));
  }
  failure_.reset();
  connection_ = std::move(*made);
  return connection_.get();
}

void RedisTarget::failed(const Error& error) {
  if (connection_ && !connection_->broken()) return;  // It answered, if with a refusal.
  failure_ = error;
  again_at_ = clock_.steady() + kPause;
}

template <class Work>
Result<void> RedisSink::with_redis(Work work) {
  auto redis = target_->connection();
  if (!redis) return tl::unexpected(std::move(redis.error()));
  Result<void> done = work(**redis);
  if (!done) target_->failed(done.error());
  return done;
}

Result<void> RedisSink::put(const Grant& grant, SteadyTime until) {
  return with_redis([&](RedisConnection& redis) -> Result<void> {
    return write(redis, layout_.keys, grant, until);
  });
}

Result<void> RedisSink::keep(const Grant& grant, SteadyTime until) {
  return with_redis([&](RedisConnection& redis) -> Result<void> {
    auto found = watch(redis, grant.token);
    if (!found) return tl::unexpected(std::move(found.error()));
    Keys keys = std::move(found->ours);
    keys.insert(keys.end(), found->free.begin(), found->free.end());
    return keys.empty() ? unwatch(redis) : write(redis, keys, grant, until);
  });
}

Result<void> RedisSink::withdraw(const Secret& token) {
  if (token.empty()) return {};  // What an earlier process left has an end of its own.
  return with_redis([&](RedisConnection& redis) -> Result<void> {
    auto found = watch(redis, token);
    if (!found) return tl::unexpected(std::move(found.error()));
    if (found->ours.empty()) return unwatch(redis);
    std::vector<RedisCommand> commands;
    for (const std::string& key : found->ours) commands.push_back({"DEL", key});
    for (const std::string& key : layout_.ends) commands.push_back({"DEL", key});
    auto done = at_once(redis, std::move(commands));
    if (!done) return tl::unexpected(std::move(done.error()));
    return {};
  });
}

Result<RedisSink::Found> RedisSink::watch(RedisConnection& redis, const Secret& token) const {
  std::vector<RedisCommand> commands{{"WATCH"}};
  for (const std::string& key : layout_.keys) {
    commands.front().push_back(key);
    commands.push_back({"GET", key});
  }
  auto replies = redis.pipeline(commands);
  if (!replies) return tl::unexpected(std::move(replies.error()));
  Found found;
  for (std::size_t i = 0; i < replies->size(); ++i) {
    RedisReply& reply = (*replies)[i];
    if (reply.is(RedisReply::Kind::refusal)) {
      return tl::unexpected(net::redis_error(reply.text, commands[i].front(), redis.peer()));
    }
    if (i == 0) continue;  // Of WATCH.
    const std::string& key = layout_.keys[i - 1];
    if (reply.is(RedisReply::Kind::nil)) found.free.push_back(key);
    if (reply.text.find(token.reveal()) != std::string::npos) found.ours.push_back(key);
    wipe(reply.text);
  }
  return found;
}

Result<void> RedisSink::write(RedisConnection& redis, const Keys& keys, const Grant& grant,
                              SteadyTime until) const {
  auto time = time_at(redis);
  if (!time) return tl::unexpected(std::move(time.error()));
  // Computed after the answer: the key may end a little early, and never late.
  const Clock& clock = target_->clock();
  const Milliseconds left = clock.real(until - clock.steady());
  if (left < seconds(1)) return unwatch(redis);
  const std::int64_t end = *time + left.count();
  const std::string end_in_milliseconds = std::to_string(end);
  const std::string end_in_seconds = std::to_string(end / 1000);

  std::string text = text_of(layout_.format, grant, std::chrono::floor<seconds>(left));
  std::vector<RedisCommand> commands;
  const auto set = [&](const std::string& key, const std::string& value) {
    commands.push_back({"SET", key, value});
    commands.push_back({"PEXPIREAT", key, end_in_milliseconds});
  };
  for (const std::string& key : layout_.absent) commands.push_back({"DEL", key});
  for (const std::string& key : keys) set(key, text);
  for (const std::string& key : layout_.ends) set(key, end_in_seconds);
  auto done = at_once(redis, std::move(commands));
  wipe(text);
  if (!done) return tl::unexpected(std::move(done.error()));
  return {};
}

}  // namespace hufu::sink
