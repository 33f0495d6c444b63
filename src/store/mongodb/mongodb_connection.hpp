#pragma once

#include <mongoc/mongoc.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"
#include "hufu/secret.hpp"
#include "store/mongodb/mongodb_bson.hpp"

namespace hufu::store {

/// How MongoDB, its driver or the network says no. Thrown and caught inside this folder only.
struct MongoFailure {
  enum class Kind {
    unreachable,  ///< No answer; what was asked for may or may not have been done.
    credentials,  ///< The server did not accept the user or the password.
    refused,      ///< The server answered and said no.
  };
  Kind kind;
  int code;             ///< The server's, where it answered.
  std::string message;  ///< Holds no credentials and nothing of a document.
};

/// What happened, and what a person can do about it.
Error error_of(const MongoFailure& failure);

/// Where the server is, and as whom to speak with it.
class MongoAddress {
 public:
  /// Reads a URI as the driver takes it. `password` counts where the URI has a user and no password
  /// of its own. Every wait is bounded by five seconds, unless the URI says otherwise. One member
  /// of a replica set stands for all of it, unless the URI says directConnection=true.
  static Result<MongoAddress> parse(const Secret& uri, const Secret& password);

  [[nodiscard]] const mongoc_uri_t* uri() const { return uri_.get(); }
  /// Named by the URI; "hufu" where it names none.
  [[nodiscard]] const std::string& database() const { return database_; }
  /// Whether it is about that one server, whatever becomes of it.
  [[nodiscard]] bool is_direct() const;
  /// What is unwise about it, a sentence each.
  [[nodiscard]] std::vector<std::string> warnings() const;

 private:
  struct Destroy {
    void operator()(mongoc_uri_t* uri) const { mongoc_uri_destroy(uri); }
  };
  std::shared_ptr<mongoc_uri_t> uri_;
  std::string database_;
};

/// What all connections know of the server. Its clock: the present moment lies between two bounds,
/// as far apart as the round trip took that asked for it. And its era, which ends when a connection
/// finds it gone, or no primary any more: what was made before is of no use then, so that not each
/// idle connection has to find out at the cost of an operation. Thread-safe.
class ServerClock {
 public:
  explicit ServerClock(const Clock& clock) : clock_(clock) {}

  [[nodiscard]] SteadyTime steady() const { return clock_.steady(); }
  /// The server's clock stood at `server` at some moment between `asked` and now.
  void learn(SteadyTime asked, WallTime server);
  /// Whether nothing was learned for so long that the server's clock may have been set since.
  [[nodiscard]] bool is_stale() const;
  /// The server's present moment, or one shortly before it.
  [[nodiscard]] WallTime earliest() const;
  /// The server's present moment, or one shortly after it.
  [[nodiscard]] WallTime latest() const;
  /// As `earliest`, at another moment.
  [[nodiscard]] WallTime at(SteadyTime moment) const;

  [[nodiscard]] std::uint64_t era() const { return era_; }
  /// Says so of `era`, which others may have said already.
  void end_era(std::uint64_t era) { era_.compare_exchange_strong(era, era + 1); }

 private:
  const Clock& clock_;
  std::atomic<std::uint64_t> era_ = 0;
  mutable std::mutex mutex_;
  std::optional<SteadyTime> asked_;
  SteadyTime answered_{};
  WallTime server_{};
};

/// One connection, and the few commands that the store speaks. Every command throws MongoFailure.
///
/// Writes are as durable as the server can make them: acknowledged by a majority and journaled on a
/// replica set, journaled on a standalone; reads are of what a majority has, from the primary.
/// Nothing is tried twice: the driver's retryable writes would be safe (the server remembers the
/// answer), but double the time that an operation can take, and a lost answer is for the keeper to
/// think about in any case. So no conditional step can run twice and take its own first success for
/// somebody else's.
///
/// What a majority has may lag behind what the primary judges a write by. So a read that follows a
/// write waits, on a replica set, until a majority has what the write found: or whoever was refused
/// a step would look for the reason, and see none.
///
/// Not thread-safe.
class MongoConnection {
 public:
  /// Connects, and asks the server what it is and what time it has.
  static Result<std::unique_ptr<MongoConnection>> open(const MongoAddress& address,
                                                       ServerClock& clock);

  /// Whether it is of no use any more.
  [[nodiscard]] bool broken() const { return broken_ || era_ != clock_.era(); }
  /// Of the replica set; empty on any other server.
  [[nodiscard]] const std::string& set_name() const { return set_name_; }

  /// What comes now has nothing to do with the writes before.
  void start_over() { wrote_at_ = 0; }
  /// Up to when a majority had everything as the latest find ended; 0 where the server does not
  /// say.
  [[nodiscard]] Stamp settled() const { return settled_; }

  /// The server's clock as it stands; also learned by the ServerClock.
  WallTime ask_time();
  /// The server's present moment, as far as it is known without asking.
  [[nodiscard]] WallTime now() const { return clock_.earliest(); }
  /// As it is; for `buildInfo` and the like.
  Doc run(const Doc& command);

  /// Visits the documents that fit, at most `limit`. `projection` and `sort` may be empty.
  void find(const char* collection, const Doc& filter, const Doc& projection, const Doc& sort,
            std::int64_t limit, const std::function<void(const Fields&)>& visit);
  /// The document that fits, after it was updated; nothing where none fits. With `upsert` one is
  /// made from both then; nothing where that came to nothing because its _id is taken.
  std::optional<Doc> find_and_modify(const char* collection, const Doc& filter, const Doc& update,
                                     bool upsert = false);
  /// How many documents fitted, and were updated.
  std::int64_t update(const char* collection, const Doc& filter, const Doc& update,
                      bool many = false);
  /// False where a document with that _id, or of that unique key, is there already.
  bool insert(const char* collection, const Doc& document);
  void remove(const char* collection, const Doc& filter);
  void make_indexes(const char* collection, const Doc& one, const Doc& two);

 private:
  struct Destroy {
    void operator()(mongoc_client_t* client) const { mongoc_client_destroy(client); }
  };
  MongoConnection(const MongoAddress& address, ServerClock& clock);
  Doc ask(const Doc& command, bool writes);
  Doc write(Doc command);
  [[noreturn]] void refuse(int code, std::string_view name);
  void give_up();

  std::unique_ptr<mongoc_client_t, Destroy> client_;
  const std::string database_;
  ServerClock& clock_;
  const std::uint64_t era_;
  std::string set_name_;
  bool replica_set_ = false;  ///< Or several, behind a router.
  bool broken_ = false;
  Stamp wrote_at_ = 0;
  Stamp settled_ = 0;
};

}  // namespace hufu::store
