#include "store/sqlite/sqlite_store.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "store/change_log.hpp"
#include "store/row_text.hpp"
#include "store/sql_app.hpp"
#include "store/sql_record.hpp"

namespace hufu::store {
namespace {

/// So many operations at most share one transaction, so that the first of them need not wait long.
constexpr std::size_t kBatch = 256;
/// Rows that a scan reads in one go; other reads take their turn in between.
constexpr std::int64_t kScanRows = 8192;
/// 4 MiB of write-ahead log, then it is copied into the database.
constexpr int kCheckpointPages = 1000;

// ---- Rows ----

constexpr int kId = RecordColumn::behind;
const std::string kSelectToken =
    "SELECT " + kRecordColumns + ", id FROM tokens WHERE app = ? AND kind = ?";
const std::string kScanTokens =
    "SELECT " + kScannedColumns + ", id FROM tokens WHERE id > ? ORDER BY id LIMIT ?";

constexpr int kRow = AppColumn::behind;
const std::string kSelectApps = "SELECT " + kAppColumns + ", row FROM apps ";
const std::string kLoadApp = kSelectApps + "WHERE id = ?";
const std::string kScanApps = kSelectApps + "WHERE row > ? ORDER BY row LIMIT ?";

}  // namespace

// ---- Jobs ----

/// Something to do on one of the two threads, and somebody to tell.
class SqliteStore::Job {
 public:
  virtual ~Job() = default;
  /// Does it, and keeps the outcome. May be called again where a transaction had to be given up.
  virtual void run(SqliteDatabase& database) = 0;
  virtual void fail(Error error) = 0;
  [[nodiscard]] virtual bool failed() const = 0;
  /// Tells the outcome.
  virtual void settle() = 0;
};

template <class T, class Work>
class SqliteStore::JobOf final : public Job {
 public:
  JobOf(Done<Result<T>> done, Work work) : done_(std::move(done)), work_(std::move(work)) {}
  void run(SqliteDatabase& database) override { outcome_ = work_(database); }
  void fail(Error error) override { outcome_ = tl::unexpected(std::move(error)); }
  [[nodiscard]] bool failed() const override { return !outcome_; }
  void settle() override { done_(std::move(outcome_)); }

 private:
  Done<Result<T>> done_;
  Work work_;
  Result<T> outcome_;
};

/// A walk through a table: `next(database, after)` visits some rows and returns where it got to, or
/// nothing at the end. Goes back into the queue between two steps.
template <class Next>
class SqliteStore::ScanOf final : public Job {
 public:
  ScanOf(SqliteStore& store, Done<Result<void>> done, Next next)
      : store_(store), done_(std::move(done)), next_(std::move(next)) {}
  void run(SqliteDatabase& database) override {
    auto got_to = next_(database, after_);
    // Or a damaged file would be walked through in a circle.
    if (got_to && *got_to <= after_) throw SqliteFailure{SQLITE_CORRUPT, "rows are out of order"};
    finished_ = !got_to;
    if (got_to) after_ = *got_to;
  }
  void fail(Error error) override { outcome_ = tl::unexpected(std::move(error)); }
  [[nodiscard]] bool failed() const override { return !outcome_; }
  void settle() override {
    if (finished_ || failed()) return done_(std::move(outcome_));
    store_.queue_read(std::make_unique<ScanOf>(std::move(*this)));
  }

 private:
  SqliteStore& store_;
  Done<Result<void>> done_;
  Next next_;
  std::int64_t after_ = -1;
  bool finished_ = false;
  Result<void> outcome_;
};

template <class T, class Work>
void SqliteStore::write(Done<Result<T>> done, Work work) {
  std::unique_ptr<Job> job = std::make_unique<JobOf<T, Work>>(std::move(done), std::move(work));
  if (is_read_only()) {
    job->fail(error_of({SQLITE_READONLY, "it was opened for reading"}, options_.path));
  } else if (writer_.push(job)) {
    return;
  } else {
    job->fail(closing());
  }
  job->settle();
}

template <class T, class Work>
void SqliteStore::read(Done<Result<T>> done, Work work) {
  queue_read(std::make_unique<JobOf<T, Work>>(std::move(done), std::move(work)));
}

void SqliteStore::queue_read(std::unique_ptr<Job> job) {
  if (reader_.push(job)) return;
  job->fail(closing());
  job->settle();
}

Error SqliteStore::closing() const {
  return {Fault::store, "the database " + options_.path + " is being closed", "", {}, {}};
}

Error SqliteStore::moved() const {
  return {Fault::store,
          "the database " + options_.path + " was removed or replaced while it was in use",
          "start hufu again: it opens what is there, or begins an empty one; put the file back "
          "first if it was moved by mistake",
          {},
          {}};
}

void SqliteStore::read_batch(Jobs& jobs) {
  for (auto& job : jobs) {
    try {
      if (reading_->has_moved()) {
        job->fail(moved());
        job->settle();
        continue;
      }
      job->run(*reading_);
    } catch (const SqliteFailure& failure) {
      job->fail(error_of(failure, options_.path));
    }
    job->settle();
  }
}

void SqliteStore::write_batch(Jobs& jobs) {
  std::span<std::unique_ptr<Job>> waiting(jobs);
  while (!waiting.empty()) {
    auto together = waiting.first(std::min(waiting.size(), kBatch));
    waiting = waiting.subspan(together.size());
    // Where they cannot all be committed, each is tried alone, so that those which can take place
    // do, and the others fail for reasons of their own.
    if (!commit_together(together) && together.size() > 1) {
      for (auto& job : together) commit_together({&job, 1});
    }
    for (auto& job : together) job->settle();
  }
  if (writing_->log_pages() >= kCheckpointPages) writing_->checkpoint();
}

/// Runs the jobs in one transaction; a job that fails is undone alone. False if nothing took place
/// but some of it might if tried alone; every job then has failed.
bool SqliteStore::commit_together(std::span<std::unique_ptr<Job>> jobs) {
  SqliteDatabase& db = *writing_;
  bool begun = false;
  try {
    // What is written to a file that nobody finds any more would be lost.
    if (db.has_moved()) {
      for (auto& job : jobs) job->fail(moved());
      return true;
    }
    db.run("BEGIN IMMEDIATE");
    begun = true;
    if (!clock_.is_set(db)) clock_.set(db);
    for (auto& job : jobs) {
      db.run("SAVEPOINT job");
      try {
        job->run(db);
      } catch (const SqliteFailure& failure) {
        // Some failures, a full disk for one, make SQLite roll everything back.
        if (!db.in_transaction()) throw;
        job->fail(error_of(failure, options_.path));
      }
      if (job->failed()) db.run("ROLLBACK TO job");
      db.run("RELEASE job");
    }
    db.run("COMMIT");
    return true;
  } catch (const SqliteFailure& failure) {
    Error error = error_of(failure, options_.path);
    try {
      if (db.in_transaction()) db.run("ROLLBACK");
    } catch (const SqliteFailure&) {
      // What made us roll back is what people should hear of.
    }
    for (auto& job : jobs) job->fail(error);
    return !begun;
  }
}

Result<std::shared_ptr<SqliteStore>> SqliteStore::open(SqliteOptions options, const Clock& clock) {
  SqliteClock time(clock, options.boot_id);
  auto connections = open_sqlite(options, time);
  if (!connections) return tl::unexpected(connections.error());
  return std::shared_ptr<SqliteStore>(
      new SqliteStore(std::move(options), std::move(time), std::move(*connections)));
}

SqliteStore::SqliteStore(SqliteOptions options, SqliteClock clock, SqliteConnections connections)
    : options_(std::move(options)),
      clock_(std::move(clock)),
      identity_(std::move(connections.identity)),
      warnings_(std::move(connections.warnings)),
      writing_(std::move(connections.writing)),
      reading_(std::move(connections.reading)),
      writer_([this](Jobs& jobs) { write_batch(jobs); }),
      reader_([this](Jobs& jobs) { read_batch(jobs); }) {}

SqliteStore::~SqliteStore() {
  // While one of them ends, its last `done` may still ask the other for something.
  writer_.close();
  reader_.close();
}

// ---- TokenStore ----

void SqliteStore::load(const Key& key, Done<Result<Record>> done) {
  read<Record>(std::move(done), [key](SqliteDatabase& db) -> Result<Record> {
    Query row(db, kSelectToken.c_str());
    row.bind_text(key.app).bind_text(key.kind);
    RecordRow found;
    if (row.row() && !read_record(row, found)) return tl::unexpected(damaged(key));
    return std::move(found.record);
  });
}

void SqliteStore::acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) {
  write<AcquireOutcome>(std::move(done),
                        [this, lease_request = std::move(lease_request)](SqliteDatabase& db) {
                          return acquire(db, lease_request);
                        });
}

Result<AcquireOutcome> SqliteStore::acquire(SqliteDatabase& db, const LeaseRequest& lease_request) {
  const Key& key = lease_request.key;
  const WallTime now = clock_.now(db);
  RecordRow found;
  std::int64_t id = 0;
  {
    Query row(db, kSelectToken.c_str());
    row.bind_text(key.app).bind_text(key.kind);
    if (row.row()) {
      if (!read_record(row, found)) return tl::unexpected(damaged(key));
      id = row.integer(kId);
    }
  }
  Record& record = found.record;
  if (record.revision > lease_request.seen) return AcquireOutcome(Newer{std::move(record)});
  if (auto other = held(found.lease, now, lease_request.grace))
    return AcquireOutcome(std::move(*other));

  // Fences are drawn from the sequence of changes, so that they go on growing when a record is
  // removed and made again.
  std::int64_t fence = append_change(db, key.app, key.kind);
  InDoubtCall own = lease_request.in_doubt_call;
  own.fence = static_cast<std::uint64_t>(fence);
  record.in_doubt.push_back(own);
  record.updated_at = now;
  if (id == 0) {
    record.created_at = now;
    Query(db,
          "INSERT INTO tokens (app, kind, revision, renew_at, predecessors, late_marks, budget, "
          "fence, holder, lease_until, marks, created_at, updated_at) "
          "VALUES (?, ?, 0, 0, '', '', '', ?, ?, ?, ?, ?, ?)")
        .bind_text(key.app)
        .bind_text(key.kind)
        .bind(fence)
        .bind_text(lease_request.holder)
        .bind_time(now + lease_request.lease)
        .bind_text(text_of(own))
        .bind_time(now)
        .bind_time(now)
        .run();
    record.renew_at = WallTime();
  } else {
    Query(db,
          "UPDATE tokens SET fence = ?, holder = ?, lease_until = ?, marks = marks || ?, "
          "late_marks = '', updated_at = ? WHERE id = ?")
        .bind(fence)
        .bind_text(lease_request.holder)
        .bind_time(now + lease_request.lease)
        .bind_text(text_of(own))
        .bind_time(now)
        .bind(id)
        .run();
  }
  return AcquireOutcome(Acquired{{key, static_cast<std::uint64_t>(fence), lease_request.holder,
                                  lease_request.in_doubt_call.called_at},
                                 std::move(record)});
}

void SqliteStore::commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) {
  write<WriteOutcome>(std::move(done), [this, lease = std::move(lease), next = std::move(next)](
                                           SqliteDatabase& db) { return store(db, lease, next); });
}

Result<WriteOutcome> SqliteStore::store(SqliteDatabase& db, const Lease& lease,
                                        const Record& next) {
  Query row(db,
            "UPDATE tokens SET revision = ?, token = ?, issuer = ?, obtained_at = ?, "
            "expires_at = ?, renew_at = ?, displaced_at = ?, predecessors = ?, alive_at = ?, "
            "marks = ? || late_marks, late_marks = '', trouble = ?, budget = ?, overlap = ?, "
            "refresh_token = ?, refresh_token_expires_at = ?, holder = '', lease_until = 0, "
            "updated_at = ? "
            "WHERE app = ? AND kind = ? AND fence = ? AND holder = ? AND holder <> ''");
  row.bind(static_cast<std::int64_t>(next.revision));
  if (next.token) {
    row.bind_blob(next.token->value.reveal())
        .bind_text(next.token->issuer)
        .bind_time(next.token->obtained_at)
        .bind_time(next.token->expires_at);
  } else {
    row.bind(std::nullopt).bind(std::nullopt).bind(std::nullopt).bind(std::nullopt);
  }
  row.bind_time(next.renew_at)
      .bind_time(next.displaced_at)
      .bind_text(text_of(next.predecessors))
      .bind_time(next.alive_at)
      .bind_text(text_of(next.in_doubt));
  if (next.failure) {
    row.bind_text(text_of(*next.failure));
  } else {
    row.bind(std::nullopt);
  }
  row.bind_text(text_of(next.budget));
  if (next.token && next.token->overlap) {
    row.bind(next.token->overlap->count());
  } else {
    row.bind(std::nullopt);
  }
  if (next.refresh_token.empty()) {
    row.bind(std::nullopt);
  } else {
    row.bind_blob(next.refresh_token.reveal());
  }
  row.bind_time(next.refresh_token_expires_at)
      .bind_time(clock_.now(db))
      .bind_text(lease.key.app)
      .bind_text(lease.key.kind)
      .bind(static_cast<std::int64_t>(lease.fence))
      .bind_text(lease.holder)
      .run();
  if (db.changes() == 0) return WriteOutcome::fenced;
  append_change(db, lease.key.app, lease.key.kind);
  return WriteOutcome::written;
}

void SqliteStore::add_in_doubt(const Key& key, InDoubtCall in_doubt_call, Done<Result<void>> done) {
  write<void>(std::move(done), [this, key, in_doubt_call](SqliteDatabase& db) -> Result<void> {
    Query(db,
          "UPDATE tokens SET marks = marks || ?1, late_marks = late_marks || ?1, updated_at = ?2 "
          "WHERE app = ?3 AND kind = ?4")
        .bind_text(text_of(in_doubt_call))
        .bind_time(clock_.now(db))
        .bind_text(key.app)
        .bind_text(key.kind)
        .run();
    if (db.changes() > 0) append_change(db, key.app, key.kind);
    return {};
  });
}

void SqliteStore::changes(std::string cursor, Done<Result<Changes>> done) {
  read<Changes>(std::move(done),
                [this, cursor = std::move(cursor)](SqliteDatabase& db) -> Result<Changes> {
                  // One look at the shared memory of the log tells whether any other connection has
                  // committed.
                  auto version = db.number("PRAGMA data_version");
                  if (version == seen_version_ && cursor == seen_cursor_) {
                    Changes none;
                    none.cursor = cursor;
                    return none;
                  }
                  Changes changes = read_changes(db, cursor);
                  // Taken before the changes were read, so at worst the next call looks once more.
                  seen_version_ = version;
                  seen_cursor_ = changes.cursor;
                  return changes;
                });
}

Changes SqliteStore::read_changes(SqliteDatabase& db, const std::string& cursor) {
  auto cursor_at = [this](std::int64_t sequence) {
    return identity_ + "." + std::to_string(sequence);
  };
  Changes changes;
  changes.cursor = cursor_at(db.number("SELECT max(sequence) FROM changes"));
  if (cursor.empty()) return changes;

  changes.everything = true;
  std::int64_t since = 0;
  std::string_view number(cursor);
  if (number.substr(0, identity_.size() + 1) != identity_ + ".") return changes;
  number.remove_prefix(identity_.size() + 1);
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), since);
  if (error != std::errc() || end != number.data() + number.size()) return changes;

  // The entry of the cursor itself must still be there: then so is everything after it.
  Query row(db, "SELECT sequence, app, kind FROM changes WHERE sequence >= ? ORDER BY sequence");
  row.bind(since);
  if (!row.row() || row.integer(0) != since) return changes;
  changes.everything = false;
  std::set<Key> told;
  std::int64_t last = since;
  while (row.row()) {
    last = row.integer(0);
    told.insert({row.text(1), row.text(2)});
  }
  changes.cursor = cursor_at(last);
  for (const Key& what : told) add_change(changes, what);
  return changes;
}

void SqliteStore::time(Done<Result<std::optional<WallTime>>> done) {
  using Time = std::optional<WallTime>;
  read<Time>(std::move(done),
             [this](SqliteDatabase& db) -> Result<Time> { return clock_.now(db); });
}

std::int64_t SqliteStore::append_change(SqliteDatabase& db, std::string_view app,
                                        std::string_view kind) {
  Query(db, "INSERT INTO changes (app, kind) VALUES (?, ?)").bind_text(app).bind_text(kind).run();
  auto sequence = db.last_row();
  auto keep = static_cast<std::int64_t>(std::max<std::size_t>(options_.change_log, 1));
  if (sequence % std::max<std::int64_t>(keep / 8, 1) == 0) {
    Query(db, "DELETE FROM changes WHERE sequence < ?").bind(sequence - keep).run();
  }
  return sequence;
}

void SqliteStore::scan(std::function<void(Key&&, Record&&)> visit, Done<Result<void>> done) {
  auto next = [visit = std::move(visit)](SqliteDatabase& db,
                                         std::int64_t after) -> std::optional<std::int64_t> {
    Query row(db, kScanTokens.c_str());
    row.bind(after).bind(kScanRows);
    std::optional<std::int64_t> last;
    RecordRow found;
    while (row.row()) {
      last = row.integer(kId);
      if (!read_record(row, found)) found.record = unreadable(found.record, damaged(found.key));
      visit(std::move(found.key), std::move(found.record));
    }
    return last;
  };
  queue_read(std::make_unique<ScanOf<decltype(next)>>(*this, std::move(done), std::move(next)));
}

// ---- Registry ----

void SqliteStore::put_app(AppRow app, Done<Result<void>> done) {
  write<void>(std::move(done), [this, app = std::move(app)](SqliteDatabase& db) -> Result<void> {
    const WallTime now = clock_.now(db);
    Query(db,
          "INSERT INTO apps (id, platform, parent, settings, credentials, keep, secret_login, tag, "
          "created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
          "ON CONFLICT (id) DO UPDATE SET platform = excluded.platform, parent = excluded.parent, "
          "settings = excluded.settings, credentials = excluded.credentials, "
          "keep = excluded.keep, secret_login = excluded.secret_login, tag = excluded.tag, "
          "updated_at = excluded.updated_at")
        .bind_text(app.id)
        .bind_text(app.platform)
        .bind_text(app.parent)
        .bind_text(text_of(app.settings))
        .bind_text(text_of(app.credentials))
        .bind_text(text_of(app.keep))
        .bind(app.secret_login ? 1 : 0)
        .bind_blob(bytes_of(app.tag))
        .bind_time(now)
        .bind_time(now)
        .run();
    std::vector<std::string> relieved;
    {
      Query row(db,
                "UPDATE tokens SET trouble = NULL, updated_at = ? "
                "WHERE app = ? AND trouble IS NOT NULL RETURNING kind");
      row.bind_time(now).bind_text(app.id);
      while (row.row()) relieved.push_back(row.text(0));
    }
    for (const auto& kind : relieved) append_change(db, app.id, kind);
    append_change(db, app.id, "");
    return {};
  });
}

void SqliteStore::load_app(const std::string& id, Done<Result<std::optional<AppRow>>> done) {
  using Found = std::optional<AppRow>;
  read<Found>(std::move(done), [id](SqliteDatabase& db) -> Result<Found> {
    Query row(db, kLoadApp.c_str());
    row.bind_text(id);
    if (!row.row()) return std::nullopt;
    AppRow app;
    if (!read_app(row, app, /*names_only=*/false)) return tl::unexpected(damaged_app(id));
    return app;
  });
}

void SqliteStore::remove_app(const std::string& id, Done<Result<bool>> done) {
  write<bool>(std::move(done), [this, id](SqliteDatabase& db) -> Result<bool> {
    Query(db, "DELETE FROM apps WHERE id = ?").bind_text(id).run();
    if (db.changes() == 0) return false;
    std::vector<std::string> kinds;
    {
      Query row(db, "DELETE FROM tokens WHERE app = ? RETURNING kind");
      row.bind_text(id);
      while (row.row()) kinds.push_back(row.text(0));
    }
    for (const auto& kind : kinds) append_change(db, id, kind);
    append_change(db, id, "");
    return true;
  });
}

void SqliteStore::scan_apps(std::function<void(AppRow&&)> visit, Done<Result<void>> done) {
  auto next = [visit = std::move(visit)](SqliteDatabase& db,
                                         std::int64_t after) -> std::optional<std::int64_t> {
    Query row(db, kScanApps.c_str());
    row.bind(after).bind(kScanRows);
    std::optional<std::int64_t> last;
    AppRow app;
    while (row.row()) {
      last = row.integer(kRow);
      // What cannot be read is left out; `load_app` says so.
      read_app(row, app, /*names_only=*/true);
      visit(std::move(app));
    }
    return last;
  };
  queue_read(std::make_unique<ScanOf<decltype(next)>>(*this, std::move(done), std::move(next)));
}

void SqliteStore::put_key(ApiKeyRow key, Done<Result<bool>> done) {
  write<bool>(std::move(done), [this, key = std::move(key)](SqliteDatabase& db) -> Result<bool> {
    Query(db,
          "INSERT INTO api_keys (name, hash, apps, rights, created_at) VALUES (?, ?, ?, ?, ?) "
          "ON CONFLICT DO NOTHING")
        .bind_text(key.name)
        .bind_blob(bytes_of(key.hash))
        .bind_text(text_of(key.apps))
        .bind_text(rights_text_of(key))
        .bind_time(clock_.now(db))
        .run();
    if (db.changes() == 0) return false;
    append_change(db, "", "");
    return true;
  });
}

void SqliteStore::revoke_key(const std::string& name, Done<Result<bool>> done) {
  write<bool>(std::move(done), [this, name](SqliteDatabase& db) -> Result<bool> {
    Query(db, "DELETE FROM api_keys WHERE name = ?").bind_text(name).run();
    if (db.changes() == 0) return false;
    append_change(db, "", "");
    return true;
  });
}

void SqliteStore::list_keys(Done<Result<std::vector<ApiKeyRow>>> done) {
  using Keys = std::vector<ApiKeyRow>;
  read<Keys>(std::move(done), [](SqliteDatabase& db) -> Result<Keys> {
    Keys keys;
    Query row(db, "SELECT name, hash, apps, rights, created_at FROM api_keys ORDER BY name");
    while (row.row()) {
      ApiKeyRow& key = keys.emplace_back();
      key.name = row.text(0);
      auto apps = texts_from(row.bytes(2));
      if (!copy_bytes(row.bytes(1), key.hash) || !apps) {
        return tl::unexpected(damaged_api_key(key.name));
      }
      key.apps = std::move(*apps);
      key.rights = rights_from(row.bytes(3));
      key.margin = margin_from(row.bytes(3));
      key.created_at = row.time(4);
    }
    return keys;
  });
}

// ---- SealLedger ----

void SqliteStore::noted_keys(Done<Result<std::vector<KeyNote>>> done) {
  using Notes = std::vector<KeyNote>;
  read<Notes>(std::move(done), [](SqliteDatabase& db) -> Result<Notes> {
    Notes notes;
    Query row(db, "SELECT id, check_value FROM sealing_keys ORDER BY rowid");
    while (row.row()) notes.push_back({row.text(0), row.text(1)});
    return notes;
  });
}

void SqliteStore::note_key(KeyNote note, Done<Result<void>> done) {
  write<void>(std::move(done), [note = std::move(note)](SqliteDatabase& db) -> Result<void> {
    Query(db, "INSERT INTO sealing_keys (id, check_value) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind_text(note.id)
        .bind_blob(note.check)
        .run();
    return {};
  });
}

void SqliteStore::note_first_key(KeyNote note, Done<Result<bool>> done) {
  write<bool>(std::move(done), [note = std::move(note)](SqliteDatabase& db) -> Result<bool> {
    Query(db,
          "INSERT INTO sealing_keys (id, check_value) SELECT ?, ? "
          "WHERE NOT EXISTS (SELECT 1 FROM sealing_keys)")
        .bind_text(note.id)
        .bind_blob(note.check)
        .run();
    return db.changes() > 0;
  });
}

void SqliteStore::reseal_token(const Key& key, Secret from, Secret to, Done<Result<bool>> done) {
  reseal("UPDATE tokens SET token = ? WHERE app = ? AND kind = ? AND token = ?", key,
         std::move(from), std::move(to), std::move(done));
}

void SqliteStore::reseal_refresh_token(const Key& key, Secret from, Secret to,
                                       Done<Result<bool>> done) {
  reseal("UPDATE tokens SET refresh_token = ? WHERE app = ? AND kind = ? AND refresh_token = ?",
         key, std::move(from), std::move(to), std::move(done));
}

void SqliteStore::reseal(const char* sql, const Key& key, Secret from, Secret to,
                         Done<Result<bool>> done) {
  write<bool>(std::move(done),
              [this, sql, key, from = std::move(from),
               to = std::move(to)](SqliteDatabase& db) -> Result<bool> {
                Query(db, sql)
                    .bind_blob(to.reveal())
                    .bind_text(key.app)
                    .bind_text(key.kind)
                    .bind_blob(from.reveal())
                    .run();
                if (db.changes() == 0) return false;
                append_change(db, key.app, key.kind);
                return true;
              });
}

void SqliteStore::reseal_credential(const std::string& app, const std::string& name, Secret from,
                                    Secret to, Done<Result<bool>> done) {
  write<bool>(std::move(done),
              [this, app, name, from = std::move(from),
               to = std::move(to)](SqliteDatabase& db) -> Result<bool> {
                std::optional<std::string> text;
                {
                  Query row(db, "SELECT credentials FROM apps WHERE id = ?");
                  row.bind_text(app);
                  if (row.row()) text = text_with(row.bytes(0), name, from, to);
                }
                if (!text) return false;
                Query(db, "UPDATE apps SET credentials = ? WHERE id = ?")
                    .bind_text(*text)
                    .bind_text(app)
                    .run();
                append_change(db, app, "");
                return true;
              });
}

// ---- Cluster ----

void SqliteStore::announce(NodeRow node, Milliseconds forget, Done<Result<void>> done) {
  write<void>(
      std::move(done), [this, node = std::move(node), forget](SqliteDatabase& db) -> Result<void> {
        const WallTime now = clock_.now(db);
        Query(db, "DELETE FROM nodes WHERE seen_at < ?").bind_time(now - forget).run();
        Query(db,
              "INSERT OR REPLACE INTO nodes (name, host, version, listen, started_at, clock_ahead, "
              "fenced, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .bind_text(node.name)
            .bind_text(node.host)
            .bind_text(node.version)
            .bind_text(node.listen)
            .bind_time(node.started_at)
            .bind(node.clock_ahead.count())
            .bind(static_cast<std::int64_t>(node.fenced))
            .bind_time(now)
            .run();
        return {};
      });
}

void SqliteStore::leave(const std::string& name, Done<Result<void>> done) {
  write<void>(std::move(done), [name](SqliteDatabase& db) -> Result<void> {
    Query(db, "DELETE FROM nodes WHERE name = ?").bind_text(name).run();
    return {};
  });
}

void SqliteStore::view(Done<Result<ClusterView>> done) {
  read<ClusterView>(std::move(done), [this](SqliteDatabase& db) -> Result<ClusterView> {
    ClusterView view;
    view.now = clock_.now(db);
    Query node(db,
               "SELECT name, host, version, listen, started_at, clock_ahead, fenced, seen_at "
               "FROM nodes ORDER BY name");
    while (node.row()) {
      view.nodes.push_back({node.text(0), node.text(1), node.text(2), node.text(3), node.time(4),
                            Milliseconds(node.integer(5)),
                            static_cast<std::uint64_t>(node.integer(6)), node.time(7)});
    }
    Query lease(db,
                "SELECT app, kind, holder, fence, lease_until FROM tokens WHERE holder <> '' "
                "ORDER BY app, kind");
    while (view.leases.size() < kMostLeasesShown && lease.row()) {
      const LeaseState state{static_cast<std::uint64_t>(lease.integer(3)), lease.text(2),
                             lease.time(4)};
      const auto held = store::held(state, view.now, Milliseconds(0));
      if (!held) continue;
      view.leases.push_back(
          {{lease.text(0), lease.text(1)}, held->holder, state.fence, held->remaining});
    }
    return view;
  });
}

}  // namespace hufu::store
