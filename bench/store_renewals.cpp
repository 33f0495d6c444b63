// One node's share of the load on a store that several share:
// hufu_store_renewals FIRST_KEY KEYS RENEWALS IN_FLIGHT, with the store in HUFU_STORE and its keys
// in HUFU_KEY_FILE. Prints renewals a second (begin + commit).
#include <cstdio>
#include <cstdlib>

#include "renewing.hpp"
#include "store/opening/open_store.hpp"

int main(int count, char** arguments) {
  using namespace hufu;
  const char* uri = std::getenv("HUFU_STORE");
  const char* key_file = std::getenv("HUFU_KEY_FILE");
  if (count != 5 || uri == nullptr || key_file == nullptr) {
    std::fprintf(stderr, "hufu_store_renewals FIRST_KEY KEYS RENEWALS IN_FLIGHT\n");
    return 2;
  }
  auto store = store::open_store({uri, key_file, {}}, system_clock());
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().message.c_str());
    return 1;
  }
  const bench::Keys keys{std::atoi(arguments[1]), std::atoi(arguments[2])};
  std::printf("%.0f\n",
              bench::renew(*store->tokens, keys, std::atoi(arguments[3]), std::atoi(arguments[4])));
}
