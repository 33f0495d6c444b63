#pragma once

#include <boost/json/object.hpp>
#include <string_view>

#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "platform/catalog.hpp"

namespace hufu::server {

/// The app `id` as a PUT describes it: the names of `[[app]]` in the config file, settings as
/// texts, numbers or booleans, credentials as texts, white space around those dropped. `known` is
/// whether there is such an app already, whose credentials need not be repeated.
///
/// Fault::usage says what is wrong, by the description of the app's platform, and repeats no
/// credential. Whether the parent exists only the keeper knows.
Result<AppConfig> app_from(const platform::Catalog& catalog, std::string_view id,
                           const boost::json::object& body, bool known);

}  // namespace hufu::server
