#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "keeper/observer.hpp"
#include "server/metrics_text.hpp"

namespace hufu::server {

/// Counts what the keeper tells its observer, for /metrics.
///
/// Thread-safety: the keeper's thread tells, any thread may render meanwhile.
class KeeperCounters final : public keeper::Observer {
 public:
  void renewed(const Key& key, keeper::Cause cause, std::uint64_t revision, Fingerprint fingerprint,
               Milliseconds call) override;
  void renewal_failed(const Key& key, keeper::Cause cause, const Error& error,
                      RetryClass retry_class, Milliseconds next) override;
  void called(std::string_view issuer, std::optional<int> errcode) override;
  void waiting(int by) override;
  void commit_failed(const Key& key, const Error& error) override;
  void fenced(const Key& key) override;
  void lease(std::string_view outcome) override;
  void probed(const Key& key, ProbeResult result) override;
  void reported(const Key& key, ReportOutcome outcome) override;
  void unconfirmed(std::uint64_t more) override;
  void clock_stepped(Milliseconds by) override;
  void sink_written(std::string_view kind, keeper::SinkResult result) override;

  void render(MetricsText& text) const;

 private:
  static constexpr std::size_t kCauses = static_cast<std::size_t>(keeper::Cause::operated) + 1;
  static constexpr std::array<std::string_view, 4> kResults = {"renewed", "refused", "unreachable",
                                                               "other"};
  static constexpr std::array<std::string_view, 5> kLeases = {"granted", "held", "newer", "error",
                                                              "other"};
  static constexpr std::array<std::string_view, 3> kProbes = {"alive", "dead", "unknown"};
  static constexpr std::size_t kReports = static_cast<std::size_t>(ReportOutcome::throttled) + 1;
  /// What comes from outside must not fill the memory with series: more kinds, or more codes of
  /// platforms, are counted as "other".
  static constexpr std::size_t kMostKinds = 64;
  static constexpr std::size_t kMostCodes = 200;
  static constexpr std::array<std::string_view, 3> kSinks = {"redis", "file", "mongodb"};
  static constexpr std::size_t kSinkResults = 3;
  static constexpr std::array<int, 8> kBuckets = {50, 100, 250, 500, 1000, 2500, 5000, 10'000};

  using Counter = std::atomic<std::uint64_t>;
  using Renewals = std::array<std::array<std::uint64_t, kResults.size()>, kCauses>;

  void count_renewal(const std::string& kind, keeper::Cause cause, std::size_t result);
  void render_renewals(MetricsText& text) const;
  void render_calls(MetricsText& text) const;

  std::array<Counter, kBuckets.size() + 1> calls_{};  // Not cumulative; the last is +Inf.
  Counter calls_ms_{0};
  std::array<Counter, kLeases.size()> leases_{};
  std::array<Counter, kProbes.size()> probes_{};
  std::array<Counter, kReports> reports_{};
  mutable std::mutex mutex_;  ///< Guards the next two.
  std::map<std::string, Renewals> renewals_{{std::string(kAccessToken), {}}};    // By kind.
  std::map<std::pair<std::string, std::string>, std::uint64_t> platform_calls_;  // Issuer, code.
  std::atomic<std::int64_t> waiters_{0};
  Counter commits_failed_{0};
  Counter fenced_{0};
  Counter unconfirmed_{0};
  Counter clock_steps_{0};
  std::array<std::array<Counter, kSinkResults>, kSinks.size()> sinks_{};
};

}  // namespace hufu::server
