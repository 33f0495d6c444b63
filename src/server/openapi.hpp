#pragma once

#include <string_view>

#include "server/route.hpp"

namespace hufu::server {

/// openapi.json of this folder, which is written by hand and put into the program when it is built.
std::string_view openapi_document() noexcept;

void openapi(const Call& call);

}  // namespace hufu::server
