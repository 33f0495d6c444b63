#include "store/postgresql/postgresql_schema.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>

namespace hufu::store {
namespace {

/// One step a version, oldest first. Never edit one that was released: add the next.
///
/// Times are Unix milliseconds, lengths of time milliseconds. Tokens, refresh tokens and
/// credentials are sealed; see sealer.hpp. Texts that others wrote (what a platform said, the
/// settings of an app) are kept as bytes, so that no encoding of the database can refuse them.
constexpr const char* kMigrations[] = {
    // 1
    R"sql(
CREATE TABLE hufu_tokens (
  app          text   COLLATE "C" NOT NULL,
  kind         text   COLLATE "C" NOT NULL,
  revision     bigint NOT NULL,  -- how many tokens there have been; 0: none yet
  token        bytea,
  issuer       text,
  obtained_at  bigint,
  expires_at   bigint,
  renew_at     bigint NOT NULL,
  displaced_at bigint,
  predecessors text   NOT NULL,  -- fingerprints, the latest first: "89abcdef;"
  alive_at     bigint,
  marks        text   NOT NULL,  -- calls of unknown outcome: "called_at:may_die_at;", "?;" if pending
  late_marks   text   NOT NULL,  -- those of them that the holder of the lease has not seen
  trouble      bytea,            -- JSON: how the last attempts failed
  budget       text   NOT NULL,  -- JSON, or nothing: what reports have used up
  fence        bigint NOT NULL,
  holder       text   NOT NULL,  -- of the lease; empty: nobody
  lease_until  bigint NOT NULL,
  lease_length bigint NOT NULL,  -- tells a long lease from a clock that was set back
  created_at   bigint NOT NULL,
  updated_at   bigint NOT NULL,
  PRIMARY KEY (app, kind)
);

-- Few leases are held at any moment: who holds one is found without a walk through all tokens.
CREATE INDEX hufu_leases ON hufu_tokens (app, kind) WHERE holder <> '';

CREATE SEQUENCE hufu_fences;

CREATE TABLE hufu_apps (
  id           text    COLLATE "C" PRIMARY KEY,
  platform     text    NOT NULL,
  endpoint     text    NOT NULL,
  secret_login boolean NOT NULL,
  secret       bytea   NOT NULL,
  tag          bytea   NOT NULL,  -- recognises the secret
  created_at   bigint  NOT NULL,
  updated_at   bigint  NOT NULL
);

CREATE TABLE hufu_api_keys (
  name         text   COLLATE "C" PRIMARY KEY,
  hash         bytea  NOT NULL,  -- SHA-256 of the key
  apps         text   NOT NULL,  -- JSON array; empty: all
  rights       text   NOT NULL,  -- "read,report"
  created_at   bigint NOT NULL
);

-- What changed: a token (app and kind), an app (no kind) or the API keys (neither). How it is read
-- without missing anything: postgresql_feed.hpp. The oldest entries are dropped, the newest never.
-- The first entry is there so that there always is a newest one.
CREATE TABLE hufu_changes (
  sequence     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  writer       xid8   NOT NULL DEFAULT pg_current_xact_id(),
  told_at      bigint NOT NULL DEFAULT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint,
  app          text   COLLATE "C" NOT NULL,
  kind         text   COLLATE "C" NOT NULL
);
CREATE INDEX hufu_changes_by_writer ON hufu_changes (writer);
INSERT INTO hufu_changes (app, kind) VALUES ('', '');

-- One row: what tells this database from any other, so that a cursor of another one is not mistaken
-- for its own; and the moment up to which the next trimming of the log drops what it holds.
CREATE TABLE hufu_feed (
  identity     text        NOT NULL,
  sequence     bigint      NOT NULL,
  snapshot     pg_snapshot NOT NULL
);
INSERT INTO hufu_feed VALUES (replace(gen_random_uuid()::text, '-', ''), 0, pg_current_snapshot());

-- The keys that sealed something in here, by what recognises them.
CREATE TABLE hufu_sealing_keys (
  id           text   COLLATE "C" PRIMARY KEY,
  check_value  bytea  NOT NULL,
  place        bigint GENERATED ALWAYS AS IDENTITY
);

-- The processes that share this database, for people who look (cluster.hpp).
CREATE TABLE hufu_nodes (
  name         text   COLLATE "C" PRIMARY KEY,
  host         text   NOT NULL,
  version      text   NOT NULL,
  listen       text   NOT NULL,
  started_at   bigint NOT NULL,
  clock_ahead  bigint NOT NULL,
  fenced       bigint NOT NULL,
  seen_at      bigint NOT NULL
);
)sql",
    // 2
    R"sql(
ALTER TABLE hufu_tokens
  ADD COLUMN overlap bigint,  -- how long the token outlives the next one's issue
  ADD COLUMN refresh_token bytea,
  ADD COLUMN refresh_token_expires_at bigint;

ALTER TABLE hufu_apps
  ADD COLUMN parent text COLLATE "C" NOT NULL DEFAULT '',  -- the app that it belongs to; empty: none
  ADD COLUMN settings bytea NOT NULL DEFAULT '',           -- JSON object of texts; empty: none
  ADD COLUMN credentials bytea NOT NULL DEFAULT '',        -- JSON object, each sealed, in hex
  ADD COLUMN keep text NOT NULL DEFAULT '';                -- JSON array of kinds; empty: none
UPDATE hufu_apps SET
  settings = CASE endpoint WHEN '' THEN ''
             ELSE convert_to(json_build_object('endpoint', endpoint)::text, 'UTF8') END,
  credentials = convert_to(json_build_object('secret', encode(secret, 'hex'))::text, 'UTF8');
ALTER TABLE hufu_apps DROP COLUMN endpoint, DROP COLUMN secret;
)sql",
};

/// As long as many nodes that start at once may take in their turns.
constexpr Milliseconds kMigrationPatience = std::chrono::minutes(1);

/// Nothing where there are no tables of Hufu's.
std::optional<std::int64_t> version_of(PostgresqlConnection& connection) {
  // Not to_regclass: what that remembers may be from before we waited for our turn.
  static const std::string kLook =
      "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'hufu_schema' "
      "AND pg_table_is_visible(oid))";
  static const std::string kVersion = "SELECT version FROM hufu_schema";
  if (PostgresqlQuery(connection, kLook).run().integer(0, 0) == 0) return std::nullopt;
  const PostgresqlRows rows = PostgresqlQuery(connection, kVersion).run();
  return rows.empty() ? 0 : rows.integer(0, 0);
}

Result<void> check_version(std::int64_t version, const PostgresqlAddress& address) {
  if (version <= postgresql_schema_version()) return {};
  return fail(Fault::store,
              address.shown + " was written by a newer hufu (schema " + std::to_string(version) +
                  ", this one knows " + std::to_string(postgresql_schema_version()) + ")",
              "run that hufu, or restore a backup from before the upgrade");
}

Result<void> migrate_in_turn(PostgresqlConnection& connection, const PostgresqlAddress& address,
                             int wanted) {
  // "hufu" as a number. The level is named because only then does the next statement see what
  // happened while this one waited.
  connection.run(
      "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; "
      "SELECT pg_advisory_xact_lock(1752524405)");
  auto found = version_of(connection);
  if (!found) connection.run("CREATE TABLE hufu_schema (version bigint NOT NULL)");
  const std::int64_t version = found.value_or(0);
  if (auto fine = check_version(version, address); !fine) return fine;
  for (auto i = version; i < wanted; ++i) connection.run(kMigrations[i]);
  connection.run(("DELETE FROM hufu_schema; INSERT INTO hufu_schema VALUES (" +
                  std::to_string(std::max<std::int64_t>(version, wanted)) + ")")
                     .c_str());
  connection.run("COMMIT");
  return {};
}

}  // namespace

int postgresql_schema_version() { return static_cast<int>(std::size(kMigrations)); }

Result<void> migrate(PostgresqlConnection& connection, const PostgresqlAddress& address,
                     int version) {
  connection.allow(kMigrationPatience);
  if (auto found = version_of(connection)) {
    if (auto fine = check_version(*found, address); !fine) return fine;
    if (*found >= version) return {};
  }
  Result<void> migrated;
  try {
    migrated = migrate_in_turn(connection, address, version);
  } catch (const PostgresqlFailure&) {
    if (!connection.broken()) connection.run("ROLLBACK");
    throw;
  }
  if (!migrated) connection.run("ROLLBACK");
  return migrated;
}

}  // namespace hufu::store
