#pragma once

#include <optional>

#include "hufu/token.hpp"
#include "keeper/rules.hpp"

/// Calls of unknown outcome, as plain functions: what a call may do to the stored token, what is
/// left behind when nobody heard of its end, and what a probe settles.
namespace hufu::keeper {

/// The call that is about to be made: when it may kill the record's token. `terms` are those of the
/// issuer that is called; `made_it`: it is the one that made that token. Another one ends it not.
InDoubtCall in_doubt_call_for(const Record& record, const Terms& terms, bool made_it, bool force,
                              WallTime now);

/// What becomes of a call when its answer is lost, or given up, at `now`: until then it was under
/// way, so a probe from before then says nothing about it.
InDoubtCall lost_call(const InDoubtCall& call, WallTime now) noexcept;

/// What a call that was made at `called_at` may do to a token that was obtained at `obtained_at`,
/// when it comes back and its lease was lost to whoever stored that token: at the platform it may
/// have come after theirs. Nothing where it harms no token.
std::optional<InDoubtCall> fenced_call(WallTime obtained_at, const Terms& terms, bool force,
                                       WallTime called_at, WallTime now);

/// What a probe found at `now`: the token that was obtained at `obtained_at` is dead.
InDoubtCall known_dead_call(WallTime obtained_at, WallTime now) noexcept;
bool is_known_dead(const InDoubtCall& call) noexcept;
/// Whether some probe found the record's own token dead, and no later one found it alive.
bool is_dead(const Record& record) noexcept;

/// The first moment at which some call of unknown outcome may have killed the token.
std::optional<WallTime> first_possible_death(const Record& record) noexcept;

/// The first moment from which a probe can tell whether some call of unknown outcome was carried
/// out: it is no longer under way, and what it did at its very end has had its effect (for a
/// rotating token, an overlap later). The record must hold such a call.
WallTime first_judgement(const Record& record, const Terms& terms);

/// A probe found the token alive at `when`: calls that would have killed it before then were not
/// carried out, and go. One that may still be under way, on whatever node, stays: it may kill the
/// token after the probe.
void settle_in_doubt(Record& record, const Terms& terms, WallTime when);

/// Verdicts on other tokens go. Calls that are over and whose effect has begun are settled together
/// by the next probe, so one stands for all: keeps the list as short as one overlap is long. Those
/// that are pending stay as many as they are: next_revision counts them.
void merge_in_doubt(Record& record, const Terms& terms, WallTime now);

}  // namespace hufu::keeper
