#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"
#include "hufu/secret.hpp"

namespace hufu {

/// The kind that every app has.
inline constexpr std::string_view kAccessToken = "access_token";

/// Which token: one app, one kind. Both are plain ASCII of 1 to 128 characters.
struct Key {
  std::string app;
  std::string kind{kAccessToken};
  auto operator<=>(const Key&) const = default;
};

/// 32 bits of an HMAC of a token under a local key. Shown as 8 hex characters, in the place where a
/// careless program would show the token.
struct Fingerprint {
  std::uint32_t bits = 0;
  auto operator<=>(const Fingerprint&) const = default;
  [[nodiscard]] std::string hex() const;
  /// Reads what `hex` writes (either case); nothing else.
  static std::optional<Fingerprint> parse(std::string_view hex) noexcept;
};

/// One token as the platform issued it.
struct Token {
  Secret value;
  WallTime obtained_at{};  ///< Taken before the request left, so that it is never too late.
  WallTime expires_at{};   ///< `obtained_at` plus the lifetime the platform named.
  std::string issuer;      ///< Name of the issuer it came from, "wechat/stable/access_token".
  /// How long it outlives the issue of its successor, as far as that ends it: whoever reads the
  /// record promises no more than that, whatever they are set to. Empty: as its issuer says.
  std::optional<Milliseconds> overlap{};

  [[nodiscard]] Token clone() const;
};

/// A call to the platform whose outcome is not known (yet): it may have displaced the token that is
/// stored beside it. Written before the call leaves; removed when the call turns out not to have
/// been carried out, or with the token, once there is a newer one.
struct InDoubtCall {
  enum class State {
    /// Whoever made the call has not said what came of it. They may hand out its token from memory,
    /// as the revision that would have come next: so that number is theirs.
    pending,
    lost,        ///< Its answer was lost, or came after the lease.
    known_dead,  ///< Not a call but what a probe found: the token of `may_die_at` is dead.
  };
  WallTime called_at{};  ///< Of one whose answer was lost, when that was known.
  /// When the stored token dies, if the call was carried out. Of `known_dead`, the moment at which
  /// the dead token was obtained, which names it: the verdict may be stored beside a newer one.
  WallTime may_die_at{};
  State state = State::lost;
  std::uint64_t fence = 0;  ///< Of the lease under which the call was made; 0: of none.
  auto operator<=>(const InDoubtCall&) const = default;
};

/// How the last attempts to renew failed, kept beside the token that still works so that every
/// process and node shares one backoff.
struct FailureState {
  Error error;
  WallTime at{};               ///< The latest failure.
  WallTime next_attempt_at{};  ///< Nobody calls the platform for this token before then.
  int failures = 0;            ///< In a row.
  /// Tag of the credentials that were refused; with others, the next attempt need not wait.
  std::string credentials;
  /// The host whose address was refused: others need not wait. Empty: it concerns all.
  std::string host{};
};

/// What keeps renewals that were caused by reports, or forced on the platform, within bounds.
struct Budget {
  int report_count = 0;               ///< Renewals caused by reports, in a row.
  WallTime report_counted_at{};       ///< The latest of them.
  int forced = 0;                     ///< Forced calls on the day of `forced_at`.
  std::optional<WallTime> forced_at;  ///< The latest forced call.
  int deaths = 0;  ///< Tokens found dead before their end, in the day from `deaths_since`.
  WallTime deaths_since{};
};

/// Everything a store keeps for one Key.
///
/// `revision` counts the tokens of this key: 0 before the first one, then 1, 2, 3 … One is left out
/// for each InDoubtCall that is pending when the next token comes.
struct Record {
  std::optional<Token> token;
  std::uint64_t revision = 0;
  WallTime renew_at{};  ///< The planned renewal: rolled once with the token and kept.
  /// When this token displaced one that was still promised to somebody; empty if it did not.
  std::optional<WallTime> displaced_at;
  std::vector<Fingerprint> predecessors;  ///< Of displaced tokens, the latest first; at most 8.
  std::vector<InDoubtCall> in_doubt;      ///< Oldest first.
  /// The latest moment at which a probe found this token alive.
  std::optional<WallTime> alive_at;
  std::optional<FailureState> failure;
  Budget budget;
  /// With which the next token is asked for, where the platform's answers renew the permission
  /// itself; empty: it goes by the app's credentials.
  Secret refresh_token;
  std::optional<WallTime> refresh_token_expires_at;  ///< Where it has an end of its own.
  WallTime created_at{};                             ///< Set by the store on the first write.
  WallTime updated_at{};                             ///< Set by the store on every write.

  [[nodiscard]] Record clone() const;
};

/// What is handed to a caller.
struct Grant {
  Key key;
  Secret token;
  std::chrono::seconds expires_in{};  ///< The promise: the token works this long from now on.
  WallTime expires_at{};              ///< The platform's own end; it does not move.
  std::uint64_t revision = 0;
  Fingerprint fingerprint;
  /// It most likely works, but a call of unknown outcome may have ended it, and asking the platform
  /// did not settle that.
  bool suspect = false;
};

}  // namespace hufu
