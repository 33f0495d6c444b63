#include "server/v1_routes.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/json.hpp"
#include "server/problem.hpp"
#include "server/query.hpp"

namespace hufu::server {
namespace {

using std::chrono::seconds;

constexpr seconds kLongestWait{60};
constexpr std::size_t kLongestName = 128;  // Of an app and of a kind.
constexpr std::size_t kLongestToken = 4096;
constexpr std::int64_t kMostAppsAPage = 1000;

void reply_usage(const Answer& answer, std::string message, std::string next_step = {}) {
  reply_problem(answer, 400, {Fault::usage, std::move(message), std::move(next_step), {}, {}});
}

/// Plain ASCII of 1 to 128 characters, none of them a space.
bool is_name(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kLongestName &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

/// The highest revision that If-None-Match names ("3", W/"3", a list); empty without one.
std::optional<std::uint64_t> seen_revision(const net::Request& request) noexcept {
  std::string_view rest = request.header("If-None-Match");
  std::optional<std::uint64_t> highest;
  for (auto quote = rest.find('"'); quote != std::string_view::npos; quote = rest.find('"')) {
    rest.remove_prefix(quote + 1);
    std::size_t end = rest.find('"');
    if (end == std::string_view::npos) break;
    std::uint64_t revision = 0;
    auto [stop, error] = std::from_chars(rest.data(), rest.data() + end, revision);
    if (error == std::errc() && stop == rest.data() + end && end > 0) {
      highest = std::max(highest.value_or(0), revision);
    }
    rest.remove_prefix(end + 1);
  }
  return highest;
}

/// Two texts a thread, so that the hot path finds them warm.
struct Scratch {
  std::string headers;
  std::string body;
};
Scratch& scratch() {
  thread_local Scratch texts;
  texts.headers.clear();
  texts.body.clear();
  return texts;
}

std::string_view token_headers(std::string& out, std::uint64_t revision) {
  out += "ETag: \"";
  append_number(out, static_cast<std::int64_t>(revision));
  out += "\"\r\nCache-Control: no-store\r\n";
  return out;
}

void reply_not_modified(const Answer& answer, std::uint64_t revision) {
  answer.reply({304, {}, token_headers(scratch().headers, revision), {}});
}

/// The object itself, or 304 to whom has seen it.
void reply_token(const Answer& answer, const Grant& grant,
                 std::optional<std::uint64_t> seen = std::nullopt) {
  if (seen == grant.revision) return reply_not_modified(answer, grant.revision);
  Scratch& texts = scratch();
  append_json(texts.body, grant);
  answer.reply({200, "application/json", token_headers(texts.headers, grant.revision), texts.body});
}

/// A token as it was asked for; a plain value that a callback can keep.
struct Wanted {
  Key key;
  seconds min_ttl{};
  std::optional<std::uint64_t> seen;
  seconds wait{};
};

void get_and_reply(const LaterAnswer& answer, const Wanted& wanted) {
  answer.services().keeper.get(wanted.key, wanted.min_ttl,
                               [answer, seen = wanted.seen](Result<Grant> grant) {
                                 if (!grant) return reply_error(answer, grant.error());
                                 reply_token(answer, *grant, seen);
                               });
}

/// Nothing has changed while somebody waited: 304, unless what he has seen has died meanwhile.
void reply_after_waiting_in_vain(const LaterAnswer& answer, const Wanted& wanted) {
  std::uint64_t revision = 0;
  bool usable = answer.services().keeper.read(
      wanted.key.app, wanted.key.kind, 0,
      [&revision](const keeper::TokenView& view) { revision = view.revision; });
  if (usable && revision == wanted.seen) return reply_not_modified(answer, revision);
  get_and_reply(answer, wanted);
}

void wait_and_reply(const LaterAnswer& answer, Wanted wanted) {
  keeper::AsyncKeeper& keeper = answer.services().keeper;
  Key key = wanted.key;
  std::uint64_t seen = *wanted.seen;
  Milliseconds patience = wanted.wait;
  keeper.wait(std::move(key), seen, patience,
              [answer, wanted = std::move(wanted)](Result<std::optional<Grant>> grant) {
                if (!grant) return reply_error(answer, grant.error());
                if (!*grant) return reply_after_waiting_in_vain(answer, wanted);
                reply_token(answer, **grant);
              });
}

/// The kind that the query names; empty, and answered, where that is no kind at all.
std::string_view kind_or_reply(const Call& call, const Value& kind) {
  if (!kind.present()) return kAccessToken;
  if (is_name(kind.text())) return kind.text();
  reply_usage(call, "kind is the name of a kind of token", "For example kind=access_token");
  return {};
}

/// The body as an object of known members; empty, and answered, where it is something else.
std::optional<boost::json::object> object_or_reply(
    const Call& call, std::initializer_list<std::string_view> members) {
  boost::system::error_code error;
  boost::json::value body = boost::json::parse(call.request().body, error);
  if (error || !body.is_object()) {
    reply_usage(call, "The body is not a JSON object");
    return std::nullopt;
  }
  std::string unknown;
  for (const auto& member : body.get_object()) {
    std::string_view name(member.key().data(), member.key().size());
    if (std::find(members.begin(), members.end(), name) != members.end()) continue;
    if (!unknown.empty()) unknown += ", ";
    unknown += name.substr(0, 64);
  }
  if (unknown.empty()) return std::move(body.get_object());
  std::string known;
  for (std::string_view name : members) known += (known.empty() ? "" : ", ") + std::string(name);
  reply_usage(call, "Unknown in the body: " + unknown, "Known are: " + known);
  return std::nullopt;
}

std::optional<std::string_view> text_member(const boost::json::object& object,
                                            std::string_view name) {
  const boost::json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string_view(value->get_string().data(), value->get_string().size());
}

/// What a report names; empty, and answered, where it names nothing or both.
std::optional<keeper::Refused> refused_or_reply(const Call& call) {
  std::optional<boost::json::object> body = object_or_reply(call, {"token", "fingerprint"});
  if (!body) return std::nullopt;
  if (body->size() == 1) {
    if (auto token = text_member(*body, "token");
        token && !token->empty() && token->size() <= kLongestToken) {
      return Secret(*token);
    }
    auto text = text_member(*body, "fingerprint");
    if (auto fingerprint = text ? Fingerprint::parse(*text) : std::nullopt) return *fingerprint;
  }
  reply_usage(call, "A report names the refused token, or its fingerprint of 8 hex characters",
              R"(Send {"token":"…"} or {"fingerprint":"…"})");
  return std::nullopt;
}

void reply_app(const Answer& answer, int status, const keeper::AppInfo& app) {
  answer.reply({status, "application/json", {}, to_json(app)});
}

/// Whether the app is one that nobody may change over HTTP; answered then.
bool replied_from_config(const Call& call) {
  std::optional<keeper::AppInfo> app = call.services().keeper.app(call.app());
  if (!app || !app->from_config) return false;
  reply_problem(call, 409,
                {Fault::usage,
                 "This app is in the config file or the environment",
                 "Change it there",
                 {},
                 {}});
  return true;
}

std::string_view without_white_space(std::string_view text) noexcept {
  constexpr std::string_view kWhite = " \t\r\n";
  std::size_t first = text.find_first_not_of(kWhite);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhite) - first + 1);
}

/// The app that a PUT describes; empty, and answered, where it describes none.
std::optional<AppConfig> app_or_reply(const Call& call) {
  std::optional<boost::json::object> body =
      object_or_reply(call, {"id", "platform", "endpoint", "secret", "secret_login",
                             "legacy_document", "legacy_collection", "sink"});
  if (!body) return std::nullopt;
  if (body->contains("sink")) {
    reply_usage(call, "an app in the store has no sinks", "Put it into the configuration file");
    return std::nullopt;
  }
  AppConfig app;
  app.id = call.app();
  std::string endpoint;
  for (auto [name, target] :
       {std::pair("platform", &app.platform), std::pair("endpoint", &endpoint)}) {
    if (!body->contains(name)) continue;
    auto text = text_member(*body, name);
    if (!text || !is_name(*text)) {
      reply_usage(call, std::string(name) + " is a name");
      return std::nullopt;
    }
    *target = *text;
  }
  if (!endpoint.empty()) app.settings["endpoint"] = std::move(endpoint);
  for (auto [name, target] : {std::pair("legacy_document", &app.legacy_document),
                              std::pair("legacy_collection", &app.legacy_collection)}) {
    if (!body->contains(name)) continue;
    auto text = text_member(*body, name);
    if (!text || text->size() > 120) {
      reply_usage(call, std::string(name) + " is a name");
      return std::nullopt;
    }
    *target = *text;
  }
  if (body->contains("id") && text_member(*body, "id") != call.app()) {
    reply_usage(call, "id is another one than in the path", "Leave it out");
    return std::nullopt;
  }
  if (const boost::json::value* login = body->if_contains("secret_login")) {
    if (!login->is_bool()) {
      reply_usage(call, "secret_login is true or false");
      return std::nullopt;
    }
    app.secret_login = login->get_bool();
  }
  Secret secret(without_white_space(text_member(*body, "secret").value_or("")));
  // Left out of a change, the old secret stays; a new app has none.
  bool may_be_left_out = call.services().keeper.knows(app.id) && !body->contains("secret");
  if (secret.empty() && !may_be_left_out) {
    reply_usage(call, "secret is the app's secret, as text");
    return std::nullopt;
  }
  if (!secret.empty()) app.credentials.emplace(kSecret, std::move(secret));
  return app;
}

/// A failure to change an app: what cannot be configured is the caller's to mend.
void reply_change_error(const Answer& answer, const Error& error) {
  reply_problem(answer, error.fault == Fault::config ? 400 : status_of(error.fault), error);
}

}  // namespace

void get_token(const Call& call) {
  const net::Request& request = call.request();
  Value kind_value(request.query, "kind");
  std::string_view kind = kind_or_reply(call, kind_value);
  if (kind.empty()) return;
  Value min_ttl_value(request.query, "min_ttl");
  Value wait_value(request.query, "wait");
  std::int64_t min_ttl = min_ttl_value.number().value_or(0);
  std::int64_t wait = wait_value.number().value_or(0);
  if ((min_ttl_value.present() && !min_ttl_value.number()) ||
      (wait_value.present() && !wait_value.number())) {
    return reply_usage(call, "min_ttl and wait are whole numbers of seconds");
  }
  std::optional<std::uint64_t> seen = seen_revision(request);

  Scratch& texts = scratch();
  std::uint64_t revision = 0;
  bool there =
      call.services().keeper.read(call.app(), kind, min_ttl, [&](const keeper::TokenView& view) {
        revision = view.revision;
        append_json(texts.body, call.app(), kind, view);
      });
  bool unchanged = there && seen == revision;
  if (there && !unchanged) {
    return call.reply(
        {200, "application/json", token_headers(texts.headers, revision), texts.body});
  }
  if (unchanged && wait == 0) return reply_not_modified(call, revision);

  Wanted wanted{Key{std::string(call.app()), std::string(kind)}, seconds(min_ttl), seen,
                std::min(seconds(wait), kLongestWait)};
  if (seen && wait > 0) return wait_and_reply(call.later(), std::move(wanted));
  get_and_reply(call.later(), wanted);
}

void report_token(const Call& call) {
  Value kind_value(call.request().query, "kind");
  std::string_view kind = kind_or_reply(call, kind_value);
  if (kind.empty()) return;
  std::optional<keeper::Refused> refused = refused_or_reply(call);
  if (!refused) return;
  call.services().keeper.report(
      Key{std::string(call.app()), std::string(kind)}, *std::move(refused),
      [answer = call.later()](Result<Report> report) {
        if (!report) return reply_error(answer, report.error());
        Scratch& texts = scratch();
        append_json(texts.body, *report);
        answer.reply({200, "application/json", token_headers(texts.headers, report->grant.revision),
                      texts.body});
      });
}

void refresh_token(const Call& call) {
  Value kind_value(call.request().query, "kind");
  std::string_view kind = kind_or_reply(call, kind_value);
  if (kind.empty()) return;
  call.services().keeper.refresh(Key{std::string(call.app()), std::string(kind)},
                                 [answer = call.later()](Result<Grant> grant) {
                                   if (grant) return reply_token(answer, *grant);
                                   switch (grant.error().fault) {
                                     case Fault::too_soon:
                                       return reply_problem(answer, 409, grant.error());
                                     case Fault::throttled:
                                       return reply_problem(answer, 429, grant.error());
                                     default: return reply_error(answer, grant.error());
                                   }
                                 });
}

void list_apps(const Call& call) {
  Value after_value(call.request().query, "after");
  Value limit_value(call.request().query, "limit");
  std::int64_t limit = limit_value.number().value_or(kMostAppsAPage);
  if (after_value.broken() || limit < 1 || (limit_value.present() && !limit_value.number())) {
    return reply_usage(call, "after is the id of an app, and limit a number above 0");
  }
  auto page = static_cast<std::size_t>(std::min(limit, kMostAppsAPage));
  std::string after(after_value.text());

  // One more than fits: how it is known whether there are more.
  std::vector<keeper::AppInfo> apps;
  std::optional<Caller> caller = call.services().keys.find(bearer_key(call.request()));
  if (!caller) return reply_unauthenticated(call);  // Revoked this very moment.
  if (caller->sees_all()) {
    apps = call.services().keeper.apps(after, page + 1);
  } else {
    for (const std::string& id : caller->apps) {
      if (id <= after || apps.size() > page) continue;
      if (auto app = call.services().keeper.app(id)) apps.push_back(*std::move(app));
    }
  }

  std::string body = R"({"apps":[)";
  for (std::size_t i = 0; i < std::min(apps.size(), page); ++i) {
    if (i > 0) body += ',';
    append_json(body, apps[i]);
  }
  body += ']';
  if (apps.size() > page) {
    body += R"(,"next":)";
    append_string(body, apps[page - 1].id);
  }
  body += '}';
  call.reply({200, "application/json", {}, body});
}

void get_app(const Call& call) {
  std::optional<keeper::AppInfo> app = call.services().keeper.app(call.app());
  if (!app) return reply_error(call, unknown_app());
  reply_app(call, 200, *app);
}

void put_app(const Call& call) {
  if (!is_name(call.app())) {
    return reply_usage(call, "The id of an app is 1 to 128 characters of plain ASCII");
  }
  if (replied_from_config(call)) return;
  std::optional<AppConfig> app = app_or_reply(call);
  if (!app) return;
  int status = call.services().keeper.knows(call.app()) ? 200 : 201;
  call.services().keeper.put_app(*std::move(app),
                                 [answer = call.later(), status](Result<keeper::AppInfo> stored) {
                                   if (!stored) return reply_change_error(answer, stored.error());
                                   reply_app(answer, status, *stored);
                                 });
}

void delete_app(const Call& call) {
  if (replied_from_config(call)) return;
  call.services().keeper.remove_app(std::string(call.app()),
                                    [answer = call.later()](Result<bool> removed) {
                                      if (!removed)
                                        return reply_change_error(answer, removed.error());
                                      if (!*removed) return reply_error(answer, unknown_app());
                                      answer.reply({204, {}, {}, {}});
                                    });
}

void get_status(const Call& call) {
  std::optional<Caller> caller = call.services().keys.find(bearer_key(call.request()));
  if (!caller) return reply_unauthenticated(call);  // Revoked this very moment.
  call.services().keeper.status([answer = call.later(), caller = *std::move(caller)](
                                    Result<std::vector<TokenStatus>> tokens) {
    if (!tokens) return reply_error(answer, tokens.error());
    std::erase_if(*tokens, [&](const TokenStatus& token) { return !caller.sees(token.key.app); });
    auto status = std::make_shared<keeper::Status>();
    status->tokens = std::move(*tokens);
    answer.services().keeper.cluster([answer, caller, status](Result<store::ClusterView> cluster) {
      // Where the store is out, the tokens are still worth showing.
      status->store_ok = answer.services().keeper.health().store_ok;
      status->cluster.now = answer.services().clock.wall();
      if (cluster) status->cluster = std::move(*cluster);
      if (!caller.sees_all()) status->cluster.nodes.clear();
      std::erase_if(status->cluster.leases,
                    [&](const store::LeaseRow& lease) { return !caller.sees(lease.key.app); });
      answer.reply({200, "application/json", {}, to_json(*status)});
    });
  });
}

}  // namespace hufu::server
