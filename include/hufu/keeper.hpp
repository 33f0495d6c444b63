#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "hufu/token.hpp"

namespace hufu {

/// How good a token is at a moment.
enum class TokenState {
  missing,   ///< Never fetched.
  fresh,     ///< Handed out.
  stale,     ///< Handed out, and due for renewal.
  unusable,  ///< Not handed out: it must be renewed first.
};
std::string_view name_of(TokenState state) noexcept;

/// What became of a report that a token was refused.
enum class ReportOutcome {
  renewed,        ///< It was dead; here is a new one.
  already_newer,  ///< It was an older one; here is the current one.
  unknown,        ///< It never was one of this app's; here is the current one.
  alive,          ///< It is the current one and the platform says it works.
  unverified,     ///< It is the current one, and the platform could not be asked about it.
  throttled,      ///< It is the current one and dead, but the budget of renewals is used up.
};
std::string_view name_of(ReportOutcome outcome) noexcept;

/// A report's outcome with the token to use from now on.
struct Report {
  ReportOutcome outcome{};
  Grant grant;
};

/// One line of `hufu status`.
struct TokenStatus {
  Key key;
  std::string issuer;
  TokenState state{};
  std::uint64_t revision = 0;
  std::optional<Fingerprint> fingerprint;
  std::chrono::seconds expires_in{};  ///< As promised now; 0 when not handed out.
  WallTime obtained_at{};
  WallTime expires_at{};
  WallTime renew_at{};  ///< Planned renewal or, after a failure, the next attempt.
  bool suspect = false;
  bool renewing = false;
  std::optional<FailureState> failure;
  /// A sentence for people about what is wrong from outside, such as another program that fetches
  /// tokens for this app; empty where nothing is.
  std::string notice;
};

struct GetOptions {
  std::string kind{kAccessToken};
  /// A wish: a stale token that lasts less than this is renewed before the answer, not after it.
  std::chrono::seconds min_ttl{0};
};

/// Hands out tokens, decides when each is fresh, stale or unusable, and renews
/// it with one call in flight at a time.
///
/// Thread-safety: all members may be called from any thread. The blocking ones must not be called
/// from inside a callback. A token that was handed out stays true to its promise when the keeper is
/// gone: nothing is displaced by closing.
class Keeper {
 public:
  /// Binds store, platforms, sealing and clocks as `config` says, and starts renewing in the
  /// background. Fault::config if the timing cannot keep the promise, Fault::store if the database
  /// or its key file cannot be used.
  static Result<std::unique_ptr<Keeper>> open(Config config);

  virtual ~Keeper() = default;

  /// A usable token. Fresh or stale: at once, from memory. Otherwise waits for the one renewal in
  /// flight; after a failure, or while backing off, fails with what the platform said last.
  /// `app` may be empty when there is exactly one.
  virtual Result<Grant> get(std::string_view app = {}, const GetOptions& options = {}) = 0;

  /// Tells that the platform refused `token`; it is judged by value, and the platform is asked.
  virtual Result<Report> report(std::string_view app, const Secret& token,
                                std::string_view kind = kAccessToken) = 0;

  /// Renews now: an operator's choice. Fault::too_soon (with `retry_after`) inside the overlap.
  virtual Result<Grant> refresh(std::string_view app, std::string_view kind = kAccessToken) = 0;

  /// Every token, sorted by key.
  virtual Result<std::vector<TokenStatus>> status() = 0;
};

}  // namespace hufu
