#pragma once

#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "hufu/store.hpp"

namespace hufu::bench {

struct Keys {
  int first = 0;
  int count = 0;
};

inline Key key_number(int i) {
  char id[32];
  std::snprintf(id, sizeof id, "wx%016x", static_cast<unsigned>(i));
  return {id, std::string(kAccessToken)};
}

/// Makes `count` renewals (begin + commit) in turns over `keys`, `in_flight` at a time; returns how
/// many it made a second. What fails is said on standard error, and counts as made.
inline double renew(TokenStore& store, Keys keys, int count, int in_flight) {
  std::atomic<int> next = 0;
  std::atomic<int> finished = 0;
  // Shared, because whoever fulfils it may still be inside it when we return.
  const auto all = std::make_shared<std::promise<void>>();
  std::function<void()> one;
  const auto over = [&](const Error* error) {
    if (error != nullptr) std::fprintf(stderr, "%s\n", error->message.c_str());
    one();  // Before this one counts: after the last one nothing of ours is left.
    if (++finished == count) {
      const auto last = all;
      last->set_value();
    }
  };
  one = [&] {
    const int i = next++;
    if (i >= count) return;
    const WallTime now = system_clock().wall();
    LeaseRequest lease_request{key_number(keys.first + i % keys.count),
                               1'000'000'000,
                               "bench",
                               std::chrono::seconds(30),
                               {now, now + std::chrono::minutes(5)},
                               {}};
    store.acquire_lease(std::move(lease_request), [&, now](Result<AcquireOutcome> outcome) {
      if (!outcome) return over(&outcome.error());
      auto* grant = std::get_if<Acquired>(&*outcome);
      if (grant == nullptr) return over(nullptr);
      Record record = std::move(grant->record);
      record.token = Token{Secret(std::string(160, 't')), now, now + std::chrono::hours(2),
                           "wechat/stable/access_token"};
      record.revision += 1;
      record.renew_at = now + std::chrono::minutes(90);
      record.displaced_at = now;
      record.predecessors = {{1}, {2}};
      record.in_doubt.clear();
      store.commit(grant->lease, std::move(record), [&](Result<WriteOutcome> written) {
        over(written ? nullptr : &written.error());
      });
    });
  };
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < in_flight; ++i) one();
  all->get_future().wait();
  return count / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace hufu::bench
