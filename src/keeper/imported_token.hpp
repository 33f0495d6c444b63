#pragma once

#include <functional>
#include <optional>

#include "hufu/secret.hpp"
#include "hufu/store.hpp"

namespace hufu::keeper {

/// A token that a program before Hufu left where it keeps its own.
struct ImportedToken {
  Secret value;
  WallTime promised_until{};             ///< As it says there: its end less a buffer of 20 s.
  std::optional<WallTime> written_at{};  ///< By that program's account.
};

/// Looks for one, for a key that has had no token yet. `done` is called exactly once, on any thread;
/// nothing where there is none.
using FindImported =
    std::function<void(const Key&, Done<Result<std::optional<ImportedToken>>>)>;

}  // namespace hufu::keeper
