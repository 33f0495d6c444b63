#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"
#include "hufu/store.hpp"
#include "store/registry.hpp"
#include "store/sealer.hpp"

namespace hufu::store {

/// A database with its two faces, sealed: above this line secrets and tokens are plain, below it
/// they are not.
///
/// Let go of all three before whatever their `done`s use.
struct OpenStore {
  std::shared_ptr<TokenStore> tokens;
  std::shared_ptr<Registry> registry;
  std::shared_ptr<const Sealer> sealer;  ///< Also makes fingerprints and secret tags.
};

/// Opens the store that `uri` names ("memory:", "sqlite:PATH") with the keys in `key_file`.
///
/// An empty `key_file` means PATH's directory + "/hufu.key" for SQLite and a throw-away key for
/// memory. A missing key file is made (mode 0600) only where the store holds nothing sealed yet;
/// else Fault::config names the key id that is wanted. A URI that cannot be read is Fault::config,
/// a database that cannot be used is Fault::store.
Result<OpenStore> open_store(const std::string& uri, const std::string& key_file,
                             const Clock& clock);

/// Whether `open_store` could read `uri`, without opening anything: Fault::config if not.
Result<void> check_store_uri(const std::string& uri);

/// The stores compiled in, as `hufu version` shows them.
std::vector<std::string> compiled_stores();

}  // namespace hufu::store
