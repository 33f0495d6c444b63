#pragma once

#include <string>
#include <vector>

#include "net/redis/redis_client.hpp"

namespace hufu::store {

/// What an operator should know of how this Redis is set up, a sentence each: what it may lose.
/// Services that forbid INFO and CONFIG are taken as they are. Fault::store if it is too old.
Result<std::vector<std::string>> settings_to_know(net::RedisConnection& connection,
                                                  unsigned wait_replicas);

}  // namespace hufu::store
