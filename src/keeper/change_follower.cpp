#include "keeper/change_follower.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>
#include <vector>

#include "keeper/await.hpp"
#include "keeper/batch_queue.hpp"

namespace hufu::keeper {
namespace {

constexpr Milliseconds kBetweenLooks{250};
/// A record may stay unreadable: what could not be read is tried again this often.
constexpr Milliseconds kBetweenRetries = std::chrono::seconds(1);

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

// ---- everything

Task<Result<void>> ChangeFollower::read_everything() {
  // The cursor first: what changes while everything is read is then told afterwards.
  auto changes = co_await await<Result<Changes>>(
      [this](auto done) { parts_.store->changes({}, std::move(done)); });
  if (!changes) co_return tl::unexpected(std::move(changes.error()));
  const bool again = std::exchange(read_once_, true);
  if (auto read = co_await read_apps(again); !read) co_return read;
  if (auto read = co_await read_records(again); !read) co_return read;
  if (events_.read) table().for_each(events_.read);
  cursor_ = std::move(changes->cursor);
  co_return Result<void>();
}

Task<Result<void>> ChangeFollower::read_apps(bool again) {
  if (!parts_.registry) co_return Result<void>();
  std::unordered_set<std::string> present;
  auto apps = std::make_shared<BatchQueue<store::AppRow>>(loop(), [&](store::AppRow& app) {
    if (again) present.insert(app.id);
    parts_.apps.take_app(app);
  });
  auto scan = [this, apps](Done<Result<void>> done) {
    parts_.registry->scan_apps([apps](store::AppRow&& app) { apps->put(app); },
                               [apps, done = std::move(done)](Result<void> read) {
                                 apps->send();
                                 done(std::move(read));
                               });
  };
  auto read = co_await await<Result<void>>(std::move(scan));
  if (!read || !again) co_return read;
  // The apps that went meanwhile are those that were not seen.
  apps_gone_ = 0;
  std::unordered_set<std::string> gone;
  table().for_each([&](RowHandle row) {
    std::string app = table().key(row).app;
    if (!present.contains(app) && !parts_.apps.is_from_config(app)) gone.insert(std::move(app));
  });
  for (const std::string& app : gone) {
    if (!co_await parts_.apps.reload_app(app)) {
      co_return hufu::fail(Fault::store, "an app could not be read");
    }
    if (!table().knows(app)) ++apps_gone_;
  }
  co_return Result<void>();
}

Task<Result<void>> ChangeFollower::read_records(bool again) {
  using Entry = std::pair<Key, Record>;
  std::unordered_set<std::uint32_t> seen;
  std::vector<RowHandle> older;
  auto records = std::make_shared<BatchQueue<Entry>>(loop(), [&](Entry& entry) {
    const auto row = parts_.apps.row_of_record(entry.first);
    if (!row) return;  // What belongs to no app is left alone.
    if (again) seen.insert(row->id);
    if (!parts_.records.apply_record(*row, entry.second)) older.push_back(*row);
  });
  auto scan = [this, records](Done<Result<void>> done) {
    parts_.store->scan([records](Key&& key, Record&& record) { records->put(key, record); },
                       [records, done = std::move(done)](Result<void> read) {
                         records->send();
                         done(std::move(read));
                       });
  };
  auto read = co_await await<Result<void>>(std::move(scan));
  for (const RowHandle row : older) {
    if (!co_await parts_.records.reload(row)) {
      co_return hufu::fail(Fault::store, "a token could not be read");
    }
  }
  if (!read || !again || !events_.lost_in_store) co_return read;
  std::vector<RowHandle> lost;
  table().for_each([&](RowHandle row) {
    if (!seen.contains(row.id) && table().state(row)->has_token) lost.push_back(row);
  });
  tokens_lost_ = lost.size();
  for (const RowHandle row : lost) events_.lost_in_store(row);
  co_return read;
}

// ---- what changes

/// The store does not know any more what has changed. Maybe it has lost everything: then it is told
/// which key seals it before anything is written, or the next process could seal it with another.
Task<Result<void>> ChangeFollower::read_again() {
  bool lost = false;
  if (parts_.note_key_again) {
    auto noted =
        co_await await<Result<bool>>([this](auto done) { parts_.note_key_again(std::move(done)); });
    if (!noted) co_return tl::unexpected(std::move(noted.error()));
    lost = *noted;
  }
  auto read = co_await read_everything();
  if (!read) co_return read;
  if (lost || tokens_lost_ > 0) parts_.observer.store_lost(apps_gone_, tokens_lost_);
  co_return read;
}

Task<void> ChangeFollower::follow() {
  // What could not be read is tried again, because nobody would mention it a second time.
  Changes unread;
  WallTime again_at{};
  while (!loop().stopping()) {
    co_await loop().sleep(kBetweenLooks);
    if (loop().stopping()) break;
    auto changes = co_await await<Result<Changes>>(
        [this](auto done) { parts_.store->changes(cursor_, std::move(done)); });
    parts_.records.health().changes_read(changes ? nullptr : &changes.error());
    if (!changes || loop().stopping()) continue;
    if (changes->everything) {
      auto read = co_await read_again();
      parts_.records.health().changes_read(read ? nullptr : &read.error());
      if (read) parts_.observer.keys_changed();
      continue;
    }
    cursor_ = changes->cursor;
    if (loop().now() >= again_at) {
      again_at = loop().now() + kBetweenRetries;
      add_to(*changes, std::exchange(unread, {}));
    }
    Changes left = co_await take(std::move(*changes));
    add_to(unread, std::move(left));
  }
}

/// Takes in what has changed; returns what could not be read. A store that does not answer is not
/// asked for one thing after the other: what is left has to wait until it says again what changed.
Task<Changes> ChangeFollower::take(Changes changes) {
  Changes unread;
  if (changes.keys) parts_.observer.keys_changed();
  StoreHealth& health = parts_.records.health();
  const auto is_silent = [&] { return health.announces() && !health.readable(); };
  for (const std::string& app : changes.apps) {
    const bool read = !is_silent() && co_await parts_.apps.reload_app(app);
    if (!read) unread.apps.push_back(app);
  }
  for (const Key& key : changes.tokens) {
    auto row = table().find(key);
    // A kind that another node was asked for: whoever asks here finds it in the store.
    if (!row) continue;
    if (KeyState* state = parts_.records.states().find(*row); state != nullptr && state->renewal) {
      // Most likely this very renewal; but another node may have left a call in doubt meanwhile.
      state->renewal->changed = true;
      continue;
    }
    const bool read = !is_silent() && co_await parts_.records.reload(*row);
    if (!read) unread.tokens.push_back(key);
  }
  co_return unread;
}

}  // namespace hufu::keeper
