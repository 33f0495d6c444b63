#pragma once

#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/read_mostly_mutex.hpp"
#include "hufu/clock.hpp"
#include "hufu/token.hpp"
#include "keeper/rules.hpp"
#include "keeper/token_view.hpp"
#include "store/registry.hpp"

namespace hufu::keeper {

/// Names one row of the table: an app's token of one kind. A coroutine that comes back asks its
/// handle, which stands for nothing once the row was removed, even where its place was taken again.
struct RowHandle {
  std::uint32_t id = 0;
  std::uint32_t generation = 0;
  auto operator<=>(const RowHandle&) const = default;
};

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
/// Thread-safety: what is const under "readers" may be called from any thread and holds one shard's
/// lock at a time, shared. Everything else is called by the keeper's own thread only, which holds a
/// shard's lock just as long as it takes to copy a token.
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

  /// Allocate nothing.
  [[nodiscard]] std::optional<AppFacts> facts(std::string_view app) const;
  [[nodiscard]] bool knows(std::string_view app) const;

  /// Ids of apps in order, at most `limit`, those after `after`. The first call sorts all of them
  /// (a million: a few hundred milliseconds of the caller's thread); the order is kept up to date
  /// afterwards, so that a page costs what it shows.
  [[nodiscard]] std::vector<std::string> ids_after(std::string_view after, std::size_t limit) const;
  /// How many apps there are, and how many have a usable main token.
  struct Census {
    std::size_t apps = 0;
    std::size_t usable = 0;
    std::vector<std::string> without;  ///< Sorted; at most as many as were asked for.
  };
  [[nodiscard]] Census census(WallTime now, std::size_t most_named) const;

  // ---- the keeper's own thread: apps

  /// Makes the app with a row of its main kind, or changes what is known of it. Where the main kind
  /// is another one than before, the old main row goes. Returns the main row.
  RowHandle put_app(std::string_view id, const AppFacts& facts, std::string_view main_kind);
  /// Removes the app and all its rows.
  void remove_app(std::string_view id);
  /// Its rows, the main one first; none where there is no such app.
  [[nodiscard]] std::vector<RowHandle> rows_of(std::string_view app) const;
  [[nodiscard]] std::size_t apps() const noexcept { return apps_.load(std::memory_order_relaxed); }

  // ---- the keeper's own thread: rows

  /// Makes the row of another kind, or finds the one that is there. The app must be there.
  RowHandle put(const Key& key);
  /// Removes the row of another kind than the main one.
  void remove(RowHandle row);
  /// An empty kind: the main one.
  [[nodiscard]] std::optional<RowHandle> find(const Key& key) const;
  /// Empty if the row was removed meanwhile. Allocates nothing.
  [[nodiscard]] std::optional<RowState> state(RowHandle row) const;
  [[nodiscard]] bool stands(RowHandle row) const noexcept;
  /// The row must stand.
  [[nodiscard]] Key key(RowHandle row) const;
  [[nodiscard]] AppFacts facts_of(RowHandle row) const;
  [[nodiscard]] Secret token(RowHandle row) const;
  void set_issuer(RowHandle row, std::uint16_t issuer);

  /// Readers see this token from now on. The one that it displaces, if it is another, is remembered
  /// for `owner_of` until `remember_until`. `windowed`: Wish::outside_window applies to it.
  void publish(RowHandle row, const Token& token, std::uint64_t revision, Fingerprint fingerprint,
               std::uint16_t issued_by, const Bounds& bounds, bool windowed,
               WallTime remember_until);
  void set_bounds(RowHandle row, const Bounds& bounds);
  /// Forgets the token and its revision, keeps the row.
  void clear(RowHandle row);
  /// Whether somebody has read the token, or called `note_asked`, since this was last called.
  bool take_asked(RowHandle row);
  void note_asked(RowHandle row);

  /// When the row's next event is due; kept here because a million of them must be small.
  void set_due(RowHandle row, WallTime due);
  [[nodiscard]] WallTime due(RowHandle row) const;

  void for_each(const std::function<void(RowHandle)>& visit) const;
  /// Rows, of all kinds.
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kShards = 64;
  /// The bits of a name's hash that choose its shard. The index takes the lowest eight to tell
  /// entries of a group apart and the highest to find the group: with those, a shard's rows would
  /// all crowd into one 64th of its index.
  static constexpr unsigned kShardShift = 8;
  static constexpr std::size_t kChunk = 256;
  static constexpr std::size_t kInlineName = 22;

  /// The name of a row: the app for its access token, app and kind with a separator for the others.
  class Name {
   public:
    Name() = default;
    explicit Name(std::string_view text);
    Name(Name&& other) noexcept;
    Name& operator=(Name&& other) noexcept;
    ~Name();
    [[nodiscard]] std::string_view view() const noexcept;

   private:
    void release() noexcept;
    std::array<char, kInlineName> bytes_{};  // Or, when longer, a pointer to them.
    std::uint16_t size_ = 0;
  };

  struct Row {
    Name name;
    std::unique_ptr<char[]> token;
    std::int64_t renew_at = 0;  // Milliseconds since 1970 on the keeper's line, as all times here.
    std::int64_t last_end = 0;
    std::int64_t obtained_at = 0;
    std::int64_t expires_at = 0;
    std::int64_t due = 0;
    std::uint32_t revision = 0;
    std::uint32_t fingerprint = 0;
    std::int32_t after_renewal = -1;
    std::uint16_t token_size = 0;
    std::uint16_t issuer = 0;
    std::uint16_t issued_by = 0;
    bool secret_login : 1 = false;
    bool from_config : 1 = false;
    bool used : 1 = false;
    store::SecretTag tag{};

    [[nodiscard]] Bounds bounds() const noexcept;
  };

  /// A name that is looked for. Its hash chooses the shard and the place inside it: taken once.
  struct Sought {
    explicit Sought(std::string_view text) noexcept : name(text), hash(TokenTable::hash(text)) {}
    std::string_view name;
    std::size_t hash;
  };

  struct Shard;
  struct ByName {
    using is_transparent = void;
    using is_avalanching = void;
    const Shard* shard;
    std::size_t operator()(std::uint32_t index) const noexcept;
    std::size_t operator()(const Sought& sought) const noexcept { return sought.hash; }
  };
  struct SameName {
    using is_transparent = void;
    const Shard* shard;
    bool operator()(std::uint32_t a, std::uint32_t b) const noexcept { return a == b; }
    bool operator()(std::uint32_t a, const Sought& b) const noexcept;
    bool operator()(const Sought& a, std::uint32_t b) const noexcept { return (*this)(b, a); }
  };
  struct Shard {
    ReadMostlyMutex mutex;
    std::vector<std::unique_ptr<Row[]>> chunks;
    std::vector<std::uint32_t> free;
    boost::unordered_flat_set<std::uint32_t, ByName, SameName> index{0, ByName{this},
                                                                     SameName{this}};
    [[nodiscard]] Row& row(std::uint32_t i) const noexcept {
      return chunks[i / kChunk][i % kChunk];
    }
  };

  /// A row's name on the stack.
  struct NameBuffer {
    NameBuffer(std::string_view app, std::string_view kind) noexcept;
    [[nodiscard]] std::string_view view() const noexcept { return name; }
    std::string_view name;
    std::array<char, 260> bytes;
  };
  static Key key_of(std::string_view name);
  static std::size_t hash(std::string_view name) noexcept;
  [[nodiscard]] Shard& shard_of(const Sought& sought) const noexcept;
  [[nodiscard]] Row& row(RowId id) const noexcept;
  static void forget_token(Row& row) noexcept;

  std::unique_ptr<Shard[]> shards_;
  std::atomic<std::size_t> size_{0};
};

// What every read goes through stands here, where it can be compiled into the one who reads.

inline std::string_view TokenTable::Name::view() const noexcept {
  const char* target = bytes_.data();
  if (size_ > kInlineName) std::memcpy(&target, bytes_.data(), sizeof target);
  return {target, size_};
}

inline std::size_t TokenTable::hash(std::string_view name) noexcept {
  // FNV-like multiply and a final mix; ids of apps differ in every character, so this is plenty.
  std::uint64_t h = 0x9e3779b97f4a7c15U ^ name.size();
  while (name.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, name.data(), 8);
    h = (h ^ word) * 0xff51afd7ed558ccdU;
    h ^= h >> 32;
    name.remove_prefix(8);
  }
  std::uint64_t rest = 0;
  std::memcpy(&rest, name.data(), name.size());
  h = (h ^ rest) * 0xc4ceb9fe1a85ec53U;
  return h ^ (h >> 29);
}

inline TokenTable::Shard& TokenTable::shard_of(const Sought& sought) const noexcept {
  return shards_[(sought.hash >> kShardShift) % kShards];
}

inline bool TokenTable::SameName::operator()(std::uint32_t a, const Sought& b) const noexcept {
  return shard->row(a).name.view() == b.name;
}

inline Bounds TokenTable::Row::bounds() const noexcept {
  Bounds bounds;
  bounds.renew_at = WallTime(Milliseconds(renew_at));
  bounds.last_end = WallTime(Milliseconds(last_end));
  if (after_renewal >= 0) bounds.after_renewal = Milliseconds(after_renewal);
  return bounds;
}

template <class Use>
bool TokenTable::read(std::string_view app, std::string_view kind, WallTime now,
                      std::int64_t min_ttl, Use&& use) const {
  const NameBuffer name(app, kind);
  const Sought sought(name.view());
  const Shard& shard = shard_of(sought);
  const ReadMostlyMutex::Reading reading(shard.mutex);
  const auto found = shard.index.find(sought);
  if (found == shard.index.end()) return false;
  const Row& row = shard.row(*found);
  if (!row.token) return false;
  const Bounds bounds = row.bounds();
  const std::int64_t promise = bounds.promise(now);
  if (promise < 1) return false;
  if (promise < min_ttl && now >= bounds.renew_at) return false;
  use(TokenView{{row.token.get(), row.token_size},
                promise,
                WallTime(Milliseconds(row.expires_at)),
                row.revision,
                Fingerprint{row.fingerprint},
                kind});
  return true;
}

}  // namespace hufu::keeper
