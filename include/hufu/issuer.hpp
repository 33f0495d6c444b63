#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "hufu/store.hpp"
#include "hufu/token.hpp"

namespace hufu {

/// How one platform renews one kind of token. Everything the keeper must know of a platform in
/// order to decide *when* is in here.
struct RenewalRule {
  enum class Shape {
    rotating,     ///< Each call makes a new token; the old one lives `overlap` longer.
    windowed,     ///< The same token until the last `overlap` of its life, unless forced.
    sticky,       ///< The same token until its end; no use slack.
    independent,  ///< Each call makes a new token, and none ends another.
  };
  Shape shape = Shape::rotating;
  Milliseconds overlap{};
  Milliseconds longest_life{};  ///< A longer lifetime than this is cut to it.
  int forced_a_day = 0;         ///< Windowed: how many forced calls the platform grants.
  Milliseconds forced_apart{};  ///< Windowed: and how far apart they must lie.
};

/// A token that a call needs: of the app itself, or of the app that it belongs to.
struct Need {
  enum class Of { self, parent };
  Of of = Of::self;
  std::string kind;
  bool operator==(const Need&) const = default;
};

/// What one call to the platform is made from.
struct IssueRequest {
  std::string app;
  std::string parent{};  ///< The id of the app that it belongs to; empty: none.
  Settings settings;
  Credentials credentials;
  bool force = false;          ///< Windowed: drop the present token at once.
  std::vector<Secret> needed;  ///< The tokens that `Issuer::needs` names, in that order.
  Secret refresh_token;        ///< Of a kind whose answer renews its own permission.
  Milliseconds timeout{};
};

/// What the platform gave. Validated: the token is 1 to 4096 printable ASCII characters without
/// blanks, the lifetime is positive and at most `RenewalRule::longest_life`.
struct Issued {
  Secret value;
  Milliseconds lifetime{};
  Secret refresh_token{};  ///< Replaces the one that was used; empty: that one stays.
};

/// What kind of patience helps after a failure.
enum class RetryClass {
  backoff,       ///< 1 s, 2 s, 4 s …
  next_minute,   ///< A quota by the minute: not before a minute has passed.
  slow,          ///< Cannot heal by itself: once in five minutes, and tell a person.
  needed_token,  ///< A token that the call needs is dead: renew that one first.
};

/// A call that brought no token.
struct IssueFailure {
  /// How far the request got: what decides whether an in-doubt call stays.
  enum class Delivery {
    not_sent,  ///< It never left: no connection.
    answered,  ///< The platform answered with an errcode: nothing was displaced.
    lost,      ///< It may have been carried out: time-out after sending, reset, 5xx, unreadable.
  };
  Error error;
  Delivery delivery = Delivery::not_sent;
  RetryClass retry_class = RetryClass::backoff;
  /// The refusal is about this machine (its address, which the message names where the platform
  /// does): another node may try at once.
  bool this_node_only = false;
};

using IssueOutcome = tl::expected<Issued, IssueFailure>;

/// What a probe found out about a token.
enum class ProbeResult {
  alive,
  dead,
  unknown,  ///< The platform could not be asked, or its answer says nothing about the token.
};

/// The code that knows how one platform issues one kind of token.
///
/// Thread-safety: the constants may be read from any thread; the calls may be made from any thread,
/// return at once, try exactly once, and call `done` exactly once on any thread.
class Issuer {
 public:
  virtual ~Issuer() = default;
  /// "platform/kind" or, where a setting chooses between ways of issuing, "platform/WAY/kind"
  /// ("wechat/stable/access_token"): stored with each token.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  [[nodiscard]] virtual const RenewalRule& rule() const noexcept = 0;
  /// The tokens that the request carries; most kinds need none.
  [[nodiscard]] virtual const std::vector<Need>& needs() const noexcept = 0;

  virtual void issue(IssueRequest request, Done<IssueOutcome> done) = 0;
  /// Whether `probe` can tell anything; where it cannot, a report of the current token is believed.
  [[nodiscard]] virtual bool can_probe() const noexcept { return true; }
  /// Whether `try_credentials` can be used.
  [[nodiscard]] virtual bool can_try_credentials() const noexcept { return false; }
  /// Lets the platform judge the credentials by a call that displaces no token; what it may bring
  /// is thrown away. `request.force` is not looked at.
  virtual void try_credentials(IssueRequest /*request*/, Done<Result<void>> done) {
    done(fail(Fault::usage, "this platform has no call that only tries credentials"));
  }
  /// Whether `probe` must be given the app's credentials. Where it need not, `app` and `timeout` of
  /// the request are enough, and a probe waits for no database.
  [[nodiscard]] virtual bool probe_needs_credentials() const noexcept { return false; }
  /// One cheap call that judges `token`. `request.force` and the tokens in it are not looked at.
  virtual void probe(IssueRequest request, const Secret& token, Done<ProbeResult> done) = 0;
};

}  // namespace hufu
