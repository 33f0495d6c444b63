#include "config/secret_source.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace hufu::config {
namespace {

bool breaks_a_secret(char c) noexcept {
  auto byte = static_cast<unsigned char>(c);
  return byte <= 0x20 || byte == 0x7f;
}

}  // namespace

Result<Secret> secret_from_text(std::string&& text, std::string_view place, std::string_view what,
                                std::size_t longest) {
  std::string_view inside = trimmed(text);
  bool empty = inside.empty();
  bool broken = std::any_of(inside.begin(), inside.end(), breaks_a_secret);
  bool large = inside.size() > longest;
  Secret secret(inside.substr(0, longest));
  wipe(text);

  std::string where(place);
  std::string put = "Put the " + std::string(what) + " there";
  if (empty) return fail(Fault::config, where + " is empty", put);
  if (large || broken) {
    return fail(Fault::config,
                where + (large ? " holds more than " + std::to_string(longest) + " bytes"
                               : " holds white space in its middle"),
                put + " and nothing else");
  }
  return secret;
}

Result<Secret> secret_from_environment(const Environment& environment, std::string_view name) {
  const std::string* value = find(environment, name);
  std::string variable = "environment variable " + std::string(name);
  if (value == nullptr) {
    return fail(Fault::config,
                variable + (environment.contains(name) ? " is empty" : " is not set"),
                "Set " + std::string(name) + " to the secret");
  }
  return secret_from_text(std::string(*value), variable);
}

Result<Secret> secret_from_file(const ReadFile& read_file, const std::string& path) {
  auto text = read_file(path);
  if (!text) {
    return fail(
        Fault::config,
        "secret file " + quoted(path) +
            (text.error().missing ? " does not exist" : " cannot be read: " + text.error().reason),
        "Write the secret into that file, readable for the user that runs hufu");
  }
  return secret_from_text(std::move(*text), "secret file " + quoted(path));
}

}  // namespace hufu::config
