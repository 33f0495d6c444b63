#include "keeper/in_doubt.hpp"

#include <algorithm>
#include <utility>

namespace hufu::keeper {
namespace {

using Shape = RenewalRule::Shape;
using State = InDoubtCall::State;

/// From when on a probe tells whether the call was carried out: it is over by then, and what
/// it did at its very end has had its effect.
WallTime judged_from(const InDoubtCall& call, const Terms& terms) {
  if (is_known_dead(call)) return call.called_at;
  WallTime effect = call.called_at + (call.state == State::pending ? terms.lease : Milliseconds(0));
  if (terms.rule.shape == Shape::rotating) effect += terms.rule.overlap;
  return std::max(effect, call.may_die_at);
}

}  // namespace

InDoubtCall in_doubt_call_for(const Record& record, const Terms& terms, bool made_it, bool force,
                              WallTime now) {
  InDoubtCall call{now, now + terms.rule.overlap, State::pending};
  if (!record.token) return call;
  if (!made_it) {
    call.may_die_at = record.token->expires_at;
    return call;
  }
  switch (terms.rule.shape) {
    case Shape::rotating: break;
    case Shape::windowed: call.may_die_at = force ? now : record.token->expires_at; break;
    case Shape::sticky:
    case Shape::independent: call.may_die_at = record.token->expires_at; break;
  }
  return call;
}

InDoubtCall lost_call(const InDoubtCall& call, WallTime now) noexcept {
  return {now, std::max(call.may_die_at, now), State::lost, call.fence};
}

std::optional<InDoubtCall> fenced_call(WallTime obtained_at, const Terms& terms, bool force,
                                       WallTime called_at, WallTime now) {
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
  return {now, obtained_at, State::known_dead};
}

bool is_known_dead(const InDoubtCall& call) noexcept { return call.state == State::known_dead; }

bool is_dead(const Record& record) noexcept {
  return record.token &&
         std::any_of(record.in_doubt.begin(), record.in_doubt.end(), [&](const InDoubtCall& call) {
           return is_known_dead(call) && call.may_die_at == record.token->obtained_at;
         });
}

std::optional<WallTime> first_possible_death(const Record& record) noexcept {
  std::optional<WallTime> first;
  for (const InDoubtCall& call : record.in_doubt) {
    first = first ? std::min(*first, call.may_die_at) : call.may_die_at;
  }
  return first;
}

WallTime first_judgement(const Record& record, const Terms& terms) {
  WallTime first = WallTime::max();
  for (const InDoubtCall& call : record.in_doubt) first = std::min(first, judged_from(call, terms));
  return first;
}

void settle_in_doubt(Record& record, const Terms& terms, WallTime when) {
  std::erase_if(record.in_doubt,
                [&](const InDoubtCall& call) { return judged_from(call, terms) <= when; });
  record.alive_at = record.alive_at ? std::max(*record.alive_at, when) : when;
}

void merge_in_doubt(Record& record, const Terms& terms, WallTime now) {
  if (record.alive_at) settle_in_doubt(record, terms, *record.alive_at);
  bool kept_death = false;
  bool kept_one = false;
  std::erase_if(record.in_doubt, [&](const InDoubtCall& call) {
    if (is_known_dead(call)) {
      const bool own = record.token && call.may_die_at == record.token->obtained_at;
      return !own || std::exchange(kept_death, true);
    }
    if (call.state == State::pending || call.may_die_at > now) return false;
    return std::exchange(kept_one, true);
  });
}

}  // namespace hufu::keeper
