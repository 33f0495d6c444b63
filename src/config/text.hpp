#pragma once

#include "core/text.hpp"

/// The words of messages, under the name that the commands know them by.
namespace hufu::config {

using hufu::listed;
using hufu::nearest;
using hufu::quoted;
using hufu::trimmed;

}  // namespace hufu::config
