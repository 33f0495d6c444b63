#pragma once

#include <optional>
#include <string>

#include "hufu/error.hpp"
#include "store/keyring.hpp"

namespace hufu::store {

/// The keys in the file at `path`; nothing where there is no such file. Fault::config where it
/// cannot be read or makes no sense, and where anybody but its owner may read it.
Result<std::optional<Keyring>> read_key_file(const std::string& path);

/// Writes `ring` to a new file (mode 0600), whole and durable before this returns. If there is a
/// file by then, because another process was quicker, that one stays and is what is returned.
Result<Keyring> create_key_file(const std::string& path, const Keyring& ring);

/// Adds a new active key to the file, whole and durable before this returns; the old ones stay.
/// Two at a time take turns. Returns the new ring.
Result<Keyring> add_key_to_file(const std::string& path);

/// Says whether a file was replaced or changed since; nothing where there is none.
std::optional<std::string> stamp_of_file(const std::string& path);

}  // namespace hufu::store
