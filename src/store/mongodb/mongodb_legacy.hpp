#pragma once

#include <string_view>
#include <vector>

#include "store/legacy_documents.hpp"
#include "store/mongodb/mongodb_connection.hpp"

namespace hufu::store {

/// LegacyDocuments on one connection. Each of these throws MongoFailure.
std::vector<LegacyDocument> find_legacy(MongoConnection& connection, const LegacyName& name);
bool make_legacy(MongoConnection& connection, const LegacyName& name, const Secret& token,
                 WallTime promised_until);
bool replace_legacy(MongoConnection& connection, const LegacyName& name,
                    const LegacyDocument& found, const Secret& token, WallTime promised_until);

}  // namespace hufu::store
