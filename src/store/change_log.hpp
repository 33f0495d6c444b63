#pragma once

#include <utility>

#include "hufu/store.hpp"

namespace hufu::store {

/// How a log of changes names what changed: a record by its key, an app by a key without a kind,
/// the API keys by an empty key. Adds one such entry to `changes`.
inline void add_change(Changes& changes, Key what) {
  if (what.app.empty()) {
    changes.keys = true;
  } else if (what.kind.empty()) {
    changes.apps.push_back(std::move(what.app));
  } else {
    changes.tokens.push_back(std::move(what));
  }
}

}  // namespace hufu::store
