#pragma once

#include <string_view>

#include "hufu/error.hpp"
#include "platform/app_check.hpp"

namespace hufu::config {

/// As platform::check_app_id.
using platform::check_app_id;

/// `document` and `collection` must be what MongoDB can name, not of Hufu's own collections, and
/// the store a MongoDB, unless they are empty. Fails with Fault::usage: where it was read from a
/// file, the loader makes it a Fault::config and says where.
Result<void> check_legacy_document(std::string_view document, std::string_view collection,
                                   std::string_view store);

}  // namespace hufu::config
