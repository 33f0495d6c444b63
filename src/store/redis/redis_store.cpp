#include "store/redis/redis_store.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "store/change_log.hpp"
#include "store/record_text.hpp"
#include "store/redis/redis_rows.hpp"
#include "store/redis/redis_scripts.hpp"
#include "store/redis/redis_settings.hpp"
#include "store/row_text.hpp"

namespace hufu::store {
namespace {

using net::RedisCommand;
using net::RedisConnection;
using net::RedisReply;
using Kind = RedisReply::Kind;

/// Rows that a walk reads in one round trip.
constexpr const char* kPage = "1000";
/// Changes that are told in one go.
constexpr const char* kMostChanges = "10000";
/// How long a lease or a commit waits for replicas, in milliseconds.
constexpr const char* kReplicaPatience = "1000";
/// How often the swap of a credential looks again because another one of its app was changed.
constexpr int kResealTries = 10;
/// Leases that a view looks at, and how many at a time.
constexpr const char* kMostLeases = "10000";
constexpr std::size_t kLeasesAtOnce = 250;

tl::unexpected<Error> makes_no_sense(const RedisConnection& connection) {
  return fail(Fault::store, "Redis at " + connection.peer() + " holds what Hufu did not write",
              "choose another prefix in the store's URI, or look for who else writes there");
}

RedisCommand get_fields(const std::string& key, std::span<const std::string_view> fields) {
  RedisCommand command = {"HMGET", key};
  command.insert(command.end(), fields.begin(), fields.end());
  return command;
}

std::vector<std::string> with(std::vector<std::string> arguments, RedisFields fields) {
  for (std::string& field : fields) arguments.push_back(std::move(field));
  return arguments;
}

Result<RedisReply> run(RedisConnection& connection, const net::RedisScript& script,
                       const std::vector<std::string>& keys,
                       const std::vector<std::string>& arguments) {
  const std::vector<std::string_view> key_views(keys.begin(), keys.end());
  const std::vector<std::string_view> argument_views(arguments.begin(), arguments.end());
  return connection.run(script, key_views, argument_views);
}

/// Microseconds and seconds, as TIME answers.
std::optional<WallTime> time_in(const RedisReply& reply) {
  if (reply.elements.size() != 2) return std::nullopt;
  const auto seconds = number_in(reply.elements[0].text);
  const auto micros = number_in(reply.elements[1].text);
  if (!seconds || !micros) return std::nullopt;
  return time_from(*seconds * 1000 + *micros / 1000);
}

bool is_name(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), allowed);
}

}  // namespace

// ---- Opening ----

Result<RedisOptions> RedisOptions::from_uri(std::string_view text, const Secret& password) {
  auto uri = net::RedisUri::parse(text, password);
  if (!uri) return tl::unexpected(uri.error());
  RedisOptions options;
  for (const auto& [name, value] : uri->options) {
    if (name == "prefix" && is_name(value)) {
      options.name = value;
    } else if (name == "wait_replicas" && value.size() == 1 && value[0] >= '0' && value[0] <= '9') {
      options.wait_replicas = static_cast<unsigned>(value[0] - '0');
    } else if (name == "prefix" || name == "wait_replicas") {
      return fail(Fault::config, "the store's URI gives " + name + " a value that makes no sense",
                  name == "prefix" ? "write letters, digits, and -_. only; the braces are added"
                                   : "write a number from 0 to 9");
    } else {
      // Not repeated: it may be the end of a password that was not percent-encoded.
      return fail(Fault::config, "the store's URI holds an option that Hufu does not know",
                  "it knows prefix, wait_replicas, ca_file, cert_file, key_file, sentinel_user and "
                  "sentinel_password");
    }
  }
  uri->options.clear();
  options.uri = std::move(*uri);
  return options;
}

Result<std::shared_ptr<RedisStore>> RedisStore::open(RedisOptions options, const Clock& clock) {
  auto connection = RedisConnection::connect(options.uri, options.patience);
  if (!connection) return tl::unexpected(connection.error());
  std::shared_ptr<RedisStore> store(new RedisStore(std::move(options), clock));
  if (auto ready = store->set_up(**connection); !ready) return tl::unexpected(ready.error());
  return store;
}

RedisStore::RedisStore(RedisOptions options, const Clock& clock)
    : options_(std::move(options)),
      keys_(options_.name),
      signal_(options_.signal ? options_.signal : std::make_shared<ChangeSignal>()),
      feed_(options_.uri, keys_.channel, options_.patience, clock, signal_),
      pool_(options_.pool, clock,
            [this] { return RedisConnection::connect(options_.uri, options_.patience); }) {}

RedisStore::~RedisStore() {
  closing_ = true;
  pool_.close();
}

Result<void> RedisStore::set_up(Connection& connection) {
  auto settings = settings_to_know(connection, options_.wait_replicas);
  if (!settings) return tl::unexpected(settings.error());
  warnings_ = std::move(*settings);

  const std::string schema = std::to_string(redis_scripts::kSchema);
  auto found = run_with_log(connection, redis_scripts::open(), {keys_.store, keys_.changes},
                            {new_identity(), schema});
  if (!found) return tl::unexpected(found.error());
  if (found->elements.size() != 2) return makes_no_sense(connection);
  const auto written = number_in(found->elements[1].text);
  if (!written) return makes_no_sense(connection);
  if (*written > redis_scripts::kSchema) {
    return fail(Fault::store,
                "the store in Redis at " + connection.peer() +
                    " was written by a newer hufu (schema " + found->elements[1].text +
                    ", this one knows " + schema + ")",
                "run that hufu, or restore a backup from before the upgrade");
  }
  return {};
}

// ---- Asking ----

template <class T, class Work>
void RedisStore::read(Done<Result<T>> done, Work work) {
  pool_.run<T>(std::move(done), std::move(work));
}

template <class T, class Work>
void RedisStore::write(Done<Result<T>> done, Work work) {
  pool_.run<T>(std::move(done),
               [signal = signal_, work = std::move(work)](Connection& connection) -> Result<T> {
                 auto outcome = work(connection);
                 signal->notify();
                 return outcome;
               });
}

Result<RedisReply> RedisStore::run_with_log(Connection& connection, const net::RedisScript& script,
                                            const Texts& keys, const Texts& arguments) const {
  return run(connection, script, keys,
             with({keys_.channel, std::to_string(options_.change_log)}, arguments));
}

void RedisStore::write_if(Done<Result<bool>> done, const net::RedisScript& script, Texts keys,
                          Texts arguments) {
  write<bool>(std::move(done),
              [this, &script, keys = std::move(keys),
               arguments = std::move(arguments)](Connection& connection) -> Result<bool> {
                auto reply = run_with_log(connection, script, keys, arguments);
                if (!reply) return tl::unexpected(reply.error());
                return reply->integer == 1;
              });
}

Result<void> RedisStore::walk(
    Connection& connection, const std::string& set,
    const std::function<std::string(std::string_view)>& key_of,
    std::span<const std::string_view> fields,
    const std::function<Result<void>(std::string_view, const Reply&)>& visit) const {
  for (std::string from = "-";;) {
    if (closing_) return fail(Fault::store, "the store is being closed");
    auto page = connection.command({"ZRANGEBYLEX", set, from, "+", "LIMIT", "0", kPage});
    if (!page) return tl::unexpected(page.error());
    if (page->elements.empty()) return {};

    Texts keys;
    for (const Reply& member : page->elements) keys.push_back(key_of(member.text));
    std::vector<RedisCommand> questions;
    for (const std::string& key : keys) questions.push_back(get_fields(key, fields));
    auto rows = connection.pipeline(questions);
    if (!rows) return tl::unexpected(rows.error());
    for (std::size_t i = 0; i < rows->size(); ++i) {
      const Reply& row = (*rows)[i];
      if (row.is(Kind::refusal)) {
        return tl::unexpected(net::redis_error(row.text, "HMGET", connection.peer()));
      }
      if (auto fine = visit(page->elements[i].text, row); !fine) return fine;
    }
    from = "(" + page->elements.back().text;
  }
}

// ---- TokenStore ----

void RedisStore::load(const Key& key, Done<Result<Record>> done) {
  read<Record>(std::move(done), [this, key](Connection& connection) -> Result<Record> {
    const std::string token = keys_.token(key);
    auto reply = connection.command(get_fields(token, token_fields()));
    if (!reply) return tl::unexpected(reply.error());
    RedisTokenRow row = token_row(*reply);
    if (!row.readable) return tl::unexpected(damaged(key));
    return std::move(row.record);
  });
}

void RedisStore::acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) {
  write<AcquireOutcome>(std::move(done),
                        [this, lease_request = std::move(lease_request)](Connection& connection) {
                          return acquire(connection, lease_request);
                        });
}

Result<AcquireOutcome> RedisStore::acquire(Connection& connection,
                                           const LeaseRequest& lease_request) {
  const Key& key = lease_request.key;
  std::string gone_holder;
  std::string gone_fence;
  while (true) {
    auto reply =
        run_with_log(connection, redis_scripts::acquire_lease(),
                     {keys_.token(key), keys_.tokens, keys_.leases, keys_.changes},
                     {RedisKeys::member(key), key.app, key.kind, std::to_string(lease_request.seen),
                      lease_request.holder, std::to_string(lease_request.lease.count()),
                      text_before_fence(lease_request.in_doubt_call),
                      std::to_string(lease_request.grace.count()), gone_holder, gone_fence});
    if (!reply) return tl::unexpected(reply.error());
    const std::vector<Reply>& answer = reply->elements;
    if (answer.size() < 2) return makes_no_sense(connection);

    if (answer[0].text == "held") {
      const auto remaining = answer.size() == 4 ? number_in(answer[3].text) : std::nullopt;
      if (!remaining) return makes_no_sense(connection);
      const std::string& holder = answer[1].text;
      // Redis cannot see the processes of this machine; it is told, and looks again.
      const bool was_told = holder == gone_holder && answer[2].text == gone_fence;
      if (!was_told && process_is_gone(holder)) {
        gone_holder = holder;
        gone_fence = answer[2].text;
        continue;
      }
      return AcquireOutcome(Held{holder, Milliseconds(*remaining)});
    }

    RedisTokenRow row = token_row(answer.back());
    if (!row.readable) return tl::unexpected(damaged(key));
    if (answer[0].text == "newer") return AcquireOutcome(Newer{std::move(row.record)});
    wait_for_replicas(connection);
    return AcquireOutcome(Acquired{
        {key, row.lease.fence, lease_request.holder, lease_request.in_doubt_call.called_at},
        std::move(row.record)});
  }
}

void RedisStore::commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) {
  write<WriteOutcome>(std::move(done),
                      [this, lease = std::move(lease), next = std::move(next)](
                          Connection& connection) { return store(connection, lease, next); });
}

Result<WriteOutcome> RedisStore::store(Connection& connection, const Lease& lease,
                                       const Record& next) {
  const Key& key = lease.key;
  auto reply = run_with_log(
      connection, redis_scripts::commit(), {keys_.token(key), keys_.leases, keys_.changes},
      with({RedisKeys::member(key), key.app, key.kind, std::to_string(lease.fence), lease.holder,
            text_of(next.in_doubt)},
           fields_of(next)));
  if (!reply) return tl::unexpected(reply.error());
  if (reply->integer != 1) return WriteOutcome::fenced;
  wait_for_replicas(connection);
  return WriteOutcome::written;
}

void RedisStore::wait_for_replicas(Connection& connection) {
  if (options_.wait_replicas == 0) return;
  const std::string count = std::to_string(options_.wait_replicas);
  auto confirmed = connection.command({"WAIT", count, kReplicaPatience});
  if (!confirmed || confirmed->integer < options_.wait_replicas) ++unconfirmed_;
}

void RedisStore::add_in_doubt(const Key& key, InDoubtCall in_doubt_call, Done<Result<void>> done) {
  write<void>(std::move(done), [this, key, in_doubt_call](Connection& connection) -> Result<void> {
    auto reply =
        run_with_log(connection, redis_scripts::add_in_doubt(), {keys_.token(key), keys_.changes},
                     {key.app, key.kind, text_of(in_doubt_call)});
    if (!reply) return tl::unexpected(reply.error());
    return {};
  });
}

void RedisStore::changes(std::string cursor, Done<Result<Changes>> done) {
  if (feed_.is_present(cursor)) {
    Changes none;
    none.cursor = std::move(cursor);
    return done(std::move(none));
  }
  read<Changes>(std::move(done),
                [this, cursor = std::move(cursor), notified = feed_.about_to_look()](
                    Connection& connection) { return read_changes(connection, cursor, notified); });
}

Result<Changes> RedisStore::read_changes(Connection& connection, const std::string& cursor,
                                         std::uint64_t notified) {
  const std::size_t dot = cursor.find('.');
  const std::string_view number =
      dot == std::string::npos ? std::string_view() : std::string_view(cursor).substr(dot + 1);
  // What is no number is not for Redis to judge.
  const auto since = number_in(number);
  const bool known = since && *since > 0;
  auto reply = run_with_log(connection, redis_scripts::changes(), {keys_.store, keys_.changes},
                            {new_identity(), std::to_string(redis_scripts::kSchema),
                             known ? std::to_string(*since) : std::string(), kMostChanges});
  if (!reply) return tl::unexpected(reply.error());
  const std::vector<Reply>& told = reply->elements;
  constexpr std::size_t kHead = 2;  // Identity and the newest number, then three for each change.
  if (told.size() < kHead || told.size() % 3 != kHead) return makes_no_sense(connection);

  Changes changes;
  const std::string identity = told[0].text + ".";
  const std::string newest = identity + told[1].text;
  changes.cursor = newest;
  // The change of the cursor itself must still be there: then so is everything after it.
  const bool unbroken = known && cursor.starts_with(identity) && told.size() > kHead &&
                        told[kHead].text == std::to_string(*since);
  if (unbroken) {
    changes.cursor = identity + told[told.size() - 3].text;
    std::set<Key> keys;
    for (std::size_t i = kHead + 3; i < told.size(); i += 3) {
      keys.insert({told[i + 1].text, told[i + 2].text});
    }
    for (const Key& what : keys) add_change(changes, what);
  } else {
    changes.everything = !cursor.empty();
  }
  if (changes.cursor == newest) feed_.saw(newest, notified);
  return changes;
}

void RedisStore::time(Done<Result<std::optional<WallTime>>> done) {
  using Time = std::optional<WallTime>;
  read<Time>(std::move(done), [](Connection& connection) -> Result<Time> {
    auto reply = connection.command({"TIME"});
    if (!reply) return tl::unexpected(reply.error());
    const auto now = time_in(*reply);
    if (!now) return makes_no_sense(connection);
    return now;
  });
}

void RedisStore::scan(std::function<void(Key&&, Record&&)> visit, Done<Result<void>> done) {
  read<void>(std::move(done), [this, visit = std::move(visit)](Connection& connection) {
    return walk(
        connection, keys_.tokens,
        [this](std::string_view member) { return keys_.tokens_of + std::string(member); },
        token_fields(),
        [&](std::string_view member, const Reply& reply) -> Result<void> {
          auto key = RedisKeys::key_of(member);
          RedisTokenRow row = token_row(reply);
          if (!key || !row.present) return {};
          if (!row.readable) row.record = unreadable(row.record, damaged(*key));
          visit(std::move(*key), std::move(row.record));
          return {};
        });
  });
}

// ---- Registry ----

void RedisStore::put_app(AppRow app, Done<Result<void>> done) {
  write<void>(std::move(done),
              [this, app = std::move(app)](Connection& connection) -> Result<void> {
                auto reply = run_with_log(
                    connection, redis_scripts::put_app(),
                    {keys_.app(app.id), keys_.apps, keys_.tokens, keys_.changes},
                    with({app.id, RedisKeys::escaped(app.id), keys_.tokens_of}, fields_of(app)));
                if (!reply) return tl::unexpected(reply.error());
                return {};
              });
}

void RedisStore::load_app(const std::string& id, Done<Result<std::optional<AppRow>>> done) {
  using App = std::optional<AppRow>;
  read<App>(std::move(done), [this, id](Connection& connection) -> Result<App> {
    const std::string key = keys_.app(id);
    auto reply = connection.command(get_fields(key, app_fields()));
    if (!reply) return tl::unexpected(reply.error());
    RedisAppRow row = app_row(id, *reply, /*names_only=*/false);
    if (!row.present) return std::nullopt;
    if (!row.readable) return tl::unexpected(damaged_app(id));
    return std::move(row.app);
  });
}

void RedisStore::remove_app(const std::string& id, Done<Result<bool>> done) {
  write_if(std::move(done), redis_scripts::remove_app(),
           {keys_.app(id), keys_.apps, keys_.tokens, keys_.changes, keys_.leases},
           {id, RedisKeys::escaped(id), keys_.tokens_of});
}

void RedisStore::scan_apps(std::function<void(AppRow&&)> visit, Done<Result<void>> done) {
  read<void>(std::move(done), [this, visit = std::move(visit)](Connection& connection) {
    return walk(
        connection, keys_.apps, [this](std::string_view id) { return keys_.app(id); }, app_fields(),
        [&](std::string_view id, const Reply& reply) -> Result<void> {
          // What cannot be read is left out; `load_app` says so.
          RedisAppRow row = app_row(std::string(id), reply, /*names_only=*/true);
          if (row.present) visit(std::move(row.app));
          return {};
        });
  });
}

void RedisStore::put_key(ApiKeyRow key, Done<Result<bool>> done) {
  write_if(std::move(done), redis_scripts::put_key(),
           {keys_.api_key(key.name), keys_.api_keys, keys_.changes},
           with({key.name}, fields_of(key)));
}

void RedisStore::revoke_key(const std::string& name, Done<Result<bool>> done) {
  write_if(std::move(done), redis_scripts::revoke_key(),
           {keys_.api_key(name), keys_.api_keys, keys_.changes}, {name});
}

void RedisStore::list_keys(Done<Result<std::vector<ApiKeyRow>>> done) {
  using Keys = std::vector<ApiKeyRow>;
  read<Keys>(std::move(done), [this](Connection& connection) -> Result<Keys> {
    Keys found;
    auto walked = walk(
        connection, keys_.api_keys, [this](std::string_view name) { return keys_.api_key(name); },
        api_key_fields(),
        [&](std::string_view name, const Reply& reply) -> Result<void> {
          // Revoked while we were reading.
          if (reply.elements.empty() || reply.elements[0].is(Kind::nil)) return {};
          auto key = api_key_row(std::string(name), reply);
          if (!key) return tl::unexpected(damaged_api_key(name));
          found.push_back(std::move(*key));
          return {};
        });
    if (!walked) return tl::unexpected(walked.error());
    return found;
  });
}

// ---- SealLedger ----

void RedisStore::noted_keys(Done<Result<std::vector<KeyNote>>> done) {
  using Notes = std::vector<KeyNote>;
  read<Notes>(std::move(done), [this](Connection& connection) -> Result<Notes> {
    auto reply = connection.command({"LRANGE", keys_.sealing_keys, "0", "-1"});
    if (!reply) return tl::unexpected(reply.error());
    Notes notes;
    for (std::size_t i = 0; i + 1 < reply->elements.size(); i += 2) {
      notes.push_back({reply->elements[i].text, reply->elements[i + 1].text});
    }
    return notes;
  });
}

void RedisStore::note(KeyNote note, const char* which, Done<Result<bool>> done) {
  write<bool>(std::move(done),
              [this, note = std::move(note), which](Connection& connection) -> Result<bool> {
                auto reply = run(connection, redis_scripts::note_key(), {keys_.sealing_keys},
                                 {note.id, note.check, which});
                if (!reply) return tl::unexpected(reply.error());
                return reply->integer == 1;
              });
}

void RedisStore::note_key(KeyNote note, Done<Result<void>> done) {
  this->note(std::move(note), "any", [done = std::move(done)](Result<bool> noted) {
    done(noted ? Result<void>() : tl::unexpected(std::move(noted.error())));
  });
}

void RedisStore::note_first_key(KeyNote note, Done<Result<bool>> done) {
  this->note(std::move(note), "first", std::move(done));
}

void RedisStore::reseal_token(const Key& key, Secret from, Secret to, Done<Result<bool>> done) {
  write_if(std::move(done), redis_scripts::reseal(), {keys_.token(key), keys_.changes},
           {key.app, key.kind, "token", std::string(from.reveal()), std::string(to.reveal())});
}

void RedisStore::reseal_refresh_token(const Key& key, Secret from, Secret to,
                                      Done<Result<bool>> done) {
  write_if(
      std::move(done), redis_scripts::reseal(), {keys_.token(key), keys_.changes},
      {key.app, key.kind, "refresh_token", std::string(from.reveal()), std::string(to.reveal())});
}

void RedisStore::reseal_credential(const std::string& app, const std::string& name, Secret from,
                                   Secret to, Done<Result<bool>> done) {
  write<bool>(std::move(done),
              [this, app, name, from = std::move(from),
               to = std::move(to)](Connection& connection) -> Result<bool> {
                const std::string row = keys_.app(app);
                const auto swap = [&](const char* field, std::string before, std::string after) {
                  return run_with_log(connection, redis_scripts::reseal(), {row, keys_.changes},
                                      {app, "", field, std::move(before), std::move(after)});
                };
                // Another credential of the app may change in between: then it is looked again.
                for (int i = 0; i < kResealTries; ++i) {
                  auto found = connection.command({"HMGET", row, "credentials", "secret"});
                  if (!found) return tl::unexpected(found.error());
                  if (found->elements.size() != 2) return makes_no_sense(connection);
                  const std::string& credentials = found->elements[0].text;
                  const std::string& secret = found->elements[1].text;
                  Result<Reply> swapped = Reply();
                  if (name == kSecret && !secret.empty()) {  // An older program's.
                    swapped = swap("secret", std::string(from.reveal()), std::string(to.reveal()));
                    if (swapped) return swapped->integer == 1;
                  } else if (auto text = text_with(credentials, name, from, to)) {
                    swapped = swap("credentials", credentials, std::move(*text));
                    if (swapped && swapped->integer == 1) return true;
                  } else {
                    return false;
                  }
                  if (!swapped) return tl::unexpected(swapped.error());
                }
                return false;
              });
}

// ---- Cluster ----

void RedisStore::announce(NodeRow node, Milliseconds forget, Done<Result<void>> done) {
  read<void>(
      std::move(done),
      [this, node = std::move(node), forget](Connection& connection) -> Result<void> {
        auto reply =
            run(connection, redis_scripts::announce(), {keys_.node(node.name), keys_.nodes},
                with({node.name, keys_.nodes_of, std::to_string(forget.count())}, fields_of(node)));
        if (!reply) return tl::unexpected(reply.error());
        return {};
      });
}

void RedisStore::leave(const std::string& name, Done<Result<void>> done) {
  read<void>(std::move(done), [this, name](Connection& connection) -> Result<void> {
    const std::string node = keys_.node(name);
    const std::vector<RedisCommand> commands = {{"ZREM", keys_.nodes, name}, {"DEL", node}};
    auto replies = connection.pipeline(commands);
    if (!replies) return tl::unexpected(replies.error());
    for (std::size_t i = 0; i < commands.size(); ++i) {
      if (!(*replies)[i].is(Kind::refusal)) continue;
      return tl::unexpected(
          net::redis_error((*replies)[i].text, commands[i].front(), connection.peer()));
    }
    return {};
  });
}

void RedisStore::view(Done<Result<ClusterView>> done) {
  read<ClusterView>(std::move(done),
                    [this](Connection& connection) { return read_view(connection); });
}

Result<ClusterView> RedisStore::read_view(Connection& connection) const {
  auto clock = connection.command({"TIME"});
  if (!clock) return tl::unexpected(clock.error());
  const auto now = time_in(*clock);
  if (!now) return makes_no_sense(connection);
  ClusterView view;
  view.now = *now;

  auto names = connection.command({"ZRANGE", keys_.nodes, "0", "-1"});
  if (!names) return tl::unexpected(names.error());
  for (const Reply& name : names->elements) {
    const std::string key = keys_.node(name.text);
    auto reply = connection.command(get_fields(key, node_fields()));
    if (!reply) return tl::unexpected(reply.error());
    if (auto node = node_row(name.text, *reply)) view.nodes.push_back(std::move(*node));
  }
  std::sort(view.nodes.begin(), view.nodes.end(),
            [](const NodeRow& a, const NodeRow& b) { return a.name < b.name; });

  if (auto read = read_leases(connection, view); !read) {
    return tl::unexpected(read.error());
  }
  return view;
}

Result<void> RedisStore::read_leases(Connection& connection, ClusterView& view) const {
  const std::string from = "(" + std::to_string(millis(view.now));
  auto found =
      connection.command({"ZRANGEBYSCORE", keys_.leases, from, "+inf", "LIMIT", "0", kMostLeases});
  if (!found) return tl::unexpected(found.error());
  std::vector<Key> held_keys;
  for (const Reply& member : found->elements) {
    if (auto key = RedisKeys::key_of(member.text)) held_keys.push_back(std::move(*key));
  }
  std::sort(held_keys.begin(), held_keys.end());

  std::span<const Key> left(held_keys);
  while (!left.empty() && view.leases.size() < kMostLeasesShown) {
    const auto some = left.first(std::min(left.size(), kLeasesAtOnce));
    left = left.subspan(some.size());
    Texts keys;
    for (const Key& key : some) keys.push_back(keys_.token(key));
    std::vector<RedisCommand> questions;
    for (const std::string& key : keys) questions.push_back(get_fields(key, token_fields()));
    auto rows = connection.pipeline(questions);
    if (!rows) return tl::unexpected(rows.error());
    for (std::size_t i = 0; i < some.size() && view.leases.size() < kMostLeasesShown; ++i) {
      const LeaseState lease = token_row((*rows)[i]).lease;
      const auto held = store::held(lease, view.now, Milliseconds(0));
      if (held) view.leases.push_back({some[i], held->holder, lease.fence, held->remaining});
    }
  }
  return {};
}

}  // namespace hufu::store
