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
/// It serves one process and one key: leases and backoff are not shared, any other key is
/// Fault::usage. `load` and `save` are called on a thread of the store's own, one at a time; what
/// they throw becomes a Fault::store. `load` is called at the first use, and again at the next if
/// it throws. When `save` throws, the lease is given back and the record stays as it was, its
/// in-doubt call included: the platform was called.
///
/// Of a token that was loaded only the end is known. It is taken to have been obtained 7200 s
/// before its end (now, if that lies ahead) and to be due for renewal 1800 s before it: what holds
/// for WeChat, and for any other platform merely means a renewal sooner or later than the best.
///
/// `clock` judges leases, and must outlive the store.
std::shared_ptr<TokenStore> callback_store(Key key, LoadToken load, SaveToken save,
                                           const Clock& clock = system_clock());

}  // namespace hufu
