#pragma once

#include "hufu/token.hpp"

namespace hufu::keeper {

/// Who brings tokens to where others look for them. It is told which token changed, and reads what
/// it is now (AsyncKeeper::read) when it gets to it: so it always has the newest, with the promise
/// of that very moment.
class TokenListener {
 public:
  virtual ~TokenListener() = default;
  /// What readers see of `key` has changed: there is another token, it is promised for longer or
  /// shorter than before, or no longer. Also after the app itself was put. Called on the keeper's
  /// own thread; must return at once and must not call back into the keeper.
  virtual void changed(const Key& key) = 0;
};

}  // namespace hufu::keeper
