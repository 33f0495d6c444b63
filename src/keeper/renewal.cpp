#include "keeper/renewal.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "core/failpoint.hpp"
#include "core/process.hpp"
#include "keeper/await.hpp"
#include "keeper/backoff.hpp"
#include "keeper/budget.hpp"
#include "keeper/in_doubt.hpp"

namespace hufu::keeper {
using std::chrono::seconds;
using Delivery = IssueFailure::Delivery;
using Shape = RenewalRule::Shape;
using Standing = Records::Standing;

namespace {

/// How often to look whether somebody else's renewal is done: soon, then less often.
constexpr Milliseconds kFirstLook{50};
constexpr Milliseconds kBetweenLooks{250};
/// Time kept free for the commit at the end of a lease: a tenth of it, at most this.
constexpr Milliseconds kMostForCommit{500};
/// A token that is needed and not to be had is asked for again after this long at the latest.
constexpr Milliseconds kBlocked = seconds(5);
/// A token that the platform calls dead to us and alive to itself is tried again ever later; how
/// often that happened is remembered for so long after the next attempt is due.
constexpr Milliseconds kBlockRemembered = std::chrono::minutes(2);
/// The platform's count of a ticket's life ends up to a round trip after ours.
constexpr Milliseconds kBetweenTickets = seconds(1);
constexpr int kMostTickets = 3;

Error shutting_down() {
  return {Fault::unreachable, "shutting down", "ask again in a moment", {}, {}};
}

IssueFailure not_sent(Error error) {
  IssueFailure failure;
  failure.error = std::move(error);
  failure.delivery = Delivery::not_sent;
  if (failure.error.fault == Fault::config) failure.retry_class = RetryClass::slow;
  return failure;
}

}  // namespace

Renewal::Renewal(RenewalContext& context, RowHandle row, Cause cause)
    : context_(context), row_(row), key_(context.records.table().key(row)), cause_(cause) {}

Task<Failure> Renewal::run() {
  for (;;) {
    if (auto over = co_await prepare()) co_return *over;
    if (auto over = co_await acquire()) co_return *over;
    if (auto over = co_await reconsider()) co_return *over;
    IssueOutcome outcome = co_await issue();
    if (!stands()) co_return gone();
    if (outcome && has_ended(*outcome) && ++ended_again_ < kMostTickets) {
      Failure none;
      co_await give_back(std::move(none));
      co_await records().loop().sleep(kBetweenTickets);
      if (!stands()) co_return gone();
      if (records().loop().stopping()) co_return shutting_down();
      continue;
    }
    if (outcome) {
      Record next = successor(std::move(*outcome));
      co_return co_await commit(std::move(next));
    }

    const bool needs_another = outcome.error().retry_class == RetryClass::needed_token &&
                               !needed_.empty() && !needed_replaced_;
    if (!needs_another) co_return co_await fail(std::move(outcome.error()));
    // A needed token is dead. It is reported without a lease of ours, and once.
    needed_replaced_ = true;
    Failure none;
    co_await give_back(std::move(none));
    bool replaced = false;
    for (const NeededToken& needed : needed_) {
      replaced = co_await context_.dependencies.replace(needed) || replaced;
    }
    if (!stands()) co_return gone();
    if (!replaced) {
      block(outcome.error().error);
      co_return std::move(outcome.error().error);
    }
  }
}

/// What the call is made from, before anybody is kept waiting by a lease.
Task<Renewal::Over> Renewal::prepare() {
  const KnownIssuer& known = records().issuer_of(row_);
  issuer_ = known.issuer;
  terms_ = known.terms;

  auto needed = co_await context_.dependencies.collect(key_.app, issuer_->needs());
  if (!stands()) co_return gone();
  if (!needed) {
    // The failure is the other key's, which has a backoff of its own and tells when it is over.
    state().blocked_until =
        now() + std::min<Milliseconds>(needed.error().retry_after.value_or(kBlocked), kBlocked);
    state().blocked_by = needed.error();
    co_return std::move(needed.error());
  }
  needed_ = std::move(*needed);
  settings_ = context_.apps.settings_of(key_.app);
  tag_ = records().table().facts_of(row_).tag;
  auto credentials = co_await context_.apps.credentials_of(key_.app);
  if (!stands()) co_return gone();
  if (!credentials) {
    const int failures = state().failure ? state().failure->failures + 1 : 1;
    const Milliseconds delay =
        delay_after(failures, RetryClass::backoff, true, context_.random.uniform());
    FailureState failure{credentials.error(), now(), now() + delay, failures, {}, {}};
    records().set_failure(row_, std::move(failure));
    co_return std::move(credentials.error());
  }
  credentials_ = std::move(*credentials);
  co_return std::nullopt;
}

Task<Renewal::Over> Renewal::acquire() {
  for (Milliseconds pause = kFirstLook;; pause = std::min(pause * 2, kBetweenLooks)) {
    if (state().unsaved) {
      // The store knows nothing of this token: a renewal would be judged by what it displaced.
      co_return Error{
          Fault::store, "the latest token is not stored yet", "look at the store", {}, {}};
    }
    const RowState present = *records().table().state(row_);
    made_it_ = !present.has_token || present.issued_by == present.issuer;
    const bool wants_new = state().known_invalid || cause_ == Cause::operated;
    force_ = terms_.rule.shape == Shape::windowed && present.has_token && made_it_ && wants_new &&
             may_force(state().budget, terms_.rule, now());

    // From here on readers promise no more than a call made now would leave alive.
    call_ = in_doubt_call_for(records().snapshot(row_), terms_, made_it_, force_, now());
    records().set_call_in_flight(row_, call_);
    LeaseRequest request;
    request.key = key_;
    request.seen = present.revision;
    request.holder = process_identity();
    request.lease = terms_.lease;
    request.in_doubt_call = call_;
    // Whoever held the lease before may be dead while their call is still on its way. As long as
    // there is a token to hand out, it is given the time that such a call can take.
    if (!state().known_invalid && has_usable_token()) request.grace = terms_.request_timeout;
    lease_end_ = now() + terms_.lease;
    auto acquired = co_await await<Result<AcquireOutcome>>(
        [&](auto done) { records().store().acquire_lease(std::move(request), std::move(done)); });
    // A lease that another holds is an answer, but it proves nothing about writing.
    if (!acquired || std::holds_alternative<Acquired>(*acquired)) {
      records().health().written(acquired ? nullptr : &acquired.error());
    }
    if (!stands()) co_return gone();

    if (!acquired) {
      context_.observer.lease("error");
      records().set_call_in_flight(row_, std::nullopt);
      // Without the store nobody knows who else is renewing: the platform is not called.
      FailureState failure = state().failure.value_or(FailureState{});
      failure.error = acquired.error();
      failure.at = now();
      failure.next_attempt_at = now() + delay_after(++failure.failures, RetryClass::backoff, true,
                                                    context_.random.uniform());
      records().set_failure(row_, std::move(failure));
      co_return std::move(acquired.error());
    }
    if (auto* newer = std::get_if<Newer>(&*acquired)) {
      context_.observer.lease("newer");
      records().set_call_in_flight(row_, std::nullopt);
      records().apply_record(row_, newer->record);
      co_return Failure();
    }
    if (auto* held = std::get_if<Held>(&*acquired)) {
      context_.observer.lease("held");
      records().set_call_in_flight(row_, std::nullopt);
      co_await records().loop().sleep(std::min(pause, held->remaining));
      co_await records().reload(row_);
      if (!stands()) co_return gone();
      if (records().table().state(row_)->revision > present.revision) co_return Failure();
      if (records().loop().stopping()) co_return shutting_down();
      if (is_outdated()) {
        if (auto over = co_await prepare()) co_return over;
      }
      continue;
    }
    context_.observer.lease("granted");
    pass_failpoint("renew.after_begin");
    auto& granted = std::get<Acquired>(*acquired);
    lease_ = std::move(granted.lease);
    record_ = std::move(granted.record);
    call_.fence = lease_.fence;
    std::erase_if(record_.in_doubt,
                  [&](const InDoubtCall& call) { return call.fence == lease_.fence; });
    records().set_call_in_flight(row_, call_);
    records().apply_record(row_, record_, Standing::leased);
    co_return std::nullopt;
  }
}

/// The lease is ours: whatever the store says now, counts. Somebody else may have tried meanwhile,
/// and failed: what held when this renewal was asked for must hold now. One backoff for all; and
/// whoever renews a token that lives must not displace a second one within the overlap.
Task<Renewal::Over> Renewal::reconsider() {
  if (is_from_the_future(record_, records().token_terms(row_), now())) {
    if (auto over = co_await settle_stamps()) co_return over;
  } else {
    WallTime until = is_on_purpose() ? too_soon_until(record_, records().token_terms(row_))
                                     : context_.due_at(row_);
    if (force_ && !may_force(record_.budget, terms_.rule, now())) {
      until = std::max(until, now() + seconds(1));
    }
    if (until > now()) {
      Failure why;
      if (is_on_purpose()) {
        why = Error{Fault::too_soon, "somebody else has tried a moment ago", {}, {}, until - now()};
      } else if (!has_usable_token()) {
        why = context_.why_not(row_);
      }
      co_return co_await give_back(std::move(why));
    }
  }
  if (record_.revision == 0 && context_.find_imported && cause_ != Cause::operated) {
    if (auto over = co_await import()) co_return over;
  }
  if (cause_ != Cause::operated &&
      !std::all_of(record_.in_doubt.begin(), record_.in_doubt.end(), is_known_dead)) {
    // Somebody's answer was lost, and they may be handing out its token from memory: to force would
    // end that one at once. Without force the platform shows it.
    force_ = false;
  }
  const Milliseconds room = lease_end_ - now() - std::min(kMostForCommit, terms_.lease / 10);
  if (room < terms_.request_timeout / 2) {
    IssueFailure failure = not_sent({Fault::store,
                                     "the store took too long to grant the lease",
                                     "look at the store's load, or raise timing.lease",
                                     {},
                                     {}});
    co_return co_await fail(std::move(failure));
  }
  co_return std::nullopt;
}

/// The record was written under a clock that was ahead. Whoever can be asked for the same token
/// says how long it lives; else a probe says that it does. Displaces nothing.
Task<Renewal::Over> Renewal::settle_stamps() {
  force_ = false;
  if (!record_.token || record_.token->obtained_at <= now()) {
    move_to_present(record_, now());
    co_return std::nullopt;
  }
  const bool brings_same =
      terms_.rule.shape == Shape::windowed || terms_.rule.shape == Shape::sticky;
  if ((brings_same && made_it_) || !issuer_->can_probe()) co_return std::nullopt;
  const ProbeResult result = co_await context_.probes.probe(row_);
  if (!stands()) co_return gone();
  if (result == ProbeResult::dead) co_return std::nullopt;
  if (result == ProbeResult::unknown) {
    IssueFailure failure = not_sent({Fault::unreachable,
                                     "the token was stored under a clock that was ahead, and the "
                                     "platform could not be asked about it",
                                     "check this machine's clock",
                                     {},
                                     {}});
    co_return co_await fail(std::move(failure));
  }
  move_to_present(record_, now());
  record_.alive_at = now();
  state().from_the_future = false;
  source_ = Source::settled;
  Record settled = record_.clone();
  co_return co_await commit(std::move(settled));
}

/// A program before Hufu may have left a token that still works.
Task<Renewal::Over> Renewal::import() {
  auto found = co_await await<Result<std::optional<ImportedToken>>>(
      [&](auto done) { context_.find_imported(key_, std::move(done)); });
  if (!stands()) co_return gone();
  if (!found) {
    // A call would end the token that may stand there, which its program hands out.
    IssueFailure failure = not_sent(std::move(found.error()));
    co_return co_await fail(std::move(failure));
  }
  if (!*found) co_return std::nullopt;
  auto next =
      keeper::imported(record_, **found, issuer_->name(), terms_, now(), context_.random.uniform());
  if (!next) co_return std::nullopt;
  source_ = Source::imported;
  co_return co_await commit(std::move(*next));
}

Task<IssueOutcome> Renewal::issue() {
  if (cause_ == Cause::report && !needed_replaced_) {
    Budget& budget = record_.budget;
    budget.report_count = goes_on(budget, terms_.rule, now()) ? budget.report_count + 1 : 1;
    budget.report_counted_at = now();
    if (state().known_invalid) note_early_death(budget, now());
  }
  if (force_) {
    Budget& budget = record_.budget;
    const bool same_day = budget.forced_at && day_of(*budget.forced_at) == day_of(now());
    budget.forced = same_day ? budget.forced + 1 : 1;
    budget.forced_at = now();
  }

  IssueRequest request;
  request.app = key_.app;
  request.settings = settings_;
  request.credentials = std::move(credentials_);
  request.force = force_;
  for (const NeededToken& needed : needed_) request.needed.push_back(needed.value.clone());
  request.refresh_token = record_.refresh_token.clone();
  const Milliseconds room = lease_end_ - now() - std::min(kMostForCommit, terms_.lease / 10);
  request.timeout = std::min(room, terms_.request_timeout);
  // Of what is used, which need not be the app's any more when the answer comes.
  tried_credentials_ = credentials_name(tag_);
  pass_failpoint("renew.before_call");
  sent_at_ = now();
  auto outcome = co_await await<IssueOutcome>(
      [&](auto done) { issuer_->issue(std::move(request), std::move(done)); });
  pass_failpoint("renew.after_call");
  took_ = now() - sent_at_;
  context_.observer.called(issuer_->name(),
                           outcome ? std::optional<int>(0) : outcome.error().error.errcode);
  co_return outcome;
}

Record Renewal::successor(Issued issued) {
  state().blocked_count = 0;
  const bool again = has_ended(issued);
  Record next = successor_of(record_, records().token_terms(row_), std::move(issued),
                             records().table().state(row_)->fingerprint, issuer_->name(), terms_,
                             sent_at_, now(), context_.random.uniform());
  if (!issuer_->can_probe()) {
    // Nobody found it dead but a report that was believed; the platform says it is the one.
    std::erase_if(next.in_doubt, is_known_dead);
  }
  if (bounds_of(next, terms_).promise(now()) < 1) {
    // Alive, but shorter than the slack: nobody could use it, and asking on would be a storm.
    const int failures = record_.failure ? record_.failure->failures + 1 : 1;
    Error why{Fault::unreachable,
              "the platform issued a token that ends within the use slack",
              "lower timing.use_slack, or look at the platform's clock",
              {},
              {}};
    if (again) {
      why.message = "the platform hands out a ticket again whose life is over";
      why.next_step = "ask again in a moment; look at this machine's clock if it goes on";
    }
    next.failure = FailureState{
        std::move(why),
        now(),
        now() + delay_after(failures, RetryClass::backoff, true, context_.random.uniform()),
        failures,
        {},
        {}};
  }
  return next;
}

/// A token in hand: store it, then show it.
Task<Failure> Renewal::commit(Record next) {
  auto written = co_await await<Result<WriteOutcome>>(
      [&](auto done) { records().store().commit(lease_, next.clone(), std::move(done)); });
  records().health().written(written ? nullptr : &written.error());
  pass_failpoint("renew.after_commit");
  if (!stands()) co_return gone();

  if (!written) {
    serve_unsaved(next, written.error());
    if (records().table().state(row_)->revision > next.revision) co_return std::nullopt;
    state().unsaved = true;
    records().loop().spawn([](std::shared_ptr<Renewal> self, Record unsaved) -> Task<void> {
      co_await self->store_later(std::move(unsaved));
    }(shared_from_this(), std::move(next)));
    co_return std::nullopt;
  }
  records().set_call_in_flight(row_, std::nullopt);
  if (*written == WriteOutcome::fenced) {
    co_await mark_fenced_call();
    if (!stands()) co_return gone();
    if (has_usable_token()) co_return std::nullopt;
    co_return Error{Fault::store,
                    "the lease was lost before the answer came",
                    "ask again; look at the store's load if it happens often",
                    {},
                    {}};
  }
  records().apply_record(row_, next, Standing::leased);
  const Fingerprint fingerprint = records().table().state(row_)->fingerprint;
  switch (source_) {
    case Source::issued:
      context_.observer.renewed(key_, cause_, next.revision, fingerprint, took_);
      break;
    case Source::imported: context_.observer.imported(key_, next.revision, fingerprint); break;
    case Source::settled: break;
  }
  // The dead token again: the platform contradicts itself, so it is asked once more.
  if (state().known_invalid) {
    records().loop().spawn([](Probes& probes, RowHandle row) -> Task<void> {
      co_await probes.probe(row);
    }(context_.probes, row_));
  }
  co_return std::nullopt;
}

/// The token exists and the one in the store is on its way out. Serves it from memory, and promises
/// no more than what holds when this process dies and its successor, who finds only the call in
/// doubt, renews: late in the overlap, or at once where there is no token to wait for.
void Renewal::serve_unsaved(const Record& next, const Error& why) {
  context_.observer.commit_failed(key_, why);
  Record left = record_.clone();
  left.failure.reset();
  InDoubtCall call = in_doubt_call_for(record_, terms_, made_it_, false, call_.called_at);
  left.in_doubt.push_back(call);
  const WallTime successor_renews = next_attempt(left, terms_);
  Record shown = next.clone();
  shown.renew_at = std::min(next.renew_at, std::max(successor_renews, now()));
  records().set_call_in_flight(row_, std::nullopt);
  records().apply_record(row_, shown);
}

/// Stores a token that is served from memory, until it is stored or somebody else's is newer.
Task<void> Renewal::store_later(Record next) {
  for (int failures = 1;; ++failures) {
    co_await records().loop().sleep(
        delay_after(failures, RetryClass::backoff, true, context_.random.uniform()));
    if (!stands() || records().table().state(row_)->revision > next.revision) co_return;
    auto written = co_await await<Result<WriteOutcome>>(
        [&](auto done) { records().store().commit(lease_, next.clone(), std::move(done)); });
    records().health().written(written ? nullptr : &written.error());
    if (!written) {
      if (records().loop().stopping()) co_return;
      continue;
    }
    if (!stands() || records().table().state(row_)->revision > next.revision) co_return;
    // Fenced by itself: an attempt that was reported as failed has stored it after all.
    const bool lost = *written == WriteOutcome::fenced && !co_await is_stored(next);
    if (!stands() || records().table().state(row_)->revision > next.revision) co_return;
    state().unsaved = false;
    if (lost) {
      co_await mark_fenced_call();
    } else {
      records().apply_record(row_, next, Standing::leased);
      records().publish(row_, next);  // With the plan it has by right.
      records().changed(row_);
    }
    co_return;
  }
}

Task<bool> Renewal::is_stored(const Record& record) {
  auto stored = co_await records().load(key_);
  co_return stored && stored->revision == record.revision && stored->token &&
      stored->token->value.same_as(record.token->value.reveal());
}

/// Somebody has taken the lease meanwhile, and this call may have ended the token that they stored
/// or left.
Task<void> Renewal::mark_fenced_call() {
  context_.observer.fenced(key_);
  ++context_.fenced;
  co_await records().reload(row_);
  if (!stands()) co_return;
  const RowState theirs = *records().table().state(row_);
  if (!theirs.has_token || source_ != Source::issued) co_return;
  const auto call = fenced_call(theirs.obtained_at, terms_, force_, sent_at_, now());
  if (call) records().add_in_doubt(row_, *call);
}

/// No token: note why and when to try again, beside the token that still works.
Task<Failure> Renewal::fail(IssueFailure failure) {
  const bool lost = failure.delivery == Delivery::lost;
  Record record = std::move(record_);
  if (lost) record.in_doubt.push_back(lost_call(call_, now()));
  record.alive_at = state().alive_at;
  merge_in_doubt(record, records().token_terms(row_), now());

  const Milliseconds slack = records().token_terms(row_).slack();
  const bool usable =
      record.token && !state().known_invalid && record.token->expires_at - slack > now();
  const bool urgent = terms_.rule.shape == Shape::windowed || !usable;
  const double jitter = context_.random.uniform();
  FailureState noted;
  noted.failures = record.failure ? record.failure->failures + 1 : 1;
  noted.at = now();
  Milliseconds delay = delay_after(noted.failures, failure.retry_class, urgent, jitter);
  if (usable && failure.retry_class == RetryClass::backoff) {
    // When the token runs out meanwhile, the shorter patience of that moment counts.
    const Milliseconds left = record.token->expires_at - slack - now();
    delay = std::min(
        delay, std::max(left, delay_after(noted.failures, failure.retry_class, true, jitter)));
  }
  noted.next_attempt_at = now() + delay;
  noted.credentials = tried_credentials_;
  noted.error = failure.error;
  if (failure.this_node_only) {
    noted.host = host_name();
    state().refused_here_until = noted.next_attempt_at;
  }
  record.failure = std::move(noted);

  records().set_call_in_flight(row_, std::nullopt);
  records().apply_record(row_, record, Standing::leased);
  context_.observer.renewal_failed(key_, cause_, failure.error, failure.retry_class, delay);
  record_ = std::move(record);
  const auto written = co_await await<Result<WriteOutcome>>(
      [&](auto done) { records().store().commit(lease_, record_.clone(), std::move(done)); });
  records().health().written(written ? nullptr : &written.error());
  if (lost && written && *written == WriteOutcome::fenced && stands()) co_await mark_fenced_call();
  co_return std::move(failure.error);
}

/// Nothing was called, or the call was answered and changed nothing.
Task<Failure> Renewal::give_back(Failure outcome) {
  if (stands()) records().set_call_in_flight(row_, std::nullopt);
  const auto written = co_await await<Result<WriteOutcome>>(
      [&](auto done) { records().store().commit(lease_, record_.clone(), std::move(done)); });
  records().health().written(written ? nullptr : &written.error());
  co_return outcome;
}

bool Renewal::is_on_purpose() const {
  // A report of a token that nobody can ask about is believed.
  return cause_ == Cause::operated ||
         (cause_ == Cause::report && !state().known_invalid && !issuer_->can_probe());
}

/// Whether the app's issuer or its credentials have changed since they were read.
bool Renewal::is_outdated() const {
  return records().issuer_of(row_).issuer != issuer_ ||
         records().table().facts_of(row_).tag != tag_;
}

/// Whether it is the ticket that is stored, whose life is over by our count.
bool Renewal::has_ended(const Issued& issued) const {
  return terms_.rule.shape == Shape::sticky && record_.token &&
         record_.token->value.same_as(issued.value.reveal()) &&
         record_.token->expires_at <= now() + seconds(1);
}

/// The platform calls a needed token dead that it calls alive when it is asked about it.
void Renewal::block(const Error& why) {
  const Milliseconds delay =
      delay_after(++state().blocked_count, RetryClass::backoff, false, context_.random.uniform());
  state().blocked_until = now() + delay;
  state().keep_until = state().blocked_until + kBlockRemembered;
  state().blocked_by = why;
}

bool Renewal::has_usable_token() const {
  const RowState present = *records().table().state(row_);
  return present.has_token && present.bounds.promise(now()) >= 1;
}

}  // namespace hufu::keeper
