#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "hufu/store.hpp"

namespace hufu {

/// The two functions of the program Hufu grew from. `load` returns what was saved last (any app,
/// any kind: one pair of functions serves one key); `save` returns once it is safe, or throws.
struct SavedToken {
  std::string token;
  WallTime expires_at{};
};
using LoadToken = std::function<std::optional<SavedToken>()>;
using SaveToken = std::function<void(const SavedToken&)>;

/// A store over two callbacks: the token lives where the caller puts it, everything else in memory.
///
/// It serves one process: leases and backoff are not shared. `load` and `save` are called on a
/// thread of the store's own, one at a time; what they throw becomes a Fault::store.
std::shared_ptr<TokenStore> callback_store(Key key, LoadToken load, SaveToken save);

}  // namespace hufu
