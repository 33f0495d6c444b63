#include "store/aes_gcm_sealer.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>

#include "store/key_file.hpp"
#include "store/record_text.hpp"

namespace hufu::store {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kIdBytes = 4;
constexpr std::size_t kHeader = 1 + kIdBytes;
constexpr std::size_t kNonce = 12;
constexpr std::size_t kTag = 16;
constexpr std::size_t kOverhead = kHeader + kNonce + kTag;

using Bytes = unsigned char;
const Bytes* bytes(std::string_view text) { return reinterpret_cast<const Bytes*>(text.data()); }
Bytes* bytes(std::string& text) { return reinterpret_cast<Bytes*>(text.data()); }

/// OpenSSL fails here only when it is out of memory or its build lacks AES: nothing that anybody
/// could go on after.
void must(int result) {
  if (result != 1) std::abort();
}

/// A cipher with its key schedule, kept by each thread for the key it used last: setting one up
/// costs more than sealing a token.
class Cipher {
 public:
  Cipher() : context_(EVP_CIPHER_CTX_new()) {
    if (context_ == nullptr) std::abort();
  }
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;
  ~Cipher() { EVP_CIPHER_CTX_free(context_); }

  EVP_CIPHER_CTX* prepare(bool encrypt, std::uint64_t serial, const Secret& key,
                          const Bytes* nonce) {
    if (serial != serial_) {
      must(EVP_CipherInit_ex(context_, EVP_aes_256_gcm(), nullptr, bytes(key.reveal()), nonce,
                             encrypt ? 1 : 0));
      serial_ = serial;
    } else {
      must(EVP_CipherInit_ex(context_, nullptr, nullptr, nullptr, nonce, -1));
    }
    return context_;
  }

 private:
  EVP_CIPHER_CTX* context_;
  std::uint64_t serial_ = 0;
};

thread_local Cipher sealing_cipher;
thread_local Cipher opening_cipher;

void add_associated_data(EVP_CIPHER_CTX* context, std::string_view header,
                         std::string_view associated_data) {
  int length = 0;
  must(EVP_CipherUpdate(context, nullptr, &length, bytes(header), static_cast<int>(header.size())));
  must(EVP_CipherUpdate(context, nullptr, &length, bytes(associated_data),
                        static_cast<int>(associated_data.size())));
}

/// HMAC-SHA256 with the key set up once; each thread keeps a copy of the one it used last.
class Hmac {
 public:
  Hmac(std::uint64_t serial, std::string_view key)
      : serial_(serial), mac_(EVP_MAC_fetch(nullptr, "HMAC", nullptr)) {
    context_.reset(EVP_MAC_CTX_new(mac_.get()));
    if (context_ == nullptr) std::abort();
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
    must(EVP_MAC_init(context_.get(), bytes(key), key.size(), parameters));
  }

  /// The first `Size` bytes of the HMAC of the parts, one after the other.
  template <std::size_t Size, class... Parts>
  std::array<Bytes, Size> of(Parts... parts) const {
    EVP_MAC_CTX* context = mine();
    (must(EVP_MAC_update(context, bytes(std::string_view(parts)), std::string_view(parts).size())),
     ...);
    std::array<Bytes, 32> whole{};
    std::size_t size = 0;
    must(EVP_MAC_final(context, whole.data(), &size, whole.size()));
    std::array<Bytes, Size> front{};
    std::memcpy(front.data(), whole.data(), Size);
    return front;
  }

 private:
  struct Free {
    void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
    void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  };
  using Context = std::unique_ptr<EVP_MAC_CTX, Free>;

  /// This thread's copy, ready for the first part.
  [[nodiscard]] EVP_MAC_CTX* mine() const {
    thread_local Context copy;
    thread_local std::uint64_t serial = 0;
    if (serial != serial_) {
      copy.reset(EVP_MAC_CTX_dup(context_.get()));
      if (copy == nullptr) std::abort();
      serial = serial_;
    } else {
      must(EVP_MAC_init(copy.get(), nullptr, 0, nullptr));
    }
    return copy.get();
  }

  const std::uint64_t serial_;
  std::unique_ptr<EVP_MAC, Free> mac_;
  Context context_;
};

/// Never used twice, so that a thread's cipher cannot mistake one key for another.
std::uint64_t next_serial(std::size_t count) {
  static std::atomic<std::uint64_t> serial{1};
  return serial.fetch_add(count);
}

}  // namespace

struct AesGcmSealer::Keys {
  explicit Keys(Keyring keyring)
      : ring(std::move(keyring)),
        first_serial(next_serial(ring.keys().size())),
        hmac(first_serial, ring.tag_key().reveal()) {}
  [[nodiscard]] std::uint64_t serial_of(const SealingKey& key) const {
    return first_serial + static_cast<std::uint64_t>(&key - ring.keys().data());
  }

  const Keyring ring;
  const std::uint64_t first_serial;
  const Hmac hmac;
};

AesGcmSealer::AesGcmSealer(Keyring ring, std::string key_file) : key_file_(std::move(key_file)) {
  use(std::move(ring));
}

AesGcmSealer::~AesGcmSealer() = default;

Secret AesGcmSealer::seal(std::string_view plain, std::string_view associated_data) const {
  const Keys* const keys = keys_.load();
  const SealingKey& key = keys->ring.active();

  std::string sealed(plain.size() + kOverhead, '\0');
  sealed[0] = kVersion;
  std::memcpy(&sealed[1], bytes_from_hex(key.id)->data(), kIdBytes);
  Bytes* nonce = bytes(sealed) + kHeader;
  must(RAND_bytes(nonce, kNonce));
  Bytes* body = nonce + kNonce;

  int length = 0;
  auto* context = sealing_cipher.prepare(true, keys->serial_of(key), key.bytes, nonce);
  add_associated_data(context, std::string_view(sealed).substr(0, kHeader), associated_data);
  must(EVP_CipherUpdate(context, body, &length, bytes(plain), static_cast<int>(plain.size())));
  must(EVP_CipherFinal_ex(context, body + plain.size(), &length));
  must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTag, body + plain.size()));
  return Secret(std::string_view(sealed));
}

Result<void> AesGcmSealer::open(std::string_view sealed, std::string_view associated_data,
                                Secret& into) const {
  into.assign({});
  auto id = key_id(sealed);
  if (!id) {
    return fail(Fault::store, "what should be sealed (" + std::string(associated_data) + ") is not",
                "restore the database from a backup");
  }
  const Keys* keys = keys_.load();
  const SealingKey* key = keys->ring.find(*id);
  if (key == nullptr) {
    keys = reread();
    key = keys->ring.find(*id);
  }
  if (key == nullptr) {
    return fail(Fault::store,
                std::string(associated_data) + " is sealed with key " + *id +
                    ", which is not in the key file" + (key_file_.empty() ? "" : " " + key_file_),
                "restore the key file that holds key " + *id);
  }

  const std::size_t size = sealed.size() - kOverhead;
  const Bytes* nonce = bytes(sealed) + kHeader;
  std::array<Bytes, kTag> tag{};
  std::memcpy(tag.data(), sealed.data() + sealed.size() - kTag, kTag);
  auto* plain = reinterpret_cast<Bytes*>(into.make_room(size));
  int length = 0;
  auto* context = opening_cipher.prepare(false, keys->serial_of(*key), key->bytes, nonce);
  add_associated_data(context, sealed.substr(0, kHeader), associated_data);
  must(EVP_CipherUpdate(context, plain, &length, nonce + kNonce, static_cast<int>(size)));
  must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTag, tag.data()));
  if (EVP_CipherFinal_ex(context, plain + size, &length) != 1) {
    into.assign({});
    return fail(
        Fault::store,
        std::string(associated_data) + " was changed or moved since key " + *id + " sealed it",
        "restore the database from a backup, or remove the app and add it again");
  }
  return {};
}

Fingerprint AesGcmSealer::fingerprint(std::string_view token) const {
  auto front = keys_.load()->hmac.of<4>(std::string_view("token|"), token);
  return {static_cast<std::uint32_t>(front[0]) << 24 | static_cast<std::uint32_t>(front[1]) << 16 |
          static_cast<std::uint32_t>(front[2]) << 8 | static_cast<std::uint32_t>(front[3])};
}

SecretTag AesGcmSealer::tag(std::string_view app, std::string_view secret) const {
  return keys_.load()->hmac.of<16>(std::string_view("secret|"), app, std::string_view("|"), secret);
}

std::optional<std::string> AesGcmSealer::key_id(std::string_view sealed) {
  if (sealed.size() < kOverhead || sealed[0] != kVersion) return std::nullopt;
  return hex_of(sealed.substr(1, kIdBytes));
}

void AesGcmSealer::use(Keyring ring) const {
  known_.push_back(std::make_unique<const Keys>(std::move(ring)));
  keys_.store(known_.back().get());
}

/// The keys as the file has them now. What is not this file's successor is not taken: a file that
/// lacks a key we have been using would lock us out of what we sealed.
const AesGcmSealer::Keys* AesGcmSealer::reread() const {
  std::lock_guard lock(mutex_);
  auto stamp = key_file_.empty() ? std::nullopt : stamp_of_file(key_file_);
  if (!stamp || stamp == stamp_) return keys_.load();
  stamp_ = stamp;
  auto ring = read_key_file(key_file_);
  if (ring && *ring && (*ring)->contains(keys_.load()->ring)) use(std::move(**ring));
  return keys_.load();
}

}  // namespace hufu::store
