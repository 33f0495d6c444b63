#pragma once

#include <string>
#include <vector>

#include "hufu/store.hpp"

namespace hufu::store {

/// A sealing key as a database remembers it: enough to recognise the key, not to be it.
struct KeyNote {
  std::string id;
  std::string check;  ///< An HMAC under the key: says whether a key of that id is this very one.
};

/// What a database that holds sealed text knows of the keys that sealed it, and the swap of one
/// sealed text for another. Start-up and the rotation of keys need it; nobody else.
///
/// The same promises as TokenStore: success is durable, `done` comes exactly once on any thread,
/// nothing blocks. A key is noted before anything is sealed with it, and never forgotten: a process
/// that was asleep during a rotation may still write with the old one.
class SealLedger {
 public:
  virtual ~SealLedger() = default;

  virtual void noted_keys(Done<Result<std::vector<KeyNote>>> done) = 0;
  /// Changes nothing if that id is noted already.
  virtual void note_key(KeyNote note, Done<Result<void>> done) = 0;
  /// Notes the key if it is the first one; false, and nothing is changed, if there is any.
  virtual void note_first_key(KeyNote note, Done<Result<bool>> done) = 0;

  /// Replaces a sealed token if it is still the one in `from`; false, and nothing is changed, if
  /// not. Needs no lease: it changes how a token is written, not which one it is. `from` and `to`
  /// are not empty.
  virtual void reseal_token(const Key& key, Secret from, Secret to, Done<Result<bool>> done) = 0;
  /// The same for the refresh token of a record.
  virtual void reseal_refresh_token(const Key& key, Secret from, Secret to,
                                    Done<Result<bool>> done) = 0;
  /// The same for one credential of an app.
  virtual void reseal_credential(const std::string& app, const std::string& name, Secret from,
                                 Secret to, Done<Result<bool>> done) = 0;
};

}  // namespace hufu::store
