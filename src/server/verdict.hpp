#pragma once

#include <string>

#include "keeper/async_keeper.hpp"

namespace hufu::server {

/// What there is to say on top of a status, in one sentence without a full stop: "3 tokens, all
/// usable", "1 of 3 tokens unusable: wx1". First, whether the store cannot be used; last, what is
/// wrong from outside. Names what it finds on the page.
std::string verdict_on(const keeper::Status& status);

}  // namespace hufu::server
