#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/redis/redis_reply.hpp"
#include "store/cluster.hpp"
#include "store/lease_rule.hpp"
#include "store/registry.hpp"

namespace hufu::store {

/// Between rows of the store and the fields of a Redis hash. Times are Unix milliseconds; a field
/// that says nothing is empty or missing.

/// Field and value, in turn, to be written.
using RedisFields = std::vector<std::string>;

/// The fields of a token's hash, in the order in which they are asked for.
std::span<const std::string_view> token_fields();
/// The fields of an app's hash, its secret last.
std::span<const std::string_view> app_fields();
std::span<const std::string_view> api_key_fields();
std::span<const std::string_view> node_fields();

/// A token's hash as HMGET of `token_fields()` answers.
struct RedisTokenRow {
  bool present = false;
  bool readable = true;  ///< False: `record` holds what could be read.
  Record record;
  LeaseState lease;
};
RedisTokenRow token_row(const net::RedisReply& reply);
/// What a commit writes, but for the in_doubt.
RedisFields fields_of(const Record& record);

/// Nothing where there is no such row. A field that is missing from `reply`, the secret for one,
/// is left empty.
std::optional<AppRow> app_row(const std::string& id, const net::RedisReply& reply);
RedisFields fields_of(const AppRow& app);

/// Nothing where it makes no sense.
std::optional<ApiKeyRow> api_key_row(const std::string& name, const net::RedisReply& reply);
RedisFields fields_of(const ApiKeyRow& key);

std::optional<NodeRow> node_row(const std::string& name, const net::RedisReply& reply);
RedisFields fields_of(const NodeRow& node);

/// A whole decimal number; nothing for anything else.
std::optional<std::int64_t> number_in(std::string_view text);

}  // namespace hufu::store
