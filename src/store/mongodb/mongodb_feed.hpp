#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "hufu/clock.hpp"
#include "store/mongodb/mongodb_bson.hpp"

namespace hufu::store {

/// How far a process that follows the changes of a database has got.
///
/// Every document of Hufu's carries the stamp that the server gave to its latest write, in the same
/// step as the write itself: nothing is handed out before, so nothing can be lost in between. What
/// is new is what has a stamp that was not reported yet. Two things make that harder than "greater
/// than the greatest one seen":
/// - A write becomes visible a moment after it got its stamp, so of two writers the one with the
///   smaller stamp may be seen later. So a poll goes back `kWindow` behind the greatest stamp, and
///   what was reported within that window is remembered, in the cursor. A write takes
///   `kLongestWrite` at most, or the server gives it up (maxTimeMS).
/// - The server's clock may jump. Forward: a poll never begins beyond the greatest stamp that the
///   poll before it saw, so a write that was under way during the jump is still found. Back (a
///   server that keeps no logical clock across a restart): where its present lies behind the
///   greatest stamp, the poll begins before that present.
/// Where nothing has been written for `kWindow`, the poll begins at the greatest stamp itself and
/// finds nothing. A replica set says that of itself: it shows what a majority has, in the order in
/// which it was written, and that may stand still for longer than any window, with one of two
/// writers seen and the other one not yet. So there it counts how far the majority has got, and not
/// how late it is. Nor does its clock, on which stamps are made, ever go back.
///
/// Not thread-safe: a plain value.
class FeedCursor {
 public:
  static constexpr Milliseconds kWindow = std::chrono::seconds(10);
  static constexpr Milliseconds kLongestWrite = std::chrono::seconds(5);
  /// How old what is known of the server's clock may be.
  static constexpr Milliseconds kClockAge = std::chrono::seconds(30);
  /// So much is remembered of what was reported. What falls out is reported twice.
  static constexpr std::size_t kMemory = 2048;

  /// Of a process that knows everything up to now: `newest` is the greatest stamp there is.
  FeedCursor(std::string database, Stamp newest, WallTime server_now);
  FeedCursor(std::string database, Stamp newest, Stamp settled);
  /// Reads what `text` wrote; nothing where it is something else, or of another database.
  static std::optional<FeedCursor> parse(std::string_view text, const std::string& database);
  [[nodiscard]] std::string text() const;

  /// A poll is for stamps greater than this.
  [[nodiscard]] Stamp poll_after() const { return low_; }
  /// Takes a document that the poll found; false if this write of it was reported before.
  bool report(std::string_view id, Stamp stamp);
  /// Ends a poll, which saw everything that there was when it began. `server_now`: not later than
  /// the server's present moment when it began.
  void advance(WallTime server_now);
  /// The same on a replica set: a majority had everything up to `settled` when the poll began.
  void advance(Stamp settled);

 private:
  FeedCursor() = default;
  [[nodiscard]] Stamp start_of_next(Stamp now) const;
  void end_poll(Stamp low);

  std::string database_;
  Stamp low_ = 0;
  Stamp high_ = 0;  ///< The greatest stamp seen.
  Stamp seen_ = 0;  ///< `high_` as it will be after this poll.
  /// By stamp, with a hash of the document: a server that was restarted may give one twice.
  std::multimap<Stamp, std::uint32_t> reported_;
};

}  // namespace hufu::store
