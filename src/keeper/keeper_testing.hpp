#pragma once

#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hufu/issuer.hpp"
#include "keeper/keeper_impl.hpp"
#include "store/memory_store.hpp"
#include "testing/fake_clock.hpp"

/// What the tests of the keeper stand on: a platform that remembers, a store that can be broken,
/// and a cluster in which time passes only when told.
namespace hufu::keeper::testing {

using hufu::testing::FakeClock;
using hufu::testing::FixedJitter;

/// A platform in one object: it follows its own rule strictly (only the newest token and the one
/// before live), remembers every token, and answers when the test lets it.
class FakePlatform final : public Issuer {
 public:
  /// What becomes of the next call.
  enum class Fate {
    answer,         ///< Carried out, answered.
    hold,           ///< Carried out and answered when the test calls `release`.
    lose_answer,    ///< Carried out, the answer lost.
    lose_request,   ///< Not carried out, and nobody can tell.
    no_connection,  ///< Not sent.
    refuse,         ///< Answered with an errcode that passes by itself.
    refuse_for_good,
    needed_token_is_dead,  ///< Answered: the token that the call was made with is dead.
  };

  FakePlatform(const Clock& clock, RenewalRule rule, std::string name = "fake/e/access_token")
      : clock_(clock), rule_(rule), name_(std::move(name)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] const RenewalRule& rule() const noexcept override { return rule_; }
  [[nodiscard]] const std::vector<Need>& needs() const noexcept override { return needed; }
  [[nodiscard]] bool can_probe() const noexcept override { return probed; }
  [[nodiscard]] bool can_try_credentials() const noexcept override { return tries_credentials; }
  void try_credentials(IssueRequest request, Done<Result<void>> done) override {
    ++trials;
    if (credential(request.credentials, kSecret).same_as(wrong_secret)) {
      return done(hufu::fail(Fault::refused, "the secret is wrong", "set it anew"));
    }
    done({});
  }

  void issue(IssueRequest request, Done<IssueOutcome> done) override {
    calls.push_back({clock_.wall(), request.force});
    secrets.emplace_back(credential(request.credentials, kSecret).reveal());
    if (!request.needed.empty()) needed_tokens.emplace_back(request.needed[0].reveal());
    Fate fate = usual;
    if (!fates.empty()) {
      fate = fates.front();
      fates.pop_front();
    }
    switch (fate) {
      case Fate::answer: return done(mint(request.force));
      case Fate::hold: held_.emplace_back(request.force, std::move(done)); return;
      case Fate::lose_answer: mint(request.force); [[fallthrough]];
      case Fate::lose_request:
        return done(failure(Fault::unreachable, IssueFailure::Delivery::lost, RetryClass::backoff));
      case Fate::no_connection:
        return done(
            failure(Fault::unreachable, IssueFailure::Delivery::not_sent, RetryClass::backoff));
      case Fate::refuse:
        return done(failure(Fault::refused, IssueFailure::Delivery::answered, RetryClass::backoff));
      case Fate::refuse_for_good:
        return done(failure(Fault::refused, IssueFailure::Delivery::answered, RetryClass::slow));
      case Fate::needed_token_is_dead:
        return done(
            failure(Fault::refused, IssueFailure::Delivery::answered, RetryClass::needed_token));
    }
  }

  void probe(IssueRequest, const Secret& token, Done<ProbeResult> done) override {
    ++probes;
    const ProbeResult verdict = !reachable              ? ProbeResult::unknown
                                : alive(token.reveal()) ? ProbeResult::alive
                                                        : ProbeResult::dead;
    if (hold_probes) {
      held_probes_.emplace_back([verdict, done = std::move(done)] { done(verdict); });
    } else {
      done(verdict);
    }
  }

  [[nodiscard]] bool alive(std::string_view token) const {
    const auto found = dies_.find(std::string(token));
    return found != dies_.end() && found->second > clock_.wall();
  }
  /// The platform takes a token back.
  void revoke(std::string_view token) { dies_[std::string(token)] = clock_.wall(); }
  [[nodiscard]] const std::string& newest() const { return newest_; }
  [[nodiscard]] const std::string& before() const { return before_; }

  void release() {
    auto held = std::exchange(held_, {});
    for (auto& [force, done] : held) done(mint(force));
  }
  /// Carries out what is held, and loses the answers.
  void release_unheard() {
    for (const auto& [force, done] : held_) mint(force);
    release_as(IssueFailure::Delivery::lost);
  }
  void release_as(IssueFailure::Delivery delivery) {
    auto held = std::exchange(held_, {});
    for (auto& [force, done] : held) {
      done(failure(Fault::unreachable, delivery, RetryClass::backoff));
    }
  }
  void release_probes() {
    for (auto& answer : std::exchange(held_probes_, {})) answer();
  }
  [[nodiscard]] std::size_t in_flight() const { return held_.size(); }

  struct Call {
    WallTime at;
    bool force;
  };
  std::vector<Call> calls;
  std::vector<std::string> secrets;
  std::vector<std::string> needed_tokens;  ///< The first of each call.
  std::vector<Need> needed;                ///< What `needs` says.
  bool probed = true;
  bool tries_credentials = false;
  std::string wrong_secret;  ///< What `try_credentials` refuses.
  int trials = 0;
  int probes = 0;
  std::deque<Fate> fates;
  Fate usual = Fate::answer;
  Milliseconds life = std::chrono::seconds(7200);
  Milliseconds later{};  ///< So much longer a token lives than `life` says.
  bool reachable = true;
  bool hold_probes = false;
  bool stubborn = false;  ///< Brings the newest token again, forced or not, dead or alive.

 private:
  static IssueOutcome failure(Fault fault, IssueFailure::Delivery delivery,
                              RetryClass retry_class) {
    IssueFailure failed;
    failed.error = {fault, "the platform said no", "wait", {}, {}};
    if (fault == Fault::refused) failed.error.errcode = 40164;
    failed.delivery = delivery;
    failed.retry_class = retry_class;
    return tl::unexpected(std::move(failed));
  }

  IssueOutcome mint(bool force) {
    const WallTime now = clock_.wall();
    const bool windowed = rule_.shape == RenewalRule::Shape::windowed;
    const bool sticky = rule_.shape == RenewalRule::Shape::sticky;
    if (windowed || sticky) {
      const auto left = newest_.empty() ? Milliseconds(0) : dies_[newest_] - now;
      if (stubborn && !newest_.empty()) {
        return Issued{Secret(std::string_view(newest_)), std::max<Milliseconds>(left, life / 2)};
      }
      const bool same = sticky ? left > Milliseconds(0) : !force && left > rule_.overlap;
      if (same) return Issued{Secret(std::string_view(newest_)), left};
      if (force && !newest_.empty()) dies_[newest_] = now;
    } else {
      if (!before_.empty()) dies_[before_] = std::min(dies_[before_], now);
      if (!newest_.empty()) dies_[newest_] = std::min(dies_[newest_], now + rule_.overlap);
    }
    before_ = newest_;
    newest_ = "token-" + std::to_string(++minted_);
    dies_[newest_] = now + life + later;
    return Issued{Secret(std::string_view(newest_)), life};
  }

  const Clock& clock_;
  RenewalRule rule_;
  std::string name_;
  std::string newest_;
  std::string before_;
  int minted_ = 0;
  std::map<std::string, WallTime> dies_;
  std::vector<std::pair<bool, Done<IssueOutcome>>> held_;
  std::vector<std::function<void()>> held_probes_;
};

/// Another clock of the same cluster: its wall is that much ahead, now and for ever, unless it also
/// runs too fast.
class SkewedClock final : public Clock {
 public:
  SkewedClock(const Clock& cluster, Milliseconds ahead, int millionths_too_fast = 0)
      : cluster_(cluster),
        ahead_(ahead),
        millionths_too_fast_(millionths_too_fast),
        began_(cluster.steady()) {}
  [[nodiscard]] WallTime wall() const noexcept override {
    return cluster_.wall() + ahead_ + gained();
  }
  /// Another machine was booted at another time.
  [[nodiscard]] SteadyTime steady() const noexcept override {
    return cluster_.steady() + 7 * ahead_ + std::chrono::hours(5000) + gained();
  }

 private:
  [[nodiscard]] Milliseconds gained() const noexcept {
    return (cluster_.steady() - began_) * millionths_too_fast_ / 1'000'000;
  }

  const Clock& cluster_;
  const Milliseconds ahead_;
  const int millionths_too_fast_;
  const SteadyTime began_;
};

/// A memory store whose verbs can be made to fail, and that may have a clock of its own, as a
/// database server has.
class FaultyStore final : public TokenStore {
 public:
  explicit FaultyStore(std::shared_ptr<store::MemoryStore> inner) : inner_(std::move(inner)) {}

  const Clock* own_clock = nullptr;

  bool out = false;             ///< Every verb fails.
  bool read_only = false;       ///< Every verb that writes fails, a node's announcement included.
  bool refuse_leases = false;   ///< Only begins fail.
  bool refuse_commits = false;  ///< Only commits fail.
  bool lose_commits = false;    ///< Commits are carried out and reported as failed.
  bool refuse_loads = false;    ///< Only loads fail.
  bool refuse_calls_in_doubt = false;
  bool forgetful = false;         ///< The feed has forgotten what changed.
  std::uint64_t unconfirmed = 0;  ///< Writes that too few replicas have.
  int acquisitions = 0;
  int scans = 0;
  int commits = 0;
  std::function<void()> before_load;
  bool hold_loads = false;  ///< Loads read what is there, but answer on `release_loads`.
  std::function<void()> before_acquire;
  std::function<void()> before_commit;

  void load(const Key& key, Done<Result<Record>> done) override {
    if (before_load) std::exchange(before_load, nullptr)();
    if (out || refuse_loads) return done(broken());
    if (!hold_loads) return inner_->load(key, std::move(done));
    inner_->load(key, [this, done = std::move(done)](Result<Record> read) mutable {
      auto record = std::make_shared<Result<Record>>(std::move(read));
      held_loads_.emplace_back([record, done = std::move(done)] { done(std::move(*record)); });
    });
  }
  void release_loads() {
    hold_loads = false;
    for (auto& answer : std::exchange(held_loads_, {})) answer();
  }
  void acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) override {
    ++acquisitions;
    if (before_acquire) std::exchange(before_acquire, nullptr)();
    if (out || read_only || refuse_leases) return done(broken());
    inner_->acquire_lease(std::move(lease_request), std::move(done));
  }
  void commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) override {
    if (out || read_only) return done(broken());
    if (brings_new_token(lease, next)) {
      if (before_commit) std::exchange(before_commit, nullptr)();
      if (out || read_only || refuse_commits) return done(broken());
      ++commits;
    }
    if (lose_commits) {
      return inner_->commit(std::move(lease), std::move(next),
                            [done = std::move(done)](const auto&) { done(broken()); });
    }
    inner_->commit(std::move(lease), std::move(next), std::move(done));
  }
  void add_in_doubt(const Key& key, InDoubtCall in_doubt_call, Done<Result<void>> done) override {
    if (out || read_only) return done(broken());
    if (refuse_calls_in_doubt) return done(broken());
    inner_->add_in_doubt(key, in_doubt_call, std::move(done));
  }
  void changes(std::string cursor, Done<Result<Changes>> done) override {
    if (out) return done(broken());
    if (std::exchange(forgetful, false)) {
      Changes changes;
      changes.everything = true;
      return done(std::move(changes));
    }
    inner_->changes(std::move(cursor), std::move(done));
  }
  void time(Done<Result<std::optional<WallTime>>> done) override {
    if (out) return done(broken());
    done(own_clock != nullptr ? std::optional(own_clock->wall()) : std::nullopt);
  }
  void scan(std::function<void(Key&&, Record&&)> visit, Done<Result<void>> done) override {
    if (out) return done(broken());
    ++scans;
    inner_->scan(std::move(visit), std::move(done));
  }

  /// Whether `next` holds another token than the one that is stored.
  bool brings_new_token(const Lease& lease, const Record& next) {
    std::uint64_t stored = 0;
    inner_->load(lease.key, [&](const Result<Record>& record) { stored = record->revision; });
    return next.revision != stored;
  }

  static tl::unexpected<Error> broken() {
    return hufu::fail(Fault::store, "the disk is full", "make room");
  }

 private:
  std::shared_ptr<store::MemoryStore> inner_;
  std::vector<std::function<void()>> held_loads_;
};

/// The fourth face of the same store: it fails when that does.
class FaultyCluster final : public store::Cluster {
 public:
  FaultyCluster(std::shared_ptr<FaultyStore> store, std::shared_ptr<store::MemoryStore> inner)
      : store_(std::move(store)), inner_(std::move(inner)) {}

  void announce(store::NodeRow node, Milliseconds forget, Done<Result<void>> done) override {
    if (store_->out || store_->read_only) return done(FaultyStore::broken());
    inner_->announce(std::move(node), forget, std::move(done));
  }
  void leave(const std::string& name, Done<Result<void>> done) override {
    if (store_->out || store_->read_only) return done(FaultyStore::broken());
    inner_->leave(name, std::move(done));
  }
  [[nodiscard]] std::uint64_t unconfirmed() const override { return store_->unconfirmed; }
  void view(Done<Result<store::ClusterView>> done) override {
    if (store_->out) return done(FaultyStore::broken());
    inner_->view(std::move(done));
  }

 private:
  std::shared_ptr<FaultyStore> store_;
  std::shared_ptr<store::MemoryStore> inner_;
};

/// Recognises texts by a plain hash; seals nothing.
class PlainSealer final : public store::Sealer {
 public:
  [[nodiscard]] Secret seal(std::string_view plain, std::string_view) const override {
    return Secret(plain);
  }
  using Sealer::open;
  [[nodiscard]] Result<void> open(std::string_view sealed, std::string_view,
                                  Secret& into) const override {
    into.assign(sealed);
    return {};
  }
  [[nodiscard]] Fingerprint fingerprint(std::string_view token) const override {
    return {static_cast<std::uint32_t>(std::hash<std::string_view>()(token))};
  }
  [[nodiscard]] store::SecretTag tag(std::string_view app, std::string_view secret) const override {
    const auto hash = std::hash<std::string>()(std::string(app) + "|" + std::string(secret));
    store::SecretTag tag{};
    for (std::size_t i = 0; i < 8; ++i) tag[i] = static_cast<std::uint8_t>(hash >> (8 * i));
    return tag;
  }
};

/// One clock, one store, one platform, and any number of keepers on them.
class TestCluster {
 public:
  explicit TestCluster(RenewalRule rule = rotating())
      : platform(std::make_shared<FakePlatform>(clock, rule)) {}

  static RenewalRule rotating() {
    return {RenewalRule::Shape::rotating, std::chrono::seconds(300), std::chrono::seconds(7200), 0,
            std::chrono::seconds(0)};
  }
  static RenewalRule windowed() {
    return {RenewalRule::Shape::windowed, std::chrono::seconds(300), std::chrono::seconds(7200), 20,
            std::chrono::seconds(30)};
  }
  static RenewalRule sticky() {
    return {RenewalRule::Shape::sticky, std::chrono::seconds(0), std::chrono::seconds(7200), 0,
            std::chrono::seconds(0)};
  }
  static RenewalRule independent() {
    return {RenewalRule::Shape::independent, std::chrono::seconds(0), std::chrono::seconds(7200), 0,
            std::chrono::seconds(0)};
  }

  FakeClock clock;
  FixedJitter jitter;
  std::shared_ptr<FakePlatform> platform;
  std::map<std::string, std::shared_ptr<FakePlatform>> kinds{{std::string(kAccessToken), platform}};
  std::map<std::string, std::shared_ptr<FakePlatform>> endpoints{};  ///< Other ways of issuing.
  std::map<std::string, std::shared_ptr<FakePlatform>> platforms{};  ///< Other platforms.
  std::map<std::string, std::string> main_kinds{};  ///< Of platforms with another main kind.
  std::string account{};                            ///< IssuerSetup::account of all platforms.
  std::shared_ptr<store::MemoryStore> store = std::make_shared<store::MemoryStore>(clock);
  std::shared_ptr<store::Registry> registry{};  ///< In place of the store's own.
  MissingCredential missing_credential{};
  NoteKeyAgain note_key_again{};
  FindImported find_imported{};  ///< What a program before Hufu left.
};

/// One process: a loop, a keeper, and a view of the cluster's store that can break by itself.
class Node : public Observer, public TokenListener {
 public:
  explicit Node(TestCluster& cluster, bool background = true,
                std::vector<AppConfig> apps = default_apps())
      : Node(cluster, cluster.clock, background, std::move(apps)) {}
  /// A node on a machine whose clock is wrong, on a database that has one.
  Node(TestCluster& cluster, const SkewedClock& clock)
      : Node(cluster, clock, true, default_apps()) {
    store->own_clock = &cluster.clock;
  }
  Node(TestCluster& cluster, const Clock& clock, bool background, std::vector<AppConfig> apps)
      : cluster_(cluster), store(std::make_shared<FaultyStore>(cluster.store)) {
    Parts parts;
    parts.clock = &clock;
    parts.cluster = std::make_shared<FaultyCluster>(store, cluster.store);
    parts.version = "0.0.0";
    parts.random = &cluster.jitter;
    parts.observer = this;
    parts.listener = this;
    parts.tokens = store;
    parts.registry = cluster.registry ? cluster.registry : cluster.store;
    parts.note_key_again = cluster.note_key_again;
    parts.missing_credential = cluster.missing_credential;
    parts.sealer = std::make_shared<PlainSealer>();
    parts.make_issuer = [&cluster](const std::string& platform, const std::string& endpoint,
                                   const std::string& kind) -> Result<IssuerSetup> {
      const auto other_main = cluster.main_kinds.find(platform);
      const bool has_other_main = other_main != cluster.main_kinds.end();
      const std::string main = has_other_main ? other_main->second : std::string(kAccessToken);
      const std::string wanted = kind.empty() ? main : kind;
      for (const auto* others : {&cluster.platforms, &cluster.endpoints}) {
        const auto other = others->find(others == &cluster.platforms ? platform : endpoint);
        if (other != others->end() && wanted == kAccessToken) {
          return IssuerSetup{other->second, wanted, std::string(kAccessToken), {}, cluster.account};
        }
      }
      const auto found = cluster.kinds.find(wanted);
      if ((platform != "fake" && !has_other_main) || found == cluster.kinds.end()) {
        return hufu::fail(Fault::config, "no such platform or kind");
      }
      return IssuerSetup{found->second, wanted, main, {}, cluster.account};
    };
    parts.find_imported = cluster.find_imported;
    parts.timing = {};
    parts.apps = std::move(apps);
    parts.background = background;
    keeper = std::make_unique<KeeperImpl>(loop_, std::move(parts));
    keeper->set_address("127.0.0.1:7200");
  }
  ~Node() override {
    bool stopped = false;
    keeper->stop([&stopped] { stopped = true; });
    run();
    cluster_.platform->release_as(IssueFailure::Delivery::lost);
    cluster_.platform->release_probes();
    run();
  }

  static std::vector<AppConfig> default_apps() {
    std::vector<AppConfig> apps(1);
    apps[0].id = "wx1";
    apps[0].platform = "fake";
    apps[0].settings["endpoint"] = "e";
    apps[0].credentials.emplace(kSecret, Secret(std::string_view("not-a-secret")));
    return apps;
  }

  /// Starts; fails the test if it cannot.
  void start() {
    std::optional<Result<void>> result;
    keeper->start([&result](Result<void> r) { result = std::move(r); });
    run();
    if (!result || !*result) throw std::runtime_error("the node did not start");
  }

  /// Lets everything happen that can happen at this moment.
  void run() {
    for (int i = 0; i < 1000; ++i) {
      loop_.restart();
      const auto ran = loop_.poll();
      keeper->run_due();
      loop_.restart();
      if (ran + loop_.poll() == 0) return;
    }
  }
  /// Lets time pass in steps, as a loop with a timer would see it.
  void pass(Milliseconds span, Milliseconds step = Milliseconds(250)) {
    run();
    while (span > Milliseconds(0)) {
      const auto part = std::min(span, step);
      cluster_.clock.advance(part);
      span -= part;
      run();
    }
  }

  /// The outcome of an asynchronous call, when it has come.
  template <class T>
  struct Pending {
    std::shared_ptr<std::optional<T>> slot = std::make_shared<std::optional<T>>();
    [[nodiscard]] bool ready() const { return slot->has_value(); }
    T& operator*() { return slot->value(); }
    T* operator->() { return &slot->value(); }
  };
  Pending<Result<Grant>> ask(std::chrono::seconds min_ttl = {}, const std::string& app = "wx1") {
    Pending<Result<Grant>> pending;
    keeper->get(Key{app}, Wish{min_ttl.count(), false},
                [slot = pending.slot](Result<Grant> r) { *slot = std::move(r); });
    run();
    return pending;
  }
  Pending<Result<Report>> report(const std::string& token, const std::string& app = "wx1") {
    Pending<Result<Report>> pending;
    keeper->report(Key{app}, Secret(std::string_view(token)),
                   [slot = pending.slot](Result<Report> r) { *slot = std::move(r); });
    run();
    return pending;
  }
  Pending<Result<Grant>> refresh(const std::string& app = "wx1") {
    Pending<Result<Grant>> pending;
    keeper->refresh(Key{app}, [slot = pending.slot](Result<Refreshed> r) {
      if (r) {
        *slot = std::move(r->grant);
      } else {
        *slot = tl::unexpected(std::move(r.error()));
      }
    });
    run();
    return pending;
  }
  /// The token now, or "" with the error remembered.
  std::string token(std::chrono::seconds min_ttl = {}) {
    auto answer = ask(min_ttl);
    if (!answer.ready()) return "(waiting)";
    if (!*answer) {
      error = answer->error();
      return "";
    }
    return std::string(answer->value().token.reveal());
  }

  void renewed(const Key&, Cause cause, std::uint64_t, Fingerprint, Milliseconds) override {
    causes.push_back(cause);
  }
  void changed(const Key& key) override { listener.push_back(key); }
  void fenced(const Key&) override { ++times_fenced; }
  void store_changed(bool usable, const Error*) override {
    store_usable = usable;
    ++store_turns;
  }
  void store_lost(std::size_t apps, std::size_t tokens) override {
    losses.emplace_back(apps, tokens);
  }
  void unconfirmed(std::uint64_t more) override { writes_unconfirmed += more; }
  void replicas_behind(std::uint64_t more) override { warnings.push_back(more); }
  void clock_stepped(Milliseconds by) override { stepped = by; }

 private:
  TestCluster& cluster_;
  boost::asio::io_context loop_;

 public:
  std::shared_ptr<FaultyStore> store;
  std::unique_ptr<KeeperImpl> keeper;
  Error error;
  std::vector<Cause> causes;
  std::vector<Key> listener;  ///< What it was told of.
  int times_fenced = 0;
  std::uint64_t writes_unconfirmed = 0;
  std::vector<std::pair<std::size_t, std::size_t>> losses;  ///< Apps and tokens, each time.
  std::vector<std::uint64_t> warnings;                      ///< Of replicas that are behind.
  bool store_usable = true;
  int store_turns = 0;  ///< How often that has changed.
  Milliseconds stepped{0};
};

/// An app of the fake platform, as somebody puts it.
inline AppConfig fake_app(std::string id, std::string_view secret) {
  AppConfig app;
  app.id = std::move(id);
  app.platform = "fake";
  app.settings["endpoint"] = "e";
  app.credentials.emplace(kSecret, Secret(secret));
  return app;
}

/// "wx0", "wx1" and so on.
inline std::vector<AppConfig> fake_apps(int count) {
  std::vector<AppConfig> apps;
  for (int i = 0; i < count; ++i) apps.push_back(fake_app("wx" + std::to_string(i), "x"));
  return apps;
}

/// The token that the node hands out at this moment, as a client has seen it.
inline Seen seen_now(const Node& node) {
  Seen seen;
  node.keeper->read("wx1", kAccessToken, Wish{}, [&](const TokenView& view) {
    seen = {view.revision, view.fingerprint};
  });
  return seen;
}

}  // namespace hufu::keeper::testing
