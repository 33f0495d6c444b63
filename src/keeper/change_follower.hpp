#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "keeper/app_directory.hpp"
#include "keeper/observer.hpp"
#include "keeper/records.hpp"

namespace hufu::keeper {

/// Tells a store that has lost everything again which key seals it; true where it had lost that,
/// too.
using NoteKeyAgain = std::function<void(Done<Result<bool>>)>;

/// What the store says: reads all of it at the start, and follows what changes from then on.
///
/// Not thread-safe: the keeper's own thread only.
class ChangeFollower {
 public:
  struct Parts {
    Records& records;
    AppDirectory& apps;
    Observer& observer;
    std::shared_ptr<TokenStore> store;
    std::shared_ptr<store::Registry> registry;
    NoteKeyAgain note_key_again;  ///< None: nothing of the kind is kept.
  };
  struct Events {
    /// A token that readers are promised is not in the store any more, though its app is.
    std::function<void(RowHandle)> lost_in_store;
    std::function<void(RowHandle)> read;  ///< At the end of a whole reading, for every row.
  };
  explicit ChangeFollower(Parts parts) : parts_(std::move(parts)) {}
  void on(Events events) { events_ = std::move(events); }

  /// Takes in everything. Again after the start: what is not in the store any more goes.
  Task<Result<void>> read_everything();
  /// Returns when the loop stops.
  Task<void> follow();

 private:
  Task<Result<void>> read_again();
  Task<Result<void>> read_apps(bool again);
  Task<Result<void>> read_records(bool again);
  Task<Changes> take(Changes changes);
  [[nodiscard]] TokenTable& table() const noexcept { return parts_.records.table(); }
  [[nodiscard]] EventLoop& loop() const noexcept { return parts_.records.loop(); }

  Parts parts_;
  Events events_;
  std::string cursor_;
  bool read_once_ = false;
  std::size_t apps_gone_ = 0;    ///< In the latest whole reading: are not in the store any more.
  std::size_t tokens_lost_ = 0;  ///< In the latest whole reading: are in memory alone.
};

}  // namespace hufu::keeper
