#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/error.hpp"

namespace hufu::config {

/// The names of an app's values: in the file's `[[app]]` and in `PUT /v1/apps/{app}` alike. Only
/// the file may have `sink` besides.
inline constexpr std::array<std::string_view, 7> kAppNames = {
    "id", "platform", "endpoint", "secret", "secret_login", "legacy_document", "legacy_collection"};

// Each of the following fails with Fault::usage: where it was read from a file, the loader makes
// it a Fault::config and says where.

/// `name` must be one of kAppNames; the next step suggests the nearest.
Result<void> check_app_name(std::string_view name);

/// See is_app_id.
Result<void> check_app_id(std::string_view id);

/// `platform` must be one that Hufu knows.
Result<void> check_platform(std::string_view platform);

/// As `check_platform`, and `endpoint` must be one of that platform's.
Result<void> check_issuer(std::string_view platform, std::string_view endpoint);

/// `document` and `collection` must be what MongoDB can name, not of Hufu's own collections, and
/// the store a MongoDB, unless they are empty.
Result<void> check_legacy_document(std::string_view document, std::string_view collection,
                                   std::string_view store);

/// The platforms Hufu knows.
std::vector<std::string_view> known_platforms();

}  // namespace hufu::config
