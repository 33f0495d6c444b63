#include "store/redis/redis_rows.hpp"

#include <array>
#include <charconv>

#include "store/record_text.hpp"
#include "store/row_text.hpp"

namespace hufu::store {
namespace {

constexpr std::array<std::string_view, 20> kTokenFields = {
    "revision",   "token",        "issuer",       "obtained_at",   "expires_at",
    "renew_at",   "displaced_at", "predecessors", "alive_at",      "marks",
    "trouble",    "budget",       "fence",        "holder",        "lease_until",
    "created_at", "updated_at",   "overlap",      "refresh_token", "refresh_token_expires_at"};
/// Their numbers.
struct At {
  enum : std::size_t {
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
    refresh_token_expires_at
  };
};

/// The last two were written before an app had settings and credentials, and are empty since.
constexpr std::array<std::string_view, 11> kAppFields = {
    "platform", "parent",     "settings",   "credentials", "keep",  "secret_login",
    "tag",      "created_at", "updated_at", "endpoint",    "secret"};
/// Their numbers.
struct AppAt {
  enum : std::size_t {
    platform,
    parent,
    settings,
    credentials,
    keep,
    secret_login,
    tag,
    created_at,
    updated_at,
    endpoint,
    secret
  };
};
constexpr std::array<std::string_view, 4> kApiKeyFields = {"hash", "apps", "rights", "created_at"};
constexpr std::array<std::string_view, 7> kNodeFields = {
    "host", "version", "listen", "started_at", "clock_ahead", "fenced", "seen_at"};

/// The fields of one hash, taken out one by one; remembers whether each made sense.
class Row {
 public:
  explicit Row(const net::RedisReply& reply) : fields_(reply.elements) {}

  [[nodiscard]] const std::string& text(std::size_t field) const {
    static const std::string kNone;
    return field < fields_.size() ? fields_[field].text : kNone;
  }
  /// Zero where it says nothing.
  std::int64_t integer(std::size_t field) {
    if (text(field).empty()) return 0;
    const auto number = number_in(text(field));
    if (!number) readable_ = false;
    return number.value_or(0);
  }
  WallTime time(std::size_t field) { return time_from(integer(field)); }
  std::optional<WallTime> optional_time(std::size_t field) {
    if (text(field).empty()) return std::nullopt;
    return time(field);
  }
  /// Takes what one of the `…_from` made of a field.
  template <class T>
  void take(std::optional<T> read, T& into) {
    if (read) {
      into = std::move(*read);
    } else {
      readable_ = false;
    }
  }
  [[nodiscard]] bool readable() const { return readable_; }

 private:
  const std::vector<net::RedisReply>& fields_;
  bool readable_ = true;
};

std::string text_of(WallTime time) { return std::to_string(millis(time)); }
std::string text_of(const std::optional<WallTime>& time) {
  return time ? std::to_string(millis(*time)) : std::string();
}

}  // namespace

std::optional<std::int64_t> number_in(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::span<const std::string_view> token_fields() { return kTokenFields; }
std::span<const std::string_view> app_fields() { return kAppFields; }
std::span<const std::string_view> api_key_fields() { return kApiKeyFields; }
std::span<const std::string_view> node_fields() { return kNodeFields; }

RedisTokenRow token_row(const net::RedisReply& reply) {
  RedisTokenRow found;
  Row row(reply);
  found.present = !row.text(At::created_at).empty();
  if (!found.present) return found;
  Record& record = found.record;
  record.revision = static_cast<std::uint64_t>(row.integer(At::revision));
  if (!row.text(At::token).empty()) {
    record.token = Token{Secret(std::string_view(row.text(At::token))), row.time(At::obtained_at),
                         row.time(At::expires_at), row.text(At::issuer)};
    if (!row.text(At::overlap).empty()) {
      record.token->overlap = Milliseconds(row.integer(At::overlap));
    }
  }
  record.refresh_token = Secret(std::string_view(row.text(At::refresh_token)));
  record.refresh_token_expires_at = row.optional_time(At::refresh_token_expires_at);
  record.renew_at = row.time(At::renew_at);
  record.displaced_at = row.optional_time(At::displaced_at);
  record.alive_at = row.optional_time(At::alive_at);
  record.created_at = row.time(At::created_at);
  record.updated_at = row.time(At::updated_at);
  row.take(fingerprints_from(row.text(At::predecessors)), record.predecessors);
  row.take(in_doubt_from(row.text(At::in_doubt)), record.in_doubt);
  row.take(budget_from(row.text(At::budget)), record.budget);
  if (!row.text(At::failure).empty()) {
    record.failure = failure_state_from(row.text(At::failure));
    if (!record.failure) found.readable = false;
  }
  found.lease = {static_cast<std::uint64_t>(row.integer(At::fence)), row.text(At::holder),
                 row.time(At::lease_until)};
  found.readable = found.readable && row.readable();
  return found;
}

RedisFields fields_of(const Record& record) {
  const bool has = record.token.has_value();
  std::string overlap;
  if (has && record.token->overlap) overlap = std::to_string(record.token->overlap->count());
  return {"revision",
          std::to_string(record.revision),
          "token",
          has ? std::string(record.token->value.reveal()) : "",
          "issuer",
          has ? record.token->issuer : "",
          "obtained_at",
          has ? text_of(record.token->obtained_at) : "",
          "expires_at",
          has ? text_of(record.token->expires_at) : "",
          "renew_at",
          text_of(record.renew_at),
          "displaced_at",
          text_of(record.displaced_at),
          "predecessors",
          store::text_of(record.predecessors),
          "alive_at",
          text_of(record.alive_at),
          "trouble",
          record.failure ? store::text_of(*record.failure) : "",
          "budget",
          store::text_of(record.budget),
          "overlap",
          std::move(overlap),
          "refresh_token",
          std::string(record.refresh_token.reveal()),
          "refresh_token_expires_at",
          text_of(record.refresh_token_expires_at)};
}

RedisAppRow app_row(const std::string& id, const net::RedisReply& reply, bool names_only) {
  RedisAppRow found;
  Row row(reply);
  found.present = !row.text(AppAt::platform).empty();
  if (!found.present) return found;
  AppRow& app = found.app;
  app.id = id;
  app.platform = row.text(AppAt::platform);
  app.parent = row.text(AppAt::parent);
  app.secret_login = row.text(AppAt::secret_login) == "1";
  app.created_at = row.time(AppAt::created_at);
  app.updated_at = row.time(AppAt::updated_at);
  row.take(settings_from(row.text(AppAt::settings)), app.settings);
  row.take(names_only ? credential_names_from(row.text(AppAt::credentials))
                      : credentials_from(row.text(AppAt::credentials)),
           app.credentials);
  row.take(texts_from(row.text(AppAt::keep)), app.keep);
  // Where these say something, an older program wrote the app last.
  if (const std::string& endpoint = row.text(AppAt::endpoint); !endpoint.empty()) {
    app.settings["endpoint"] = endpoint;
  }
  if (const std::string& secret = row.text(AppAt::secret); !secret.empty()) {
    app.credentials[std::string(kSecret)] =
        names_only ? Secret() : Secret(std::string_view(secret));
  }
  found.readable = copy_bytes(row.text(AppAt::tag), app.tag) && row.readable();
  return found;
}

RedisFields fields_of(const AppRow& app) {
  return {"platform",     app.platform,
          "parent",       app.parent,
          "settings",     store::text_of(app.settings),
          "credentials",  store::text_of(app.credentials),
          "keep",         store::text_of(app.keep),
          "secret_login", app.secret_login ? "1" : "0",
          "tag",          std::string(bytes_of(app.tag)),
          "endpoint",     "",
          "secret",       ""};
}

std::optional<ApiKeyRow> api_key_row(const std::string& name, const net::RedisReply& reply) {
  Row row(reply);
  ApiKeyRow key;
  key.name = name;
  auto apps = texts_from(row.text(1));
  if (!copy_bytes(row.text(0), key.hash) || !apps) return std::nullopt;
  key.apps = std::move(*apps);
  key.rights = rights_from(row.text(2));
  key.margin = margin_from(row.text(2));
  key.created_at = row.time(3);
  return key;
}

RedisFields fields_of(const ApiKeyRow& key) {
  return {"hash",   std::string(bytes_of(key.hash)), "apps", store::text_of(key.apps),
          "rights", store::rights_text_of(key)};
}

std::optional<NodeRow> node_row(const std::string& name, const net::RedisReply& reply) {
  Row row(reply);
  if (row.text(6).empty()) return std::nullopt;
  NodeRow node;
  node.name = name;
  node.host = row.text(0);
  node.version = row.text(1);
  node.listen = row.text(2);
  node.started_at = row.time(3);
  node.clock_ahead = Milliseconds(row.integer(4));
  node.fenced = static_cast<std::uint64_t>(row.integer(5));
  node.seen_at = row.time(6);
  return node;
}

RedisFields fields_of(const NodeRow& node) {
  return {"host",        node.host,
          "version",     node.version,
          "listen",      node.listen,
          "started_at",  text_of(node.started_at),
          "clock_ahead", std::to_string(node.clock_ahead.count()),
          "fenced",      std::to_string(node.fenced)};
}

}  // namespace hufu::store
