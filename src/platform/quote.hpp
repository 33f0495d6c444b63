#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hufu::platform {

/// Somebody else's words, fit for a log, a terminal and an error: one line of at most 200 bytes,
/// without control characters (nor those of Unicode that reorder text) or double quotes. Empty if
/// what would be shown repeats any of `hidden`, in whole or by 8 characters in a row, plain or
/// percent-encoded, in either case.
std::string quote(std::string_view words, const std::vector<std::string_view>& hidden);

/// The first IPv4 or IPv6 address in the words.
std::optional<std::string> first_address(std::string_view words);

}  // namespace hufu::platform
