#include "keeper/token_memory.hpp"

#include <openssl/crypto.h>

#include <cstring>

namespace hufu::keeper {

TokenMemory::~TokenMemory() {
  for (std::uint32_t cell = 0; cell < cells_.size(); cell += kChunk) {
    OPENSSL_cleanse(&cells_[cell], kCell * kChunk);
  }
}

StoredToken TokenMemory::store(std::string_view text) {
  const std::size_t count = cells_for(text.size());
  std::uint32_t cell = free_[count];
  if (cell != kNone) {
    std::memcpy(&free_[count], cells_[cell].data(), sizeof cell);
  } else {
    cell = take_fresh(static_cast<std::uint32_t>(count));
  }
  std::memcpy(cells_[cell].data(), text.data(), text.size());
  return {cell, static_cast<std::uint16_t>(text.size())};
}

void TokenMemory::release(StoredToken token) noexcept {
  if (!token) return;
  OPENSSL_cleanse(cells_[token.cell].data(), token.size);
  put_free(token.cell, cells_for(token.size));
}

std::uint32_t TokenMemory::take_fresh(std::uint32_t count) {
  // A token does not cross from one chunk to the next.
  const std::uint32_t left = (kChunk - cells_.size() % kChunk) % kChunk;
  if (left < count && left > 0) put_free(cells_.add(left), left);
  return cells_.add(count);
}

void TokenMemory::put_free(std::uint32_t cell, std::size_t count) noexcept {
  std::memcpy(cells_[cell].data(), &free_[count], sizeof cell);
  free_[count] = cell;
}

}  // namespace hufu::keeper
