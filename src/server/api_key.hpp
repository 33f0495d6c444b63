#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hufu/error.hpp"
#include "hufu/secret.hpp"
#include "store/registry.hpp"

namespace hufu::server {

/// What a key may be asked to allow.
enum class Right { see, read, report, refresh, gateway, admin };
std::string_view name_of(Right right) noexcept;
bool allows(const store::Rights& rights, Right right) noexcept;

using KeyHash = std::array<std::uint8_t, 32>;

/// No longer text can be a key, and none is hashed.
inline constexpr std::size_t kLongestKey = 256;

/// SHA-256 of the whole key. Plain SHA-256 and not a slow password hash, because what it protects
/// is 256 random bits and not a word that could be guessed. Allocates nothing.
KeyHash hash_of(std::string_view key) noexcept;

/// A key of a business server, and the only trace of it that is kept.
struct NewApiKey {
  Secret key;  ///< "hf_" and 43 characters of base64url: 256 bits from OpenSSL.
  KeyHash hash{};
};

/// Makes a key nobody has had before. Fault::internal where OpenSSL has no randomness to give.
Result<NewApiKey> make_api_key();

}  // namespace hufu::server
