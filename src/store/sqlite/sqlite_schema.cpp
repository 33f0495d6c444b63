#include "store/sqlite/sqlite_schema.hpp"

#include <iterator>

namespace hufu::store {
namespace {

/// "hufu": says whose file this is (`file`(1) shows it).
constexpr std::int64_t kApplicationId = 0x68756675;

/// One step a version, oldest first. Never edit one that was released: add the next.
///
/// Times are Unix milliseconds, lengths of time milliseconds. Tokens, refresh tokens and
/// credentials are sealed; see sealer.hpp.
constexpr const char* kMigrations[] = {
    // 1
    R"sql(
CREATE TABLE tokens (
  id           INTEGER PRIMARY KEY,
  app          TEXT    NOT NULL,
  kind         TEXT    NOT NULL,
  revision     INTEGER NOT NULL,  -- how many tokens there have been; 0: none yet
  token        BLOB,
  issuer       TEXT,
  obtained_at  INTEGER,
  expires_at   INTEGER,
  renew_at     INTEGER NOT NULL,
  displaced_at INTEGER,
  predecessors TEXT    NOT NULL,  -- fingerprints, the latest first: "89abcdef;"
  alive_at     INTEGER,
  marks        TEXT    NOT NULL,  -- calls of unknown outcome: "called_at:may_die_at;", "?;" if pending
  late_marks   TEXT    NOT NULL,  -- those of them that the holder of the lease has not seen
  trouble      TEXT,              -- JSON: how the last attempts failed
  budget       TEXT    NOT NULL,  -- JSON, or nothing: what reports have used up
  fence        INTEGER NOT NULL,
  holder       TEXT    NOT NULL,  -- of the lease; empty: nobody
  lease_until  INTEGER NOT NULL,
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL,
  UNIQUE (app, kind)
) STRICT;

CREATE TABLE apps (
  row          INTEGER PRIMARY KEY,
  id           TEXT    NOT NULL UNIQUE,
  platform     TEXT    NOT NULL,
  endpoint     TEXT    NOT NULL,
  secret_login INTEGER NOT NULL,
  secret       BLOB    NOT NULL,
  tag          BLOB    NOT NULL,  -- recognises the secret
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
  name         TEXT    NOT NULL UNIQUE,
  hash         BLOB    NOT NULL,  -- SHA-256 of the key
  apps         TEXT    NOT NULL,  -- JSON array; empty: all
  rights       TEXT    NOT NULL,  -- "read,report"
  created_at   INTEGER NOT NULL
) STRICT;

-- What changed, in order: a token (app and kind), an app (no kind) or the API keys (neither).
-- The oldest entries are dropped, the newest never: fences are drawn from these numbers. The first
-- entry is there so that there always is a newest one.
CREATE TABLE changes (
  sequence     INTEGER PRIMARY KEY,
  app          TEXT    NOT NULL,
  kind         TEXT    NOT NULL
) STRICT;
INSERT INTO changes VALUES (1, '', '');

-- The keys that sealed something in here, by what recognises them.
CREATE TABLE sealing_keys (
  id           TEXT    NOT NULL UNIQUE,
  check_value  BLOB    NOT NULL
) STRICT;

-- Tells this database from any other, so that a cursor of another one is not mistaken for its own.
CREATE TABLE identity (
  name         TEXT    NOT NULL
) STRICT;
INSERT INTO identity VALUES (lower(hex(randomblob(8))));

PRAGMA application_id = 0x68756675;
)sql",
    // 2
    R"sql(
-- The processes that share this file, for people who look (cluster.hpp).
CREATE TABLE nodes (
  name         TEXT    NOT NULL UNIQUE,
  host         TEXT    NOT NULL,
  version      TEXT    NOT NULL,
  listen       TEXT    NOT NULL,
  started_at   INTEGER NOT NULL,
  clock_ahead  INTEGER NOT NULL,
  fenced       INTEGER NOT NULL,
  seen_at      INTEGER NOT NULL
) STRICT;

-- Few leases are held at any moment: who holds one is found without a walk through all tokens.
CREATE INDEX leases ON tokens (app, kind) WHERE holder <> '';
)sql",
    // 3
    R"sql(
ALTER TABLE tokens ADD COLUMN overlap INTEGER;  -- how long the token outlives the next one's issue
ALTER TABLE tokens ADD COLUMN refresh_token BLOB;
ALTER TABLE tokens ADD COLUMN refresh_token_expires_at INTEGER;

ALTER TABLE apps RENAME TO apps_before;
CREATE TABLE apps (
  row          INTEGER PRIMARY KEY,
  id           TEXT    NOT NULL UNIQUE,
  platform     TEXT    NOT NULL,
  parent       TEXT    NOT NULL,  -- the app that it belongs to; empty: none
  settings     TEXT    NOT NULL,  -- JSON object of texts; empty: none
  credentials  TEXT    NOT NULL,  -- JSON object, each sealed, in hex; empty: none
  keep         TEXT    NOT NULL,  -- JSON array of kinds; empty: none
  secret_login INTEGER NOT NULL,
  tag          BLOB    NOT NULL,  -- recognises the credential "secret"
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL
) STRICT;
INSERT INTO apps
  SELECT row, id, platform, '', iif(endpoint = '', '', json_object('endpoint', endpoint)),
         json_object('secret', lower(hex(secret))), '', secret_login, tag, created_at, updated_at
  FROM apps_before;
DROP TABLE apps_before;

-- One row at most: how far this database's time is ahead of the time since the machine was started
-- (sqlite_clock.hpp).
CREATE TABLE clock (
  boot         TEXT    NOT NULL,
  wall_offset  INTEGER NOT NULL
) STRICT;
)sql",
};

}  // namespace

int schema_version() { return static_cast<int>(std::size(kMigrations)); }

Result<void> check_schema(SqliteDatabase& database, const std::string& path) {
  // One statement, so that all three are of one moment: another process may be migrating meanwhile.
  Query look(database,
             "SELECT count(*), (SELECT user_version FROM pragma_user_version), "
             "(SELECT application_id FROM pragma_application_id) FROM sqlite_schema");
  look.row();
  const bool is_empty = look.integer(0) == 0;
  const std::int64_t version = look.integer(1);
  const std::int64_t application = look.integer(2);
  if (application != kApplicationId && !(is_empty && application == 0 && version == 0)) {
    return fail(Fault::store, "the database " + path + " belongs to another program",
                "name another file");
  }
  if (version > schema_version()) {
    return fail(Fault::store,
                "the database " + path + " was written by a newer hufu (schema " +
                    std::to_string(version) + ", this one knows " +
                    std::to_string(schema_version()) + ")",
                "run that hufu, or restore a backup from before the upgrade");
  }
  return {};
}

Result<void> migrate(SqliteDatabase& database, const std::string& path, int version) {
  if (auto fine = check_schema(database, path); !fine) return fine;
  if (database.number("PRAGMA user_version") >= version) return {};

  database.run("BEGIN IMMEDIATE");
  try {
    // Another process may have been here while we waited for the lock.
    auto fine = check_schema(database, path);
    if (!fine) {
      database.run("ROLLBACK");
      return fine;
    }
    for (auto i = database.number("PRAGMA user_version"); i < version; ++i) {
      database.run(kMigrations[i]);
      database.run(("PRAGMA user_version = " + std::to_string(i + 1)).c_str());
    }
    database.run("COMMIT");
  } catch (const SqliteFailure&) {
    if (database.in_transaction()) database.run("ROLLBACK");
    throw;
  }
  return {};
}

}  // namespace hufu::store
