#include "config/secret_source.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/text.hpp"

namespace hufu::config {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

/// Whether `text` begins with a blank that is seen by nobody: of no width, or beyond ASCII.
bool begins_with_an_odd_blank(std::string_view text) noexcept {
  constexpr std::array<std::string_view, 5> kBlanks = {"\u00a0", "\u202f", "\u2060", "\u3000",
                                                       kByteOrderMark};
  const bool known = std::any_of(kBlanks.begin(), kBlanks.end(),
                                 [&](std::string_view blank) { return text.starts_with(blank); });
  // U+2000 to U+200F: spaces of every width, none, and marks of text direction.
  return known || (text.size() >= 3 && text.starts_with("\xe2\x80") &&
                   static_cast<unsigned char>(text[2]) <= 0x8f);
}

/// Why `text`, without white space around it, cannot be one secret of at most `longest` bytes, and
/// what to do; empty if it can.
struct Flaw {
  std::string message;
  std::string next_step;
};
Flaw find_flaw(std::string_view text, std::size_t longest) {
  const std::string as_plain_text = "Save it anew as plain text, in UTF-8 without such a mark";
  if (text.empty()) return {" is empty", ""};
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") ||
      text.find('\0') != std::string_view::npos) {
    return {" holds UTF-16, or zero bytes", as_plain_text};
  }
  if (text.starts_with(kByteOrderMark)) {
    return {" begins with a byte order mark (BOM)", as_plain_text};
  }
  if (text.size() > longest) {
    return {" holds more than " + std::to_string(longest) + " bytes", ""};
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte <= 0x20 || byte == 0x7f) return {" holds white space in its middle", ""};
    if (begins_with_an_odd_blank(text.substr(i))) {
      return {" holds a blank that is not seen", "Type it anew, or copy it as plain text"};
    }
  }
  return {};
}

}  // namespace

Result<Secret> secret_from_text(std::string&& text, std::string_view place, std::string_view what,
                                std::size_t longest) {
  const std::string_view inside = trimmed(text);
  Flaw flaw = find_flaw(inside, longest);
  Secret secret(inside.substr(0, longest));
  wipe(text);
  if (flaw.message.empty()) return secret;

  if (flaw.next_step.empty()) {
    flaw.next_step =
        "Put the " + std::string(what) + " there" + (secret.empty() ? "" : " and nothing else");
  }
  return fail(Fault::config, std::string(place) + flaw.message, std::move(flaw.next_step));
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
