#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/read_mostly_mutex.hpp"
#include "hufu/clock.hpp"
#include "hufu/token.hpp"
#include "keeper/row_handle.hpp"
#include "keeper/token_memory.hpp"

namespace hufu::keeper {

/// Tokens that a newer one displaced while somebody may still hold them, and whose they were.
///
/// Few at any moment, though many come by: each that comes looks at some others and drops those
/// that have expired. Of one row at most kMostOfRow are kept, the latest.
///
/// Thread-safety: `find` from any thread; the others by the keeper's own thread.
class DisplacedTokens {
 public:
  static constexpr std::size_t kMostOfRow = 4;

  /// `memory` is where the tokens come from and go back to; it outlives this.
  explicit DisplacedTokens(TokenMemory& memory) noexcept : memory_(memory) {}

  /// Takes `token` over, to be found until `until`.
  void add(RowHandle row, StoredToken token, Fingerprint fingerprint, WallTime until, WallTime now);
  /// Wipes all of the row, which is named by `RowHandle::id`.
  void forget(std::uint32_t row);
  /// Compares the whole value, in constant time. Allocates nothing.
  [[nodiscard]] std::optional<RowHandle> find(std::string_view token, Fingerprint fingerprint,
                                              WallTime now) const noexcept;
  /// How many are kept, expired ones included.
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size() - free_.size(); }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::size_t kLookedAt = 4;

  struct Entry {
    StoredToken token;  ///< None in an entry that is free.
    WallTime until{};
    RowHandle row;
    std::uint32_t fingerprint = 0;
    std::uint32_t next_same_fingerprint = kNone;
    std::uint32_t next_older = kNone;  ///< Of the same row.
  };
  /// The first of a chain of entries.
  using Heads = boost::unordered_flat_map<std::uint32_t, std::uint32_t>;

  void drop_some_expired(WallTime now);
  void drop(std::uint32_t entry);
  void unlink(Heads& heads, std::uint32_t key, std::uint32_t Entry::*next, std::uint32_t entry);

  TokenMemory& memory_;
  mutable ReadMostlyMutex mutex_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
  Heads by_fingerprint_;
  Heads by_row_;  ///< The latest of each row, by the row's number.
  std::uint32_t next_looked_at_ = 0;
};

}  // namespace hufu::keeper
