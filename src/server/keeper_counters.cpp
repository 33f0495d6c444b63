#include "server/keeper_counters.hpp"

#include <algorithm>
#include <string>

namespace hufu::server {
namespace {

void count(std::atomic<std::uint64_t>& counter) noexcept {
  counter.fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t value_of(const std::atomic<std::uint64_t>& counter) noexcept {
  return counter.load(std::memory_order_relaxed);
}

std::size_t result_of(Fault fault) noexcept {
  switch (fault) {
    case Fault::refused: return 1;
    case Fault::unreachable: return 2;
    default: return 3;
  }
}

/// The parts of an issuer's name, "platform/endpoint/kind"; most platforms have no endpoints.
struct IssuerName {
  explicit IssuerName(std::string_view name) {
    const std::size_t first = name.find('/');
    const std::size_t last = name.rfind('/');
    platform = name.substr(0, first);
    if (first == std::string_view::npos) return;
    kind = name.substr(last + 1);
    if (first < last) endpoint = name.substr(first + 1, last - first - 1);
  }
  std::string_view platform;
  std::string_view endpoint;
  std::string_view kind;
};

}  // namespace

void KeeperCounters::count_renewal(const std::string& kind, keeper::Cause cause,
                                   std::size_t result) {
  std::lock_guard lock(mutex_);
  const bool fits = renewals_.size() < kMostKinds || renewals_.contains(kind);
  ++renewals_[fits ? kind : "other"][static_cast<std::size_t>(cause)][result];
}

void KeeperCounters::renewed(const Key& key, keeper::Cause cause, std::uint64_t /*revision*/,
                             Fingerprint /*fingerprint*/, Milliseconds call) {
  count_renewal(key.kind, cause, 0);
  auto bucket = std::lower_bound(kBuckets.begin(), kBuckets.end(), call.count());
  count(calls_[static_cast<std::size_t>(bucket - kBuckets.begin())]);
  calls_ms_.fetch_add(static_cast<std::uint64_t>(std::max(call, Milliseconds(0)).count()),
                      std::memory_order_relaxed);
}

void KeeperCounters::renewal_failed(const Key& key, keeper::Cause cause, const Error& error,
                                    RetryClass /*retry_class*/, Milliseconds /*next*/) {
  count_renewal(key.kind, cause, result_of(error.fault));
}

void KeeperCounters::called(std::string_view issuer, std::optional<int> errcode) {
  std::pair place(std::string(issuer), errcode ? std::to_string(*errcode) : "none");
  std::lock_guard lock(mutex_);
  if (platform_calls_.size() >= kMostCodes && !platform_calls_.contains(place)) {
    place.second = "other";
  }
  ++platform_calls_[std::move(place)];
}

void KeeperCounters::waiting(int by) { waiters_.fetch_add(by, std::memory_order_relaxed); }

void KeeperCounters::commit_failed(const Key& /*key*/, const Error& /*error*/) {
  count(commits_failed_);
}

void KeeperCounters::fenced(const Key& /*key*/) { count(fenced_); }

void KeeperCounters::lease(std::string_view outcome) {
  auto found = std::find(kLeases.begin(), kLeases.end() - 1, outcome);
  count(leases_[static_cast<std::size_t>(found - kLeases.begin())]);
}

void KeeperCounters::probed(const Key& /*key*/, ProbeResult result) {
  count(probes_[static_cast<std::size_t>(result)]);
}

void KeeperCounters::reported(const Key& /*key*/, ReportOutcome outcome) {
  count(reports_[static_cast<std::size_t>(outcome)]);
}

void KeeperCounters::unconfirmed(std::uint64_t more) {
  unconfirmed_.fetch_add(more, std::memory_order_relaxed);
}

void KeeperCounters::clock_stepped(Milliseconds /*by*/) { count(clock_steps_); }

void KeeperCounters::sink_written(std::string_view kind, keeper::SinkResult result) {
  const auto* found = std::find(kSinks.begin(), kSinks.end(), kind);
  if (found == kSinks.end()) return;
  count(sinks_[static_cast<std::size_t>(found - kSinks.begin())][static_cast<std::size_t>(result)]);
}

void KeeperCounters::render_renewals(MetricsText& text) const {
  text.metric("hufu_token_refresh_total", "counter",
              "Renewals, by kind, how they ended and why begun.");
  std::lock_guard lock(mutex_);
  for (const auto& [kind, renewals] : renewals_) {
    for (std::size_t cause = 0; cause < kCauses; ++cause) {
      for (std::size_t result = 0; result < kResults.size(); ++result) {
        text.value(renewals[cause][result],
                   {{"kind", kind},
                    {"result", kResults[result]},
                    {"reason", name_of(static_cast<keeper::Cause>(cause))}});
      }
    }
  }
}

void KeeperCounters::render_calls(MetricsText& text) const {
  text.metric("hufu_platform_requests_total", "counter",
              "Calls for a token, by who issues it and errcode; code 0 brought one, none had no "
              "answer with a code.");
  std::lock_guard lock(mutex_);
  for (const auto& [place, calls] : platform_calls_) {
    const IssuerName issuer(place.first);
    text.value(calls, {{"platform", issuer.platform},
                       {"endpoint", issuer.endpoint},
                       {"kind", issuer.kind},
                       {"code", place.second}});
  }
}

void KeeperCounters::render(MetricsText& text) const {
  render_renewals(text);
  text.metric("hufu_token_refresh_duration_seconds", "histogram",
              "Time the platform took for a call that brought a token.");
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kBuckets.size(); ++i) {
    below += value_of(calls_[i]);
    text.bucket(below, Milliseconds(kBuckets[i]));
  }
  below += value_of(calls_.back());
  text.value(below, {{"le", "+Inf"}}, "_bucket");
  text.seconds(Milliseconds(value_of(calls_ms_)), {}, "_sum").value(below, {}, "_count");

  render_calls(text);
  text.metric("hufu_singleflight_waiters", "gauge", "Callers who wait for a renewal in flight.")
      .value(static_cast<std::uint64_t>(
          std::max<std::int64_t>(0, waiters_.load(std::memory_order_relaxed))));

  text.metric("hufu_lease_acquire_total", "counter", "Attempts to get the right to renew.");
  for (std::size_t i = 0; i < kLeases.size(); ++i) {
    text.value(value_of(leases_[i]), {{"result", kLeases[i]}});
  }
  text.metric("hufu_fence_rejected_total", "counter",
              "Calls that came back, or were given up, after somebody else had taken the lease.")
      .value(value_of(fenced_));
  text.metric("hufu_commit_failed_total", "counter",
              "New tokens that could not be stored and are served from memory.")
      .value(value_of(commits_failed_));
  text.metric("hufu_store_unconfirmed_total", "counter",
              "Leases and tokens that fewer replicas confirmed in time than the store waits for.")
      .value(value_of(unconfirmed_));
  text.metric("hufu_report_total", "counter", "Reports that a token was refused, by outcome.");
  for (std::size_t i = 0; i < kReports; ++i) {
    text.value(value_of(reports_[i]), {{"outcome", name_of(static_cast<ReportOutcome>(i))}});
  }
  text.metric("hufu_probe_total", "counter",
              "Calls that asked the platform whether a token lives.");
  for (std::size_t i = 0; i < kProbes.size(); ++i) {
    text.value(value_of(probes_[i]), {{"result", kProbes[i]}});
  }
  text.metric("hufu_clock_steps_total", "counter", "Times the wall clock was set while running.")
      .value(value_of(clock_steps_));
  text.metric("hufu_sink_writes_total", "counter", "Attempts to bring sinks up to date.");
  for (std::size_t kind = 0; kind < kSinks.size(); ++kind) {
    for (std::size_t result = 0; result < kSinkResults; ++result) {
      text.value(value_of(sinks_[kind][result]),
                 {{"sink", kSinks[kind]},
                  {"result", keeper::name_of(static_cast<keeper::SinkResult>(result))}});
    }
  }
}

}  // namespace hufu::server
