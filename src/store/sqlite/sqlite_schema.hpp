#pragma once

#include <string>

#include "hufu/error.hpp"
#include "store/sqlite/sqlite_database.hpp"

namespace hufu::store {

/// The version of the schema that this program writes, kept in `PRAGMA user_version`.
int schema_version();

/// Fault::store where it was written by a newer hufu, or by another program. Changes nothing.
Result<void> check_schema(SqliteDatabase& database, const std::string& path);

/// Brings the database up to `version`, in one transaction; several processes may try at once.
///
/// Fails as `check_schema` does, and throws SqliteFailure; the database is untouched then.
/// `version` is for tests, which make databases of days past.
Result<void> migrate(SqliteDatabase& database, const std::string& path,
                     int version = schema_version());

}  // namespace hufu::store
