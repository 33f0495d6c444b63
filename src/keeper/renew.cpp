#include <algorithm>
#include <variant>

#include "core/failpoint.hpp"
#include "core/process.hpp"
#include "keeper/await.hpp"
#include "keeper/backoff.hpp"
#include "keeper/budget.hpp"
#include "keeper/heart.hpp"

namespace hufu::keeper {
using std::chrono::seconds;
using Delivery = IssueFailure::Delivery;
using Shape = RenewalRule::Shape;

namespace {

/// How often to look whether somebody else's renewal is done: soon, then less often.
constexpr Milliseconds kFirstLook{50};
constexpr Milliseconds kBetweenLooks{250};
/// Time kept free for the commit at the end of a lease: a tenth of it, at most this.
constexpr Milliseconds kMostForCommit{500};

}  // namespace

// ---- one in flight

/// Waits for the renewal in flight, or starts it.
Heart::Task<Heart::Failure> Heart::join(RowId row, Cause cause) {
  co_return co_await await<Failure>([this, row, cause](Done<Failure> done) {
    auto& flight = case_of(row).flight;
    if (!flight && stopping_) {
      return done(Error{Fault::unreachable, "shutting down", "ask again in a moment", {}, {}});
    }
    const bool first = !flight;
    if (first) flight = std::make_shared<Flight>(Flight{cause, {}, false});
    flight->waiting.push_back(std::move(done));
    observer_.waiting(1);
    if (!first) return;
    ++flights_;
    spawn(fly(row));
  });
}

/// Starts the renewal unless it is in flight, or too many are; nobody waits.
void Heart::launch(RowId row, Cause cause) {
  if (stopping_ || flights_ >= kMostFlights) return;
  Case& file = case_of(row);
  if (file.flight) return;
  ++flights_;
  file.flight = std::make_shared<Flight>(Flight{cause, {}, false});
  spawn(fly(row));
}

Heart::Task<void> Heart::fly(RowId row) {
  const std::shared_ptr<Flight> flight = case_of(row).flight;
  const Key key = table_.outline(row)->key;
  const Failure failure = co_await renew(row, key, flight->cause);
  --flights_;

  auto waiting = std::move(flight->waiting);
  if (const auto outline = table_.outline(row); outline && outline->key == key) {
    if (case_of(row).flight == flight) case_of(row).flight.reset();
    close_case(row);
    reschedule(row);
    if (flight->told) spawn(look_again(row, key));
  }
  observer_.waiting(-static_cast<int>(waiting.size()));
  for (auto& answer : waiting) answer(failure);
  admit_waiting();
}

void Heart::admit_waiting() {
  while (!stopping_ && flights_ < kMostFlights && !waiting_room_.empty()) {
    const RowId row = waiting_room_.front();
    waiting_room_.pop_front();
    if (table_.outline(row)) on_due(row);
  }
}

// ---- the four steps: begin → issue → commit → publish

Heart::Task<Heart::Failure> Heart::renew(RowId row, Key key, Cause cause) {
  for (Milliseconds pause = kFirstLook;; pause = std::min(pause * 2, kBetweenLooks)) {
    const std::uint64_t seen = table_.outline(row)->revision;
    const Terms terms = issuer_of(row).terms;
    // Not the one that the flight began with, if the app went and came back meanwhile.
    const Case& file = case_of(row);
    if (file.unsaved) {
      // The store knows nothing of this token: a renewal would be judged by what it displaced.
      co_return Error{
          Fault::store, "the latest token is not stored yet", "look at the store", {}, {}};
    }
    const bool dead = file.condemned;
    const bool force = terms.rule.shape == Shape::windowed && table_.outline(row)->has_token &&
                       (dead || cause == Cause::report || cause == Cause::operated) &&
                       may_force(file.budget, terms);

    // From here on readers promise no more than a call made now would leave alive.
    InDoubtCall in_doubt_call = in_doubt_call_for(known(row), terms, force, now());
    expect(row, in_doubt_call);
    LeaseRequest lease_request{key,           seen, process_identity(), parts_.timing.lease,
                               in_doubt_call, {}};
    // Whoever held the lease before may be dead while their call is still on its way. As long as
    // there is a token to hand out, it is given the time that such a call can take.
    if (!dead && grant(row, key, 0)) lease_request.grace = parts_.timing.request_timeout;
    lease_request.copy = copy_place(key);
    const WallTime lease_end = now() + parts_.timing.lease;
    auto begun = co_await await<Result<AcquireOutcome>>([&](auto done) {
      parts_.tokens->acquire_lease(std::move(lease_request), std::move(done));
    });
    // A lease that another holds is an answer, but it proves nothing about writing.
    if (!begun || std::holds_alternative<Acquired>(*begun)) {
      note_write(begun ? nullptr : &begun.error());
    }
    if (const auto outline = table_.outline(row); !outline || !(outline->key == key)) {
      co_return unknown_app(key.app);
    }

    if (!begun) {
      observer_.lease("error");
      unexpect(row, in_doubt_call);
      // Without the store nobody knows who else is renewing: the platform is not called.
      FailureState failure = case_of(row).failure.value_or(FailureState{});
      failure.error = begun.error();
      failure.at = now();
      failure.next_attempt_at = now() + delay_after(++failure.failures, RetryClass::backoff, true,
                                                    parts_.random->uniform());
      case_of(row).failure = failure;
      co_return begun.error();
    }
    if (auto* newer = std::get_if<Newer>(&*begun)) {
      observer_.lease("newer");
      unexpect(row, in_doubt_call);
      adopt(row, newer->record);
      co_return std::nullopt;
    }
    if (auto* held = std::get_if<Held>(&*begun)) {
      observer_.lease("held");
      unexpect(row, in_doubt_call);
      co_await sleep(std::min(pause, held->remaining));
      co_await reload(row, key);
      const auto outline = table_.outline(row);
      if (!outline || !(outline->key == key)) co_return unknown_app(key.app);
      if (outline->revision > seen) co_return std::nullopt;
      if (stopping_) co_return Error{Fault::unreachable, "shutting down", {}, {}, {}};
      continue;
    }
    observer_.lease("granted");
    pass_failpoint("renew.after_begin");
    auto& granted = std::get<Acquired>(*begun);
    co_return co_await renew_under(row, std::move(granted.lease), std::move(granted.record),
                                   lease_end, cause, force);
  }
}

/// The lease is ours: whatever the store says now, counts.
Heart::Task<Heart::Failure> Heart::renew_under(RowId row, Lease lease, Record record,
                                               WallTime lease_end, Cause cause, bool force) {
  const Key key = lease.key;
  const InDoubtCall own = record.in_doubt.back();  // What `acquire_lease` appended.
  adopt(row, record, Standing::leased);
  const KnownIssuer issuer = issuer_of(row);

  // Somebody else may have tried meanwhile, and failed: what held when this renewal was asked for
  // must hold now. One backoff for all; and whoever renews a token that lives, an operator or for
  // reports that go on, must not displace a second one within the overlap.
  unexpect(row, own);
  record.in_doubt.pop_back();
  if (record.copy && cause != Cause::operated) {
    auto next =
        taken_over(record, issuer.issuer->name(), issuer.terms, now(), parts_.random->uniform());
    if (next) {
      co_return co_await keep(row, std::move(lease), std::move(record), std::move(*next),
                              Call{cause, false, now(), Milliseconds(0)});
    }
  }
  const bool on_purpose =
      cause == Cause::operated || (cause == Cause::report && !case_of(row).condemned);
  WallTime until = on_purpose ? too_soon_until(record, issuer.terms) : due_at(row);
  if (force && !may_force(record.budget, issuer.terms)) until = std::max(until, now() + seconds(1));
  if (until > now()) {
    Failure why;
    if (on_purpose) {
      why = Error{Fault::too_soon, "somebody else has tried a moment ago", {}, {}, until - now()};
    } else if (!grant(row, key, 0)) {
      why = why_not(row, std::nullopt);
    }
    co_await give_back(std::move(lease), std::move(record));
    co_return why;
  }
  if (cause != Cause::operated &&
      !std::all_of(record.in_doubt.begin(), record.in_doubt.end(), is_known_dead)) {
    // Somebody's answer was lost, and they may be handing out its token from memory: to force would
    // end that one at once. Without force the platform shows it.
    force = false;
  }
  record.in_doubt.push_back(own);
  expect(row, own);

  Result<Secret> secret = co_await secret_of(key);
  Result<std::vector<Secret>> needed;
  if (secret) needed = co_await needed_tokens(key, issuer.issuer);
  if (!stands_for(row, key)) co_return unknown_app(key.app);
  std::string credentials;  // None were tried yet.
  if (!secret || !needed) {
    IssueFailure failure;
    failure.error = secret ? needed.error() : secret.error();
    failure.delivery = Delivery::not_sent;
    failure.retry_class =
        failure.error.fault == Fault::config ? RetryClass::slow : RetryClass::backoff;
    co_return co_await note_failure(row, std::move(lease), std::move(record), std::move(failure),
                                    Call{cause}, std::move(credentials));
  }
  const Milliseconds room = lease_end - now() - std::min(kMostForCommit, parts_.timing.lease / 10);
  if (room < parts_.timing.request_timeout / 2) {
    IssueFailure failure;
    failure.error = {Fault::store,
                     "the store took too long to grant the lease",
                     "look at the store's load, or raise timing.lease",
                     {},
                     {}};
    failure.delivery = Delivery::not_sent;
    co_return co_await note_failure(row, std::move(lease), std::move(record), std::move(failure),
                                    Call{cause}, std::move(credentials));
  }

  IssueRequest request;
  request.app = key.app;
  request.credentials.emplace(kSecret, std::move(*secret));
  request.force = force;
  request.needed = std::move(*needed);
  request.timeout = std::min(room, parts_.timing.request_timeout);
  co_return co_await call_platform(row, std::move(lease), std::move(record), cause, force,
                                   std::move(request));
}

Heart::Task<Heart::Failure> Heart::call_platform(RowId row, Lease lease, Record record, Cause cause,
                                                 bool force, IssueRequest request) {
  const KnownIssuer issuer = issuer_of(row);
  if (cause == Cause::report) {
    record.budget.report_count =
        goes_on(record.budget, issuer.terms.rule, now()) ? record.budget.report_count + 1 : 1;
    record.budget.report_counted_at = now();
  }
  if (force) {
    const bool same_day =
        record.budget.forced_at && day_of(*record.budget.forced_at) == day_of(now());
    record.budget.forced = same_day ? record.budget.forced + 1 : 1;
    record.budget.forced_at = now();
  }

  // Of the secret that is used, which need not be the app's any more when the answer comes.
  std::string credentials = credentials_name(table_.outline(row)->facts.tag);
  pass_failpoint("renew.before_call");
  const WallTime sent_at = now();
  auto outcome = co_await await<IssueOutcome>(
      [&](auto done) { issuer.issuer->issue(std::move(request), std::move(done)); });
  pass_failpoint("renew.after_call");
  const Milliseconds took = now() - sent_at;
  observer_.called(issuer.issuer->name(),
                   outcome ? std::optional<int>(0) : outcome.error().error.errcode);
  const auto outline = table_.outline(row);
  if (!outline || !(outline->key == lease.key)) co_return unknown_app(lease.key.app);
  if (!outcome) {
    co_return co_await note_failure(row, std::move(lease), std::move(record),
                                    std::move(outcome.error()), Call{cause, force, sent_at, took},
                                    std::move(credentials));
  }

  if (!record.in_doubt.empty())
    record.in_doubt.pop_back();  // This call's own: its outcome is known.
  Record next = succeed(record, std::move(*outcome), outline->fingerprint, issuer.issuer->name(),
                        issuer.terms, sent_at, now(), parts_.random->uniform());
  const Bounds bounds = bounds_of(next, issuer.terms, false);
  if (bounds.promise(now()) < 1) {
    // Alive, but shorter than the slack: nobody could use it, and asking on would be a storm.
    const int failures = record.failure ? record.failure->failures + 1 : 1;
    next.failure = FailureState{
        {Fault::unreachable,
         "the platform issued a token that ends within the use slack",
         "lower timing.use_slack, or look at the platform's clock",
         {},
         {}},
        now(),
        now() + delay_after(failures, RetryClass::backoff, true, parts_.random->uniform()),
        failures,
        {}};
  }
  co_return co_await keep(row, std::move(lease), std::move(record), std::move(next),
                          Call{cause, force, sent_at, took});
}

/// A token in hand: store it, then show it.
Heart::Task<Heart::Failure> Heart::keep(RowId row, Lease lease, Record before, Record next,
                                        Call call) {
  const Key key = lease.key;
  next.copy = copy_of(key, next, issuer_of(row).terms);
  auto written = co_await await<Result<WriteOutcome>>(
      [&](auto done) { parts_.tokens->commit(lease, next.clone(), std::move(done)); });
  note_write(written ? nullptr : &written.error());
  pass_failpoint("renew.after_commit");
  const auto outline = table_.outline(row);
  if (!outline || !(outline->key == key)) co_return unknown_app(key.app);

  if (!written) {
    // The token exists and the one in the store is on its way out. Serve it from memory, promise no
    // more than what holds when this process dies and its successor, who finds only the in-doubt
    // call, renews: late in the overlap, or at once where there is no token to wait for. And go on
    // trying to store it.
    observer_.commit_failed(key, written.error());
    const Terms& terms = issuer_of(row).terms;
    Record left = before.clone();
    left.failure.reset();
    left.in_doubt.push_back(in_doubt_call_for(before, terms, false, lease.called_at));
    const WallTime successor_renews =
        next_attempt(left, terms, left.token && left.token->issuer != next.token->issuer);
    Record shown = next.clone();
    shown.renew_at = std::min(next.renew_at, std::max(successor_renews, now()));
    adopt(row, shown);
    if (table_.outline(row)->revision > next.revision) co_return std::nullopt;  // Overtaken.
    case_of(row).unsaved = true;
    spawn(keep_trying(row, std::move(lease), std::move(next), call));
    co_return std::nullopt;
  }
  if (*written == WriteOutcome::fenced) {
    co_await doubt_theirs(row, key, call);
    if (!stands_for(row, key)) co_return unknown_app(key.app);
    if (grant(row, key, 0)) co_return std::nullopt;
    co_return Error{Fault::store,
                    "the lease was lost before the answer came",
                    "ask again; look at the store's load if it happens often",
                    {},
                    {}};
  }
  adopt(row, next, Standing::leased);
  observer_.renewed(key, call.cause, next.revision, table_.outline(row)->fingerprint, call.took);
  // The dead token again: the platform contradicts itself, so it is asked once more.
  if (case_of(row).condemned) spawn(refresh_verdict(row));
  co_return std::nullopt;
}

/// Somebody has taken the lease meanwhile, and this call may have ended the token that they stored
/// or left.
Heart::Task<void> Heart::doubt_theirs(RowId row, Key key, Call call) {
  observer_.fenced(key);
  ++fenced_;
  co_await reload(row, key);
  if (!stands_for(row, key)) co_return;
  const auto theirs = table_.outline(row);
  if (!theirs || !theirs->has_token) co_return;
  const auto doubt =
      fenced_call(theirs->obtained_at, issuer_of(row).terms, call.force, call.sent_at, now());
  if (!doubt) co_return;
  co_await await<Result<void>>(
      [&](auto done) { parts_.tokens->add_in_doubt(key, *doubt, std::move(done)); });
  co_await reload(row, key);
}

/// Stores a token that is served from memory, until it is stored or somebody else's is newer.
Heart::Task<void> Heart::keep_trying(RowId row, Lease lease, Record next, Call call) {
  for (int failures = 1;; ++failures) {
    co_await sleep(delay_after(failures, RetryClass::backoff, true, parts_.random->uniform()));
    const auto outline = table_.outline(row);
    if (!outline || !(outline->key == lease.key) || outline->revision > next.revision) co_return;
    auto written = co_await await<Result<WriteOutcome>>(
        [&](auto done) { parts_.tokens->commit(lease, next.clone(), std::move(done)); });
    note_write(written ? nullptr : &written.error());
    if (written) {
      const auto still = table_.outline(row);
      if (!still || !(still->key == lease.key) || still->revision > next.revision) co_return;
      case_of(row).unsaved = false;
      if (*written == WriteOutcome::fenced) {
        co_await doubt_theirs(row, lease.key, call);
      } else {
        adopt(row, next, Standing::leased);
        publish(row, next);  // With the plan it has by right.
        reschedule(row);
      }
      co_return;
    }
    if (stopping_) co_return;
  }
}

/// No token: note why and when to try again, beside the token that still works.
Heart::Task<Heart::Failure> Heart::note_failure(RowId row, Lease lease, Record record,
                                                IssueFailure failure, Call call,
                                                std::string credentials) {
  const Key key = lease.key;
  const KnownIssuer& issuer = issuer_of(row);
  const bool lost = failure.delivery == Delivery::lost;
  if (!record.in_doubt.empty()) {  // This call's own: what came of it is told now.
    if (lost) {
      record.in_doubt.back() = lost_call(record.in_doubt.back(), now());
    } else {
      record.in_doubt.pop_back();
    }
  }
  if (const Case* file = case_at(row)) record.alive_at = file->alive_at;
  merge_in_doubt(record, issuer.terms, now());

  const bool usable = record.token && !case_of(row).condemned &&
                      record.token->expires_at - issuer.terms.slack() > now();
  const bool urgent = issuer.terms.rule.shape == Shape::windowed || !usable;
  FailureState state;
  state.failures = record.failure ? record.failure->failures + 1 : 1;
  state.at = now();
  const double jitter = parts_.random->uniform();
  Milliseconds delay = delay_after(state.failures, failure.retry_class, urgent, jitter);
  if (usable && failure.retry_class == RetryClass::backoff) {
    // When the token runs out meanwhile, the shorter patience of that moment counts.
    const Milliseconds left = record.token->expires_at - issuer.terms.slack() - now();
    delay = std::min(
        delay, std::max(left, delay_after(state.failures, failure.retry_class, true, jitter)));
  }
  state.next_attempt_at = now() + delay;
  state.credentials = std::move(credentials);
  state.error = failure.error;
  record.failure = std::move(state);

  adopt(row, record);
  observer_.renewal_failed(key, call.cause, failure.error, failure.retry_class, delay);
  const auto given = co_await give_back(std::move(lease), std::move(record));
  if (lost && given && *given == WriteOutcome::fenced && stands_for(row, key)) {
    co_await doubt_theirs(row, key, call);
  }
  co_return std::move(failure.error);
}

Heart::Task<Result<WriteOutcome>> Heart::give_back(Lease lease, Record record) {
  record.copy.reset();
  if (const auto row = table_.find(lease.key)) {
    record.copy = copy_of(lease.key, record, issuer_of(*row).terms);
  }
  auto written = co_await await<Result<WriteOutcome>>([&](auto done) {
    parts_.tokens->commit(std::move(lease), std::move(record), std::move(done));
  });
  note_write(written ? nullptr : &written.error());
  co_return written;
}

// ---- the copy for programs other than Hufu

std::optional<CopyPlace> Heart::copy_place(const Key& key) const {
  const auto found = copies_.find(key.app);
  if (found == copies_.end() || key.kind != kAccessToken) return std::nullopt;
  return found->second;
}

/// What such programs may read beside `record`: its token, and how long Hufu would promise it now.
/// So an attempt to renew that failed makes the copy good for longer.
std::optional<PlainCopy> Heart::copy_of(const Key& key, const Record& record,
                                        const Terms& terms) const {
  const auto place = copy_place(key);
  if (!place || !record.token) return std::nullopt;
  const WallTime end =
      is_dead(record) ? now() : bounds_of(record, terms, false).promised_end(now());
  return PlainCopy{*place, record.token->value.clone(), end, std::nullopt};
}

// ---- what a call needs

Heart::Task<Result<std::vector<Secret>>> Heart::needed_tokens(Key key,
                                                              std::shared_ptr<Issuer> issuer) {
  std::vector<Secret> tokens;
  for (const Need& need : issuer->needs()) {
    const Key parent{key.app, need.kind};
    auto grant = co_await answer(parent, seconds(0));
    if (!grant) co_return tl::unexpected(grant.error());
    tokens.push_back(std::move(grant->token));
  }
  co_return tokens;
}

Heart::Task<Result<Secret>> Heart::secret_of(Key key) {
  if (const auto found = config_secrets_.find(key.app); found != config_secrets_.end()) {
    co_return found->second.clone();
  }
  if (parts_.registry) {
    auto app = co_await await<Result<std::optional<store::AppRow>>>(
        [&](auto done) { parts_.registry->load_app(key.app, std::move(done)); });
    if (!app) co_return tl::unexpected(app.error());
    if (*app) co_return std::move((*app)->credentials[std::string(kSecret)]);
  }
  co_return tl::unexpected(unknown_app(key.app));
}

/// Takes the in-doubt call of a call that is about to be made into what readers are promised.
void Heart::expect(RowId row, const InDoubtCall& in_doubt_call) {
  case_of(row).in_doubt.push_back(in_doubt_call);
  rebound(row);
}

/// The call was not made, or not carried out.
void Heart::unexpect(RowId row, const InDoubtCall& in_doubt_call) {
  auto& in_doubt = case_of(row).in_doubt;
  const auto found = std::find(in_doubt.rbegin(), in_doubt.rend(), in_doubt_call);
  if (found != in_doubt.rend()) in_doubt.erase(std::next(found).base());
  rebound(row);
}

bool Heart::may_force(const Budget& budget, const Terms& terms) const {
  if (!budget.forced_at) return true;
  if (now() - *budget.forced_at < terms.rule.forced_apart) return false;
  return day_of(*budget.forced_at) != day_of(now()) || budget.forced < terms.rule.forced_a_day;
}

}  // namespace hufu::keeper
