#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "config/sources.hpp"
#include "hufu/error.hpp"
#include "hufu/secret.hpp"

namespace hufu::config {

/// Of an app's secret, in bytes.
constexpr std::size_t kLongestSecret = 1024;

/// A secret out of what a variable, a file or a pipe held: white space around it is dropped.
/// Fault::config, in words that name `place` ("file /run/secrets/wx") and never the content, where
/// nothing is left, or where what is left cannot be one secret (a byte order mark or UTF-16, white
/// space, control characters or unseen blanks inside, over `longest` bytes). Wipes `text`.
Result<Secret> secret_from_text(std::string&& text, std::string_view place,
                                std::string_view what = "secret",
                                std::size_t longest = kLongestSecret);

/// Fault::config where the variable is not set or empty.
Result<Secret> secret_from_environment(const Environment& environment, std::string_view name);

/// Fault::config where the file is missing, unreadable or empty.
Result<Secret> secret_from_file(const ReadFile& read_file, const std::string& path);

}  // namespace hufu::config
