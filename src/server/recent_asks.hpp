#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hufu/clock.hpp"

namespace hufu::server {

/// Who asked for which token a moment ago: an SDK whose token was refused cannot say so on a route
/// of the platform itself, it just asks again.
///
/// A table of fixed size that forgets: each asker (app, credential and address, as one hash) has
/// one place, and whoever hashes to the same place takes it over. So a second ask may go unnoticed
/// while another asker interferes, and the third is noticed. Two askers that agree in 46 bits of
/// their hashes are taken for one; that calls for one check too many of a token, which the keeper
/// bounds anyway. Nothing of a credential can be found out from the table.
///
/// Thread-safety: all members may be called from any thread, without locks. Allocates nothing.
class RecentAsks {
 public:
  /// An ask counts as a second one for so long.
  static constexpr Milliseconds kWindow = std::chrono::seconds(10);
  /// An asker that just asks often is taken at its word once in so long, as the keeper checks a
  /// token no more often.
  static constexpr Milliseconds kRest = std::chrono::seconds(60);
  /// All askers together: a thousand at once, and a hundred a second when that goes on. A program
  /// that keeps no tokens and asks for thousands of apps would have the platform asked about each.
  static constexpr Milliseconds kBetween{10};
  static constexpr Milliseconds kAhead = 1000 * kBetween;

  /// Notes an ask. True if it is the second one within kWindow, the asker was not taken at its word
  /// within kRest, and not too many others were.
  bool asks_again(std::string_view app, std::string_view credential, std::string_view address,
                  SteadyTime now) noexcept;

 private:
  /// Tenths of a second, and the hash's upper half beside them: read and written as one.
  struct Place {
    std::atomic<std::uint64_t> asked{0};
    std::atomic<std::uint32_t> believed{0};  ///< When its asker was last taken at its word.
  };
  static constexpr std::size_t kPlaces = 16 * 1024;

  bool may_believe_another(SteadyTime now) noexcept;

  std::array<Place, kPlaces> places_{};
  /// When all that were believed would have been, one by one kBetween apart.
  std::atomic<SteadyTime> believed_until_{SteadyTime{}};
};

}  // namespace hufu::server
