#pragma once

#include "hufu/clock.hpp"
#include "hufu/error.hpp"
#include "hufu/token.hpp"

namespace hufu::sink {

/// A place where one token of an app is kept, in the clear, for programs that look there by
/// themselves: keys of a Redis, a file, or a document of the store.
///
/// What stands there is always a token that is promised, never for longer than it is promised. A
/// token is `put` once, and then `keep` is called again and again while it is promised: that lets
/// the promise grow, and brings back what was lost.
///
/// Thread-safety: one thread at a time. All members may block, within bounds of their own; another
/// thread ends that, where it can take long, by interrupting the target (RedisTarget,
/// LegacyDocumentTarget).
class Sink {
 public:
  virtual ~Sink() = default;

  /// Makes the token stand there until `until`, the end of its promise on the steady line of the
  /// clock that the sink was made with. Fault::store with a next step; the place is then as it was,
  /// or as it should be.
  virtual Result<void> put(const Grant& grant, SteadyTime until) = 0;

  /// The same for a token that was put before, and only where it still stands or nothing does: who
  /// put another one there knows more, or is not Hufu. A node that is cut off from its store must
  /// not bring a token back that others have replaced.
  virtual Result<void> keep(const Grant& grant, SteadyTime until) = 0;

  /// Takes `token` away if it still stands there; an empty one: whatever may be left there of an
  /// earlier process and would stay for ever.
  virtual Result<void> withdraw(const Secret& token) = 0;
};

}  // namespace hufu::sink
