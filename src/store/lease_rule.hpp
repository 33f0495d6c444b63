#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "core/process.hpp"
#include "hufu/store.hpp"

namespace hufu::store {

/// A lease as it stands beside a record; no holder: nobody has it.
struct LeaseState {
  std::uint64_t fence = 0;
  std::string holder;
  WallTime until{};
};

/// Who keeps `now` from taking the lease; empty if it is free: given back, past its time and the
/// grace given to it, or held by a process of this machine that is gone.
inline std::optional<Held> held(const LeaseState& lease, WallTime now, Milliseconds grace) {
  const WallTime end = lease.until + grace;
  if (lease.holder.empty() || now >= end || process_is_gone(lease.holder)) return std::nullopt;
  return Held{lease.holder, end - now};
}

/// Whether a write under `lease` may still take place. Time alone does not end that right: it ends
/// when the lease is given back, or somebody else takes it.
inline bool holds(const LeaseState& stored, const Lease& lease) {
  return stored.fence == lease.fence && stored.holder == lease.holder && !stored.holder.empty();
}

}  // namespace hufu::store
