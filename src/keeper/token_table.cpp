#include "keeper/token_table.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <queue>
#include <set>
#include <utility>

namespace hufu::keeper {

// ---- Id

void TokenTable::Id::set(std::string_view text) {
  clear();
  if (text.size() <= kInline) {
    std::memcpy(bytes_.data(), text.data(), text.size());
    size_ = static_cast<std::uint8_t>(text.size());
    return;
  }
  const auto* outside = new std::string(text);
  std::memcpy(bytes_.data(), &outside, sizeof(void*));
  size_ = kOutside;
}

void TokenTable::Id::clear() noexcept {
  if (size_ == kOutside) {
    const std::string* outside = nullptr;
    std::memcpy(&outside, bytes_.data(), sizeof(void*));
    delete outside;
  }
  size_ = 0;
}

// ---- finding rows

TokenTable::TokenTable() : shards_(new Shard[kShards]), owners_(new Owners[kShards]) {
  kinds_[kinds_.add()] = kAccessToken;
  for (std::size_t s = 0; s < kShards; ++s) {
    shards_[s].apps.use(rows_memory_);
    shards_[s].others.use(rows_memory_);
  }
}
TokenTable::~TokenTable() {
  for_each([this](RowHandle row) {
    displaced_.forget(row.id);
    memory_.release(row_at(row.id).token());
  });
}

std::size_t TokenTable::ById::operator()(std::uint32_t app) const noexcept {
  return hash(shard->apps[app].id.view());
}

std::uint32_t TokenTable::id_of(const Shard& shard, std::uint32_t number,
                                std::uint32_t pool) const noexcept {
  return number * kNumber + pool + static_cast<std::uint32_t>(&shard - shards_.get());
}

TokenTable::Row& TokenTable::row_at(std::uint32_t id) const noexcept {
  const Shard& shard = shard_of(id);
  const std::uint32_t number = id / kNumber;
  return (id & kOther) != 0 ? shard.others[number].row : shard.apps[number].main;
}

TokenTable::App& TokenTable::app_at(std::uint32_t id) const noexcept {
  const Shard& shard = shard_of(id);
  const std::uint32_t number = id / kNumber;
  return shard.apps[(id & kOther) != 0 ? shard.others[number].app : number];
}

TokenTable::Row* TokenTable::standing(RowHandle handle) const noexcept {
  const Shard& shard = shard_of(handle.id);
  const std::uint32_t number = handle.id / kNumber;
  if (number >= ((handle.id & kOther) != 0 ? shard.others.size() : shard.apps.size())) {
    return nullptr;
  }
  Row& row = row_at(handle.id);
  return row.used && row.generation == handle.generation ? &row : nullptr;
}

RowHandle TokenTable::handle_of(std::uint32_t id) const noexcept {
  return {id, row_at(id).generation};
}

bool TokenTable::stands(RowHandle row) const noexcept { return standing(row) != nullptr; }

std::optional<RowHandle> TokenTable::find(const Key& key) const {
  const Sought app(key.app);
  const Shard& shard = shard_of(app);
  const auto found = shard.index.find(app);
  if (found == shard.index.end()) return std::nullopt;
  if (key.kind.empty() || is_of_kind(shard.apps[*found].main, key.kind)) {
    return handle_of(id_of(shard, *found, 0));
  }
  const std::uint32_t other = find_other(shard, *found, key.kind);
  if (other == kNone) return std::nullopt;
  return handle_of(id_of(shard, other, kOther));
}

std::uint32_t TokenTable::find_other(const Shard& shard, std::uint32_t app,
                                     std::string_view kind) const noexcept {
  const auto first = shard.first_other.find(app);
  std::uint32_t other = first == shard.first_other.end() ? kNone : first->second;
  while (other != kNone && !is_of_kind(shard.others[other].row, kind)) {
    other = shard.others[other].next;
  }
  return other;
}

// ---- readers

std::optional<AppFacts> TokenTable::facts(std::string_view app) const {
  const Sought sought(app);
  const Shard& shard = shard_of(sought);
  const ReadMostlyMutex::Reading reading(shard.mutex);
  const auto found = shard.index.find(sought);
  if (found == shard.index.end()) return std::nullopt;
  const App& known = shard.apps[*found];
  return AppFacts{known.main.app_class, known.main.secret_login, known.main.from_config, known.tag};
}

bool TokenTable::knows(std::string_view app) const {
  const Sought sought(app);
  const Shard& shard = shard_of(sought);
  const ReadMostlyMutex::Reading reading(shard.mutex);
  return shard.index.contains(sought);
}

std::optional<Key> TokenTable::owner_of(std::string_view token, Fingerprint fingerprint,
                                        WallTime now) const {
  std::optional<Key> owner;
  read_by_token(token, fingerprint, now, [&](std::string_view app, std::string_view kind) {
    owner = Key{std::string(app), std::string(kind)};
  });
  return owner;
}

TokenTable::Candidates TokenTable::candidates(Fingerprint fingerprint,
                                              std::size_t skip) const noexcept {
  Candidates found;
  Owners& owners = owners_of(fingerprint.bits);
  const ReadMostlyMutex::Reading reading(owners.mutex);
  if (owners.rows == 0) return found;
  for (std::uint32_t id = owners.head(fingerprint.bits); id != kNone; id = row_at(id).next_owner) {
    if (row_at(id).fingerprint != fingerprint.bits) continue;
    if (skip > 0) {
      --skip;
      continue;
    }
    found.ids[found.count++] = id;
    if (found.count == Candidates::kMost) break;
  }
  return found;
}

/// In a time that depends on the length alone. By words: CRYPTO_memcmp goes byte by byte, which was
/// nearly half of a lookup by token.
bool TokenTable::same(StoredToken stored, std::string_view token) const noexcept {
  if (!stored || stored.size != token.size()) return false;
  const std::string_view ours = memory_.view(stored);
  std::uint64_t differs = 0;
  std::size_t i = 0;
  for (; i + sizeof differs <= ours.size(); i += sizeof differs) {
    differs |= word_at(ours.data() + i) ^ word_at(token.data() + i);
  }
  for (; i < ours.size(); ++i) differs |= static_cast<unsigned char>(ours[i] ^ token[i]);
  return differs == 0;
}

TokenState TokenTable::state_of(std::string_view app, WallTime now) const {
  const Sought sought(app);
  const Shard& shard = shard_of(sought);
  const ReadMostlyMutex::Reading reading(shard.mutex);
  const auto found = shard.index.find(sought);
  if (found == shard.index.end()) return TokenState::missing;
  const Row& main = shard.apps[*found].main;
  if (!main.token()) return TokenState::missing;
  const Bounds bounds = main.times.bounds();
  if (bounds.promise(now) < 1) return TokenState::unusable;
  return now < bounds.renew_at ? TokenState::fresh : TokenState::stale;
}

std::vector<std::string> TokenTable::ids_after(std::string_view after, std::size_t limit) const {
  struct Cursor {
    const Shard* shard;
    std::size_t next;
    [[nodiscard]] std::string_view id() const { return shard->apps[shard->order[next]].id.view(); }
  };
  const auto later = [](const Cursor& a, const Cursor& b) { return a.id() > b.id(); };
  std::priority_queue<Cursor, std::vector<Cursor>, decltype(later)> cursors(later);
  std::vector<std::unique_lock<std::mutex>> locks;
  for (std::size_t s = 0; s < kShards; ++s) {
    Shard& shard = shards_[s];
    locks.emplace_back(shard.order_mutex);
    if (!shard.ordered) build_order(shard);
    const auto first = std::upper_bound(
        shard.order.begin(), shard.order.end(), after,
        [&](std::string_view id, std::uint32_t app) { return id < shard.apps[app].id.view(); });
    if (first == shard.order.end()) continue;
    cursors.push({&shard, static_cast<std::size_t>(first - shard.order.begin())});
  }
  std::vector<std::string> page;
  while (page.size() < limit && !cursors.empty()) {
    Cursor cursor = cursors.top();
    cursors.pop();
    page.emplace_back(cursor.id());
    if (++cursor.next < cursor.shard->order.size()) cursors.push(cursor);
  }
  return page;
}

void TokenTable::build_order(Shard& shard) const {
  {
    const ReadMostlyMutex::Reading reading(shard.mutex);
    shard.order.assign(shard.index.begin(), shard.index.end());
  }
  std::sort(shard.order.begin(), shard.order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return shard.apps[a].id.view() < shard.apps[b].id.view();
  });
  shard.ordered = true;
}

TokenTable::Census TokenTable::census(WallTime now, std::size_t most_named,
                                      const std::function<bool(RowHandle)>& is_handed_out) const {
  Census census;
  std::set<std::string, std::less<>> without;
  for (std::size_t s = 0; s < kShards; ++s) {
    const Shard& shard = shards_[s];
    const ReadMostlyMutex::Reading reading(shard.mutex);
    // In the order of memory, not of the index: three times as fast.
    for (std::uint32_t i = 0; i < shard.apps.size(); ++i) {
      const App& app = shard.apps[i];
      if (!app.main.used) continue;
      ++census.apps;
      const auto is_in_doubt = [&] {
        return is_handed_out && is_handed_out(handle_of(id_of(shard, i, 0)));
      };
      if (app.main.token() && (app.main.times.bounds().promise(now) >= 1 || is_in_doubt())) {
        ++census.usable;
      } else if (without.size() < most_named ||
                 (most_named > 0 && app.id.view() < *without.rbegin())) {
        without.emplace(app.id.view());
        if (without.size() > most_named) without.erase(std::prev(without.end()));
      }
    }
  }
  census.without.assign(without.begin(), without.end());
  return census;
}

// ---- the keeper's own thread: apps

RowHandle TokenTable::put_app(std::string_view id, const AppFacts& facts,
                              std::string_view main_kind) {
  const Sought sought(id);
  Shard& shard = shard_of(sought);
  const std::uint16_t kind = number_of_kind(main_kind);
  const auto found = shard.index.find(sought);
  const bool is_new = found == shard.index.end();
  std::uint32_t number = kNone;
  if (!is_new) {
    number = *found;
    if (shard.apps[number].main.kind != kind) {
      // A row of that kind that is there already gives way to the main one.
      if (const auto same_kind = find(Key{std::string(id), std::string(main_kind)})) {
        remove(*same_kind);
      }
      forget_tokens(id_of(shard, number, 0));
    }
  }
  const std::lock_guard ordering(shard.order_mutex);
  {
    const ReadMostlyMutex::Writing writing(shard.mutex);
    if (is_new) {
      if (shard.free_apps.empty()) {
        number = shard.apps.add();
      } else {
        number = shard.free_apps.back();
        shard.free_apps.pop_back();
      }
      shard.apps[number].id.set(id);
      shard.apps[number].main.used = true;
      shard.index.insert(number);
    }
    App& app = shard.apps[number];
    if (!is_new && app.main.kind != kind) {
      reset(app.main);
      app.main.used = true;
    }
    app.tag = facts.tag;
    app.main.app_class = facts.app_class;
    app.main.secret_login = facts.secret_login;
    app.main.from_config = facts.from_config;
    app.main.kind = kind;
  }
  if (is_new) {
    put_in_order(shard, number);
    apps_.fetch_add(1, std::memory_order_relaxed);
    size_.fetch_add(1, std::memory_order_relaxed);
  }
  return handle_of(id_of(shard, number, 0));
}

void TokenTable::remove_app(std::string_view id) {
  const Sought sought(id);
  Shard& shard = shard_of(sought);
  const auto found = shard.index.find(sought);
  if (found == shard.index.end()) return;
  const std::uint32_t number = *found;
  App& app = shard.apps[number];
  for (const RowHandle row : rows_of(id)) remove(row);
  forget_tokens(id_of(shard, number, 0));
  const std::lock_guard ordering(shard.order_mutex);
  take_out_of_order(shard, number);
  const ReadMostlyMutex::Writing writing(shard.mutex);
  shard.index.erase(found);
  reset(app.main);
  app.id.clear();
  app.tag = {};
  shard.free_apps.push_back(number);
  apps_.fetch_sub(1, std::memory_order_relaxed);
  size_.fetch_sub(1, std::memory_order_relaxed);
}

std::vector<RowHandle> TokenTable::rows_of(std::string_view app) const {
  std::vector<RowHandle> rows;
  const Sought sought(app);
  const Shard& shard = shard_of(sought);
  const auto found = shard.index.find(sought);
  if (found == shard.index.end()) return rows;
  rows.push_back(handle_of(id_of(shard, *found, 0)));
  const auto first = shard.first_other.find(*found);
  if (first == shard.first_other.end()) return rows;
  for (std::uint32_t other = first->second; other != kNone; other = shard.others[other].next) {
    rows.push_back(handle_of(id_of(shard, other, kOther)));
  }
  return rows;
}

void TokenTable::put_in_order(Shard& shard, std::uint32_t app) {
  if (!shard.ordered) return;
  const auto place = std::lower_bound(
      shard.order.begin(), shard.order.end(), shard.apps[app].id.view(),
      [&](std::uint32_t a, std::string_view id) { return shard.apps[a].id.view() < id; });
  shard.order.insert(place, app);
}

void TokenTable::take_out_of_order(Shard& shard, std::uint32_t app) {
  if (!shard.ordered) return;
  shard.order.erase(std::lower_bound(
      shard.order.begin(), shard.order.end(), shard.apps[app].id.view(),
      [&](std::uint32_t a, std::string_view id) { return shard.apps[a].id.view() < id; }));
}

// ---- the keeper's own thread: rows

RowHandle TokenTable::put(const Key& key) {
  if (const auto there = find(key)) return *there;
  const Sought sought(key.app);
  Shard& shard = shard_of(sought);
  const std::uint32_t app = *shard.index.find(sought);
  const std::uint16_t kind = number_of_kind(key.kind);
  const ReadMostlyMutex::Writing writing(shard.mutex);
  std::uint32_t number = 0;
  if (shard.free_others.empty()) {
    number = shard.others.add();
  } else {
    number = shard.free_others.back();
    shard.free_others.pop_back();
  }
  OtherRow& other = shard.others[number];
  other.app = app;
  other.row.used = true;
  other.row.kind = kind;
  std::uint32_t* last = &shard.first_other.try_emplace(app, kNone).first->second;
  while (*last != kNone) last = &shard.others[*last].next;
  *last = number;
  size_.fetch_add(1, std::memory_order_relaxed);
  return handle_of(id_of(shard, number, kOther));
}

void TokenTable::remove(RowHandle row) {
  if (standing(row) == nullptr || (row.id & kOther) == 0) return;
  forget_tokens(row.id);
  Shard& shard = shard_of(row.id);
  const std::uint32_t number = row.id / kNumber;
  OtherRow& other = shard.others[number];
  const ReadMostlyMutex::Writing writing(shard.mutex);
  const auto first = shard.first_other.find(other.app);
  std::uint32_t* link = &first->second;
  while (*link != number) link = &shard.others[*link].next;
  *link = std::exchange(other.next, kNone);
  if (first->second == kNone) shard.first_other.erase(first);
  reset(other.row);
  shard.free_others.push_back(number);
  size_.fetch_sub(1, std::memory_order_relaxed);
}

void TokenTable::reset(Row& row) noexcept {
  row.times.set({});
  row.revision = 0;
  ++row.generation;
  row.issuer = row.issued_by = row.kind = row.app_class = 0;
  row.used = row.windowed = row.secret_login = row.from_config = false;
  row.asked.store(false, std::memory_order_relaxed);
}

std::optional<RowState> TokenTable::state(RowHandle row) const {
  const Row* const there = standing(row);
  if (there == nullptr) return std::nullopt;
  RowState state;
  state.issuer = there->issuer;
  state.issued_by = there->issued_by;
  state.is_main = (row.id & kOther) == 0;
  state.has_token = static_cast<bool>(there->token());
  const RowTimes times = there->times.all();
  state.bounds = times.bounds;
  if (state.has_token) state.obtained_at = times.obtained_at;
  state.expires_at = times.expires_at;
  state.revision = there->revision;
  state.fingerprint = Fingerprint{there->fingerprint};
  return state;
}

Key TokenTable::key(RowHandle row) const {
  return {std::string(app_at(row.id).id.view()), kinds_[row_at(row.id).kind]};
}

AppFacts TokenTable::facts_of(RowHandle row) const {
  const App& app = app_at(row.id);
  return {app.main.app_class, app.main.secret_login, app.main.from_config, app.tag};
}

Secret TokenTable::token(RowHandle row) const {
  return Secret(memory_.view(row_at(row.id).token()));
}

void TokenTable::set_issuer(RowHandle row, std::uint16_t issuer) { row_at(row.id).issuer = issuer; }

void TokenTable::publish(RowHandle row, const Token& token, std::uint64_t revision,
                         Fingerprint fingerprint, std::uint16_t issued_by, const Bounds& bounds,
                         bool windowed, WallTime remember_until) {
  Row* const there = standing(row);
  if (there == nullptr) return;
  const std::string_view text = token.value.reveal();
  if (text.empty() || text.size() > TokenMemory::kLongest) return;
  const StoredToken before = there->token();
  const bool is_another = there->fingerprint != fingerprint.bits || !same(before, text);
  const StoredToken stored = is_another ? memory_.store(text) : before;
  const auto write = [&] {
    const RowTimes times{token.obtained_at, token.expires_at, bounds, there->times.due()};
    const ReadMostlyMutex::Writing writing(shard_of(row.id).mutex);
    if (is_another) {
      there->set_token(stored);
      there->fingerprint = fingerprint.bits;
    }
    there->times.set(times);
    there->revision = static_cast<std::uint32_t>(revision);
    there->issued_by = issued_by;
    there->windowed = windowed;
  };
  if (!is_another) return write();

  // `owner_of` finds at every moment what readers have been given: the old token is among the
  // displaced ones before it leaves the index, and nobody can ask for the new one before it is in.
  const bool remembered = before && remember_until > token.obtained_at;
  if (remembered) {
    displaced_.add(row, before, Fingerprint{there->fingerprint}, remember_until, token.obtained_at);
  }
  if (before) unlink_owner(row.id);
  {
    Owners& owners = owners_of(fingerprint.bits);
    const ReadMostlyMutex::Writing linking(owners.mutex);
    write();
    link_owner(owners, row.id);
  }
  if (!remembered) memory_.release(before);
}

void TokenTable::set_bounds(RowHandle row, const Bounds& bounds) {
  Row* const there = standing(row);
  if (there == nullptr) return;
  RowTimes times = times_of(*there);
  times.bounds = bounds;
  const ReadMostlyMutex::Writing writing(shard_of(row.id).mutex);
  there->times.set(times);
}

void TokenTable::clear(RowHandle row) {
  Row* const there = standing(row);
  if (there == nullptr) return;
  forget_tokens(row.id);
  RowTimes times;
  times.due = there->times.due();
  const ReadMostlyMutex::Writing writing(shard_of(row.id).mutex);
  there->times.set(times);
  there->revision = 0;
  there->windowed = false;
}

void TokenTable::forget_tokens(std::uint32_t id) {
  displaced_.forget(id);
  Row& row = row_at(id);
  const StoredToken token = row.token();
  if (!token) return;
  unlink_owner(id);
  {
    const ReadMostlyMutex::Writing writing(shard_of(id).mutex);
    row.set_token({});
    row.fingerprint = 0;
  }
  memory_.release(token);
}

bool TokenTable::take_asked(RowHandle row) {
  const Row* const there = standing(row);
  return there != nullptr && there->asked.exchange(false, std::memory_order_relaxed);
}

bool TokenTable::is_asked(RowHandle row) const {
  const Row* const there = standing(row);
  return there != nullptr && there->asked.load(std::memory_order_relaxed);
}

void TokenTable::note_asked(RowHandle row) {
  const Row* const there = standing(row);
  if (there != nullptr) there->asked.store(true, std::memory_order_relaxed);
}

void TokenTable::set_due(RowHandle row, WallTime due) {
  Row* const there = standing(row);
  if (there == nullptr || there->times.set_due(due)) return;
  RowTimes times = times_of(*there);
  times.due = due;
  const ReadMostlyMutex::Writing writing(shard_of(row.id).mutex);
  there->times.set(times);
}

WallTime TokenTable::due(RowHandle row) const {
  const Row* const there = standing(row);
  return there != nullptr ? there->times.due() : WallTime{};
}

RowTimes TokenTable::times_of(const Row& row) noexcept {
  RowTimes times = row.times.all();
  if (!row.token()) times.obtained_at = {};
  return times;
}

void TokenTable::for_each(const std::function<void(RowHandle)>& visit) const {
  for (std::size_t s = 0; s < kShards; ++s) {
    const Shard& shard = shards_[s];
    for (std::uint32_t i = 0; i < shard.apps.size(); ++i) {
      if (shard.apps[i].main.used) visit(handle_of(id_of(shard, i, 0)));
    }
    for (std::uint32_t i = 0; i < shard.others.size(); ++i) {
      if (shard.others[i].row.used) visit(handle_of(id_of(shard, i, kOther)));
    }
  }
}

std::uint16_t TokenTable::number_of_kind(std::string_view kind) {
  for (std::uint32_t i = 0; i < kinds_.size(); ++i) {
    if (kinds_[i] == kind) return static_cast<std::uint16_t>(i);
  }
  const std::uint32_t number = kinds_.add();
  kinds_[number] = kind;
  return static_cast<std::uint16_t>(number);
}

// ---- whose token

void TokenTable::link_owner(Owners& owners, std::uint32_t id) {
  if (owners.rows == owners.heads.size()) {
    // Room for a token of every app: when a server starts, the apps come before the tokens.
    const std::size_t room = std::max(2 * owners.heads.size(), std::bit_ceil(apps() / kShards));
    std::vector<std::uint32_t> old(std::max<std::size_t>(16, room), kNone);
    old.swap(owners.heads);
    for (std::uint32_t head : old) {
      while (head != kNone) {
        const std::uint32_t next = row_at(head).next_owner;
        std::uint32_t& new_head = owners.head(row_at(head).fingerprint);
        row_at(head).next_owner = new_head;
        new_head = head;
        head = next;
      }
    }
  }
  std::uint32_t& head = owners.head(row_at(id).fingerprint);
  row_at(id).next_owner = head;
  head = id;
  ++owners.rows;
}

void TokenTable::unlink_owner(std::uint32_t id) {
  Owners& owners = owners_of(row_at(id).fingerprint);
  const ReadMostlyMutex::Writing writing(owners.mutex);
  std::uint32_t* link = &owners.head(row_at(id).fingerprint);
  while (*link != id) link = &row_at(*link).next_owner;
  *link = row_at(id).next_owner;
  --owners.rows;
}

}  // namespace hufu::keeper
