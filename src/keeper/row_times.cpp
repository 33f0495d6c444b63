#include "keeper/row_times.hpp"

namespace hufu::keeper {
namespace {

std::int64_t ms(WallTime time) noexcept { return time.time_since_epoch().count(); }

/// From where the row's moments are counted: any that it has, before there is a token.
WallTime origin(const RowTimes& times) noexcept {
  for (const WallTime time : {times.obtained_at, times.due, times.bounds.renew_at}) {
    if (time != WallTime{}) return time;
  }
  return times.bounds.last_end;
}

}  // namespace

RowTimes PackedRowTimes::all() const noexcept {
  if (is_wide()) return wide();
  return {WallTime(Milliseconds(base() + kBefore)), expires_at(), bounds(), due()};
}

void PackedRowTimes::set(const RowTimes& times) {
  RowTimes* const old = is_wide() ? &wide() : nullptr;
  if (!pack(times)) {
    auto* const kept = old != nullptr ? old : new RowTimes;
    *kept = times;
    base_high_ = kWide;
    std::memcpy(offsets_.data(), &kept, sizeof(void*));
  } else {
    delete old;
  }
}

bool PackedRowTimes::set_due(WallTime due) noexcept {
  if (is_wide()) {
    wide().due = due;
    return true;
  }
  const auto offset = offset_of(due);
  if (offset) offsets_[kDue] = *offset;
  return offset.has_value();
}

std::optional<std::uint32_t> PackedRowTimes::offset_of(WallTime time) const noexcept {
  if (time == WallTime{}) return kNever;
  // Unsigned, so that it may overflow: a moment before the base is then far after it.
  const auto offset = static_cast<std::uint64_t>(ms(time)) - static_cast<std::uint64_t>(base());
  if (offset >= kNever) return std::nullopt;
  return static_cast<std::uint32_t>(offset);
}

bool PackedRowTimes::pack(const RowTimes& times) noexcept {
  constexpr std::int64_t kMost = std::int64_t{1} << 46;
  const std::int64_t origin = ms(keeper::origin(times));
  if (origin < -kMost || origin > kMost) return false;
  std::uint16_t after_renewal = kDisplacesNothing;
  if (times.bounds.after_renewal) {
    const std::int64_t span = times.bounds.after_renewal->count();
    if (span < 0 || span % 1000 != 0 || span / 1000 >= kDisplacesNothing) return false;
    after_renewal = static_cast<std::uint16_t>(span / 1000);
  }
  PackedRowTimes packed;
  const std::int64_t base = origin - kBefore;
  packed.base_low_ = static_cast<std::uint32_t>(base & 0xffffffff);
  packed.base_high_ = static_cast<std::int16_t>(base >> 32);
  const std::array<WallTime, kOffsets> moments{times.bounds.renew_at, times.bounds.last_end,
                                               times.expires_at, times.due};
  for (std::size_t i = 0; i < kOffsets; ++i) {
    const auto offset = packed.offset_of(moments[i]);
    if (!offset) return false;
    packed.offsets_[i] = *offset;
  }
  base_low_ = packed.base_low_;
  base_high_ = packed.base_high_;
  after_renewal_ = after_renewal;
  offsets_ = packed.offsets_;
  return true;
}

}  // namespace hufu::keeper
