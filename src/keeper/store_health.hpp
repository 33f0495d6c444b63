#pragma once

#include <atomic>
#include <functional>

#include "hufu/error.hpp"
#include "keeper/event_loop.hpp"
#include "keeper/observer.hpp"

namespace hufu::keeper {

/// Whether the store can be used.
///
/// Where a node announces itself, that is judged by two questions that are asked again and again,
/// one that reads and one that writes: what has changed, and the announcement. Whatever else fails
/// may be about one record, and whatever else succeeds may be a lucky moment of a disk that is
/// full: it only brings the next announcement nearer. But a read that is kept waiting before it
/// fails is about the store. Where nobody announces, everything counts.
///
/// Thread-safety: `usable` may be called from any thread, everything else is the keeper's own.
class StoreHealth {
 public:
  StoreHealth(EventLoop& loop, Observer& observer, bool announces)
      : loop_(loop), observer_(observer), announces_(announces) {}

  /// Called when an announcement is called for at once.
  void on_doubt(std::function<void()> announce) { announce_ = std::move(announce); }

  [[nodiscard]] bool announces() const noexcept { return announces_; }
  [[nodiscard]] bool usable() const noexcept { return usable_; }
  [[nodiscard]] bool readable() const noexcept { return readable_; }
  [[nodiscard]] bool writable() const noexcept { return writable_; }

  // The outcome of a question; null: it was answered.
  void changes_read(const Error* error) { note(readable_, error); }
  void announced(const Error* error) { note(writable_, error); }
  void written(const Error* error);
  /// `asked` is when the read began.
  void record_read(const Error* error, SteadyTime asked);

 private:
  void note(bool& part, const Error* error);

  EventLoop& loop_;
  Observer& observer_;
  const bool announces_;
  std::function<void()> announce_;
  bool readable_ = true;
  bool writable_ = true;
  std::atomic<bool> usable_{true};
};

}  // namespace hufu::keeper
