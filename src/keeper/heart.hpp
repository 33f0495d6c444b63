#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "keeper/async_keeper.hpp"
#include "keeper/observer.hpp"
#include "keeper/rules.hpp"
#include "keeper/schedule.hpp"
#include "keeper/token_listener.hpp"
#include "keeper/token_table.hpp"
#include "store/cluster.hpp"
#include "store/registry.hpp"
#include "store/sealer.hpp"

namespace hufu::keeper {

/// Makes the issuer of one (platform, endpoint, kind), or says what there is instead.
using MakeIssuer = std::function<Result<std::shared_ptr<Issuer>>(
    const std::string& platform, const std::string& endpoint, const std::string& kind)>;

/// What a Heart is made of; everything outside the rules is handed in.
struct Parts {
  const Clock* clock = nullptr;
  Random* random = nullptr;
  Observer* observer = nullptr;
  TokenListener* listener = nullptr;  ///< None: nobody else wants the tokens.
  std::shared_ptr<TokenStore> tokens;
  std::shared_ptr<store::Registry> registry;    ///< None: the apps of `apps` are all there are.
  std::shared_ptr<store::Cluster> cluster;      ///< None: nobody can be told who shares the store.
  std::shared_ptr<const store::Sealer> sealer;  ///< Fingerprints and secret tags.
  MakeIssuer make_issuer;
  Timing timing;
  std::vector<AppConfig> apps;  ///< Of the config.
  /// A server reads everything and renews by itself; a single command reads what it is asked for
  /// and renews what it touches.
  bool background = true;
  std::string version;  ///< Of this program, for the others.
};

/// The keeper: one thread on which every decision is made, in coroutines that read top to bottom.
///
///   heart.cpp   start, stop, the loop, what came from the store
///   get.cpp     handing out: fresh → answer · stale → answer · unusable → join the renewal
///   renew.cpp   the one renewal in flight: begin → issue → commit → publish
///   judge.cpp   reports, probes, an operator's refresh
///   apps.cpp    apps: of the config, and in the store
///   nodes.cpp   the others who share the store, and what time it is there
///
/// Time inside is one line: the steady clock, moved to where the database's clock stood at the
/// start (the machine's wall clock, where the database has none), and kept with that one by a
/// millisecond or two every five seconds. So all nodes of a cluster are on one line, however far
/// their own clocks are apart, and setting one of them changes nothing.
class Heart final : public AsyncKeeper {
 public:
  /// `loop` is run by the owner on one thread, and outlives the heart.
  Heart(boost::asio::io_context& loop, Parts parts);
  ~Heart() override;

  /// Where this node answers, for the others to see; before `start`. Nowhere, if it is not called.
  void set_address(std::string address) { address_ = std::move(address); }
  /// Takes in the config's apps and, in the background mode, reads the store and begins to renew.
  /// `done` comes when everything is known.
  void start(Done<Result<void>> done);
  /// Starts no more renewals, waits for those in flight (a lease never outlives them), then `done`.
  void stop(std::function<void()> done);
  /// The config was read again: apps that came, went or changed. Timing and store stay.
  void set_config_apps(std::vector<AppConfig> apps, Done<Result<void>> done);

  /// Does what is due; the owner's timer calls it, on the loop's thread. Returns the moment of the
  /// next event on the keeper's line.
  WallTime run_due();
  /// Called whenever the next event may have moved nearer.
  void on_rescheduled(std::function<void()> notify) { rescheduled_ = std::move(notify); }
  /// Now, on the keeper's line.
  [[nodiscard]] WallTime now() const noexcept {
    return WallTime(clock_.steady() - origin_.load(std::memory_order_relaxed));
  }

  using AsyncKeeper::read;
  bool read(std::string_view app, std::string_view kind, std::int64_t min_ttl,
            void (*use)(void*, const TokenView&), void* target) const override;
  void get(Key key, std::chrono::seconds min_ttl, Done<Result<Grant>> done) override;
  void report(Key key, Refused refused, Done<Result<Report>> done) override;
  void refresh(Key key, Done<Result<Grant>> done) override;
  void wait(Key key, std::uint64_t seen, Milliseconds patience,
            Done<Result<std::optional<Grant>>> done) override;
  void end_waits() override;
  [[nodiscard]] bool is_secret_of(std::string_view app, std::string_view secret) const override;
  [[nodiscard]] bool knows(std::string_view app) const override;
  [[nodiscard]] std::optional<AppInfo> app(std::string_view id) const override;
  [[nodiscard]] std::vector<AppInfo> apps(std::string_view after, std::size_t limit) const override;
  void put_app(AppConfig app, Done<Result<AppInfo>> done) override;
  void remove_app(std::string id, Done<Result<bool>> done) override;
  void status(Done<Result<std::vector<TokenStatus>>> done) override;
  void cluster(Done<Result<store::ClusterView>> done) override;
  [[nodiscard]] Health health() const override;

 private:
  template <class T>
  using Task = boost::asio::awaitable<T>;
  /// Empty: the renewal brought a token. Else why it did not.
  using Failure = std::optional<Error>;

  /// In place of an index: the token is of an issuer that no app has now.
  static constexpr std::uint16_t kUnknownIssuer = UINT16_MAX;
  struct KnownIssuer {
    std::string platform;
    std::string endpoint;
    std::shared_ptr<Issuer> issuer;
    Terms terms;
  };

  /// A renewal in flight and everybody who waits for it.
  struct Flight {
    Cause cause = Cause::schedule;
    std::vector<std::function<void(Failure)>> waiting;
    bool told = false;  ///< The store spoke of this row meanwhile: look when the flight is over.
  };

  /// A call to the platform, or one that was not made in the end.
  struct Call {
    Cause cause = Cause::schedule;
    bool force = false;
    WallTime sent_at{};
    Milliseconds took{};
  };

  /// A probe in flight and everybody who shares its answer.
  struct Probe {
    std::vector<std::function<void(ProbeResult)>> waiting;
  };
  /// What the latest probe of this very token said.
  struct Verdict {
    ProbeResult result = ProbeResult::unknown;
    WallTime at{};  ///< When it came. Zero: there was none.
    WallTime asked_at{};
    std::size_t crowd = 0;  ///< How many waited for it.
  };

  /// Someone who waits for the next revision.
  struct Watcher {
    std::uint64_t id = 0;
    Done<bool> wake;
  };

  /// What is known of a row beyond its token: only rows that something is the matter with have one.
  struct Case {
    std::optional<FailureState> failure;
    std::vector<InDoubtCall> in_doubt;
    std::optional<WallTime> alive_at;
    Budget budget;
    bool condemned = false;  ///< A probe found this very token dead.
    bool unsaved = false;    ///< The token is served from memory until the store takes it.
    WallTime reported_since{};
    WallTime reported_last{};
    Verdict verdict;
    std::shared_ptr<Probe> probe;
    std::shared_ptr<Flight> flight;
    std::list<Watcher> watchers;
    [[nodiscard]] bool closed() const noexcept;
  };

  // heart.cpp
  Task<Result<void>> begin_work();
  Task<Result<void>> read_store();
  Task<void> follow_changes();
  Task<Changes> take_changes(Changes changes);
  Task<bool> reload(RowId row, Key key);
  Task<Result<Record>> load(Key key);
  Task<void> look_again(RowId row, Key key) { co_await reload(row, std::move(key)); }
  void take_record(const Key& key, const Record& record);
  /// How sure it is that a record is what the store holds now.
  enum class Standing {
    read,    ///< It may have been read before the latest commit.
    leased,  ///< It was read or written under a lease of ours.
  };
  void adopt(RowId row, const Record& record, Standing standing = Standing::read);
  void take_calls(RowId row, const Record& record);
  void publish(RowId row, const Record& record);
  [[nodiscard]] Record known(RowId row) const;
  [[nodiscard]] Bounds bounds_under(const Record& record, std::uint16_t issued_by,
                                    std::uint16_t issuer) const;
  void rebound(RowId row);
  void notify_listener(RowId row);
  void reschedule(RowId row);
  [[nodiscard]] WallTime due_at(RowId row) const;
  void on_due(RowId row);
  Task<Result<std::optional<Grant>>> wait_for(Key key, std::uint64_t seen, Milliseconds patience);
  Task<void> next_revision(RowId row, WallTime until);
  void notify_watchers(RowId row);
  void note_unconfirmed();
  void note_read(const Error* error);
  void note_write(const Error* error);
  void note_record(const Error* error, SteadyTime asked);
  void note_store(bool& part, const Error* error);
  [[nodiscard]] bool announces() const { return parts_.background && parts_.cluster; }
  void watch_clock();
  void at(WallTime when, std::function<void()> run);
  Task<void> sleep(Milliseconds span);
  /// Whether the row still stands for `key`: while a coroutine waited, its app may have gone.
  [[nodiscard]] bool stands_for(RowId row, const Key& key) const;
  [[nodiscard]] const KnownIssuer& issuer_of(RowId row) const;
  [[nodiscard]] bool left_issuer(RowId row) const;
  Case& case_of(RowId row) { return cases_[row]; }
  [[nodiscard]] const Case* case_at(RowId row) const;
  void close_case(RowId row);
  void spawn(Task<void> task);
  template <class T, class Work>
  void enter(Done<T> done, Work work);
  template <class T, class Work>
  static Task<void> tell(Done<T> done, Work work);

  // nodes.cpp
  Task<Result<void>> keep_to_store_clock();
  void follow_store_clock(SteadyTime asked, WallTime there);
  Task<void> announce();
  Task<void> tell_about_me();
  Task<Result<store::ClusterView>> look_around();

  // get.cpp
  Task<Result<Grant>> answer(Key key, std::chrono::seconds min_ttl);
  Task<Result<RowId>> locate(Key key);
  [[nodiscard]] std::optional<Grant> grant(RowId row, const Key& key, std::int64_t min_ttl) const;
  [[nodiscard]] Grant current(RowId row, const Key& key) const;
  [[nodiscard]] bool is_in_flight(RowId row) const;
  [[nodiscard]] bool in_doubt(RowId row) const;
  [[nodiscard]] Milliseconds until_marked_renewal(RowId row) const;
  Task<std::optional<Grant>> answer_in_doubt(RowId row, Key key);
  Task<void> refresh_verdict(RowId row);
  [[nodiscard]] std::optional<Grant> suspect_grant(RowId row, const Key& key) const;
  [[nodiscard]] Error why_not(RowId row, const Failure& failure) const;

  // renew.cpp
  /// Calls that were merely due, in flight at once; callers who wait do not queue.
  static constexpr std::size_t kMostFlights = 256;
  Task<Failure> join(RowId row, Cause cause);
  void launch(RowId row, Cause cause);
  Task<void> fly(RowId row);
  Task<Failure> renew(RowId row, Key key, Cause cause);
  Task<Failure> renew_under(RowId row, Lease lease, Record record, WallTime lease_end, Cause cause,
                            bool force);
  Task<Failure> call_platform(RowId row, Lease lease, Record record, Cause cause, bool force,
                              IssueRequest request);
  Task<Failure> keep(RowId row, Lease lease, Record before, Record next, Call call);
  Task<void> doubt_theirs(RowId row, Key key, Call call);
  Task<void> keep_trying(RowId row, Lease lease, Record next, Call call);
  Task<Failure> note_failure(RowId row, Lease lease, Record record, IssueFailure failure, Call call,
                             std::string credentials);
  [[nodiscard]] std::optional<CopyPlace> copy_place(const Key& key) const;
  [[nodiscard]] std::optional<PlainCopy> copy_of(const Key& key, const Record& record,
                                                 const Terms& terms) const;
  Task<Result<WriteOutcome>> give_back(Lease lease, Record record);
  Task<Result<std::vector<Secret>>> needed_tokens(Key key, std::shared_ptr<Issuer> issuer);
  Task<Result<Secret>> secret_of(Key key);
  void expect(RowId row, const InDoubtCall& in_doubt_call);
  void unexpect(RowId row, const InDoubtCall& in_doubt_call);
  [[nodiscard]] bool may_force(const Budget& budget, const Terms& terms) const;
  void admit_waiting();

  // judge.cpp
  Task<Result<Report>> judge(Key key, Refused refused);
  Task<Result<Report>> conclude(Key key, ReportOutcome outcome);
  [[nodiscard]] Report finish(RowId row, const Key& key, ReportOutcome outcome);
  Task<Result<Grant>> operate(Key key);
  Task<ProbeResult> probe_token(RowId row);
  void condemn(RowId row);
  [[nodiscard]] bool reports_go_on(RowId row);
  [[nodiscard]] WallTime throttled_until(const Budget& budget, const Terms& terms) const;

  // apps.cpp
  Result<std::uint16_t> issuer_index(const std::string& platform, const std::string& endpoint,
                                     const std::string& kind);
  Result<void> take_config_apps(std::vector<AppConfig> apps);
  Task<Result<void>> replace_config_apps(std::vector<AppConfig> apps);
  void take_app(const store::AppRow& app);
  void note_copy(const std::string& app, const std::string& document,
                 const std::string& collection);
  void put_row(const std::string& app, std::uint16_t issuer, bool secret_login, bool from_config,
               const store::SecretTag& tag);
  void remove_rows(const std::string& app);
  Task<bool> reload_app(std::string id);
  Task<Result<AppInfo>> put(AppConfig app);
  Task<Result<bool>> remove(std::string id);
  [[nodiscard]] AppInfo info(std::string id, const AppFacts& facts) const;
  [[nodiscard]] Error unknown_app(std::string_view app) const;
  Task<Result<std::vector<TokenStatus>>> list_status();
  [[nodiscard]] TokenStatus status_of(RowId row) const;

  boost::asio::io_context& loop_;
  Parts parts_;
  const Clock& clock_;
  Observer& observer_;
  std::atomic<SteadyTime> origin_;  ///< The steady moment at which the keeper's line began (1970).
  SteadyTime followed_at_{};        ///< When it was moved, or found in its place.
  WallTime started_at_{};
  std::string address_;
  std::uint64_t fenced_ = 0;  ///< Calls that came back, or were given up, after the lease was lost.
  TokenTable table_;
  Schedule schedule_{table_};
  std::vector<KnownIssuer> issuers_;
  mutable std::shared_mutex issuers_mutex_;  ///< Other threads read names of issuers, and copies_.
  std::unordered_map<std::string, Secret> config_secrets_;
  /// Where apps that have one keep a copy for programs other than Hufu.
  std::unordered_map<std::string, CopyPlace> copies_;
  std::unordered_map<RowId, Case> cases_;
  std::multimap<WallTime, std::function<void()>> timers_;
  std::list<RowId> waiting_room_;  ///< Due, but too many calls are in flight.
  std::size_t flights_ = 0;
  std::size_t tasks_ = 0;
  WallTime last_first_fetch_{};
  Milliseconds wall_ahead_{0};  ///< How far the wall clock is ahead of the keeper's line.
  std::uint64_t next_watcher_ = 1;
  std::string cursor_;
  bool stopping_ = false;
  bool waits_are_over_ = false;
  std::function<void()> stopped_;
  std::function<void()> rescheduled_;
  std::atomic<bool> started_{false};
  bool readable_ = true;  ///< The store, when it was last asked what has changed.
  bool writable_ = true;  ///< The store, when this node last announced itself there.
  bool announcing_ = false;
  std::uint64_t unconfirmed_ = 0;         ///< Writes, as the observer was told last.
  std::uint64_t unconfirmed_logged_ = 0;  ///< The same, for the log.
  WallTime unconfirmed_at_{};
  std::atomic<bool> store_ok_{true};  ///< Both.
  mutable std::mutex health_mutex_;
  mutable Health health_;
  mutable WallTime health_at_{};
};

/// From any thread: runs `work`, a function that returns a Task<T>, on the loop, and reports.
template <class T, class Work>
void Heart::enter(Done<T> done, Work work) {
  boost::asio::post(loop_, [this, done = std::move(done), work = std::move(work)]() mutable {
    spawn(tell<T>(std::move(done), std::move(work)));
  });
}

template <class T, class Work>
Heart::Task<void> Heart::tell(Done<T> done, Work work) {
  T result = co_await work();
  done(std::move(result));
}

}  // namespace hufu::keeper
