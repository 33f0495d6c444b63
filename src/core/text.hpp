#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hufu {

/// `text` in double quotes, fit for an error message: control and invisible characters
/// escaped (\x1b, \u200b), cut after 60 bytes. Never call it with a secret.
std::string quoted(std::string_view text);

/// `text` without white space around it.
std::string_view trimmed(std::string_view text) noexcept;

/// The candidate that `word` was most likely meant to be (at most a third of it mistyped, two
/// swapped letters count once); empty if none is near.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

/// "a, b, c": a list in words.
std::string listed(const std::vector<std::string_view>& words);

/// What to write instead of `word`, which is none of `known`: "Did you mean "stable"?" where one is
/// near, else "Known are: …".
std::string suggestion(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace hufu
