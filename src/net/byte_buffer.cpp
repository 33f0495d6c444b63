#include "net/byte_buffer.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>

namespace hufu::net {
namespace {
/// Holds nearly every request and every answer.
constexpr std::size_t kSmallest = 4096;
}  // namespace

std::span<char> ByteBuffer::prepare(std::size_t least) {
  if (empty()) begin_ = end_ = 0;
  if (capacity_ - end_ < least) {
    std::size_t kept = size();
    if (capacity_ - kept >= least) {
      std::memmove(data_.get(), data(), kept);
    } else {
      std::size_t larger = std::max({kept + least, capacity_ * 2, kSmallest});
      std::unique_ptr<char[]> memory(new char[larger]);
      if (kept != 0) std::memcpy(memory.get(), data(), kept);
      release();
      data_ = std::move(memory);
      capacity_ = larger;
    }
    begin_ = 0;
    end_ = kept;
  }
  return {data_.get() + end_, capacity_ - end_};
}

void ByteBuffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(prepare(bytes.size()).data(), bytes.data(), bytes.size());
  commit(bytes.size());
}

void ByteBuffer::erase(std::size_t at, std::size_t count) noexcept {
  if (count == 0) return;
  std::memmove(data() + at, data() + at + count, size() - at - count);
  end_ -= count;
}

void ByteBuffer::release() noexcept {
  if (data_) OPENSSL_cleanse(data_.get(), capacity_);
  data_.reset();
  capacity_ = begin_ = end_ = 0;
}

}  // namespace hufu::net
