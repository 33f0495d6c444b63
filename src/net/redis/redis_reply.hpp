#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/error.hpp"

struct redisReader;

namespace hufu::net {

/// What Redis answered: a plain value.
struct RedisReply {
  enum class Kind { nil, integer, text, array, refusal };
  Kind kind = Kind::nil;
  std::int64_t integer = 0;
  std::string text;  ///< Of a `text`, any bytes; of a `refusal`, Redis's own words: "OOM …".
  std::vector<RedisReply> elements;

  [[nodiscard]] bool is(Kind other) const { return kind == other; }
};

/// Whether a refusal is of the kind that `code` names ("OOM"), be it a command's or of one inside a
/// script.
bool refusal_is(std::string_view refusal, std::string_view code);

/// Why Redis at `peer` refused a command, for people: what it means and what to do about it.
/// `refusal` is Redis's own words; `command` its first word. Fault::store.
Error redis_error(std::string_view refusal, std::string_view command, std::string_view peer);

/// Turns bytes into replies, with hiredis. Not thread-safe.
class RedisReader {
 public:
  RedisReader();
  RedisReader(const RedisReader&) = delete;
  RedisReader& operator=(const RedisReader&) = delete;
  ~RedisReader();

  void feed(std::string_view bytes);
  /// The next reply if it is all there; null if not. Fault::store if these bytes are no replies, or
  /// one of more than 64 MiB; nothing can be read after that.
  Result<std::unique_ptr<RedisReply>> next();

 private:
  redisReader* reader_;
  std::size_t unread_ = 0;  ///< Bytes fed since the latest reply.
};

}  // namespace hufu::net
