// Bytes from a server that should be Redis: the replies are the same in however many pieces they
// come, and a refusal can be explained. The first byte is the length of a piece.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/redis/redis_reply.hpp"

namespace {

using namespace hufu::net;

std::string words_of(const RedisReply& reply) {
  std::string words = std::to_string(static_cast<int>(reply.kind)) + ":" +
                      std::to_string(reply.integer) + ":" + reply.text + "[";
  for (const RedisReply& element : reply.elements) words += words_of(element) + ",";
  if (reply.is(RedisReply::Kind::refusal)) {
    if (redis_error(reply.text, "EVALSHA", "192.0.2.1:6379").message.empty()) std::abort();
  }
  return words + "]";
}

/// Everything that can be read, and "!" where the bytes stop to be replies.
std::string read(std::string_view bytes, std::size_t piece) {
  RedisReader reader;
  std::string words;
  while (!bytes.empty()) {
    const std::size_t count = std::min(piece, bytes.size());
    reader.feed(bytes.substr(0, count));
    bytes.remove_prefix(count);
    for (;;) {
      auto reply = reader.next();
      if (!reply) return words + "!";
      if (!*reply) break;
      words += words_of(**reply) + "\n";
    }
  }
  return words;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (read(bytes, 1U + data[0]) != read(bytes, bytes.size())) std::abort();
  return 0;
}
