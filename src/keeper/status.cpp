#include "keeper/status.hpp"

#include <algorithm>

#include "keeper/budget.hpp"

namespace hufu::keeper {
using std::chrono::seconds;

namespace {

/// A million rows are counted in tens of milliseconds, in which the keeper does nothing else: once
/// in so long is enough then, and a little more often while rows come and go, in an import say.
constexpr std::size_t kManyRows = 20'000;
constexpr Milliseconds kBetweenCountsOfMany = seconds(30);
constexpr Milliseconds kBetweenCountsOfChanging = seconds(5);
/// How often it is looked up which tokens are in doubt; of many, as seldom as rows are counted.
constexpr Milliseconds kBetweenLooksAtDoubt = seconds(1);
/// A page that filters looks at so many apps at most; what it did not get to is for the next.
constexpr std::size_t kMostLookedAt = 10'000;

bool fits(StateFilter filter, const TokenStatus& line) {
  switch (filter) {
    case StateFilter::any: return true;
    case StateFilter::fresh: return line.state == TokenState::fresh;
    case StateFilter::stale: return line.state == TokenState::stale;
    case StateFilter::unusable: return line.state == TokenState::unusable;
    case StateFilter::missing: return line.state == TokenState::missing;
    case StateFilter::failing: return line.failure.has_value();
  }
  return false;
}

/// "wx1/jsapi_ticket": no id holds a slash.
std::string cursor_of(const Key& key) { return key.app + "/" + key.kind; }

}  // namespace

StatusPage StatusView::page(const StatusQuery& query) {
  StatusPage page;
  page.counts = query.scope.empty() ? counts() : counts_of(query.scope);
  if (query.limit == 0) return page;
  const auto slash = query.after.find('/');
  const std::string after_app = query.after.substr(0, slash);
  const std::string after_kind = slash == std::string::npos ? "" : query.after.substr(slash + 1);

  // The app of the cursor first: it may have further kinds.
  std::vector<std::string> apps;
  if (!query.app.empty()) {
    apps.push_back(query.app);
  } else if (!after_app.empty()) {
    apps.push_back(after_app);
  }
  std::string last_app = after_app;
  for (std::size_t looked_at = 0;;) {
    for (const std::string& app : apps) {
      last_app = app;
      if (!parts_.apps.is_in_scope(query.scope, app)) {
        ++looked_at;
        continue;
      }
      std::vector<TokenStatus> lines;
      for (const RowHandle row : table().rows_of(app)) lines.push_back(status_of(row));
      std::sort(lines.begin(), lines.end(),
                [](const TokenStatus& a, const TokenStatus& b) { return a.key < b.key; });
      for (TokenStatus& line : lines) {
        ++looked_at;
        if (app == after_app && line.key.kind <= after_kind) continue;
        if (!fits(query.state, line)) continue;
        if (page.tokens.size() == query.limit) {
          page.next = cursor_of(page.tokens.back().key);
          return page;
        }
        page.tokens.push_back(std::move(line));
      }
    }
    if (!query.app.empty()) return page;
    if (looked_at >= kMostLookedAt) {
      page.next = last_app + "/~";  // Behind every kind of that app.
      return page;
    }
    apps = table().ids_after(last_app, std::min<std::size_t>(query.limit + 1, 1000));
    if (apps.empty()) return page;
  }
}

TokenCounts StatusView::counts() {
  // A few rows are counted anew each time, so that a command is told of what it has just done.
  const bool many = table().size() > kManyRows;
  const Milliseconds pause =
      table().size() == counted_rows_ ? kBetweenCountsOfMany : kBetweenCountsOfChanging;
  if (many && counted_at_ != WallTime{} && now() - counted_at_ < pause) return counts_;
  counts_ = {};
  table().for_each([&](RowHandle row) { count(row, counts_); });
  counted_at_ = now();
  counted_rows_ = table().size();
  return counts_;
}

TokenCounts StatusView::counts_of(const Scope& scope) const {
  TokenCounts counts;
  const auto count_app = [&](const std::string& app) {
    for (const RowHandle row : table().rows_of(app)) count(row, counts);
  };
  for (const std::string& entry : scope) {
    if (!entry.ends_with('/')) {
      count_app(entry);
    } else {
      for (const std::string& child : parts_.apps.children_of(entry.substr(0, entry.size() - 1))) {
        count_app(child);
      }
    }
  }
  return counts;
}

void StatusView::count(RowHandle row, TokenCounts& counts) const {
  const RowState state = *table().state(row);
  if (!state.has_token) {
    ++counts.missing;
  } else if (state.bounds.promise(now()) < 1 && !parts_.answers.suspect(row)) {
    ++counts.unusable;
  } else if (now() < state.bounds.renew_at) {
    ++counts.fresh;
  } else {
    ++counts.stale;
  }
  const KeyState* more = parts_.records.states().find(row);
  if (more != nullptr && more->failure) ++counts.failing;
}

TokenStatus StatusView::status_of(RowHandle row) const {
  const RowState present = *table().state(row);
  const KeyState* state = parts_.records.states().find(row);
  TokenStatus line;
  line.key = table().key(row);
  line.issuer = std::string(parts_.records.issuer_of(row).issuer->name());
  line.revision = present.revision;
  line.renew_at = parts_.renewals.due_at(row);
  line.renewing = parts_.renewals.is_in_flight(row);
  line.notice = notice_of(row);
  if (state != nullptr) line.failure = state->failure;
  if (!present.has_token) return line;

  line.fingerprint = present.fingerprint;
  line.obtained_at = present.obtained_at;
  line.expires_at = present.expires_at;
  line.suspect = parts_.answers.is_in_doubt(row);
  const std::int64_t promise = present.bounds.promise(now());
  if (promise >= 1) {
    line.expires_in = seconds(promise);
    line.state = now() < present.bounds.renew_at ? TokenState::fresh : TokenState::stale;
  } else if (const auto suspect = parts_.answers.suspect(row)) {
    line.expires_in = suspect->expires_in;
    line.state = TokenState::stale;
  } else {
    line.state = TokenState::unusable;
  }
  return line;
}

/// What is wrong from outside, in one sentence.
std::string StatusView::notice_of(RowHandle row) const {
  const KeyState* state = parts_.records.states().find(row);
  if (state == nullptr) return {};
  const int deaths = early_deaths(state->budget, now());
  const bool throttled =
      state->known_invalid &&
      throttled_until(state->budget, parts_.records.issuer_of(row).terms.rule, now()) > now();
  if (deaths < kDeathsByOthers && !throttled) return {};
  std::string notice = "another program fetches tokens for " + table().key(row).app;
  if (deaths > 0) {
    notice += ": " + std::to_string(deaths) + (deaths == 1 ? " token" : " tokens") +
              " died before " + (deaths == 1 ? "its" : "their") + " end within a day";
  }
  if (throttled) notice += "; renewals are throttled to one every 30 s";
  return notice + "; find it and let it ask Hufu, or set endpoint to stable";
}

Task<void> StatusView::follow_doubt() {
  while (!parts_.records.loop().stopping()) {
    auto doubtful = std::make_shared<Doubtful>();
    parts_.records.states().for_each([&](RowHandle row, const KeyState&) {
      if (!table().stands(row) || !table().state(row)->is_main) return;
      if (const auto end = parts_.answers.end_in_doubt(row)) doubtful->emplace(row, *end);
    });
    const bool many = doubtful->size() > kManyRows;
    {
      const std::lock_guard lock(doubtful_mutex_);
      doubtful_ = std::move(doubtful);
    }
    co_await parts_.records.loop().sleep(many ? kBetweenCountsOfMany : kBetweenLooksAtDoubt);
  }
}

Health StatusView::health() const {
  std::lock_guard lock(health_mutex_);
  if (health_at_ == WallTime{} || now() - health_at_ >= seconds(1)) {
    std::shared_ptr<const Doubtful> doubtful;
    {
      const std::lock_guard reading(doubtful_mutex_);
      doubtful = doubtful_;
    }
    const auto is_handed_out = [&](RowHandle row) {
      const auto end = doubtful->find(row);
      return end != doubtful->end() && end->second - now() >= seconds(1);
    };
    TokenTable::Census census = table().census(now(), 100, is_handed_out);
    health_.apps = census.apps;
    health_.usable = census.usable;
    health_.without = std::move(census.without);
    health_at_ = now();
  }
  Health health = health_;
  health.store_ok = parts_.records.health().usable();
  return health;
}

}  // namespace hufu::keeper
