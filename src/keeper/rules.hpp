#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "hufu/config.hpp"
#include "hufu/issuer.hpp"
#include "hufu/token.hpp"
#include "keeper/imported_token.hpp"

/// Every rule of timing, as plain functions of (record, now). No clocks, no I/O, no state: what a
/// rule says can be read off a table of cases (rules_test.cpp). All times are on one line, the
/// keeper's. What concerns calls of unknown outcome stands in in_doubt.hpp.
namespace hufu::keeper {

/// What the rules need to know besides a record: how the platform renews, and the operator's
/// choice.
struct Terms {
  RenewalRule rule;
  Milliseconds use_slack{};
  Milliseconds refresh_ahead{};
  /// Taken to be the same on every node: this long after an in-doubt call was made, it is over.
  Milliseconds lease{};
  Milliseconds request_timeout{};

  /// How long before its end a token is no longer handed out: sticky ones are, to the last second.
  [[nodiscard]] Milliseconds slack() const noexcept {
    return rule.shape == RenewalRule::Shape::sticky ? Milliseconds(0) : use_slack;
  }
};

/// When to renew a token by choice. Rolled once: `jitter` is in [0, 1).
///
/// - rotating, independent: `refresh_ahead` before the end, up to a tenth of it later; never in the
///   first half of the token's life, for a rotating one never within `overlap` of the last renewal;
/// - windowed: when the platform's window has opened, `overlap` before the end: within 10 s or a
///   tenth of the window, whichever is less, but not in the first half of that time. A call that
///   comes too early brings the same token back;
/// - sticky: right at the end.
/// Always before the token becomes unusable.
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

// Here, because every read of a token asks for it.

inline WallTime Bounds::promised_end(WallTime now) const noexcept {
  if (!after_renewal) return last_end;
  return std::min(last_end, std::max(renew_at, now) + *after_renewal);
}

inline std::int64_t Bounds::promise(WallTime now) const noexcept {
  return std::chrono::floor<std::chrono::seconds>(promised_end(now) - now).count();
}

/// The bounds of the record's token, which the record must hold. `terms` are those of the issuer
/// that made it, not of the one that the app has now: the promise follows the record.
Bounds bounds_of(const Record& record, const Terms& terms);

/// How long a token whose issuer is in doubt is left alone when the promise on it has ended. Its
/// renewal may end it at once, and the node that renews need not be the one that promised: their
/// clocks differ by a round trip or two to the database
/// (docs/decisions/2026-11-27-database-time.md), a client counts its seconds by a clock of its own,
/// and the call that somebody made at the last moment is on its way. A tenth of the use slack, at
/// most a second; nothing where a renewal ends no token.
Milliseconds pause_after_promise(const Terms& terms) noexcept;

/// When the next attempt to renew by choice is due: at the plan, and not before the backoff is
/// over. `terms` are those of the issuer that made the token.
///
/// A call of unknown outcome changes the plan. Rotating: late in its overlap, or when the token
/// ends by itself: `pause_after_promise` after the end of the promise on this token, because the
/// platform may keep only the newest token and the one before alive. Others: no later than the
/// moment at which the token may be dead. Without a token only the backoff counts.
WallTime next_attempt(const Record& record, const Terms& terms);

/// Until when an operator's refresh would be too soon; a moment in the past if it would not.
WallTime too_soon_until(const Record& record, const Terms& terms);

/// The revision of the token that comes after `record` (without the call that brings it). What
/// stands between is left to those who may hand out a token that they could not store.
std::uint64_t next_revision(const Record& record) noexcept;

/// The record that follows `before` (without this call) when the platform issued `issued` upon a
/// call made at `called_at`. A new value gets next_revision; a windowed or sticky issuer may bring
/// the same value back, which keeps its revision. `before_terms` are those of the issuer of the
/// token before, `terms` those of the issuer that was called. `jitter` is in [0, 1).
Record successor_of(const Record& before, const Terms& before_terms, Issued issued,
                    Fingerprint fingerprint_of_old, std::string_view issuer, const Terms& terms,
                    WallTime called_at, WallTime now, double jitter);

/// The first record of a token that a program before Hufu left; nothing where there has been one of
/// ours, or where it does not last beyond the slack any more. Its end is told there less a buffer
/// of 20 s; when it was issued, not always.
std::optional<Record> imported(const Record& before, const ImportedToken& token,
                               std::string_view issuer, const Terms& terms, WallTime now,
                               double jitter);

/// Whether the record was written under a clock that was ahead of this one: it was obtained, or
/// failed, later than now; or its windowed token, which the platform shows again whenever it is
/// asked, has more than a whole life left. How old its token really is, nobody knows then. `terms`
/// are those of the issuer that made the token.
bool is_from_the_future(const Record& record, const Terms& terms, WallTime now) noexcept;

/// Brings a record from the future to this time line: its token is taken to have been obtained now,
/// and all its moments keep their distance from that one. What failed or was counted in the future
/// counts as of now.
void move_to_present(Record& record, WallTime now) noexcept;

/// Notes that the record's token was found dead before its end, though nobody here ended it.
void note_early_death(Budget& budget, WallTime now) noexcept;
/// So many deaths within a day, or more, mean that another program fetches tokens for the app.
inline constexpr int kDeathsByOthers = 3;
/// The deaths of the last day that `note_early_death` has counted.
int early_deaths(const Budget& budget, WallTime now) noexcept;

}  // namespace hufu::keeper
