#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "hufu/clock.hpp"
#include "keeper/token_table.hpp"

namespace hufu::keeper {

/// What is due when: a heap of (moment, row), 16 bytes an entry, so that a million tokens need no
/// million timers. A row's latest entry counts; older ones are skipped when they come up, by
/// comparing with `TokenTable::due`. Not thread-safe: the keeper's own thread only.
class Schedule {
 public:
  explicit Schedule(TokenTable& table) : table_(table) {}

  /// The row's next event is at `when`, and at no other moment.
  void set(RowHandle row, WallTime when) {
    if (!table_.stands(row) || table_.due(row) == when) return;
    table_.set_due(row, when);
    heap_.push_back({when, row});
    std::push_heap(heap_.begin(), heap_.end(), later);
    if (heap_.size() > 1024 && heap_.size() > 4 * table_.size()) drop_outdated();
  }

  /// Takes the next row that is due at `now`, if any.
  bool pop(WallTime now, RowHandle& row) {
    while (!heap_.empty() && heap_.front().when <= now) {
      const Entry entry = heap_.front();
      std::pop_heap(heap_.begin(), heap_.end(), later);
      heap_.pop_back();
      if (table_.due(entry.row) != entry.when) continue;
      table_.set_due(entry.row, WallTime{});
      row = entry.row;
      return true;
    }
    return false;
  }

  /// The moment of the earliest entry; WallTime::max() when there is none.
  [[nodiscard]] WallTime next() const noexcept {
    return heap_.empty() ? WallTime::max() : heap_.front().when;
  }

  /// Entries, outdated ones included: at most 1024, or four times the rows.
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }

 private:
  struct Entry {
    WallTime when;
    RowHandle row;
  };
  static bool later(const Entry& a, const Entry& b) noexcept { return a.when > b.when; }
  void drop_outdated() {
    std::erase_if(heap_, [&](const Entry& entry) { return table_.due(entry.row) != entry.when; });
    std::make_heap(heap_.begin(), heap_.end(), later);
  }

  TokenTable& table_;
  std::vector<Entry> heap_;
};

}  // namespace hufu::keeper
