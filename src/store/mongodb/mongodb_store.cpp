#include "store/mongodb/mongodb_store.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "store/change_log.hpp"
#include "store/lease_rule.hpp"
#include "store/mongodb/mongodb_feed.hpp"
#include "store/mongodb/mongodb_legacy.hpp"
#include "store/record_text.hpp"
#include "store/row_text.hpp"

namespace hufu::store {
namespace {

using Kind = MongoFailure::Kind;

constexpr const char* kRecords = "hufu_records";
constexpr const char* kSealingKeys = "hufu_sealing_keys";
constexpr const char* kNodes = "hufu_nodes";
constexpr const char* kMeta = "hufu_meta";
constexpr std::string_view kEndpoint = "endpoint";

/// Of the documents that this program writes. It reads those of every version before:
/// - 1: an app has `endpoint` and `secret` alone, a record neither `overlap` nor a refresh token,
/// and
///   no in-doubt call bears a fence.
constexpr std::int64_t kSchema = 2;
/// Documents that a walk through a collection reads in one go.
constexpr std::int64_t kPage = 1000;
/// More changes than this are reported as "everything".
constexpr std::int64_t kMostChanges = 20'000;
/// How often a conditional step is tried again because somebody else was quicker.
constexpr int kMostTries = 10;

// ---- What a document is called ----

/// No app has a line break in its name.
std::string id_of(std::string_view app, std::string_view kind) {
  return std::string(app) + "\n" + std::string(kind);
}
std::string id_of(const Key& key) { return id_of(key.app, key.kind); }
std::string id_of_app(std::string_view app) { return id_of(app, ""); }
std::string id_of_api_key(std::string_view name) { return id_of("", name); }

Doc living(std::string_view id) {
  Doc filter;
  filter.text("_id", id).flag("gone", false);
  return filter;
}

/// An upsert with this makes the document, or makes it again; one that lives is in its way.
Doc missing(std::string_view id) {
  Doc filter;
  filter.text("_id", id).flag("gone", true);
  return filter;
}

Doc anything() { return {}; }
Doc by_id() {
  Doc sort;
  sort.number("_id", 1);
  return sort;
}
Doc above(std::string_view text) {
  Doc filter;
  filter.text("$gt", text);
  return filter;
}

/// What every write does: the stamp of the feed, and the time. The server's, both.
Doc now_and(bool also_created = false) {
  Doc stamp;
  stamp.text("$type", "timestamp");
  Doc fields;
  fields.doc("changed", stamp).flag("updated_at", true);
  if (also_created) fields.flag("created_at", true);
  return fields;
}

/// What a record or an app may lack, and has to be taken away where it was there before.
constexpr const char* kRecordExtras[] = {"overlap", "refresh_token", "refresh_token_expires_at"};

/// Everything but what has to outlive a removal: the name, the fence and the stamps.
Doc contents() {
  Doc fields;
  for (const char* name : {"revision",
                           "token",
                           "issuer",
                           "obtained_at",
                           "expires_at",
                           "renew_at",
                           "displaced_at",
                           "predecessors",
                           "alive_at",
                           "marks",
                           "late_marks",
                           "late",
                           "pushed",
                           "trouble",
                           "budget",
                           "holder",
                           "lease_until",
                           "lease_for",
                           "platform",
                           "parent",
                           "endpoint",
                           "settings",
                           "secret",
                           "credentials",
                           "keep",
                           "secret_login",
                           "tag",
                           "hash",
                           "apps",
                           "rights",
                           "created_at",
                           "legacy_document",
                           "legacy_collection",
                           "copy"}) {
    fields.text(name, "");
  }
  for (const char* name : kRecordExtras) fields.text(name, "");
  return fields;
}

Doc removal() {
  Doc update;
  update.doc("$set", Doc().flag("gone", true))
      .doc("$unset", contents())
      .doc("$currentDate", now_and());
  return update;
}

/// Calls `visit` for every document of `collection` that fits `filter(after)`, a page at a time.
void each(MongoConnection& connection, const char* collection,
          const std::function<Doc(const std::string& after)>& filter, const Doc& projection,
          const std::function<void(const Fields&)>& visit) {
  std::string after;
  for (bool more = true; more;) {
    more = false;
    connection.find(collection, filter(after), projection, by_id(), kPage,
                    [&](const Fields& found) {
                      more = true;
                      after = found.text("_id");
                      visit(found);
                    });
  }
}

// ---- Records ----

struct TokenRow {
  Record record;
  LeaseState lease;
  Milliseconds lease_for{};  ///< How long the lease was granted for.
  std::int64_t late = 0;     ///< How many of the in-doubt calls came while somebody held the lease.
};

// The in-doubt calls of a record are two lists: `late_marks`, of `late` calls that came while
// somebody held the lease, and `marks`, of all others. Where `pushed` is set, the last of `marks`
// was pushed in the step that granted the lease, which draws the fence: the call bears the fence
// that the document has. Whoever writes the whole list writes each call with its own.

/// Fills everything in as far as it can be read; false where some text makes no sense.
bool read_row(const Fields& row, TokenRow& out) {
  Record& record = out.record;
  record.revision = static_cast<std::uint64_t>(row.number_or_0("revision"));
  if (const auto token = row.binary("token")) {
    record.token = Token{Secret(*token), row.date_or_epoch("obtained_at"),
                         row.date_or_epoch("expires_at"), std::string(row.text("issuer"))};
    if (const auto overlap = row.number("overlap")) record.token->overlap = Milliseconds(*overlap);
  }
  if (const auto refresh_token = row.binary("refresh_token")) {
    record.refresh_token = Secret(*refresh_token);
  }
  record.refresh_token_expires_at = row.date("refresh_token_expires_at");
  record.renew_at = row.date_or_epoch("renew_at");
  record.displaced_at = row.date("displaced_at");
  record.alive_at = row.date("alive_at");
  record.created_at = row.date_or_epoch("created_at");
  record.updated_at = row.date_or_epoch("updated_at");
  out.lease = {static_cast<std::uint64_t>(row.number_or_0("fence")),
               std::string(row.text("holder")), row.date_or_epoch("lease_until")};
  out.lease_for = Milliseconds(row.number_or_0("lease_for"));
  out.late = row.number_or_0("late");

  auto predecessors = fingerprints_from(row.text("predecessors"));
  auto budget = budget_from(row.text("budget"));
  const auto in_doubt = row.texts("marks");
  const auto late_marks = row.texts("late_marks");
  if (!predecessors || !budget || !in_doubt || !late_marks) return false;
  record.predecessors = std::move(*predecessors);
  record.budget = *budget;
  for (const auto* list : {&*in_doubt, &*late_marks}) {
    for (const std::string& text : *list) {
      const auto in_doubt_call = in_doubt_from(text);
      if (!in_doubt_call || in_doubt_call->size() != 1) return false;
      record.in_doubt.push_back(in_doubt_call->front());
    }
    const bool has_pushed = list == &*in_doubt && row.flag("pushed") && !list->empty();
    if (has_pushed) record.in_doubt.back().fence = out.lease.fence;
  }
  if (row.has("trouble")) {
    record.failure = failure_state_from(row.text("trouble"));
    if (!record.failure) return false;
  }
  return true;
}

std::vector<std::string> texts_of(const std::vector<InDoubtCall>& in_doubt) {
  std::vector<std::string> texts;
  for (const InDoubtCall& in_doubt_call : in_doubt) texts.push_back(text_of(in_doubt_call));
  return texts;
}

/// What a commit does to a record: stores `next`, and gives the lease back.
Doc update_for(const Record& next) {
  Doc fields;
  Doc without;
  fields.number("revision", static_cast<std::int64_t>(next.revision))
      .date("renew_at", next.renew_at)
      .date("displaced_at", next.displaced_at)
      .text("predecessors", text_of(next.predecessors))
      .date("alive_at", next.alive_at)
      .list("marks", texts_of(next.in_doubt))
      .flag("pushed", false)
      .text("budget", text_of(next.budget))
      .text("holder", "")
      .date("lease_until", WallTime());
  if (next.token) {
    fields.binary("token", next.token->value.reveal())
        .text("issuer", next.token->issuer)
        .date("obtained_at", next.token->obtained_at)
        .date("expires_at", next.token->expires_at);
  } else {
    for (const char* name : {"token", "issuer", "obtained_at", "expires_at"})
      without.text(name, "");
  }
  if (next.token && next.token->overlap) {
    fields.number("overlap", next.token->overlap->count());
  } else {
    without.text("overlap", "");
  }
  if (next.refresh_token.empty()) {
    without.text("refresh_token", "");
  } else {
    fields.binary("refresh_token", next.refresh_token.reveal());
  }
  fields.date("refresh_token_expires_at", next.refresh_token_expires_at);
  if (next.failure) {
    fields.text("trouble", text_of(*next.failure));
  } else {
    without.text("trouble", "");
  }
  // A plain token that an older version meant to write elsewhere, and was ended before.
  without.text("copy", "");
  Doc update;
  update.doc("$set", fields).doc("$unset", without).doc("$currentDate", now_and());
  return update;
}

/// Who keeps `now` from taking the lease of `row`, and for how long.
std::optional<Held> held_by(const TokenRow& row, WallTime now, Milliseconds grace) {
  auto found = held(row.lease, now, grace);
  if (!found) return std::nullopt;
  // Nobody was granted more than that: the server's clock was set back meanwhile.
  const Milliseconds most = row.lease_for + grace;
  if (found->remaining > most + std::chrono::minutes(1)) return std::nullopt;
  found->remaining = std::min(found->remaining, most);
  return found;
}

/// Fields that take the lease.
void take_lease(Doc& fields, const LeaseRequest& lease_request, const ServerClock& clock) {
  fields.text("holder", lease_request.holder)
      .date("lease_until", clock.latest() + lease_request.lease)
      .number("lease_for", lease_request.lease.count());
}

Doc one_more_fence() {
  Doc fields;
  fields.number("fence", 1);
  return fields;
}

// ---- Apps and keys ----

/// A name as a field of a document: in a path, "." stands between two fields, and "$" begins what
/// is no field at all.
std::string field_for(std::string_view name) {
  std::string field;
  for (const char c : name) {
    switch (c) {
      case '.': field += "%2E"; break;
      case '$': field += "%24"; break;
      case '%': field += "%25"; break;
      default: field += c;
    }
  }
  return field;
}
std::string name_of_field(std::string_view field) {
  std::string name;
  for (std::size_t at = 0; at < field.size(); ++at) {
    const auto code = field.substr(at, 3);
    const char c = code == "%2E" ? '.' : code == "%24" ? '$' : code == "%25" ? '%' : '\0';
    name += c == '\0' ? field[at] : c;
    if (c != '\0') at += 2;
  }
  return name;
}

/// Where a credential of an app stands. That of every WeChat app stands where it always did.
std::string place_of_credential(std::string_view name) {
  return name == kSecret ? std::string(kSecret) : "credentials." + field_for(name);
}

/// Fields of an app, and those that it must not have. `endpoint` and `secret` stand where they did
/// when an app had nothing else: so they are read by whatever version.
Doc update_for(const AppRow& app, bool made) {
  Doc settings;
  for (const auto& [name, text] : app.settings) {
    if (name != kEndpoint) settings.text(field_for(name), text);
  }
  Doc credentials;
  for (const auto& [name, sealed] : app.credentials) {
    if (name != kSecret) credentials.binary(field_for(name), sealed.reveal());
  }
  Doc fields;
  fields.text("app", app.id)
      .text("kind", "")
      .flag("gone", false)
      .text("platform", app.platform)
      .text("parent", app.parent)
      .text("endpoint", setting(app.settings, kEndpoint))
      .doc("settings", settings)
      .doc("credentials", credentials)
      .list("keep", app.keep)
      .flag("secret_login", app.secret_login)
      .text("legacy_document", app.legacy_document)
      .text("legacy_collection", app.legacy_collection)
      .binary("tag", bytes_of(app.tag));
  Doc update;
  if (app.credentials.contains(kSecret)) {
    fields.binary("secret", credential(app.credentials, kSecret).reveal());
  } else {
    update.doc("$unset", Doc().text("secret", ""));
  }
  update.doc("$set", fields).doc("$currentDate", now_and(/*also_created=*/made));
  return update;
}

/// Fills everything in as far as it can be read; false where something makes no sense.
bool read_app(const Fields& row, AppRow& app) {
  app.id = row.text("app");
  app.platform = row.text("platform");
  app.parent = row.text("parent");
  const Fields settings = row.doc("settings");
  for (const std::string& field : settings.names()) {
    app.settings[name_of_field(field)] = settings.text(field);
  }
  if (const auto endpoint = row.text(kEndpoint); !endpoint.empty()) {
    app.settings[std::string(kEndpoint)] = endpoint;
  }
  const Fields credentials = row.doc("credentials");
  for (const std::string& field : credentials.names()) {
    const auto sealed = credentials.binary(field);
    if (!sealed) return false;
    app.credentials.emplace(name_of_field(field), Secret(*sealed));
  }
  if (const auto secret = row.binary(kSecret)) app.credentials.emplace(kSecret, Secret(*secret));
  app.secret_login = row.flag("secret_login");
  app.legacy_document = row.text("legacy_document");
  app.legacy_collection = row.text("legacy_collection");
  if (const auto tag = row.binary("tag")) copy_bytes(*tag, app.tag);
  app.created_at = row.date_or_epoch("created_at");
  app.updated_at = row.date_or_epoch("updated_at");
  if (!row.has("keep")) return true;
  auto keep = row.texts("keep");
  if (keep) app.keep = std::move(*keep);
  return keep.has_value();
}

std::optional<ApiKeyRow> read_api_key(const Fields& row) {
  ApiKeyRow key;
  key.name = row.text("kind");
  auto apps = texts_from(row.text("apps"));
  const auto hash = row.binary("hash");
  if (!apps || !hash || !copy_bytes(*hash, key.hash)) return std::nullopt;
  key.apps = std::move(*apps);
  key.rights = rights_from(row.text("rights"));
  key.margin = margin_from(row.text("rights"));
  key.created_at = row.date_or_epoch("created_at");
  return key;
}

Error too_busy() {
  return {Fault::store, "others change the same document all the time", "ask again", {}, {}};
}

}  // namespace

// ---- Opening ----

Result<std::shared_ptr<MongoStore>> MongoStore::open(MongoOptions options, const Clock& clock) {
  auto address = MongoAddress::parse(options.uri, options.password);
  if (!address) return tl::unexpected(address.error());
  std::shared_ptr<MongoStore> store(new MongoStore(std::move(*address), options.pool, clock));
  for (int tries = 1;; ++tries) {
    auto connection = MongoConnection::open(store->address_, store->clock_);
    if (!connection) return tl::unexpected(connection.error());
    try {
      if (auto ready = store->prepare(**connection); !ready) return tl::unexpected(ready.error());
      return store;
    } catch (const MongoFailure& failure) {
      // Of many who make the same index at once, some servers send all but one away.
      if (tries == kMostTries) return tl::unexpected(error_of(failure));
      if (failure.kind != Kind::unreachable) return tl::unexpected(error_of(failure));
    }
  }
}

MongoStore::MongoStore(MongoAddress address, PoolOptions pool, const Clock& clock)
    : address_(std::move(address)),
      clock_(clock),
      warnings_(address_.warnings()),
      pool_(pool, clock, [this] { return MongoConnection::open(address_, clock_); }) {}

MongoStore::~MongoStore() { pool_.close(); }

Result<void> MongoStore::prepare(MongoConnection& connection) {
  std::int64_t schema = 0;
  const auto look = [&] {
    connection.find(kMeta, Doc().text("_id", "schema"), anything(), anything(), 1,
                    [&](const Fields& found) {
                      schema = found.number_or_0("version");
                      identity_ = found.text("identity");
                    });
  };
  look();
  if (schema > kSchema) {
    return fail(Fault::store,
                "the database " + address_.database() + " was written by a newer hufu",
                "use that version, or another database");
  }
  if (schema == 0) {
    Doc by_name;
    by_name.doc("key", Doc().number("app", 1).number("kind", 1))
        .text("name", "app_and_kind")
        .flag("unique", true);
    Doc by_stamp;
    by_stamp.doc("key", Doc().number("changed", 1)).text("name", "changed");
    bool made = false;
    try {
      const Doc reply = connection.run(Doc().text("listIndexes", kRecords));
      Fields(reply).doc("cursor").each("firstBatch", [&](const Fields& index) {
        if (index.text("name") == "changed") made = true;
      });
    } catch (const MongoFailure& failure) {
      constexpr int kNoSuchCollection = 26;
      if (failure.code != kNoSuchCollection) throw;
    }
    if (!made) {
      connection.make_indexes(kRecords, by_name, by_stamp);
    }
    Doc note;
    note.text("_id", "schema").number("version", kSchema).text("identity", new_identity());
    connection.insert(kMeta, note);
    look();
  }
  if (schema < kSchema) {
    // Programs of an older version may run on, but none of them opens this database any more.
    Doc older;
    older.text("_id", "schema").doc("version", Doc().number("$lt", kSchema));
    connection.update(kMeta, older, Doc().doc("$set", Doc().number("version", kSchema)));
  }
  if (address_.is_direct() && !connection.set_name().empty()) {
    warnings_.emplace_back(
        "the store's URI is about one member of the replica set " + connection.set_name() +
        ", and not about the next primary: take directConnection=true out of it");
  }
  const Doc build = connection.run(Doc().number("buildInfo", 1));
  if (Fields(build).has("ferretdbVersion")) {
    warnings_.emplace_back(
        "this is FerretDB, whose conditional writes are not one step: two nodes may be granted the "
        "same lease; use MongoDB for more than one node");
  }
  return {};
}

template <class T, class Work>
void MongoStore::run(Done<Result<T>> done, Work work) {
  pool_.run<T>(std::move(done),
               [work = std::move(work)](MongoConnection& connection) mutable -> Result<T> {
                 connection.start_over();
                 try {
                   return work(connection);
                 } catch (const MongoFailure& failure) {
                   return tl::unexpected(error_of(failure));
                 }
               });
}

void MongoStore::refresh_clock(MongoConnection& connection) {
  if (clock_.is_stale()) connection.ask_time();
}

// ---- TokenStore ----

void MongoStore::load(const Key& key, Done<Result<Record>> done) {
  run<Record>(std::move(done), [key](MongoConnection& connection) -> Result<Record> {
    TokenRow row;
    bool readable = true;
    connection.find(kRecords, living(id_of(key)), anything(), anything(), 1,
                    [&](const Fields& found) { readable = read_row(found, row); });
    if (!readable) return tl::unexpected(damaged(key));
    return std::move(row.record);
  });
}

void MongoStore::acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) {
  run<AcquireOutcome>(std::move(done),
                      [this, lease_request = std::move(lease_request)](MongoConnection& c) {
                        return acquire(c, lease_request);
                      });
}

/// Takes the lease in one conditional step, which succeeds in nearly every case. Where it does not,
/// reads the record, and takes a free lease on the condition that the record is still as it was
/// read.
Result<AcquireOutcome> MongoStore::acquire(MongoConnection& connection,
                                           const LeaseRequest& lease_request) {
  const std::string id = id_of(lease_request.key);
  InDoubtCall own = lease_request.in_doubt_call;
  own.fence = 0;  // Drawn by the step that takes the lease.
  const std::string pushed_call = text_of(own);
  refresh_clock(connection);

  const auto acquired = [&](const std::optional<Doc>& taken) -> Result<AcquireOutcome> {
    TokenRow row;
    const bool readable = read_row(Fields(*taken).doc("value"), row);
    Lease lease{lease_request.key, row.lease.fence, lease_request.holder,
                lease_request.in_doubt_call.called_at};
    if (readable) {
      return AcquireOutcome(Acquired{std::move(lease), std::move(row.record)});
    }
    Doc filter = living(id);
    filter.number("fence", static_cast<std::int64_t>(lease.fence));
    connection.update(kRecords, filter, Doc().doc("$set", Doc().text("holder", "")));
    return tl::unexpected(damaged(lease_request.key));
  };

  for (int tries = 0; tries < kMostTries; ++tries) {
    {
      Doc given_back;
      given_back.text("holder", "");
      Doc over;
      over.doc("lease_until", Doc().date("$lte", clock_.earliest() - lease_request.grace));
      const auto seen = static_cast<std::int64_t>(
          std::min<std::uint64_t>(lease_request.seen, std::numeric_limits<std::int64_t>::max()));
      Doc filter = living(id);
      filter.doc("revision", Doc().number("$lte", seen))
          .number("late", 0)
          .doc("pushed", Doc().flag("$ne", true))
          .list("$or", given_back, over);
      Doc fields;
      take_lease(fields, lease_request, clock_);
      fields.flag("pushed", true);
      Doc update;
      update.doc("$set", fields)
          .doc("$inc", one_more_fence())
          .doc("$push", Doc().text("marks", pushed_call))
          .doc("$currentDate", now_and());
      if (const auto taken = connection.find_and_modify(kRecords, filter, update)) {
        return acquired(taken);
      }
    }

    TokenRow row;
    bool found = false;
    bool readable = true;
    connection.find(kRecords, living(id), anything(), anything(), 1, [&](const Fields& there) {
      found = true;
      readable = read_row(there, row);
    });
    if (!readable) return tl::unexpected(damaged(lease_request.key));
    Doc fields;
    take_lease(fields, lease_request, clock_);
    Doc update;
    if (!found) {
      fields.text("app", lease_request.key.app)
          .text("kind", lease_request.key.kind)
          .flag("gone", false)
          .number("revision", 0)
          .date("renew_at", WallTime())
          .text("predecessors", "")
          .text("budget", "")
          .list("marks", std::vector<std::string>{pushed_call})
          .flag("pushed", true)
          .list("late_marks", std::vector<std::string>())
          .number("late", 0);
      Doc without;
      for (const char* name : kRecordExtras) without.text(name, "");
      update.doc("$set", fields)
          .doc("$unset", without)
          .doc("$inc", one_more_fence())
          .doc("$currentDate", now_and(/*also_created=*/true));
      const auto made = connection.find_and_modify(kRecords, missing(id), update, /*upsert=*/true);
      if (made) return acquired(made);
      continue;
    }
    if (row.record.revision > lease_request.seen)
      return AcquireOutcome(Newer{std::move(row.record)});
    if (auto other = held_by(row, clock_.earliest(), lease_request.grace)) {
      return AcquireOutcome(std::move(*other));
    }
    // Free after all: its holder is gone, or in-doubt calls have to be written down first.
    Doc filter = living(id);
    filter.number("fence", static_cast<std::int64_t>(row.lease.fence))
        .text("holder", row.lease.holder)
        .number("late", row.late);
    own.fence = row.lease.fence + 1;
    row.record.in_doubt.push_back(own);
    fields.list("marks", texts_of(row.record.in_doubt))
        .flag("pushed", false)
        .list("late_marks", std::vector<std::string>())
        .number("late", 0);
    update.doc("$set", fields).doc("$inc", one_more_fence()).doc("$currentDate", now_and());
    if (const auto taken = connection.find_and_modify(kRecords, filter, update)) {
      return acquired(taken);
    }
  }
  return tl::unexpected(too_busy());
}

void MongoStore::commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) {
  run<WriteOutcome>(
      std::move(done),
      [lease = std::move(lease),
       next = std::move(next)](MongoConnection& connection) -> Result<WriteOutcome> {
        if (lease.holder.empty()) return WriteOutcome::fenced;
        Doc filter = living(id_of(lease.key));
        filter.number("fence", static_cast<std::int64_t>(lease.fence)).text("holder", lease.holder);
        return connection.update(kRecords, filter, update_for(next)) > 0 ? WriteOutcome::written
                                                                         : WriteOutcome::fenced;
      });
}

void MongoStore::add_in_doubt(const Key& key, InDoubtCall in_doubt_call, Done<Result<void>> done) {
  run<void>(std::move(done), [key, in_doubt_call](MongoConnection& connection) -> Result<void> {
    Doc update;
    update.doc("$push", Doc().text("late_marks", text_of(in_doubt_call)))
        .doc("$inc", Doc().number("late", 1))
        .doc("$currentDate", now_and());
    connection.update(kRecords, living(id_of(key)), update);
    return {};
  });
}

void MongoStore::time(Done<Result<std::optional<WallTime>>> done) {
  using Time = std::optional<WallTime>;
  run<Time>(std::move(done), [](MongoConnection& connection) -> Result<Time> {
    return Time(connection.ask_time());
  });
}

void MongoStore::scan(std::function<void(Key&&, Record&&)> visit, Done<Result<void>> done) {
  run<void>(std::move(done),
            [visit = std::move(visit)](MongoConnection& connection) -> Result<void> {
              const auto filter = [](const std::string& after) {
                Doc records;
                records.doc("_id", above(after)).flag("gone", false);
                records.doc("app", above("")).doc("kind", above(""));
                return records;
              };
              each(connection, kRecords, filter, anything(), [&](const Fields& found) {
                Key key{std::string(found.text("app")), std::string(found.text("kind"))};
                TokenRow row;
                if (!read_row(found, row)) row.record = unreadable(row.record, damaged(key));
                visit(std::move(key), std::move(row.record));
              });
              return {};
            });
}

// ---- The feed ----

void MongoStore::changes(std::string cursor, Done<Result<Changes>> done) {
  run<Changes>(std::move(done), [this, cursor = std::move(cursor)](MongoConnection& connection) {
    return read_changes(connection, cursor);
  });
}

Result<Changes> MongoStore::read_changes(MongoConnection& connection, const std::string& cursor) {
  Doc name_and_stamp;
  name_and_stamp.number("app", 1).number("kind", 1).number("changed", 1);
  refresh_clock(connection);
  const WallTime began = clock_.earliest();
  Stamp settled = settled_;
  Changes changes;
  auto from = FeedCursor::parse(cursor, identity_);
  changes.everything = !cursor.empty() && !from;

  const auto end_poll = [&] {
    if (connection.settled() == 0) return from->advance(began);
    from->advance(settled);
    settled_ = connection.settled();
  };
  std::set<Key> changed;
  std::int64_t seen = 0;
  if (from) {
    Doc filter;
    filter.doc("changed", Doc().stamp("$gt", from->poll_after()));
    connection.find(
        kRecords, filter, name_and_stamp, anything(), kMostChanges, [&](const Fields& found) {
          ++seen;
          if (from->report(found.text("_id"), found.stamp("changed"))) {
            changed.insert({std::string(found.text("app")), std::string(found.text("kind"))});
          }
        });
    end_poll();
  }
  if (!from || seen == kMostChanges) {
    // Whoever reads everything after this sees all that is visible now.
    changes.everything = !cursor.empty();
    changed.clear();
    Stamp newest = 0;
    Doc downwards;
    downwards.number("changed", -1);
    connection.find(kRecords, anything(), name_and_stamp, downwards, 1,
                    [&](const Fields& found) { newest = found.stamp("changed"); });
    settled = connection.settled();
    if (settled != 0) {
      from.emplace(identity_, newest, settled);
    } else {
      from.emplace(identity_, newest, began);
    }
    Doc filter;
    filter.doc("changed", Doc().stamp("$gt", from->poll_after()));
    connection.find(
        kRecords, filter, name_and_stamp, downwards, kMostChanges,
        [&](const Fields& found) { from->report(found.text("_id"), found.stamp("changed")); });
    end_poll();
  }
  for (const Key& what : changed) add_change(changes, what);
  changes.cursor = from->text();
  return changes;
}

// ---- Registry ----

void MongoStore::put_app(AppRow app, Done<Result<void>> done) {
  run<void>(std::move(done), [app = std::move(app)](MongoConnection& connection) -> Result<void> {
    const std::string id = id_of_app(app.id);
    bool put = false;
    for (int tries = 0; tries < kMostTries && !put; ++tries) {
      put = connection.update(kRecords, living(id), update_for(app, /*made=*/false)) > 0 ||
            connection
                .find_and_modify(kRecords, missing(id), update_for(app, /*made=*/true),
                                 /*upsert=*/true)
                .has_value();
    }
    if (!put) return tl::unexpected(too_busy());

    Doc failed;
    failed.text("app", app.id).flag("gone", false);
    failed.doc("trouble", Doc().flag("$exists", true));
    Doc forget;
    forget.doc("$unset", Doc().text("trouble", "")).doc("$currentDate", now_and());
    connection.update(kRecords, failed, forget, /*many=*/true);
    return {};
  });
}

void MongoStore::load_app(const std::string& id, Done<Result<std::optional<AppRow>>> done) {
  using App = std::optional<AppRow>;
  run<App>(std::move(done), [id](MongoConnection& connection) -> Result<App> {
    App app;
    bool readable = true;
    connection.find(kRecords, living(id_of_app(id)), anything(), anything(), 1,
                    [&](const Fields& found) { readable = read_app(found, app.emplace()); });
    if (!readable) return tl::unexpected(damaged_app(id));
    return app;
  });
}

/// The app first, then its tokens. Whoever is interrupted in between leaves `unfinished`, so that
/// the same command takes up where it was left.
void MongoStore::remove_app(const std::string& id, Done<Result<bool>> done) {
  run<bool>(std::move(done), [id](MongoConnection& connection) -> Result<bool> {
    Doc gone = removal();
    Doc update;
    update.doc("$set", Doc().flag("gone", true).flag("unfinished", true))
        .doc("$unset", contents())
        .doc("$currentDate", now_and());
    Doc there;
    there.flag("gone", false);
    Doc half;
    half.flag("unfinished", true);
    Doc filter;
    filter.text("_id", id_of_app(id)).list("$or", there, half);
    if (connection.update(kRecords, filter, update) == 0) return false;

    Doc tokens;
    tokens.text("app", id).flag("gone", false).doc("kind", above(""));
    connection.update(kRecords, tokens, gone, /*many=*/true);
    connection.update(kRecords, Doc().text("_id", id_of_app(id)),
                      Doc().doc("$unset", Doc().text("unfinished", "")));
    return true;
  });
}

void MongoStore::scan_apps(std::function<void(AppRow&&)> visit, Done<Result<void>> done) {
  run<void>(std::move(done),
            [visit = std::move(visit)](MongoConnection& connection) -> Result<void> {
              const auto filter = [](const std::string& after) {
                Doc apps;
                apps.doc("_id", above(after)).flag("gone", false);
                apps.doc("app", above("")).text("kind", "");
                return apps;
              };
              each(connection, kRecords, filter, anything(), [&](const Fields& found) {
                AppRow app;
                read_app(found, app);
                for (auto& [name, sealed] : app.credentials) sealed = Secret();
                visit(std::move(app));
              });
              return {};
            });
}

void MongoStore::put_key(ApiKeyRow key, Done<Result<bool>> done) {
  run<bool>(std::move(done), [key = std::move(key)](MongoConnection& connection) -> Result<bool> {
    Doc fields;
    fields.text("app", "")
        .text("kind", key.name)
        .flag("gone", false)
        .binary("hash", bytes_of(key.hash))
        .text("apps", text_of(key.apps))
        .text("rights", rights_text_of(key));
    Doc update;
    update.doc("$set", fields).doc("$currentDate", now_and(/*also_created=*/true));
    return connection
        .find_and_modify(kRecords, missing(id_of_api_key(key.name)), update,
                         /*upsert=*/true)
        .has_value();
  });
}

void MongoStore::revoke_key(const std::string& name, Done<Result<bool>> done) {
  run<bool>(std::move(done), [name](MongoConnection& connection) -> Result<bool> {
    return connection.update(kRecords, living(id_of_api_key(name)), removal()) > 0;
  });
}

void MongoStore::list_keys(Done<Result<std::vector<ApiKeyRow>>> done) {
  using Keys = std::vector<ApiKeyRow>;
  run<Keys>(std::move(done), [](MongoConnection& connection) -> Result<Keys> {
    Keys keys;
    std::optional<Error> unreadable;
    const auto filter = [](const std::string& after) {
      Doc living_keys;
      living_keys.doc("_id", above(after)).text("app", "").flag("gone", false);
      return living_keys;
    };
    each(connection, kRecords, filter, anything(), [&](const Fields& found) {
      auto key = read_api_key(found);
      if (key) return keys.push_back(std::move(*key));
      unreadable = damaged_api_key(found.text("kind"));
    });
    if (unreadable) return tl::unexpected(std::move(*unreadable));
    return keys;
  });
}

// ---- SealLedger ----

namespace {

/// In the order in which they came: a key's place is its _id, so that two cannot take the same.
std::vector<KeyNote> read_notes(MongoConnection& connection) {
  std::vector<KeyNote> notes;
  connection.find(kSealingKeys, anything(), anything(), by_id(), kPage, [&](const Fields& found) {
    notes.push_back(
        {std::string(found.text("key")), std::string(found.binary("check").value_or(""))});
  });
  return notes;
}

bool write_note(MongoConnection& connection, std::size_t place, const KeyNote& note) {
  Doc document;
  document.number("_id", static_cast<std::int64_t>(place))
      .text("key", note.id)
      .binary("check", note.check);
  return connection.insert(kSealingKeys, document);
}

}  // namespace

void MongoStore::noted_keys(Done<Result<std::vector<KeyNote>>> done) {
  using Notes = std::vector<KeyNote>;
  run<Notes>(std::move(done),
             [](MongoConnection& connection) -> Result<Notes> { return read_notes(connection); });
}

void MongoStore::note_key(KeyNote note, Done<Result<void>> done) {
  run<void>(std::move(done), [note = std::move(note)](MongoConnection& connection) -> Result<void> {
    for (int tries = 0; tries < kMostTries; ++tries) {
      const auto notes = read_notes(connection);
      const bool noted =
          std::any_of(notes.begin(), notes.end(), [&](const auto& n) { return n.id == note.id; });
      if (noted || write_note(connection, notes.size(), note)) return {};
    }
    return tl::unexpected(too_busy());
  });
}

void MongoStore::note_first_key(KeyNote note, Done<Result<bool>> done) {
  run<bool>(std::move(done), [note = std::move(note)](MongoConnection& connection) -> Result<bool> {
    return write_note(connection, 0, note);
  });
}

void MongoStore::reseal_token(const Key& key, Secret from, Secret to, Done<Result<bool>> done) {
  swap(id_of(key), "token", std::move(from), std::move(to), std::move(done));
}

void MongoStore::reseal_refresh_token(const Key& key, Secret from, Secret to,
                                      Done<Result<bool>> done) {
  swap(id_of(key), "refresh_token", std::move(from), std::move(to), std::move(done));
}

void MongoStore::reseal_credential(const std::string& app, const std::string& name, Secret from,
                                   Secret to, Done<Result<bool>> done) {
  swap(id_of_app(app), place_of_credential(name), std::move(from), std::move(to), std::move(done));
}

/// Replaces a sealed text where it is still the same.
void MongoStore::swap(std::string id, std::string field, Secret from, Secret to,
                      Done<Result<bool>> done) {
  run<bool>(std::move(done),
            [id = std::move(id), field = std::move(field), from = std::move(from),
             to = std::move(to)](MongoConnection& connection) -> Result<bool> {
              Doc filter = living(id);
              filter.binary(field, from.reveal());
              Doc update;
              // The stamp of the feed alone: the record itself says the same as before.
              update.doc("$set", Doc().binary(field, to.reveal())).doc("$currentDate", now_and());
              return connection.update(kRecords, filter, update) > 0;
            });
}

// ---- Cluster ----

void MongoStore::announce(NodeRow node, Milliseconds forget, Done<Result<void>> done) {
  run<void>(std::move(done),
            [this, node = std::move(node), forget](MongoConnection& connection) -> Result<void> {
              refresh_clock(connection);
              Doc silent;
              silent.doc("seen_at", Doc().date("$lt", clock_.earliest() - forget));
              connection.remove(kNodes, silent);
              Doc fields;
              fields.text("host", node.host)
                  .text("version", node.version)
                  .text("listen", node.listen)
                  .date("started_at", node.started_at)
                  .number("clock_ahead", node.clock_ahead.count())
                  .number("fenced", static_cast<std::int64_t>(node.fenced));
              Doc update;
              update.doc("$set", fields).doc("$currentDate", Doc().flag("seen_at", true));
              Doc filter;
              filter.text("_id", node.name);
              connection.find_and_modify(kNodes, filter, update, /*upsert=*/true);
              return {};
            });
}

void MongoStore::leave(const std::string& name, Done<Result<void>> done) {
  run<void>(std::move(done), [name](MongoConnection& connection) -> Result<void> {
    connection.remove(kNodes, Doc().text("_id", name));
    return {};
  });
}

void MongoStore::view(Done<Result<ClusterView>> done) {
  run<ClusterView>(std::move(done), [](MongoConnection& connection) -> Result<ClusterView> {
    ClusterView view;
    view.now = connection.ask_time();
    connection.find(kNodes, anything(), anything(), by_id(), kPage, [&](const Fields& found) {
      view.nodes.push_back({std::string(found.text("_id")), std::string(found.text("host")),
                            std::string(found.text("version")), std::string(found.text("listen")),
                            found.date_or_epoch("started_at"),
                            Milliseconds(found.number_or_0("clock_ahead")),
                            static_cast<std::uint64_t>(found.number_or_0("fenced")),
                            found.date_or_epoch("seen_at")});
    });
    const auto filter = [](const std::string& after) {
      Doc held_records;
      held_records.doc("_id", above(after)).flag("gone", false).doc("holder", above(""));
      return held_records;
    };
    each(connection, kRecords, filter, anything(), [&](const Fields& found) {
      TokenRow row;
      read_row(found, row);
      const auto held = held_by(row, view.now, Milliseconds(0));
      if (!held || view.leases.size() == kMostLeasesShown) return;
      view.leases.push_back({{std::string(found.text("app")), std::string(found.text("kind"))},
                             held->holder,
                             row.lease.fence,
                             held->remaining});
    });
    return view;
  });
}

// ---- LegacyDocuments ----

void MongoStore::find(LegacyName name, Done<Result<std::vector<LegacyDocument>>> done) {
  using Documents = std::vector<LegacyDocument>;
  run<Documents>(std::move(done),
                 [this, name = std::move(name)](MongoConnection& connection) -> Result<Documents> {
                   refresh_clock(connection);
                   return find_legacy(connection, name);
                 });
}

void MongoStore::make(LegacyName name, Secret token, WallTime promised_until,
                      Done<Result<bool>> done) {
  run<bool>(std::move(done),
            [name = std::move(name), token = std::move(token),
             promised_until](MongoConnection& connection) -> Result<bool> {
              return make_legacy(connection, name, token, promised_until);
            });
}

void MongoStore::replace(LegacyName name, LegacyDocument found, Secret token,
                         WallTime promised_until, Done<Result<bool>> done) {
  run<bool>(std::move(done),
            [name = std::move(name), found = std::move(found), token = std::move(token),
             promised_until](MongoConnection& connection) -> Result<bool> {
              return replace_legacy(connection, name, found, token, promised_until);
            });
}

}  // namespace hufu::store
