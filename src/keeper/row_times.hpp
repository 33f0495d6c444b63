#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "hufu/clock.hpp"
#include "keeper/rules.hpp"

namespace hufu::keeper {

/// Every moment that a row knows. WallTime{} stands for none.
struct RowTimes {
  WallTime obtained_at{};
  WallTime expires_at{};
  Bounds bounds;
  WallTime due{};
};

/// The same in 24 bytes: milliseconds since shortly before `obtained_at`, for lives of up to 48
/// days and promises of whole seconds. What does not fit lies in memory of its own, so any moments
/// come back as they were set, but for `obtained_at` where none was set.
///
/// Thread-safety: as an int; `set_due` touches nothing that the members under "readers" look at.
class PackedRowTimes {
 public:
  PackedRowTimes() = default;
  PackedRowTimes(const PackedRowTimes&) = delete;
  PackedRowTimes& operator=(const PackedRowTimes&) = delete;
  ~PackedRowTimes() {
    if (is_wide()) delete &wide();
  }

  // ---- readers
  [[nodiscard]] Bounds bounds() const noexcept {
    // Put together from numbers: copied as a whole on some path, it would lie in memory on all.
    Bounds bounds;
    bounds.renew_at = is_wide() ? wide().bounds.renew_at : at(kRenewAt);
    bounds.last_end = is_wide() ? wide().bounds.last_end : at(kLastEnd);
    if (is_wide() ? wide().bounds.after_renewal.has_value() : after_renewal_ != kDisplacesNothing) {
      bounds.after_renewal = is_wide() ? *wide().bounds.after_renewal
                                       : Milliseconds(after_renewal_ * std::int64_t{1000});
    }
    return bounds;
  }
  [[nodiscard]] WallTime expires_at() const noexcept {
    return is_wide() ? wide().expires_at : at(kExpiresAt);
  }

  // ---- one thread
  [[nodiscard]] WallTime due() const noexcept { return is_wide() ? wide().due : at(kDue); }
  [[nodiscard]] RowTimes all() const noexcept;
  void set(const RowTimes& times);
  /// False, and nothing is changed, where it takes `set`.
  bool set_due(WallTime due) noexcept;

 private:
  static constexpr std::size_t kRenewAt = 0;
  static constexpr std::size_t kLastEnd = 1;
  static constexpr std::size_t kExpiresAt = 2;
  static constexpr std::size_t kDue = 3;
  static constexpr std::size_t kOffsets = 4;
  static constexpr std::uint32_t kNever = 0xffffffff;  ///< WallTime{}.
  static constexpr std::uint16_t kDisplacesNothing = 0xffff;
  static constexpr std::int16_t kWide = INT16_MIN;  ///< As `base_high_`.
  /// A token may end before it was obtained, by the clock of another node.
  static constexpr std::int64_t kBefore = std::int64_t{24} * 3600 * 1000;

  [[nodiscard]] bool is_wide() const noexcept { return base_high_ == kWide; }
  [[nodiscard]] std::int64_t base() const noexcept {
    return (std::int64_t{base_high_} * (std::int64_t{1} << 32)) | base_low_;
  }
  [[nodiscard]] WallTime at(std::size_t moment) const noexcept {
    const std::uint32_t offset = offsets_[moment];
    return offset == kNever ? WallTime{} : WallTime(Milliseconds(base() + offset));
  }
  [[nodiscard]] RowTimes& wide() const noexcept {
    RowTimes* times = nullptr;
    std::memcpy(&times, offsets_.data(), sizeof(void*));
    return *times;
  }
  /// The offset of a moment, if it has one.
  [[nodiscard]] std::optional<std::uint32_t> offset_of(WallTime time) const noexcept;
  bool pack(const RowTimes& times) noexcept;

  std::uint32_t base_low_ = 0;
  std::int16_t base_high_ = 0;
  std::uint16_t after_renewal_ = kDisplacesNothing;  // Seconds.
  /// Or, when wide, a pointer.
  std::array<std::uint32_t, kOffsets> offsets_{kNever, kNever, kNever, kNever};
};

}  // namespace hufu::keeper
