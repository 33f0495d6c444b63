// What the store's promises of speed are measured with: hufu_store_bench [RECORDS] [PAIRS].
//
// Prints renewals a second (begin + commit, many in flight), and the time that a start-up needs to
// stream every record and open its seal. Works in a temporary directory, which it removes.
#include <stdlib.h>
#include <time.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>

#include "renewing.hpp"
#include "store/blocking.hpp"
#include "store/opening/open_store.hpp"

namespace {

using namespace hufu;
using namespace hufu::store;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// What the whole process has computed so far: the figure to trust on a busy machine.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Times `body` and prints both figures.
template <class Body>
void measure(const char* what, Body body) {
  auto start = std::chrono::steady_clock::now();
  double cpu = cpu_seconds();
  body();
  std::printf("%-32s %.2f s, %.2f s of CPU\n", what, seconds_since(start), cpu_seconds() - cpu);
}

}  // namespace

int main(int argc, char** argv) {
  const int records = argc > 1 ? std::atoi(argv[1]) : 1'000'000;
  const int pairs = argc > 2 ? std::atoi(argv[2]) : 50'000;
  std::string directory = (std::filesystem::temp_directory_path() / "hufu-bench-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return 1;
  {
    auto store = open_store({"sqlite:" + directory + "/hufu.db", "", {}}, system_clock());
    if (!store) {
      std::printf("%s\n", store.error().message.c_str());
      return 1;
    }
    TokenStore& tokens = *store->tokens;
    std::printf("filling with %d records: %.0f renewals/s\n", records,
                bench::renew(tokens, {0, records}, records, 256));
    for (int in_flight : {1, 8, 64, 256}) {
      const int count = in_flight == 1 ? pairs / 10 : pairs;
      std::printf("%3d in flight: %.0f renewals/s\n", in_flight,
                  bench::renew(tokens, {0, records}, count, in_flight));
    }
    for (int round = 0; round < 3; ++round) {
      measure("scan of every record", [&] {
        int seen = 0;
        auto end = await<Result<void>>(
            [&](auto done) { tokens.scan([&](Key, Record) { ++seen; }, std::move(done)); });
        if (!end || seen != records) std::printf("only %d records\n", seen);
      });
    }

    constexpr int kMany = 1'000'000;
    const std::string token(160, 't');
    const std::string place = "token|wx0123456789abcdef|access_token|17";
    const Secret sealed = store->sealer->seal(token, place);
    std::size_t sum = 0;  // printed, so that nothing is left out as unused
    measure("1,000,000 seals", [&] {
      for (int i = 0; i < kMany; ++i) sum += store->sealer->seal(token, place).size();
    });
    measure("1,000,000 opens", [&] {
      for (int i = 0; i < kMany; ++i) sum += store->sealer->open(sealed.reveal(), place)->size();
    });
    measure("1,000,000 fingerprints", [&] {
      for (int i = 0; i < kMany; ++i) sum += store->sealer->fingerprint(token).bits;
    });
    std::printf("(%zu)\n", sum);
  }
  std::filesystem::remove_all(directory);
}
