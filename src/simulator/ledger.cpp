#include "simulator/ledger.hpp"

#include <algorithm>

namespace hufu::simulator {

std::string_view name_of(Cause cause) noexcept {
  switch (cause) {
    case Cause::expired: return "expired";
    case Cause::displaced: return "displaced";
    case Cause::dropped: return "dropped";
    case Cause::revoked: return "revoked";
  }
  return "unknown";
}

std::string_view name_of(Deed deed) noexcept {
  switch (deed) {
    case Deed::nothing: return "nothing";
    case Deed::made: return "made";
    case Deed::same: return "same";
    case Deed::accepted: return "accepted";
    case Deed::refused: return "refused";
  }
  return "unknown";
}

std::string_view name_of(Ending ending) noexcept {
  switch (ending) {
    case Ending::in_flight: return "in_flight";
    case Ending::answered: return "answered";
    case Ending::reset: return "reset";
    case Ending::given_up: return "given_up";
  }
  return "unknown";
}

std::uint64_t Ledger::open(CallEntry call) {
  std::uint64_t id = ++totals.calls;
  if (bounds_.calls == 0) return id;
  if (calls_.size() == bounds_.calls) calls_.pop_front();
  call.id = id;
  calls_.push_back(std::move(call));
  return id;
}

CallEntry* Ledger::find(std::uint64_t call) {
  if (calls_.empty() || call < calls_.front().id || call > calls_.back().id) return nullptr;
  return &calls_[call - calls_.front().id];
}

void Ledger::take_in(const std::shared_ptr<TokenEntry>& token, WallTime now) {
  token->serial = next_serial();
  ++(is_ticket(token->family) ? totals.tickets_made : totals.tokens_made);
  ages_.push_back(token);
  by_value_.emplace(token->value, token);
  // Two steps for each token that comes: living ones go to the back of the queue, and the dead
  // behind them are still reached faster than new ones arrive.
  for (int step = 0; step < 2 && ages_.size() > bounds_.tokens; ++step) {
    std::shared_ptr<TokenEntry> oldest = std::move(ages_.front());
    ages_.pop_front();
    if (oldest->alive(now))
      ages_.push_back(std::move(oldest));
    else
      by_value_.erase(oldest->value);
  }
}

std::shared_ptr<TokenEntry> Ledger::token(std::string_view value) const {
  auto found = by_value_.find(value);
  return found == by_value_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const TokenEntry>> Ledger::tokens() const {
  std::vector<std::shared_ptr<const TokenEntry>> all(ages_.begin(), ages_.end());
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a->serial < b->serial; });
  return all;
}

}  // namespace hufu::simulator
