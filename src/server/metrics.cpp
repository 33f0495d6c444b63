#include "server/metrics.hpp"

#include <algorithm>
#include <utility>

namespace hufu::server {

namespace {

/// Where `code` stands in a fixed list whose last place is for all others.
template <std::size_t N>
constexpr std::size_t place_of(int code, const std::array<int, N>& codes) noexcept {
  std::size_t place = 0;
  while (place + 1 < N && codes[place] != code) ++place;
  return place;
}

template <std::size_t N>
std::string name_of_place(std::size_t place, const std::array<int, N>& codes) {
  return place + 1 == N ? "other" : std::to_string(codes[place]);
}

/// Each once and in order.
std::vector<std::string> in_order(std::vector<std::string> codes) {
  std::sort(codes.begin(), codes.end());
  codes.erase(std::unique(codes.begin(), codes.end()), codes.end());
  return codes;
}

void render_health(MetricsText& text, const Metrics::Snapshot& snapshot) {
  text.metric("hufu_build_info", "gauge", "Always 1; the version is in the label.")
      .value(1, {{"version", snapshot.version}});
  text.metric("hufu_time_seconds", "gauge", "The wall clock that tokens are judged by.")
      .seconds(snapshot.now.time_since_epoch());
  text.metric("hufu_started", "gauge", "1 once everything in the store has been read in.")
      .value(snapshot.health.started ? 1 : 0);
  text.metric("hufu_store_up", "gauge",
              "1 if the store could be read and written when it was last tried.")
      .value(snapshot.health.store_ok ? 1 : 0);
  text.metric("hufu_apps", "gauge", "Apps that are known.").value(snapshot.health.apps);
  text.metric("hufu_apps_usable", "gauge", "Apps whose access token can be handed out.")
      .value(snapshot.health.usable);
  text.metric("hufu_api_keys", "gauge", "API keys that are known.").value(snapshot.api_keys);
  text.metric("hufu_log_lines_dropped_total", "counter", "Log lines that could not be written.")
      .value(snapshot.log_lines_dropped);
}

void render_counts(MetricsText& text, const keeper::TokenCounts& counts) {
  text.metric("hufu_tokens", "gauge", "Tokens of all kinds, by state.");
  for (auto [state, count] :
       {std::pair(TokenState::fresh, counts.fresh), std::pair(TokenState::stale, counts.stale),
        std::pair(TokenState::unusable, counts.unusable),
        std::pair(TokenState::missing, counts.missing)}) {
    text.value(count, {{"state", name_of(state)}});
  }
  text.metric("hufu_tokens_failing", "gauge", "Tokens whose last renewal failed.")
      .value(counts.failing);
}

void render_tokens(MetricsText& text, const std::vector<TokenStatus>& tokens) {
  text.metric("hufu_token_state", "gauge", "1 for the state that each token is in.");
  for (const TokenStatus& token : tokens) {
    text.value(1,
               {{"app", token.key.app}, {"kind", token.key.kind}, {"state", name_of(token.state)}});
  }
  text.metric("hufu_token_expires_timestamp_seconds", "gauge", "The platform's own end.");
  for (const TokenStatus& token : tokens) {
    if (token.state == TokenState::missing) continue;
    text.seconds(token.expires_at.time_since_epoch(),
                 {{"app", token.key.app}, {"kind", token.key.kind}});
  }
  text.metric("hufu_token_last_success_timestamp_seconds", "gauge", "When it was obtained.");
  for (const TokenStatus& token : tokens) {
    if (token.state == TokenState::missing) continue;
    text.seconds(token.obtained_at.time_since_epoch(),
                 {{"app", token.key.app}, {"kind", token.key.kind}});
  }
  text.metric("hufu_token_failures", "gauge", "Renewals that failed in a row.");
  for (const TokenStatus& token : tokens) {
    text.value(token.failure ? static_cast<std::uint64_t>(token.failure->failures) : 0,
               {{"app", token.key.app}, {"kind", token.key.kind}});
  }
}

}  // namespace

Metrics::Metrics(std::vector<std::string> labels, std::vector<std::string> codes)
    : labels_(std::move(labels)), codes_(in_order(std::move(codes))), drop_in_(codes_.size() + 1) {
  if (labels_.size() > kMostRoutes) std::abort();  // Or counters would be written past their end.
}

Metrics::Stripe& Metrics::my_stripe() noexcept {
  static std::atomic<std::size_t> threads{0};
  thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed);
  return stripes_[mine % kStripes];
}

void Metrics::answered_at_once(std::size_t route, int status) noexcept {
  my_stripe().requests[route][place_of(status, kStatuses)].fetch_add(1, std::memory_order_relaxed);
}

void Metrics::answered_later(std::size_t route, int status, Milliseconds took) noexcept {
  answered_at_once(route, status);  // First: see render_durations.
  auto bucket = std::lower_bound(kBuckets.begin(), kBuckets.end(), took.count());
  later_[static_cast<std::size_t>(bucket - kBuckets.begin())].fetch_add(1,
                                                                        std::memory_order_release);
  later_ms_.fetch_add(static_cast<std::uint64_t>(std::max<Milliseconds::rep>(took.count(), 0)),
                      std::memory_order_relaxed);
}

void Metrics::drop_in_error(std::string_view code) noexcept {
  const auto known = std::lower_bound(codes_.begin(), codes_.end(), code);
  const bool is_known = known != codes_.end() && *known == code;
  const auto place = is_known ? known - codes_.begin() : codes_.end() - codes_.begin();
  drop_in_[static_cast<std::size_t>(place)].fetch_add(1, std::memory_order_relaxed);
}

void Metrics::asked_again() noexcept { asked_again_.fetch_add(1, std::memory_order_relaxed); }

std::uint64_t Metrics::requests(std::size_t route, std::size_t status) const noexcept {
  std::uint64_t sum = 0;
  for (const Stripe& stripe : stripes_) {
    sum += stripe.requests[route][status].load(std::memory_order_relaxed);
  }
  return sum;
}

void Metrics::render_requests(MetricsText& text) const {
  text.metric("hufu_http_requests_total", "counter", "Answers, by route and HTTP status.");
  for (std::size_t route = 0; route <= labels_.size(); ++route) {
    for (std::size_t status = 0; status < kStatuses.size(); ++status) {
      std::uint64_t count = requests(route, status);
      if (count == 0) continue;
      text.value(count, {{"route", route < labels_.size() ? labels_[route] : "other"},
                         {"status", name_of_place(status, kStatuses)}});
    }
  }
}

void Metrics::render_durations(MetricsText& text) const {
  // Read before the sum of all answers, which then is not smaller, whatever comes in between.
  std::array<std::uint64_t, kBuckets.size() + 1> later{};
  std::uint64_t all_later = 0;
  for (std::size_t i = 0; i < later.size(); ++i) {
    later[i] = later_[i].load(std::memory_order_acquire);
    all_later += later[i];
  }
  std::uint64_t all = 0;
  for (std::size_t route = 0; route <= labels_.size(); ++route) {
    for (std::size_t status = 0; status < kStatuses.size(); ++status) {
      all += requests(route, status);
    }
  }

  text.metric("hufu_http_request_duration_seconds", "histogram",
              "Time to the answer; one that needed no waiting counts as none.");
  std::uint64_t below = all - all_later;
  for (std::size_t i = 0; i < kBuckets.size(); ++i) {
    below += later[i];
    text.bucket(below, Milliseconds(kBuckets[i]));
  }
  text.value(all, {{"le", "+Inf"}}, "_bucket");
  text.seconds(Milliseconds(later_ms_.load(std::memory_order_relaxed)), {}, "_sum");
  text.value(all, {}, "_count");
}

void Metrics::render_drop_in(MetricsText& text) const {
  text.metric("hufu_dropin_errors_total", "counter",
              "Errors on the platforms' own routes, mostly HTTP 200, by the platform's code.");
  for (std::size_t i = 0; i < drop_in_.size(); ++i) {
    const std::uint64_t count = drop_in_[i].load(std::memory_order_relaxed);
    if (count > 0) text.value(count, {{"errcode", i < codes_.size() ? codes_[i] : "other"}});
  }
  text.metric("hufu_asked_again_total", "counter",
              "Tokens that were checked because somebody asked for them twice within seconds.")
      .value(asked_again_.load(std::memory_order_relaxed));
}

std::string Metrics::render(const Snapshot& snapshot) const {
  MetricsText text;
  render_health(text, snapshot);
  if (snapshot.keeper != nullptr) snapshot.keeper->render(text);
  render_counts(text, snapshot.counts);
  render_tokens(text, snapshot.tokens);
  render_requests(text);
  render_durations(text);
  render_drop_in(text);
  return text.take();
}

}  // namespace hufu::server
