#pragma once

#include <cstddef>
#include <string>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"
#include "store/opening/open_store.hpp"

namespace hufu::store {

/// What a rotation did.
struct Rotation {
  std::string key_id;           ///< Of the new key.
  std::size_t tokens = 0;       ///< Tokens sealed anew, refresh tokens among them.
  std::size_t credentials = 0;  ///< Credentials of apps sealed anew.
  std::size_t unreadable = 0;   ///< What no key of the file opens; it was left as it is.
};

/// Adds a new key to the key file of the store and seals everything in the store anew with
/// it. What `hufu rotate-key` does; blocks until it is done.
///
/// Servers may go on running: they meet the new key in a record, read the key file again, and seal
/// with it from there on. The old keys stay in the file, because such a server may still write with
/// one for a moment. If this fails half-way (Fault::store), everything can still be read; run it
/// again.
Result<Rotation> rotate_key(const StoreSettings& settings, const Clock& clock);

}  // namespace hufu::store
