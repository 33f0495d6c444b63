#include "store/opening/raw_store.hpp"

#include <filesystem>
#include <string_view>
#include <utility>

#include "store/blocking.hpp"
#include "store/key_file.hpp"
#include "store/memory_store.hpp"
#include "store/mongodb/mongodb_store.hpp"
#include "store/postgresql/postgresql_store.hpp"
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
  if (path.empty()) return bad("the store sqlite: names no file");
  if (path == ":memory:") return bad("the store sqlite::memory: is not for Hufu");
  if (path.back() == '/') return bad("the store sqlite:" + std::string(path) + " names no file");
  if (path.find('\0') != std::string_view::npos) return bad("the store's path holds a NUL");
  std::error_code error;
  auto absolute = std::filesystem::absolute(std::filesystem::path(path), error);
  if (error) return bad("the store's path cannot be made absolute: " + error.message());
  return StoreUri{StoreUri::Kind::sqlite, absolute.lexically_normal().string(), {}};
}

std::string in_file(const std::string& key_file) {
  return key_file.empty() ? "" : " the key file " + key_file;
}

/// One object behind all interfaces that every database has.
template <class Store>
RawStore faces_of(const std::shared_ptr<Store>& store) {
  return {store, store, store, store, nullptr, {}};
}

Result<RawStore> open_postgresql(const StoreUri& uri, const Secret& password, const Clock& clock) {
  PostgresqlOptions options;
  options.uri = uri.address.clone();
  options.password = password.clone();
  auto store = PostgresqlStore::open(std::move(options), clock);
  if (!store) return tl::unexpected(store.error());
  RawStore raw = faces_of(*store);
  raw.warnings = (*store)->warnings();
  return raw;
}

Result<RawStore> open_redis(const StoreUri& uri, const Secret& password, const Clock& clock) {
  auto options = RedisOptions::from_uri(uri.address.reveal(), password);
  if (!options) return tl::unexpected(options.error());
  return RedisStore::open(std::move(*options), clock).map([](const auto& store) {
    RawStore faces = faces_of(store);
    faces.warnings = store->warnings();
    return faces;
  });
}

Result<RawStore> open_mongodb(const StoreUri& uri, const Secret& password, const Clock& clock) {
  MongoOptions options;
  options.uri = uri.address.clone();
  options.password = password.clone();
  auto store = MongoStore::open(std::move(options), clock);
  if (!store) return tl::unexpected(store.error());
  RawStore raw = faces_of(*store);
  raw.legacy_documents = *store;
  raw.warnings = (*store)->warnings();
  return raw;
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
    if (kind == StoreUri::Kind::redis) {
      if (auto read = RedisOptions::from_uri(uri, Secret()); !read) {
        return tl::unexpected(read.error());
      }
    }
    return StoreUri{kind, {}, Secret(uri)};
  }
  return fail(Fault::config, "there is no such kind of store as the URI names",
              std::string(kExamples));
}

Result<RawStore> open_raw_store(const StoreUri& uri, const Secret& password, const Clock& clock) {
  switch (uri.kind) {
    case StoreUri::Kind::memory: return faces_of(std::make_shared<MemoryStore>(clock));
    case StoreUri::Kind::sqlite: {
      SqliteOptions options;
      options.path = uri.path;
      return SqliteStore::open(std::move(options), clock).map(faces_of<SqliteStore>);
    }
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

Result<Keyring> unlock(SealLedger& ledger, const std::string& key_file) {
  auto noted_keys = [&] {
    return await<Result<std::vector<KeyNote>>>(
        [&](auto done) { ledger.noted_keys(std::move(done)); });
  };
  auto notes = noted_keys();
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
    if (made && !key_file.empty()) made = create_key_file(key_file, *made);
    if (!made) return made;
    *ring = std::move(*made);
    // Two nodes that start at once on a new database each make a key; the first one noted counts.
    const SealingKey& own = (*ring)->active();
    auto first = await<Result<bool>>([&](auto done) {
      ledger.note_first_key({own.id, (*ring)->check_value(own)}, std::move(done));
    });
    if (!first) return tl::unexpected(first.error());
    if (!*first) notes = noted_keys();
    if (!notes) return tl::unexpected(notes.error());
  }

  for (const KeyNote& note : *notes) {
    if (auto fits = check(note, **ring, key_file); !fits) return tl::unexpected(fits.error());
  }
  const SealingKey& active = (*ring)->active();
  auto noted = await<Result<void>>([&](auto done) {
    ledger.note_key({active.id, (*ring)->check_value(active)}, std::move(done));
  });
  if (!noted) return tl::unexpected(noted.error());
  return std::move(**ring);
}

}  // namespace hufu::store
