#include "hufu/token.hpp"

#include <charconv>

namespace hufu {

std::string Fingerprint::hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(8, '0');
  for (int i = 0; i < 8; ++i) text[i] = kDigits[(bits >> (28 - 4 * i)) & 0xf];
  return text;
}

std::optional<Fingerprint> Fingerprint::parse(std::string_view hex) noexcept {
  if (hex.size() != 8) return std::nullopt;
  std::uint32_t bits = 0;
  auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), bits, 16);
  if (error != std::errc() || end != hex.data() + hex.size()) return std::nullopt;
  return Fingerprint{bits};
}

Token Token::clone() const { return {value.clone(), obtained_at, expires_at, issuer, overlap}; }

Record Record::clone() const {
  Record twin;
  if (token) twin.token = token->clone();
  twin.revision = revision;
  twin.renew_at = renew_at;
  twin.displaced_at = displaced_at;
  twin.predecessors = predecessors;
  twin.in_doubt = in_doubt;
  twin.alive_at = alive_at;
  twin.failure = failure;
  twin.budget = budget;
  twin.refresh_token = refresh_token.clone();
  twin.refresh_token_expires_at = refresh_token_expires_at;
  twin.created_at = created_at;
  twin.updated_at = updated_at;
  return twin;
}

}  // namespace hufu
