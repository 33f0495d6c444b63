#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/read_mostly_mutex.hpp"
#include "hufu/clock.hpp"
#include "hufu/keeper.hpp"
#include "hufu/token.hpp"
#include "keeper/displaced_tokens.hpp"
#include "keeper/row_handle.hpp"
#include "keeper/row_times.hpp"
#include "keeper/rules.hpp"
#include "keeper/stable_vector.hpp"
#include "keeper/token_memory.hpp"
#include "keeper/token_view.hpp"
#include "store/registry.hpp"

namespace hufu::keeper {

/// What is known of an app beside its tokens.
struct AppFacts {
  std::uint16_t app_class = 0;  ///< Index into the keeper's list of (platform, endpoint).
  bool secret_login = false;
  bool from_config = false;
  store::SecretTag tag{};
};

/// A row as the keeper's own thread sees it, but for its name.
struct RowState {
  std::uint16_t issuer = 0;     ///< Index into the keeper's list: who issues the next token.
  std::uint16_t issued_by = 0;  ///< Issuer of the present token, which the app may have left since.
  bool is_main = false;         ///< Of the main kind of its app.
  bool has_token = false;
  Bounds bounds;
  WallTime obtained_at{};
  WallTime expires_at{};
  std::uint64_t revision = 0;
  Fingerprint fingerprint;
};

/// Every app and every token in memory, laid out for a million of them and for readers that never
/// wait for I/O. An app's main token lies with the app, since nearly every read wants that one;
/// tokens of other kinds have rows of their own.
///
/// How it is laid out, and what that costs: docs/decisions/2026-11-30-token-table-of-apps.md.
///
/// Thread-safety: what is const under "readers" may be called from any thread and holds one lock at
/// a time, shared; a `use` that is called under it copies what it needs and does not call the
/// table. Everything else is called by the keeper's own thread only, which holds a shard's lock
/// just as long as it takes to copy a token. What stands for no row any more changes nothing.
class TokenTable {
 public:
  TokenTable();
  ~TokenTable();
  TokenTable(const TokenTable&) = delete;
  TokenTable& operator=(const TokenTable&) = delete;

  // ---- readers

  /// Calls `use(view)` and returns true if the token is promised for at least one second from `now`
  /// and fresh, or as wished for. An empty kind: the main one. Notes that somebody asked for it.
  /// Allocates nothing.
  template <class Use>
  bool read(std::string_view app, std::string_view kind, WallTime now, Wish wish, Use&& use) const;

  /// Whose token this is: the row's current one, or one that was displaced and is still remembered
  /// (`publish`). `fingerprint` is the token's. The full value is compared, in constant time.
  [[nodiscard]] std::optional<Key> owner_of(std::string_view token, Fingerprint fingerprint,
                                            WallTime now) const;
  /// The same without a copy of the names: calls `use(app, kind)` and returns true if it is known
  /// whose token this is. Allocates nothing.
  template <class Use>
  bool read_by_token(std::string_view token, Fingerprint fingerprint, WallTime now,
                     Use&& use) const;

  /// Allocate nothing.
  [[nodiscard]] std::optional<AppFacts> facts(std::string_view app) const;
  [[nodiscard]] bool knows(std::string_view app) const;
  /// How good its main token is; `missing` also where there is no such app.
  [[nodiscard]] TokenState state_of(std::string_view app, WallTime now) const;

  /// Ids of apps in order, at most `limit`, those after `after`. The first call sorts all of them
  /// (a million: a few hundred milliseconds of the caller's thread); the order is kept up to date
  /// afterwards, so that a page costs what it shows. Apps are put and removed after it.
  [[nodiscard]] std::vector<std::string> ids_after(std::string_view after, std::size_t limit) const;
  /// How many apps there are, and how many have a usable main token.
  struct Census {
    std::size_t apps = 0;
    std::size_t usable = 0;
    std::vector<std::string> without;  ///< Sorted; at most as many as were asked for.
  };
  /// `is_handed_out`: asked of a main token that is not promised any more; under a lock, so it does
  /// not call the table. None: such a token is not usable.
  [[nodiscard]] Census census(WallTime now, std::size_t most_named,
                              const std::function<bool(RowHandle)>& is_handed_out = {}) const;

  // ---- the keeper's own thread: apps

  /// Makes the app with a row of its main kind, or changes what is known of it. Where the main kind
  /// is another one than before, the old main row goes, and so does a row that was of the new kind.
  /// Returns the main row.
  RowHandle put_app(std::string_view id, const AppFacts& facts, std::string_view main_kind);
  /// Removes the app and all its rows.
  void remove_app(std::string_view id);
  /// Its rows, the main one first; none where there is no such app.
  [[nodiscard]] std::vector<RowHandle> rows_of(std::string_view app) const;
  [[nodiscard]] std::size_t apps() const noexcept { return apps_.load(std::memory_order_relaxed); }

  // ---- the keeper's own thread: rows

  /// Makes the row of another kind, or finds the one that is there. The app must be there. An empty
  /// kind: the main one.
  RowHandle put(const Key& key);
  /// Removes the row of another kind than the main one.
  void remove(RowHandle row);
  /// An empty kind: the main one.
  [[nodiscard]] std::optional<RowHandle> find(const Key& key) const;
  /// Empty if the row was removed meanwhile. Allocates nothing.
  [[nodiscard]] std::optional<RowState> state(RowHandle row) const;
  [[nodiscard]] bool stands(RowHandle row) const noexcept;
  /// The handle of the row whose `RowHandle::id` is `id`; one that stands for nothing where there
  /// is none now. There must have been one.
  [[nodiscard]] RowHandle handle_of(std::uint32_t id) const noexcept;
  /// The row must stand.
  [[nodiscard]] Key key(RowHandle row) const;
  [[nodiscard]] AppFacts facts_of(RowHandle row) const;
  [[nodiscard]] Secret token(RowHandle row) const;
  void set_issuer(RowHandle row, std::uint16_t issuer);

  /// Readers see this token from now on. The one that it displaces, if it is another, is remembered
  /// for `owner_of` until `remember_until`, the latest four of a row at most. `windowed`: from
  /// `bounds.renew_at` on it is not for those who wish `outside_window`. A token of more than
  /// TokenMemory::kLongest bytes, which no platform issues, changes nothing.
  void publish(RowHandle row, const Token& token, std::uint64_t revision, Fingerprint fingerprint,
               std::uint16_t issued_by, const Bounds& bounds, bool windowed,
               WallTime remember_until);
  void set_bounds(RowHandle row, const Bounds& bounds);
  /// Forgets the token, those that it displaced, and its revision; keeps the row.
  void clear(RowHandle row);
  /// Whether somebody has read the token, or called `note_asked`, since this was last called.
  bool take_asked(RowHandle row);
  /// The same, and leaves it so.
  [[nodiscard]] bool is_asked(RowHandle row) const;
  void note_asked(RowHandle row);

  /// When the row's next event is due; kept here because a million of them must be small.
  void set_due(RowHandle row, WallTime due);
  [[nodiscard]] WallTime due(RowHandle row) const;

  /// Puts a part of what a start has filled into huge pages; false when nothing is left to do.
  bool collapse_next() { return rows_memory_.collapse_next() || memory_.collapse_next(); }

  void for_each(const std::function<void(RowHandle)>& visit) const;
  /// Rows, of all kinds.
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kShards = 64;
  /// The bits of a name's hash that choose its shard. The index takes the lowest eight to tell
  /// entries of a group apart and the highest to find the group: with those, a shard's apps would
  /// all crowd into one 64th of its index.
  static constexpr unsigned kShardShift = 8;
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::uint16_t kAccessTokenNumber = 0;  ///< Of the kind.

  /// The id of an app. Those of most platforms fit inside.
  class Id {
   public:
    Id() = default;
    Id(const Id&) = delete;
    Id& operator=(const Id&) = delete;
    ~Id() { clear(); }
    void set(std::string_view text);
    void clear() noexcept;
    [[nodiscard]] std::string_view view() const noexcept;
    [[nodiscard]] bool is(std::string_view text) const noexcept;

   private:
    static constexpr std::size_t kInline = 23;
    static constexpr std::uint8_t kOutside = 0xff;
    std::array<char, kInline> bytes_{};  // Or, when longer, a pointer to a std::string.
    std::uint8_t size_ = 0;
  };

  /// A token of one kind. Readers look at it under their shard's lock; `next_owner` and, while it
  /// is in that chain, `fingerprint` are guarded by the lock of the owners' shard; `due` and what
  /// only the keeper's thread asks for are that thread's.
  struct Row {
    PackedRowTimes times;
    std::uint32_t token_cell = 0;
    std::uint32_t revision = 0;
    std::uint32_t fingerprint = 0;
    std::uint32_t next_owner = kNone;  ///< Id of the next row whose token falls in the same bucket.
    std::uint32_t generation = 0;      ///< Of what comes or is in this place.
    std::uint16_t token_size = 0;
    std::uint16_t issuer = 0;
    std::uint16_t issued_by = 0;
    std::uint16_t kind = 0;
    std::uint16_t app_class = 0;  ///< Of a main row's app.
    bool used : 1 = false;
    bool windowed : 1 = false;
    bool secret_login : 1 = false;
    bool from_config : 1 = false;
    mutable std::atomic<bool> asked{false};

    [[nodiscard]] StoredToken token() const noexcept { return {token_cell, token_size}; }
    void set_token(StoredToken token) noexcept {
      token_cell = token.cell;
      token_size = token.size;
    }
  };
  struct App {
    Id id;
    store::SecretTag tag{};
    Row main;
  };
  struct OtherRow {
    Row row;
    std::uint32_t app = 0;       ///< Number of its app, which is in the same shard.
    std::uint32_t next = kNone;  ///< Number of the app's next one.
  };

  /// A name that is looked for. Its hash chooses the shard and the place inside it: taken once.
  struct Sought {
    explicit Sought(std::string_view text) noexcept : name(text), hash(TokenTable::hash(text)) {}
    std::string_view name;
    std::size_t hash;
  };

  struct Shard;
  struct ById {
    using is_transparent = void;
    using is_avalanching = void;
    const Shard* shard;
    std::size_t operator()(std::uint32_t app) const noexcept;
    std::size_t operator()(const Sought& sought) const noexcept { return sought.hash; }
  };
  struct SameId {
    using is_transparent = void;
    const Shard* shard;
    bool operator()(std::uint32_t a, std::uint32_t b) const noexcept { return a == b; }
    bool operator()(std::uint32_t a, const Sought& b) const noexcept;
    bool operator()(const Sought& a, std::uint32_t b) const noexcept { return (*this)(b, a); }
  };
  struct Shard {
    ReadMostlyMutex mutex;
    boost::unordered_flat_set<std::uint32_t, ById, SameId> index{0, ById{this}, SameId{this}};
    StableVector<App> apps;
    StableVector<OtherRow> others;
    /// Number of an app's first row of another kind; few apps have any.
    boost::unordered_flat_map<std::uint32_t, std::uint32_t> first_other;
    std::vector<std::uint32_t> free_apps;
    std::vector<std::uint32_t> free_others;

    /// Taken before `mutex`. Whoever holds it may read the ids that are in `order`.
    std::mutex order_mutex;
    bool ordered = false;
    std::vector<std::uint32_t> order;  ///< Numbers of all apps by id, once `ordered`.
  };

  /// Rows with a token, by its fingerprint: chained, since fingerprints collide.
  struct Owners {
    ReadMostlyMutex mutex;
    std::vector<std::uint32_t> heads;  ///< As many as a power of two, or none.
    std::size_t rows = 0;
    [[nodiscard]] std::uint32_t& head(std::uint32_t fingerprint) noexcept {
      return heads[fingerprint / kShards % heads.size()];
    }
  };
  /// Ids of rows that may hold a token.
  struct Candidates {
    static constexpr std::size_t kMost = 8;
    std::array<std::uint32_t, kMost> ids{};
    std::size_t count = 0;
  };

  static std::size_t hash(std::string_view name) noexcept;
  static std::uint64_t word_at(const char* bytes) noexcept;
  [[nodiscard]] Shard& shard_of(const Sought& sought) const noexcept;
  [[nodiscard]] Shard& shard_of(std::uint32_t id) const noexcept { return shards_[id % kShards]; }
  [[nodiscard]] const Row* find_row(const Shard& shard, const Sought& app,
                                    std::string_view kind) const noexcept;

  /// Number of the app's row of that kind; kNone if there is none.
  [[nodiscard]] std::uint32_t find_other(const Shard& shard, std::uint32_t app,
                                         std::string_view kind) const noexcept;
  [[nodiscard]] bool is_of_kind(const Row& row, std::string_view kind) const noexcept;

  // A row's id is its number in its pool, the pool's bit, and its shard.
  static constexpr std::uint32_t kOther = kShards;
  static constexpr std::uint32_t kNumber = 2 * kShards;
  [[nodiscard]] std::uint32_t id_of(const Shard& shard, std::uint32_t number,
                                    std::uint32_t pool) const noexcept;
  [[nodiscard]] Row& row_at(std::uint32_t id) const noexcept;
  [[nodiscard]] App& app_at(std::uint32_t id) const noexcept;
  [[nodiscard]] Row* standing(RowHandle handle) const noexcept;

  std::uint16_t number_of_kind(std::string_view kind);
  /// Makes the place as good as new, but for its generation. Under the lock of the row's shard.
  static void reset(Row& row) noexcept;
  void put_in_order(Shard& shard, std::uint32_t app);
  void take_out_of_order(Shard& shard, std::uint32_t app);
  void build_order(Shard& shard) const;

  /// Wipes the token and those that it displaced.
  void forget_tokens(std::uint32_t id);
  [[nodiscard]] static RowTimes times_of(const Row& row) noexcept;
  void link_owner(Owners& owners, std::uint32_t id);
  void unlink_owner(std::uint32_t id);
  [[nodiscard]] Owners& owners_of(std::uint32_t fingerprint) const noexcept {
    return owners_[fingerprint % kShards];
  }
  /// Rows whose token has the fingerprint, but for the first `skip`.
  [[nodiscard]] Candidates candidates(Fingerprint fingerprint, std::size_t skip) const noexcept;
  [[nodiscard]] bool same(StoredToken stored, std::string_view token) const noexcept;

  TokenMemory memory_;
  DisplacedTokens displaced_{memory_};
  ChunkMemory rows_memory_;
  std::unique_ptr<Shard[]> shards_;
  std::unique_ptr<Owners[]> owners_;
  StableVector<std::string, 16> kinds_;
  std::atomic<std::size_t> apps_{0};
  std::atomic<std::size_t> size_{0};
};

// What every read goes through stands here, where it can be compiled into the one who reads.

inline std::string_view TokenTable::Id::view() const noexcept {
  if (size_ == kOutside) [[unlikely]] {
    const std::string* text = nullptr;
    std::memcpy(&text, bytes_.data(), sizeof(void*));
    return *text;
  }
  return {bytes_.data(), size_};
}

inline std::uint64_t TokenTable::word_at(const char* bytes) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

inline std::size_t TokenTable::hash(std::string_view name) noexcept {
  // FNV-like multiply and a final mix; ids of apps differ in every character, so this is plenty.
  // The last word overlaps the one before: to put together the bytes that are left costs more.
  std::uint64_t h = 0x9e3779b97f4a7c15U ^ name.size();
  std::uint64_t last = 0;
  if (name.size() >= 8) {
    for (std::size_t i = 0; i + 8 < name.size(); i += 8) {
      h = (h ^ word_at(name.data() + i)) * 0xff51afd7ed558ccdU;
      h ^= h >> 32;
    }
    last = word_at(name.data() + name.size() - 8);
  } else {
    for (const char c : name) last = (last << 8) | static_cast<unsigned char>(c);
  }
  h = (h ^ last) * 0xc4ceb9fe1a85ec53U;
  return h ^ (h >> 29);
}

inline bool TokenTable::Id::is(std::string_view text) const noexcept {
  const std::size_t size = text.size();
  if (size < 8 || size > kInline) return view() == text;
  if (size != size_) return false;
  // Of 8 to 23 bytes: three words that overlap, in place of a call of memcmp.
  const char* const mine = bytes_.data();
  const std::size_t last = size - 8;
  const std::size_t middle = std::min<std::size_t>(last, 8);
  return ((word_at(mine) ^ word_at(text.data())) |
          (word_at(mine + middle) ^ word_at(text.data() + middle)) |
          (word_at(mine + last) ^ word_at(text.data() + last))) == 0;
}

inline TokenTable::Shard& TokenTable::shard_of(const Sought& sought) const noexcept {
  return shards_[(sought.hash >> kShardShift) % kShards];
}

inline bool TokenTable::SameId::operator()(std::uint32_t a, const Sought& b) const noexcept {
  return shard->apps[a].id.is(b.name);
}

inline bool TokenTable::is_of_kind(const Row& row, std::string_view kind) const noexcept {
  // Nearly every read is for this one: a comparison of constant length, with nothing to look up.
  return row.kind == kAccessTokenNumber ? kind == kAccessToken : kind == kinds_[row.kind];
}

inline const TokenTable::Row* TokenTable::find_row(const Shard& shard, const Sought& app,
                                                   std::string_view kind) const noexcept {
  const auto found = shard.index.find(app);
  if (found == shard.index.end()) return nullptr;
  const Row& main = shard.apps[*found].main;
  if (kind.empty() || is_of_kind(main, kind)) return &main;
  const std::uint32_t other = find_other(shard, *found, kind);
  return other != kNone ? &shard.others[other].row : nullptr;
}

template <class Use>
bool TokenTable::read(std::string_view app, std::string_view kind, WallTime now, Wish wish,
                      Use&& use) const {
  const Sought sought(app);
  const Shard& shard = shard_of(sought);
  const ReadMostlyMutex::Reading reading(shard.mutex);
  const Row* const row = find_row(shard, sought, kind);
  if (row == nullptr) return false;
  // Written only where it changes something: all readers share the cache line.
  if (!row->asked.load(std::memory_order_relaxed)) {
    row->asked.store(true, std::memory_order_relaxed);
  }
  if (!row->token()) return false;
  const Bounds bounds = row->times.bounds();
  const std::int64_t promise = bounds.promise(now);
  if (promise < 1) return false;
  const bool stale = now >= bounds.renew_at;
  if (stale && (promise < wish.min_ttl || (wish.outside_window && row->windowed))) return false;
  use(TokenView{memory_.view(row->token()), promise, row->times.expires_at(), row->revision,
                Fingerprint{row->fingerprint}, std::string_view(kinds_[row->kind])});
  return true;
}

template <class Use>
bool TokenTable::read_by_token(std::string_view token, Fingerprint fingerprint, WallTime now,
                               Use&& use) const {
  // No two locks are held at once: a row that changes hands meanwhile fails the comparison, and
  // its token is among the displaced ones before it leaves the index.
  const auto use_row = [&](std::uint32_t id) {
    use(app_at(id).id.view(), std::string_view(kinds_[row_at(id).kind]));
  };
  for (std::size_t skip = 0;; skip += Candidates::kMost) {
    const Candidates found = candidates(fingerprint, skip);
    for (std::size_t i = 0; i < found.count; ++i) {
      const std::uint32_t id = found.ids[i];
      const ReadMostlyMutex::Reading reading(shard_of(id).mutex);
      if (!same(row_at(id).token(), token)) continue;
      use_row(id);
      return true;
    }
    if (found.count < Candidates::kMost) break;
  }
  const auto displaced = displaced_.find(token, fingerprint, now);
  if (!displaced) return false;
  const ReadMostlyMutex::Reading reading(shard_of(displaced->id).mutex);
  if (!stands(*displaced)) return false;
  use_row(displaced->id);
  return true;
}

}  // namespace hufu::keeper
