#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/read_mostly_mutex.hpp"
#include "server/api_key.hpp"
#include "store/registry.hpp"

namespace hufu::server {

/// Who is asking: the key of a business server, without the key.
struct Caller {
  std::string name;
  std::vector<std::string> apps;  ///< Sorted. Empty: all, also those that do not exist.
  store::Rights rights;

  [[nodiscard]] bool sees_all() const noexcept { return apps.empty(); }
  [[nodiscard]] bool sees(std::string_view app) const noexcept;
};

/// What a presented key is worth.
enum class Access {
  unauthenticated,  ///< No key, or none that is known: all of these look alike from outside.
  forbidden,        ///< A good key without the right, or without the app.
  granted,
};

/// The API keys in memory, found by the SHA-256 of what was presented.
///
/// The lookup compares hashes in variable time, which tells an attacker nothing: to learn a hash
/// byte by byte he would have to choose the hashes he presents, and knowing one does not yield the
/// key.
///
/// Thread-safety: all members may be called from any thread. `check` allocates nothing.
class KeyTable {
 public:
  /// From now on exactly these keys are known.
  void reload(std::vector<store::ApiKeyRow> rows);

  /// What `key` is worth for `right` on `app`; an empty `app` asks for the right alone.
  [[nodiscard]] Access check(std::string_view key, Right right,
                             std::string_view app) const noexcept;
  /// Who holds `key`, if it is known.
  [[nodiscard]] std::optional<Caller> find(std::string_view key) const;

  [[nodiscard]] std::size_t size() const noexcept;

 private:
  struct HashOfHash {
    // SHA-256 is as evenly spread as a hash can be: any eight of its bytes will do.
    std::size_t operator()(const KeyHash& hash) const noexcept {
      std::size_t bits = 0;
      std::memcpy(&bits, hash.data(), sizeof bits);
      return bits;
    }
  };
  using Callers = std::unordered_map<KeyHash, Caller, HashOfHash>;

  ReadMostlyMutex mutex_;
  Callers callers_;
};

}  // namespace hufu::server
