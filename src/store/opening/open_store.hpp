#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"
#include "hufu/store.hpp"
#include "store/cluster.hpp"
#include "store/legacy_documents.hpp"
#include "store/registry.hpp"
#include "store/sealer.hpp"

namespace hufu::store {

/// Which store, and what opens it.
struct StoreSettings {
  std::string uri;  ///< "memory:", "sqlite:PATH", "postgresql://…", "mongodb://…", "redis://…".
  std::string key_file;  ///< Empty: beside a SQLite file, a throw-away key for memory.
  Secret password;       ///< Of a database server, where the URI holds none.
};

/// A database with its interfaces, sealed: above this line secrets and tokens are plain, below it
/// they are not.
///
/// Let go of all of them before whatever their `done`s use.
struct OpenStore {
  std::shared_ptr<TokenStore> tokens;
  std::shared_ptr<Registry> registry;
  std::shared_ptr<Cluster> cluster;
  std::shared_ptr<LegacyDocuments> legacy_documents;  ///< Null but in a MongoDB store.
  std::shared_ptr<const Sealer> sealer;               ///< Also makes fingerprints and secret tags.
  /// Notes which key seals here, after the database has lost what was in it, so that a process with
  /// another key file is refused as before; true where it has lost that, too. Fault::config where
  /// another key has come first. Empty where nothing can be written.
  std::function<void(Done<Result<bool>>)> note_key_again;
  /// What an operator should know of how the database is set up, a sentence each.
  std::vector<std::string> warnings;
};

/// Opens the store that `settings` name with the keys that fit it.
///
/// A missing key file is made (mode 0600) only where the store holds nothing sealed yet; else
/// Fault::config names the key id that is wanted. A URI that cannot be read is Fault::config, a
/// database that cannot be used is Fault::store.
Result<OpenStore> open_store(const StoreSettings& settings, const Clock& clock);

/// Whether `open_store` could read `uri`, without opening anything: Fault::config if not.
Result<void> check_store_uri(const std::string& uri);

/// The stores compiled in, as `hufu version` shows them.
std::vector<std::string> compiled_stores();

}  // namespace hufu::store
