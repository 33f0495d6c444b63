#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hufu/clock.hpp"
#include "keeper/app_directory.hpp"
#include "keeper/dependencies.hpp"
#include "keeper/imported_token.hpp"
#include "keeper/observer.hpp"
#include "keeper/probes.hpp"
#include "keeper/records.hpp"

namespace hufu::keeper {

/// What every renewal works with.
struct RenewalContext {
  Records& records;
  AppDirectory& apps;
  Dependencies& dependencies;
  Probes& probes;
  Observer& observer;
  Random& random;
  FindImported find_imported;                 ///< May be empty.
  std::function<WallTime(RowHandle)> due_at;  ///< When it would be renewed by choice.
  std::function<Error(RowHandle)> why_not;    ///< Why there is no usable token.
  std::uint64_t fenced = 0;  ///< Calls that came back, or were given up, after the lease was lost.
};

/// One attempt to renew one token, from the tokens that it needs to the one that readers see:
///
///   prepare → acquire → reconsider → issue → commit
///
/// Not thread-safe: the keeper's own thread only.
class Renewal : public std::enable_shared_from_this<Renewal> {
 public:
  /// Of a row that stands; `context` outlives the renewal.
  Renewal(RenewalContext& context, RowHandle row, Cause cause);

  /// Empty: there is a token, by this renewal or somebody else's. Returns when nothing more is to
  /// be expected of the call, or the lease was never had; storing a token that the store would not
  /// take goes on in the background.
  Task<Failure> run();

 private:
  /// Engaged: the renewal is over, with this outcome.
  using Over = std::optional<Failure>;

  Task<Over> prepare();
  Task<Over> acquire();
  Task<Over> reconsider();
  Task<Over> settle_stamps();
  Task<Over> import();
  Task<IssueOutcome> issue();
  Task<Failure> commit(Record next);
  Task<Failure> fail(IssueFailure failure);
  Task<Failure> give_back(Failure outcome);
  Task<void> store_later(Record next);
  Task<void> mark_fenced_call();
  Task<bool> is_stored(const Record& record);

  void serve_unsaved(const Record& next, const Error& why);
  [[nodiscard]] Record successor(Issued issued);
  [[nodiscard]] bool stands() const { return records().table().stands(row_); }
  [[nodiscard]] bool is_on_purpose() const;
  [[nodiscard]] bool is_outdated() const;
  [[nodiscard]] bool has_ended(const Issued& issued) const;
  void block(const Error& why);
  [[nodiscard]] Failure gone() const { return AppDirectory::unknown_app(key_.app); }
  [[nodiscard]] Records& records() const noexcept { return context_.records; }
  [[nodiscard]] KeyState& state() const { return context_.records.states().of(row_); }
  [[nodiscard]] WallTime now() const noexcept { return context_.records.now(); }
  [[nodiscard]] bool has_usable_token() const;

  RenewalContext& context_;
  const RowHandle row_;
  const Key key_;
  const Cause cause_;
  // Of this attempt, in the order in which they become known:
  std::shared_ptr<Issuer> issuer_;
  Terms terms_;          ///< Of `issuer_`.
  bool made_it_ = true;  ///< `issuer_` made the token that is there.
  std::vector<NeededToken> needed_;
  Settings settings_;
  Credentials credentials_;
  store::SecretTag tag_{};  ///< What told the app's credentials apart when those were read.
  std::string tried_credentials_{};  ///< Their name; empty: none were tried.
  bool force_ = false;
  InDoubtCall call_;  ///< This one; with the lease's fence once there is one.
  WallTime lease_end_{};
  Lease lease_;
  Record record_;  ///< As stored when the lease was acquired, without `call_`.
  /// Where the token to be stored comes from.
  enum class Source { issued, imported, settled };
  Source source_ = Source::issued;
  WallTime sent_at_{};
  Milliseconds took_{};
  bool needed_replaced_ = false;
  int ended_again_ = 0;  ///< Calls that brought a ticket again whose life is over by our count.
};

}  // namespace hufu::keeper
