#pragma once

#include "hufu/config.hpp"
#include "hufu/error.hpp"

namespace hufu::config {

/// Whether the promise ("accepted by the platform for the next N seconds") can be kept with these
/// lengths of time. Fault::config names both values and the fix where it cannot.
///
/// - Each is above zero. Without a use slack a token could end on its way to the platform, and a
///   suspect token, which is handed out for at most that long, could not be handed out at all.
/// - lease < overlap − use_slack: whoever renews after a node that died with its lease must come
///   before the displaced token ends.
/// - request_timeout < lease: a call that outlives its lease overlaps with the next node's.
/// - use_slack < refresh_ahead: a renewal planned for when nothing may be handed out any more is
///   none.
Result<void> check_timing(const Timing& timing);

}  // namespace hufu::config
