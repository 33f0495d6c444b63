#include "hufu/config.hpp"

namespace hufu {

std::string_view setting(const Settings& settings, std::string_view name) noexcept {
  const auto found = settings.find(name);
  return found == settings.end() ? std::string_view() : std::string_view(found->second);
}

const Secret& credential(const Credentials& credentials, std::string_view name) noexcept {
  static const Secret kNone;
  const auto found = credentials.find(name);
  return found == credentials.end() ? kNone : found->second;
}

Credentials clone(const Credentials& credentials) {
  Credentials copy;
  for (const auto& [name, secret] : credentials) copy.emplace(name, secret.clone());
  return copy;
}

}  // namespace hufu
