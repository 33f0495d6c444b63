#include "keeper/records.hpp"

#include <algorithm>
#include <utility>

#include "core/process.hpp"
#include "keeper/await.hpp"
#include "keeper/budget.hpp"
#include "keeper/in_doubt.hpp"

namespace hufu::keeper {
namespace {

/// A call in doubt that the store would not take is handed to it again after this long.
constexpr Milliseconds kBetweenAttempts = std::chrono::seconds(1);

}  // namespace

Task<Result<Record>> Records::load(Key key) {
  const SteadyTime asked = parts_.loop.clock().steady();
  auto record =
      co_await await<Result<Record>>([&](auto done) { parts_.store->load(key, std::move(done)); });
  parts_.health.record_read(record ? nullptr : &record.error(), asked);
  co_return record;
}

Task<bool> Records::reload(RowHandle row) {
  if (!table().stands(row)) co_return true;
  Key key = table().key(row);
  const std::uint64_t known = table().state(row)->revision;
  auto record = co_await load(std::move(key));
  if (!record) co_return false;
  if (table().stands(row)) {
    const bool overtaken = table().state(row)->revision != known;
    apply_record(row, *record, overtaken ? Standing::read : Standing::current);
  }
  co_return true;
}

// ---- from a record to what readers see

bool Records::apply_record(RowHandle row, const Record& record, Standing standing) {
  const RowState before = *table().state(row);
  if (record.revision < before.revision && standing != Standing::leased) {
    const KeyState* ours = states().find(row);
    if (ours != nullptr && ours->unsaved) {
      apply_calls(row, record);
      return true;
    }
    if (ours != nullptr && ours->renewal) return true;  // Read before the latest commit.
    if (standing == Standing::read) return false;
    // Nobody renews here, and yet the store is behind: the app was removed and put again, or the
    // database brought back from a backup. What stood here is no more; to keep it would mean to
    // renew for ever, because no new token could reach the revision that is remembered.
  }
  const bool newer = record.revision != before.revision;

  const std::uint16_t issued_by = record.token && !record.token->issuer.empty()
                                      ? issuers().by_name(record.token->issuer)
                                      : before.issuer;
  const Terms& terms = issuers().terms(issued_by);
  if (states().find(row) != nullptr || !is_quiet(record, terms)) {
    apply_state(row, record, terms, newer);
  }

  if (record.token) {
    if (newer || !before.has_token || record.token->obtained_at != before.obtained_at ||
        record.token->expires_at != before.expires_at ||
        record.renew_at != before.bounds.renew_at) {
      publish(row, record);
    } else {
      recompute_bounds(row);
    }
  } else {
    table().clear(row);
    notify_listener(row);
  }
  states().close_if_quiet(row, now());
  if (events_.changed) events_.changed(row);
  if (newer && events_.replaced) events_.replaced(row);
  return true;
}

/// Whether the record says nothing that a KeyState would have to hold, as nearly all of a million
/// do when a server starts.
bool Records::is_quiet(const Record& record, const Terms& terms) const {
  return !record.failure && record.in_doubt.empty() && !is_from_the_future(record, terms, now()) &&
         early_deaths(record.budget, now()) < kDeathsByOthers;
}

/// What the record says of the key beyond its token.
void Records::apply_state(RowHandle row, const Record& record, const Terms& terms, bool newer) {
  KeyState& state = states().of(row);
  state.budget = record.budget;
  state.from_the_future = is_from_the_future(record, terms, now());
  if (newer) {
    state.known_invalid = false;
    state.unsaved = false;
    state.alive_at = record.alive_at;
    state.verdict = {};
  } else if (record.alive_at) {
    state.alive_at = state.alive_at ? std::max(*state.alive_at, *record.alive_at) : record.alive_at;
  }
  Record judged;
  if (record.token) {
    judged.token = Token{{}, record.token->obtained_at, record.token->expires_at, {}, {}};
  }
  judged.in_doubt = record.in_doubt;
  judged.alive_at = state.alive_at;
  if (state.renewal && state.renewal->call && state.renewal->call->fence != 0) {
    std::erase_if(judged.in_doubt, [&](const InDoubtCall& call) {
      return call.fence == state.renewal->call->fence;
    });
  }
  merge_in_doubt(judged, terms, now());
  state.in_doubt = judged.in_doubt;
  if (is_dead(judged)) state.known_invalid = true;  // Whoever asked the platform.
  apply_failure(row, record, newer);
}

void Records::apply_failure(RowHandle row, const Record& record, bool newer) {
  KeyState& state = states().of(row);
  if (!record.failure && !state.failure) return;
  const std::string present = credentials_name(table().facts_of(row).tag);
  std::optional<FailureState> failure = record.failure;
  if (failure && !failure->host.empty() && failure->host != host_name()) {
    // It was another machine's address that was refused.
    failure->next_attempt_at = std::max(failure->at, state.refused_here_until);
  }
  if (failure && !failure->credentials.empty() && failure->credentials != present) {
    failure.reset();  // Other credentials deserve a try of their own.
  }
  if (state.credentials_refused && !failure && !newer && state.failure->credentials == present) {
    return;  // Nothing has shown yet that they are right.
  }
  set_failure(row, std::move(failure));
}

/// The token in memory is newer than the record because it could not be stored; but what others
/// have called the platform for since may displace it all the same.
void Records::apply_calls(RowHandle row, const Record& record) {
  const WallTime obtained_at = table().state(row)->obtained_at;
  KeyState& state = states().of(row);
  state.in_doubt = record.in_doubt;
  std::erase_if(state.in_doubt,
                [&](const InDoubtCall& call) { return call.called_at <= obtained_at; });
  recompute_bounds(row);
}

void Records::publish(RowHandle row, const Record& record) {
  const RowState before = *table().state(row);
  // A token of which nobody noted where it came from is taken for one of the app's present issuer.
  const std::uint16_t issued_by =
      record.token->issuer.empty() ? before.issuer : issuers().by_name(record.token->issuer);
  Record judged;  // Without the token's value: a copy of that would have to be wiped again.
  judged.renew_at = record.renew_at;
  judged.token =
      Token{{}, record.token->obtained_at, record.token->expires_at, {}, record.token->overlap};
  const KeyState* state = states().find(row);
  judged.in_doubt = state != nullptr ? state->in_doubt : record.in_doubt;
  if (state != nullptr && state->renewal && state->renewal->call) {
    judged.in_doubt.push_back(*state->renewal->call);
  }
  table().publish(row, *record.token, record.revision,
                  parts_.sealer->fingerprint(record.token->value.reveal()), issued_by,
                  bounds_for(row, judged, issued_by),
                  issuers().terms(issued_by).rule.shape == RenewalRule::Shape::windowed,
                  before.has_token ? before.bounds.promised_end(now()) : now());
  notify_listener(row);
}

/// What readers may be promised.
Bounds Records::bounds_for(RowHandle row, const Record& record, std::uint16_t issued_by) const {
  Bounds bounds = bounds_of(record, issuers().terms(issued_by));
  const KeyState* state = states().find(row);
  if (state != nullptr && (state->known_invalid || state->from_the_future)) bounds.last_end = {};
  return bounds;
}

void Records::recompute_bounds(RowHandle row) {
  const RowState state = *table().state(row);
  if (!state.has_token) return;
  const Record record = snapshot_with_call(row);
  Bounds bounds = bounds_for(row, record, state.issued_by);
  // How far a renewal cuts the promise was said when the token was published.
  bounds.after_renewal = state.bounds.after_renewal;
  table().set_bounds(row, bounds);
  notify_listener(row);
}

Record Records::snapshot(RowHandle row) const {
  const RowState state = *table().state(row);
  Record record;
  record.revision = state.revision;
  record.renew_at = state.bounds.renew_at;
  if (state.has_token) {
    record.token = Token{Secret(), state.obtained_at, state.expires_at, std::string(), {}};
  }
  if (const KeyState* more = states().find(row)) {
    record.in_doubt = more->in_doubt;
    record.failure = more->failure;
    record.alive_at = more->alive_at;
    record.budget = more->budget;
  }
  return record;
}

Record Records::snapshot_with_call(RowHandle row) const {
  Record record = snapshot(row);
  const KeyState* state = states().find(row);
  if (state != nullptr && state->renewal && state->renewal->call) {
    record.in_doubt.push_back(*state->renewal->call);
  }
  return record;
}

void Records::set_failure(RowHandle row, std::optional<FailureState> failure) {
  const bool failing = failure.has_value();
  KeyState& state = states().of(row);
  state.failure = std::move(failure);
  state.credentials_refused = false;
  if (!table().state(row)->is_main) return;
  const std::string app = table().key(row).app;
  std::lock_guard lock(failing_mutex_);
  if (failing) {
    failing_.insert(app);
  } else {
    failing_.erase(app);
  }
}

void Records::forget_failure(const Key& key) {
  std::lock_guard lock(failing_mutex_);
  failing_.erase(key.app);
}

bool Records::is_failing(const std::string& app) const {
  std::lock_guard lock(failing_mutex_);
  return failing_.contains(app);
}

void Records::notify_listener(RowHandle row) {
  if (parts_.listener != nullptr) parts_.listener->changed(table().key(row));
}

const KnownIssuer& Records::issuer_of(RowHandle row) const {
  return issuers().at(table().state(row)->issuer);
}

const Terms& Records::token_terms(RowHandle row) const {
  const RowState state = *table().state(row);
  return issuers().terms(state.has_token ? state.issued_by : state.issuer);
}

// ---- what is learnt of a token

void Records::set_call_in_flight(RowHandle row, std::optional<InDoubtCall> call) {
  KeyState& state = states().of(row);
  if (state.renewal) state.renewal->call = call;
  recompute_bounds(row);
}

void Records::note_dead(RowHandle row) {
  KeyState& state = states().of(row);
  if (state.known_invalid) return;
  state.known_invalid = true;
  const InDoubtCall dead = known_dead_call(table().state(row)->obtained_at, now());
  add_in_doubt(row, dead);
}

void Records::add_in_doubt(RowHandle row, InDoubtCall call) {
  states().of(row).in_doubt.push_back(call);
  recompute_bounds(row);
  loop().spawn(store_in_doubt(row, call));
}

Task<void> Records::store_in_doubt(RowHandle row, InDoubtCall call) {
  const std::uint64_t revision = table().state(row)->revision;
  const Key key = table().key(row);
  while (table().stands(row) && table().state(row)->revision == revision) {
    const auto added = co_await await<Result<void>>(
        [&](auto done) { parts_.store->add_in_doubt(key, call, std::move(done)); });
    if (added || loop().stopping()) co_return;
    co_await loop().sleep(kBetweenAttempts);
  }
}

void Records::note_alive(RowHandle row, WallTime asked_at) {
  KeyState& state = states().of(row);
  Record judged;
  judged.token = Token{};
  judged.in_doubt = std::move(state.in_doubt);
  judged.alive_at = state.alive_at;
  // Calls that are over and should have killed it before it was asked were not carried out.
  settle_in_doubt(judged, token_terms(row), asked_at);
  state.in_doubt = std::move(judged.in_doubt);
  state.alive_at = judged.alive_at;
  state.known_invalid = false;
  recompute_bounds(row);
}

}  // namespace hufu::keeper
