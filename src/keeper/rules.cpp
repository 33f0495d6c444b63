#include "keeper/rules.hpp"

#include <algorithm>
#include <utility>

namespace hufu::keeper {
namespace {

using Shape = RenewalRule::Shape;
using std::chrono::seconds;

constexpr std::size_t kRememberedPredecessors = 8;
constexpr Milliseconds kLongestPause = seconds(1);

Milliseconds part(Milliseconds span, double share) {
  return Milliseconds(static_cast<Milliseconds::rep>(static_cast<double>(span.count()) * share));
}

/// From when on a probe tells whether the marked call was carried out: it is over by then, and what
/// it did at its very end has had its effect.
WallTime judged_from(const InDoubtCall& in_doubt_call, const Terms& terms) {
  if (is_known_dead(in_doubt_call)) return in_doubt_call.called_at;
  WallTime effect =
      in_doubt_call.called_at +
      (in_doubt_call.state == InDoubtCall::State::pending ? terms.lease : Milliseconds(0));
  if (terms.rule.shape == Shape::rotating) effect += terms.rule.overlap;
  return std::max(effect, in_doubt_call.may_die_at);
}

}  // namespace

WallTime plan_renewal(WallTime obtained_at, WallTime expires_at, const Terms& terms,
                      double jitter) {
  const Milliseconds life = expires_at - obtained_at;
  const Milliseconds overlap = terms.rule.overlap;
  if (terms.rule.shape == Shape::sticky) return expires_at;

  WallTime planned;
  WallTime earliest = obtained_at + life / 2;
  if (terms.rule.shape == Shape::rotating) {
    planned = expires_at - part(terms.refresh_ahead, 1.0 - 0.1 * jitter);
    earliest = std::max(earliest, obtained_at + overlap);
  } else {
    planned = expires_at - part(overlap, 0.9 - 0.2 * jitter);
  }
  // A second before it becomes unusable, so that no caller waits for the renewal.
  const WallTime latest = expires_at - terms.slack() - seconds(1);
  return std::max(obtained_at, std::min(std::max(planned, earliest), latest));
}

WallTime Bounds::promised_end(WallTime now) const noexcept {
  if (!after_renewal) return last_end;
  return std::min(last_end, std::max(renew_at, now) + *after_renewal);
}

std::int64_t Bounds::promise(WallTime now) const noexcept {
  return std::chrono::floor<seconds>(promised_end(now) - now).count();
}

Bounds bounds_of(const Record& record, const Terms& terms, bool issued_by_other) {
  Bounds bounds;
  bounds.renew_at = record.renew_at;
  bounds.last_end = record.token->expires_at - terms.slack();
  if (auto danger = first_possible_death(record)) {
    bounds.last_end = std::min(bounds.last_end, *danger - terms.slack());
  }
  if (terms.rule.shape == Shape::rotating && !issued_by_other) {
    bounds.after_renewal = terms.rule.overlap - terms.slack();
  }
  return bounds;
}

InDoubtCall in_doubt_call_for(const Record& record, const Terms& terms, bool force, WallTime now) {
  InDoubtCall call{now, now + terms.rule.overlap, InDoubtCall::State::pending};
  if (!record.token) return call;
  switch (terms.rule.shape) {
    case Shape::rotating: break;
    case Shape::windowed: call.may_die_at = force ? now : record.token->expires_at; break;
    case Shape::sticky:
    case Shape::independent: call.may_die_at = record.token->expires_at; break;
  }
  return call;
}

InDoubtCall lost_call(const InDoubtCall& call, WallTime now) noexcept {
  return {now, std::max(call.may_die_at, now), InDoubtCall::State::lost, call.fence};
}

std::optional<InDoubtCall> fenced_call(WallTime obtained_at, const Terms& terms, bool force,
                                       WallTime called_at, WallTime now) {
  using State = InDoubtCall::State;
  switch (terms.rule.shape) {
    case Shape::rotating: {
      const WallTime dies = std::max(called_at, obtained_at) + terms.rule.overlap;
      return InDoubtCall{now, std::max(now, dies), State::lost};
    }
    case Shape::windowed:
      return force ? std::optional(InDoubtCall{now, now, State::lost}) : std::nullopt;
    case Shape::sticky:
    case Shape::independent: break;
  }
  return std::nullopt;
}

InDoubtCall known_dead_call(WallTime obtained_at, WallTime now) noexcept {
  return {now, obtained_at, InDoubtCall::State::known_dead};
}

bool is_known_dead(const InDoubtCall& call) noexcept {
  return call.state == InDoubtCall::State::known_dead;
}

bool is_dead(const Record& record) noexcept {
  return record.token &&
         std::any_of(record.in_doubt.begin(), record.in_doubt.end(), [&](const InDoubtCall& call) {
           return is_known_dead(call) && call.may_die_at == record.token->obtained_at;
         });
}

std::optional<WallTime> first_possible_death(const Record& record) noexcept {
  std::optional<WallTime> first;
  for (const InDoubtCall& in_doubt_call : record.in_doubt) {
    first = first ? std::min(*first, in_doubt_call.may_die_at) : in_doubt_call.may_die_at;
  }
  return first;
}

WallTime first_judgement(const Record& record, const Terms& terms) {
  WallTime first = WallTime::max();
  for (const InDoubtCall& in_doubt_call : record.in_doubt)
    first = std::min(first, judged_from(in_doubt_call, terms));
  return first;
}

void settle_in_doubt(Record& record, const Terms& terms, WallTime when) {
  std::erase_if(record.in_doubt, [&](const InDoubtCall& in_doubt_call) {
    return judged_from(in_doubt_call, terms) <= when;
  });
  record.alive_at = record.alive_at ? std::max(*record.alive_at, when) : when;
}

void merge_in_doubt(Record& record, const Terms& terms, WallTime now) {
  if (record.alive_at) settle_in_doubt(record, terms, *record.alive_at);
  bool kept_death = false;
  bool kept_one = false;
  std::erase_if(record.in_doubt, [&](const InDoubtCall& in_doubt_call) {
    if (is_known_dead(in_doubt_call)) {
      const bool own = record.token && in_doubt_call.may_die_at == record.token->obtained_at;
      return !own || std::exchange(kept_death, true);
    }
    if (in_doubt_call.state == InDoubtCall::State::pending || in_doubt_call.may_die_at > now)
      return false;
    return std::exchange(kept_one, true);
  });
}

Milliseconds pause_after_promise(const Terms& terms) noexcept {
  if (terms.rule.shape != Shape::rotating) return Milliseconds(0);
  return std::min(terms.slack() / 10, kLongestPause);
}

WallTime next_attempt(const Record& record, const Terms& terms, bool issued_by_other) {
  const WallTime patience = record.failure ? record.failure->next_attempt_at : WallTime{};
  if (!record.token || issued_by_other) return patience;
  WallTime due = record.renew_at;
  if (const auto danger = first_possible_death(record)) {
    const WallTime promised = std::min(*danger, record.token->expires_at) - terms.slack();
    due = terms.rule.shape == Shape::rotating ? promised + pause_after_promise(terms)
                                              : std::min(due, promised);
  }
  return std::max(due, patience);
}

WallTime too_soon_until(const Record& record, const Terms& terms) {
  WallTime until{};
  if (terms.rule.shape == Shape::sticky) return until;
  if (record.displaced_at) until = *record.displaced_at + terms.rule.overlap;
  if (terms.rule.shape == Shape::rotating) {
    for (const InDoubtCall& in_doubt_call : record.in_doubt) {
      const bool known_dead = in_doubt_call.may_die_at <= in_doubt_call.called_at;
      if (!known_dead) until = std::max(until, in_doubt_call.called_at + terms.rule.overlap);
    }
  }
  return until;
}

std::uint64_t next_revision(const Record& record) noexcept {
  const auto taken = std::count_if(record.in_doubt.begin(), record.in_doubt.end(),
                                   [](const InDoubtCall& in_doubt_call) {
                                     return in_doubt_call.state == InDoubtCall::State::pending;
                                   });
  return record.revision + 1 + static_cast<std::uint64_t>(taken);
}

Record succeed(const Record& before, Issued issued, Fingerprint fingerprint_of_old,
               std::string_view issuer, const Terms& terms, WallTime called_at, WallTime now,
               double jitter) {
  Record next;
  const bool same = before.token && before.token->value.same_as(issued.value.reveal());
  next.created_at = before.created_at;
  next.budget = before.budget;
  next.predecessors = before.predecessors;
  next.revision = same ? before.revision : next_revision(before);
  next.displaced_at = same ? before.displaced_at : std::nullopt;
  if (same) {
    // To bring a dead token once more does not revive it.
    next.in_doubt = before.in_doubt;
    std::erase_if(next.in_doubt,
                  [](const InDoubtCall& in_doubt_call) { return !is_known_dead(in_doubt_call); });
  }

  WallTime expires_at = called_at + issued.lifetime;
  if (same && terms.rule.shape == Shape::sticky) {
    // Ticket calls say 7200 however old the ticket is (facts/platforms.md 2.1): count from the
    // first sight of a value.
    expires_at = std::min(expires_at, before.token->expires_at);
  }
  if (before.token && !same) {
    next.predecessors.insert(next.predecessors.begin(), fingerprint_of_old);
    if (next.predecessors.size() > kRememberedPredecessors) {
      next.predecessors.resize(kRememberedPredecessors);
    }
    if (bounds_of(before, terms, false).promise(called_at) > 0) next.displaced_at = called_at;
  }

  next.renew_at =
      plan_renewal(same ? before.token->obtained_at : called_at, expires_at, terms, jitter);
  if (same && next.renew_at <= now) {
    // The platform's window has not opened yet, or its clock is behind: ask again, ever sooner as
    // the end comes near, but never in a loop.
    next.renew_at = now + std::clamp<Milliseconds>((expires_at - now) / 8, seconds(1), seconds(15));
  }
  next.token = Token{std::move(issued.value), same ? before.token->obtained_at : called_at,
                     expires_at, std::string(issuer)};
  return next;
}

std::optional<Record> taken_over(const Record& before, std::string_view issuer, const Terms& terms,
                                 WallTime now, double jitter) {
  constexpr seconds kBuffer{20};
  const PlainCopy& copy = *before.copy;
  if (copy.promised_until <= now || before.revision != 0) return std::nullopt;
  // Compared before anything is added: nobody knows what stands there.
  const Milliseconds longest = terms.rule.longest_life;
  const WallTime expires_at = std::min(copy.promised_until, now + longest - kBuffer) + kBuffer;
  if (expires_at - terms.slack() <= now) return std::nullopt;
  Record next;
  next.created_at = before.created_at;
  next.budget = before.budget;
  next.revision = 1;
  const WallTime obtained_at = std::clamp(copy.written_at.value_or(now), expires_at - longest, now);
  next.renew_at = plan_renewal(obtained_at, expires_at, terms, jitter);
  next.token = Token{copy.token.clone(), obtained_at, expires_at, std::string(issuer)};
  return next;
}

}  // namespace hufu::keeper
