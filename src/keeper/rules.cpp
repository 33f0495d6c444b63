#include "keeper/rules.hpp"

#include <algorithm>
#include <utility>

#include "keeper/in_doubt.hpp"

namespace hufu::keeper {
namespace {

using Shape = RenewalRule::Shape;
using std::chrono::hours;
using std::chrono::seconds;

constexpr std::size_t kRememberedPredecessors = 8;
constexpr Milliseconds kLongestPause = seconds(1);
/// A renewal of a windowed token comes at most this late after its window has opened.
constexpr Milliseconds kLatestInWindow = seconds(10);
/// Nodes of one cluster agree on the time to a few milliseconds; a clock that is read anew at each
/// start, to a second or two.
constexpr Milliseconds kClockTolerance = seconds(5);

Milliseconds part(Milliseconds span, double share) {
  return Milliseconds(static_cast<Milliseconds::rep>(static_cast<double>(span.count()) * share));
}

/// How long the record's token outlives its successor's issue, as far as anybody knows.
Milliseconds overlap_of(const Token& token, const Terms& terms) {
  return token.overlap ? std::min(*token.overlap, terms.rule.overlap) : terms.rule.overlap;
}

}  // namespace

WallTime plan_renewal(WallTime obtained_at, WallTime expires_at, const Terms& terms,
                      double jitter) {
  const Milliseconds overlap = terms.rule.overlap;
  WallTime planned;
  switch (terms.rule.shape) {
    case Shape::sticky: return expires_at;
    case Shape::windowed:
      // Not at its first moment: to the platform, whose count of the life began when the call came,
      // it opens up to a round trip later.
      planned =
          expires_at - overlap + part(std::min(kLatestInWindow, overlap / 10), 0.5 + 0.5 * jitter);
      break;
    case Shape::rotating:
    case Shape::independent:
      planned = std::max(expires_at - part(terms.refresh_ahead, 1.0 - 0.1 * jitter),
                         obtained_at + (expires_at - obtained_at) / 2);
      if (terms.rule.shape == Shape::rotating) planned = std::max(planned, obtained_at + overlap);
      break;
  }
  // A second before it becomes unusable, so that no caller waits for the renewal.
  const WallTime latest = expires_at - terms.slack() - seconds(1);
  return std::max(obtained_at, std::min(planned, latest));
}

Bounds bounds_of(const Record& record, const Terms& terms) {
  Bounds bounds;
  bounds.renew_at = record.renew_at;
  bounds.last_end = record.token->expires_at - terms.slack();
  if (auto death = first_possible_death(record)) {
    bounds.last_end = std::min(bounds.last_end, *death - terms.slack());
  }
  if (terms.rule.shape == Shape::rotating) {
    bounds.after_renewal = overlap_of(*record.token, terms) - terms.slack();
  }
  return bounds;
}

Milliseconds pause_after_promise(const Terms& terms) noexcept {
  if (terms.rule.shape != Shape::rotating) return Milliseconds(0);
  return std::min(terms.slack() / 10, kLongestPause);
}

WallTime next_attempt(const Record& record, const Terms& terms) {
  const WallTime patience = record.failure ? record.failure->next_attempt_at : WallTime{};
  if (!record.token) return patience;
  WallTime due = record.renew_at;
  if (const auto death = first_possible_death(record)) {
    const WallTime promised = std::min(*death, record.token->expires_at) - terms.slack();
    due = terms.rule.shape == Shape::rotating ? promised + pause_after_promise(terms)
                                              : std::min(due, promised);
  }
  return std::max(due, patience);
}

WallTime too_soon_until(const Record& record, const Terms& terms) {
  WallTime until{};
  if (terms.rule.shape == Shape::sticky || terms.rule.shape == Shape::independent) return until;
  if (record.displaced_at) until = *record.displaced_at + terms.rule.overlap;
  if (terms.rule.shape == Shape::rotating) {
    for (const InDoubtCall& call : record.in_doubt) {
      const bool known_dead = call.may_die_at <= call.called_at;
      if (!known_dead) until = std::max(until, call.called_at + terms.rule.overlap);
    }
  }
  return until;
}

std::uint64_t next_revision(const Record& record) noexcept {
  const auto taken = std::count_if(
      record.in_doubt.begin(), record.in_doubt.end(),
      [](const InDoubtCall& call) { return call.state == InDoubtCall::State::pending; });
  return record.revision + 1 + static_cast<std::uint64_t>(taken);
}

Record successor_of(const Record& before, const Terms& before_terms, Issued issued,
                    Fingerprint fingerprint_of_old, std::string_view issuer, const Terms& terms,
                    WallTime called_at, WallTime now, double jitter) {
  Record next;
  const bool same = before.token && before.token->value.same_as(issued.value.reveal());
  next.created_at = before.created_at;
  next.budget = before.budget;
  next.predecessors = before.predecessors;
  next.revision = same ? before.revision : next_revision(before);
  next.displaced_at = same ? before.displaced_at : std::nullopt;
  next.refresh_token =
      issued.refresh_token.empty() ? before.refresh_token.clone() : std::move(issued.refresh_token);
  next.refresh_token_expires_at = before.refresh_token_expires_at;
  if (same) {
    // To bring a dead token once more does not revive it.
    next.in_doubt = before.in_doubt;
    std::erase_if(next.in_doubt, [](const InDoubtCall& call) { return !is_known_dead(call); });
  }

  // A stamp from the future says nothing about when this value was first seen.
  const bool seen_before = same && before.token->obtained_at <= called_at;
  const WallTime obtained_at = seen_before ? before.token->obtained_at : called_at;
  WallTime expires_at = called_at + issued.lifetime;
  if (seen_before && terms.rule.shape == Shape::sticky) {
    // Calls for a ticket name the whole life however old the ticket is: it counts from first sight.
    expires_at = std::min(expires_at, before.token->expires_at);
  }
  if (before.token && !same) {
    next.predecessors.insert(next.predecessors.begin(), fingerprint_of_old);
    if (next.predecessors.size() > kRememberedPredecessors) {
      next.predecessors.resize(kRememberedPredecessors);
    }
    if (bounds_of(before, before_terms).promise(called_at) > 0) next.displaced_at = called_at;
  }

  next.renew_at = plan_renewal(obtained_at, expires_at, terms, jitter);
  if (terms.rule.shape == Shape::windowed && next.displaced_at) {
    // The platform may keep only the newest token and the one before alive: the one that this token
    // displaced is still promised to somebody, at most for the rest of its window.
    const WallTime promised = *next.displaced_at + terms.rule.overlap - terms.slack();
    const WallTime latest = expires_at - terms.slack() - seconds(1);
    next.renew_at = std::max(next.renew_at, std::min(promised, latest));
  }
  if (same && next.renew_at <= now) {
    // The platform's window has not opened yet, or its clock is behind: ask again, ever sooner as
    // the end comes near, but never in a loop.
    next.renew_at = now + std::clamp<Milliseconds>((expires_at - now) / 8, seconds(1), seconds(15));
  }
  next.token =
      Token{std::move(issued.value), obtained_at, expires_at, std::string(issuer), std::nullopt};
  if (terms.rule.shape == Shape::rotating) next.token->overlap = terms.rule.overlap;
  return next;
}

std::optional<Record> imported(const Record& before, const ImportedToken& token,
                               std::string_view issuer, const Terms& terms, WallTime now,
                               double jitter) {
  constexpr seconds kBuffer{20};
  if (token.promised_until <= now || before.revision != 0) return std::nullopt;
  // Compared before anything is added: nobody knows what stands there.
  const Milliseconds longest = terms.rule.longest_life;
  const WallTime expires_at = std::min(token.promised_until, now + longest - kBuffer) + kBuffer;
  if (expires_at - terms.slack() <= now) return std::nullopt;
  Record next;
  next.created_at = before.created_at;
  next.budget = before.budget;
  next.revision = 1;
  const WallTime obtained_at =
      std::clamp(token.written_at.value_or(now), expires_at - longest, now);
  next.renew_at = plan_renewal(obtained_at, expires_at, terms, jitter);
  next.token =
      Token{token.value.clone(), obtained_at, expires_at, std::string(issuer), std::nullopt};
  if (terms.rule.shape == Shape::rotating) next.token->overlap = terms.rule.overlap;
  return next;
}

bool is_from_the_future(const Record& record, const Terms& terms, WallTime now) noexcept {
  const WallTime latest = now + kClockTolerance;
  if (record.failure && record.failure->at > latest) return true;
  if (!record.token) return false;
  return record.token->obtained_at > latest ||
         (terms.rule.shape == Shape::windowed &&
          record.token->expires_at > latest + terms.rule.longest_life);
}

void move_to_present(Record& record, WallTime now) noexcept {
  if (record.token && record.token->obtained_at > now) {
    const Milliseconds ahead = record.token->obtained_at - now;
    for (InDoubtCall& call : record.in_doubt) {
      const bool of_this_token =
          is_known_dead(call) && call.may_die_at == record.token->obtained_at;
      if (of_this_token || call.called_at > now) call.may_die_at -= ahead;
      call.called_at = std::min(call.called_at, now);
    }
    record.token->obtained_at -= ahead;
    record.token->expires_at -= ahead;
    record.renew_at -= ahead;
  }
  if (record.displaced_at) record.displaced_at = std::min(*record.displaced_at, now);
  if (record.alive_at) record.alive_at = std::min(*record.alive_at, now);
  if (record.failure && record.failure->at > now) {
    record.failure->next_attempt_at -= record.failure->at - now;
    record.failure->at = now;
  }
  Budget& budget = record.budget;
  budget.report_counted_at = std::min(budget.report_counted_at, now);
  if (budget.forced_at) budget.forced_at = std::min(*budget.forced_at, now);
  budget.deaths_since = std::min(budget.deaths_since, now);
}

void note_early_death(Budget& budget, WallTime now) noexcept {
  if (early_deaths(budget, now) == 0) {
    budget.deaths = 0;
    budget.deaths_since = now;
  }
  ++budget.deaths;
}

int early_deaths(const Budget& budget, WallTime now) noexcept {
  return now - budget.deaths_since < hours(24) ? budget.deaths : 0;
}

}  // namespace hufu::keeper
