#include "store/mongodb/mongodb_feed.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "store/record_text.hpp"

namespace hufu::store {
namespace {

Stamp stamp_at(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  return static_cast<Stamp>(std::clamp<std::int64_t>(seconds, 0, 0xffffffff)) << 32;
}

Stamp before(Stamp stamp, Milliseconds span) {
  const Stamp back = static_cast<Stamp>(std::chrono::ceil<std::chrono::seconds>(span).count())
                     << 32;
  return stamp > back ? stamp - back : 0;
}

/// FNV-1a.
std::uint32_t hash_of(std::string_view text) {
  std::uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

template <class Number>
void append_hex(std::string& out, Number number) {
  char digits[16];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number, 16).ptr);
}

/// Takes a number and the `end` behind it from the front of `text`.
template <class Number>
bool take_hex(std::string_view& text, Number& number, char end) {
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  const auto length = static_cast<std::size_t>(rest - text.data());
  if (error != std::errc() || length >= text.size() || *rest != end) return false;
  text.remove_prefix(length + 1);
  return true;
}

}  // namespace

FeedCursor::FeedCursor(std::string database, Stamp newest, WallTime server_now)
    : database_(std::move(database)), high_(newest), seen_(newest) {
  advance(server_now);
}

FeedCursor::FeedCursor(std::string database, Stamp newest, Stamp settled)
    : database_(std::move(database)), high_(newest), seen_(newest) {
  advance(settled);
}

bool FeedCursor::report(std::string_view id, Stamp stamp) {
  seen_ = std::max(seen_, stamp);
  const std::uint32_t hash = hash_of(id);
  const auto [from, to] = reported_.equal_range(stamp);
  if (std::any_of(from, to, [&](const auto& entry) { return entry.second == hash; })) return false;
  reported_.emplace(stamp, hash);
  return true;
}

void FeedCursor::advance(WallTime server_now) {
  const Stamp now = stamp_at(server_now);
  Stamp low = start_of_next(now);
  // The clock went back, at most so long ago as it was read last.
  if (now < before(seen_, kWindow)) low = std::min(low, before(now, kClockAge + kWindow));
  end_poll(low);
}

void FeedCursor::advance(Stamp settled) { end_poll(start_of_next(settled)); }

Stamp FeedCursor::start_of_next(Stamp now) const {
  const bool quiet = before(now, kWindow) >= seen_;
  return std::min(quiet ? seen_ : before(seen_, kWindow), high_);
}

void FeedCursor::end_poll(Stamp low) {
  low_ = low;
  high_ = seen_;
  reported_.erase(reported_.begin(), reported_.upper_bound(low_));
  while (reported_.size() > kMemory) reported_.erase(reported_.begin());
}

std::string FeedCursor::text() const {
  std::string text = database_ + ".";
  append_hex(text, low_);
  text += '.';
  append_hex(text, high_);
  text += '.';
  for (const auto& [stamp, hash] : reported_) {
    append_hex(text, stamp);
    text += ':';
    append_hex(text, hash);
    text += ';';
  }
  return text;
}

std::optional<FeedCursor> FeedCursor::parse(std::string_view text, const std::string& database) {
  if (!text.starts_with(database + ".")) return std::nullopt;
  text.remove_prefix(database.size() + 1);
  FeedCursor cursor;
  cursor.database_ = database;
  if (!take_hex(text, cursor.low_, '.') || !take_hex(text, cursor.high_, '.')) return std::nullopt;
  cursor.seen_ = cursor.high_;
  while (!text.empty()) {
    Stamp stamp = 0;
    std::uint32_t hash = 0;
    if (!take_hex(text, stamp, ':') || !take_hex(text, hash, ';')) return std::nullopt;
    cursor.reported_.emplace(stamp, hash);
  }
  return cursor;
}

}  // namespace hufu::store
