#pragma once

#include <string>
#include <vector>

#include "hufu/error.hpp"
#include "store/registry.hpp"

namespace hufu::cli {

/// Reads the names of rights ("see", "read", …). Fault::usage for any other.
Result<store::Rights> rights_from(const std::vector<std::string>& names);

/// The names of what `rights` allow, in a fixed order.
std::vector<std::string> names_of(const store::Rights& rights);

}  // namespace hufu::cli
