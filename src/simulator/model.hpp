#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "hufu/clock.hpp"
#include "simulator/call.hpp"
#include "simulator/fault.hpp"
#include "simulator/ledger.hpp"
#include "simulator/settings.hpp"

namespace hufu::simulator {

/// Every token begins so: it can be told from a real one, and from rubbish.
inline constexpr std::string_view kMark = "SIM_";

/// An account that the platform knows. Its secret is a plain string: none that opens anything real
/// belongs into a simulator.
struct AppSpec {
  std::string id;
  std::string secret;
  /// The corp of WeCom that it is an agent of; empty: as before, which is at first its own id.
  std::string corp{};
};

/// WeChat's own words; note that it is not "charset".
inline constexpr std::string_view kWechatType = "application/json; encoding=utf-8";

/// What the platform sends. WeChat says HTTP 200 to whatever it understands, errors included.
struct Answer {
  int status = 200;
  std::string body;
  std::string_view content_type = kWechatType;  ///< Of a literal.
};

/// A call between its arrival and the moment at which its client has an answer or is gone.
struct Visit {
  std::uint64_t id = 0;  ///< Of its CallEntry.
  Call call;
  std::optional<FaultSwitch> fault;
  std::string counted{};  ///< The app that this call, for a token, is in flight for; empty: none.
};

/// A use of one quota: how many calls in the present day, minute or month.
class Quota {
 public:
  /// Counts one more in `window`, unless `limit` (0: none) is reached.
  bool take(std::int64_t window, int limit) noexcept;
  [[nodiscard]] int used(std::int64_t window) const noexcept {
    return window == window_ ? used_ : 0;
  }
  void clear() noexcept { used_ = 0; }

 private:
  std::int64_t window_ = -1;
  int used_ = 0;
};

/// An app from outside.
struct AppView {
  std::string id;
  std::string corp;
  Settings settings;
  int token_calls_today = 0;
  int stable_calls_today = 0;
  int forced_today = 0;
  std::size_t alive = 0;  ///< Tokens of all families.
  std::size_t tickets_alive = 0;
  int in_flight = 0;  ///< Calls for a token.
};

/// The platforms as a state machine: the isolated families of tokens of an app, its tickets, the
/// order in which a request is examined, quotas, and a memory of all that happened. No sockets, and
/// no time but the clock's.
///
/// The platform has a wall clock of its own: it starts at `clock`'s wall time and then runs with
/// `clock`'s steady line, so stepping the wall clock of a test never changes when a token dies.
///
/// Sources: docs/simulator.md, "What is simulated". Thread-safety: all members may be called from
/// any thread; each is one step. The members that decide as WeChat does are in wechat_rules.cpp,
/// those for the pages of other platforms in page_rules.cpp.
class Model {
 public:
  struct Options {
    Settings settings;     ///< Of every app that has none of its own.
    bool any_app = false;  ///< Knows every appid, and takes any secret for it.
    std::size_t most_apps = 1'000'000;
    Ledger::Bounds memory;
  };

  /// `clock` and `random` outlive the model; `random` is used under its lock only.
  Model(const Clock& clock, Random& random, Options options);

  // What happens on the wire: `arrive`, then `carry_out` (unless a fault forbids it), then `leave`,
  // before the client can know its answer; so two calls that overlap in here overlapped there.

  /// Notes the call and finds the fault that befalls it.
  Visit arrive(Call call);
  Answer carry_out(const Visit& visit);
  void leave(const Visit& visit, Ending ending);
  /// All three, for a call that no fault befalls.
  Answer answer(Call call);

  /// Instead of `carry_out`: answers `code` as the platform would, whatever was asked.
  Answer refuse(const Visit& visit, Code code);

  // The people who run the platform.

  /// Makes an app, or gives it another secret; its tokens stay.
  void put_app(AppSpec spec);
  bool remove_app(std::string_view id);  ///< Its tokens go on until they die.
  /// Changes the settings of one app, or of all and of those to come (empty `app`).
  Result<void> change_settings(std::string_view app, const boost::json::object& patch);
  void add_fault(FaultSwitch fault);
  void clear_faults();
  /// Takes back one token or ticket, or all of an app's: how many were alive.
  std::size_t revoke_token(std::string_view value);
  std::size_t revoke_app(std::string_view id);

  // The witnesses.

  /// The platform's wall clock.
  [[nodiscard]] WallTime now() const;
  /// The life of a token or ticket; nothing if it was never made, or is forgotten.
  [[nodiscard]] std::optional<TokenEntry> token(std::string_view value) const;
  /// Whether `value` was good at every moment from `from` up to, but not at, `until`. Ask when
  /// `until` is past: before that, a later call may still end it.
  [[nodiscard]] bool was_alive(std::string_view value, WallTime from, WallTime until) const;
  /// What matches, in the order of arrival and making. `app`, `endpoint`: empty for all; `after`:
  /// an id or serial to begin behind.
  [[nodiscard]] std::vector<CallEntry> calls(std::string_view app = {},
                                             std::string_view endpoint = {},
                                             std::uint64_t after = 0,
                                             std::size_t limit = SIZE_MAX) const;
  [[nodiscard]] std::vector<TokenEntry> tokens(std::string_view app = {}, std::uint64_t after = 0,
                                               std::size_t limit = SIZE_MAX) const;
  [[nodiscard]] Totals totals() const;
  [[nodiscard]] std::vector<FaultSwitch> faults() const;
  [[nodiscard]] Settings settings() const;
  [[nodiscard]] std::size_t app_count() const;
  [[nodiscard]] std::vector<AppView> apps(std::string_view only, std::size_t limit) const;

 private:
  using TokenRef = std::shared_ptr<TokenEntry>;

  struct Line {
    /// The newest last. The dead ones leave when the next one is made.
    std::vector<TokenRef> latest;
  };
  struct App {
    std::string secret;
    std::string corp;               ///< Empty: its own id.
    std::unique_ptr<Settings> own;  ///< Null: the common ones.
    std::map<Family, Line> lines;
    Quota token_day;
    Quota stable_day;
    Quota stable_minute;
    Quota forced_day;
    Quota clear_month;
    std::optional<WallTime> forced_at;
    int in_flight = 0;
  };
  /// What was decided on a call.
  struct Verdict {
    Deed deed = Deed::refused;
    int errcode = 0;
    TokenRef token;
    std::string app;
    std::string body;  ///< Of WeChat, of anything but a refusal.
    int status = 200;
    std::string_view content_type = kWechatType;
    std::string word{};  ///< Of a refusal, as in CallEntry.
  };
  /// An app and its id; without an app the id as it was given.
  struct Named {
    std::string id;
    App* app = nullptr;
  };
  /// What is known of whoever calls a page of another platform.
  struct Caller {
    Named named;
    bool known = false;  ///< The id is an app's, or a corp's.
    bool right_secret = false;
    TokenRef token;  ///< If it is one that the page accepts.
  };
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept {
      return std::hash<std::string_view>{}(name);
    }
  };

  [[nodiscard]] App* find(std::string_view id);
  [[nodiscard]] const Settings& settings_of(const App& app) const;
  Named named(const Call& call);
  Named agent(const std::string& corp, const std::string& secret);
  void forget_agent(const std::string& id, const App& app);
  static const std::string& corp_of(const std::string& id, const App& app);

  Verdict decide(const Call& call);
  Verdict issue(const Call& call);
  Verdict issue_normal(const std::string& id, App& app);
  Verdict issue_stable(const std::string& id, App& app, bool force);
  Verdict issue_ticket(const Call& call);
  Verdict judge(const Call& call);
  Verdict clear_quota(const Call& call);
  Verdict clear_quota_with_secret(const Call& call);
  Verdict clear_all(App& app);
  Verdict show_quota(const Call& call);
  Verdict clear_one(const Call& call);

  Verdict serve(const Call& call, const Page& page);
  Verdict issue(const Call& call, const Page& page, const Caller& caller);
  TokenRef current(App& app, const Page& page);
  Caller caller_of(const Call& call, const Page& page);
  bool applies(Trouble trouble, const Call& call, const Page& page, const Caller& caller);
  Verdict refuse_at(const Call& call, const Page& page, Code code);
  Verdict refuse_with(const Call& call, const Page& page, const Refusal& refusal);
  std::string request_id();

  TokenRef make(const std::string& id, App& app, Family family, Milliseconds lifetime);
  /// Lets all but the newest of `line` die, now or when the overlap is over.
  void displace(Line& line, const Settings& settings, Milliseconds overlap);
  /// Lets `token` die at `end`, unless it dies sooner anyway.
  static void shorten(TokenEntry& token, WallTime end, Cause cause);
  std::size_t revoke(Line& line);
  std::string error_body(Code code, std::string_view peer);
  std::uint32_t jitter();
  /// Writes the verdict into the ledger, and the answer.
  Answer noted(const Visit& visit, Verdict verdict);

  const Clock& clock_;
  Random& random_;
  const Options options_;
  const WallTime wall_origin_;
  const SteadyTime steady_origin_;

  mutable std::mutex mutex_;  ///< Guards everything below.
  Settings common_;
  std::unordered_map<std::string, App, NameHash, std::equal_to<>> apps_;
  /// The ids of the agents of each corp, by their secrets.
  std::unordered_map<std::string, std::map<std::string, std::string>> corps_;
  Switchboard faults_;
  Ledger ledger_;
};

}  // namespace hufu::simulator
