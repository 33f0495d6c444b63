#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/read_mostly_mutex.hpp"
#include "keeper/async_keeper.hpp"
#include "server/api_key.hpp"
#include "store/registry.hpp"

namespace hufu::server {

/// Who is asking: the key of a business server, without the key.
struct Caller {
  std::string name;
  std::vector<std::string> apps;     ///< Sorted.
  std::vector<std::string> parents;  ///< Whose children it opens, too.
  store::Rights rights;
  std::chrono::seconds margin{0};  ///< See store::ApiKeyRow.

  /// Also apps that do not exist.
  [[nodiscard]] bool sees_all() const noexcept { return apps.empty() && parents.empty(); }
  [[nodiscard]] bool sees(std::string_view app, const keeper::AsyncKeeper& keeper) const;
  /// Whether it was made for this very app.
  [[nodiscard]] bool names(std::string_view app) const noexcept;
  [[nodiscard]] keeper::Scope scope() const;
};

/// What a presented key is worth.
enum class Access {
  unauthenticated,  ///< No key, or none that is known: all of these look alike from outside.
  forbidden,        ///< A good key without the right, or without the app.
  granted,
};

/// What a presented key is worth for one request.
struct Admission {
  Access access = Access::unauthenticated;
  /// Whether tokens that carry authority over other accounts are handed out to it, too: it names
  /// the app, or is an administrator's.
  bool authority = false;
  std::chrono::seconds margin{0};  ///< Of the key.

  [[nodiscard]] bool granted() const noexcept { return access == Access::granted; }
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
  /// `keeper` says which app is whose child; it outlives the table.
  explicit KeyTable(const keeper::AsyncKeeper& keeper) : keeper_(keeper) {}

  /// From now on exactly these keys are known.
  void reload(std::vector<store::ApiKeyRow> rows);
  /// How often the keys were reloaded: whoever was admitted under another number asks again.
  [[nodiscard]] std::uint64_t generation() const noexcept {
    return generation_.load(std::memory_order_acquire);
  }

  /// What `key` is worth for `right` on `app`; an empty `app` asks for the right alone.
  [[nodiscard]] Admission check(std::string_view key, Right right, std::string_view app) const;
  [[nodiscard]] Admission check(const KeyHash& key, Right right, std::string_view app) const;
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

  const keeper::AsyncKeeper& keeper_;
  ReadMostlyMutex mutex_;
  Callers callers_;
  std::atomic<std::uint64_t> generation_{0};
};

}  // namespace hufu::server
