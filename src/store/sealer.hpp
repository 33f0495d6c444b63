#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "hufu/error.hpp"
#include "hufu/secret.hpp"
#include "hufu/token.hpp"
#include "store/registry.hpp"

namespace hufu::store {

/// Seals secrets and tokens for the database, and recognises them without showing them.
///
/// AES-256-GCM with a fresh random nonce; what the text belongs to (row, column,
/// revision) is associated data, so that a ciphertext moved to another row does not open; the id of
/// the key stands beside the ciphertext, so that keys can be rotated. Thread-safety: all members
/// may be called from any thread.
class Sealer {
 public:
  virtual ~Sealer() = default;
  /// `associated_data` for example "token|wx…|access_token|17" or "app|wx…".
  [[nodiscard]] virtual Secret seal(std::string_view plain,
                                    std::string_view associated_data) const = 0;
  /// Fault::store, with the key id wanted, where the text was sealed with another key, was changed,
  /// or belongs elsewhere.
  [[nodiscard]] Result<Secret> open(std::string_view sealed,
                                    std::string_view associated_data) const {
    Secret opened;
    if (auto done = open(sealed, associated_data, opened); !done) {
      return tl::unexpected(std::move(done.error()));
    }
    return opened;
  }
  /// The same into the memory of a secret that is not needed any more; empty after a failure.
  [[nodiscard]] virtual Result<void> open(std::string_view sealed, std::string_view associated_data,
                                          Secret& into) const = 0;
  /// The same for the same text under every key of the same key file, also after a rotation.
  [[nodiscard]] virtual Fingerprint fingerprint(std::string_view token) const = 0;
  [[nodiscard]] virtual SecretTag tag(std::string_view app, std::string_view secret) const = 0;
};

}  // namespace hufu::store
