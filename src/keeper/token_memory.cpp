#include "keeper/token_memory.hpp"

#include <openssl/crypto.h>

#include <cstring>
#include <new>

namespace hufu::keeper {

TokenMemory::~TokenMemory() {
  for (const auto& block : blocks_) OPENSSL_cleanse(block.get(), kBlock);
}

StoredToken TokenMemory::store(std::string_view text) {
  StoredToken token{nullptr, static_cast<std::uint16_t>(text.size())};
  if (text.size() > kLongestPooled) {
    token.bytes = new char[text.size()];
  } else {
    const std::size_t number = (text.size() - 1) / kGrain;
    const std::size_t cell = (number + 1) * kGrain;
    Class& size_class = classes_[number];
    if (size_class.free != nullptr) {
      token.bytes = reinterpret_cast<char*>(size_class.free);
      size_class.free = size_class.free->next;
    } else {
      if (size_class.fresh_cells == 0) {
        blocks_.emplace_back(new char[kBlock]);
        size_class.fresh = blocks_.back().get();
        size_class.fresh_cells = kBlock / cell;
      }
      token.bytes = size_class.fresh;
      size_class.fresh += cell;
      --size_class.fresh_cells;
    }
  }
  std::memcpy(token.bytes, text.data(), text.size());
  return token;
}

void TokenMemory::release(StoredToken token) noexcept {
  if (!token) return;
  OPENSSL_cleanse(token.bytes, token.size);
  if (token.size > kLongestPooled) {
    delete[] token.bytes;
    return;
  }
  Class& size_class = classes_[(token.size - 1U) / kGrain];
  size_class.free = new (token.bytes) FreeCell{size_class.free};
}

}  // namespace hufu::keeper
