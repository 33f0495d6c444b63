#include "server/drop_in_routes.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "platform/wiping_memory.hpp"
#include "server/drop_in.hpp"
#include "server/json.hpp"
#include "server/query.hpp"
#include "server/route_table.hpp"
#include "server/scratch.hpp"

namespace hufu::server {
namespace {

using platform::DropInFailures;
using platform::DropInRoute;
using std::chrono::seconds;
using Place = ReplyTemplate::Place;

constexpr std::string_view kNoStore = "Cache-Control: no-store\r\n";
/// Longer ones are unknown without a look.
constexpr std::size_t kLongestId = 128;
/// How long somebody who asks again waits for the token to be checked.
constexpr Milliseconds kCheckPatience = std::chrono::seconds(1);
constexpr seconds kLargestMargin = std::chrono::hours(1);

// ---- Answers

/// "6aac005a-01bfdbee-79769285": Unix seconds and 64 bits that tell answers apart, in hex.
void append_rid(std::string& out, WallTime now) {
  static std::atomic<std::uint64_t> count{0};
  static constexpr char kDigits[] = "0123456789abcdef";
  auto milliseconds = static_cast<std::uint64_t>(now.time_since_epoch().count());
  std::uint64_t time = milliseconds / 1000;
  std::uint64_t bits = (milliseconds << 20 ^ ++count) * 0x9e3779b97f4a7c15U;
  for (int shift = 28; shift >= 0; shift -= 4) out += kDigits[(time >> shift) & 0xf];
  for (int shift = 60; shift >= 0; shift -= 4) {
    if (shift % 32 == 28) out += '-';
    out += kDigits[(bits >> shift) & 0xf];
  }
}

/// Says no with one of the codes of DropInFailures; an empty one is `busy`.
void reply_failure(const Answer& answer, Services& services, const DropInDialect& dialect,
                   std::string_view code, std::string_view message) {
  const DropInFailures& failures = dialect.failures;
  if (code.empty()) code = failures.busy;
  services.metrics.drop_in_error(code);
  std::string body;
  dialect.body.append(body, [&](Place place) {
    switch (place) {
      case Place::code: body += code; break;
      case Place::message: append_characters(body, message); break;
      case Place::rid: append_rid(body, services.clock.wall()); break;
      case Place::token:
      case Place::lifetime: break;
    }
  });
  const int status = code == failures.busy ? failures.busy_status : failures.status;
  answer.reply({status, failures.content_type, kNoStore, body});
}

/// What a failure to bring a token is called in the platform's own codes.
std::string code_of(const Error& error, const DropInKind& kind) {
  const DropInFailures& failures = kind.dialect->failures;
  switch (error.fault) {
    case Fault::unknown_app:
    case Fault::unknown_kind: return failures.unknown_app;
    case Fault::unauthorised:
    case Fault::forbidden: return failures.wrong_secret;
    default: break;
  }
  if (!error.errcode) return failures.busy;
  const auto other = kind.passed_on_as.find(*error.errcode);
  std::string code =
      std::to_string(other == kind.passed_on_as.end() ? *error.errcode : other->second);
  const auto& never = failures.never;
  return std::find(never.begin(), never.end(), code) == never.end() ? code : failures.busy;
}

void reply_error(const Answer& answer, Services& services, const DropInKind& kind,
                 const Error& error) {
  const std::string code = code_of(error, kind);
  std::string message =
      code == kind.dialect->failures.busy ? "system error: " + error.message : error.message;
  if (!error.next_step.empty()) message += "; " + error.next_step;
  reply_failure(answer, services, *kind.dialect, code, message);
}

/// Waits for the store to be read, or says that it is not.
void wait_for_start(const Call& call, const DropInDialect& dialect) {
  if (call.handle_when_started()) return;
  reply_failure(call, call.services(), dialect, {},
                "system error: the store is still being read after the start, ask again in a "
                "second");
}

void append_success(std::string& out, const DropInKind& kind, std::string_view token,
                    std::int64_t expires_in, seconds margin) {
  kind.success.append(out, [&](Place place) {
    if (place == Place::token) append_characters(out, token);
    if (place == Place::lifetime) append_number(out, expires_in + margin.count());
  });
}

void reply_success(const Answer& answer, const DropInKind& kind, const std::string& body) {
  answer.reply({200, kind.dialect->failures.content_type, kNoStore, body});
}

void reply_grant(const Answer& answer, const DropInKind& kind, const Grant& grant, seconds margin) {
  Scratch body;
  append_success(body.text(), kind, grant.token.reveal(), grant.expires_in.count(), margin);
  reply_success(answer, kind, body.text());
}

/// Answers when the keeper has brought a token, or failed to. The kind lives as long as the
/// answer's services.
auto when_there(LaterAnswer answer, const DropInKind& kind, seconds margin) {
  return [answer = std::move(answer), &kind, margin](Result<Grant> grant) {
    if (!grant) return reply_error(answer, answer.services(), kind, grant.error());
    reply_grant(answer, kind, *grant, margin);
  };
}

// ---- Parameters

/// In place of a parameter that was sent, but cannot be read: equal to nothing.
constexpr std::string_view kBroken = "\xff";
constexpr std::string_view kGrantType = "grant_type";

std::string_view shown(const Value& value) noexcept {
  return value.broken() ? kBroken : value.text();
}

/// A JSON object in a body, read into memory that is wiped.
class JsonBody {
 public:
  explicit JsonBody(std::string_view body) : value_(boost::json::parse(body, error_, &memory_)) {}
  /// A member as a parameter: a string as it is, another type as broken. Empty where the body is no
  /// object: then it has no parameters.
  [[nodiscard]] std::string_view member(std::string_view name) const noexcept {
    const boost::json::value* value = find(name);
    if (value == nullptr || value->is_null()) return {};
    const boost::json::string* text = value->if_string();
    return text != nullptr ? std::string_view(text->data(), text->size()) : kBroken;
  }
  [[nodiscard]] bool is_true(std::string_view name) const noexcept {
    const boost::json::value* value = find(name);
    return value != nullptr && value->is_bool() && value->get_bool();
  }

 private:
  [[nodiscard]] const boost::json::value* find(std::string_view name) const noexcept {
    const boost::json::object* object = value_.if_object();
    return object == nullptr ? nullptr : object->if_contains(name);
  }

  platform::WipingMemory memory_;  // Before the value that lives in it.
  boost::system::error_code error_;
  boost::json::value value_;  ///< Null where the body is no JSON.
};

/// What a token is asked for with, wherever it stands in the request. A view is empty where the
/// parameter is missing.
class Credentials {
 public:
  Credentials(const net::Request& request, const DropInRoute& route) : route_(route) {
    using Parameters = DropInRoute::Parameters;
    const bool in_query = route.parameters != Parameters::json &&
                          (request.method != "POST" || Value(request.query, route.id).present());
    const bool json =
        !in_query && (route.parameters == Parameters::json ||
                      (route.parameters == Parameters::anywhere && is_object(request.body)));
    if (json) {
      json_.emplace(request.body);
      id = json_->member(route.id);
      secret = json_->member(route.secret);
      grant_type = json_->member(kGrantType);
      forced = !route.force.empty() && json_->is_true(route.force);
    } else {
      const std::string_view source = in_query ? request.query : request.body;
      id = shown(id_.emplace(source, route.id));
      secret = shown(secret_.emplace(source, route.secret));
      grant_type = shown(grant_type_.emplace(source, kGrantType));
    }
  }

  [[nodiscard]] bool has_grant_type() const noexcept {
    return route_.grant_type.empty() || same_but_case(grant_type, route_.grant_type);
  }
  [[nodiscard]] bool are_complete() const noexcept {
    return !id.empty() && id.size() <= kLongestId && !secret.empty() && has_grant_type();
  }

  std::string_view id;
  std::string_view secret;
  std::string_view grant_type;
  bool forced = false;

 private:
  static bool is_object(std::string_view body) noexcept {
    const std::size_t first = body.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && body[first] == '{';
  }

  const DropInRoute& route_;
  std::optional<JsonBody> json_;
  std::optional<Value> id_;
  std::optional<Value> secret_;
  std::optional<Value> grant_type_;
};

/// What the query adds to `expires_in`, or the key does; nothing, and answered, where that is more
/// than can be asked for.
std::optional<seconds> margin_or_reply(const Call& call, const DropInDialect& dialect,
                                       seconds of_key) {
  const Value value(call.request().query, "margin");
  if (!value.present()) return of_key;
  const auto margin = value.number();
  if (margin && *margin <= kLargestMargin.count()) return seconds(*margin);
  reply_failure(call, call.services(), dialect, dialect.failures.wrong_parameter,
                "invalid parameter: margin is a whole number of seconds from 0 to 3600");
  return std::nullopt;
}

// ---- Which app

/// The id of an app, on the stack.
class AppId {  // NOLINT(*-member-init): its text is not cleared, as most is never touched.
 public:
  void set(std::string_view id) noexcept {
    size_ = id.size() <= text_.size() ? id.copy(text_.data(), text_.size()) : 0;
  }
  [[nodiscard]] std::string_view view() const noexcept { return {text_.data(), size_}; }

 private:
  std::array<char, kLongestId> text_;
  std::size_t size_ = 0;
};

/// Whether the parameters say what tells the kind from others on its path.
bool fits(const DropInKind& kind, std::string_view parameters) {
  return std::all_of(kind.route.query.begin(), kind.route.query.end(), [&](const auto& wanted) {
    return shown(Value(parameters, wanted.first)) == wanted.second;
  });
}

/// The kind that the path serves for apps of a platform; null if there is none.
const DropInKind* kind_for(const DropInPath& path, std::string_view platform) noexcept {
  for (const DropInKind& kind : path.kinds) {
    if (kind.platform == platform) return &kind;
  }
  return nullptr;
}

/// Who was found for credentials: an app, and whether they open it.
struct Found {
  const DropInKind* kind = nullptr;  ///< Null: no app of this path is named so.
  /// Its id, which stands in the request or in this list.
  std::string_view app{};
  std::shared_ptr<const std::vector<std::string>> of_account{};
  Admission admission{};
  int opened = 0;  ///< Apps of one account that a key opens.
};

/// What a secret is worth that is worth `by_key` as a key.
Admission admission_of(const Services& services, std::string_view app, std::string_view secret,
                       const Admission& by_key) {
  if (by_key.granted() || !services.keeper.is_secret_of(app, secret)) return by_key;
  return {Access::granted, true, seconds(0)};
}

/// Of several apps that share an account, the one whose secret it is, or the only one that the key
/// opens.
Found find_in_account(const Services& services, const DropInKind& kind, const Credentials& with) {
  Found found;
  found.of_account = services.keeper.apps_of_account(kind.platform, with.id);
  if (!found.of_account) return found;
  found.kind = &kind;
  // Hashed once for all of them; a key is never longer.
  const KeyHash hash = with.secret.size() <= kLongestKey ? hash_of(with.secret) : KeyHash{};
  for (const std::string& app : *found.of_account) {
    const Admission admission =
        admission_of(services, app, with.secret, services.keys.check(hash, Right::read, app));
    if (admission.granted()) ++found.opened;
    if (admission.granted() || found.opened == 0) {
      found.app = app;
      found.admission = admission;
    }
  }
  if (found.opened > 1) found.admission.access = Access::forbidden;
  return found;
}

Found find_app(const Services& services, const DropInPath& path, const Credentials& with) {
  Found found;
  found.kind = kind_for(path, services.keeper.platform_of(with.id));
  if (found.kind != nullptr && found.kind->account.empty()) {
    found.app = with.id;
    found.admission = admission_of(services, with.id, with.secret,
                                   services.keys.check(with.secret, Right::read, with.id));
    return found;
  }
  for (const DropInKind& kind : path.kinds) {
    if (kind.account.empty()) continue;
    found = find_in_account(services, kind, with);
    if (found.kind != nullptr) return found;
  }
  return {};
}

// ---- Refusals

/// A line in the log, since the caller's own log mostly shows no more than "invalid appsecret".
void log_refused_credential(const Call& call, std::string_view id, std::string_view why) {
  Services& services = call.services();
  const auto held_back = services.refused_credentials.admit("", services.clock.steady());
  spdlog::logger* logger = spdlog::default_logger_raw();
  if (!held_back || logger == nullptr) return;
  logger->warn("a request for the token of {} from {} was refused: its secret is {}{}", id,
               call.request().peer, why,
               *held_back == 0 ? std::string()
                               : "; " + std::to_string(*held_back) +
                                     " more such requests since this was last said");
}

/// What is wrong with a credential that does not open the app.
std::string reason_of(const Services& services, const Credentials& with, const Found& found) {
  if (found.opened > 1) {
    return "a key of this Hufu that opens " + std::to_string(found.opened) + " apps of " +
           std::string(with.id) + ": use one that was made for one of them";
  }
  if (found.of_account && found.of_account->size() > 1 &&
      found.admission.access == Access::unauthenticated) {
    return "neither a key of this Hufu nor the secret of one of the apps of " +
           std::string(with.id);
  }
  const std::string app(found.app);
  if (found.admission.access == Access::forbidden) {
    return "a key of this Hufu without the right read for " + app;
  }
  const auto info = services.keeper.app(app);
  if (info && !info->secret_login) {
    return "not a key of this Hufu, and the secret of " + app + " itself is not accepted here";
  }
  return "neither a key of this Hufu nor the secret of " + app;
}

/// What is wrong with the parameters, judged in the order of WeChat, which the others do not tell
/// theirs from.
void reply_refusal(const Call& call, const DropInPath& path, const Credentials& with,
                   const Found& found) {
  Services& services = call.services();
  const DropInRoute& route = path.first().route;
  const auto refuse = [&](const std::string& code, const std::string& message) {
    reply_failure(call, services, path.dialect(), code, message);
  };
  const DropInFailures& failures = path.dialect().failures;
  if (with.id.empty()) return refuse(failures.no_id, route.id + " missing");
  if (with.id.size() > kLongestId) return refuse(failures.unknown_app, "invalid " + route.id);
  if (found.kind == nullptr) {
    if (services.starting()) return wait_for_start(call, path.dialect());
    return refuse(failures.unknown_app, "invalid " + route.id);
  }
  const std::string& secret =
      failures.secret_in_words.empty() ? route.secret : failures.secret_in_words;
  if (with.secret.empty()) return refuse(failures.no_secret, secret + " missing");
  if (!with.has_grant_type()) return refuse(failures.wrong_grant_type, "invalid grant_type");
  const std::string why = reason_of(services, with, found);
  log_refused_credential(call, with.id, why);
  refuse(failures.wrong_secret, "invalid " + secret + ": it is " + why);
}

void reply_authority_needed(const Call& call, const Found& found) {
  reply_failure(call, call.services(), *found.kind->dialect,
                found.kind->dialect->failures.wrong_secret,
                "a token of this kind carries authority over others: it is handed out only to keys "
                "that name the app; ask for a key made with --app and the id of this app");
}

// ---- Tokens

constexpr keeper::Wish kDropInWish{.outside_window = true};

Key key_of(std::string_view app, const DropInKind& kind) { return {std::string(app), kind.kind}; }

void reply_token(const Call& call, const Found& found, const Credentials& with, seconds margin) {
  Services& services = call.services();
  const DropInKind& kind = *found.kind;
  const std::string_view app = found.app;
  bool there = false;
  {
    Scratch body;
    there = services.keeper.read(app, kind.kind, kDropInWish, [&](const auto& view) {
      append_success(body.text(), kind, view.token, view.expires_in, margin);
    });
    if (there && !services.recent_asks.asks_again(app, with.secret, call.request().peer,
                                                  services.clock.steady())) {
      return reply_success(call, kind, body.text());
    }
  }
  if (there) {
    services.metrics.asked_again();
    return services.keeper.recheck(key_of(app, kind), kCheckPatience,
                                   when_there(call.later(), kind, margin));
  }
  services.keeper.get(key_of(app, kind), kDropInWish, when_there(call.later(), kind, margin));
}

/// Asks the keeper what has become of the token with `fingerprint`, and answers with what it has.
void report_and_reply(LaterAnswer answer, std::string_view app, const DropInKind& kind,
                      Fingerprint fingerprint, seconds margin) {
  keeper::AsyncKeeper& keeper = answer.services().keeper;
  keeper.report(key_of(app, kind), fingerprint,
                [answer = std::move(answer), &kind, margin](Result<Report> report) {
                  if (!report) return reply_error(answer, answer.services(), kind, report.error());
                  reply_grant(answer, kind, report->grant, margin);
                });
}

void report_current_token(const Call& call, const Found& found, seconds margin) {
  Services& services = call.services();
  const DropInKind& kind = *found.kind;
  const std::string_view app = found.app;
  Fingerprint fingerprint;
  if (services.keeper.read(app, kind.kind, {}, [&fingerprint](const keeper::TokenView& view) {
        fingerprint = view.fingerprint;
      })) {
    return report_and_reply(call.later(), app, kind, fingerprint, margin);
  }
  // A token that must be fetched first cannot have been refused; one that nobody is sure of can.
  services.keeper.get(
      key_of(app, kind), kDropInWish, [answer = call.later(), &kind, margin](Result<Grant> grant) {
        if (!grant) return reply_error(answer, answer.services(), kind, grant.error());
        if (grant->suspect) {
          return report_and_reply(answer, grant->key.app, kind, grant->fingerprint, margin);
        }
        reply_grant(answer, kind, *grant, margin);
      });
}

// ---- What a token is needed for: tickets

/// A token that was presented, and where it stands.
class Presented {
 public:
  Presented(const net::Request& request, const DropInRoute& route) : beside_(request.query) {
    if (route.token.in == platform::TokenPlace::In::header) {
      text_ = request.header(route.token.name);
      if (!route.token.scheme.empty()) drop_scheme(route.token.scheme);
      return;
    }
    const bool in_query =
        request.method != "POST" || Value(request.query, route.token.name).present();
    if (!in_query) beside_ = request.body;
    text_ = shown(value_.emplace(beside_, route.token.name));
  }
  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  /// Where the other parameters stand: in the query or in a form.
  [[nodiscard]] std::string_view beside() const noexcept { return beside_; }

 private:
  void drop_scheme(std::string_view scheme) noexcept {
    const bool has = same_but_case(text_.substr(0, scheme.size()), scheme) &&
                     text_.substr(std::min(scheme.size(), text_.size())).starts_with(' ');
    if (!has) {
      text_ = {};
      return;
    }
    text_.remove_prefix(scheme.size());
    while (text_.starts_with(' ')) text_.remove_prefix(1);
  }

  std::string_view text_;
  std::string_view beside_;
  std::optional<Value> value_;
};

/// Whose token this is, if it is of a kind that the path is asked with.
struct Owner {
  AppId app{};
  bool found = false;
  std::string_view platform{};
};

Owner owner_of(const keeper::AsyncKeeper& keeper, const DropInPath& path, std::string_view token) {
  Owner owner;
  AppId kind;
  keeper.owner_of(token, [&](std::string_view app, std::string_view of_kind) {
    owner.app.set(app);
    kind.set(of_kind);
  });
  if (owner.app.view().empty()) return owner;
  owner.platform = keeper.platform_of(owner.app.view());
  owner.found = std::any_of(path.kinds.begin(), path.kinds.end(), [&](const DropInKind& each) {
    return each.platform == owner.platform && each.needed == kind.view();
  });
  return owner;
}

/// "type is jsapi or wx_card"
std::string kinds_in_words(const DropInPath& path, std::string_view platform) {
  std::string words;
  for (const DropInKind& kind : path.kinds) {
    if (kind.platform != platform) continue;
    for (const auto& [name, value] : kind.route.query) {
      words += (words.empty() ? name + " is " : " or ") + value;
    }
  }
  return words;
}

void reply_needing(const Call& call, std::string_view app, const DropInKind& kind, seconds margin) {
  keeper::AsyncKeeper& keeper = call.services().keeper;
  {
    Scratch body;
    if (keeper.read(app, kind.kind, {}, [&](const keeper::TokenView& view) {
          append_success(body.text(), kind, view.token, view.expires_in, margin);
        })) {
      return reply_success(call, kind, body.text());
    }
  }
  keeper.get(key_of(app, kind), {}, when_there(call.later(), kind, margin));
}

}  // namespace

void drop_in_by_credentials(const Call& call) {
  const DropInPath& path = *call.route()->drop_in;
  Services& services = call.services();
  const Credentials with(call.request(), path.first().route);

  // Before all apps of an account are known, it cannot be told which of them is meant.
  if (!path.first().account.empty() && services.starting()) {
    return wait_for_start(call, path.dialect());
  }
  // Most requests are in order, so that is looked at first; the order of errors comes second.
  const Found found = with.id.size() <= kLongestId ? find_app(services, path, with) : Found{};
  if (!with.are_complete() || !found.admission.granted()) {
    return reply_refusal(call, path, with, found);
  }
  if (!found.admission.authority && services.carries_authority(found.kind->kind)) {
    return reply_authority_needed(call, found);
  }
  const auto margin = margin_or_reply(call, *found.kind->dialect, found.admission.margin);
  if (!margin) return;
  const auto may_report = [&] {
    return admission_of(services, found.app, with.secret,
                        services.keys.check(with.secret, Right::report, found.app))
        .granted();
  };
  if (with.forced && may_report()) {
    return report_current_token(call, found, *margin);
  }
  reply_token(call, found, with, *margin);
}

void drop_in_by_token(const Call& call) {
  const DropInPath& path = *call.route()->drop_in;
  Services& services = call.services();
  const DropInFailures& failures = path.dialect().failures;
  const Presented token(call.request(), path.first().route);
  if (token.text().empty()) {
    return reply_failure(call, services, path.dialect(), failures.no_token,
                         path.first().route.token.name + " missing");
  }
  const Owner owner = owner_of(services.keeper, path, token.text());
  if (!owner.found) {
    if (services.starting()) return wait_for_start(call, path.dialect());
    return reply_failure(call, services, path.dialect(), failures.dead_token,
                         "invalid credential, access_token is invalid or not latest");
  }
  for (const DropInKind& kind : path.kinds) {
    if (kind.platform != owner.platform || !fits(kind, token.beside())) continue;
    if (const auto margin = margin_or_reply(call, *kind.dialect, seconds(0))) {
      reply_needing(call, owner.app.view(), kind, *margin);
    }
    return;
  }
  reply_failure(call, services, path.dialect(), failures.unknown_kind,
                "invalid args: " + kinds_in_words(path, owner.platform));
}

bool drop_in_unmatched(const Call& call, std::string_view path, std::span<const Route> others) {
  Services& services = call.services();
  if (others.empty()) {
    const DropInDialect* dialect = services.routes->dialect_below(path);
    if (dialect == nullptr) return false;
    reply_failure(call, services, *dialect, dialect->failures.unknown_path, "invalid url");
    return true;
  }
  if (others.front().drop_in == nullptr) return false;
  const DropInDialect& dialect = others.front().drop_in->dialect();
  const bool takes_get = std::any_of(others.begin(), others.end(),
                                     [](const Route& route) { return route.method == "GET"; });
  const std::string& code =
      takes_get ? dialect.failures.get_required : dialect.failures.post_required;
  if (code.empty()) return false;
  reply_failure(call, services, dialect, code,
                takes_get ? "require GET method" : "require POST method");
  return true;
}

}  // namespace hufu::server
