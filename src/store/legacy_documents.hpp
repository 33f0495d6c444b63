#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/secret.hpp"
#include "hufu/store.hpp"

namespace hufu::store {

/// Which documents: those of `collection` whose field `name` says so.
struct LegacyName {
  std::string collection;
  std::string name;
  auto operator<=>(const LegacyName&) const = default;
};

/// One of them, as it was found.
struct LegacyDocument {
  std::string id;  ///< Tells it from others of the same name; means something to the store alone.
  Secret token;    ///< Empty where it holds none.
  /// What a reader may rely on, and when it was written, by its own account. Either may be missing.
  std::optional<WallTime> promised_until{};
  std::optional<WallTime> written_at{};
};

/// The documents of a MongoDB store in which programs that are older than Hufu look for a token:
///
///     {name, token, expires_in: Unix milliseconds, meta: {createdAt, updatedAt}}
///
/// The token lies there in the clear. What other programs wrote is taken as it is: several
/// documents of one name, numbers of any type or as text, a `meta` that is missing or holds
/// nonsense, fields of their own.
///
/// The same promises as TokenStore: success is durable, `done` comes exactly once on any thread,
/// nothing blocks. A write that failed with Fault::store may or may not have taken place.
class LegacyDocuments {
 public:
  virtual ~LegacyDocuments() = default;

  /// All documents of that name, the one that was written last first.
  virtual void find(LegacyName name, Done<Result<std::vector<LegacyDocument>>> done) = 0;
  /// Makes a document. False, and nothing is changed, where another process made it just now.
  virtual void make(LegacyName name, Secret token, WallTime promised_until,
                    Done<Result<bool>> done) = 0;
  /// Writes token and promise into the document that was found, and when. False, and nothing is
  /// changed, where it holds another token by now.
  virtual void replace(LegacyName name, LegacyDocument found, Secret token, WallTime promised_until,
                       Done<Result<bool>> done) = 0;

  /// What the database's clock shows at `moment`, as far as this process knows; rather early. By
  /// that clock documents are dated.
  [[nodiscard]] virtual WallTime at(SteadyTime moment) const = 0;
};

}  // namespace hufu::store
