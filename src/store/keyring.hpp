#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/error.hpp"
#include "hufu/secret.hpp"

namespace hufu::store {

/// A key that seals: 256 random bits, and the short name that stands beside what it sealed.
struct SealingKey {
  std::string id;  ///< 8 hex characters.
  Secret bytes;    ///< 32 bytes.
};

/// The keys of one key file. The first sealing key is the active one: it seals; the others only
/// open what they sealed before a rotation. The tag key recognises tokens and secrets, and stays
/// the same for the life of the file.
///
/// The text is made to be read by people and backed up like a password:
///
///     # Seals … (a comment)
///     tag <64 hex digits>
///     key 1a2b3c4d <64 hex digits>
///     key …
class Keyring {
 public:
  static constexpr std::size_t kKeyBytes = 32;
  static constexpr std::size_t kIdBytes = 4;      ///< Of the id, before it is written in hex.
  static constexpr std::size_t kCheckBytes = 32;  ///< What `check_value` yields.

  /// A new ring of one sealing key, from the operating system's randomness.
  static Result<Keyring> fresh();
  /// Reads what `text` writes. Fault::config names `source` and the line, never what is in it.
  static Result<Keyring> parse(std::string_view text, const std::string& source);

  [[nodiscard]] Secret text() const;
  [[nodiscard]] Keyring clone() const;
  /// Puts a new active key in front.
  Result<void> add_key();

  [[nodiscard]] const SealingKey& active() const { return keys_.front(); }
  [[nodiscard]] const SealingKey* find(std::string_view id) const;
  [[nodiscard]] const std::vector<SealingKey>& keys() const { return keys_; }
  [[nodiscard]] const Secret& tag_key() const { return tag_key_; }

  /// Whether every key of `other` is in here, and the tag key is the same.
  [[nodiscard]] bool contains(const Keyring& other) const;

  /// Recognises `key`, together with the tag key, without giving either away; what a database
  /// keeps in order to notice that it was handed another key file.
  [[nodiscard]] std::string check_value(const SealingKey& key) const;

 private:
  Keyring() = default;

  std::vector<SealingKey> keys_;  ///< Never empty in a ring that was handed out.
  Secret tag_key_;
};

}  // namespace hufu::store
