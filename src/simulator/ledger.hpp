#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "hufu/clock.hpp"
#include "simulator/family.hpp"
#include "simulator/fault.hpp"

namespace hufu::simulator {

/// Why a token died or is going to die.
enum class Cause {
  expired,    ///< Its time was up.
  displaced,  ///< A newer one was made and the overlap is over.
  dropped,    ///< `force_refresh` ended it at once.
  revoked,    ///< The platform took it back.
};
std::string_view name_of(Cause cause) noexcept;

/// The whole life of one token or ticket. Moments are the platform's own.
struct TokenEntry {
  std::uint64_t serial = 0;  ///< 1, 2, 3 … in the order of making, over all apps.
  std::string app;
  Family family{};
  std::string value;
  WallTime made_at{};
  WallTime expires_at{};  ///< As it was promised when it was made.
  WallTime dies_at{};     ///< The first moment at which it is refused, as far as is known now.
  Cause cause = Cause::expired;
  std::uint64_t successor = 0;  ///< Serial of the token that took its place; 0: none yet.
  std::uint64_t served = 0;     ///< Answers that held it, whether or not they arrived.

  [[nodiscard]] bool alive(WallTime at) const noexcept { return made_at <= at && at < dies_at; }
};

/// What a call did.
enum class Deed {
  nothing,   ///< It was not carried out (yet).
  made,      ///< A new token or ticket was made and answered.
  same,      ///< The one that there was, was answered.
  accepted,  ///< The token was good, the business done.
  refused,   ///< An errcode.
};
std::string_view name_of(Deed deed) noexcept;

/// How a call ended for its client.
enum class Ending {
  in_flight,
  answered,  ///< Something was sent, be it rubbish: see `CallEntry::fault`.
  reset,     ///< The simulator broke the connection.
  given_up,  ///< The client hung up first.
};
std::string_view name_of(Ending ending) noexcept;

/// One call. Moments are the platform's own.
struct CallEntry {
  std::uint64_t id = 0;  ///< 1, 2, 3 … in the order of arrival.
  std::string endpoint;  ///< `Call::name`.
  std::string app;       ///< As named, or as the token tells; empty if neither is known.
  std::string peer;
  WallTime began_at{};
  WallTime ended_at{};  ///< Equal to `began_at` while in flight.
  bool forced = false;
  Deed deed = Deed::nothing;
  int errcode = 0;   ///< Of a refusal; the HTTP status, where the code is a word or there is none.
  std::string word;  ///< The code of a refusal, where it is a word.
  /// Serial of the token or ticket that was answered, else of the token that was judged; 0: none
  /// known.
  std::uint64_t token = 0;
  std::optional<FaultSwitch::Kind> fault;
  Ending ending = Ending::in_flight;
  /// Calls for a token of the same app that were in flight when this one, also for a token, came.
  int overlaps = 0;
};

/// Counted from the start and never forgotten.
struct Totals {
  std::uint64_t calls = 0;
  std::uint64_t token_calls = 0;
  std::uint64_t tokens_made = 0;
  std::uint64_t tickets_made = 0;
  std::uint64_t forced = 0;             ///< Tokens made because of `force_refresh`.
  std::uint64_t refused = 0;            ///< Errcodes to calls for a token.
  std::uint64_t accepted = 0;           ///< Business calls with a good token.
  std::uint64_t dead = 0;               ///< Business calls with a dead or unknown one.
  std::uint64_t overlapping_pairs = 0;  ///< Sum of `CallEntry::overlaps`: 0 proves single flight.
};

/// The memory of the simulator.
///
/// Bounded: it keeps the latest `Bounds::calls` calls, every token and ticket that is alive, and
/// about the latest `Bounds::tokens` of them over all. With the defaults that is at most some 150
/// MB. A token that was forgotten is answered like one that never was. Thread-safety: none; the
/// Model locks.
class Ledger {
 public:
  struct Bounds {
    std::size_t calls = 200'000;  ///< 0: calls are counted, but not remembered.
    std::size_t tokens = 200'000;
  };
  explicit Ledger(Bounds bounds) : bounds_(bounds) {}

  std::uint64_t open(CallEntry call);
  /// Changes a call that is remembered; does nothing for one that is not.
  template <class Change>
  void change(std::uint64_t call, Change&& change) {
    if (CallEntry* entry = find(call)) change(*entry);
  }
  [[nodiscard]] const std::deque<CallEntry>& calls() const noexcept { return calls_; }

  /// The serial that `take_in` gives next.
  [[nodiscard]] std::uint64_t next_serial() const noexcept {
    return totals.tokens_made + totals.tickets_made + 1;
  }
  /// Adopts a new token or ticket: gives it its serial, and forgets old ones that are dead at
  /// `now`.
  void take_in(const std::shared_ptr<TokenEntry>& token, WallTime now);
  [[nodiscard]] std::shared_ptr<TokenEntry> token(std::string_view value) const;
  /// In the order of making.
  [[nodiscard]] std::vector<std::shared_ptr<const TokenEntry>> tokens() const;

  Totals totals;

 private:
  CallEntry* find(std::uint64_t call);

  Bounds bounds_;
  std::deque<CallEntry> calls_;  ///< Ids without a gap.
  std::deque<std::shared_ptr<TokenEntry>> ages_;
  std::unordered_map<std::string_view, std::shared_ptr<TokenEntry>> by_value_;
};

}  // namespace hufu::simulator
