// Store URIs: read without a crash, and no complaint, warning or shown form repeats a password.
// The first byte names the scheme; the rest is what follows "USER:PASSWORD@".
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "config/store_uri.hpp"
#include "net/redis/redis_uri.hpp"
#include "store/mongodb/mongodb_connection.hpp"
#include "store/opening/raw_store.hpp"
#include "store/postgresql/postgresql_address.hpp"

namespace {

using namespace hufu;

constexpr std::string_view kPassword = "canary-of-a-password";
constexpr std::array kSchemes = {"mongodb", "mongodb+srv", "postgresql",    "postgres",
                                 "redis",   "rediss",      "redis+sentinel"};

void check_silent(std::string_view text) {
  if (text.find(kPassword) != std::string_view::npos) std::abort();
}

void check_silent(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) check_silent(text);
}

template <class T>
void check_silent(const Result<T>& result) {
  if (result) return;
  if (result.error().message.empty()) std::abort();
  check_silent(result.error().message);
  check_silent(result.error().next_step);
}

void check_configuration(const std::string& uri) {
  check_silent(config::check_store(uri, {"memory", "sqlite", "mongodb", "postgresql", "redis"}));
  check_silent(config::masked_store(uri));
  check_silent(store::parse_store_uri(uri));
}

void check_addresses(const std::string& uri) {
  const Secret address{std::string_view(uri)};
  auto redis = net::RedisUri::parse(uri, Secret());
  check_silent(redis);
  if (redis) {
    for (const net::RedisAddress& host : redis->hosts) check_silent(host.text());
  }
  auto mongodb = store::MongoAddress::parse(address, Secret());
  check_silent(mongodb);
  if (mongodb) check_silent(mongodb->warnings());
  auto postgresql = store::parse_postgresql_address(address, Secret());
  check_silent(postgresql);
  if (postgresql) {
    check_silent(postgresql->shown);
    check_silent(postgresql->warnings);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string rest(data + 1, data + size);
  // The fuzzer learns the canary from the comparisons above; a text that holds it proves nothing.
  if (rest.find("canary") != std::string::npos) return 0;
  if (data[0] < kSchemes.size()) {
    const std::string uri =
        std::string(kSchemes[data[0]]) + "://user:" + std::string(kPassword) + "@" + rest;
    check_configuration(uri);
    check_addresses(uri);
  } else {
    check_configuration(rest);
  }
  return 0;
}
