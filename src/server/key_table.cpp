#include "server/key_table.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <utility>

namespace hufu::server {

bool Caller::sees(std::string_view app) const noexcept {
  return sees_all() || std::binary_search(apps.begin(), apps.end(), app, std::less<>());
}

std::shared_mutex& KeyTable::my_gate() const noexcept {
  static std::atomic<std::size_t> threads{0};
  thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed);
  return gates_[mine % gates_.size()].mutex;
}

void KeyTable::reload(std::vector<store::ApiKeyRow> rows) {
  Callers next;
  next.reserve(rows.size());
  for (store::ApiKeyRow& row : rows) {
    std::sort(row.apps.begin(), row.apps.end());
    next.insert_or_assign(row.hash, Caller{std::move(row.name), std::move(row.apps), row.rights});
  }
  // Always in the same order, so that two reloads cannot block each other for ever.
  for (Gate& gate : gates_) gate.mutex.lock();
  callers_.swap(next);
  for (Gate& gate : gates_) gate.mutex.unlock();
}

Access KeyTable::check(std::string_view key, Right right, std::string_view app) const noexcept {
  if (key.empty() || key.size() > kLongestKey) return Access::stranger;
  const KeyHash hash = hash_of(key);
  std::shared_lock lock(my_gate());
  auto found = callers_.find(hash);
  if (found == callers_.end()) return Access::stranger;
  const Caller& caller = found->second;
  if (!allows(caller.rights, right)) return Access::forbidden;
  return app.empty() || caller.sees(app) ? Access::granted : Access::forbidden;
}

std::optional<Caller> KeyTable::find(std::string_view key) const {
  if (key.empty() || key.size() > kLongestKey) return std::nullopt;
  const KeyHash hash = hash_of(key);
  std::shared_lock lock(my_gate());
  auto found = callers_.find(hash);
  if (found == callers_.end()) return std::nullopt;
  return found->second;
}

std::size_t KeyTable::size() const noexcept {
  std::shared_lock lock(my_gate());
  return callers_.size();
}

}  // namespace hufu::server
