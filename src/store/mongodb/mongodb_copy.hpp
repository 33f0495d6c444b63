#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hufu/token.hpp"
#include "store/mongodb/mongodb_connection.hpp"

namespace hufu::store {

/// The document in which programs other than Hufu look for a token:
///
///     {name, token, expires_in: Unix milliseconds, meta: {createdAt, updatedAt}}
///
/// Written after the record that it is a copy of, which carries it as "pending" in the meantime: so
/// whoever finds a pending copy finishes it, and nobody whose record was fenced writes one. Until
/// it is written the document says what it said before, which is still true.
///
/// Documents that other programs wrote are taken as they are: several of one name, numbers of any
/// type, or as text, a `meta` that is missing or holds nonsense, fields of their own.

/// What the record carries until the copy is written. `fence`: of the lease under which it is
/// written, so that a copy that comes late overwrites no later one.
Doc pending_copy(const PlainCopy& copy, std::uint64_t fence);

/// Writes the copy that the record `id` carries, and takes it off the record.
void finish_copy(MongoConnection& connection, const char* records, std::string_view id,
                 const Fields& pending);

/// The newest document there that holds a token and an end; nothing where there is none.
std::optional<PlainCopy> find_copy(MongoConnection& connection, const CopyPlace& place);

}  // namespace hufu::store
