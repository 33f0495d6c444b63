// Fills a store for the benchmarks: hufu_fill_store URI APPS TOKEN_BYTES [AT_ONCE].
//
// Writes through the store's own layer, so that what is measured afterwards is what a server would
// have written itself: apps with sealed secrets, tokens sealed in their places, one API key that
// may do everything. Prints that key and nothing else. The tokens are fresh for a month; a
// benchmark that wants them otherwise moves their times, which are not sealed (see fixture.py).
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <string>

#include "server/api_key.hpp"
#include "store/blocking.hpp"
#include "store/opening/open_store.hpp"

namespace {

using namespace hufu;
using namespace hufu::store;

/// So many at once share a transaction of SQLite's writer. Others may give up on whoever waits
/// behind so many.
constexpr int kAtOnce = 512;

std::string app_number(int i) {
  char id[32];
  std::snprintf(id, sizeof id, "wx%016x", static_cast<unsigned>(i));
  return id;
}

/// Ends the program where the store fails: there is nothing to measure then.
template <class T>
T must(Result<T> result) {
  if (result) {
    if constexpr (std::is_void_v<T>) {
      return;
    } else {
      return std::move(*result);
    }
  }
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

/// Calls `write(i, done)` for 0 ≤ i < count, `at_once` of them at once, and waits for all.
void for_all(int count, int at_once, const std::function<void(int, std::function<void()>)>& write) {
  std::atomic<int> next = 0;
  std::atomic<int> finished = 0;
  std::promise<void> all;
  std::function<void()> one = [&] {
    const int i = next++;
    if (i >= count) return;
    write(i, [&] {
      if (++finished == count) return all.set_value();
      one();
    });
  };
  for (int i = 0; i < at_once; ++i) one();
  all.get_future().wait();
}

void put_app(Registry& registry, const Sealer& sealer, int i, std::function<void()> done) {
  AppRow app;
  app.id = app_number(i);
  app.platform = "wechat";
  app.settings["endpoint"] = "stable";
  app.credentials.insert_or_assign(std::string(kSecret), Secret("the secret of " + app.id));
  app.tag = sealer.tag(app.id, credential(app.credentials, kSecret).reveal());
  registry.put_app(std::move(app), [done = std::move(done)](Result<void> written) {
    must(std::move(written));
    done();
  });
}

void put_token(TokenStore& tokens, int i, std::size_t bytes, std::function<void()> done) {
  const WallTime now = system_clock().wall();
  LeaseRequest lease_request{Key{app_number(i)},       1'000'000'000, "the filler",
                             std::chrono::seconds(60), {now, now},    {}};
  tokens.acquire_lease(std::move(lease_request), [&tokens, i, bytes, now, done = std::move(done)](
                                                     Result<AcquireOutcome> outcome) mutable {
    auto& grant = std::get<Acquired>(*outcome);
    std::string value = "token-of-" + app_number(i) + "-";
    value.resize(bytes, 't');
    Record record = std::move(grant.record);
    record.token = Token{Secret(std::move(value)), now, now + std::chrono::days(30),
                         "wechat/stable/access_token"};
    record.revision += 1;
    record.renew_at = now + std::chrono::days(29);
    record.in_doubt.clear();
    tokens.commit(std::move(grant.lease), std::move(record),
                  [done = std::move(done)](Result<WriteOutcome> written) {
                    must(std::move(written));
                    done();
                  });
  });
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4 && count != 5) {
    std::fprintf(stderr, "hufu_fill_store URI APPS TOKEN_BYTES [AT_ONCE]\n");
    return 2;
  }
  const int apps = std::atoi(arguments[2]);
  const auto bytes = static_cast<std::size_t>(std::atoi(arguments[3]));
  const int at_once = count == 5 ? std::atoi(arguments[4]) : kAtOnce;
  const char* key_file = std::getenv("HUFU_KEY_FILE");  // Where the store does not say.
  OpenStore store =
      must(open_store({arguments[1], key_file == nullptr ? "" : key_file, {}}, system_clock()));

  auto made = must(server::make_api_key());
  ApiKeyRow row;
  row.name = "bench";
  row.hash = made.hash;
  row.rights = {true, true, true, true, true};
  must(await<Result<bool>>(
      [&](auto done) { store.registry->put_key(std::move(row), std::move(done)); }));

  for_all(apps, at_once,
          [&](int i, auto done) { put_app(*store.registry, *store.sealer, i, std::move(done)); });
  for_all(apps, at_once,
          [&](int i, auto done) { put_token(*store.tokens, i, bytes, std::move(done)); });
  std::printf("%s\n", std::string(made.key.reveal()).c_str());
}
