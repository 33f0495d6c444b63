#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "store/keyring.hpp"
#include "store/sealer.hpp"

namespace hufu::store {

/// AES-256-GCM (NIST SP 800-38D) under the active key of a Keyring.
///
/// Sealed text: version (1 byte, 0x01) · key id (4) · nonce (12, random) · ciphertext · tag (16).
/// Version and key id are associated data, too. A random nonce is good
/// for 2^32 texts under one key: 50 a second for two years; `rotate_key` long before that.
///
/// Thread-safety: all members may be called from any thread. It meets a key that it does not know
/// when the keys were rotated while it ran: it then reads its key file again, and seals with the
/// new active key from there on.
class AesGcmSealer final : public Sealer {
 public:
  /// `key_file`: where to look for new keys; empty: nowhere.
  explicit AesGcmSealer(Keyring ring, std::string key_file = {});
  ~AesGcmSealer() override;

  [[nodiscard]] Secret seal(std::string_view plain,
                            std::string_view associated_data) const override;
  using Sealer::open;
  [[nodiscard]] Result<void> open(std::string_view sealed, std::string_view associated_data,
                                  Secret& into) const override;
  [[nodiscard]] Fingerprint fingerprint(std::string_view token) const override;
  [[nodiscard]] SecretTag tag(std::string_view app, std::string_view secret) const override;

  /// The id of the key that sealed this text; nothing where it is no sealed text.
  static std::optional<std::string> key_id(std::string_view sealed);

 private:
  struct Keys;
  void use(Keyring ring) const;
  [[nodiscard]] const Keys* reread() const;

  const std::string key_file_;
  /// The latest of `known_`, read for every token. Those before it stay, since somebody may be
  /// using them; the latest holds all of their keys, too.
  mutable std::atomic<const Keys*> keys_{nullptr};
  mutable std::mutex mutex_;  ///< Guards the two below.
  mutable std::vector<std::unique_ptr<const Keys>> known_;
  mutable std::optional<std::string> stamp_;  ///< Of the key file as last read.
};

}  // namespace hufu::store
