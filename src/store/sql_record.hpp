#pragma once

#include <optional>
#include <string>
#include <utility>

#include "store/lease_rule.hpp"
#include "store/record_text.hpp"

namespace hufu::store {

/// How a record stands in a table, the same for every SQL database. What one of them keeps beside
/// it comes behind these columns.
inline const std::string kRecordColumns =
    "app, kind, revision, token, issuer, obtained_at, expires_at, renew_at, displaced_at, "
    "predecessors, alive_at, marks, trouble, budget, fence, holder, lease_until, created_at, "
    "updated_at, overlap, refresh_token, refresh_token_expires_at";

/// The same columns as a scan reads them: without the lease, which is no part of a record. A
/// million rows are read when a server starts, and a column costs a few percent of that.
inline const std::string kScannedColumns =
    "app, kind, revision, token, issuer, obtained_at, expires_at, renew_at, displaced_at, "
    "predecessors, alive_at, marks, trouble, budget, 0, '', 0, created_at, updated_at, overlap, "
    "refresh_token, refresh_token_expires_at";

/// Their numbers, and the first that is free behind them.
struct RecordColumn {
  enum Number : int {
    app,
    kind,
    revision,
    token,
    issuer,
    obtained_at,
    expires_at,
    renew_at,
    displaced_at,
    predecessors,
    alive_at,
    in_doubt,
    failure,
    budget,
    fence,
    holder,
    lease_until,
    created_at,
    updated_at,
    overlap,
    refresh_token,
    refresh_token_expires_at,
    behind
  };
};

struct RecordRow {
  Key key;
  Record record;
  LeaseState lease;
};

/// Fills everything in as far as it can be read; false where some text makes no sense. `Row` yields
/// a column as an integer, a time, bytes, or says that there is nothing. Memory that `out` has from
/// a record before is used again.
template <class Row>
bool read_record(const Row& row, RecordRow& out) {
  using At = RecordColumn;
  out.key.app = row.bytes(At::app);
  out.key.kind = row.bytes(At::kind);
  Record& record = out.record;
  record.revision = static_cast<std::uint64_t>(row.integer(At::revision));
  if (!row.is_null(At::token)) {
    Token& token = record.token ? *record.token : record.token.emplace();
    token.value.assign(row.bytes(At::token));
    token.obtained_at = row.time(At::obtained_at);
    token.expires_at = row.time(At::expires_at);
    token.issuer = row.bytes(At::issuer);
    token.overlap.reset();
    if (!row.is_null(At::overlap)) token.overlap = Milliseconds(row.integer(At::overlap));
  } else {
    record.token.reset();
  }
  record.refresh_token.assign(row.bytes(At::refresh_token));
  record.refresh_token_expires_at = row.optional_time(At::refresh_token_expires_at);
  record.renew_at = row.time(At::renew_at);
  record.displaced_at = row.optional_time(At::displaced_at);
  record.alive_at = row.optional_time(At::alive_at);
  record.created_at = row.time(At::created_at);
  record.updated_at = row.time(At::updated_at);
  out.lease.fence = static_cast<std::uint64_t>(row.integer(At::fence));
  out.lease.holder = row.bytes(At::holder);
  out.lease.until = row.time(At::lease_until);

  record.predecessors.clear();
  record.in_doubt.clear();
  record.budget = {};
  record.failure.reset();
  auto predecessors = fingerprints_from(row.bytes(At::predecessors));
  auto in_doubt = in_doubt_from(row.bytes(At::in_doubt));
  auto budget = budget_from(row.bytes(At::budget));
  if (!predecessors || !in_doubt || !budget) return false;
  record.predecessors = std::move(*predecessors);
  record.in_doubt = std::move(*in_doubt);
  record.budget = *budget;
  if (!row.is_null(At::failure)) {
    record.failure = failure_state_from(row.bytes(At::failure));
    if (!record.failure) return false;
  }
  return true;
}

}  // namespace hufu::store
