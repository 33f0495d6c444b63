#pragma once

#include <cstdint>
#include <string_view>

#include "hufu/clock.hpp"
#include "hufu/token.hpp"

namespace hufu::keeper {

/// A usable token as a reader sees it while it holds off the keeper: copy what you need.
struct TokenView {
  std::string_view token;
  std::int64_t expires_in = 0;  ///< Whole seconds of promise, at least 1.
  WallTime expires_at{};
  std::uint64_t revision = 0;
  Fingerprint fingerprint;
  std::string_view kind{};  ///< By its name, also where the main kind was asked for without one.
};

/// What a caller wishes of the token beyond its being usable.
struct Wish {
  /// A stale token that is promised for less is renewed before the answer, not after it; in
  /// seconds.
  std::int64_t min_ttl = 0;
  /// A windowed token inside its window is renewed before the answer, for at most half of
  /// `timing.request_timeout`: for the platform's own routes, where some SDKs cannot store an
  /// answer that is shorter than the window.
  bool outside_window = false;
};

}  // namespace hufu::keeper
