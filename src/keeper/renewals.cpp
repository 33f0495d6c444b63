#include "keeper/renewals.hpp"

#include <algorithm>
#include <utility>

#include "keeper/await.hpp"
#include "keeper/backoff.hpp"
#include "keeper/budget.hpp"

namespace hufu::keeper {
using std::chrono::seconds;

namespace {

/// Never-fetched tokens of a platform are fetched at most 50 times a second. This is 45, since
/// those that a busy moment has held up go together.
constexpr Milliseconds kBetweenFirstFetches{22};
/// How often to look whether a token has been stored at last, before which it is not renewed.
constexpr Milliseconds kUntilSaved = seconds(15);
/// A changed record that could not be read is read again after this long.
constexpr Milliseconds kBetweenReads = seconds(1);

}  // namespace

Renewals::Renewals(RenewalContext& context, bool background)
    : context_(context), background_(background), schedule_(context.records.table()) {}

// ---- one in flight

Task<Failure> Renewals::await_renewal(RowHandle row, Cause cause) {
  co_return co_await await<Failure>([this, row, cause](Done<Failure> done) {
    const KeyState* state = records().states().find(row);
    const bool running = state != nullptr && state->renewal;
    if (!running && records().loop().stopping()) {
      return done(Error{Fault::unreachable, "shutting down", "ask again in a moment", {}, {}});
    }
    context_.observer.waiting(1);
    if (!running) return begin(row, cause, std::move(done));
    state->renewal->waiting.push_back(std::move(done));
  });
}

void Renewals::start(RowHandle row, Cause cause) {
  if (records().loop().stopping() || is_in_flight(row)) return;
  if (load_of(row).in_flight >= kMostOfOnePlatform) return;
  begin(row, cause);
}

void Renewals::begin(RowHandle row, Cause cause, Done<Failure> done) {
  auto flight = std::make_shared<RenewalInFlight>();
  flight->cause = cause;
  if (done) flight->waiting.push_back(std::move(done));
  records().states().of(row).renewal = flight;
  ++load_of(row).in_flight;
  records().loop().spawn(run(row, std::move(flight)));
}

Task<void> Renewals::run(RowHandle row, std::shared_ptr<RenewalInFlight> flight) {
  // Named by its platform: the row may be gone when it ends.
  PlatformLoad& load = load_of(row);
  const auto renewal = std::make_shared<Renewal>(context_, row, flight->cause);
  const Failure failure = co_await renewal->run();
  --load.in_flight;

  if (records().table().stands(row)) {
    KeyState& state = records().states().of(row);
    if (state.renewal == flight) state.renewal.reset();
    records().recompute_bounds(row);
    records().states().close_if_quiet(row, now());
    // Who asked within the last lifetime is owed a renewal, not an attempt.
    const RowState present = *records().table().state(row);
    const WallTime owed_until = present.expires_at + (present.expires_at - present.obtained_at);
    if (failure && present.has_token && now() < owed_until) records().table().note_asked(row);
    reschedule(row);
    if (flight->changed) records().loop().spawn(reload_until_read(row));
  }
  auto waiting = std::exchange(flight->waiting, {});
  context_.observer.waiting(-static_cast<int>(waiting.size()));
  for (auto& answer : waiting) answer(failure);

  while (!records().loop().stopping() && load.in_flight < kMostOfOnePlatform &&
         !load.waiting.empty()) {
    const RowHandle next = load.waiting.front();
    load.waiting.pop_front();
    on_due(next);
  }
}

/// Nobody would mention the change a second time.
Task<void> Renewals::reload_until_read(RowHandle row) {
  bool read = co_await records().reload(row);
  while (!read && !records().loop().stopping()) {
    co_await records().loop().sleep(kBetweenReads);
    read = co_await records().reload(row);
  }
}

bool Renewals::is_in_flight(RowHandle row) const {
  const KeyState* state = records().states().find(row);
  return state != nullptr && state->renewal;
}

// ---- what is due

WallTime Renewals::due_at(RowHandle row) const {
  const Record record = records().snapshot(row);
  WallTime due = next_attempt(record, records().token_terms(row));
  const KeyState* state = records().states().find(row);
  if (state == nullptr) return due;
  if (state->known_invalid) {
    // Dead: no plan and no promise stands in the way, only patience.
    due = WallTime{};
    if (record.failure) {
      due = record.failure->next_attempt_at;
      if (due - record.failure->at <= seconds(60)) {
        // It was rolled while there was a usable token; without one the patience is shorter.
        due = std::min(due, record.failure->at + delay_after(record.failure->failures,
                                                             RetryClass::backoff, true, 1));
      }
    }
    due = std::max(due, throttled_until(state->budget, records().issuer_of(row).terms.rule, now()));
  }
  if (state->from_the_future) {
    due = WallTime{};
    if (record.failure && record.failure->at <= now()) due = record.failure->next_attempt_at;
  }
  if (state->unsaved) due = std::max(due, now() + kUntilSaved);
  return std::max(due, state->blocked_until);
}

void Renewals::reschedule(RowHandle row) {
  if (!background_ || records().loop().stopping()) return;
  if (!records().table().stands(row) || is_in_flight(row)) return;
  WallTime due = due_at(row);
  if (due == WallTime{}) {
    // What nobody wants takes no turn from what somebody waits for.
    if (!context_.apps.is_kept(row) && !records().table().is_asked(row)) return;
    PlatformLoad& load = load_of(row);
    const WallTime slot = std::max(now(), load.last_first_fetch + kBetweenFirstFetches);
    const WallTime present = records().table().due(row);
    // Whoever has a place in the queue keeps it, however often the row is looked at.
    if (present != WallTime{} && present <= slot) return;
    due = load.last_first_fetch = slot;
  }
  schedule_.set(row, due);
  records().loop().rescheduled();
}

void Renewals::on_due(RowHandle row) {
  if (!records().table().stands(row) || is_in_flight(row)) return;
  if (due_at(row) > now()) return reschedule(row);
  if (!context_.apps.is_kept(row) && !records().table().take_asked(row)) return lapse(row);
  PlatformLoad& load = load_of(row);
  if (load.in_flight >= kMostOfOnePlatform) {
    records().table().note_asked(row);
    load.waiting.push_back(row);
    return;
  }
  const KeyState* state = records().states().find(row);
  begin(row, state != nullptr && state->known_invalid ? Cause::report : Cause::schedule);
}

/// Nobody has asked for it within its last lifetime: it is left alone, and forgotten at its end.
void Renewals::lapse(RowHandle row) {
  const RowState present = *records().table().state(row);
  if (present.has_token && now() < present.expires_at) {
    return schedule_.set(row, present.expires_at);
  }
  if (!present.is_main && records().states().find(row) == nullptr) records().table().remove(row);
}

WallTime Renewals::run_due() {
  const WallTime moment = now();
  RowHandle row;
  while (!records().loop().stopping() && schedule_.pop(moment, row)) on_due(row);
  return records().loop().stopping() ? WallTime::max() : schedule_.next();
}

void Renewals::stop() {
  for (auto& [platform, load] : loads_) load.waiting.clear();
}

Renewals::PlatformLoad& Renewals::load_of(RowHandle row) {
  return loads_[records().issuer_of(row).platform];
}

}  // namespace hufu::keeper
