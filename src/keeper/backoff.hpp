#pragma once

#include "hufu/clock.hpp"
#include "hufu/issuer.hpp"

namespace hufu::keeper {

/// How long to wait after the `failures`-th failure in a row (1, 2, 3 …).
///
/// - backoff, needed_token: full jitter under 1 s, 2 s, 4 s … at most 60 s, at most 15 s while
///   `urgent` (a windowed issuer, whose window is short, or no usable token left). The jitter keeps
///   to the upper three quarters of each step, so that the gaps grow.
/// - next_minute: a minute and up to a tenth.
/// - slow: five minutes and up to a tenth.
/// `jitter` is in [0, 1).
Milliseconds delay_after(int failures, RetryClass retry_class, bool urgent, double jitter);

}  // namespace hufu::keeper
