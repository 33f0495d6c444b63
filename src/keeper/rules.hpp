#pragma once

#include <cstdint>
#include <optional>

#include "hufu/config.hpp"
#include "hufu/issuer.hpp"
#include "hufu/token.hpp"

/// Every rule of timing, as plain functions of (record, now). No clocks, no I/O, no state: what a
/// rule says can be read off a table of cases (rules_test.cpp).
///
/// All times are on one line, the keeper's; SPEC.md's "The promise" is the source of each rule.
namespace hufu::keeper {

/// What the rules need to know besides a record: how the platform renews, and the operator's
/// choice.
struct Terms {
  RenewalRule rule;
  Milliseconds use_slack{};
  Milliseconds refresh_ahead{};
  /// Taken to be the same on every node: this long after an in-doubt call's `called_at`, its call
  /// is over.
  Milliseconds lease{};

  /// How long before its end a token is no longer handed out: sticky ones are, to the last second.
  [[nodiscard]] Milliseconds slack() const noexcept {
    return rule.shape == RenewalRule::Shape::sticky ? Milliseconds(0) : use_slack;
  }
};

/// When to renew a token by choice. Rolled once: `jitter` is in [0, 1).
///
/// - rotating: `refresh_ahead` before the end, up to a tenth of it later;
/// - windowed: inside the platform's window, 70 to 90 % of `overlap` before the end, because an
///   earlier call brings the same token back;
/// - sticky: right at the end.
/// Never in the first half of the token's life, for a rotating one never within `overlap` of the
/// last renewal, and always before the token becomes unusable.
WallTime plan_renewal(WallTime obtained_at, WallTime expires_at, const Terms& terms, double jitter);

/// The two numbers that a reader checks, and from which every `expires_in` is computed.
struct Bounds {
  WallTime renew_at{};
  /// No promise goes beyond this, whatever happens.
  WallTime last_end{};
  /// Rotating: a promise made at `t` ends at most this long after the later of `t` and `renew_at`,
  /// because a renewal may displace the token then. Empty where a renewal displaces nothing.
  std::optional<Milliseconds> after_renewal;

  /// Until when a token handed out at `now` is promised to work.
  [[nodiscard]] WallTime promised_end(WallTime now) const noexcept;
  /// The same in whole seconds from `now`; 0 or less means: not to be handed out.
  [[nodiscard]] std::int64_t promise(WallTime now) const noexcept;
};

/// The bounds of the record's token. The record must hold one. `issued_by_other`: the token comes
/// from another issuer than the app has now (its endpoint was changed): no renewal displaces it.
Bounds bounds_of(const Record& record, const Terms& terms, bool issued_by_other);

/// The in-doubt call of a call that is about to be made: when it may kill the stored token.
InDoubtCall in_doubt_call_for(const Record& record, const Terms& terms, bool force, WallTime now);

/// What becomes of a call's in-doubt call when its answer is lost, or given up, at `now`: until
/// then it was under way, so a probe from before then says nothing about it.
InDoubtCall lost_call(const InDoubtCall& in_doubt_call, WallTime now) noexcept;
/// The in-doubt call on a token that was obtained at `obtained_at`, when a call that was made at
/// `called_at` comes back and its lease was lost to whoever stored that token: at the platform it
/// may have come after theirs. Nothing where it harms no token.
std::optional<InDoubtCall> fenced_call(WallTime obtained_at, const Terms& terms, bool force,
                                       WallTime called_at, WallTime now);

/// The in-doubt call that says: a probe at `now` found the token dead that was obtained at
/// `obtained_at`. It names the token by that moment, because it may reach the store when there is
/// already another.
InDoubtCall known_dead_call(WallTime obtained_at, WallTime now) noexcept;
/// Whether `in_doubt_call` is such a verdict, on whatever token.
bool is_known_dead(const InDoubtCall& in_doubt_call) noexcept;
/// Whether some probe found the record's own token dead, and no later one found it alive.
bool is_dead(const Record& record) noexcept;

/// The first moment at which some call of unknown outcome may have killed the token.
std::optional<WallTime> first_possible_death(const Record& record) noexcept;

/// The first moment from which a probe can tell whether some call of unknown outcome was carried
/// out: it is no longer under way, and what it did at its very end has had its effect (for a
/// rotating token, an overlap later). The record must hold an in-doubt call.
WallTime first_judgement(const Record& record, const Terms& terms);

/// A probe found the token alive at `when`: calls that would have killed it before then were not
/// carried out, and their in-doubt calls go. The in-doubt call of a call that may still be under
/// way, on whatever node, stays: it may kill the token after the probe.
void settle_in_doubt(Record& record, const Terms& terms, WallTime when);

/// Verdicts on other tokens go. In-doubt calls of calls that are over and whose danger has begun
/// are judged together by the next probe, so one stands for all: keeps the list as short as one
/// overlap is long. Those that are pending stay as many as they are: next_revision counts them.
void merge_in_doubt(Record& record, const Terms& terms, WallTime now);

/// How long a marked token is left alone when the promise on it has ended. Its renewal may end it
/// at once, and the node that renews need not be the one that promised: their clocks differ by a
/// round trip or two to the database (docs/decisions/2026-11-27-database-time.md), a client counts
/// its seconds by a clock of its own, and the call that somebody made at the last moment is on its
/// way. A tenth of the use slack, at most a second; nothing where a renewal ends no token.
Milliseconds pause_after_promise(const Terms& terms) noexcept;

/// When the next attempt to renew by choice is due: at the plan, and not before the backoff is
/// over.
///
/// A call of unknown outcome changes the plan. Rotating: late in its overlap, or when the token
/// ends by itself: `pause_after_promise` after the end of the promise on this token, because the
/// platform may keep only the newest token and the one before alive. Others: no later than the
/// moment at which the token may be dead. Without a token, or with one that another issuer's
/// renewal does not displace, only the backoff counts.
WallTime next_attempt(const Record& record, const Terms& terms, bool issued_by_other);

/// Until when an operator's refresh would be too soon; a moment in the past if it would not.
WallTime too_soon_until(const Record& record, const Terms& terms);

/// The revision of the token that comes after `record` (without the in-doubt call of the call that
/// brings it). What stands between is left to those who may hand out a token that they could not
/// store.
std::uint64_t next_revision(const Record& record) noexcept;

/// The record that follows `before` (without the in-doubt call of this call) when the platform
/// issued `issued` upon a call made at `called_at`. A new value gets next_revision; a windowed or
/// sticky issuer may bring the same value back, which keeps its revision. `jitter` is in [0, 1).
Record succeed(const Record& before, Issued issued, Fingerprint fingerprint_of_old,
               std::string_view issuer, const Terms& terms, WallTime called_at, WallTime now,
               double jitter);

/// The first record of a token that programs before Hufu left where they look for it
/// (`before.copy`); nothing where it does not last beyond the slack any more. Its end is told there
/// less a buffer of 20 s; when it was issued, not always.
std::optional<Record> taken_over(const Record& before, std::string_view issuer, const Terms& terms,
                                 WallTime now, double jitter);

}  // namespace hufu::keeper
