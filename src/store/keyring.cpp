#include "store/keyring.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "store/record_text.hpp"

namespace hufu::store {
namespace {

constexpr std::string_view kHeader =
    "# Seals the secrets and tokens in Hufu's database. Whoever has both can read them, and "
    "without\n"
    "# this file nobody can: back it up, apart from the database.\n";

Result<Secret> random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) {
    return fail(Fault::internal, "the operating system gave no random bytes for a key");
  }
  return Secret(std::move(bytes));
}

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  return {reinterpret_cast<const char*>(out.data()), size};
}

/// Takes the next word off the front of `line`.
std::string_view next_word(std::string_view& line) {
  constexpr std::string_view kBlank = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  std::string_view word = line.substr(0, line.find_first_of(kBlank));
  line.remove_prefix(word.size());
  return word;
}

/// A key's bytes out of their hex digits; empty where they are not those of a key.
Secret key_from_hex(std::string_view hex) {
  if (hex.size() != 2 * Keyring::kKeyBytes) return {};
  auto bytes = bytes_from_hex(hex);
  return bytes ? Secret(std::move(*bytes)) : Secret();
}

void append_hex(std::string& text, const Secret& bytes) {
  std::string hex = hex_of(bytes.reveal());
  text += hex;
  wipe(hex);
}

}  // namespace

Result<Keyring> Keyring::fresh() {
  Keyring ring;
  auto tag_key = random_bytes(kKeyBytes);
  if (!tag_key) return tl::unexpected(tag_key.error());
  ring.tag_key_ = std::move(*tag_key);
  if (auto added = ring.add_key(); !added) return tl::unexpected(added.error());
  return ring;
}

Result<void> Keyring::add_key() {
  SealingKey key;
  do {
    auto id = random_bytes(kIdBytes);
    if (!id) return tl::unexpected(id.error());
    key.id = hex_of(id->reveal());
  } while (find(key.id) != nullptr);
  auto bytes = random_bytes(kKeyBytes);
  if (!bytes) return tl::unexpected(bytes.error());
  key.bytes = std::move(*bytes);
  keys_.insert(keys_.begin(), std::move(key));
  return {};
}

Result<Keyring> Keyring::parse(std::string_view text, const std::string& source) {
  auto bad = [&](int number, std::string_view what) {
    return fail(
        Fault::config,
        "the key file " + source + ", line " + std::to_string(number) + ": " + std::string(what),
        "restore the file from its backup; without it nothing that it sealed can be read");
  };
  Keyring ring;
  int number = 0;
  while (!text.empty()) {
    ++number;
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));

    std::string_view what = next_word(line);
    if (what.empty() || what.front() == '#') continue;
    if (what == "tag") {
      if (!ring.tag_key_.empty()) return bad(number, "there is a second tag key");
      ring.tag_key_ = key_from_hex(next_word(line));
      if (ring.tag_key_.empty()) return bad(number, "a tag key has 64 hex digits");
    } else if (what == "key") {
      SealingKey key;
      key.id = std::string(next_word(line));
      key.bytes = key_from_hex(next_word(line));
      auto id = bytes_from_hex(key.id);
      if (!id || id->size() != Keyring::kIdBytes || hex_of(*id) != key.id) {
        return bad(number, "the id of a key has 8 lower-case hex digits");
      }
      if (key.bytes.empty()) return bad(number, "a key has 64 hex digits");
      if (ring.find(key.id) != nullptr) return bad(number, "there is a second key of that id");
      ring.keys_.push_back(std::move(key));
    } else {
      return bad(number, "neither a key, nor the tag key, nor a comment");
    }
    if (!next_word(line).empty()) return bad(number, "there is more than a key");
  }
  if (ring.keys_.empty()) return bad(number, "there is no key in the file");
  if (ring.tag_key_.empty()) return bad(number, "there is no tag key in the file");
  return ring;
}

Secret Keyring::text() const {
  std::string text;
  // Enough for all of it, so that growing leaves no copies behind.
  text.reserve(kHeader.size() + (keys_.size() + 1) * (4 * kKeyBytes));
  text += kHeader;
  text += "tag ";
  append_hex(text, tag_key_);
  text += '\n';
  for (const SealingKey& key : keys_) {
    text += "key " + key.id + " ";
    append_hex(text, key.bytes);
    text += '\n';
  }
  return Secret(std::move(text));
}

Keyring Keyring::clone() const {
  Keyring copy;
  copy.tag_key_ = tag_key_.clone();
  for (const SealingKey& key : keys_) copy.keys_.push_back({key.id, key.bytes.clone()});
  return copy;
}

const SealingKey* Keyring::find(std::string_view id) const {
  auto found =
      std::find_if(keys_.begin(), keys_.end(), [&](const SealingKey& key) { return key.id == id; });
  return found == keys_.end() ? nullptr : &*found;
}

bool Keyring::contains(const Keyring& other) const {
  return tag_key_.same_as(other.tag_key_.reveal()) &&
         std::all_of(other.keys_.begin(), other.keys_.end(), [&](const SealingKey& theirs) {
           const SealingKey* ours = find(theirs.id);
           return ours != nullptr && ours->bytes.same_as(theirs.bytes.reveal());
         });
}

std::string Keyring::check_value(const SealingKey& key) const {
  return hmac(key.bytes.reveal(), "hufu check of key " + key.id + hmac(tag_key_.reveal(), "check"));
}

}  // namespace hufu::store
