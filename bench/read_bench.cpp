// What reading one fresh token costs inside the process, beside the least that any program could
// pay: an open-addressing map that no lock guards.
//
//   hufu_read_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=7
//
// Every contender finds the app by its id, judges by two moments that the token is fresh, and
// copies it out. `clock` says whether the moment of judgement is read from the operating system
// each time, as a keeper must, or handed in. Cold: a million apps asked for in random order; hot:
// sixteen of them again and again.
#include <benchmark/benchmark.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "hufu/store.hpp"
#include "keeper/keeper_impl.hpp"
#include "keeper/token_table.hpp"
#include "store/blocking.hpp"
#include "store/opening/open_store.hpp"

namespace {

using namespace hufu;

constexpr int kApps = 1'000'000;
constexpr std::size_t kTokenBytes = 160;
constexpr std::size_t kHot = 16;
constexpr std::size_t kIdBytes = 18;

std::string app_number(int i) {
  char id[32];
  std::snprintf(id, sizeof id, "wx%016x", static_cast<unsigned>(i));
  return id;
}

/// Ids in the order in which they are asked for, one after the other in memory, so that walking
/// them costs next to nothing.
class Ids {
 public:
  explicit Ids(bool hot) : count_(hot ? kHot : std::size_t{kApps}) {
    std::vector<int> order(kApps);
    for (int i = 0; i < kApps; ++i) order[static_cast<std::size_t>(i)] = i;
    std::shuffle(order.begin(), order.end(), std::mt19937(7));
    for (std::size_t i = 0; i < count_; ++i) text_ += app_number(order[i]);
  }
  [[nodiscard]] std::string_view at(std::size_t i) const {
    return std::string_view(text_).substr((i % count_) * kIdBytes, kIdBytes);
  }

 private:
  std::size_t count_;
  std::string text_;
};

const Ids& ids(bool hot) {
  static const Ids kHotIds(true);
  static const Ids kColdIds(false);
  return hot ? kHotIds : kColdIds;
}

WallTime boot_time() { return WallTime(system_clock().steady().time_since_epoch()); }

// ---- The contenders

/// No lock, no names longer than 22 characters, nothing but what is needed: the least it can cost.
class PlainMap {
 public:
  PlainMap() {
    entries_.reserve(kApps);
    const std::string token(kTokenBytes, 't');
    const WallTime now = boot_time();
    for (int i = 0; i < kApps; ++i) {
      auto bytes = std::make_unique<char[]>(token.size());
      std::memcpy(bytes.get(), token.data(), token.size());
      entries_.emplace(Id(app_number(i)),
                       Entry{now + std::chrono::days(29), now + std::chrono::days(30),
                             std::move(bytes), kTokenBytes});
    }
  }

  template <class Use>
  bool read(std::string_view app, WallTime now, Use&& use) const {
    const auto found = entries_.find(Id(app));
    if (found == entries_.end()) return false;
    const Entry& entry = found->second;
    if (now >= entry.renew_at || now >= entry.end) return false;
    use(std::string_view(entry.token.get(), entry.size));
    return true;
  }

 private:
  struct Id {
    explicit Id(std::string_view text) : size(static_cast<std::uint16_t>(text.size())) {
      std::memcpy(bytes.data(), text.data(), text.size());
    }
    bool operator==(const Id&) const = default;
    std::array<char, 22> bytes{};
    std::uint16_t size;
  };
  struct Hash {
    using is_avalanching = void;
    std::size_t operator()(const Id& id) const noexcept {
      std::array<std::uint64_t, 3> words{};
      std::memcpy(words.data(), &id, sizeof id);
      std::uint64_t h = words[0] * 0xff51afd7ed558ccdU;
      h = (h ^ (h >> 32) ^ words[1]) * 0xff51afd7ed558ccdU;
      h = (h ^ (h >> 32) ^ words[2]) * 0xc4ceb9fe1a85ec53U;
      return h ^ (h >> 29);
    }
  };
  struct Entry {
    WallTime renew_at;
    WallTime end;
    std::unique_ptr<char[]> token;
    std::size_t size;
  };
  boost::unordered_flat_map<Id, Entry, Hash> entries_;
};

const PlainMap& plain_map() {
  static const PlainMap kMap;
  return kMap;
}

/// A token that begins with the id of its app.
std::array<char, kTokenBytes> token_of(std::string_view app) {
  std::array<char, kTokenBytes> token;
  token.fill('t');
  std::memcpy(token.data(), app.data(), app.size());
  return token;
}

/// In place of an HMAC, which is not what is measured here.
Fingerprint fingerprint_of(std::string_view app) {
  return {static_cast<std::uint32_t>(std::hash<std::string_view>()(app))};
}

const keeper::TokenTable& token_table() {
  static const auto kTable = [] {
    auto table = std::make_unique<keeper::TokenTable>();
    const WallTime now = boot_time();
    keeper::Bounds bounds;
    bounds.renew_at = now + std::chrono::days(29);
    bounds.last_end = now + std::chrono::days(30);
    for (int i = 0; i < kApps; ++i) {
      const std::string id = app_number(i);
      const auto value = token_of(id);
      const Token token{Secret(std::string_view(value.data(), value.size())), now,
                        now + std::chrono::days(30), ""};
      table->publish(table->put_app(id, {}, kAccessToken), token, 1, fingerprint_of(id), 0, bounds,
                     false, {});
    }
    return table;
  }();
  return *kTable;
}

/// A keeper as a server has it, read from a store.
class Kept {
 public:
  Kept() : store_(std::move(*store::open_store({"memory:", "", {}}, system_clock()))) {
    for (int i = 0; i < kApps; ++i) put(i);
    keeper::Parts parts;
    parts.clock = &system_clock();
    parts.random = &random_;
    parts.observer = &nobody_;
    parts.tokens = store_.tokens;
    parts.registry = store_.registry;
    parts.sealer = store_.sealer;
    parts.make_issuer = [](const auto&, const auto&, const auto&) -> Result<keeper::IssuerSetup> {
      const std::string kind(kAccessToken);
      return keeper::IssuerSetup{std::make_shared<None>(), kind, kind, {}};
    };
    keeper_ = std::make_unique<keeper::KeeperImpl>(loop_, std::move(parts));
    thread_ = std::thread([this] { loop_.run(); });
    auto read = store::await<Result<void>>([&](auto done) { keeper_->start(std::move(done)); });
    if (!read || keeper_->health().usable != std::size_t{kApps}) std::abort();
  }
  ~Kept() {
    std::promise<void> stopped;
    keeper_->stop([&] { stopped.set_value(); });
    loop_.run_for(std::chrono::milliseconds(0));
    stopped.get_future().wait();
    thread_.join();
  }
  [[nodiscard]] const keeper::AsyncKeeper& keeper() const { return *keeper_; }

 private:
  class None final : public Issuer {
   public:
    [[nodiscard]] std::string_view name() const noexcept override {
      return "wechat/stable/access_token";
    }
    [[nodiscard]] const RenewalRule& rule() const noexcept override { return rule_; }
    [[nodiscard]] const std::vector<Need>& needs() const noexcept override { return needs_; }
    void issue(IssueRequest, Done<IssueOutcome>) override { std::abort(); }
    void probe(IssueRequest, const Secret&, Done<ProbeResult>) override { std::abort(); }

   private:
    /// As a platform's: with no overlap, rows would need memory of their own for their times.
    RenewalRule rule_{RenewalRule::Shape::rotating, std::chrono::minutes(5), std::chrono::days(31),
                      0, Milliseconds(0)};
    std::vector<Need> needs_;
  };

  void put(int i) {
    const WallTime now = system_clock().wall();
    store::AppRow app;
    app.id = app_number(i);
    app.platform = "wechat";
    app.settings["endpoint"] = "stable";
    app.credentials.insert_or_assign(std::string(kSecret), Secret(std::string_view("secret")));
    store::await<Result<void>>(
        [&](auto done) { store_.registry->put_app(std::move(app), std::move(done)); });
    LeaseRequest lease_request{
        Key{app_number(i)}, 0, "bench", std::chrono::seconds(60), {now, now}};
    auto begun = store::await<Result<AcquireOutcome>>([&](auto done) {
      store_.tokens->acquire_lease(std::move(lease_request), std::move(done));
    });
    auto& grant = std::get<Acquired>(*begun);
    Record record = std::move(grant.record);
    record.token = Token{Secret(std::string(kTokenBytes, 't')), now, now + std::chrono::days(30),
                         "wechat/stable/access_token"};
    record.revision = 1;
    record.renew_at = now + std::chrono::days(29);
    record.in_doubt.clear();
    store::await<Result<WriteOutcome>>([&](auto done) {
      store_.tokens->commit(std::move(grant.lease), std::move(record), std::move(done));
    });
  }

  SystemRandom random_;
  keeper::Observer nobody_;
  store::OpenStore store_;
  boost::asio::io_context loop_{1};
  std::unique_ptr<keeper::KeeperImpl> keeper_;
  std::thread thread_;
};

const keeper::AsyncKeeper& kept() {
  static const Kept kKept;
  return kKept.keeper();
}

// ---- The measurements

/// Runs `read(app, use)` once an iteration; both threads walk the same ids from different ends.
template <class Read>
void measure(benchmark::State& state, Read read) {
  const Ids& asked = ids(state.range(0) != 0);
  std::array<char, 256> copied{};
  auto take = [&](std::string_view token) {
    std::memcpy(copied.data(), token.data(), token.size());
  };
  std::size_t i = static_cast<std::size_t>(state.thread_index()) * 500'009;
  for (auto _ : state) {
    if (!read(asked.at(i++), take)) state.SkipWithError("not found");
    benchmark::DoNotOptimize(copied);
  }
}

void map_moment_given(benchmark::State& state) {
  const PlainMap& map = plain_map();
  const WallTime now = boot_time();
  measure(state, [&](std::string_view app, auto& take) { return map.read(app, now, take); });
}

void map_moment_read(benchmark::State& state) {
  const PlainMap& map = plain_map();
  measure(state,
          [&](std::string_view app, auto& take) { return map.read(app, boot_time(), take); });
}

void table_moment_given(benchmark::State& state) {
  const keeper::TokenTable& table = token_table();
  const WallTime now = boot_time();
  measure(state, [&](std::string_view app, auto& take) {
    return table.read(app, kAccessToken, now, {},
                      [&](const keeper::TokenView& view) { take(view.token); });
  });
}

/// Whose token it is, and then the token: what a ticket costs that is asked for by access token.
void table_by_token(benchmark::State& state) {
  const keeper::TokenTable& table = token_table();
  const WallTime now = boot_time();
  measure(state, [&](std::string_view asked, auto& take) {
    const auto token = token_of(asked);
    std::array<char, kIdBytes> owner;
    const bool known = table.read_by_token({token.data(), token.size()}, fingerprint_of(asked), now,
                                           [&](std::string_view app, std::string_view) {
                                             std::memcpy(owner.data(), app.data(), owner.size());
                                           });
    return known && table.read({owner.data(), owner.size()}, kAccessToken, now, {},
                               [&](const keeper::TokenView& view) { take(view.token); });
  });
}

void keeper_moment_read(benchmark::State& state) {
  const keeper::AsyncKeeper& keeper = kept();
  measure(state, [&](std::string_view app, auto& take) {
    return keeper.read(app, kAccessToken, {},
                       [&](const keeper::TokenView& view) { take(view.token); });
  });
}

void how(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("hot")->Arg(1)->Arg(0)->Threads(1)->Threads(2)->UseRealTime();
}
BENCHMARK(map_moment_given)->Apply(how);
BENCHMARK(table_moment_given)->Apply(how);
BENCHMARK(table_by_token)->Apply(how);
BENCHMARK(map_moment_read)->Apply(how);
BENCHMARK(keeper_moment_read)->Apply(how);

}  // namespace

BENCHMARK_MAIN();
