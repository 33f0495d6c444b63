#include "server/authority.hpp"

namespace hufu::server {

// No platform of the catalog issues such a kind yet.
bool carries_authority(std::string_view /*kind*/) noexcept { return false; }

}  // namespace hufu::server
