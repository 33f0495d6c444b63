#include "keeper/reports.hpp"

#include <algorithm>
#include <utility>

#include "keeper/await.hpp"
#include "keeper/backoff.hpp"
#include "keeper/budget.hpp"
#include "keeper/in_doubt.hpp"

namespace hufu::keeper {
using std::chrono::minutes;
using std::chrono::seconds;
using Shape = RenewalRule::Shape;

namespace {

/// Probes for reports of one app in a minute; those beyond get the verdict that there is.
constexpr int kProbesAMinute = 10;
/// How long a hint is not looked into after one that was: at first, and at most.
constexpr Milliseconds kFirstHintPause = minutes(1);
constexpr Milliseconds kLongestHintPause = minutes(10);
/// How long Hufu waits before it asks again about a token that nobody could tell anything about.
constexpr Milliseconds kLongestAskingOn = seconds(30);
/// Where no probe can tell, a report is believed so often.
constexpr Milliseconds kBetweenBelieved = seconds(30);

}  // namespace

Task<Result<Report>> Reports::report(Key key, Refused refused) {
  const auto located = co_await parts_.apps.locate(std::move(key));
  if (!located) co_return tl::unexpected(located.error());
  const RowHandle row = *located;
  const Key found = table().key(row);

  Fingerprint named;
  if (const auto* value = std::get_if<Secret>(&refused)) {
    named = records().sealer().fingerprint(value->reveal());
  } else {
    named = std::get<Fingerprint>(refused);
  }
  const auto is_current = [&] {
    const auto present = table().state(row);
    return present && present->has_token && present->fingerprint == named;
  };
  // A verdict that still holds costs not even a look at the store.
  if (is_current() && !parts_.renewals.is_in_flight(row) &&
      parts_.probes.recent(row) == ProbeResult::alive && !parts_.answers.is_in_doubt(row)) {
    co_return co_await as_it_stands(row, ReportOutcome::alive);
  }

  // Another process may have renewed a moment ago, and the older fingerprints are in the store.
  auto record = co_await records().load(found);
  if (!table().stands(row)) co_return gone(found.app);
  if (record && !parts_.renewals.is_in_flight(row)) records().apply_record(row, *record);
  if (is_current()) {
    Record stored;
    if (record) stored = std::move(*record);
    co_return co_await current_refused(row, std::move(stored));
  }
  const bool older = record && std::find(record->predecessors.begin(), record->predecessors.end(),
                                         named) != record->predecessors.end();
  co_return co_await with_usable(row,
                                 older ? ReportOutcome::already_newer : ReportOutcome::unknown);
}

Task<Result<Report>> Reports::current_refused(RowHandle row, Record record) {
  const std::string app = table().key(row).app;
  // A row without failure forgets its budget; whoever is about to spend from it must know it.
  if (!parts_.renewals.is_in_flight(row)) records().states().of(row).budget = record.budget;
  const std::uint64_t revision = table().state(row)->revision;
  const auto replaced = [&] { return table().state(row)->revision != revision; };

  if (!parts_.renewals.is_in_flight(row)) {
    const bool can_probe = records().issuer_of(row).issuer->can_probe();
    ProbeResult result = ProbeResult::dead;
    if (!records().states().of(row).known_invalid && can_probe) {
      result = co_await ask(row);
      if (!table().stands(row)) co_return gone(app);
      if (replaced()) co_return co_await with_usable(row, ReportOutcome::already_newer);
    }
    if (result == ProbeResult::unknown) {
      KeyState& state = records().states().of(row);
      if (!std::exchange(state.probes.asking_on, true)) records().loop().spawn(ask_on(row));
      co_return co_await as_it_stands(row, ReportOutcome::unverified);
    }
    if (result == ProbeResult::alive) {
      if (!parts_.answers.is_in_doubt(row))
        co_return co_await as_it_stands(row, ReportOutcome::alive);
      // A call may be under way that ends it, or its renewal is due in a moment: whoever reports
      // waits for that as whoever asks does.
      const Key key = table().key(row);
      auto present = co_await parts_.answers.get(key, Wish{});
      if (!present) co_return tl::unexpected(std::move(present.error()));
      if (!table().stands(row)) co_return gone(app);
      const ReportOutcome outcome =
          replaced() ? ReportOutcome::already_newer : ReportOutcome::alive;
      parts_.observer.reported(present->key, outcome);
      co_return Report{outcome, std::move(*present)};
    }
    const Budget& budget = records().states().of(row).budget;
    const RenewalRule& rule = records().issuer_of(row).terms.rule;
    bool throttled = throttled_until(budget, rule, now()) > now();
    if (can_probe) {
      throttled = throttled || parts_.renewals.due_at(row) > now();
    } else {
      throttled = throttled || now() - budget.report_counted_at < kBetweenBelieved;
    }
    if (throttled) {
      parts_.renewals.reschedule(row);
      co_return co_await as_it_stands(row, ReportOutcome::throttled);
    }
  }

  const Failure failure = co_await parts_.renewals.await_renewal(row, Cause::report);
  if (!table().stands(row)) co_return gone(app);
  if (replaced()) co_return co_await with_usable(row, ReportOutcome::renewed);
  if (!parts_.answers.promised(row)) {
    co_return tl::unexpected(parts_.answers.why_not(row, failure));
  }
  // The same token again: where nobody can be asked about it, that is the platform's word for it.
  const bool vouched_for = !failure && !records().issuer_of(row).issuer->can_probe();
  co_return co_await as_it_stands(row,
                                  vouched_for ? ReportOutcome::alive : ReportOutcome::throttled);
}

/// The outcome with a usable token, for which it may have to wait.
Task<Result<Report>> Reports::with_usable(RowHandle row, ReportOutcome outcome) {
  const Key key = table().key(row);
  auto present = co_await parts_.answers.get(key, Wish{});
  if (!present) co_return tl::unexpected(std::move(present.error()));
  parts_.observer.reported(present->key, outcome);
  co_return Report{outcome, std::move(*present)};
}

/// The outcome with the token as it stands. One that nobody may be given, since it is dead or its
/// end has come, is answered as a question for the token is: with its successor, or why there is
/// none.
Task<Result<Report>> Reports::as_it_stands(RowHandle row, ReportOutcome outcome) {
  auto grant = parts_.answers.promised(row);
  if (!grant) grant = parts_.answers.suspect(row);
  if (!grant) {
    const Key key = table().key(row);
    const std::uint64_t revision = table().state(row)->revision;
    auto usable = co_await parts_.answers.get(key, Wish{});
    if (!usable) {
      parts_.observer.reported(key, outcome);
      co_return tl::unexpected(std::move(usable.error()));
    }
    if (usable->revision != revision) outcome = ReportOutcome::renewed;
    grant = std::move(*usable);
  }
  parts_.observer.reported(grant->key, outcome);
  co_return Report{outcome, std::move(*grant)};
}

// ---- asking the platform

/// The verdict that holds, or a new one.
Task<ProbeResult> Reports::ask(RowHandle row) {
  if (const auto verdict = parts_.probes.recent(row)) co_return *verdict;
  const KeyState* state = records().states().find(row);
  const bool running = state != nullptr && state->probe;
  if (!running && !may_probe(row)) co_return records().states().of(row).verdict.result;
  co_return co_await parts_.probes.probe(row);
}

/// Counted for the app, whatever its kinds: at its main row.
bool Reports::may_probe(RowHandle row) {
  const Key app{table().key(row).app, {}};
  KeyState& state = records().states().of(*table().find(app));
  ProbeBudget& budget = state.probes;
  if (now() - budget.minute_began >= minutes(1)) {
    budget.minute_began = now();
    budget.in_minute = 0;
  }
  // The row's own verdict is kept as long: it stands in for the probe that is not made.
  for (KeyState* each : {&state, &records().states().of(row)}) {
    each->keep_until = std::max(each->keep_until, budget.minute_began + minutes(1));
  }
  return budget.in_minute++ < kProbesAMinute;
}

/// Asks until the platform has said whether the token lives, or there is another.
Task<void> Reports::ask_on(RowHandle row) {
  const std::uint64_t revision = table().state(row)->revision;
  Milliseconds pause = seconds(1);
  for (;; pause = std::min(pause * 2, kLongestAskingOn)) {
    co_await records().loop().sleep(pause);
    if (!table().stands(row)) co_return;
    if (records().loop().stopping() || table().state(row)->revision != revision) break;
    if (co_await parts_.probes.probe(row) != ProbeResult::unknown) break;
    if (!table().stands(row)) co_return;
  }
  if (!table().stands(row)) co_return;
  records().states().of(row).probes.asking_on = false;
  parts_.renewals.reschedule(row);
}

// ---- hints

Task<Result<Grant>> Reports::recheck(Key key, Milliseconds patience) {
  const auto located = co_await parts_.apps.locate(std::move(key));
  if (!located) co_return tl::unexpected(located.error());
  const RowHandle row = *located;
  const Key found = table().key(row);

  KeyState& state = records().states().of(row);
  const bool of_use = table().state(row)->has_token && !state.known_invalid &&
                      records().issuer_of(row).issuer->can_probe();
  // References to the values of this map stay good.
  int& in_check = hints_in_check_[records().issuer_of(row).platform];
  if (of_use && now() >= state.probes.next_hint && in_check < kMostHintsInCheck) {
    ProbeBudget& budget = state.probes;
    budget.hint_pause = budget.hint_pause == Milliseconds(0)
                            ? kFirstHintPause
                            : std::min(budget.hint_pause * 2, kLongestHintPause);
    budget.next_hint = now() + budget.hint_pause;
    state.keep_until = std::max(state.keep_until, budget.next_hint + kLongestHintPause);
    struct Race {
      Done<bool> over;
      void end() {
        if (over) std::exchange(over, nullptr)(true);
      }
    };
    auto race = std::make_shared<Race>();
    auto check = [](Reports& reports, RowHandle which, std::shared_ptr<Race> of,
                    int& counted) -> Task<void> {
      ++counted;
      co_await reports.check_hint(which);
      --counted;
      of->end();
    };
    co_await await<bool>([&](Done<bool> over) {
      race->over = std::move(over);
      records().loop().at(now() + patience, [race] { race->end(); });
      records().loop().spawn(check(*this, row, race, in_check));
    });
  }
  records().states().close_if_quiet(row, now());
  if (!table().stands(row)) co_return gone(found.app);
  co_return co_await parts_.answers.get(found, Wish{});
}

/// Probes the token that somebody was given and asks for again; renews it if it is dead.
Task<void> Reports::check_hint(RowHandle row) {
  const ProbeResult result = co_await parts_.probes.probe(row);
  if (!table().stands(row) || result != ProbeResult::dead) co_return;
  KeyState& state = records().states().of(row);
  state.probes.hint_pause = {};
  state.probes.next_hint = now() + kFirstHintPause;
  if (throttled_until(state.budget, records().issuer_of(row).terms.rule, now()) > now()) co_return;
  co_await parts_.renewals.await_renewal(row, Cause::report);
}

// ---- an operator's choice

Task<Result<Refreshed>> Reports::force_refresh(Key key) {
  const auto located = co_await parts_.apps.locate(std::move(key));
  if (!located) co_return tl::unexpected(located.error());
  const RowHandle row = *located;
  const Key found = table().key(row);
  auto record = co_await records().load(found);
  if (!record) co_return tl::unexpected(std::move(record.error()));
  if (!table().stands(row)) co_return gone(found.app);

  const Terms terms = records().token_terms(row);
  if (!parts_.renewals.is_in_flight(row)) {
    records().apply_record(row, *record);
    const auto refuse = [](Fault fault, std::string why, Milliseconds wait) {
      Error error{fault, std::move(why), {}, {}, std::max<Milliseconds>(wait, seconds(1))};
      const auto whole = std::chrono::ceil<seconds>(*error.retry_after).count();
      error.next_step = "wait " + std::to_string(whole) + " s";
      return tl::unexpected(std::move(error));
    };
    if (const WallTime until = too_soon_until(*record, terms); until > now()) {
      co_return refuse(Fault::too_soon,
                       "the token before this one is still promised to somebody, and a second "
                       "renewal could end it early",
                       until - now());
    }
    const RenewalRule& rule = records().issuer_of(row).terms.rule;
    const bool forces = rule.shape == Shape::windowed && rule.forced_a_day > 0 && record->token &&
                        table().state(row)->issued_by == table().state(row)->issuer;
    if (forces && !may_force(record->budget, rule, now())) {
      const Milliseconds since = now() - *record->budget.forced_at;
      if (since < rule.forced_apart) {
        co_return refuse(Fault::too_soon, "the platform grants forced renewals only so often",
                         rule.forced_apart - since);
      }
      co_return refuse(Fault::throttled, "the platform's forced renewals of this day are used up",
                       until_next_day(now()));
    }
  }

  const RowState before = *table().state(row);
  const Failure failure = co_await parts_.renewals.await_renewal(row, Cause::operated);
  if (!table().stands(row)) co_return gone(found.app);
  if (failure) {
    Error error = *failure;
    if (error.fault != Fault::too_soon) {
      error.retry_after = std::max<Milliseconds>(parts_.renewals.due_at(row) - now(), seconds(1));
    }
    co_return tl::unexpected(std::move(error));
  }
  auto renewed = parts_.answers.promised(row);
  if (!renewed) co_return tl::unexpected(parts_.answers.why_not(row, failure));
  Refreshed refreshed{std::move(*renewed), std::nullopt};
  if (before.has_token && terms.rule.shape == Shape::rotating) {
    refreshed.older_work_until = table().state(row)->obtained_at + terms.rule.overlap;
  } else if (before.has_token && terms.rule.forced_a_day == 0) {
    refreshed.older_work_until = before.expires_at;  // Nothing ends it early.
  }
  co_return std::move(refreshed);
}

}  // namespace hufu::keeper
