#include "server/recent_asks.hpp"

#include <algorithm>
#include <cstring>

namespace hufu::server {
namespace {

constexpr Milliseconds kTick{100};

std::uint64_t mixed(std::uint64_t hash, std::string_view text) noexcept {
  hash ^= text.size();
  while (!text.empty()) {
    std::uint64_t word = 0;
    const std::size_t size = text.size() < sizeof word ? text.size() : sizeof word;
    std::memcpy(&word, text.data(), size);
    text.remove_prefix(size);
    hash = (hash ^ word) * 0xff51afd7ed558ccdU;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

bool RecentAsks::asks_again(std::string_view app, std::string_view credential,
                            std::string_view address, SteadyTime now) noexcept {
  constexpr auto kWindowTicks = static_cast<std::uint32_t>(kWindow / kTick);
  constexpr auto kRestTicks = static_cast<std::uint32_t>(kRest / kTick);

  const std::uint64_t hash = mixed(mixed(mixed(0x9e3779b97f4a7c15U, app), credential), address);
  Place& place = places_[hash % kPlaces];
  const auto tick = static_cast<std::uint32_t>(now.time_since_epoch() / kTick);
  const std::uint64_t ask = (hash & 0xffffffff00000000U) | tick;

  // An asker that is busy writes its place ten times a second, and else only reads it: its
  // connections, on different threads, do not take the cache line from each other.
  const std::uint64_t before = place.asked.load(std::memory_order_relaxed);
  if (before != ask) place.asked.store(ask, std::memory_order_relaxed);
  if ((before ^ ask) >> 32 != 0) {
    place.believed.store(tick - kRestTicks, std::memory_order_relaxed);
    return false;
  }
  if (tick - static_cast<std::uint32_t>(before) > kWindowTicks) return false;
  if (tick - place.believed.load(std::memory_order_relaxed) < kRestTicks) return false;
  if (!may_believe_another(now)) return false;
  place.believed.store(tick, std::memory_order_relaxed);
  return true;
}

bool RecentAsks::may_believe_another(SteadyTime now) noexcept {
  SteadyTime until = believed_until_.load(std::memory_order_relaxed);
  SteadyTime next;
  do {
    if (until > now + kAhead) return false;
    next = std::max(until, now) + kBetween;
  } while (!believed_until_.compare_exchange_weak(until, next, std::memory_order_relaxed));
  return true;
}

}  // namespace hufu::server
