#include "keeper/displaced_tokens.hpp"

#include <openssl/crypto.h>

#include <algorithm>

namespace hufu::keeper {

void DisplacedTokens::add(RowHandle row, StoredToken token, Fingerprint fingerprint, WallTime until,
                          WallTime now) {
  const ReadMostlyMutex::Writing writing(mutex_);
  drop_some_expired(now);
  std::uint32_t place = 0;
  if (free_.empty()) {
    place = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    place = free_.back();
    free_.pop_back();
  }
  auto& same_fingerprint = by_fingerprint_.try_emplace(fingerprint.bits, kNone).first->second;
  auto& of_row = by_row_.try_emplace(row.id, kNone).first->second;
  entries_[place] = {token, until, row, fingerprint.bits, same_fingerprint, of_row};
  same_fingerprint = of_row = place;

  std::uint32_t oldest = place;
  std::size_t count = 1;
  for (; entries_[oldest].next_older != kNone; ++count) oldest = entries_[oldest].next_older;
  if (count > kMostOfRow) drop(oldest);
}

void DisplacedTokens::forget(std::uint32_t row) {
  if (!by_row_.contains(row)) return;
  const ReadMostlyMutex::Writing writing(mutex_);
  for (auto found = by_row_.find(row); found != by_row_.end(); found = by_row_.find(row)) {
    drop(found->second);
  }
}

std::optional<RowHandle> DisplacedTokens::find(std::string_view token, Fingerprint fingerprint,
                                               WallTime now) const noexcept {
  const ReadMostlyMutex::Reading reading(mutex_);
  const auto found = by_fingerprint_.find(fingerprint.bits);
  if (found == by_fingerprint_.end()) return std::nullopt;
  for (std::uint32_t i = found->second; i != kNone; i = entries_[i].next_same_fingerprint) {
    const Entry& entry = entries_[i];
    if (now < entry.until && entry.token.size == token.size() &&
        CRYPTO_memcmp(memory_.view(entry.token).data(), token.data(), token.size()) == 0) {
      return entry.row;
    }
  }
  return std::nullopt;
}

void DisplacedTokens::drop_some_expired(WallTime now) {
  for (std::size_t i = 0; i < std::min(kLookedAt, entries_.size()); ++i) {
    next_looked_at_ = (next_looked_at_ + 1) % static_cast<std::uint32_t>(entries_.size());
    const Entry& entry = entries_[next_looked_at_];
    if (entry.token && entry.until <= now) drop(next_looked_at_);
  }
}

void DisplacedTokens::drop(std::uint32_t entry) {
  unlink(by_fingerprint_, entries_[entry].fingerprint, &Entry::next_same_fingerprint, entry);
  unlink(by_row_, entries_[entry].row.id, &Entry::next_older, entry);
  memory_.release(entries_[entry].token);
  entries_[entry] = {};
  free_.push_back(entry);
}

void DisplacedTokens::unlink(Heads& heads, std::uint32_t key, std::uint32_t Entry::*next,
                             std::uint32_t entry) {
  const auto head = heads.find(key);
  std::uint32_t* link = &head->second;
  while (*link != entry) link = &(entries_[*link].*next);
  *link = entries_[entry].*next;
  if (head->second == kNone) heads.erase(head);
}

}  // namespace hufu::keeper
