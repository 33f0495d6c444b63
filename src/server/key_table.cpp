#include "server/key_table.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace hufu::server {
namespace {

Caller caller_from(store::ApiKeyRow row) {
  Caller caller;
  caller.name = std::move(row.name);
  caller.rights = row.rights;
  caller.margin = row.margin;
  for (std::string& app : row.apps) {
    if (app.ends_with('/')) {
      app.pop_back();
      caller.parents.push_back(std::move(app));
    } else {
      caller.apps.push_back(std::move(app));
    }
  }
  std::sort(caller.apps.begin(), caller.apps.end());
  return caller;
}

}  // namespace

bool Caller::names(std::string_view app) const noexcept {
  return std::binary_search(apps.begin(), apps.end(), app, std::less<>());
}

bool Caller::sees(std::string_view app, const keeper::AsyncKeeper& keeper) const {
  return sees_all() || names(app) ||
         std::any_of(parents.begin(), parents.end(),
                     [&](const std::string& parent) { return keeper.is_child_of(app, parent); });
}

keeper::Scope Caller::scope() const {
  keeper::Scope scope = apps;
  for (const std::string& parent : parents) scope.push_back(parent + "/");
  return scope;
}

void KeyTable::reload(std::vector<store::ApiKeyRow> rows) {
  Callers next;
  next.reserve(rows.size());
  for (store::ApiKeyRow& row : rows) {
    const KeyHash hash = row.hash;
    next.insert_or_assign(hash, caller_from(std::move(row)));
  }
  {
    const ReadMostlyMutex::Writing writing(mutex_);
    callers_.swap(next);
  }
  generation_.fetch_add(1, std::memory_order_release);
}

Admission KeyTable::check(std::string_view key, Right right, std::string_view app) const {
  if (key.empty() || key.size() > kLongestKey) return {};
  return check(hash_of(key), right, app);
}

Admission KeyTable::check(const KeyHash& key, Right right, std::string_view app) const {
  const ReadMostlyMutex::Reading reading(mutex_);
  const auto found = callers_.find(key);
  if (found == callers_.end()) return {};
  const Caller& caller = found->second;
  const bool named = caller.names(app);
  const bool opens =
      allows(caller.rights, right) && (named || app.empty() || caller.sees(app, keeper_));
  return {opens ? Access::granted : Access::forbidden, named || caller.rights.admin, caller.margin};
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
