#include "store/opening/raw_store.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <type_traits>
#include <utility>

#include "store/blocking.hpp"
#include "store/key_file.hpp"
#include "store/memory_store.hpp"
#include "store/mongodb/mongodb_store.hpp"
#include "store/postgresql/postgresql_store.hpp"
#include "store/record_text.hpp"
#include "store/redis/redis_store.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace hufu::store {
namespace {

constexpr std::string_view kExamples =
    "write sqlite:/var/lib/hufu/hufu.db, or memory: for a store that forgets";

constexpr std::pair<std::string_view, StoreUri::Kind> kServers[] = {
    {"mongodb", StoreUri::Kind::mongodb},       {"mongodb+srv", StoreUri::Kind::mongodb},
    {"postgresql", StoreUri::Kind::postgresql}, {"postgres", StoreUri::Kind::postgresql},
    {"redis", StoreUri::Kind::redis},           {"rediss", StoreUri::Kind::redis},
    {"redis+sentinel", StoreUri::Kind::redis},  {"rediss+sentinel", StoreUri::Kind::redis},
};

Result<StoreUri> parse_sqlite(std::string_view path) {
  auto bad = [](std::string message) {
    return fail(Fault::config, std::move(message), std::string(kExamples));
  };
  if (path.substr(0, 2) == "//") {
    path.remove_prefix(2);
    if (path.empty() || path.front() != '/') {
      return bad("a store sqlite://… names a host, but SQLite has none");
    }
  }
  if (path.find('?') != std::string_view::npos) {
    return bad("the store sqlite: takes no options, and the name of its file may hold no ?");
  }
  if (path.empty()) return bad("the store sqlite: names no file");
  if (path == ":memory:") return bad("the store sqlite::memory: is not for Hufu");
  if (path.back() == '/') return bad("the store sqlite:" + std::string(path) + " names no file");
  if (path.find('\0') != std::string_view::npos) return bad("the store's path holds a NUL");
  std::error_code error;
  auto absolute = std::filesystem::absolute(std::filesystem::path(path), error);
  if (error) return bad("the store's path cannot be made absolute: " + error.message());
  return StoreUri{StoreUri::Kind::sqlite, absolute.lexically_normal().string(), {}};
}

/// Whether the store of that kind can read the URI.
Result<void> check_address(const StoreUri& uri) {
  const auto checked = [](const auto& address) -> Result<void> {
    if (!address) return tl::unexpected(address.error());
    return {};
  };
  switch (uri.kind) {
    case StoreUri::Kind::memory:
    case StoreUri::Kind::sqlite: return {};
    case StoreUri::Kind::mongodb: return checked(MongoAddress::parse(uri.address, Secret()));
    case StoreUri::Kind::postgresql:
      return checked(parse_postgresql_address(uri.address, Secret()));
    case StoreUri::Kind::redis:
      return checked(RedisOptions::from_uri(uri.address.reveal(), Secret()));
  }
  return {};
}

std::string in_file(const std::string& key_file) {
  return key_file.empty() ? "" : " the key file " + key_file;
}

/// One object behind all interfaces that it has.
template <class Store>
RawStore interfaces_of(const std::shared_ptr<Store>& store) {
  RawStore raw;
  raw.tokens = store;
  raw.registry = store;
  raw.ledger = store;
  raw.cluster = store;
  if constexpr (std::is_base_of_v<LegacyDocuments, Store>) raw.legacy_documents = store;
  if constexpr (requires { store->warnings(); }) raw.warnings = store->warnings();
  if constexpr (requires { store->is_read_only(); }) raw.read_only = store->is_read_only();
  return raw;
}

Result<RawStore> open_sqlite_file(const StoreUri& uri, const Clock& clock) {
  SqliteOptions options;
  options.path = uri.path;
  return SqliteStore::open(std::move(options), clock).map(interfaces_of<SqliteStore>);
}

Result<RawStore> open_postgresql(const StoreUri& uri, const Secret& password, const Clock& clock) {
  PostgresqlOptions options;
  options.uri = uri.address.clone();
  options.password = password.clone();
  return PostgresqlStore::open(std::move(options), clock).map(interfaces_of<PostgresqlStore>);
}

Result<RawStore> open_redis(const StoreUri& uri, const Secret& password, const Clock& clock) {
  auto options = RedisOptions::from_uri(uri.address.reveal(), password);
  if (!options) return tl::unexpected(options.error());
  return RedisStore::open(std::move(*options), clock).map(interfaces_of<RedisStore>);
}

Result<RawStore> open_mongodb(const StoreUri& uri, const Secret& password, const Clock& clock) {
  MongoOptions options;
  options.uri = uri.address.clone();
  options.password = password.clone();
  return MongoStore::open(std::move(options), clock).map(interfaces_of<MongoStore>);
}

/// What is remembered of a key has a form of its own; anything else is a damaged database.
bool is_sound(const KeyNote& note) {
  const auto id = bytes_from_hex(note.id);
  return id && id->size() == Keyring::kIdBytes && note.check.size() == Keyring::kCheckBytes;
}

/// Whether `ring` holds the very key that `note` remembers.
Result<void> check(const KeyNote& note, const Keyring& ring, const std::string& key_file) {
  const SealingKey* key = ring.find(note.id);
  if (key != nullptr && ring.check_value(*key) == note.check) return {};
  return fail(Fault::config,
              "the store is sealed with key " + note.id + ", but" + in_file(key_file) +
                  (key == nullptr ? " does not hold it" : " holds another key of that id"),
              "restore the key file that holds key " + note.id);
}

KeyNote note_of(const SealingKey& key, const Keyring& ring) {
  return {key.id, ring.check_value(key)};
}

Result<std::vector<KeyNote>> noted_keys(SealLedger& ledger) {
  auto notes =
      await<Result<std::vector<KeyNote>>>([&](auto done) { ledger.noted_keys(std::move(done)); });
  if (notes && !std::all_of(notes->begin(), notes->end(), is_sound)) {
    return fail(Fault::store, "the store is damaged: it does not tell which keys sealed it",
                "restore it from a backup");
  }
  return notes;
}

}  // namespace

Result<StoreUri> parse_store_uri(const std::string& uri) {
  auto colon = uri.find(':');
  if (colon == std::string::npos) {
    return fail(Fault::config, "the store's URI has no scheme", std::string(kExamples));
  }
  std::string scheme = uri.substr(0, colon);
  std::string_view rest = std::string_view(uri).substr(colon + 1);
  if (scheme == "sqlite") return parse_sqlite(rest);
  if (scheme == "memory") {
    if (rest.empty()) return StoreUri{StoreUri::Kind::memory, {}, {}};
    return fail(Fault::config, "nothing may follow the store memory:", std::string(kExamples));
  }
  for (const auto& [known, kind] : kServers) {
    if (scheme != known) continue;
    StoreUri server{kind, {}, Secret(uri)};
    if (auto read = check_address(server); !read) return tl::unexpected(read.error());
    return server;
  }
  return fail(Fault::config, "there is no such kind of store as the URI names",
              std::string(kExamples));
}

Result<RawStore> open_raw_store(const StoreUri& uri, const Secret& password, const Clock& clock) {
  switch (uri.kind) {
    case StoreUri::Kind::memory: return interfaces_of(std::make_shared<MemoryStore>(clock));
    case StoreUri::Kind::sqlite: return open_sqlite_file(uri, clock);
    case StoreUri::Kind::postgresql: return open_postgresql(uri, password, clock);
    case StoreUri::Kind::redis: return open_redis(uri, password, clock);
    case StoreUri::Kind::mongodb: return open_mongodb(uri, password, clock);
  }
  return fail(Fault::config, "this build has no such store", std::string(kExamples));
}

std::string key_file_of(const StoreUri& uri, const std::string& key_file) {
  if (!key_file.empty() || uri.kind != StoreUri::Kind::sqlite) return key_file;
  return (std::filesystem::path(uri.path).parent_path() / "hufu.key").string();
}

Result<Keyring> unlock(const RawStore& store, const std::string& key_file) {
  auto notes = noted_keys(*store.ledger);
  if (!notes) return tl::unexpected(notes.error());

  Result<std::optional<Keyring>> ring = std::optional<Keyring>();
  if (!key_file.empty()) ring = read_key_file(key_file);
  if (!ring) return tl::unexpected(ring.error());

  if (!*ring) {
    if (!notes->empty()) {
      const std::string& id = notes->back().id;
      return fail(Fault::config,
                  "the store is sealed with key " + id + ", but there is no key file" +
                      (key_file.empty() ? "" : " " + key_file),
                  "restore the key file that holds key " + id +
                      ", or name it with key_file; a new one could not read the store");
    }
    auto made = Keyring::fresh();
    if (made && !key_file.empty() && !store.read_only) made = create_key_file(key_file, *made);
    if (!made) return made;
    *ring = std::move(*made);
    if (store.read_only) return std::move(**ring);
    // Two nodes that start at once on a new database each make a key; the first one noted counts.
    auto first = await<Result<bool>>([&](auto done) {
      store.ledger->note_first_key(note_of((*ring)->active(), **ring), std::move(done));
    });
    if (!first) return tl::unexpected(first.error());
    notes = noted_keys(*store.ledger);
    if (!notes) return tl::unexpected(notes.error());
  }

  for (const KeyNote& note : *notes) {
    if (auto fits = check(note, **ring, key_file); !fits) return tl::unexpected(fits.error());
  }
  // Where nothing is to be noted nothing is written: a store that is locked can be read.
  const SealingKey& active = (*ring)->active();
  const bool is_noted = std::any_of(notes->begin(), notes->end(),
                                    [&](const KeyNote& note) { return note.id == active.id; });
  if (!is_noted && !store.read_only) {
    auto noted = await<Result<void>>(
        [&](auto done) { store.ledger->note_key(note_of(active, **ring), std::move(done)); });
    if (!noted) return tl::unexpected(noted.error());
  }
  return std::move(**ring);
}

std::function<void(Done<Result<bool>>)> note_again(const std::shared_ptr<SealLedger>& ledger,
                                                   const Keyring& ring, std::string key_file) {
  // Shared, because a function can be copied and a ring, on purpose, cannot.
  auto own = std::make_shared<const Keyring>(ring.clone());
  // Another node of this cluster may be the first, and may have a newer key of the same file.
  auto check_noted = [own,
                      key_file = std::move(key_file)](std::vector<KeyNote> notes) -> Result<bool> {
    std::erase_if(notes,
                  [&](const KeyNote& note) { return check(note, *own, key_file).has_value(); });
    if (notes.empty()) return false;
    auto now = read_key_file(key_file);
    for (const KeyNote& note : notes) {
      const Keyring& newest = now && *now ? **now : *own;
      if (auto fits = check(note, newest, key_file); !fits) return tl::unexpected(fits.error());
    }
    return false;
  };
  return [ledger, own, check_noted = std::move(check_noted)](Done<Result<bool>> done) {
    auto check_others = [ledger, own, check_noted, done](Result<bool> first) {
      if (!first || *first) return done(std::move(first));
      ledger->noted_keys([ledger, own, check_noted, done](Result<std::vector<KeyNote>> notes) {
        if (!notes) return done(tl::unexpected(std::move(notes.error())));
        auto fits = check_noted(std::move(*notes));
        if (!fits) return done(std::move(fits));
        ledger->note_key(note_of(own->active(), *own), [done](Result<void> noted) {
          if (!noted) return done(tl::unexpected(std::move(noted.error())));
          done(false);
        });
      });
    };
    ledger->note_first_key(note_of(own->active(), *own), std::move(check_others));
  };
}

}  // namespace hufu::store
