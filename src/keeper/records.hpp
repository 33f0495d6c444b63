#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "hufu/store.hpp"
#include "keeper/event_loop.hpp"
#include "keeper/issuers.hpp"
#include "keeper/key_state.hpp"
#include "keeper/store_health.hpp"
#include "keeper/token_listener.hpp"
#include "keeper/token_table.hpp"
#include "store/sealer.hpp"

namespace hufu::keeper {

/// What this process holds of the stored records: it brings them into the table, where readers see
/// tokens and bounds, and into the states of keys that something is the matter with.
///
/// Not thread-safe: the keeper's own thread only.
class Records {
 public:
  struct Parts {
    EventLoop& loop;
    TokenTable& table;
    KeyStates& states;
    Issuers& issuers;
    StoreHealth& health;
    std::shared_ptr<TokenStore> store;
    std::shared_ptr<const store::Sealer> sealer;
    TokenListener* listener = nullptr;
  };
  explicit Records(Parts parts) : parts_(std::move(parts)) {}

  /// What follows from a record that was brought in; called when all of it is in place.
  struct Events {
    std::function<void(RowHandle)> changed;   ///< Anything: its next event may be due earlier.
    std::function<void(RowHandle)> replaced;  ///< There is another token, or there is none.
  };
  void on(Events events) { events_ = std::move(events); }
  /// Something about the row is different: tells `Events::changed`.
  void changed(RowHandle row) const {
    if (events_.changed) events_.changed(row);
  }

  /// How sure it is that a record is what the store holds now.
  enum class Standing {
    read,     ///< It may have been read before the latest commit.
    current,  ///< It was asked for when the present revision was known.
    leased,   ///< It was read or written under a lease of ours.
  };

  Task<Result<Record>> load(Key key);
  /// Loads and brings in; false if it cannot be read.
  Task<bool> reload(RowHandle row);
  /// Brings a record in. False, and nothing is done, where an older one than the present may have
  /// been overtaken on its way here: `reload` finds out.
  bool apply_record(RowHandle row, const Record& record, Standing standing = Standing::read);
  /// Shows the record's token to readers.
  void publish(RowHandle row, const Record& record);
  /// After something that bounds the promise came or went.
  void recompute_bounds(RowHandle row);
  /// The row's record without the token's value and its issuer's name, and without the call of a
  /// renewal in flight. The row must stand.
  [[nodiscard]] Record snapshot(RowHandle row) const;
  /// The same with that call.
  [[nodiscard]] Record snapshot_with_call(RowHandle row) const;

  /// Who issues the row's next token, and the terms of who issued the present one.
  [[nodiscard]] const KnownIssuer& issuer_of(RowHandle row) const;
  [[nodiscard]] const Terms& token_terms(RowHandle row) const;

  /// Why the latest attempt brought no token; empty: it did.
  void set_failure(RowHandle row, std::optional<FailureState> failure);
  /// The row is gone.
  void forget_failure(const Key& key);

  /// Leaves a call in doubt: here at once, and in the store as soon as that takes it.
  void add_in_doubt(RowHandle row, InDoubtCall call);

  /// The call that a renewal is about to make; without one, that it is over.
  void set_call_in_flight(RowHandle row, std::optional<InDoubtCall> call);
  /// The platform said that this very token is dead: it is not handed out again, not even by a
  /// process that reads it from the store after this one is gone.
  void note_dead(RowHandle row);
  /// The platform said that it was alive at `asked_at`.
  void note_alive(RowHandle row, WallTime asked_at);

  /// Apps whose main token could not be renewed when it was last tried. From any thread.
  [[nodiscard]] bool is_failing(const std::string& app) const;

  [[nodiscard]] TokenTable& table() const noexcept { return parts_.table; }
  [[nodiscard]] KeyStates& states() const noexcept { return parts_.states; }
  [[nodiscard]] EventLoop& loop() const noexcept { return parts_.loop; }
  [[nodiscard]] Issuers& issuers() const noexcept { return parts_.issuers; }
  [[nodiscard]] StoreHealth& health() const noexcept { return parts_.health; }
  [[nodiscard]] TokenStore& store() const noexcept { return *parts_.store; }
  [[nodiscard]] const store::Sealer& sealer() const noexcept { return *parts_.sealer; }
  [[nodiscard]] WallTime now() const noexcept { return parts_.loop.now(); }

 private:
  void apply_calls(RowHandle row, const Record& record);
  [[nodiscard]] bool is_quiet(const Record& record, const Terms& terms) const;
  void apply_state(RowHandle row, const Record& record, const Terms& terms, bool newer);
  void apply_failure(RowHandle row, const Record& record, bool newer);
  [[nodiscard]] Bounds bounds_for(RowHandle row, const Record& record,
                                  std::uint16_t issued_by) const;
  void notify_listener(RowHandle row);

  Task<void> store_in_doubt(RowHandle row, InDoubtCall call);

  Parts parts_;
  Events events_;
  std::set<std::string> failing_;
  mutable std::mutex failing_mutex_;
};

}  // namespace hufu::keeper
