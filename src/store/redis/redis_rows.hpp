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

/// An app's hash as HMGET of `app_fields()` answers.
struct RedisAppRow {
  bool present = false;
  bool readable = true;  ///< False: `app` holds what could be read.
  AppRow app;
};
/// `names_only`: without the credentials themselves.
RedisAppRow app_row(const std::string& id, const net::RedisReply& reply, bool names_only);
RedisFields fields_of(const AppRow& app);

/// Nothing where it makes no sense.
std::optional<ApiKeyRow> api_key_row(const std::string& name, const net::RedisReply& reply);
RedisFields fields_of(const ApiKeyRow& key);

std::optional<NodeRow> node_row(const std::string& name, const net::RedisReply& reply);
RedisFields fields_of(const NodeRow& node);

/// A whole decimal number; nothing for anything else.
std::optional<std::int64_t> number_in(std::string_view text);

}  // namespace hufu::store
