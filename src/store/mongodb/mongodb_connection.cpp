#include "store/mongodb/mongodb_connection.hpp"

#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "store/mongodb/mongodb_feed.hpp"

namespace hufu::store {
namespace {

using Kind = MongoFailure::Kind;

constexpr std::int32_t kPatience = 5000;       ///< Milliseconds.
constexpr std::int32_t kMostPatience = 30000;  ///< What a URI may ask for at most.
constexpr int kDuplicateKey = 11000;
constexpr int kNotWritablePrimary = 10107;

/// The driver starts when it is loaded, that is in every command, and gives the memory in which it
/// counts a name, by the number of the process, for a tool of its own. A process that is killed
/// would leave it behind for ever, and the next of that number would complain of it on stderr. So
/// the name goes at once, also from a program that Hufu is a part of; the memory stays as long as
/// the process. (A driver that is linked statically may start only after this.)
[[maybe_unused]] const int kNameGone =
    ::shm_unlink(("/mongoc-" + std::to_string(::getpid())).c_str());

/// The driver's own words might hold a URI, and go to stderr unless somebody takes them.
void set_up_driver() {
  static const bool done = [] {
    mongoc_init();
    mongoc_log_set_handler([](mongoc_log_level_t, const char*, const char*, void*) {}, nullptr);
    return true;
  }();
  static_cast<void>(done);
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.") || host.starts_with("/");
}

bool option(const mongoc_uri_t* uri, const char* name) {
  return mongoc_uri_get_option_as_bool(uri, name, false);
}

bool is_known_option(const std::string& name) {
  // Of no type of their own to the driver, which keeps them elsewhere.
  constexpr const char* kOthers[] = {MONGOC_URI_AUTHMECHANISM,
                                     MONGOC_URI_AUTHMECHANISMPROPERTIES,
                                     MONGOC_URI_AUTHSOURCE,
                                     MONGOC_URI_COMPRESSORS,
                                     MONGOC_URI_GSSAPISERVICENAME,
                                     MONGOC_URI_READCONCERNLEVEL,
                                     MONGOC_URI_W,
                                     MONGOC_URI_READPREFERENCETAGS};
  const char* text = name.c_str();
  return mongoc_uri_option_is_utf8(text) || mongoc_uri_option_is_bool(text) ||
         mongoc_uri_option_is_int32(text) || mongoc_uri_option_is_int64(text) ||
         std::any_of(std::begin(kOthers), std::end(kOthers),
                     [&](const char* other) { return ::strcasecmp(text, other) == 0; });
}

/// Of a URI that the driver can read: it passes over what it does not know.
bool has_unknown_option(std::string_view uri) {
  std::string_view query = uri.substr(std::min(uri.find('?'), uri.size()));
  while (!query.empty()) {
    query.remove_prefix(1);
    const std::string_view option = query.substr(0, query.find_first_of("&;"));
    query.remove_prefix(option.size());
    if (!option.empty() && !is_known_option(std::string(option.substr(0, option.find('='))))) {
      return true;
    }
  }
  return false;
}

/// The driver takes the first `@` for the end of the password: what is left of it would be a host.
bool has_part_of_a_password_as_host(const mongoc_uri_t* uri) {
  for (const auto* host = mongoc_uri_get_hosts(uri); host != nullptr; host = host->next) {
    if (std::string_view(host->host).find('@') != std::string_view::npos) return true;
  }
  return false;
}

/// A server that was the primary, or is about to end: another connection finds the next one.
bool is_passing(int code) {
  constexpr int kCodes[] = {91, 189, 10058, 10107, 11600, 11602, 13435, 13436};
  return std::find(std::begin(kCodes), std::end(kCodes), code) != std::end(kCodes);
}

Error store_error(std::string message, std::string next_step) {
  return {Fault::store, std::move(message), std::move(next_step), {}, {}};
}

}  // namespace

Error error_of(const MongoFailure& failure) {
  const std::string what = "MongoDB " + failure.message;
  switch (failure.kind) {
    case Kind::unreachable:
      return store_error(what, "see that the server runs and can be reached from here");
    case Kind::credentials:
      return store_error(what, "check the user in the store's URI, its password and authSource");
    case Kind::refused: break;
  }
  switch (failure.code) {
    case 13: return store_error(what, "give Hufu's user the role readWrite on its database");
    case 18: return store_error(what, "check the user in the store's URI, its password");
    case 2: return store_error(what, "switch the server's journal on");
    case 50: return store_error(what, "look at the load of the server");
    case 64: return store_error(what, "see that most members of the replica set are up");
    case 112: return store_error(what, "ask again");
    case 14031: return store_error(what, "make room on the server's disk");
    default: break;
  }
  if (is_passing(failure.code)) {
    return store_error(what, "ask again in a moment: the replica set is choosing its primary");
  }
  return store_error(what, "look at the server's log");
}

// ---- MongoAddress ----

Result<MongoAddress> MongoAddress::parse(const Secret& uri, const Secret& password) {
  set_up_driver();
  bson_error_t ignored;  // Its text may repeat parts of the URI.
  std::string text(uri.reveal());
  MongoAddress address;
  address.uri_.reset(mongoc_uri_new_with_error(text.c_str(), &ignored), Destroy());
  wipe(text);
  mongoc_uri_t* made = address.uri_.get();
  if (made == nullptr || has_part_of_a_password_as_host(made)) {
    return fail(Fault::config, "the MongoDB driver cannot read the store's URI",
                "write it like mongodb://USER@HOST:27017/hufu; percent-encode what is no letter, "
                "digit or one of -._~ in user and password");
  }
  if (has_unknown_option(uri.reveal())) {
    // Not repeated: it may be the end of a password that was not percent-encoded.
    return fail(Fault::config,
                "the store's URI holds an option that the MongoDB driver does not know",
                "take it out, or see how the driver spells it, as in replicaSet=NAME&tls=true");
  }
  const char* user = mongoc_uri_get_username(made);
  if (user != nullptr && mongoc_uri_get_password(made) == nullptr && !password.empty()) {
    std::string plain(password.reveal());
    mongoc_uri_set_password(made, plain.c_str());
    wipe(plain);
  }
  for (const char* bound : {MONGOC_URI_SERVERSELECTIONTIMEOUTMS, MONGOC_URI_CONNECTTIMEOUTMS,
                            MONGOC_URI_SOCKETTIMEOUTMS}) {
    const std::int32_t wanted = mongoc_uri_get_option_as_int32(made, bound, kPatience);
    mongoc_uri_set_option_as_int32(made, bound,
                                   wanted > 0 ? std::min(wanted, kMostPatience) : kMostPatience);
  }
  mongoc_uri_set_option_as_bool(made, MONGOC_URI_RETRYWRITES, false);
  mongoc_uri_set_option_as_bool(made, MONGOC_URI_RETRYREADS, false);
  // The driver would stay with the one server that a URI names, when it is no primary any more.
  if (!mongoc_uri_has_option(made, MONGOC_URI_DIRECTCONNECTION)) {
    mongoc_uri_set_option_as_bool(made, MONGOC_URI_DIRECTCONNECTION, false);
  }
  if (mongoc_uri_get_appname(made) == nullptr) mongoc_uri_set_appname(made, "hufu");
  const char* database = mongoc_uri_get_database(made);
  address.database_ = database != nullptr ? database : "hufu";
  return address;
}

bool MongoAddress::is_direct() const { return option(uri_.get(), MONGOC_URI_DIRECTCONNECTION); }

std::vector<std::string> MongoAddress::warnings() const {
  std::vector<std::string> found;
  bool far = mongoc_uri_get_srv_hostname(uri_.get()) != nullptr;
  for (const auto* host = mongoc_uri_get_hosts(uri_.get()); host != nullptr; host = host->next) {
    if (!is_loopback(host->host)) far = true;
  }
  if (!far) return found;
  if (!mongoc_uri_get_tls(uri_.get())) {
    found.emplace_back(
        "the connection to MongoDB is not encrypted: add tls=true to the store's URI");
  } else if (option(uri_.get(), MONGOC_URI_TLSINSECURE) ||
             option(uri_.get(), MONGOC_URI_TLSALLOWINVALIDCERTIFICATES) ||
             option(uri_.get(), MONGOC_URI_TLSALLOWINVALIDHOSTNAMES)) {
    found.emplace_back(
        "the certificate of MongoDB is not verified: take tlsInsecure and tlsAllowInvalid… out of "
        "the store's URI, and name the authority with tlsCAFile");
  }
  return found;
}

// ---- ServerClock ----

void ServerClock::learn(SteadyTime asked, WallTime server) {
  const SteadyTime answered = clock_.steady();
  std::lock_guard lock(mutex_);
  asked_ = asked;
  answered_ = answered;
  server_ = server;
}

bool ServerClock::is_stale() const {
  std::lock_guard lock(mutex_);
  return !asked_ || clock_.steady() - *asked_ > FeedCursor::kClockAge;
}

WallTime ServerClock::earliest() const { return at(clock_.steady()); }

WallTime ServerClock::at(SteadyTime moment) const {
  std::lock_guard lock(mutex_);
  return server_ + (moment - answered_);
}

WallTime ServerClock::latest() const {
  std::lock_guard lock(mutex_);
  // Two clocks that are read in whole milliseconds: each may be one behind.
  return server_ + (clock_.steady() - asked_.value_or(answered_)) + Milliseconds(2);
}

// ---- MongoConnection ----

MongoConnection::MongoConnection(const MongoAddress& address, ServerClock& clock)
    : client_(mongoc_client_new_from_uri(address.uri())),
      database_(address.database()),
      clock_(clock),
      era_(clock.era()) {}

Result<std::unique_ptr<MongoConnection>> MongoConnection::open(const MongoAddress& address,
                                                               ServerClock& clock) {
  std::unique_ptr<MongoConnection> made(new MongoConnection(address, clock));
  if (!made->client_) {
    return fail(Fault::config, "the MongoDB driver makes no connection from the store's URI",
                "look at its tls… options, and at the files that they name");
  }
  mongoc_client_set_error_api(made->client_.get(), MONGOC_ERROR_API_VERSION_2);
  try {
    made->ask_time();
  } catch (const MongoFailure& failure) {
    return tl::unexpected(error_of(failure));
  }
  return made;
}

WallTime MongoConnection::ask_time() {
  const SteadyTime asked = clock_.steady();
  const Doc reply = run(Doc().number("hello", 1));
  const Fields hello(reply);
  set_name_ = hello.text("setName");
  replica_set_ = !set_name_.empty() || hello.text("msg") == "isdbgrid";
  // Its clock is not the one that counts, and what it has may be old.
  if (!hello.flag("isWritablePrimary")) refuse(kNotWritablePrimary, "NotWritablePrimary");
  const auto time = hello.date("localTime");
  if (!time) throw MongoFailure{Kind::refused, 0, "does not tell its time"};
  clock_.learn(asked, *time);
  return *time;
}

Doc MongoConnection::run(const Doc& command) { return ask(command, /*writes=*/false); }

Doc MongoConnection::ask(const Doc& command, bool writes) {
  bson_error_t error{};
  Doc reply;
  const bool done = mongoc_client_command_simple(client_.get(), database_.c_str(), command.get(),
                                                 nullptr, reply.reset(), &error);
  if (writes) wrote_at_ = std::max(wrote_at_, Fields(reply).stamp("operationTime"));
  if (done) return reply;
  const auto code = static_cast<int>(error.code);
  if (error.domain == MONGOC_ERROR_SERVER) refuse(code, Fields(reply).text("codeName"));
  const bool credentials =
      (error.domain == MONGOC_ERROR_CLIENT && code == MONGOC_ERROR_CLIENT_AUTHENTICATE) ||
      error.domain == MONGOC_ERROR_SCRAM || error.domain == MONGOC_ERROR_SASL;
  broken_ = true;
  if (credentials) throw MongoFailure{Kind::credentials, 0, "refuses the user or its password"};
  give_up();
  throw MongoFailure{Kind::unreachable, 0, std::string("gives no answer: ") + error.message};
}

/// The server's own words may repeat what stands in a document, so its code has to do.
void MongoConnection::refuse(int code, std::string_view name) {
  if (is_passing(code)) give_up();
  std::string message = "refuses: code " + std::to_string(code);
  if (!name.empty()) message += " (" + std::string(name) + ")";
  throw MongoFailure{Kind::refused, code, std::move(message)};
}

void MongoConnection::give_up() {
  broken_ = true;
  clock_.end_era(era_);
}

Doc MongoConnection::write(Doc command) {
  Doc concern;
  if (replica_set_) concern.text("w", "majority").number("wtimeout", kPatience);
  concern.flag("j", true);
  command.doc("writeConcern", concern).number("maxTimeMS", FeedCursor::kLongestWrite.count());
  return ask(command, /*writes=*/true);
}

void MongoConnection::find(const char* collection, const Doc& filter, const Doc& projection,
                           const Doc& sort, std::int64_t limit,
                           const std::function<void(const Fields&)>& visit) {
  Doc command;
  command.text("find", collection).doc("filter", filter);
  if (!Fields(projection).empty()) command.doc("projection", projection);
  if (!Fields(sort).empty()) command.doc("sort", sort);
  command.number("limit", limit).number("batchSize", limit).flag("singleBatch", true);
  command.number("maxTimeMS", kPatience);
  if (replica_set_) {
    Doc concern;
    concern.text("level", "majority");
    if (wrote_at_ != 0) concern.stamp("afterClusterTime", wrote_at_);
    command.doc("readConcern", concern);
  }
  const Doc reply = run(command);
  settled_ = Fields(reply).stamp("operationTime");
  Fields(reply).doc("cursor").each("firstBatch", visit);
}

namespace {

/// Code and name of what a write that was answered with "ok" complains of.
std::optional<std::pair<int, std::string>> complaint_of(const Fields& reply) {
  std::optional<std::pair<int, std::string>> found;
  const auto note = [&](const Fields& error) {
    if (!found) found.emplace(static_cast<int>(error.number_or_0("code")), error.text("codeName"));
  };
  reply.each("writeErrors", note);
  if (reply.is_doc("writeConcernError")) note(reply.doc("writeConcernError"));
  return found;
}

}  // namespace

std::optional<Doc> MongoConnection::find_and_modify(const char* collection, const Doc& filter,
                                                    const Doc& update, bool upsert) {
  Doc command;
  command.text("findAndModify", collection).doc("query", filter).doc("update", update);
  command.flag("new", true);
  if (upsert) command.flag("upsert", true);
  Doc reply;
  try {
    reply = write(std::move(command));
  } catch (const MongoFailure& failure) {
    if (upsert && failure.code == kDuplicateKey) return std::nullopt;
    throw;
  }
  if (const auto complaint = complaint_of(Fields(reply))) {
    refuse(complaint->first, complaint->second);
  }
  if (!Fields(reply).is_doc("value")) return std::nullopt;
  return reply;
}

std::int64_t MongoConnection::update(const char* collection, const Doc& filter, const Doc& update,
                                     bool many) {
  Doc step;
  step.doc("q", filter).doc("u", update).flag("multi", many);
  Doc command;
  command.text("update", collection).list("updates", step);
  const Doc reply = write(std::move(command));
  if (const auto complaint = complaint_of(Fields(reply))) {
    refuse(complaint->first, complaint->second);
  }
  return Fields(reply).number_or_0("n");
}

bool MongoConnection::insert(const char* collection, const Doc& document) {
  Doc command;
  command.text("insert", collection).list("documents", document);
  const Doc reply = write(std::move(command));
  if (const auto complaint = complaint_of(Fields(reply))) {
    if (complaint->first == kDuplicateKey) return false;
    refuse(complaint->first, complaint->second);
  }
  return true;
}

void MongoConnection::remove(const char* collection, const Doc& filter) {
  Doc step;
  step.doc("q", filter).number("limit", 0);
  Doc command;
  command.text("delete", collection).list("deletes", step);
  const Doc reply = write(std::move(command));
  if (const auto complaint = complaint_of(Fields(reply))) {
    refuse(complaint->first, complaint->second);
  }
}

void MongoConnection::make_indexes(const char* collection, const Doc& one, const Doc& two) {
  Doc command;
  command.text("createIndexes", collection).list("indexes", one, two);
  const Doc reply = write(std::move(command));
  if (const auto complaint = complaint_of(Fields(reply))) {
    refuse(complaint->first, complaint->second);
  }
}

}  // namespace hufu::store
