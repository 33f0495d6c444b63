#pragma once

#include <cstdint>
#include <string_view>

#include "hufu/clock.hpp"
#include "hufu/token.hpp"

namespace hufu::keeper {

/// A usable token as a reader sees it while the shard's lock is shared: copy what you need.
struct TokenView {
  std::string_view token;
  std::int64_t expires_in = 0;  ///< Whole seconds of promise, at least 1.
  WallTime expires_at{};
  std::uint64_t revision = 0;
  Fingerprint fingerprint;
};

}  // namespace hufu::keeper
