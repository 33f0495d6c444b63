#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/registry.hpp"

namespace hufu::store {

/// How the parts of an app or an API key that are lists are written into one column of a database.
/// Each `…_from` yields nothing where the text is not what its counterpart writes: an unreadable
/// list must not come to mean "all".

/// "read,report".
std::string text_of(const Rights& rights);
Rights rights_from(std::string_view text);
/// What a key may do and the margin it asks for, in the column of the rights: "read,margin=1500". A
/// build that knows no margins reads the rights alone.
std::string rights_text_of(const ApiKeyRow& key);
std::chrono::seconds margin_from(std::string_view text);

/// A JSON array of texts; empty where there are none.
std::string text_of(const std::vector<std::string>& texts);
std::optional<std::vector<std::string>> texts_from(std::string_view text);

/// A JSON object of texts; empty where there are none.
std::string text_of(const Settings& settings);
std::optional<Settings> settings_from(std::string_view text);
/// The same into memory of the app before; false, and anything may stand there, where it makes no
/// sense.
bool read_settings(std::string_view text, Settings& settings);

/// A JSON object of texts, the bytes of each credential in hex; empty where there are none.
std::string text_of(const Credentials& credentials);
std::optional<Credentials> credentials_from(std::string_view text);
/// The same with empty texts, as a scan shows them.
std::optional<Credentials> credential_names_from(std::string_view text);
/// Both into memory of the app before, as `read_settings` does.
bool read_credentials(std::string_view text, Credentials& credentials);
bool read_credential_names(std::string_view text, Credentials& credentials);
/// The text of the same credentials with `to` in the place of `name`; nothing where that is not
/// `from`, or the text is not what it should be.
std::optional<std::string> text_with(std::string_view text, std::string_view name,
                                     const Secret& from, const Secret& to);

/// Of an app, or an API key, that is there and makes no sense.
Error damaged_app(std::string_view id);
Error damaged_api_key(std::string_view name);

/// The bytes of a hash or a tag, as a view.
template <class Array>
std::string_view bytes_of(const Array& array) {
  return {reinterpret_cast<const char*>(array.data()), array.size()};
}

/// Copies `bytes` into a hash or a tag; false, and nothing is changed, if the sizes differ.
template <class Array>
bool copy_bytes(std::string_view bytes, Array& array) {
  if (bytes.size() != array.size()) return false;
  std::copy(bytes.begin(), bytes.end(), array.begin());
  return true;
}

}  // namespace hufu::store
