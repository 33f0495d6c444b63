#include "store/postgresql/postgresql_store.hpp"

#include <algorithm>
#include <utility>

#include "store/postgresql/postgresql_schema.hpp"
#include "store/row_text.hpp"
#include "store/sql_app.hpp"
#include "store/sql_record.hpp"

namespace hufu::store {
namespace {

/// Rows that a scan reads in one go.
constexpr std::int64_t kScanRows = 4096;
/// A lease with more time left than it was given, by more than this, was given before the
/// database's clock was set back.
constexpr Milliseconds kClockSlack = std::chrono::minutes(1);
/// How often `acquire_lease` looks why it was refused, where the reason is gone again each time.
constexpr int kAcquireTries = 4;

// ---- Statements ----

/// The database's clock at the moment at which this is evaluated, not when the transaction began.
const std::string kNow = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
/// The lease of a row `t` is over, be it held by whomever; `grace` is an expression.
std::string lease_is_over(const std::string& grace) {
  return "(" + kNow + " >= t.lease_until + " + grace + " OR t.lease_until - " + kNow +
         " > t.lease_length + " + std::to_string(kClockSlack.count()) + ")";
}
/// Ends a statement whose part `source` yields app and kind of each entry for the change log, and
/// whose part `what` yields a row for whatever `columns` show. Both are one transaction with it.
std::string append_changes(const std::string& source, const std::string& columns,
                           const std::string& what) {
  return ", logged AS (INSERT INTO hufu_changes (app, kind) " + source + ") SELECT " + columns +
         ", pg_notify('" + PostgresqlListener::kChannel + "', '') FROM " + what;
}
/// As `append_changes`, where the part `token` changed hufu_tokens.
std::string append_changes_of(const std::string& token, const std::string& columns = "true") {
  return append_changes("SELECT app, kind FROM " + token, columns, token);
}

constexpr int kLeaseLength = RecordColumn::behind;
constexpr int kMoment = kLeaseLength + 1;  ///< The database's present moment.
const std::string kTokenColumns = kRecordColumns + ", lease_length, " + kNow;

const std::string kSelectToken =
    "SELECT " + kTokenColumns + " FROM hufu_tokens WHERE app = $1 AND kind = $2";
const std::string kScanTokens = "SELECT " + kTokenColumns +
                                " FROM hufu_tokens WHERE (app, kind) > ($1, $2) "
                                "ORDER BY app, kind LIMIT $3";

/// $1 app, $2 kind, $3 revision seen, $4 holder, $5 in-doubt call up to its fence, $6 length, $7
/// grace, $8 a holder that is gone. The clock and the fence of a row that exists are read when its
/// lock has been waited for.
const std::string kAcquireLease =
    "WITH granted AS (INSERT INTO hufu_tokens AS t (app, kind, revision, renew_at, predecessors, "
    "marks, late_marks, budget, fence, holder, lease_until, lease_length, created_at, updated_at) "
    "SELECT $1, $2, 0, 0, '', $5 || '#' || fence || ';', '', '', fence, $4, " +
    kNow + " + $6, $6, " + kNow + ", " + kNow +
    " FROM (SELECT nextval('hufu_fences') AS fence) AS drawn "
    "ON CONFLICT (app, kind) DO UPDATE SET (fence, marks) = "
    "(SELECT fence, t.marks || $5 || '#' || fence || ';' "
    "FROM (SELECT nextval('hufu_fences') AS fence) AS drawn), "
    "holder = excluded.holder, lease_until = " +
    kNow + " + $6, lease_length = $6, late_marks = '', updated_at = " + kNow +
    " WHERE t.revision <= $3 AND (t.holder = '' OR t.holder = $8 OR " + lease_is_over("$7") +
    ") RETURNING *)" + append_changes_of("granted", kTokenColumns);

/// $1 … $15 what the record holds; $16 app, $17 kind, $18 fence, $19 holder.
const std::string kStore =
    "WITH written AS (UPDATE hufu_tokens SET revision = $1, token = $2, issuer = $3, "
    "obtained_at = $4, expires_at = $5, renew_at = $6, displaced_at = $7, predecessors = $8, "
    "alive_at = $9, marks = $10 || late_marks, late_marks = '', trouble = $11, budget = $12, "
    "overlap = $13, refresh_token = $14, refresh_token_expires_at = $15, holder = '', "
    "lease_until = 0, updated_at = " +
    kNow + " WHERE app = $16 AND kind = $17 AND fence = $18 AND holder = $19 AND holder <> '' " +
    "RETURNING app, kind)" + append_changes_of("written");

const std::string kAddInDoubt =
    "WITH appended AS (UPDATE hufu_tokens SET marks = marks || $3, late_marks = late_marks || $3, "
    "updated_at = " +
    kNow + " WHERE app = $1 AND kind = $2 RETURNING app, kind)" + append_changes_of("appended");

const std::string kTime = "SELECT " + kNow;

const std::string kLoadApp = "SELECT " + kAppColumns + " FROM hufu_apps WHERE id = $1";
const std::string kScanApps =
    "SELECT " + kAppColumns + " FROM hufu_apps WHERE id > $1 ORDER BY id LIMIT $2";

const std::string kPutApp =
    "WITH put AS (INSERT INTO hufu_apps (" + kAppColumns +
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, " + kNow + ", " + kNow +
    ") ON CONFLICT (id) DO UPDATE SET platform = excluded.platform, parent = excluded.parent, "
    "settings = excluded.settings, credentials = excluded.credentials, keep = excluded.keep, "
    "secret_login = excluded.secret_login, tag = excluded.tag, "
    "updated_at = excluded.updated_at RETURNING id), relieved AS (UPDATE hufu_tokens "
    "SET trouble = NULL, updated_at = " +
    kNow + " WHERE app = $1 AND trouble IS NOT NULL RETURNING app, kind)" +
    append_changes("SELECT app, kind FROM relieved UNION ALL SELECT id, '' FROM put", "true",
                   "put");

const std::string kRemoveApp =
    "WITH removed AS (DELETE FROM hufu_apps WHERE id = $1 RETURNING id), orphans AS ("
    "DELETE FROM hufu_tokens USING removed WHERE app = removed.id RETURNING app, kind)" +
    append_changes("SELECT app, kind FROM orphans UNION ALL SELECT id, '' FROM removed", "true",
                   "removed");

const std::string kPutKey =
    "WITH made AS (INSERT INTO hufu_api_keys (name, hash, apps, rights, created_at) "
    "VALUES ($1, $2, $3, $4, " +
    kNow + ") ON CONFLICT DO NOTHING RETURNING name)" +
    append_changes("SELECT '', '' FROM made", "true", "made");
const std::string kRevokeKey =
    "WITH revoked AS (DELETE FROM hufu_api_keys WHERE name = $1 RETURNING name)" +
    append_changes("SELECT '', '' FROM revoked", "true", "revoked");
const std::string kListKeys =
    "SELECT name, hash, apps, rights, created_at FROM hufu_api_keys ORDER BY name";

const std::string kNotedKeys = "SELECT id, check_value FROM hufu_sealing_keys ORDER BY place";
const std::string kNoteKey =
    "INSERT INTO hufu_sealing_keys (id, check_value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const std::string kNoteFirstKey =
    "INSERT INTO hufu_sealing_keys (id, check_value) SELECT $1, $2 "
    "WHERE NOT EXISTS (SELECT FROM hufu_sealing_keys) RETURNING true";
const std::string kResealToken =
    "WITH resealed AS (UPDATE hufu_tokens SET token = $4 WHERE app = $1 AND kind = $2 "
    "AND token = $3 RETURNING app, kind)" +
    append_changes_of("resealed");
const std::string kResealRefreshToken =
    "WITH resealed AS (UPDATE hufu_tokens SET refresh_token = $4 WHERE app = $1 AND kind = $2 "
    "AND refresh_token = $3 RETURNING app, kind)" +
    append_changes_of("resealed");
const std::string kCredentials = "SELECT credentials FROM hufu_apps WHERE id = $1";
const std::string kResealCredentials =
    "WITH resealed AS (UPDATE hufu_apps SET credentials = $3 WHERE id = $1 AND credentials = $2 "
    "RETURNING id)" +
    append_changes("SELECT id, '' FROM resealed", "true", "resealed");

/// $8: for how long a node is remembered.
const std::string kAnnounce =
    "WITH forgotten AS (DELETE FROM hufu_nodes WHERE name <> $1 AND seen_at < " + kNow +
    " - $8) INSERT INTO hufu_nodes (name, host, version, listen, started_at, clock_ahead, fenced, "
    "seen_at) VALUES ($1, $2, $3, $4, $5, $6, $7, " +
    kNow +
    ") ON CONFLICT (name) DO UPDATE SET host = excluded.host, version = excluded.version, "
    "listen = excluded.listen, started_at = excluded.started_at, "
    "clock_ahead = excluded.clock_ahead, fenced = excluded.fenced, seen_at = excluded.seen_at";
const std::string kLeave = "DELETE FROM hufu_nodes WHERE name = $1";
const std::string kNodes =
    "SELECT name, host, version, listen, started_at, clock_ahead, fenced, seen_at FROM hufu_nodes "
    "ORDER BY name";
/// Twice as many as are shown: some of them may be held by processes that are gone.
const std::string kLeases =
    "SELECT app, kind, fence, holder, lease_until FROM hufu_tokens AS t WHERE holder <> '' "
    "AND NOT " +
    lease_is_over("0") + " ORDER BY app, kind LIMIT " + std::to_string(2 * kMostLeasesShown);

const std::string kSettings =
    "SELECT current_setting('fsync') = 'on', current_setting('synchronous_commit') <> 'off', "
    "current_setting('default_transaction_isolation') = 'read committed'";

// ---- Rows ----

/// One of several, as `read_record` looks at it.
struct RowOf {
  const PostgresqlRows& rows;
  int row;
  [[nodiscard]] bool is_null(int column) const { return rows.is_null(row, column); }
  [[nodiscard]] std::int64_t integer(int column) const { return rows.integer(row, column); }
  [[nodiscard]] WallTime time(int column) const { return rows.time(row, column); }
  [[nodiscard]] std::optional<WallTime> optional_time(int column) const {
    return rows.optional_time(row, column);
  }
  [[nodiscard]] std::string_view bytes(int column) const { return rows.bytes(row, column); }
  [[nodiscard]] std::string text(int column) const { return rows.text(row, column); }
};

void bind_record(PostgresqlQuery& query, const Record& record) {
  query.bind(record.revision);
  if (record.token) {
    query.bind_bytes(record.token->value.reveal())
        .bind_text(record.token->issuer)
        .bind_time(record.token->obtained_at)
        .bind_time(record.token->expires_at);
  } else {
    query.bind_null().bind_null().bind_null().bind_null();
  }
  query.bind_time(record.renew_at)
      .bind_time(record.displaced_at)
      .bind_text(text_of(record.predecessors))
      .bind_time(record.alive_at)
      .bind_text(text_of(record.in_doubt));
  if (record.failure) {
    query.bind_bytes(text_of(*record.failure));
  } else {
    query.bind_null();
  }
  query.bind_text(text_of(record.budget));
  if (record.token && record.token->overlap) {
    query.bind(*record.token->overlap);
  } else {
    query.bind_null();
  }
  if (record.refresh_token.empty()) {
    query.bind_null();
  } else {
    query.bind_bytes(record.refresh_token.reveal());
  }
  query.bind_time(record.refresh_token_expires_at);
}

// ---- Opening ----

/// Says what an operator should know of how the server is set up.
std::vector<std::string> check_settings(PostgresqlConnection& connection,
                                        const PostgresqlAddress& address) {
  std::vector<std::string> warnings = address.warnings;
  const PostgresqlRows settings = PostgresqlQuery(connection, kSettings).run();
  auto warn_unless = [&](bool fine, const std::string& what) {
    if (!fine) warnings.push_back(address.shown + " " + what);
  };
  warn_unless(settings.integer(0, 0) != 0,
              "runs with fsync = off: a crash of its machine can destroy it");
  warn_unless(settings.integer(0, 1) != 0,
              "runs with synchronous_commit = off: a crash can take back what was reported as "
              "stored");
  warn_unless(settings.integer(0, 2) != 0,
              "has a default_transaction_isolation other than read committed: leases that are "
              "asked for at once fail instead of waiting for each other");
  warn_unless(connection.is_direct(),
              "is reached through a pooler: changes of other nodes are asked for instead of being "
              "told");
  return warnings;
}

}  // namespace

Result<std::shared_ptr<PostgresqlStore>> PostgresqlStore::open(PostgresqlOptions options,
                                                               const Clock& clock) {
  auto parsed = parse_postgresql_address(options.uri, options.password);
  if (!parsed) return tl::unexpected(parsed.error());
  const auto address = std::make_shared<const PostgresqlAddress>(std::move(*parsed));
  const auto round_trips = std::make_shared<std::atomic<std::uint64_t>>(0);
  try {
    auto connection = PostgresqlConnection::connect(*address, *round_trips);
    if (connection->server_version() < 130000) {
      return fail(Fault::store,
                  address->shown + " is PostgreSQL " +
                      std::to_string(connection->server_version() / 10000) +
                      ", and Hufu needs 13 or later",
                  "upgrade the server");
    }
    if (auto current = migrate(*connection, *address); !current) {
      return tl::unexpected(current.error());
    }
    connection->allow(PostgresqlConnection::kPatience);
    auto warnings = check_settings(*connection, *address);
    return std::shared_ptr<PostgresqlStore>(
        new PostgresqlStore(options, clock, address, round_trips, std::move(warnings)));
  } catch (const PostgresqlFailure& failure) {
    return tl::unexpected(error_of(failure, *address));
  }
}

PostgresqlStore::PostgresqlStore(const PostgresqlOptions& options, const Clock& clock,
                                 Address address, RoundTrips round_trips,
                                 std::vector<std::string> warnings)
    : address_(std::move(address)),
      round_trips_(std::move(round_trips)),
      warnings_(std::move(warnings)),
      feed_(options.change_log, clock,
            [this] { return PostgresqlConnection::connect(*address_, listener_round_trips_); }),
      pool_(options.pool, clock, [this]() -> Result<std::unique_ptr<PostgresqlConnection>> {
        try {
          return PostgresqlConnection::connect(*address_, *round_trips_);
        } catch (const PostgresqlFailure& failure) {
          return tl::unexpected(error_of(failure, *address_));
        }
      }) {}

PostgresqlStore::~PostgresqlStore() { pool_.close(); }

template <class T, class Work>
void PostgresqlStore::run(Done<Result<T>> done, Work work) {
  pool_.run<T>(
      std::move(done),
      [this, work = std::move(work)](PostgresqlConnection& connection) mutable -> Result<T> {
        connection.allow(PostgresqlConnection::kPatience);
        try {
          return work(connection);
        } catch (const PostgresqlFailure& failure) {
          return tl::unexpected(error_of(failure, *address_));
        }
      });
}

template <class T, class Work>
void PostgresqlStore::write(Done<Result<T>> done, Work work) {
  run<T>(std::move(done),
         [this, work = std::move(work)](PostgresqlConnection& connection) mutable -> Result<T> {
           Result<T> outcome = work(connection);
           if (feed_.wrote()) {
             // A failure is not reported: the log keeps what it holds, and the next one tries
             // again.
             run<void>([](Result<void>) {},
                       [this](PostgresqlConnection& other) -> Result<void> {
                         feed_.trim(other);
                         return {};
                       });
           }
           return outcome;
         });
}

// ---- TokenStore ----

void PostgresqlStore::load(const Key& key, Done<Result<Record>> done) {
  run<Record>(std::move(done), [key](PostgresqlConnection& connection) -> Result<Record> {
    const PostgresqlRows rows =
        PostgresqlQuery(connection, kSelectToken).bind_text(key.app).bind_text(key.kind).run();
    RecordRow found;
    if (!rows.empty() && !read_record(RowOf{rows, 0}, found)) return tl::unexpected(damaged(key));
    return std::move(found.record);
  });
}

void PostgresqlStore::acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) {
  write<AcquireOutcome>(std::move(done), [this, lease_request = std::move(lease_request)](
                                             PostgresqlConnection& connection) {
    return acquire(connection, lease_request);
  });
}

Result<AcquireOutcome> PostgresqlStore::acquire(PostgresqlConnection& connection,
                                                const LeaseRequest& lease_request) {
  const Key& key = lease_request.key;
  std::string gone;  // A holder that is known to be gone.
  for (int i = 0; i < kAcquireTries; ++i) {
    PostgresqlQuery query(connection, kAcquireLease);
    query.bind_text(key.app)
        .bind_text(key.kind)
        .bind(lease_request.seen)
        .bind_text(lease_request.holder);
    query.bind_text(text_before_fence(lease_request.in_doubt_call))
        .bind(lease_request.lease)
        .bind(lease_request.grace);
    const PostgresqlRows granted = query.bind_text(gone).run();
    RecordRow row;
    if (!granted.empty()) {
      if (!read_record(RowOf{granted, 0}, row)) return tl::unexpected(damaged(key));
      return AcquireOutcome(Acquired{
          {key, row.lease.fence, lease_request.holder, lease_request.in_doubt_call.called_at},
          std::move(row.record)});
    }

    const PostgresqlRows stored =
        PostgresqlQuery(connection, kSelectToken).bind_text(key.app).bind_text(key.kind).run();
    if (stored.empty()) continue;  // Removed meanwhile.
    if (!read_record(RowOf{stored, 0}, row)) return tl::unexpected(damaged(key));
    if (row.record.revision > lease_request.seen)
      return AcquireOutcome(Newer{std::move(row.record)});
    const WallTime now = stored.time(0, kMoment);
    const Milliseconds length(stored.integer(0, kLeaseLength));
    const bool clock_was_set_back = row.lease.until - now > length + kClockSlack;
    auto other = clock_was_set_back ? std::nullopt : held(row.lease, now, lease_request.grace);
    if (other) return AcquireOutcome(std::move(*other));
    gone = row.lease.holder;
  }
  return fail(Fault::store,
              "the lease of " + key.app + " " + key.kind + " changes hands too quickly",
              "it is tried again by itself");
}

void PostgresqlStore::commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) {
  write<WriteOutcome>(std::move(done),
                      [lease = std::move(lease), next = std::move(next)](
                          PostgresqlConnection& connection) -> Result<WriteOutcome> {
                        PostgresqlQuery query(connection, kStore);
                        bind_record(query, next);
                        query.bind_text(lease.key.app).bind_text(lease.key.kind);
                        query.bind(lease.fence).bind_text(lease.holder);
                        return query.run().empty() ? WriteOutcome::fenced : WriteOutcome::written;
                      });
}

void PostgresqlStore::add_in_doubt(const Key& key, InDoubtCall in_doubt_call,
                                   Done<Result<void>> done) {
  write<void>(
      std::move(done), [key, in_doubt_call](PostgresqlConnection& connection) -> Result<void> {
        PostgresqlQuery query(connection, kAddInDoubt);
        query.bind_text(key.app).bind_text(key.kind).bind_text(text_of(in_doubt_call)).run();
        return {};
      });
}

void PostgresqlStore::changes(std::string cursor, Done<Result<Changes>> done) {
  if (auto nothing = feed_.without_asking(cursor)) return done(std::move(*nothing));
  run<Changes>(
      std::move(done),
      [this, cursor = std::move(cursor)](PostgresqlConnection& connection) -> Result<Changes> {
        return feed_.look(connection, cursor);
      });
}

void PostgresqlStore::time(Done<Result<std::optional<WallTime>>> done) {
  using Time = std::optional<WallTime>;
  run<Time>(std::move(done), [](PostgresqlConnection& connection) -> Result<Time> {
    return PostgresqlQuery(connection, kTime).run().time(0, 0);
  });
}

/// Walks through a table a page at a time: `sql` takes where the page before ended and a number of
/// rows; `visit` sees a row and returns where that is. Each page queues for the next one.
template <class Position, class Visit>
void PostgresqlStore::scan_on(const std::string& sql, Position after, Visit visit,
                              Done<Result<void>> done) {
  using Rows = std::shared_ptr<PostgresqlRows>;
  run<Rows>(
      [this, &sql, visit, done](Result<Rows> page) mutable {
        if (!page) return done(tl::unexpected(std::move(page.error())));
        const PostgresqlRows& rows = **page;
        std::optional<Position> last;
        for (int row = 0; row < rows.size(); ++row) last = visit(rows, row);
        if (rows.size() < kScanRows) return done({});
        scan_on(sql, std::move(*last), std::move(visit), std::move(done));
      },
      [&sql, after = std::move(after)](PostgresqlConnection& connection) -> Result<Rows> {
        PostgresqlQuery query(connection, sql);
        for (const std::string& part : after) query.bind_text(part);
        return std::make_shared<PostgresqlRows>(query.bind(kScanRows).run());
      });
}

void PostgresqlStore::scan(std::function<void(Key&&, Record&&)> visit, Done<Result<void>> done) {
  using Position = std::array<std::string, 2>;
  auto visit_row = [visit = std::move(visit)](const PostgresqlRows& rows, int row) {
    RecordRow found;
    if (!read_record(RowOf{rows, row}, found)) {
      found.record = unreadable(found.record, damaged(found.key));
    }
    Position position{found.key.app, found.key.kind};
    visit(std::move(found.key), std::move(found.record));
    return position;
  };
  scan_on(kScanTokens, Position(), std::move(visit_row), std::move(done));
}

// ---- Registry ----

void PostgresqlStore::put_app(AppRow app, Done<Result<void>> done) {
  write<void>(
      std::move(done), [app = std::move(app)](PostgresqlConnection& connection) -> Result<void> {
        PostgresqlQuery query(connection, kPutApp);
        query.bind_text(app.id).bind_text(app.platform).bind_text(app.parent);
        query.bind_bytes(text_of(app.settings)).bind_bytes(text_of(app.credentials));
        query.bind_text(text_of(app.keep)).bind(app.secret_login).bind_bytes(bytes_of(app.tag));
        query.run();
        return {};
      });
}

void PostgresqlStore::load_app(const std::string& id, Done<Result<std::optional<AppRow>>> done) {
  using Found = std::optional<AppRow>;
  run<Found>(std::move(done), [id](PostgresqlConnection& connection) -> Result<Found> {
    const PostgresqlRows rows = PostgresqlQuery(connection, kLoadApp).bind_text(id).run();
    if (rows.empty()) return std::nullopt;
    AppRow app;
    if (!read_app(RowOf{rows, 0}, app, /*names_only=*/false)) {
      return tl::unexpected(damaged_app(id));
    }
    return app;
  });
}

void PostgresqlStore::remove_app(const std::string& id, Done<Result<bool>> done) {
  write<bool>(std::move(done), [id](PostgresqlConnection& connection) -> Result<bool> {
    return !PostgresqlQuery(connection, kRemoveApp).bind_text(id).run().empty();
  });
}

void PostgresqlStore::scan_apps(std::function<void(AppRow&&)> visit, Done<Result<void>> done) {
  using Position = std::array<std::string, 1>;
  auto visit_row = [visit = std::move(visit)](const PostgresqlRows& rows, int row) {
    AppRow app;
    // What cannot be read is left out; `load_app` says so.
    read_app(RowOf{rows, row}, app, /*names_only=*/true);
    Position position{app.id};
    visit(std::move(app));
    return position;
  };
  scan_on(kScanApps, Position(), std::move(visit_row), std::move(done));
}

void PostgresqlStore::put_key(ApiKeyRow key, Done<Result<bool>> done) {
  write<bool>(std::move(done),
              [key = std::move(key)](PostgresqlConnection& connection) -> Result<bool> {
                PostgresqlQuery query(connection, kPutKey);
                query.bind_text(key.name).bind_bytes(bytes_of(key.hash));
                query.bind_text(text_of(key.apps)).bind_text(rights_text_of(key));
                return !query.run().empty();
              });
}

void PostgresqlStore::revoke_key(const std::string& name, Done<Result<bool>> done) {
  write<bool>(std::move(done), [name](PostgresqlConnection& connection) -> Result<bool> {
    return !PostgresqlQuery(connection, kRevokeKey).bind_text(name).run().empty();
  });
}

void PostgresqlStore::list_keys(Done<Result<std::vector<ApiKeyRow>>> done) {
  using Keys = std::vector<ApiKeyRow>;
  run<Keys>(std::move(done), [](PostgresqlConnection& connection) -> Result<Keys> {
    const PostgresqlRows rows = PostgresqlQuery(connection, kListKeys).run();
    Keys keys;
    for (int row = 0; row < rows.size(); ++row) {
      ApiKeyRow& key = keys.emplace_back();
      key.name = rows.text(row, 0);
      auto apps = texts_from(rows.bytes(row, 2));
      if (!copy_bytes(rows.bytes(row, 1), key.hash) || !apps) {
        return tl::unexpected(damaged_api_key(key.name));
      }
      key.apps = std::move(*apps);
      key.rights = rights_from(rows.bytes(row, 3));
      key.margin = margin_from(rows.bytes(row, 3));
      key.created_at = rows.time(row, 4);
    }
    return keys;
  });
}

// ---- SealLedger ----

void PostgresqlStore::noted_keys(Done<Result<std::vector<KeyNote>>> done) {
  using Notes = std::vector<KeyNote>;
  run<Notes>(std::move(done), [](PostgresqlConnection& connection) -> Result<Notes> {
    const PostgresqlRows rows = PostgresqlQuery(connection, kNotedKeys).run();
    Notes notes;
    for (int row = 0; row < rows.size(); ++row) {
      notes.push_back({rows.text(row, 0), rows.text(row, 1)});
    }
    return notes;
  });
}

void PostgresqlStore::note_key(KeyNote note, Done<Result<void>> done) {
  run<void>(std::move(done),
            [note = std::move(note)](PostgresqlConnection& connection) -> Result<void> {
              PostgresqlQuery query(connection, kNoteKey);
              query.bind_text(note.id).bind_bytes(note.check).run();
              return {};
            });
}

void PostgresqlStore::note_first_key(KeyNote note, Done<Result<bool>> done) {
  run<bool>(std::move(done),
            [note = std::move(note)](PostgresqlConnection& connection) -> Result<bool> {
              // Whether there is any is no question of a row that could be locked.
              connection.run(
                  "BEGIN ISOLATION LEVEL READ COMMITTED; "
                  "LOCK TABLE hufu_sealing_keys IN EXCLUSIVE MODE");
              try {
                PostgresqlQuery query(connection, kNoteFirstKey);
                const bool first = !query.bind_text(note.id).bind_bytes(note.check).run().empty();
                connection.run("COMMIT");
                return first;
              } catch (const PostgresqlFailure&) {
                if (!connection.broken()) connection.run("ROLLBACK");
                throw;
              }
            });
}

void PostgresqlStore::reseal_token(const Key& key, Secret from, Secret to,
                                   Done<Result<bool>> done) {
  reseal(kResealToken, key, std::move(from), std::move(to), std::move(done));
}

void PostgresqlStore::reseal_refresh_token(const Key& key, Secret from, Secret to,
                                           Done<Result<bool>> done) {
  reseal(kResealRefreshToken, key, std::move(from), std::move(to), std::move(done));
}

void PostgresqlStore::reseal(const std::string& sql, const Key& key, Secret from, Secret to,
                             Done<Result<bool>> done) {
  write<bool>(std::move(done),
              [&sql, key, from = std::move(from),
               to = std::move(to)](PostgresqlConnection& connection) -> Result<bool> {
                PostgresqlQuery query(connection, sql);
                query.bind_text(key.app).bind_text(key.kind);
                query.bind_bytes(from.reveal()).bind_bytes(to.reveal());
                return !query.run().empty();
              });
}

void PostgresqlStore::reseal_credential(const std::string& app, const std::string& name,
                                        Secret from, Secret to, Done<Result<bool>> done) {
  write<bool>(std::move(done),
              [app, name, from = std::move(from),
               to = std::move(to)](PostgresqlConnection& connection) -> Result<bool> {
                // Another credential of the app may change in between: then it is looked again.
                while (true) {
                  const PostgresqlRows rows =
                      PostgresqlQuery(connection, kCredentials).bind_text(app).run();
                  if (rows.empty()) return false;
                  const auto text = text_with(rows.bytes(0, 0), name, from, to);
                  if (!text) return false;
                  PostgresqlQuery query(connection, kResealCredentials);
                  query.bind_text(app).bind_bytes(rows.bytes(0, 0)).bind_bytes(*text);
                  if (!query.run().empty()) return true;
                }
              });
}

// ---- Cluster ----

void PostgresqlStore::announce(NodeRow node, Milliseconds forget, Done<Result<void>> done) {
  run<void>(std::move(done),
            [node = std::move(node), forget](PostgresqlConnection& connection) -> Result<void> {
              PostgresqlQuery query(connection, kAnnounce);
              query.bind_text(node.name).bind_text(node.host).bind_text(node.version);
              query.bind_text(node.listen).bind_time(node.started_at).bind(node.clock_ahead);
              query.bind(node.fenced).bind(forget).run();
              return {};
            });
}

void PostgresqlStore::leave(const std::string& name, Done<Result<void>> done) {
  run<void>(std::move(done), [name](PostgresqlConnection& connection) -> Result<void> {
    PostgresqlQuery(connection, kLeave).bind_text(name).run();
    return {};
  });
}

void PostgresqlStore::view(Done<Result<ClusterView>> done) {
  run<ClusterView>(std::move(done), [](PostgresqlConnection& connection) -> Result<ClusterView> {
    ClusterView view;
    const PostgresqlRows nodes = PostgresqlQuery(connection, kNodes).run();
    for (int row = 0; row < nodes.size(); ++row) {
      view.nodes.push_back({nodes.text(row, 0), nodes.text(row, 1), nodes.text(row, 2),
                            nodes.text(row, 3), nodes.time(row, 4),
                            Milliseconds(nodes.integer(row, 5)), nodes.natural(row, 6),
                            nodes.time(row, 7)});
    }
    view.now = PostgresqlQuery(connection, kTime).run().time(0, 0);
    const PostgresqlRows leases = PostgresqlQuery(connection, kLeases).run();
    for (int row = 0; row < leases.size() && view.leases.size() < kMostLeasesShown; ++row) {
      const LeaseState state{leases.natural(row, 2), leases.text(row, 3), leases.time(row, 4)};
      const auto held = store::held(state, view.now, Milliseconds(0));
      if (!held) continue;
      view.leases.push_back(
          {{leases.text(row, 0), leases.text(row, 1)}, held->holder, state.fence, held->remaining});
    }
    return view;
  });
}

}  // namespace hufu::store
