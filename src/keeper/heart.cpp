#include "keeper/heart.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <unordered_set>
#include <utility>

#include "keeper/await.hpp"
#include "keeper/backoff.hpp"
#include "keeper/budget.hpp"

namespace hufu::keeper {
namespace asio = boost::asio;
using std::chrono::seconds;

namespace {

/// Never-fetched tokens are fetched at most 50 times a second (SPEC.md, promise 7). This is 45,
/// since those that a busy moment has held up go together.
constexpr Milliseconds kBetweenFirstFetches{22};
constexpr Milliseconds kBetweenChanges{250};
/// A store that lets one wait so long for a refusal has not looked: it does not answer.
constexpr Milliseconds kSilence = seconds(1);
/// How often to look whether a token has been stored at last, before which it is not renewed.
constexpr Milliseconds kUntilSaved = seconds(15);
/// A record from further ahead than this was written under another wall clock.
constexpr Milliseconds kClockTolerance{5000};

}  // namespace

Heart::Heart(asio::io_context& loop, Parts parts)
    : loop_(loop),
      parts_(std::move(parts)),
      clock_(*parts_.clock),
      observer_(*parts_.observer),
      origin_(clock_.steady() - clock_.wall().time_since_epoch()) {}

Heart::~Heart() = default;

// ---- start and stop

void Heart::start(Done<Result<void>> done) {
  enter<Result<void>>(std::move(done), [this] { return begin_work(); });
}

Heart::Task<Result<void>> Heart::begin_work() {
  if (auto taken = take_config_apps(std::move(parts_.apps)); !taken) co_return taken;
  if (auto known = co_await keep_to_store_clock(); !known) co_return known;
  if (parts_.background) {
    auto read = co_await read_store();
    if (!read) co_return read;
    spawn(follow_changes());
    if (parts_.cluster) spawn(announce());
    watch_clock();
  }
  started_ = true;
  co_return Result<void>();
}

namespace {

/// Carries rows from the store's thread to the loop in batches: a million of them must neither be
/// posted one by one nor pile up in memory where the store is the faster of the two. What was taken
/// goes back to be destroyed by the thread that made it, for whose allocator that is far cheaper.
template <class Row>
class BatchQueue : public std::enable_shared_from_this<BatchQueue<Row>> {
 public:
  BatchQueue(asio::io_context& loop, std::function<void(Row&)> take)
      : loop_(loop), take_(std::move(take)) {}

  /// Waits for the loop while the belt is full; on the loop's own thread it never does.
  template <class... Parts>
  void put(Parts&&... parts) {
    batch_.emplace_back(std::forward<Parts>(parts)...);
    if (batch_.size() == kBatch) send();
  }
  /// Sends what has been put since the last full batch.
  void send() {
    std::vector<Row> next;
    {
      std::unique_lock lock(mutex_);
      if (!loop_.get_executor().running_in_this_thread()) {
        room_.wait(lock, [this] { return on_the_way_ < kMostBatches; });
      }
      ++on_the_way_;
      next.swap(taken_);
    }
    next.clear();
    next.swap(batch_);
    asio::post(loop_, [self = this->shared_from_this(), full = std::move(next)]() mutable {
      self->unload(std::move(full));
    });
  }

 private:
  static constexpr std::size_t kBatch = 2048;
  static constexpr std::size_t kMostBatches = 4;

  void unload(std::vector<Row> batch) {
    for (Row& row : batch) take_(row);
    {
      std::lock_guard lock(mutex_);
      --on_the_way_;
      batch.swap(taken_);
    }
    room_.notify_one();
  }

  asio::io_context& loop_;
  std::function<void(Row&)> take_;
  std::vector<Row> batch_;  // Of the store's thread.
  std::mutex mutex_;
  std::condition_variable room_;
  std::size_t on_the_way_ = 0;
  std::vector<Row> taken_;
};

}  // namespace

Heart::Task<Result<void>> Heart::read_store() {
  // The cursor first: what changes while everything is read is then told afterwards.
  auto changes = co_await await<Result<Changes>>(
      [this](auto done) { parts_.tokens->changes({}, std::move(done)); });
  if (!changes) co_return tl::unexpected(changes.error());

  if (parts_.registry) {
    std::unordered_set<std::string> present;
    auto apps = std::make_shared<BatchQueue<store::AppRow>>(loop_, [&](store::AppRow& row) {
      if (started_) present.insert(row.id);
      take_app(row);
    });
    auto scan = [this, apps](Done<Result<void>> done) {
      parts_.registry->scan_apps([apps](store::AppRow&& row) { apps->put(std::move(row)); },
                                 [apps, done = std::move(done)](Result<void> read) {
                                   apps->send();
                                   done(std::move(read));
                                 });
    };
    auto read = co_await await<Result<void>>(std::move(scan));
    if (!read) co_return read;
    // When everything is read again, the apps that went meanwhile are those that were not seen.
    std::vector<std::string> gone;
    if (started_) {
      table_.for_each([&](RowId row) {
        std::string app = table_.outline(row)->key.app;
        if (!present.contains(app) && !config_secrets_.contains(app))
          gone.push_back(std::move(app));
      });
    }
    for (const std::string& app : gone) {
      if (!co_await reload_app(app)) co_return hufu::fail(Fault::store, "an app could not be read");
    }
  }

  using Entry = std::pair<Key, Record>;
  auto tokens = std::make_shared<BatchQueue<Entry>>(
      loop_, [this](Entry& entry) { take_record(entry.first, entry.second); });
  auto scan = [this, tokens](Done<Result<void>> done) {
    parts_.tokens->scan(
        [tokens](Key&& key, Record&& record) { tokens->put(std::move(key), std::move(record)); },
        [tokens, done = std::move(done)](Result<void> read) {
          tokens->send();
          done(std::move(read));
        });
  };
  auto read = co_await await<Result<void>>(std::move(scan));
  if (!read) co_return read;
  // Whoever has a record was planned with it, while the store read on.
  table_.for_each([this](RowId row) {
    if (table_.due(row) == WallTime{}) reschedule(row);
  });
  cursor_ = std::move(changes->cursor);
  co_return Result<void>();
}

/// A record of an app that is known; what belongs to no app is left alone.
void Heart::take_record(const Key& key, const Record& record) {
  auto row = table_.find(key);
  if (!row && key.kind != kAccessToken) {
    // A kind that somebody asked for before; its app tells which issuer it has now.
    const auto app = table_.find(Key{key.app});
    if (!app) return;
    const AppFacts facts = table_.outline(*app)->facts;
    const KnownIssuer& parent = issuers_[facts.issuer];
    const auto issuer = issuer_index(parent.platform, parent.endpoint, key.kind);
    if (!issuer) return;
    row = table_.put(key, {*issuer, false, facts.from_config, facts.tag});
  }
  if (row) adopt(*row, record);
}

void Heart::stop(std::function<void()> done) {
  asio::post(loop_, [this, done = std::move(done)]() mutable {
    stopping_ = true;
    stopped_ = std::move(done);
    waiting_room_.clear();
    // Whoever sleeps wakes up and sees that it is over.
    for (auto& [when, run] : std::exchange(timers_, {})) asio::post(loop_, std::move(run));
    if (tasks_ == 0) std::exchange(stopped_, nullptr)();
  });
}

void Heart::spawn(Task<void> task) {
  ++tasks_;
  asio::co_spawn(loop_, std::move(task), [this](const std::exception_ptr& bug) {
    if (bug) std::rethrow_exception(bug);  // No exception crosses a folder: this is a bug.
    --tasks_;
    if (stopping_ && tasks_ == 0 && stopped_) std::exchange(stopped_, nullptr)();
  });
}

// ---- the loop

WallTime Heart::run_due() {
  const WallTime moment = now();
  while (!timers_.empty() && timers_.begin()->first <= moment) {
    auto run = std::move(timers_.extract(timers_.begin()).mapped());
    run();
  }
  RowId row = 0;
  while (!stopping_ && schedule_.pop(moment, row)) on_due(row);
  const WallTime timer = timers_.empty() ? WallTime::max() : timers_.begin()->first;
  return stopping_ ? timer : std::min(timer, schedule_.next());
}

void Heart::at(WallTime when, std::function<void()> run) {
  timers_.emplace(stopping_ ? WallTime{} : when, std::move(run));
  if (rescheduled_) rescheduled_();
}

Heart::Task<void> Heart::sleep(Milliseconds span) {
  if (stopping_) co_return;
  const WallTime until = now() + span;
  co_await await<bool>(
      [this, until](Done<bool> done) { at(until, [done = std::move(done)] { done(true); }); });
}

WallTime Heart::due_at(RowId row) const {
  const Record record = known(row);
  const KnownIssuer& issuer = issuer_of(row);
  WallTime due = next_attempt(record, issuer.terms, left_issuer(row));
  if (const Case* file = case_at(row); file != nullptr && file->condemned) {
    // Dead: no plan and no promise stands in the way, only patience.
    due = WallTime{};
    if (record.failure) {
      due = record.failure->next_attempt_at;
      if (due - record.failure->at <= seconds(60)) {
        // It was rolled while there was a usable token; without one the patience is shorter.
        due = std::min(due, record.failure->at + delay_after(record.failure->failures,
                                                             RetryClass::backoff, true, 1));
      }
    }
    due = std::max(due, throttled_until(file->budget, issuer.terms));
  }
  if (const Case* file = case_at(row); file != nullptr && file->unsaved) {
    due = std::max(due, now() + kUntilSaved);
  }
  return due;
}

void Heart::reschedule(RowId row) {
  if (!parts_.background || stopping_) return;
  if (!table_.state(row)) return;
  if (is_in_flight(row)) return;
  WallTime due = due_at(row);
  if (due == WallTime{}) {
    const WallTime slot = std::max(now(), last_first_fetch_ + kBetweenFirstFetches);
    const WallTime present = table_.due(row);
    // Whoever has a place in the queue keeps it, however often the row is looked at.
    if (present != WallTime{} && present <= slot) return;
    due = last_first_fetch_ = slot;
  }
  schedule_.set(row, due);
  if (rescheduled_ && started_) rescheduled_();
}

void Heart::on_due(RowId row) {
  if (!table_.state(row)) return;
  if (is_in_flight(row)) return;
  if (due_at(row) > now()) return reschedule(row);
  if (flights_ >= kMostFlights) {
    waiting_room_.push_back(row);
    return;
  }
  const Case* file = case_at(row);
  launch(row, file != nullptr && file->condemned ? Cause::report : Cause::schedule);
}

void Heart::watch_clock() {
  const Milliseconds ahead = clock_.wall() - now();
  if (abs(ahead - wall_ahead_) > seconds(2)) observer_.clock_stepped(ahead - wall_ahead_);
  wall_ahead_ = ahead;
  at(now() + seconds(5), [this] {
    if (!stopping_) watch_clock();
  });
}

// ---- what came from the store

namespace {

void add_to(Changes& all, Changes more) {
  const auto join = [](auto& into, auto& from) {
    into.insert(into.end(), from.begin(), from.end());
    std::sort(into.begin(), into.end());
    into.erase(std::unique(into.begin(), into.end()), into.end());
  };
  join(all.apps, more.apps);
  join(all.tokens, more.tokens);
}

}  // namespace

Heart::Task<void> Heart::follow_changes() {
  // What could not be read is tried again, because nobody would mention it a second time; once a
  // second, because a record may stay unreadable.
  Changes unread;
  WallTime again_at{};
  while (!stopping_) {
    co_await sleep(kBetweenChanges);
    if (stopping_) break;
    auto changes = co_await await<Result<Changes>>(
        [this](auto done) { parts_.tokens->changes(cursor_, std::move(done)); });
    note_read(changes ? nullptr : &changes.error());
    if (!changes || stopping_) continue;
    if (changes->everything) {
      auto read = co_await read_store();
      note_read(read ? nullptr : &read.error());
      observer_.keys_changed();
      continue;
    }
    cursor_ = changes->cursor;
    if (now() >= again_at) {
      again_at = now() + seconds(1);
      add_to(*changes, std::exchange(unread, {}));
    }
    Changes left = co_await take_changes(std::move(*changes));
    add_to(unread, std::move(left));
  }
}

/// Takes in what has changed; returns what could not be read. A store that does not answer is not
/// asked for one thing after the other: what is left has to wait until it says again what changed.
Heart::Task<Changes> Heart::take_changes(Changes changes) {
  Changes unread;
  if (changes.keys) observer_.keys_changed();
  const auto is_silent = [this] { return announces() && !readable_; };
  for (const std::string& app : changes.apps) {
    const bool read = !is_silent() && co_await reload_app(app);
    if (!read) unread.apps.push_back(app);
  }
  for (const Key& key : changes.tokens) {
    auto row = table_.find(key);
    if (!row) continue;
    if (const Case* file = case_at(*row); file != nullptr && file->flight) {
      // Most likely this very renewal; but another node may have left an in-doubt call meanwhile.
      file->flight->told = true;
      continue;
    }
    const bool read = !is_silent() && co_await reload(*row, key);
    if (!read) unread.tokens.push_back(key);
  }
  co_return unread;
}

Heart::Task<bool> Heart::reload(RowId row, Key key) {
  auto record = co_await load(key);
  auto outline = table_.outline(row);
  if (record && outline && outline->key == key) adopt(row, *record);
  co_return record.has_value();
}

Heart::Task<Result<Record>> Heart::load(Key key) {
  const SteadyTime asked = clock_.steady();
  auto record =
      co_await await<Result<Record>>([&](auto done) { parts_.tokens->load(key, std::move(done)); });
  note_record(record ? nullptr : &record.error(), asked);
  co_return record;
}

// Whether the store can be used is judged by two questions that are asked again and again, one that
// reads and one that writes: what has changed, and the announcement of this node. Whatever else
// fails may be about one record, and whatever else succeeds may be a lucky moment of a disk that is
// full: it only brings the next announcement nearer. But a read that is kept waiting before it
// fails is about the store. Where nobody announces, everything counts.

void Heart::note_read(const Error* error) { note_store(readable_, error); }

void Heart::note_write(const Error* error) {
  if (!announces()) return note_store(writable_, error);
  if ((error == nullptr) != writable_ && !announcing_) spawn(tell_about_me());
}

void Heart::note_record(const Error* error, SteadyTime asked) {
  if (!announces()) return note_store(readable_, error);
  if (error == nullptr) return;
  if (clock_.steady() - asked >= kSilence) note_read(error);
  note_write(error);
}

void Heart::note_store(bool& part, const Error* error) {
  part = error == nullptr;
  const bool usable = readable_ && writable_;
  if (store_ok_.exchange(usable) != usable) observer_.store_changed(usable, error);
}

void Heart::adopt(RowId row, const Record& record, Standing standing) {
  const auto state = table_.state(row);
  if (record.revision < state->revision && standing == Standing::read) {
    const Case* ours = case_at(row);
    if (ours != nullptr && ours->unsaved) return take_calls(row, record);
    if (ours != nullptr && ours->flight) return;  // Read before the latest commit.
    // Nobody renews here, and yet the store is behind: the app was removed and put again, or the
    // database brought back from a backup. What stood here is no more; to keep it would mean to
    // renew for ever, because no new token could reach the revision that is remembered.
  }
  const bool newer = record.revision != state->revision;

  Case& file = case_of(row);
  file.failure = record.failure;
  file.budget = record.budget;
  if (newer) {
    file.condemned = false;
    file.unsaved = false;
    file.alive_at = record.alive_at;
    file.verdict = {};
    file.reported_since = WallTime{};
  } else if (record.alive_at) {
    file.alive_at = file.alive_at ? std::max(*file.alive_at, *record.alive_at) : *record.alive_at;
  }
  Record judged;
  if (record.token)
    judged.token = Token{{}, record.token->obtained_at, record.token->expires_at, {}};
  judged.in_doubt = record.in_doubt;
  judged.alive_at = file.alive_at;
  merge_in_doubt(judged, issuer_of(row).terms, now());
  file.in_doubt = judged.in_doubt;
  if (is_dead(judged)) file.condemned = true;  // Whoever asked the platform: it is the same token.
  if (file.failure && !file.failure->credentials.empty() &&
      file.failure->credentials != credentials_name(state->facts.tag)) {
    file.failure.reset();  // Other credentials deserve a try of their own.
  }
  if (record.token && record.token->obtained_at > now() + kClockTolerance) {
    // Written under a wall clock that was ahead: its age is not known, so a probe must judge it.
    const Terms& terms = issuer_of(row).terms;
    file.in_doubt.push_back({now() - terms.rule.overlap, now()});
  }

  if (record.token) {
    if (newer || !state->has_token || record.token->expires_at != state->expires_at ||
        record.renew_at != state->bounds.renew_at) {
      publish(row, record);
    } else {
      rebound(row);
    }
  } else {
    table_.clear(row);
    notify_listener(row);
  }
  close_case(row);
  reschedule(row);
  if (newer) notify_watchers(row);
}

/// The token in memory is newer than the record because it could not be stored; but what others
/// have called the platform for since may displace it all the same.
void Heart::take_calls(RowId row, const Record& record) {
  const WallTime obtained_at = table_.state(row)->obtained_at;
  Case& file = case_of(row);
  file.in_doubt = record.in_doubt;
  std::erase_if(file.in_doubt, [&](const InDoubtCall& m) { return m.called_at <= obtained_at; });
  rebound(row);
}

void Heart::publish(RowId row, const Record& record) {
  const auto state = table_.state(row);
  // A token of which nobody noted where it came from is taken for one of the app's present issuer.
  std::uint16_t issued_by = state->facts.issuer;
  if (!record.token->issuer.empty()) {
    const auto found = std::find_if(
        issuers_.begin(), issuers_.end(),
        [&](const KnownIssuer& known) { return known.issuer->name() == record.token->issuer; });
    issued_by = found == issuers_.end() ? kUnknownIssuer
                                        : static_cast<std::uint16_t>(found - issuers_.begin());
  }
  Record judged;  // Without the token's value: a copy of that would have to be wiped again.
  judged.renew_at = record.renew_at;
  judged.token = Token{{}, record.token->obtained_at, record.token->expires_at, {}};
  const Case* file = case_at(row);
  judged.in_doubt = file != nullptr ? file->in_doubt : record.in_doubt;
  table_.publish(row, *record.token, record.revision,
                 parts_.sealer->fingerprint(record.token->value.reveal()), issued_by,
                 bounds_under(judged, issued_by, state->facts.issuer));
  notify_listener(row);
}

/// What readers may be promised of a token from `issued_by` while the app belongs to `issuer`.
Bounds Heart::bounds_under(const Record& record, std::uint16_t issued_by,
                           std::uint16_t issuer) const {
  const Terms& terms = issuers_[issued_by == kUnknownIssuer ? issuer : issued_by].terms;
  return bounds_of(record, terms, issued_by != issuer);
}

Record Heart::known(RowId row) const {
  const RowState state = *table_.state(row);
  Record record;
  record.revision = state.revision;
  record.renew_at = state.bounds.renew_at;
  if (state.has_token) {
    record.token = Token{Secret(), state.obtained_at, state.expires_at, std::string()};
  }
  if (const Case* file = case_at(row)) {
    record.in_doubt = file->in_doubt;
    record.failure = file->failure;
    record.alive_at = file->alive_at;
    record.budget = file->budget;
  }
  return record;
}

/// Recomputes what readers may promise, after in-doubt calls came or went.
void Heart::rebound(RowId row) {
  const RowState state = *table_.state(row);
  if (!state.has_token) return;
  Bounds bounds = bounds_under(known(row), state.issued_by, state.facts.issuer);
  if (const Case* file = case_at(row); file != nullptr && file->condemned)
    bounds.last_end = WallTime{};
  table_.set_bounds(row, bounds);
  notify_listener(row);
}

void Heart::notify_listener(RowId row) {
  if (parts_.listener != nullptr) parts_.listener->changed(table_.outline(row)->key);
}

bool Heart::stands_for(RowId row, const Key& key) const {
  const auto outline = table_.outline(row);
  return outline && outline->key == key;
}

const Heart::KnownIssuer& Heart::issuer_of(RowId row) const {
  return issuers_[table_.state(row)->facts.issuer];
}

bool Heart::left_issuer(RowId row) const {
  const RowState state = *table_.state(row);
  return state.has_token && state.issued_by != state.facts.issuer;
}

// ---- cases

bool Heart::Case::closed() const noexcept {
  return !failure && in_doubt.empty() && !condemned && !unsaved && reported_since == WallTime{} &&
         !probe && !flight && watchers.empty();
}

const Heart::Case* Heart::case_at(RowId row) const {
  const auto found = cases_.find(row);
  return found == cases_.end() ? nullptr : &found->second;
}

void Heart::close_case(RowId row) {
  if (const auto found = cases_.find(row); found != cases_.end() && found->second.closed()) {
    cases_.erase(found);
  }
}

// ---- waiting for another revision

void Heart::wait(Key key, std::uint64_t seen, Milliseconds patience,
                 Done<Result<std::optional<Grant>>> done) {
  using Answer = Result<std::optional<Grant>>;
  enter<Answer>(std::move(done), [this, key = std::move(key), seen, patience]() -> Task<Answer> {
    return wait_for(key, seen, patience);
  });
}

Heart::Task<Result<std::optional<Grant>>> Heart::wait_for(Key key, std::uint64_t seen,
                                                          Milliseconds patience) {
  const auto row = co_await locate(key);
  if (!row) co_return tl::unexpected(row.error());
  const WallTime until = now() + patience;
  for (;;) {
    const auto outline = table_.outline(*row);
    if (!outline || !(outline->key == key)) co_return std::optional<Grant>();
    if (auto present = grant(*row, key, 0); present && present->revision != seen) {
      co_return std::move(present);
    }
    if (stopping_ || waits_are_over_ || now() >= until) co_return std::optional<Grant>();
    co_await next_revision(*row, until);
  }
}

/// Returns when the row's token was replaced, or at `until`.
Heart::Task<void> Heart::next_revision(RowId row, WallTime until) {
  const std::uint64_t id = next_watcher_++;
  co_await await<bool>([this, row, id, until](Done<bool> wake) {
    case_of(row).watchers.push_back({id, std::move(wake)});
    at(until, [this, row, id] {
      const auto found = cases_.find(row);
      if (found == cases_.end()) return;
      auto& watchers = found->second.watchers;
      const auto watcher =
          std::find_if(watchers.begin(), watchers.end(), [id](auto& w) { return w.id == id; });
      if (watcher == watchers.end()) return;
      const Done<bool> over = std::move(watcher->wake);
      watchers.erase(watcher);
      close_case(row);
      over(false);
    });
  });
}

void Heart::end_waits() {
  asio::post(loop_, [this] {
    waits_are_over_ = true;
    std::vector<RowId> watched;
    for (const auto& [row, file] : cases_) {
      if (!file.watchers.empty()) watched.push_back(row);
    }
    for (const RowId row : watched) notify_watchers(row);
  });
}

void Heart::notify_watchers(RowId row) {
  const auto found = cases_.find(row);
  if (found == cases_.end()) return;
  for (const Watcher& watcher : std::exchange(found->second.watchers, {})) watcher.wake(true);
  close_case(row);
}

}  // namespace hufu::keeper
