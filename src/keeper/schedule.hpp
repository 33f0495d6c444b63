#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "hufu/clock.hpp"
#include "keeper/token_table.hpp"

namespace hufu::keeper {

/// What is due when, so that a million tokens need no million timers. Rows are filed by the minute,
/// at four bytes each, and a minute is sorted when it has come. A row's latest moment counts, which
/// is kept in the table (`TokenTable::due`); older entries are skipped when they come up.
///
/// Thread-safety: the keeper's own thread only.
class Schedule {
 public:
  explicit Schedule(TokenTable& table) : table_(table) {}

  /// The row's next event is at `when`, and at no other moment. WallTime{}: at none.
  void set(RowHandle row, WallTime when) {
    if (!table_.stands(row) || table_.due(row) == when) return;
    table_.set_due(row, when);
    if (when == WallTime{}) return;
    add(row.id, when);
    if (entries_ > 1024 && entries_ > 4 * table_.size()) rebuild();
  }

  /// Takes the next row that is due at `now`, if any.
  bool pop(WallTime now, RowHandle& row) {
    while (!far_.empty() && far_.begin()->first <= now) open_first_minute();
    present_ = std::max(present_, minute_of(now));
    while (!near_.empty() && near_.front().when <= now) {
      const Entry entry = near_.front();
      std::pop_heap(near_.begin(), near_.end(), later);
      near_.pop_back();
      --entries_;
      row = table_.handle_of(entry.row);
      if (table_.due(row) != entry.when) continue;
      table_.set_due(row, WallTime{});
      return true;
    }
    return false;
  }

  /// Nothing is due before this moment: that of the earliest entry, or the beginning of its minute
  /// as long as that has not come. WallTime::max() when there is no entry.
  [[nodiscard]] WallTime next() const noexcept {
    const WallTime near = near_.empty() ? WallTime::max() : near_.front().when;
    return far_.empty() ? near : std::min(near, far_.begin()->first);
  }

  /// Entries, outdated ones included: at most 1024, or four times the rows.
  [[nodiscard]] std::size_t size() const noexcept { return entries_; }

 private:
  struct Entry {
    WallTime when;
    std::uint32_t row;
  };
  static bool later(const Entry& a, const Entry& b) noexcept { return a.when > b.when; }
  static WallTime minute_of(WallTime when) noexcept {
    return std::chrono::floor<std::chrono::minutes>(when);
  }

  void add(std::uint32_t row, WallTime when) {
    ++entries_;
    if (minute_of(when) <= present_) {
      near_.push_back({when, row});
      std::push_heap(near_.begin(), near_.end(), later);
      return;
    }
    std::vector<std::uint32_t>& minute = far_[minute_of(when)];
    // By an eighth, not by half: all that is spare together would be as large as what is used.
    if (minute.size() == minute.capacity()) minute.reserve(minute.size() + minute.size() / 8 + 4);
    minute.push_back(row);
  }

  void open_first_minute() {
    const auto minute = far_.extract(far_.begin());
    present_ = minute.key();
    for (const std::uint32_t row : minute.mapped()) {
      const WallTime when = table_.due(table_.handle_of(row));
      --entries_;
      if (minute_of(when) == minute.key()) add(row, when);
    }
  }

  void rebuild() {
    near_.clear();
    far_.clear();
    entries_ = 0;
    table_.for_each([this](RowHandle row) {
      if (const WallTime when = table_.due(row); when != WallTime{}) add(row.id, when);
    });
  }

  TokenTable& table_;
  std::vector<Entry> near_;                             ///< A heap of the minutes that have come.
  WallTime present_ = WallTime::min();                  ///< The latest of those.
  std::map<WallTime, std::vector<std::uint32_t>> far_;  ///< Rows of later minutes.
  std::size_t entries_ = 0;
};

}  // namespace hufu::keeper
