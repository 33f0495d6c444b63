#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/sources.hpp"
#include "hufu/error.hpp"

namespace hufu::config {

/// Whether `uri` is well-formed and of a kind that is among `compiled` ("memory", "sqlite", …).
/// Fault::config if not; no message repeats a URI that may hold a password.
Result<void> check_store(std::string_view uri, const std::vector<std::string>& compiled);

/// The SQLite file in the user's state directory: where a store is kept when nobody says where.
Result<std::string> default_store(const Environment& environment);

/// Whether nodes on several machines can share the store at `uri`.
bool is_shared_store(std::string_view uri);

/// Where the keys of a shared store are looked for when nobody says where: `hufu.key` in the user's
/// state directory.
Result<std::string> default_key_file(const Environment& environment);

/// `uri` fit to be shown: without its password and its query.
std::string masked_store(std::string_view uri);

}  // namespace hufu::config
