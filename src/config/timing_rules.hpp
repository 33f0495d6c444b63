#pragma once

#include <vector>

#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "platform/catalog.hpp"

namespace hufu::config {

/// Whether the promise ("accepted by the platform for the next N seconds") can be kept for tokens
/// of this platform with the lengths of time that hold for it (`platform::timing_for`).
/// Fault::config names both values, each by the key that set it, and the fix where it cannot.
///
/// - Each is above zero. Without a use slack a token could end on its way to the platform, and a
///   suspect token, which is handed out for at most that long, could not be handed out at all.
/// - lease < overlap − use_slack, for kinds of which a token ends another: whoever renews after a
///   node that died with its lease must come before the displaced token ends.
/// - request_timeout < lease: a call that outlives its lease overlaps with the next node's.
/// - use_slack < refresh_ahead: a renewal planned for when nothing may be handed out any more is
///   none.
/// - use_slack < the longest life of a token, which could not be handed out otherwise.
Result<void> check_timing(const Config& config, const platform::PlatformDescription& platform);

/// `check_timing` for every platform that `config` uses, and for the one that apps of the store are
/// of unless they say otherwise; each failure once.
std::vector<Error> check_timings(const Config& config, const platform::Catalog& catalog);

}  // namespace hufu::config
