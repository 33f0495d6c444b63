#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"
#include "hufu/store.hpp"
#include "store/cluster.hpp"
#include "store/keyring.hpp"
#include "store/legacy_documents.hpp"
#include "store/registry.hpp"
#include "store/seal_ledger.hpp"

namespace hufu::store {

/// What a store's URI names.
struct StoreUri {
  enum class Kind { memory, sqlite, mongodb, postgresql, redis };
  Kind kind{};
  std::string path;  ///< Of a SQLite file, absolute.
  Secret address;    ///< Of a database server: the whole URI, which may hold a password.

  /// Whether nodes on several machines can share it.
  [[nodiscard]] bool is_shared() const { return kind > Kind::sqlite; }
};

/// Reads "memory:", "sqlite:PATH", "sqlite:///PATH", and the URI of a database server, whose store
/// has to understand all of it. Fault::config for everything else, an unknown option included; what
/// stands behind a server's scheme, which may hold a password, is not repeated.
Result<StoreUri> parse_store_uri(const std::string& uri);

/// A database as it is, behind each of its interfaces: what they hold is sealed.
struct RawStore {
  std::shared_ptr<TokenStore> tokens;
  std::shared_ptr<Registry> registry;
  std::shared_ptr<SealLedger> ledger;
  std::shared_ptr<Cluster> cluster;
  std::shared_ptr<LegacyDocuments> legacy_documents;  ///< Null but in a MongoDB store.
  /// What an operator should know of how this database is set up, a sentence each.
  std::vector<std::string> warnings;
  bool read_only = false;  ///< Nothing can be written, for as long as it is open.
};

/// `password`: of the user that the URI names, where the URI holds none; may be empty.
Result<RawStore> open_raw_store(const StoreUri& uri, const Secret& password, const Clock& clock);

/// `key_file`, or where the keys of this store are kept if it is empty: beside a SQLite file.
/// Empty: nowhere.
std::string key_file_of(const StoreUri& uri, const std::string& key_file);

/// The keys that fit this store: those of the file, made now if it is missing and nothing has been
/// sealed yet. They are checked against what the ledger remembers, and the active one is noted.
/// Fault::config names the key that is wanted; Fault::store where the ledger makes no sense.
Result<Keyring> unlock(const RawStore& store, const std::string& key_file);

/// Notes the active key of `ring` again, after the database has lost what was in it: true where no
/// key was noted. Fault::config where a key is noted by now that neither `ring` nor the key file,
/// read once more, holds. As asynchronous as the ledger; `ring` may go at once.
std::function<void(Done<Result<bool>>)> note_again(const std::shared_ptr<SealLedger>& ledger,
                                                   const Keyring& ring, std::string key_file);

}  // namespace hufu::store
