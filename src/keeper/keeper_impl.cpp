#include "keeper/keeper_impl.hpp"

#include <utility>

#include "core/process.hpp"
#include "keeper/await.hpp"
#include "keeper/budget.hpp"
#include "keeper/in_doubt.hpp"

namespace hufu::keeper {
using std::chrono::seconds;

namespace {

/// A replaced secret is tried within so long: soon, and not on all nodes at once.
constexpr Milliseconds kBeforeTrial = seconds(2);
constexpr Milliseconds kTrialsSpread = seconds(20);
/// A million apps are in huge pages after two seconds.
constexpr Milliseconds kBetweenCollapses{10};

}  // namespace

KeeperImpl::KeeperImpl(boost::asio::io_context& context, Parts parts)
    : parts_(std::move(parts)),
      loop_(context, *parts_.clock),
      issuers_(parts_.make_issuer, parts_.timing),
      health_(loop_, *parts_.observer, parts_.background && parts_.cluster),
      records_({loop_, table_, states_, issuers_, health_, parts_.tokens, parts_.sealer,
                parts_.listener}),
      apps_({records_, parts_.registry, parts_.background, parts_.find_imported != nullptr,
             parts_.missing_credential}),
      dependencies_(records_, apps_),
      probes_(records_, apps_, *parts_.observer),
      context_{records_,
               apps_,
               dependencies_,
               probes_,
               *parts_.observer,
               *parts_.random,
               parts_.find_imported,
               [this](RowHandle row) { return renewals_.due_at(row); },
               [this](RowHandle row) { return answers_.why_not(row); }},
      renewals_(context_, parts_.background),
      answers_({records_, apps_, renewals_, probes_}),
      reports_({records_, apps_, renewals_, probes_, answers_, *parts_.observer}),
      changes_({records_, apps_, *parts_.observer, parts_.tokens, parts_.registry,
                parts_.note_key_again}),
      clock_(loop_, health_, *parts_.observer, parts_.tokens),
      membership_({loop_, health_, clock_, *parts_.observer, parts_.tokens, parts_.cluster,
                   context_.fenced, parts_.version}),
      status_({records_, apps_, renewals_, answers_}) {
  health_.on_doubt([this] { loop_.spawn(membership_.announce_now()); });
  records_.on({[this](RowHandle row) { renewals_.reschedule(row); },
               [this](RowHandle row) { token_replaced(row); }});
  apps_.on({[this](RowHandle row) {
              records_.recompute_bounds(row);
              if (started_) renewals_.reschedule(row);
            },
            [this](const Key& key, KeyState state) { row_removed(key, std::move(state)); },
            [this](const std::string& app) {
              if (parts_.background && started_) loop_.spawn(try_replaced_secret(app));
            }});
  dependencies_.use({[this](Key key) { return answers_.get(std::move(key), Wish{}); },
                     [this](Key key, Secret refused) {
                       return reports_.report(std::move(key), std::move(refused));
                     }});
  changes_.on({[this](RowHandle row) { loop_.spawn(write_back(row)); },
               [this](RowHandle row) {
                 if (table_.due(row) == WallTime{}) renewals_.reschedule(row);
               }});
}

KeeperImpl::~KeeperImpl() = default;

// ---- start and stop

void KeeperImpl::start(Done<Result<void>> done) {
  loop_.enter<Result<void>>(std::move(done), [this] { return begin_work(); });
}

Task<Result<void>> KeeperImpl::begin_work() {
  if (auto taken = apps_.take_config_apps(std::move(parts_.apps)); !taken) co_return taken;
  if (auto known = co_await clock_.start(); !known) co_return known;
  if (parts_.background) {
    auto read = co_await changes_.read_everything();
    if (!read) co_return read;
    loop_.spawn(changes_.follow());
    loop_.spawn(status_.follow_doubt());
    if (parts_.cluster) loop_.spawn(membership_.announce());
    clock_.watch_wall_clock();
  }
  set_started();
  co_return Result<void>();
}

void KeeperImpl::set_started() {
  started_ = true;
  loop_.spawn(collapse_table());
  for (auto& answer : std::exchange(waiting_for_start_, {})) answer(true);
  loop_.rescheduled();
}

/// Step by step, so that nobody waits for it.
Task<void> KeeperImpl::collapse_table() {
  while (!loop_.stopping() && table_.collapse_next()) co_await loop_.sleep(kBetweenCollapses);
}

void KeeperImpl::when_started(Milliseconds patience, Done<bool> done) {
  loop_.post([this, patience, done = std::move(done)] {
    if (started_) return done(true);
    auto over = std::make_shared<bool>(false);
    waiting_for_start_.emplace_back([over, done](bool started) {
      if (!std::exchange(*over, true)) done(started);
    });
    loop_.at(now() + patience, [over, done] {
      if (!std::exchange(*over, true)) done(false);
    });
  });
}

void KeeperImpl::stop(std::function<void()> done) {
  loop_.post([this, done = std::move(done)]() mutable {
    renewals_.stop();
    loop_.stop(std::move(done));
  });
}

void KeeperImpl::set_config_apps(std::vector<AppConfig> apps, Done<Result<void>> done) {
  // std::function wants to copy what it holds, and a Secret does not let itself be copied.
  auto shared = std::make_shared<std::vector<AppConfig>>(std::move(apps));
  loop_.enter<Result<void>>(
      std::move(done), [this, shared] { return apps_.replace_config_apps(std::move(*shared)); });
}

WallTime KeeperImpl::run_due() {
  const WallTime timer = loop_.run_timers();
  return std::min(timer, renewals_.run_due());
}

// ---- what follows from what

/// Whoever waits for another token looks at it, and so does what needs it.
void KeeperImpl::token_replaced(RowHandle row) {
  answers_.wake(row);
  if (!started_) return;
  for (const RowHandle dependent : dependencies_.dependents_of(row)) {
    KeyState* state = states_.find(dependent);
    if (state == nullptr || state->blocked_until == WallTime{}) continue;
    state->blocked_until = {};
    renewals_.reschedule(dependent);
  }
}

void KeeperImpl::row_removed(const Key& key, KeyState state) {
  if (!table_.find(Key{key.app, {}})) records_.forget_failure(key);
  if (parts_.listener != nullptr) parts_.listener->changed(key);
  for (const Watcher& watcher : state.watchers) watcher.wake(false);
}

/// The store has lost a token that readers are promised (a Redis was flushed, say): it gets it
/// back, so that a restart and other nodes find it.
Task<void> KeeperImpl::write_back(RowHandle row) {
  if (!table_.stands(row)) co_return;
  const Key key = table_.key(row);
  const RowState present = *table_.state(row);
  Record record = records_.snapshot(row);
  record.token->value = table_.token(row);
  if (present.issued_by != Issuers::kUnknown) {
    record.token->issuer = std::string(issuers_.at(present.issued_by).issuer->name());
  }
  record.in_doubt.clear();

  LeaseRequest request;
  request.key = key;
  request.holder = process_identity();
  request.lease = parts_.timing.lease;
  request.in_doubt_call = {loop_.now(), present.expires_at, InDoubtCall::State::pending};
  auto acquired = co_await await<Result<AcquireOutcome>>(
      [&](auto done) { parts_.tokens->acquire_lease(std::move(request), std::move(done)); });
  if (!acquired || !std::holds_alternative<Acquired>(*acquired)) co_return;
  auto& lease = std::get<Acquired>(*acquired);
  co_await await<Result<WriteOutcome>>([&](auto done) {
    parts_.tokens->commit(std::move(lease.lease), std::move(record), std::move(done));
  });
}

// ---- credentials

Task<Result<void>> KeeperImpl::try_secret(std::string app) {
  Key key{app, {}};
  const auto located = co_await apps_.locate(std::move(key));
  if (!located) co_return tl::unexpected(located.error());
  const RowHandle row = *located;
  const KnownIssuer& known = records_.issuer_of(row);
  const std::shared_ptr<Issuer> issuer = known.issuer;
  const Milliseconds timeout = known.terms.request_timeout;
  if (issuer->can_try_credentials()) {
    auto credentials = co_await apps_.credentials_of(app);
    if (!credentials) co_return tl::unexpected(std::move(credentials.error()));
    IssueRequest request;
    request.app = app;
    request.settings = apps_.settings_of(app);
    request.credentials = std::move(*credentials);
    request.timeout = timeout;
    co_return co_await await<Result<void>>(
        [&](auto done) { issuer->try_credentials(std::move(request), std::move(done)); });
  }
  // Without such a call: a renewal where one displaces nothing that is promised, else the token
  // that the credentials brought is judged.
  if (!answers_.promised(row) || known.terms.rule.shape == RenewalRule::Shape::independent) {
    const Failure failure = co_await renewals_.await_renewal(row, Cause::operated);
    if (failure) co_return tl::unexpected(*failure);
    co_return Result<void>();
  }
  if (co_await probes_.probe(row) == ProbeResult::dead) {
    co_return fail(Fault::refused, "the platform says that the stored token of " + app + " is dead",
                   "see what becomes of its renewal: hufu status");
  }
  co_return Result<void>();
}

/// Other credentials than before deserve a try soon, not only at the planned renewal; their refusal
/// is shown while the old token is handed out.
Task<void> KeeperImpl::try_replaced_secret(std::string app) {
  co_await loop_.sleep(kBeforeTrial +
                       Milliseconds(static_cast<Milliseconds::rep>(
                           static_cast<double>(kTrialsSpread.count()) * parts_.random->uniform())));
  if (loop_.stopping()) co_return;
  const auto row = table_.find(Key{app, {}});
  if (!row || !records_.issuer_of(*row).issuer->can_try_credentials()) co_return;
  const std::string credentials = credentials_name(table_.facts_of(*row).tag);
  auto tried = co_await try_secret(app);
  if (!table_.stands(*row)) co_return;
  if (credentials != credentials_name(table_.facts_of(*row).tag)) co_return;
  if (tried) {
    const KeyState* state = states_.find(*row);
    if (state != nullptr && state->credentials_refused) records_.set_failure(*row, std::nullopt);
    co_return;
  }
  if (tried.error().fault != Fault::refused) co_return;
  FailureState failure;
  failure.error = tried.error();
  failure.at = loop_.now();
  failure.next_attempt_at = loop_.now();
  failure.failures = 1;
  failure.credentials = credentials;
  parts_.observer->renewal_failed(table_.key(*row), Cause::schedule, failure.error,
                                  RetryClass::slow, Milliseconds(0));
  records_.set_failure(*row, std::move(failure));
  states_.of(*row).credentials_refused = true;
}

void KeeperImpl::try_credentials(std::string app, Done<Result<void>> done) {
  loop_.enter<Result<void>>(std::move(done),
                            [this, app = std::move(app)] { return try_secret(app); });
}

// ---- tokens

bool KeeperImpl::read(std::string_view app, std::string_view kind, Wish wish,
                      void (*use)(void*, const TokenView&), void* target) const {
  return table_.read(app, kind, now(), wish,
                     [use, target](const TokenView& view) { use(target, view); });
}

void KeeperImpl::get(Key key, Wish wish, Done<Result<Grant>> done) {
  loop_.enter<Result<Grant>>(
      std::move(done), [this, key = std::move(key), wish] { return answers_.get(key, wish); });
}

void KeeperImpl::report(Key key, Refused refused, Done<Result<Report>> done) {
  auto shared = std::make_shared<Refused>(std::move(refused));
  loop_.enter<Result<Report>>(std::move(done), [this, key = std::move(key), shared] {
    return reports_.report(key, std::move(*shared));
  });
}

void KeeperImpl::refresh(Key key, Done<Result<Refreshed>> done) {
  loop_.enter<Result<Refreshed>>(
      std::move(done), [this, key = std::move(key)] { return reports_.force_refresh(key); });
}

void KeeperImpl::recheck(Key key, Milliseconds patience, Done<Result<Grant>> done) {
  loop_.enter<Result<Grant>>(std::move(done), [this, key = std::move(key), patience] {
    return reports_.recheck(key, patience);
  });
}

void KeeperImpl::wait(Key key, Seen seen, Milliseconds patience,
                      Done<Result<std::optional<Grant>>> done) {
  loop_.enter<Result<std::optional<Grant>>>(
      std::move(done),
      [this, key = std::move(key), seen, patience] { return answers_.wait(key, seen, patience); });
}

void KeeperImpl::interrupt_waits() {
  loop_.post([this] { answers_.wake_all(); });
}

void KeeperImpl::end_waits() {
  loop_.post([this] { answers_.end_waits(); });
}

bool KeeperImpl::owner_of(std::string_view token,
                          void (*use)(void*, std::string_view app, std::string_view kind),
                          void* target) const {
  if (token.empty()) return false;
  return table_.read_by_token(
      token, parts_.sealer->fingerprint(token), now(),
      [use, target](std::string_view app, std::string_view kind) { use(target, app, kind); });
}

// ---- apps

bool KeeperImpl::is_secret_of(std::string_view app, std::string_view secret) const {
  return apps_.is_secret_of(app, secret);
}

bool KeeperImpl::knows(std::string_view app) const { return table_.knows(app); }

bool KeeperImpl::is_child_of(std::string_view app, std::string_view parent) const {
  return apps_.is_child_of(app, parent);
}

std::optional<AppInfo> KeeperImpl::app(std::string_view id) const { return apps_.info(id); }

AppPage KeeperImpl::apps(const AppQuery& query) const { return apps_.page(query, now()); }

void KeeperImpl::put_app(AppConfig app, Done<Result<AppInfo>> done) {
  auto shared = std::make_shared<AppConfig>(std::move(app));
  loop_.enter<Result<AppInfo>>(std::move(done),
                               [this, shared] { return apps_.put(std::move(*shared)); });
}

void KeeperImpl::remove_app(std::string id, Done<Result<bool>> done) {
  loop_.enter<Result<bool>>(std::move(done),
                            [this, id = std::move(id)] { return apps_.remove(id); });
}

// ---- what people are shown

void KeeperImpl::status(StatusQuery query, Done<Result<StatusPage>> done) {
  loop_.enter<Result<StatusPage>>(std::move(done),
                                  [this, query = std::move(query)]() -> Task<Result<StatusPage>> {
                                    // Once a list: its further pages show what was read.
                                    if (!parts_.background && query.after.empty()) {
                                      if (auto read = co_await changes_.read_everything(); !read) {
                                        co_return tl::unexpected(std::move(read.error()));
                                      }
                                    }
                                    co_return status_.page(query);
                                  });
}

void KeeperImpl::cluster(Done<Result<store::ClusterView>> done) {
  loop_.enter<Result<store::ClusterView>>(std::move(done),
                                          [this] { return membership_.cluster_view(); });
}

Health KeeperImpl::health() const {
  Health health = status_.health();
  health.started = started_;
  return health;
}

}  // namespace hufu::keeper
