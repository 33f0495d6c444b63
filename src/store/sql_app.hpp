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

/// Fills everything in as far as it can be read, or all but what the credentials are; false where
/// some text makes no sense. `Row` is that of `read_record`.
template <class Row>
bool read_app(const Row& row, AppRow& out, bool names_only) {
  using At = AppColumn;
  out.id = row.text(At::id);
  out.platform = row.text(At::platform);
  out.parent = row.text(At::parent);
  out.secret_login = row.integer(At::secret_login) != 0;
  out.created_at = row.time(At::created_at);
  out.updated_at = row.time(At::updated_at);

  auto settings = settings_from(row.bytes(At::settings));
  const std::string_view sealed = row.bytes(At::credentials);
  auto credentials = names_only ? credential_names_from(sealed) : credentials_from(sealed);
  auto keep = texts_from(row.bytes(At::keep));
  if (!settings || !credentials || !keep) return false;
  out.settings = std::move(*settings);
  out.credentials = std::move(*credentials);
  out.keep = std::move(*keep);
  return copy_bytes(row.bytes(At::tag), out.tag);
}

}  // namespace hufu::store
