#include "cli/remote.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <optional>
#include <utility>

#include "config/address_rules.hpp"
#include "platform/wiping_memory.hpp"
#include "server/json.hpp"
#include "store/blocking.hpp"

namespace hufu::cli {
namespace {

namespace json = boost::json;

/// Longer than a server waits for the platform and for another node's lease.
constexpr std::chrono::seconds kPatience{60};
/// A status line of a million tokens is some hundred megabytes; no answer is longer.
constexpr std::size_t kLargestAnswer = 1024UL * 1024 * 1024;

std::string encoded(std::string_view text) {
  return boost::urls::encode(text, boost::urls::unreserved_chars);
}

std::string path_of_token(const Key& key, std::string_view verb) {
  return "/v1/apps/" + encoded(key.app) + "/token" + std::string(verb) +
         (key.kind.empty() ? "?" : "?kind=" + encoded(key.kind));
}

/// {"name":"value", …}, in one piece of memory, because a secret is in it.
class Body {
 public:
  /// `room` for what is secret in it, as it is written.
  explicit Body(std::size_t room) { text_.reserve(4096 + room); }
  Body& add(std::string_view name, std::string_view value) {
    open(name);
    server::append_string(text_, value);
    return *this;
  }
  Body& add(std::string_view name, bool value) {
    open(name);
    text_ += value ? "true" : "false";
    return *this;
  }
  Body& add(std::string_view name, const std::vector<std::string>& values) {
    open(name);
    char separator = '[';
    for (const std::string& value : values) {
      text_ += std::exchange(separator, ',');
      server::append_string(text_, value);
    }
    text_ += values.empty() ? "[]" : "]";
    return *this;
  }
  Secret take() {
    text_ += '}';
    return Secret(std::move(text_));
  }

 private:
  void open(std::string_view name) {
    text_ += text_.empty() ? '{' : ',';
    server::append_string(text_, name);
    text_ += ':';
  }
  std::string text_;
};

/// Wipes the bytes of a response, which may hold a token, when it goes.
struct Wiper {
  net::HttpResponse& response;
  ~Wiper() { wipe(response.body); }
};

// ---- Members of an answer; what is missing or of another type is empty.

std::string_view text(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

std::int64_t number(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

bool flag(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::vector<std::string> texts(const json::object& object, std::string_view name) {
  std::vector<std::string> found;
  const json::value* list = object.if_contains(name);
  if (list == nullptr || !list->is_array()) return found;
  for (const json::value& item : list->get_array()) {
    if (item.is_string()) found.emplace_back(std::string_view(item.get_string()));
  }
  return found;
}

/// RFC 3339 in UTC, whole seconds: what the server writes.
WallTime time(const json::object& object, std::string_view name) {
  const std::string written(text(object, name));
  int year = 0;
  unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (std::sscanf(written.c_str(), "%4d-%2u-%2uT%2u:%2u:%2uZ", &year, &month, &day, &hour, &minute,
                  &second) != 6) {
    return {};
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  if (!date.ok()) return {};
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

tl::unexpected<Error> not_hufu() {
  return fail(Fault::unreachable, "the server's answer cannot be read",
              "Check that HUFU_SERVER leads to a hufu server, base path included");
}

/// The answer as an object, in memory that is wiped when it goes.
Result<json::object> object_of(net::HttpResponse& response) {
  boost::system::error_code failure;
  json::value value =
      json::parse(response.body, failure, json::make_shared_resource<platform::WipingMemory>());
  if (failure || !value.is_object()) return not_hufu();
  return std::move(value.get_object());
}

Result<Grant> grant_from(const json::object& object) {
  Grant grant;
  grant.key = {std::string(text(object, "app")), std::string(text(object, "kind"))};
  grant.token = Secret(text(object, "token"));
  grant.expires_in = std::chrono::seconds(number(object, "expires_in"));
  grant.expires_at = time(object, "expires_at");
  grant.revision = static_cast<std::uint64_t>(number(object, "revision"));
  grant.fingerprint = Fingerprint::parse(text(object, "fingerprint")).value_or(Fingerprint{});
  grant.suspect = flag(object, "suspect");
  if (grant.token.empty()) return not_hufu();
  return grant;
}

keeper::AppInfo app_from(const json::object& object) {
  keeper::AppInfo info;
  info.id = text(object, "id");
  info.platform = text(object, "platform");
  info.parent = text(object, "parent");
  info.credentials = texts(object, "credentials");
  info.keep = texts(object, "keep");
  info.secret_login = flag(object, "secret_login");
  info.from_config = text(object, "origin") == "config";
  info.legacy_document = text(object, "legacy_document");
  info.legacy_collection = text(object, "legacy_collection");
  // What else is a text is a setting.
  constexpr std::array<std::string_view, 6> kOthers = {
      "id", "platform", "parent", "origin", "legacy_document", "legacy_collection"};
  for (const auto& [name, value] : object) {
    const std::string_view key(name.data(), name.size());
    if (value.is_string() && std::find(kOthers.begin(), kOthers.end(), key) == kOthers.end()) {
      info.settings.emplace(key, text(object, key));
    }
  }
  return info;
}

/// Reads the lower-case names of an enumeration back.
template <class Enum, std::size_t N>
std::optional<Enum> named(std::string_view name, const std::array<Enum, N>& all) {
  auto found = std::find_if(all.begin(), all.end(), [&](Enum one) { return name_of(one) == name; });
  if (found == all.end()) return std::nullopt;
  return *found;
}

constexpr std::array kFaults = {Fault::usage,        Fault::config,       Fault::unknown_app,
                                Fault::unknown_kind, Fault::refused,      Fault::unreachable,
                                Fault::store,        Fault::unauthorised, Fault::forbidden,
                                Fault::too_soon,     Fault::throttled,    Fault::internal};
constexpr std::array kStates = {TokenState::missing, TokenState::fresh, TokenState::stale,
                                TokenState::unusable};
constexpr std::array kOutcomes = {ReportOutcome::renewed,    ReportOutcome::already_newer,
                                  ReportOutcome::unknown,    ReportOutcome::alive,
                                  ReportOutcome::unverified, ReportOutcome::throttled};

/// The errcode of a problem, and of a failure.
std::optional<int> errcode_of(const json::object& object) {
  if (!object.contains("errcode")) return std::nullopt;
  return static_cast<int>(number(object, "errcode"));
}

TokenStatus status_from(const json::object& object) {
  TokenStatus status;
  status.key = {std::string(text(object, "app")), std::string(text(object, "kind"))};
  status.issuer = text(object, "issuer");
  status.state = named(text(object, "state"), kStates).value_or(TokenState::missing);
  status.revision = static_cast<std::uint64_t>(number(object, "revision"));
  status.fingerprint = Fingerprint::parse(text(object, "fingerprint"));
  status.expires_in = std::chrono::seconds(number(object, "expires_in"));
  status.obtained_at = time(object, "obtained_at");
  status.expires_at = time(object, "expires_at");
  status.renew_at = time(object, "renew_at");
  status.suspect = flag(object, "suspect");
  status.renewing = flag(object, "renewing");
  status.notice = text(object, "notice");
  const json::value* failure = object.if_contains("trouble");
  if (failure != nullptr && failure->is_object()) {
    const json::object& told = failure->get_object();
    FailureState& kept = status.failure.emplace();
    kept.error.fault = named(text(told, "code"), kFaults).value_or(Fault::internal);
    kept.error.message = text(told, "message");
    kept.error.next_step = text(told, "next_step");
    kept.error.errcode = errcode_of(told);
    kept.at = time(told, "at");
    kept.next_attempt_at = time(told, "next_attempt_at");
    kept.failures = static_cast<int>(number(told, "failures"));
  }
  return status;
}

/// The objects in a list; none where there is no such list.
std::vector<json::object> objects(const json::object& object, std::string_view name) {
  std::vector<json::object> found;
  const json::value* list = object.if_contains(name);
  if (list == nullptr || !list->is_array()) return found;
  for (const json::value& item : list->get_array()) {
    if (item.is_object()) found.push_back(item.get_object());
  }
  return found;
}

store::NodeRow node_from(const json::object& object) {
  store::NodeRow node;
  node.name = text(object, "name");
  node.host = text(object, "host");
  node.version = text(object, "version");
  node.listen = text(object, "listen");
  node.started_at = time(object, "started_at");
  node.seen_at = time(object, "seen_at");
  if (const json::value* ahead = object.if_contains("clock_ahead"); ahead && ahead->is_number()) {
    node.clock_ahead = Milliseconds(std::llround(ahead->to_number<double>() * 1000));
  }
  node.fenced = static_cast<std::uint64_t>(number(object, "fenced"));
  return node;
}

store::LeaseRow lease_from(const json::object& object) {
  return {{std::string(text(object, "app")), std::string(text(object, "kind"))},
          std::string(text(object, "holder")),
          static_cast<std::uint64_t>(number(object, "fence")),
          std::chrono::seconds(number(object, "remaining"))};
}

Fault fault_of(int status, bool errcode) {
  switch (status) {
    case 400: return Fault::usage;
    case 401: return Fault::unauthorised;
    case 403: return Fault::forbidden;
    case 404: return Fault::unknown_app;
    case 409: return Fault::too_soon;
    case 429: return Fault::throttled;
    default: return errcode ? Fault::refused : Fault::unreachable;
  }
}

}  // namespace

Error error_from(const net::HttpResponse& response) {
  boost::system::error_code failure;
  const json::value value = json::parse(response.body, failure);
  const bool problem = !failure && value.is_object() && value.get_object().contains("code");
  Error error;
  if (!problem) {
    error.fault = response.status == 404 ? Fault::config : fault_of(response.status, false);
    error.message = "the server answered HTTP " + std::to_string(response.status) +
                    ", and not as a hufu server does";
    error.next_step = "Check that HUFU_SERVER leads to a hufu server, base path included";
    return error;
  }
  const json::object& told = value.get_object();
  error.errcode = errcode_of(told);
  error.fault = named(text(told, "code"), kFaults)
                    .value_or(fault_of(response.status, error.errcode.has_value()));
  error.message = text(told, "detail");
  error.next_step = text(told, "next_step");
  int seconds = 0;
  const char* end = response.retry_after.data() + response.retry_after.size();
  if (std::from_chars(response.retry_after.data(), end, seconds).ec == std::errc() && seconds > 0) {
    error.retry_after = std::chrono::seconds(seconds);
  }
  return error;
}

Result<net::HttpResponse> Remote::ask(std::string method, std::string_view path, Secret body) {
  net::HttpRequest request;
  request.method = std::move(method);
  request.url = Secret(server_.url + std::string(path));
  if (!body.empty()) request.content_type = "application/json";
  request.body = std::move(body);
  request.authorization = server_.key.clone();
  request.timeout = kPatience;
  request.largest_body = kLargestAnswer;
  auto outcome = store::await<net::HttpOutcome>(
      [&](auto done) { client_.send(std::move(request), std::move(done)); });
  if (!outcome) {
    return fail(Fault::unreachable,
                "the server " + server_.url + " does not answer: " + outcome.error().message,
                "Check that it runs, and the address in HUFU_SERVER");
  }
  if (outcome->status >= 200 && outcome->status < 300) return std::move(*outcome);
  Wiper wiper{*outcome};
  return tl::unexpected(error_from(*outcome));
}

// ---- Tokens

Result<Grant> Remote::get(const Key& key, std::chrono::seconds min_ttl) {
  std::string path = path_of_token(key, "");
  if (min_ttl.count() > 0) path += "&min_ttl=" + std::to_string(min_ttl.count());
  auto response = ask("GET", path);
  if (!response) return tl::unexpected(response.error());
  Wiper wiper{*response};
  auto object = object_of(*response);
  if (!object) return tl::unexpected(object.error());
  return grant_from(*object);
}

Result<Report> Remote::report(const Key& key, const Secret& refused) {
  Secret body = Body(6 * refused.size()).add("token", refused.reveal()).take();
  auto response = ask("POST", path_of_token(key, "/report"), std::move(body));
  if (!response) return tl::unexpected(response.error());
  Wiper wiper{*response};
  auto object = object_of(*response);
  if (!object) return tl::unexpected(object.error());
  auto outcome = named(text(*object, "outcome"), kOutcomes);
  if (!outcome) return not_hufu();
  auto grant = grant_from(*object);
  if (!grant) return tl::unexpected(grant.error());
  return Report{*outcome, std::move(*grant)};
}

Result<keeper::Refreshed> Remote::refresh(const Key& key) {
  auto response = ask("POST", path_of_token(key, "/refresh"));
  if (!response) return tl::unexpected(response.error());
  Wiper wiper{*response};
  auto object = object_of(*response);
  if (!object) return tl::unexpected(object.error());
  auto grant = grant_from(*object);
  if (!grant) return tl::unexpected(grant.error());
  keeper::Refreshed refreshed{std::move(*grant), std::nullopt};
  if (object->contains("older_work_until")) {
    refreshed.older_work_until = time(*object, "older_work_until");
  }
  return refreshed;
}

Result<keeper::Status> Remote::status() {
  auto status = status_page({});
  std::string after = status ? status->page.next : std::string();
  while (status && !after.empty()) {
    auto more = status_page(after);
    if (!more) return more;
    if (more->page.next == after) return not_hufu();  // It would never end.
    after = std::move(more->page.next);
    std::move(more->page.tokens.begin(), more->page.tokens.end(),
              std::back_inserter(status->page.tokens));
  }
  return status;
}

Result<keeper::Status> Remote::status_page(const std::string& after) {
  auto response = ask("GET", "/v1/status?limit=1000" +
                                 (after.empty() ? std::string() : "&after=" + encoded(after)));
  if (!response) return tl::unexpected(response.error());
  auto object = object_of(*response);
  if (!object) return tl::unexpected(object.error());
  const json::value* tokens = object->if_contains("tokens");
  if (tokens == nullptr || !tokens->is_array()) return not_hufu();
  keeper::Status status;
  for (const json::value& token : tokens->get_array()) {
    if (!token.is_object()) return not_hufu();
    status.page.tokens.push_back(status_from(token.get_object()));
  }
  status.page.next = text(*object, "next");
  if (const json::value* counts = object->if_contains("counts"); counts && counts->is_object()) {
    const json::object& told = counts->get_object();
    const auto count = [&](std::string_view name) {
      return static_cast<std::uint64_t>(number(told, name));
    };
    status.page.counts = {count("fresh"), count("stale"), count("unusable"), count("missing"),
                          count("failing")};
  }
  // A server from before this was said is taken to be well.
  status.store_ok = object->if_contains("store_usable") == nullptr || flag(*object, "store_usable");
  status.cluster.now = time(*object, "now");
  for (const json::object& node : objects(*object, "nodes")) {
    status.cluster.nodes.push_back(node_from(node));
  }
  for (const json::object& lease : objects(*object, "leases")) {
    status.cluster.leases.push_back(lease_from(lease));
  }
  return status;
}

// ---- Apps

Result<std::vector<keeper::AppInfo>> Remote::apps() {
  std::vector<keeper::AppInfo> all;
  std::string after;
  do {
    auto response = ask("GET", "/v1/apps" + (after.empty() ? "" : "?after=" + encoded(after)));
    if (!response) return tl::unexpected(response.error());
    auto object = object_of(*response);
    if (!object) return tl::unexpected(object.error());
    const json::value* page = object->if_contains("apps");
    if (page == nullptr || !page->is_array()) return not_hufu();
    for (const json::value& app : page->get_array()) {
      if (!app.is_object()) return not_hufu();
      all.push_back(app_from(app.get_object()));
    }
    const std::string next(text(*object, "next"));
    if (!next.empty() && next <= after) return not_hufu();  // It would never end.
    after = next;
  } while (!after.empty());
  return all;
}

Result<keeper::AppInfo> Remote::app(const std::string& id) {
  auto response = ask("GET", "/v1/apps/" + encoded(id));
  if (!response) return tl::unexpected(response.error());
  auto object = object_of(*response);
  if (!object) return tl::unexpected(object.error());
  return app_from(*object);
}

Result<bool> Remote::put_app(AppConfig app) {
  if (config::leaves_in_the_clear(server_.url)) {
    return fail(Fault::usage, "the secret would travel to the server in the clear",
                "Use https://, or run this on the server itself");
  }
  std::size_t room = 0;
  for (const auto& [name, secret] : app.credentials) room += name.size() + 6 * secret.size();
  Body body(room);
  body.add("platform", std::string_view(app.platform)).add("secret_login", app.secret_login);
  for (const auto& [name, text] : app.settings) body.add(name, std::string_view(text));
  for (const auto& [name, secret] : app.credentials) body.add(name, secret.reveal());
  if (!app.parent.empty()) body.add("parent", std::string_view(app.parent));
  if (!app.keep.empty()) body.add("keep", app.keep);
  if (!app.legacy_document.empty()) {
    body.add("legacy_document", std::string_view(app.legacy_document))
        .add("legacy_collection", std::string_view(app.legacy_collection));
  }
  auto response = ask("PUT", "/v1/apps/" + encoded(app.id), body.take());
  if (!response) return tl::unexpected(response.error());
  return response->status != 201;
}

Result<void> Remote::remove_app(const std::string& id) {
  auto response = ask("DELETE", "/v1/apps/" + encoded(id));
  if (!response) return tl::unexpected(response.error());
  return {};
}

Result<Trial> Remote::try_app(const std::string& id) {
  const Key key{id, {}};
  auto grant = get(key, std::chrono::seconds(0));
  if (!grant) return tl::unexpected(grant.error());
  auto judged = report(key, grant->token);
  if (!judged) return tl::unexpected(judged.error());
  if (judged->outcome == ReportOutcome::alive) return Trial::alive;
  if (judged->outcome != ReportOutcome::throttled) return Trial::renewed;
  return fail(Fault::throttled, "the server cannot tell now whether the token of " + id + " works",
              "See what it says of it: hufu status");
}

Result<std::vector<std::string>> Remote::first_apps() {
  auto known = status();
  if (!known) return tl::unexpected(known.error());
  std::vector<std::string> ids;
  for (TokenStatus& token : known->page.tokens) {
    if (std::find(ids.begin(), ids.end(), token.key.app) == ids.end()) {
      ids.push_back(std::move(token.key.app));
    }
    if (ids.size() == 3) break;
  }
  return ids;
}

}  // namespace hufu::cli
