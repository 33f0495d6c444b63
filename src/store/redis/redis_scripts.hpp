#pragma once

#include "net/redis/redis_client.hpp"

namespace hufu::store::redis_scripts {

/// Every step that has a condition, as one Lua script: it takes place as a whole, or not at all.
/// Time is the server's. What each takes stands above its text in redis_scripts.cpp.
///
/// Keys are passed as KEYS, but for the tokens of an app and the rows of nodes: which ones there
/// are is known inside the script alone. They share the hash tag of those that are passed, so they
/// lie on the same node of a Redis Cluster, and under the same pattern of an ACL.

/// The schema that is written here. A program that knows less refuses the store when it opens it.
inline constexpr int kSchema = 2;

const net::RedisScript& open();
const net::RedisScript& changes();
const net::RedisScript& acquire_lease();
const net::RedisScript& commit();
const net::RedisScript& add_in_doubt();
const net::RedisScript& put_app();
const net::RedisScript& remove_app();
const net::RedisScript& put_key();
const net::RedisScript& revoke_key();
const net::RedisScript& note_key();
const net::RedisScript& reseal();
const net::RedisScript& announce();

}  // namespace hufu::store::redis_scripts
