#include "server/key_table.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace hufu::server {

bool Caller::sees(std::string_view app) const noexcept {
  return sees_all() || std::binary_search(apps.begin(), apps.end(), app, std::less<>());
}

void KeyTable::reload(std::vector<store::ApiKeyRow> rows) {
  Callers next;
  next.reserve(rows.size());
  for (store::ApiKeyRow& row : rows) {
    std::sort(row.apps.begin(), row.apps.end());
    next.insert_or_assign(row.hash, Caller{std::move(row.name), std::move(row.apps), row.rights});
  }
  const ReadMostlyMutex::Writing writing(mutex_);
  callers_.swap(next);
}

Access KeyTable::check(std::string_view key, Right right, std::string_view app) const noexcept {
  if (key.empty() || key.size() > kLongestKey) return Access::unauthenticated;
  const KeyHash hash = hash_of(key);
  const ReadMostlyMutex::Reading reading(mutex_);
  auto found = callers_.find(hash);
  if (found == callers_.end()) return Access::unauthenticated;
  const Caller& caller = found->second;
  if (!allows(caller.rights, right)) return Access::forbidden;
  return app.empty() || caller.sees(app) ? Access::granted : Access::forbidden;
}

std::optional<Caller> KeyTable::find(std::string_view key) const {
  if (key.empty() || key.size() > kLongestKey) return std::nullopt;
  const KeyHash hash = hash_of(key);
  const ReadMostlyMutex::Reading reading(mutex_);
  auto found = callers_.find(hash);
  if (found == callers_.end()) return std::nullopt;
  return found->second;
}

std::size_t KeyTable::size() const noexcept {
  const ReadMostlyMutex::Reading reading(mutex_);
  return callers_.size();
}

}  // namespace hufu::server
