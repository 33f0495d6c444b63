#include "store/memory_store.hpp"

#include <charconv>
#include <iterator>
#include <set>
#include <utility>

#include "store/change_log.hpp"

namespace hufu::store {
namespace {

constexpr std::size_t kScanBatch = 256;

AppRow without_secrets(const AppRow& app) {
  AppRow copy;
  copy.id = app.id;
  copy.platform = app.platform;
  copy.parent = app.parent;
  copy.settings = app.settings;
  for (const auto& [name, secret] : app.credentials) copy.credentials.emplace(name, Secret());
  copy.keep = app.keep;
  copy.secret_login = app.secret_login;
  copy.tag = app.tag;
  copy.created_at = app.created_at;
  copy.updated_at = app.updated_at;
  return copy;
}

AppRow clone(const AppRow& app) {
  AppRow copy = without_secrets(app);
  copy.credentials = clone(app.credentials);
  return copy;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Visits a map that others may change meanwhile: copies a few entries at a time under the lock.
template <class Map, class Copy, class Visit>
void visit_in_batches(std::mutex& mutex, const Map& map, Copy copy, Visit visit) {
  std::optional<typename Map::key_type> last;
  while (true) {
    std::vector<decltype(copy(*map.begin()))> batch;
    {
      std::lock_guard lock(mutex);
      auto entry = last ? map.upper_bound(*last) : map.begin();
      for (; entry != map.end() && batch.size() < kScanBatch; ++entry) {
        batch.push_back(copy(*entry));
        last = entry->first;
      }
    }
    if (batch.empty()) return;
    for (auto& item : batch) visit(std::move(item));
  }
}

}  // namespace

MemoryStore::MemoryStore(const Clock& clock, std::size_t change_log)
    : clock_(clock), change_log_(change_log) {}

void MemoryStore::load(const Key& key, Done<Result<Record>> done) {
  Record record;
  {
    std::lock_guard lock(mutex_);
    if (auto slot = slots_.find(key); slot != slots_.end()) record = slot->second.record.clone();
  }
  done(std::move(record));
}

void MemoryStore::acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) {
  auto decide = [&]() -> AcquireOutcome {
    std::lock_guard lock(mutex_);
    WallTime now = clock_.wall();
    auto [entry, is_new] = slots_.try_emplace(lease_request.key);
    Slot& slot = entry->second;
    Record& record = slot.record;

    if (record.revision > lease_request.seen) return Newer{record.clone()};
    if (auto other = held(slot.lease, now, lease_request.grace)) return std::move(*other);

    if (is_new) record.created_at = now;
    record.updated_at = now;
    // Fences are drawn from the sequence of changes, so that they go on growing when a record is
    // removed and made again.
    slot.lease = {append_change(lease_request.key), lease_request.holder,
                  now + lease_request.lease};
    record.in_doubt.push_back(lease_request.in_doubt_call);
    record.in_doubt.back().fence = slot.lease.fence;
    slot.unseen_in_doubt.clear();
    return Acquired{{lease_request.key, slot.lease.fence, lease_request.holder,
                     lease_request.in_doubt_call.called_at},
                    record.clone()};
  };
  done(decide());
}

void MemoryStore::commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) {
  done(store(lease, std::move(next)));
}

WriteOutcome MemoryStore::store(const Lease& lease, Record next) {
  std::lock_guard lock(mutex_);
  auto entry = slots_.find(lease.key);
  if (entry == slots_.end() || !holds(entry->second.lease, lease)) return WriteOutcome::fenced;

  Slot& slot = entry->second;
  next.created_at = slot.record.created_at;
  next.updated_at = clock_.wall();
  next.in_doubt.insert(next.in_doubt.end(), slot.unseen_in_doubt.begin(),
                       slot.unseen_in_doubt.end());
  slot.record = std::move(next);
  slot.lease.holder.clear();
  slot.unseen_in_doubt.clear();
  append_change(lease.key);
  return WriteOutcome::written;
}

void MemoryStore::add_in_doubt(const Key& key, InDoubtCall in_doubt_call, Done<Result<void>> done) {
  {
    std::lock_guard lock(mutex_);
    if (auto slot = slots_.find(key); slot != slots_.end()) {
      slot->second.record.in_doubt.push_back(in_doubt_call);
      slot->second.unseen_in_doubt.push_back(in_doubt_call);
      slot->second.record.updated_at = clock_.wall();
      append_change(key);
    }
  }
  done({});
}

void MemoryStore::changes(std::string cursor, Done<Result<Changes>> done) {
  Changes changes;
  {
    std::lock_guard lock(mutex_);
    changes.cursor = std::to_string(sequence_);
    auto since = number(cursor);
    if (cursor.empty()) {
      // The caller wants to know where we are, no more.
    } else if (!since || *since > sequence_ || sequence_ - *since > log_.size()) {
      changes.everything = true;
    } else {
      std::set<Key> told;
      auto unseen = static_cast<std::ptrdiff_t>(sequence_ - *since);
      told.insert(log_.end() - unseen, log_.end());
      for (const Key& what : told) add_change(changes, what);
    }
  }
  done(std::move(changes));
}

void MemoryStore::scan(std::function<void(Key&&, Record&&)> visit, Done<Result<void>> done) {
  visit_in_batches(
      mutex_, slots_,
      [](const auto& entry) { return std::pair(entry.first, entry.second.record.clone()); },
      [&](auto entry) { visit(std::move(entry.first), std::move(entry.second)); });
  done({});
}

void MemoryStore::put_app(AppRow app, Done<Result<void>> done) {
  {
    std::lock_guard lock(mutex_);
    WallTime now = clock_.wall();
    auto present = apps_.find(app.id);
    app.created_at = present == apps_.end() ? now : present->second.created_at;
    app.updated_at = now;
    for (auto slot = slots_.lower_bound({app.id, ""});
         slot != slots_.end() && slot->first.app == app.id; ++slot) {
      if (!slot->second.record.failure) continue;
      slot->second.record.failure.reset();
      slot->second.record.updated_at = now;
      append_change(slot->first);
    }
    append_change({app.id, ""});
    std::string id = app.id;
    apps_.insert_or_assign(std::move(id), std::move(app));
  }
  done({});
}

void MemoryStore::load_app(const std::string& id, Done<Result<std::optional<AppRow>>> done) {
  std::optional<AppRow> found;
  {
    std::lock_guard lock(mutex_);
    if (auto app = apps_.find(id); app != apps_.end()) found = clone(app->second);
  }
  done(std::move(found));
}

void MemoryStore::remove_app(const std::string& id, Done<Result<bool>> done) {
  bool removed = false;
  {
    std::lock_guard lock(mutex_);
    removed = apps_.erase(id) > 0;
    if (removed) {
      append_change({id, ""});
      auto slot = slots_.lower_bound({id, ""});
      while (slot != slots_.end() && slot->first.app == id) {
        append_change(slot->first);
        slot = slots_.erase(slot);
      }
    }
  }
  done(removed);
}

void MemoryStore::scan_apps(std::function<void(AppRow&&)> visit, Done<Result<void>> done) {
  visit_in_batches(
      mutex_, apps_, [](const auto& entry) { return without_secrets(entry.second); },
      [&](AppRow app) { visit(std::move(app)); });
  done({});
}

void MemoryStore::put_key(ApiKeyRow key, Done<Result<bool>> done) {
  bool added = false;
  {
    std::lock_guard lock(mutex_);
    key.created_at = clock_.wall();
    std::string name = key.name;
    added = keys_.try_emplace(std::move(name), std::move(key)).second;
    if (added) append_change({"", ""});
  }
  done(added);
}

void MemoryStore::revoke_key(const std::string& name, Done<Result<bool>> done) {
  bool revoked = false;
  {
    std::lock_guard lock(mutex_);
    revoked = keys_.erase(name) > 0;
    if (revoked) append_change({"", ""});
  }
  done(revoked);
}

void MemoryStore::list_keys(Done<Result<std::vector<ApiKeyRow>>> done) {
  std::vector<ApiKeyRow> keys;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, key] : keys_) keys.push_back(key);
  }
  done(std::move(keys));
}

void MemoryStore::noted_keys(Done<Result<std::vector<KeyNote>>> done) {
  std::vector<KeyNote> notes;
  {
    std::lock_guard lock(mutex_);
    notes = notes_;
  }
  done(std::move(notes));
}

void MemoryStore::note_key(KeyNote note, Done<Result<void>> done) {
  {
    std::lock_guard lock(mutex_);
    bool known = std::any_of(notes_.begin(), notes_.end(),
                             [&](const KeyNote& other) { return other.id == note.id; });
    if (!known) notes_.push_back(std::move(note));
  }
  done({});
}

void MemoryStore::note_first_key(KeyNote note, Done<Result<bool>> done) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    first = notes_.empty();
    if (first) notes_.push_back(std::move(note));
  }
  done(first);
}

void MemoryStore::reseal_token(const Key& key, Secret from, Secret to, Done<Result<bool>> done) {
  done(swap(key, from, std::move(to), [&]() -> Secret* {
    auto slot = slots_.find(key);
    if (slot == slots_.end() || !slot->second.record.token) return nullptr;
    return &slot->second.record.token->value;
  }));
}

void MemoryStore::reseal_refresh_token(const Key& key, Secret from, Secret to,
                                       Done<Result<bool>> done) {
  done(swap(key, from, std::move(to), [&]() -> Secret* {
    auto slot = slots_.find(key);
    return slot == slots_.end() ? nullptr : &slot->second.record.refresh_token;
  }));
}

void MemoryStore::reseal_credential(const std::string& app, const std::string& name, Secret from,
                                    Secret to, Done<Result<bool>> done) {
  done(swap({app, ""}, from, std::move(to), [&]() -> Secret* {
    auto row = apps_.find(app);
    if (row == apps_.end()) return nullptr;
    auto found = row->second.credentials.find(name);
    return found == row->second.credentials.end() ? nullptr : &found->second;
  }));
}

/// Puts `to` in the place of `from`, where that is what `find` finds.
template <class Find>
bool MemoryStore::swap(const Key& changed, const Secret& from, Secret to, Find find) {
  std::lock_guard lock(mutex_);
  Secret* found = find();
  if (found == nullptr || !found->same_as(from.reveal())) return false;
  *found = std::move(to);
  append_change(changed);
  return true;
}

void MemoryStore::announce(NodeRow node, Milliseconds forget, Done<Result<void>> done) {
  {
    std::lock_guard lock(mutex_);
    node.seen_at = clock_.wall();
    std::erase_if(nodes_, [&](const auto& entry) {
      return entry.first != node.name && entry.second.seen_at < node.seen_at - forget;
    });
    std::string name = node.name;
    nodes_.insert_or_assign(std::move(name), std::move(node));
  }
  done({});
}

void MemoryStore::leave(const std::string& name, Done<Result<void>> done) {
  {
    std::lock_guard lock(mutex_);
    nodes_.erase(name);
  }
  done({});
}

void MemoryStore::view(Done<Result<ClusterView>> done) {
  ClusterView view;
  {
    std::lock_guard lock(mutex_);
    view.now = clock_.wall();
    for (const auto& [name, node] : nodes_) view.nodes.push_back(node);
    for (const auto& [key, slot] : slots_) {
      const auto held = store::held(slot.lease, view.now, Milliseconds(0));
      if (held) view.leases.push_back({key, held->holder, slot.lease.fence, held->remaining});
      if (view.leases.size() == kMostLeasesShown) break;
    }
  }
  done(std::move(view));
}

std::uint64_t MemoryStore::append_change(Key what) {
  log_.push_back(std::move(what));
  if (log_.size() > change_log_) log_.pop_front();
  return ++sequence_;
}

}  // namespace hufu::store
