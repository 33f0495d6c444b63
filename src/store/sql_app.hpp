#pragma once

#include <string>

#include "store/registry.hpp"
#include "store/row_text.hpp"

namespace hufu::store {

/// How an app stands in a table, the same for every SQL database. What one of them keeps beside it
/// comes behind these columns.
inline const std::string kAppColumns =
    "id, platform, parent, settings, credentials, keep, secret_login, tag, created_at, updated_at";

/// Their numbers, and the first that is free behind them.
struct AppColumn {
  enum Number : int {
    id,
    platform,
    parent,
    settings,
    credentials,
    keep,
    secret_login,
    tag,
    created_at,
    updated_at,
    behind
  };
};

/// Fills everything in, or all but what the credentials are; false, and the lists and the tag are
/// empty, where some text makes no sense. `Row` is that of `read_record`; memory of `out` is used
/// again, too.
template <class Row>
bool read_app(const Row& row, AppRow& out, bool names_only) {
  using At = AppColumn;
  out.id = row.bytes(At::id);
  out.platform = row.bytes(At::platform);
  out.parent = row.bytes(At::parent);
  out.secret_login = row.integer(At::secret_login) != 0;
  out.created_at = row.time(At::created_at);
  out.updated_at = row.time(At::updated_at);

  const bool settings = read_settings(row.bytes(At::settings), out.settings);
  const std::string_view sealed = row.bytes(At::credentials);
  const bool credentials = names_only ? read_credential_names(sealed, out.credentials)
                                      : read_credentials(sealed, out.credentials);
  auto keep = texts_from(row.bytes(At::keep));
  if (settings && credentials && keep && copy_bytes(row.bytes(At::tag), out.tag)) {
    out.keep = std::move(*keep);
    return true;
  }
  out.settings.clear();
  out.credentials.clear();
  out.keep.clear();
  out.tag = {};
  return false;
}

}  // namespace hufu::store
