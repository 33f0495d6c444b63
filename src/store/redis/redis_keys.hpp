#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hufu/token.hpp"

namespace hufu::store {

/// The names of all keys of one store. All begin with "{NAME}:", so that a Redis Cluster keeps them
/// on one node and an ACL can name them: ~{NAME}:*.
///
/// | key                     | type       | what                                              |
/// |-------------------------|------------|---------------------------------------------------|
/// | {hufu}:store            | hash       | identity, schema                                  |
/// | {hufu}:changes          | stream     | what changed; its ids are the fences              |
/// | {hufu}:token:APP:KIND   | hash       | a record and its lease                            |
/// | {hufu}:tokens           | sorted set | "APP:KIND" of every record, all with score 0      |
/// | {hufu}:leases           | sorted set | "APP:KIND" of every lease held, by its end        |
/// | {hufu}:app:APP          | hash       | an app                                            |
/// | {hufu}:apps             | sorted set | every app, all with score 0                       |
/// | {hufu}:api_key:NAME     | hash       | an API key                                        |
/// | {hufu}:api_keys         | sorted set | the name of every API key, all with score 0       |
/// | {hufu}:sealing_keys     | list       | id, check, id, check … in the order they came     |
/// | {hufu}:node:NAME        | hash       | a node                                            |
/// | {hufu}:nodes            | sorted set | every node, by when it was heard of last          |
///
/// Sets of equal scores are in the order of their members, so a walk can go on behind any of them.
/// Where a name is a part of a longer one, a colon in it is written %3A, a percent sign %25.
///
/// Thread-safety: a plain value.
struct RedisKeys {
  explicit RedisKeys(std::string_view name);

  [[nodiscard]] std::string token(const Key& key) const { return tokens_of + member(key); }
  [[nodiscard]] std::string app(std::string_view id) const { return apps_of + escaped(id); }
  [[nodiscard]] std::string api_key(std::string_view key) const { return keys_of + escaped(key); }
  [[nodiscard]] std::string node(std::string_view node) const { return nodes_of + escaped(node); }

  /// "APP:KIND", and back.
  static std::string member(const Key& key);
  static std::optional<Key> key_of(std::string_view member);
  static std::string escaped(std::string_view text);

  std::string store, changes, tokens, leases, apps, api_keys, sealing_keys, nodes;
  std::string channel;  ///< Where word of each change is passed: "{hufu}:changed".
  std::string tokens_of, apps_of, keys_of, nodes_of;  ///< What the names of single rows begin with.
};

}  // namespace hufu::store
