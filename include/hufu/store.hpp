#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "hufu/error.hpp"
#include "hufu/token.hpp"

namespace hufu {

/// Called exactly once with the outcome of an asynchronous operation.
template <class T>
using Done = std::function<void(T)>;

/// The right to renew one token for a short while.
struct Lease {
  Key key;
  std::uint64_t fence = 0;  ///< Grows with every lease of this key; never used twice.
  std::string holder;       ///< Who holds it.
  WallTime called_at{};     ///< The in-doubt call that `acquire_lease` wrote for it.
};

/// What `acquire_lease` is asked to do.
struct LeaseRequest {
  Key key;
  std::uint64_t seen = 0;     ///< The revision that the caller finds wanting.
  std::string holder;         ///< Name of this process, from `process_identity()`.
  Milliseconds lease{};       ///< For how long.
  InDoubtCall in_doubt_call;  ///< Written with the lease, before the platform is called.
  /// How much longer than its time a lease of somebody else is respected, because the call that
  /// they made under it may still be under way. Zero where nothing can be waited for.
  Milliseconds grace{};
};

/// The lease is yours; `record` is what is stored now, the in-doubt call included.
struct Acquired {
  Lease lease;
  Record record;
};
/// Somebody else is renewing; try again when they are done, at the latest after `remaining`.
struct Held {
  std::string holder;
  Milliseconds remaining{};
};
/// Somebody was quicker: the stored revision is newer than the one you saw.
struct Newer {
  Record record;
};
using AcquireOutcome = std::variant<Acquired, Held, Newer>;

/// Whether a write under a lease took place.
enum class WriteOutcome {
  written,
  fenced,  ///< The lease was lost meanwhile (or the app removed); nothing was written.
};

/// What happened to a store since a cursor was taken.
struct Changes {
  std::string cursor;             ///< Hand this in next time.
  bool everything = false;        ///< Too much to tell: read it all again.
  std::vector<Key> tokens;        ///< Records written or removed.
  std::vector<std::string> apps;  ///< Apps put or removed.
  bool keys = false;              ///< Some API key was made or revoked.
};

/// The database, as the keeper sees it.
///
/// Semantics are the same on every store; `src/store/conformance/conformance.hpp` is the suite that
/// says so.
/// - An outcome that reports success is durable: a crash right after it loses nothing.
/// - The store neither reads nor judges a token. Limits of time (a lease's end) are judged by the
///   database's clock where it has one.
/// - A lease ends when it is committed, when its time is up, or, where the store can
///   tell, when its holder's process no longer exists. Whoever begins may give it some grace.
/// - An operation that failed with Fault::store may or may not have taken place; what it would have
///   replaced is still readable.
///
/// Thread-safety: every verb may be called from any thread and returns without blocking on I/O.
/// `done` is called exactly once, on a thread of the store's choosing, possibly before the verb
/// returns; it must be quick and must not throw. After the destructor returned, none is called.
class TokenStore {
 public:
  virtual ~TokenStore() = default;

  /// The record of `key`; a default Record (revision 0) if there is none.
  virtual void load(const Key& key, Done<Result<Record>> done) = 0;

  /// Grants the lease if nobody holds one and the stored revision is not newer than
  /// `lease_request.seen`: in one step, makes a record if there is none, raises the fence, notes
  /// the holder and appends the in_doubt_call. A newer revision is told even while somebody holds
  /// the lease.
  virtual void acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) = 0;

  /// Stores `next` and gives the lease back, if the fence still holds: a new token (its revision is
  /// above that of the record that was acquired), or the same one with other in-doubt calls,
  /// failure or budget. Time alone does not end the right to: a late commit that nobody overtook is
  /// written. What `add_in_doubt` appended since the lease was acquired is kept behind the in-doubt
  /// calls of `next`.
  virtual void commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) = 0;

  /// Appends `in_doubt_call` without a lease: of a call that came back after its lease was lost.
  /// Does nothing where there is no record. Whoever holds the lease now does not know this in-doubt
  /// call, so their commit keeps it; whoever begins after it has seen it, and may drop it.
  virtual void add_in_doubt(const Key& key, InDoubtCall in_doubt_call, Done<Result<void>> done) = 0;

  /// What changed since `cursor`; an empty cursor yields the present one and no changes.
  virtual void changes(std::string cursor, Done<Result<Changes>> done) = 0;

  /// The database's own present moment: the time line on which records are written, where several
  /// machines share one database and their clocks differ. Nothing where it goes by the clock of
  /// this machine, as this default says.
  virtual void time(Done<Result<std::optional<WallTime>>> done) { done(std::optional<WallTime>()); }

  /// Calls `visit` for every record, in no order, then `done`. `visit` runs on one thread at a
  /// time.
  virtual void scan(std::function<void(Key&&, Record&&)> visit, Done<Result<void>> done) = 0;
};

}  // namespace hufu
