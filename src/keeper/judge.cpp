#include <algorithm>

#include "keeper/await.hpp"
#include "keeper/budget.hpp"
#include "keeper/heart.hpp"

namespace hufu::keeper {
using std::chrono::seconds;
using Shape = RenewalRule::Shape;

namespace {

/// Reports that go on this long outweigh a probe that says "alive" (SPEC.md, promise 6).
constexpr Milliseconds kReportsGoOn = seconds(30);
/// Renewals by report in a row, and how far apart they lie after that.
constexpr int kReportsInARow = 3;
constexpr Milliseconds kBetweenThrottled = seconds(30);
/// A verdict that a crowd waited for holds this long for those of the crowd who come late.
constexpr Milliseconds kCrowdVerdict = seconds(1);

}  // namespace

// ---- reports

void Heart::report(Key key, Refused refused, Done<Result<Report>> done) {
  // std::function wants to copy what it holds, and a Secret does not let itself be copied.
  auto shared = std::make_shared<Refused>(std::move(refused));
  enter<Result<Report>>(std::move(done), [this, key = std::move(key), shared] {
    return judge(key, std::move(*shared));
  });
}

/// Judged by value: an older or unknown token brings the current one and costs no call; the current
/// one is probed, once for all who report it.
Heart::Task<Result<Report>> Heart::judge(Key key, Refused refused) {
  const auto located = co_await locate(key);
  if (!located) co_return tl::unexpected(located.error());
  const RowId row = *located;

  Fingerprint named;
  if (const auto* value = std::get_if<Secret>(&refused)) {
    named = parts_.sealer->fingerprint(value->reveal());
  } else {
    named = std::get<Fingerprint>(refused);
  }
  const auto is_current = [&] {
    const auto outline = table_.outline(row);
    return outline && outline->has_token && outline->fingerprint == named;
  };

  // Another process may have renewed a moment ago, and the older fingerprints are in the store.
  auto record = co_await load(key);
  if (const auto there = table_.outline(row); !there || !(there->key == key)) {
    co_return tl::unexpected(unknown_app(key.app));
  }
  if (record && !is_in_flight(row)) adopt(row, *record);

  if (!is_current()) {
    const bool older = record && std::find(record->predecessors.begin(), record->predecessors.end(),
                                           named) != record->predecessors.end();
    co_return co_await conclude(key, older ? ReportOutcome::already_newer : ReportOutcome::unknown);
  }

  const bool persistent = reports_go_on(row);
  // A row without failure forgets its budget; whoever is about to spend from it must know it.
  if (record && !is_in_flight(row)) case_of(row).budget = record->budget;
  const std::uint64_t revision = table_.outline(row)->revision;
  const auto replaced = [&] {
    const auto outline = table_.outline(row);
    return !outline || !(outline->key == key) || outline->revision != revision;
  };
  const bool renewing = is_in_flight(row);
  if (!renewing) {
    const bool known_dead = case_at(row) != nullptr && case_at(row)->condemned;
    const ProbeResult verdict = known_dead ? ProbeResult::dead : co_await probe_token(row);
    if (replaced()) co_return co_await conclude(key, ReportOutcome::already_newer);
    if (verdict == ProbeResult::alive && !persistent) {
      if (!in_doubt(row)) co_return finish(row, key, ReportOutcome::alive);
      // A call may be under way that ends it, or its renewal is due in a moment: whoever reports
      // waits for that as whoever asks does.
      auto present = co_await answer(key, seconds(0));
      if (!present) co_return tl::unexpected(present.error());
      const ReportOutcome outcome =
          replaced() ? ReportOutcome::already_newer : ReportOutcome::alive;
      observer_.reported(key, outcome);
      co_return Report{outcome, std::move(*present)};
    }
    const Terms& terms = issuer_of(row).terms;
    const Budget budget = record ? record->budget : Budget{};
    const bool unsure = verdict != ProbeResult::dead;
    const Case* file = case_at(row);
    const bool backing_off =
        unsure ? file != nullptr && file->failure && file->failure->next_attempt_at > now()
               : due_at(row) > now();
    if (throttled_until(budget, terms) > now() || backing_off ||
        (unsure && record && too_soon_until(*record, terms) > now())) {
      reschedule(row);
      co_return finish(row, key, ReportOutcome::throttled);
    }
  }

  const Failure failure = co_await join(row, Cause::report);
  if (replaced()) co_return co_await conclude(key, ReportOutcome::renewed);
  if (const auto there = table_.outline(row); !there || !(there->key == key)) {
    co_return tl::unexpected(unknown_app(key.app));
  }
  if (!grant(row, key, 0)) co_return tl::unexpected(why_not(row, failure));
  co_return finish(row, key, ReportOutcome::throttled);
}

/// The outcome with a usable token, for which it may have to wait.
Heart::Task<Result<Report>> Heart::conclude(Key key, ReportOutcome outcome) {
  auto present = co_await answer(key, seconds(0));
  if (!present) co_return tl::unexpected(present.error());
  observer_.reported(key, outcome);
  co_return Report{outcome, std::move(*present)};
}

/// The outcome with the token as it stands.
Report Heart::finish(RowId row, const Key& key, ReportOutcome outcome) {
  observer_.reported(key, outcome);
  return Report{outcome, current(row, key)};
}

bool Heart::reports_go_on(RowId row) {
  Case& file = case_of(row);
  const bool pause = now() - file.reported_last > kReportsGoOn;
  if (file.reported_since == WallTime{} || pause) file.reported_since = now();
  file.reported_last = now();
  return now() - file.reported_since >= kReportsGoOn;
}

/// Until when a renewal caused by a report must wait.
WallTime Heart::throttled_until(const Budget& budget, const Terms& terms) const {
  WallTime until{};
  if (goes_on(budget, terms.rule, now()) && budget.report_count >= kReportsInARow) {
    until = budget.report_counted_at + kBetweenThrottled;
  }
  if (terms.rule.shape == Shape::windowed && budget.forced_at) {
    until = std::max(until, *budget.forced_at + terms.rule.forced_apart);
    const bool exhausted =
        day_of(*budget.forced_at) == day_of(now()) && budget.forced >= terms.rule.forced_a_day;
    if (exhausted) until = std::max(until, budget.report_counted_at + kBetweenThrottled);
  }
  return until;
}

// ---- probes

/// Asks the platform about the row's token; everybody who wants to know meanwhile shares the
/// answer.
Heart::Task<ProbeResult> Heart::probe_token(RowId row) {
  const Verdict last = case_of(row).verdict;
  const bool warm = last.at != WallTime{} && last.crowd > 1 && now() - last.at < kCrowdVerdict;
  std::shared_ptr<Probe> probe = case_of(row).probe;
  if (probe) {
    auto share = [probe](Done<ProbeResult> done) { probe->waiting.push_back(std::move(done)); };
    co_return co_await await<ProbeResult>(std::move(share));
  }
  if (warm) co_return last.result;

  probe = std::make_shared<Probe>();
  case_of(row).probe = probe;
  const RowOutline before = *table_.outline(row);
  const Secret token = table_.token(row);
  const std::shared_ptr<Issuer> issuer = issuer_of(row).issuer;
  const WallTime asked_at = now();
  const ProbeResult verdict = co_await await<ProbeResult>(
      [&](auto done) { issuer->probe(token, parts_.timing.request_timeout, std::move(done)); });
  observer_.probed(before.key, verdict);

  const auto outline = table_.outline(row);
  if (outline && outline->key == before.key) {
    Case& file = case_of(row);
    if (file.probe == probe) file.probe.reset();
    if (outline->revision == before.revision) {
      file.verdict = {verdict, now(), asked_at, probe->waiting.size() + 1};
      if (verdict == ProbeResult::alive) {
        // Calls that are over and should have killed it before it was asked were not carried out.
        Record judged = known(row);
        settle_in_doubt(judged, issuer_of(row).terms, asked_at);
        file.in_doubt = std::move(judged.in_doubt);
        file.alive_at = judged.alive_at;
        file.condemned = false;
        rebound(row);
      } else if (verdict == ProbeResult::dead) {
        condemn(row);
      }
    }
    reschedule(row);
  }
  for (auto& answer : std::exchange(probe->waiting, {})) answer(verdict);
  co_return verdict;
}

/// The platform says this very token is dead: it is not handed out again, not even by a process
/// that reads it from the store after this one is gone.
void Heart::condemn(RowId row) {
  Case& file = case_of(row);
  if (file.condemned) return;
  file.condemned = true;
  const InDoubtCall dead = known_dead_call(table_.outline(row)->obtained_at, now());
  file.in_doubt.push_back(dead);
  rebound(row);
  parts_.tokens->add_in_doubt(table_.outline(row)->key, dead, [](const Result<void>&) {});
}

// ---- an operator's choice

void Heart::refresh(Key key, Done<Result<Grant>> done) {
  enter<Result<Grant>>(std::move(done), [this, key = std::move(key)] { return operate(key); });
}

Heart::Task<Result<Grant>> Heart::operate(Key key) {
  const auto located = co_await locate(key);
  if (!located) co_return tl::unexpected(located.error());
  const RowId row = *located;
  auto record = co_await load(key);
  if (!record) co_return tl::unexpected(record.error());
  const auto outline = table_.outline(row);
  if (!outline || !(outline->key == key)) co_return tl::unexpected(unknown_app(key.app));

  const bool renewing = is_in_flight(row);
  if (!renewing) {
    adopt(row, *record);
    const Terms& terms = issuer_of(row).terms;
    const auto refuse = [&](Fault fault, std::string why, Milliseconds wait) {
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
    if (terms.rule.shape == Shape::windowed && record->token && !may_force(record->budget, terms)) {
      const Milliseconds since = now() - *record->budget.forced_at;
      if (since < terms.rule.forced_apart) {
        co_return refuse(Fault::too_soon, "the platform grants forced renewals only so often",
                         terms.rule.forced_apart - since);
      }
      co_return refuse(Fault::throttled, "the platform's forced renewals of this day are used up",
                       until_next_day(now()));
    }
  }

  const Failure failure = co_await join(row, Cause::operated);
  const auto after = table_.outline(row);
  if (!after || !(after->key == key)) co_return tl::unexpected(unknown_app(key.app));
  if (failure) {
    Error error = *failure;
    if (error.fault != Fault::too_soon) {
      error.retry_after = std::max<Milliseconds>(due_at(row) - now(), seconds(1));
    }
    co_return tl::unexpected(std::move(error));
  }
  if (auto renewed = grant(row, key, 0)) co_return std::move(*renewed);
  co_return tl::unexpected(why_not(row, failure));
}

}  // namespace hufu::keeper
