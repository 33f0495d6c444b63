#include "store/redis/redis_keys.hpp"

namespace hufu::store {
namespace {

std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view three = text.substr(i, 3);
    if (three == "%3A" || three == "%25") {
      plain += three == "%3A" ? ':' : '%';
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

}  // namespace

RedisKeys::RedisKeys(std::string_view name) {
  const std::string prefix = "{" + std::string(name) + "}:";
  store = prefix + "store";
  changes = prefix + "changes";
  tokens = prefix + "tokens";
  leases = prefix + "leases";
  apps = prefix + "apps";
  api_keys = prefix + "api_keys";
  sealing_keys = prefix + "sealing_keys";
  nodes = prefix + "nodes";
  channel = prefix + "changed";
  tokens_of = prefix + "token:";
  apps_of = prefix + "app:";
  keys_of = prefix + "api_key:";
  nodes_of = prefix + "node:";
}

std::string RedisKeys::escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ':') {
      out += "%3A";
    } else if (c == '%') {
      out += "%25";
    } else {
      out += c;
    }
  }
  return out;
}

std::string RedisKeys::member(const Key& key) { return escaped(key.app) + ":" + escaped(key.kind); }

std::optional<Key> RedisKeys::key_of(std::string_view member) {
  const std::size_t colon = member.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  return Key{unescaped(member.substr(0, colon)), unescaped(member.substr(colon + 1))};
}

}  // namespace hufu::store
