#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "hufu/issuer.hpp"
#include "hufu/store.hpp"
#include "keeper/observer.hpp"
#include "keeper/token_table.hpp"

namespace hufu::keeper {

/// Why a renewal brought no token; empty: it brought one.
using Failure = std::optional<Error>;

/// A renewal in flight and everybody who waits for it.
struct RenewalInFlight {
  Cause cause = Cause::schedule;
  std::vector<Done<Failure>> waiting;
  /// The call that it is about to make, has made, or may have made: taken into account in what
  /// readers are promised, from before the lease is asked for until its outcome is known.
  std::optional<InDoubtCall> call;
  bool changed = false;  ///< The store spoke of this row meanwhile: look when it is over.
};

/// A probe in flight and everybody who shares its answer.
struct ProbeInFlight {
  std::vector<Done<ProbeResult>> waiting;
};

/// What the latest probe of the present token said.
struct Verdict {
  ProbeResult result = ProbeResult::unknown;
  WallTime at{};  ///< When it came. Zero: there was none.
  WallTime asked_at{};
};

/// How often reports and hints have made us ask the platform about a token.
struct ProbeBudget {
  WallTime minute_began{};
  int in_minute = 0;
  WallTime next_hint{};       ///< Before then, hints are not looked into.
  Milliseconds hint_pause{};  ///< How long the next verdict of alive holds for hints.
  int unanswered = 0;         ///< Probes in a row that brought no verdict.
  bool asking_on = false;     ///< A task asks on until there is one.
};

/// Somebody who waits for another token.
struct Watcher {
  std::uint64_t id = 0;
  Done<bool> wake;
};

/// What is known of a key beyond its token: one object, and only for keys that something is the
/// matter with, so that a million quiet apps cost nothing here.
struct KeyState {
  // As the record has it:
  std::optional<FailureState> failure;
  std::vector<InDoubtCall> in_doubt;  ///< Without the call of the renewal in flight here.
  std::optional<WallTime> alive_at;
  Budget budget;

  // Of this process:
  bool known_invalid = false;    ///< A probe found this very token dead.
  bool unsaved = false;          ///< The token is served from memory until the store takes it.
  bool from_the_future = false;  ///< Written under a clock that was ahead: to be settled by a call.
  WallTime refused_here_until{};      ///< The platform refused this machine's address.
  WallTime blocked_until{};           ///< A token that it needs is not to be had before then,
  std::optional<Error> blocked_by{};  ///< for this reason.
  int blocked_count = 0;              ///< So many times in a row.
  /// `failure` is the refusal of credentials that were tried beside a token that still works. It
  /// stands in no record.
  bool credentials_refused = false;
  WallTime keep_until{};  ///< The state is not forgotten before then.
  Verdict verdict;
  ProbeBudget probes;
  std::shared_ptr<ProbeInFlight> probe;
  std::shared_ptr<RenewalInFlight> renewal;
  std::list<Watcher> watchers;

  /// Nothing is the matter (any more).
  [[nodiscard]] bool is_quiet(WallTime now) const noexcept {
    return early_deaths(budget, now) < kDeathsByOthers && !failure && in_doubt.empty() &&
           !known_invalid && !unsaved && !from_the_future && blocked_until <= now &&
           keep_until <= now && !probe && !renewal && watchers.empty();
  }
};

/// The states of all keys that have one. Not thread-safe: the keeper's own thread only.
class KeyStates {
 public:
  /// Makes it where there is none.
  KeyState& of(RowHandle row) { return states_[row]; }
  [[nodiscard]] const KeyState* find(RowHandle row) const {
    const auto found = states_.find(row);
    return found == states_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] KeyState* find(RowHandle row) {
    const auto found = states_.find(row);
    return found == states_.end() ? nullptr : &found->second;
  }
  void close_if_quiet(RowHandle row, WallTime now) {
    const auto found = states_.find(row);
    if (found != states_.end() && found->second.is_quiet(now)) states_.erase(found);
  }
  /// Takes it out: its row is gone.
  std::optional<KeyState> extract(RowHandle row) {
    auto node = states_.extract(row);
    if (node.empty()) return std::nullopt;
    return std::move(node.mapped());
  }
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& [row, state] : states_) visit(row, state);
  }
  [[nodiscard]] std::size_t size() const noexcept { return states_.size(); }

 private:
  struct Hash {
    std::size_t operator()(RowHandle row) const noexcept {
      return std::hash<std::uint64_t>()(std::uint64_t{row.generation} << 32 | row.id);
    }
  };
  std::unordered_map<RowHandle, KeyState, Hash> states_;
};

}  // namespace hufu::keeper
