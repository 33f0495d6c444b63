#include "store/redis/redis_settings.hpp"

#include <cstdlib>
#include <string_view>

#include "net/redis/redis_client.hpp"

namespace hufu::store {
namespace {

constexpr int kOldest = 6;

/// The value of "NAME:value\r\n" in the answer to INFO; empty if it is not there.
std::string_view value_in(std::string_view info, const std::string& name) {
  const std::size_t at = info.find("\n" + name + ":");
  if (at == std::string_view::npos) return {};
  const std::string_view value = info.substr(at + name.size() + 2);
  return value.substr(0, value.find_first_of("\r\n"));
}

int number_of(std::string_view text) { return std::atoi(std::string(text).c_str()); }

}  // namespace

Result<std::vector<std::string>> settings_to_know(net::RedisConnection& connection,
                                                  unsigned wait_replicas) {
  const std::vector<net::RedisCommand> questions = {{"INFO"}, {"CONFIG", "GET", "appendfsync"}};
  auto answers = connection.pipeline(questions);
  if (!answers) return tl::unexpected(answers.error());
  const auto& [info_reply, config] = std::tie((*answers)[0], (*answers)[1]);
  const std::string_view info =
      info_reply.is(net::RedisReply::Kind::text) ? std::string_view(info_reply.text) : "";
  const std::string fsync = config.elements.size() == 2 ? config.elements[1].text : "";

  const std::string_view version = value_in(info, "redis_version");
  if (!version.empty() && number_of(version) < kOldest) {
    return fail(Fault::store,
                "Redis at " + connection.peer() + " is of version " + std::string(version) +
                    ", and Hufu needs 6 or later",
                "upgrade it");
  }

  std::vector<std::string> warnings;
  const bool is_logged = value_in(info, "aof_enabled") == "1";
  if (value_in(info, "aof_enabled") == "0") {
    warnings.emplace_back(
        "appendonly is off: when Redis ends, tokens, apps and keys since its latest snapshot are "
        "lost; set appendonly yes");
  }
  if (is_logged && fsync == "everysec") {
    warnings.emplace_back(
        "appendfsync is everysec: when its machine crashes, up to a second of commits is lost; set "
        "appendfsync always");
  }
  if (is_logged && fsync == "no") {
    warnings.emplace_back(
        "appendfsync is no: when its machine crashes, commits of half a minute are lost; set "
        "appendfsync always");
  }
  const std::string policy(value_in(info, "maxmemory_policy"));
  if (policy.starts_with("allkeys-") && value_in(info, "maxmemory") != "0") {
    warnings.push_back("maxmemory-policy is " + policy +
                       ": Redis may evict tokens, apps and keys when its memory is used up; set "
                       "maxmemory-policy noeviction");
  }
  const int replicas = number_of(value_in(info, "connected_slaves"));
  if (!info.empty() && replicas < static_cast<int>(wait_replicas)) {
    warnings.push_back("wait_replicas is " + std::to_string(wait_replicas) + ", but " +
                       std::to_string(replicas) +
                       " replicas follow: every commit waits in vain for a second");
  }
  return warnings;
}

}  // namespace hufu::store
