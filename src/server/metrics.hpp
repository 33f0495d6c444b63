#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/keeper.hpp"
#include "keeper/async_keeper.hpp"
#include "server/keeper_counters.hpp"
#include "server/metrics_text.hpp"

namespace hufu::server {

/// What the server counts about itself, and the page of everything that is shown.
///
/// Thread-safety: all members may be called from any thread. `answered_at_once` is a few
/// nanoseconds: one relaxed increment of a number that few other threads write. It reads no clock:
/// a handler never blocks, so what it answers at once counts as having taken no time.
class Metrics {
 public:
  /// More apps than this, and only the sums over all of them are shown, not a series for each.
  static constexpr std::size_t kMostApps = 1000;
  /// The counters have room for so many.
  static constexpr std::size_t kMostRoutes = 128;

  /// `labels` names the routes, at most kMostRoutes, "GET /v1/apps" for one; a request that matched
  /// none is counted under the index `labels.size()`. `codes`: of errors on the platforms' own
  /// routes, those that get a series each.
  explicit Metrics(std::vector<std::string> labels, std::vector<std::string> codes = {});

  void answered_at_once(std::size_t route, int status) noexcept;
  void answered_later(std::size_t route, int status, Milliseconds took) noexcept;
  /// An error on a platform's own route, where it mostly hides behind HTTP 200.
  void drop_in_error(std::string_view code) noexcept;
  /// Somebody asked again, so the token was checked: see RecentAsks.
  void asked_again() noexcept;

  /// What a scrape shows besides: read at the moment of the scrape.
  struct Snapshot {
    std::string_view version;
    WallTime now{};
    keeper::Health health;
    const KeeperCounters* keeper = nullptr;  ///< May be none.
    std::size_t api_keys = 0;
    keeper::TokenCounts counts;
    std::uint64_t log_lines_dropped = 0;
    std::vector<TokenStatus> tokens;  ///< Empty where there are more than kMostApps apps.
  };
  [[nodiscard]] std::string render(const Snapshot& snapshot) const;

 private:
  // A fixed list, so that a series is an index and nobody from outside can make new ones. The last
  // of each stands for all others.
  static constexpr std::array kStatuses = {200, 201, 204, 304, 400, 401, 403, 404,
                                           405, 409, 413, 429, 500, 503, 0};
  static constexpr std::array kBuckets = {1, 5, 10, 50, 100, 500, 1000, 5000, 10'000, 60'000};
  static constexpr std::size_t kStripes = 8;

  using Counter = std::atomic<std::uint64_t>;
  /// Threads write different stripes where they can; a scrape adds them up.
  struct alignas(64) Stripe {
    std::array<std::array<Counter, kStatuses.size()>, kMostRoutes + 1> requests{};
  };
  Stripe& my_stripe() noexcept;
  [[nodiscard]] std::uint64_t requests(std::size_t route, std::size_t status) const noexcept;

  void render_requests(MetricsText& text) const;
  void render_durations(MetricsText& text) const;
  void render_drop_in(MetricsText& text) const;

  std::vector<std::string> labels_;
  std::array<Stripe, kStripes> stripes_;
  const std::vector<std::string> codes_;  ///< In order; known from the start, as the statuses are.
  std::vector<Counter> drop_in_;          ///< By place in codes_; the last is for all others.
  Counter asked_again_{0};
  std::array<Counter, kBuckets.size() + 1> later_{};  // Not cumulative; the last is +Inf.
  Counter later_ms_{0};
};

}  // namespace hufu::server
