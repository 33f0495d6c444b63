#pragma once

#include <string_view>

#include "hufu/config.hpp"
#include "platform/description.hpp"

namespace hufu::platform {

/// The lengths of time that hold for a platform. For each of them, the first of these that names it
/// counts: `[platform.NAME.timing]` (the PlatformConfig), `[timing]` (the Config), the platform's
/// description, what is usual (a default Timing). `overlap` is that of the main kind's rule.
Timing timing_for(const Config& config, const PlatformDescription& platform);

/// How long a token of `kind` outlives its successor's issue, or, windowed, how long before its end
/// there is a new one: as `config` says, and where it says nothing, as the kind's rule does. Zero
/// for kinds of which no token ends another.
Milliseconds overlap_for(const Config& config, const PlatformDescription& platform,
                         const KindDescription& kind);

/// The part of `config` about the platform of that name; nothing but defaults where there is none.
const PlatformConfig& config_of(const Config& config, std::string_view platform);

}  // namespace hufu::platform
