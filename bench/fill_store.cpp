// Fills a store for the benchmarks: hufu_fill_store URI APPS TOKEN_BYTES [AT_ONCE [TICKETS_OF]].
//
// One app in TICKETS_OF has a ticket, too. Writes through the store's own layer, so that what is
// measured afterwards is what a server would have written itself: apps with sealed secrets, tokens
// sealed in their places, one API key that may do everything. Prints that key and nothing else. The
// times of the tokens, which are not sealed, are set anew before each run (see fixture.py).
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
  if (count > 0) all.get_future().wait();
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

/// A token as the issuer of that name would have made it: `bytes` long, begins with `begin`.
struct Value {
  std::string begin;
  std::size_t bytes;
  std::string issuer;
};

void put_token(TokenStore& tokens, Key key, Value made, std::function<void()> done) {
  const WallTime now = system_clock().wall();
  LeaseRequest lease_request{std::move(key),           1'000'000'000, "the filler",
                             std::chrono::seconds(60), {now, now},    {}};
  tokens.acquire_lease(std::move(lease_request), [&tokens, now, made = std::move(made),
                                                  done = std::move(done)](
                                                     Result<AcquireOutcome> outcome) mutable {
    auto& grant = std::get<Acquired>(*outcome);
    std::string value = std::move(made.begin);
    value.resize(made.bytes, 't');
    Record record = std::move(grant.record);
    record.token = Token{Secret(std::move(value)), now, now + std::chrono::hours(2), made.issuer};
    record.revision += 1;
    record.renew_at = now + std::chrono::minutes(115);
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
  if (count < 4 || count > 6) {
    std::fprintf(stderr, "hufu_fill_store URI APPS TOKEN_BYTES [AT_ONCE [TICKETS_OF]]\n");
    return 2;
  }
  const int apps = std::atoi(arguments[2]);
  const auto bytes = static_cast<std::size_t>(std::atoi(arguments[3]));
  const int at_once = count > 4 ? std::atoi(arguments[4]) : kAtOnce;
  const int tickets_of = count > 5 ? std::atoi(arguments[5]) : 0;
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
  for_all(apps, at_once, [&](int i, auto done) {
    put_token(*store.tokens, Key{app_number(i)},
              {"token-of-" + app_number(i) + "-", bytes, "wechat/stable/access_token"},
              std::move(done));
  });
  for_all(tickets_of > 0 ? apps / tickets_of : 0, at_once, [&](int n, auto done) {
    const std::string app = app_number(n * tickets_of);
    put_token(*store.tokens, Key{app, "jsapi_ticket"},
              {"ticket-of-" + app + "-", bytes, "wechat/jsapi_ticket"}, std::move(done));
  });
  std::printf("%s\n", std::string(made.key.reveal()).c_str());
}
