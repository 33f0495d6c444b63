#pragma once

#include "hufu/error.hpp"
#include "store/postgresql/postgresql_connection.hpp"

namespace hufu::store {

/// The version of the schema that this program writes, kept in the table `hufu_schema`.
int postgresql_schema_version();

/// Makes Hufu's tables (hufu_…, in the connection's default schema), or brings them up to date, in
/// one transaction. Any number of processes may do so at once: they take turns.
///
/// Fault::store where the tables were written by a newer hufu; throws PostgresqlFailure. The
/// database is untouched then. `version` is for tests, which make databases of days past.
Result<void> migrate(PostgresqlConnection& connection, const PostgresqlAddress& address,
                     int version = postgresql_schema_version());

}  // namespace hufu::store
