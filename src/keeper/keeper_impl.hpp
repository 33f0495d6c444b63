#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "keeper/async_keeper.hpp"
#include "keeper/change_follower.hpp"
#include "keeper/cluster_clock.hpp"
#include "keeper/membership.hpp"
#include "keeper/reports.hpp"
#include "keeper/status.hpp"

namespace hufu::keeper {

/// What a keeper is made of; everything outside the rules is handed in.
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
  NoteKeyAgain note_key_again;           ///< None: nothing that is stored is sealed.
  MissingCredential missing_credential;  ///< None: any one credential is enough for an app.
  FindImported find_imported;            ///< None: no program before Hufu left a token anywhere.
  Timing timing;                         ///< Of what no platform has timing of its own for.
  std::vector<AppConfig> apps;           ///< Of the config.
  /// A server reads everything and renews by itself; a single command reads what it is asked for
  /// and renews what it touches.
  bool background = true;
  std::string version;  ///< Of this program, for the others.
};

/// The keeper: binds its rooms together and lets the outside in.
///
///   event_loop · cluster_clock    the one thread, and what time it is
///   token_table · records         what readers see, and how it follows from a stored record
///   key_state                     what is the matter with a key
///   app_directory · issuers       which apps and kinds there are, and who issues them
///   renewals · renewal            what is due and in flight; one attempt, read top to bottom
///   dependencies · probes         the tokens that a call needs; is this one alive?
///   answers · reports             what callers are given, and what becomes of what they say
///   change_follower · store_health · membership    the store, and the others who share it
///   status                        what people are shown
///
/// Thread-safety: as AsyncKeeper.
class KeeperImpl final : public AsyncKeeper {
 public:
  /// `context` is run by the owner on one thread, and outlives the keeper.
  KeeperImpl(boost::asio::io_context& context, Parts parts);
  ~KeeperImpl() override;

  /// Where this node answers, for the others to see; before `start`. Nowhere, if it is not called.
  void set_address(std::string address) { membership_.set_address(std::move(address)); }
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
  void on_rescheduled(std::function<void()> notify) { loop_.on_rescheduled(std::move(notify)); }
  /// Now, on the keeper's line.
  [[nodiscard]] WallTime now() const noexcept { return loop_.now(); }

  using AsyncKeeper::read;
  bool read(std::string_view app, std::string_view kind, Wish wish,
            void (*use)(void*, const TokenView&), void* target) const override;
  void get(Key key, Wish wish, Done<Result<Grant>> done) override;
  void report(Key key, Refused refused, Done<Result<Report>> done) override;
  void refresh(Key key, Done<Result<Refreshed>> done) override;
  void recheck(Key key, Milliseconds patience, Done<Result<Grant>> done) override;
  void wait(Key key, Seen seen, Milliseconds patience,
            Done<Result<std::optional<Grant>>> done) override;
  void interrupt_waits() override;
  void end_waits() override;
  void try_credentials(std::string app, Done<Result<void>> done) override;
  void when_started(Milliseconds patience, Done<bool> done) override;
  using AsyncKeeper::owner_of;
  bool owner_of(std::string_view token,
                void (*use)(void*, std::string_view app, std::string_view kind),
                void* target) const override;
  [[nodiscard]] bool is_secret_of(std::string_view app, std::string_view secret) const override;
  [[nodiscard]] bool knows(std::string_view app) const override;
  [[nodiscard]] bool is_child_of(std::string_view app, std::string_view parent) const override;
  [[nodiscard]] std::string_view platform_of(std::string_view app) const override {
    return apps_.platform_of(app);
  }
  [[nodiscard]] std::shared_ptr<const std::vector<std::string>> apps_of_account(
      std::string_view platform, std::string_view account) const override {
    return apps_.apps_of_account(platform, account);
  }
  [[nodiscard]] std::optional<AppInfo> app(std::string_view id) const override;
  [[nodiscard]] AppPage apps(const AppQuery& query) const override;
  void put_app(AppConfig app, Done<Result<AppInfo>> done) override;
  void remove_app(std::string id, Done<Result<bool>> done) override;
  void status(StatusQuery query, Done<Result<StatusPage>> done) override;
  void cluster(Done<Result<store::ClusterView>> done) override;
  [[nodiscard]] Health health() const override;

 private:
  Task<Result<void>> begin_work();
  Task<Result<void>> try_secret(std::string app);
  Task<void> try_replaced_secret(std::string app);
  Task<void> write_back(RowHandle row);
  void token_replaced(RowHandle row);
  void set_started();
  Task<void> collapse_table();
  void row_removed(const Key& key, KeyState state);

  Parts parts_;
  EventLoop loop_;
  TokenTable table_;
  KeyStates states_;
  Issuers issuers_;
  StoreHealth health_;
  Records records_;
  AppDirectory apps_;
  Dependencies dependencies_;
  Probes probes_;
  RenewalContext context_;
  Renewals renewals_;
  Answers answers_;
  Reports reports_;
  ChangeFollower changes_;
  ClusterClock clock_;
  Membership membership_;
  StatusView status_;
  std::atomic<bool> started_{false};
  std::vector<Done<bool>> waiting_for_start_;
};

}  // namespace hufu::keeper
