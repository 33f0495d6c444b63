#pragma once

namespace hufu::cli {

/// How fast a rehearsal may run. Beyond, a whole token's life is over before a call is.
inline constexpr double kSlowest = 0.001;
inline constexpr double kFastest = 10'000;

}  // namespace hufu::cli
