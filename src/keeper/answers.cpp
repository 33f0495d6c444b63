#include "keeper/answers.hpp"

#include <algorithm>
#include <utility>

#include "keeper/await.hpp"
#include "keeper/in_doubt.hpp"

namespace hufu::keeper {
using std::chrono::seconds;

Task<Result<Grant>> Answers::get(Key key, Wish wish) {
  const auto located = co_await parts_.apps.locate(std::move(key));
  if (!located) co_return tl::unexpected(located.error());
  const RowHandle row = *located;
  const std::string app = table().key(row).app;
  const auto gone = [&] { return tl::unexpected(AppDirectory::unknown_app(app)); };
  table().note_asked(row);

  if (auto good_enough = promised(row, wish)) {
    const bool stale = now() >= table().state(row)->bounds.renew_at;
    if (stale && parts_.renewals.due_at(row) <= now()) parts_.renewals.start(row, Cause::schedule);
    co_return std::move(*good_enough);
  }
  if (wish.outside_window) {
    if (auto enough = co_await outside_window(row)) co_return std::move(*enough);
    if (!table().stands(row)) co_return gone();
  }

  // A token in doubt is renewed soon after the promise on it ends. In the last second before that
  // no promise fits, and a new one would outlast the renewal, which may end the token at once. One
  // that is in flight already is waited for below.
  if (const auto left = until_renewal_in_doubt(row);
      left > Milliseconds(0) && !parts_.renewals.is_in_flight(row)) {
    co_await records().loop().sleep(left);
    if (!table().stands(row)) co_return gone();
    if (auto renewed = promised(row)) co_return std::move(*renewed);
  }
  if (auto warm = warm_verdict(row)) co_return std::move(*warm);

  Failure failure;
  if (parts_.renewals.is_in_flight(row) || parts_.renewals.due_at(row) <= now()) {
    const KeyState* state = records().states().find(row);
    const bool dead = state != nullptr && state->known_invalid;
    failure = co_await parts_.renewals.await_renewal(row, dead ? Cause::report : Cause::demand);
  }
  if (!table().stands(row)) co_return gone();
  if (auto usable = promised(row)) co_return std::move(*usable);
  if (is_in_doubt(row)) {
    const ProbeResult result = co_await parts_.probes.probe(row);
    if (!table().stands(row)) co_return gone();
    if (auto settled = promised(row)) co_return std::move(*settled);
    if (result != ProbeResult::dead) {
      if (auto doubtful = suspect(row)) co_return std::move(*doubtful);
    }
  }
  co_return tl::unexpected(why_not(row, failure));
}

/// A windowed token inside its window: waits for its renewal, at most half of the request timeout,
/// then gives what there is.
Task<std::optional<Grant>> Answers::outside_window(RowHandle row) {
  auto present = promised(row);
  if (!present) co_return std::nullopt;
  if (!parts_.renewals.is_in_flight(row) && parts_.renewals.due_at(row) > now()) {
    co_return present;  // Its renewal has failed a moment ago.
  }
  struct Race {
    Done<bool> over;
    void end() {
      if (over) std::exchange(over, nullptr)(true);
    }
  };
  // Not so long that the token, which works, could not be promised any more.
  constexpr Milliseconds kRest = seconds(1) + Milliseconds(200);
  const WallTime until = std::min(now() + records().issuer_of(row).terms.request_timeout / 2,
                                  table().state(row)->bounds.promised_end(now()) - kRest);
  if (until <= now()) {
    parts_.renewals.start(row, Cause::demand);
    co_return present;
  }
  auto race = std::make_shared<Race>();
  auto renewal = [](Renewals& renewals, RowHandle which, std::shared_ptr<Race> of) -> Task<void> {
    co_await renewals.await_renewal(which, Cause::demand);
    of->end();
  };
  co_await await<bool>([&](Done<bool> over) {
    race->over = std::move(over);
    records().loop().at(until, [race] { race->end(); });
    records().loop().spawn(renewal(parts_.renewals, row, race));
  });
  if (!table().stands(row)) co_return std::nullopt;
  co_return promised(row);
}

/// A verdict that is still warm spares the caller from waiting for a platform that may hang. Not as
/// long as the token certainly works and its renewal is due; and one from that time says nothing
/// after it.
std::optional<Grant> Answers::warm_verdict(RowHandle row) {
  if (!is_in_doubt(row)) return std::nullopt;
  const KeyState& state = *records().states().find(row);
  if (state.verdict.at == WallTime{}) return std::nullopt;
  const Milliseconds slack = records().issuer_of(row).terms.use_slack;
  const Milliseconds age = now() - state.verdict.at;
  const Record record = records().snapshot_with_call(row);
  const WallTime death = *first_possible_death(record);
  const bool due = parts_.renewals.due_at(row) <= now();
  const bool renewing = state.renewal || due;
  // "Alive", while a call may be under way that ends it, is no reason not to wait for that call.
  const bool premature =
      renewing && state.verdict.result == ProbeResult::alive &&
      state.verdict.asked_at < first_judgement(record, records().token_terms(row));
  const bool of_use = death > now() ? !renewing : state.verdict.asked_at >= death && !premature;
  if (!of_use || age > 3 * slack) return std::nullopt;
  auto grant = suspect(row);
  if (!grant) return std::nullopt;
  if (due) parts_.renewals.start(row, Cause::schedule);
  if (age > slack && !state.probe) {
    records().loop().spawn([](Probes& probes, RowHandle which) -> Task<void> {
      co_await probes.probe(which);
    }(parts_.probes, row));
  }
  return grant;
}

// ---- what can be said of a row

std::optional<Grant> Answers::promised(RowHandle row, Wish wish) const {
  // Not by way of TokenTable::read, which notes that somebody has asked.
  const RowState present = *table().state(row);
  const std::int64_t promise = present.has_token ? present.bounds.promise(now()) : 0;
  if (promise < 1) return std::nullopt;
  const bool windowed = records().token_terms(row).rule.shape == RenewalRule::Shape::windowed;
  const bool stale = now() >= present.bounds.renew_at;
  if (stale && (promise < wish.min_ttl || (wish.outside_window && windowed))) return std::nullopt;
  return Grant{table().key(row),
               table().token(row),
               seconds(promise),
               present.expires_at,
               present.revision,
               present.fingerprint,
               false};
}

std::optional<WallTime> Answers::end_in_doubt(RowHandle row) const {
  const KeyState* state = records().states().find(row);
  if (state == nullptr || state->known_invalid || state->from_the_future) return std::nullopt;
  if (state->in_doubt.empty() && !(state->renewal && state->renewal->call)) return std::nullopt;
  const RowState present = *table().state(row);
  if (!present.has_token) return std::nullopt;
  return present.expires_at - records().token_terms(row).slack();
}

bool Answers::is_in_doubt(RowHandle row) const {
  const auto end = end_in_doubt(row);
  return end && *end - now() >= seconds(1) && table().state(row)->bounds.promise(now()) < 1;
}

/// How long until a token in doubt is renewed, where its promise is too short to be given again.
Milliseconds Answers::until_renewal_in_doubt(RowHandle row) const {
  const KeyState* state = records().states().find(row);
  if (state == nullptr || state->known_invalid || state->in_doubt.empty()) return Milliseconds(0);
  const RowState present = *table().state(row);
  if (!present.has_token || present.bounds.promise(now()) > 0) return Milliseconds(0);
  const WallTime renewal =
      present.bounds.promised_end(now()) + pause_after_promise(records().token_terms(row));
  return std::max(renewal - now(), Milliseconds(0));
}

std::optional<Grant> Answers::suspect(RowHandle row) const {
  if (!is_in_doubt(row) || until_renewal_in_doubt(row) > Milliseconds(0)) return std::nullopt;
  const RowState present = *table().state(row);
  const Terms& terms = records().token_terms(row);
  Milliseconds left =
      std::min<Milliseconds>(present.expires_at - terms.slack() - now(), terms.use_slack);
  const WallTime death = *first_possible_death(records().snapshot_with_call(row));
  if (death > now()) {
    left = std::min({left, death - now(), parts_.renewals.due_at(row) - now()});
  }
  const auto promise = std::chrono::floor<seconds>(left);
  if (promise < seconds(1)) return std::nullopt;
  return Grant{table().key(row), table().token(row),  promise, present.expires_at,
               present.revision, present.fingerprint, true};
}

Error Answers::why_not(RowHandle row, const Failure& failure) const {
  const KeyState* state = records().states().find(row);
  Error error;
  if (failure) {
    error = *failure;
  } else if (state != nullptr && state->failure) {
    error = state->failure->error;
  } else if (state != nullptr && state->known_invalid) {
    error.fault = Fault::throttled;
    error.message = "the platform refuses the token, and too many renewals were asked for";
    error.next_step = "find out who else renews this app's token: hufu doctor";
  } else if (state != nullptr && state->blocked_by && state->blocked_until > now()) {
    error = *state->blocked_by;
  } else {
    error.fault = Fault::unreachable;
    error.message = "there is no usable token yet";
  }
  error.retry_after = std::max<Milliseconds>(parts_.renewals.due_at(row) - now(), seconds(1));
  return error;
}

// ---- waiting for another token

Task<Result<std::optional<Grant>>> Answers::wait(Key key, Seen seen, Milliseconds patience) {
  const auto located = co_await parts_.apps.locate(std::move(key));
  if (!located) co_return tl::unexpected(located.error());
  const RowHandle row = *located;
  const std::string app = table().key(row).app;
  const WallTime until = now() + patience;
  table().note_asked(row);
  for (bool woken = false;; woken = true) {
    if (!table().stands(row)) co_return tl::unexpected(AppDirectory::unknown_app(app));
    if (auto present = promised(row); present && (present->revision != seen.revision ||
                                                  present->fingerprint != seen.fingerprint)) {
      co_return std::move(present);
    }
    if (woken || records().loop().stopping() || waits_are_over_ || now() >= until) {
      co_return std::optional<Grant>();
    }
    co_await next_token(row, until);
  }
}

/// Returns when the row's token was replaced, when everybody was woken, or at `until`.
Task<void> Answers::next_token(RowHandle row, WallTime until) {
  const std::uint64_t id = next_watcher_++;
  co_await await<bool>([this, row, id, until](Done<bool> wake) {
    records().states().of(row).watchers.push_back({id, std::move(wake)});
    records().loop().at(until, [this, row, id] {
      KeyState* state = records().states().find(row);
      if (state == nullptr) return;
      const auto watcher =
          std::find_if(state->watchers.begin(), state->watchers.end(),
                       [id](const Watcher& candidate) { return candidate.id == id; });
      if (watcher == state->watchers.end()) return;
      const Done<bool> over = std::move(watcher->wake);
      state->watchers.erase(watcher);
      records().states().close_if_quiet(row, now());
      over(false);
    });
  });
}

void Answers::wake(RowHandle row) {
  KeyState* state = records().states().find(row);
  if (state == nullptr) return;
  for (const Watcher& watcher : std::exchange(state->watchers, {})) watcher.wake(true);
  records().states().close_if_quiet(row, now());
}

void Answers::wake_all() {
  std::vector<RowHandle> watched;
  records().states().for_each([&](RowHandle row, const KeyState& state) {
    if (!state.watchers.empty()) watched.push_back(row);
  });
  for (const RowHandle row : watched) wake(row);
}

void Answers::end_waits() {
  waits_are_over_ = true;
  wake_all();
}

}  // namespace hufu::keeper
