#include "config/store_uri.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "core/text.hpp"

namespace hufu::config {
namespace {

struct Kind {
  std::string_view scheme;
  std::string_view name;
  bool by_path;  ///< "sqlite:PATH" rather than "redis://HOST".
};
constexpr std::array<Kind, 10> kKinds = {{{"memory", "memory", true},
                                          {"sqlite", "sqlite", true},
                                          {"mongodb", "mongodb", false},
                                          {"mongodb+srv", "mongodb", false},
                                          {"postgresql", "postgresql", false},
                                          {"postgres", "postgresql", false},
                                          {"redis", "redis", false},
                                          {"rediss", "redis", false},
                                          {"redis+sentinel", "redis", false},
                                          {"rediss+sentinel", "redis", false}}};

constexpr std::string_view kExample =
    "Write \"sqlite:/var/lib/hufu/hufu.db\", \"memory:\", \"mongodb://…\", \"postgresql://…\" or "
    "\"redis://…\"";

tl::unexpected<Error> bad(std::string message, std::string next = std::string(kExample)) {
  return fail(Fault::config, std::move(message), std::move(next));
}

Result<void> check_path(const Kind& kind, std::string_view path) {
  if (kind.scheme == "memory") {
    if (path.empty()) return {};
    return bad("the store \"memory:\" takes nothing after its colon", "Write \"memory:\"");
  }
  if (path.empty()) return bad("the store \"sqlite:\" has no path");
  if (path == ":memory:") return bad("\"sqlite::memory:\" is not a store", "Write \"memory:\"");
  if (path.front() == '~') {
    return bad("the store's path begins with ~, which only a shell understands",
               "Write the whole path, like \"sqlite:/srv/me/hufu.db\"");
  }
  if (path.back() == '/') {
    return bad("the store's path is a directory", "Add a file name, like \"hufu.db\"");
  }
  return {};
}

Result<void> check_address(const Kind& kind, std::string_view rest) {
  std::string scheme(kind.scheme);
  bool shaped = rest.starts_with("//");
  std::string_view authority = shaped ? rest.substr(2) : rest;
  authority = authority.substr(0, authority.find_first_of("/?#"));
  std::string_view hosts = authority.substr(authority.rfind('@') + 1);
  bool clean = std::none_of(rest.begin(), rest.end(), [](char c) { return c == ' '; });
  if (!shaped || hosts.empty() || hosts.front() == ':' || !clean) {
    return bad("the store is not a URI of the form " + scheme + "://HOST",
               "Write it like \"" + scheme + "://HOST:PORT/NAME\"");
  }
  return {};
}

/// Ours in the user's state directory; nothing where there is no such directory.
std::optional<std::string> state_directory(const Environment& environment) {
  // A relative XDG_STATE_HOME is to be ignored, says the XDG Base Directory specification.
  if (const std::string* state = find(environment, "XDG_STATE_HOME");
      state != nullptr && state->front() == '/') {
    return *state + "/hufu";
  }
  if (const std::string* home = find(environment, "HOME"); home != nullptr) {
    return *home + "/.local/state/hufu";
  }
  return std::nullopt;
}

}  // namespace

Result<void> check_store(std::string_view uri, const std::vector<std::string>& compiled) {
  if (uri.empty()) return bad("the store is empty");
  bool printable = std::all_of(uri.begin(), uri.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  });
  if (!printable) return bad("the store holds control characters");

  auto colon = uri.find(':');
  if (colon == std::string_view::npos || uri.front() == '/' || uri.front() == '.') {
    bool path = uri.front() == '/' || uri.front() == '.';
    return path ? bad("the store does not say of which kind it is",
                      "Write \"sqlite:" + std::string(uri) + "\"")
                : bad("the store does not say of which kind it is");
  }
  std::string_view scheme = uri.substr(0, colon);
  auto kind = std::find_if(kKinds.begin(), kKinds.end(),
                           [&](const Kind& candidate) { return candidate.scheme == scheme; });
  if (kind == kKinds.end()) {
    std::vector<std::string_view> names;
    for (const Kind& candidate : kKinds) names.push_back(candidate.scheme);
    std::string_view meant = nearest(scheme, names);
    return meant.empty() ? bad("unknown kind of store " + quoted(scheme))
                         : bad("unknown kind of store " + quoted(scheme),
                               "Did you mean \"" + std::string(meant) + ":\"?");
  }

  std::string_view rest = uri.substr(colon + 1);
  auto formed = kind->by_path ? check_path(*kind, rest) : check_address(*kind, rest);
  if (!formed) return formed;
  if (std::find(compiled.begin(), compiled.end(), kind->name) == compiled.end()) {
    std::vector<std::string_view> names(compiled.begin(), compiled.end());
    return bad("this build of hufu has no " + std::string(kind->name) + " store",
               "It has: " + listed(names));
  }
  return {};
}

bool is_shared_store(std::string_view uri) {
  const std::string_view scheme = uri.substr(0, uri.find(':'));
  return std::any_of(kKinds.begin(), kKinds.end(),
                     [&](const Kind& kind) { return kind.scheme == scheme && !kind.by_path; });
}

Result<std::string> default_store(const Environment& environment) {
  if (auto state = state_directory(environment)) return "sqlite:" + *state + "/hufu.db";
  return fail(Fault::config,
              "there is no place to keep the store: neither XDG_STATE_HOME nor HOME is set",
              "Set HUFU_STORE or --store, like \"sqlite:/var/lib/hufu/hufu.db\"");
}

Result<std::string> default_key_file(const Environment& environment) {
  if (auto state = state_directory(environment)) return *state + "/hufu.key";
  return fail(Fault::config,
              "there is no place to keep the key file: neither XDG_STATE_HOME nor HOME is set",
              "Set key_file, HUFU_KEY_FILE or --key-file to the same file on every node");
}

std::string masked_store(std::string_view uri) {
  auto authority = uri.find("://");
  if (authority == std::string_view::npos || uri.starts_with("sqlite:")) return std::string(uri);
  authority += 3;
  std::string shown(uri.substr(0, uri.find('?', authority)));
  if (shown.size() < uri.size()) shown += "?…";
  // Up to the last @: a password may hold one by mistake, or a slash.
  auto at = shown.rfind('@');
  auto colon = shown.find(':', authority);
  if (at != std::string::npos && colon < at) shown.replace(colon + 1, at - colon - 1, "********");
  return shown;
}

}  // namespace hufu::config
