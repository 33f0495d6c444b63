#include "hufu/secret.hpp"

#include <openssl/crypto.h>

#include <cstring>
#include <utility>

namespace hufu {

Secret::Secret(std::string_view text) { assign(text); }

Secret::Secret(std::string&& text) : Secret(std::string_view(text)) { wipe(text); }

Secret::Secret(std::unique_ptr<char[]> bytes, std::size_t size) noexcept
    : bytes_(std::move(bytes)), size_(size), capacity_(size) {}

Secret::Secret(Secret&& other) noexcept
    : bytes_(std::move(other.bytes_)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    OPENSSL_cleanse(bytes_.get(), size_);
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
  }
  return *this;
}

void Secret::assign(std::string_view text) {
  char* const room = make_room(text.size());
  if (!text.empty()) std::memcpy(room, text.data(), text.size());
}

char* Secret::make_room(std::size_t size) {
  if (bytes_) OPENSSL_cleanse(bytes_.get(), size_);
  size_ = 0;
  if (size > capacity_) {
    bytes_.reset(new char[size]);
    capacity_ = size;
  }
  size_ = size;
  return bytes_.get();
}

Secret::~Secret() {
  if (bytes_) OPENSSL_cleanse(bytes_.get(), size_);
}

bool Secret::same_as(std::string_view other) const noexcept {
  return size_ == other.size() && CRYPTO_memcmp(bytes_.get(), other.data(), size_) == 0;
}

void wipe(std::string& text) noexcept {
  // A string may be longer inside than it shows: what it grew out of is wiped too.
  OPENSSL_cleanse(text.data(), text.capacity());
  text.clear();
}

}  // namespace hufu
