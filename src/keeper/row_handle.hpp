#pragma once

#include <compare>
#include <cstdint>

namespace hufu::keeper {

/// Names one row of the table: an app's token of one kind. A coroutine that comes back asks its
/// handle, which stands for nothing once the row was removed, even where its place was taken again.
struct RowHandle {
  std::uint32_t id = 0;
  std::uint32_t generation = 0;
  auto operator<=>(const RowHandle&) const = default;
};

}  // namespace hufu::keeper
