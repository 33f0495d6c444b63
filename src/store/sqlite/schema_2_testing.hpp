#pragma once

namespace hufu::store::testing {

/// An empty database as hufu wrote it before an app had settings and credentials (schema 2).
inline constexpr const char* kSchema2 = R"sql(
CREATE TABLE tokens (
  id           INTEGER PRIMARY KEY,
  app          TEXT    NOT NULL,
  kind         TEXT    NOT NULL,
  revision     INTEGER NOT NULL,
  token        BLOB,
  issuer       TEXT,
  obtained_at  INTEGER,
  expires_at   INTEGER,
  renew_at     INTEGER NOT NULL,
  displaced_at INTEGER,
  predecessors TEXT    NOT NULL,
  alive_at     INTEGER,
  marks        TEXT    NOT NULL,
  late_marks   TEXT    NOT NULL,
  trouble      TEXT,
  budget       TEXT    NOT NULL,
  fence        INTEGER NOT NULL,
  holder       TEXT    NOT NULL,
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
  tag          BLOB    NOT NULL,
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL
) STRICT;
CREATE TABLE api_keys (
  name         TEXT    NOT NULL UNIQUE,
  hash         BLOB    NOT NULL,
  apps         TEXT    NOT NULL,
  rights       TEXT    NOT NULL,
  created_at   INTEGER NOT NULL
) STRICT;
CREATE TABLE changes (
  sequence     INTEGER PRIMARY KEY,
  app          TEXT    NOT NULL,
  kind         TEXT    NOT NULL
) STRICT;
CREATE TABLE sealing_keys (
  id           TEXT    NOT NULL UNIQUE,
  check_value  BLOB    NOT NULL
) STRICT;
CREATE TABLE identity (
  name         TEXT    NOT NULL
) STRICT;
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
CREATE INDEX leases ON tokens (app, kind) WHERE holder <> '';
INSERT INTO changes VALUES (1, '', '');
INSERT INTO identity VALUES ('0123456789abcdef');
PRAGMA application_id = 0x68756675;
PRAGMA user_version = 2;
PRAGMA journal_mode = WAL;
)sql";

}  // namespace hufu::store::testing
