#include "net/redis/redis_reply.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <utility>

namespace hufu::net {
namespace {

constexpr std::size_t kLargestReply = std::size_t(64) * 1024 * 1024;
constexpr std::size_t kMostElements = std::size_t(1024) * 1024;

/// Puts a part of a reply where it belongs. hiredis takes null for "out of memory"; an exception
/// must not pass through it.
template <class Fill>
void* place(const redisReadTask* task, Fill fill) noexcept {
  try {
    RedisReply part;
    fill(part);
    if (task->parent == nullptr) return std::make_unique<RedisReply>(std::move(part)).release();
    auto* parent = static_cast<RedisReply*>(task->parent->obj);
    RedisReply& home = parent->elements.at(static_cast<std::size_t>(task->idx));
    home = std::move(part);
    return &home;
  } catch (const std::exception&) {
    return nullptr;
  }
}

void* text_part(const redisReadTask* task, char* bytes, std::size_t size) {
  return place(task, [&](RedisReply& part) {
    const bool refused = task->type == REDIS_REPLY_ERROR;
    part.kind = refused ? RedisReply::Kind::refusal : RedisReply::Kind::text;
    part.text.assign(bytes, size);
  });
}

/// `Size` differs between the versions of hiredis.
template <class Size>
void* array_part(const redisReadTask* task, Size size) {
  return place(task, [&](RedisReply& part) {
    if (static_cast<std::size_t>(size) > kMostElements) throw std::bad_alloc();
    part.kind = RedisReply::Kind::array;
    part.elements.resize(static_cast<std::size_t>(size));
  });
}

void* integer_part(const redisReadTask* task, long long number) {
  return place(task, [&](RedisReply& part) {
    part.kind = RedisReply::Kind::integer;
    part.integer = number;
  });
}

void* nil_part(const redisReadTask* task) {
  return place(task, [](RedisReply&) {});
}

void forget(void* reply) { delete static_cast<RedisReply*>(reply); }

redisReplyObjectFunctions* functions() {
  static redisReplyObjectFunctions table = [] {
    redisReplyObjectFunctions made{};
    made.createString = text_part;
    made.createArray = array_part;
    made.createInteger = integer_part;
    made.createNil = nil_part;
    made.freeObject = forget;
    return made;
  }();
  return &table;
}

struct Meaning {
  std::string_view code;
  std::string_view what;  ///< Behind "Redis at HOST:PORT ".
  std::string_view next;
};
constexpr std::array kMeanings = {
    Meaning{"LOADING", "is still loading its dataset", "wait until it has; its log says how far"},
    Meaning{"MASTERDOWN", "is a replica that has lost its primary",
            "bring the primary back, or let Sentinel choose another"},
    Meaning{"READONLY", "is a replica and takes no writes",
            "name the primary, or use redis+sentinel:// so that it is asked for"},
    Meaning{"OOM", "has used up its memory (maxmemory) and takes no writes",
            "raise maxmemory, or make room"},
    Meaning{"MISCONF", "takes no writes because it could not save to its disk",
            "look at its log, and at the free space of its disk"},
    Meaning{"NOREPLICAS", "takes no writes because too few replicas follow it",
            "look at its replicas, and at min-replicas-to-write"},
    Meaning{"NOAUTH", "wants a password", "give the user in the URI, and the password"},
    Meaning{"WRONGPASS", "refuses this user and password", "correct them; they may have changed"},
    Meaning{"BUSY", "is busy with a script that takes too long", "look for who runs it"},
    Meaning{"CLUSTERDOWN", "belongs to a Redis Cluster that is down", "look at CLUSTER INFO"},
    Meaning{"MOVED", "belongs to a Redis Cluster and does not hold these keys",
            "name the node that holds them: CLUSTER KEYSLOT tells for the key prefix"},
    Meaning{"ERR max number of clients reached", "has as many clients as it may have",
            "raise maxclients, or look for who holds so many connections"},
};

bool is_forbidden(std::string_view refusal) {
  return refusal_is(refusal, "NOPERM") || refusal.find("ACL failure") != std::string_view::npos ||
         refusal.find("can't run this command") != std::string_view::npos ||
         refusal.find("can't access at least one of the keys") != std::string_view::npos;
}

/// Redis's words as far as they may be repeated: what it says of an unknown command ends with the
/// arguments, of a script with its SHA-1.
std::string_view repeatable(std::string_view refusal) {
  constexpr std::size_t kLongest = 200;
  return refusal.substr(
      0, std::min({refusal.find(", with args"), refusal.find(" script: "), kLongest}));
}

}  // namespace

bool refusal_is(std::string_view refusal, std::string_view code) {
  if (refusal.starts_with(code)) return true;
  // Inside a script: "-CODE …" before Redis 7, "COMMAND: CODE …" where the script says which.
  const std::string word = std::string(code) + " ";
  return refusal.find("-" + word) != std::string_view::npos ||
         refusal.find(": " + word) != std::string_view::npos;
}

Error redis_error(std::string_view refusal, std::string_view command, std::string_view peer) {
  const std::string who = "Redis at " + std::string(peer) + " ";
  for (const Meaning& meaning : kMeanings) {
    if (refusal_is(refusal, meaning.code)) {
      return {Fault::store, who + std::string(meaning.what), std::string(meaning.next), {}, {}};
    }
  }
  if (command == "AUTH") {
    return {Fault::store,
            who + "refuses to be logged in to",
            "see whether it has that user, and a password at all (requirepass)",
            {},
            {}};
  }
  const std::string words(repeatable(refusal));
  if (is_forbidden(refusal)) {
    return {Fault::store,
            who + "forbids " + std::string(command) + ": " + words,
            "give the user that right with ACL SETUSER; docs/stores/redis.md has the whole line",
            {},
            {}};
  }
  return {Fault::store, who + "refused " + std::string(command) + ": " + words, "", {}, {}};
}

RedisReader::RedisReader() : reader_(redisReaderCreateWithFunctions(functions())) {
  if (reader_ == nullptr) throw std::bad_alloc();
}

RedisReader::~RedisReader() { redisReaderFree(reader_); }

void RedisReader::feed(std::string_view bytes) {
  unread_ += bytes.size();
  redisReaderFeed(reader_, bytes.data(), bytes.size());
}

Result<std::unique_ptr<RedisReply>> RedisReader::next() {
  void* reply = nullptr;
  const bool understood = redisReaderGetReply(reader_, &reply) == REDIS_OK;
  std::unique_ptr<RedisReply> whole(static_cast<RedisReply*>(reply));
  if (!understood || unread_ > kLargestReply) {
    return fail(Fault::store, "what answers at the address of Redis does not speak its protocol",
                "see what listens there, and whether it wants TLS (rediss://)");
  }
  if (whole) unread_ = 0;
  return whole;
}

}  // namespace hufu::net
