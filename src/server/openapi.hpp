#pragma once

#include <string>
#include <string_view>

#include "platform/catalog.hpp"
#include "server/route.hpp"

namespace hufu::server {

/// openapi.json of this folder: Hufu's own routes, written by hand and put into the program when it
/// is built.
std::string_view openapi_base() noexcept;

/// The whole document: the base, with the routes that are served in the platforms' place and the
/// names of platforms and kinds from the catalog.
std::string openapi_document(const platform::Catalog& catalog, const RouteTable& routes);

void openapi(const Call& call);

}  // namespace hufu::server
