#include "server/wechat_routes.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "platform/wiping_memory.hpp"
#include "server/json.hpp"
#include "server/query.hpp"
#include "server/scratch.hpp"

namespace hufu::server {
namespace {

using std::chrono::seconds;

/// WeChat says `encoding=`, where the rest of the world says `charset=`.
constexpr std::string_view kContentType = "application/json; encoding=utf-8";
constexpr std::string_view kNoStore = "Cache-Control: no-store\r\n";
constexpr std::string_view kGrantType = "client_credential";
/// Longer ones are unknown without a look.
constexpr std::size_t kLongestAppid = 128;
/// How long somebody who asks again waits for the token to be checked.
constexpr Milliseconds kCheckPatience = std::chrono::seconds(1);
constexpr seconds kLargestMargin = std::chrono::hours(1);

// WeChat's codes.
constexpr int kSystemError = -1;
constexpr int kInvalidCredential = 40001;
constexpr int kInvalidGrantType = 40002;
constexpr int kInvalidAppid = 40013;
constexpr int kInvalidParameter = 40035;
constexpr int kInvalidUrl = 40066;
constexpr int kInvalidArguments = 40097;
constexpr int kInvalidSecret = 40125;
constexpr int kTokenMissing = 41001;
constexpr int kAppidMissing = 41002;
constexpr int kSecretMissing = 41004;
constexpr int kGetRequired = 43001;
constexpr int kPostRequired = 43002;

/// " rid: 6aac005a-01bfdbee-79769285": Unix seconds and 64 bits that tell answers apart, in hex.
void append_rid(std::string& out, WallTime now) {
  static std::atomic<std::uint64_t> count{0};
  static constexpr char kDigits[] = "0123456789abcdef";
  auto milliseconds = static_cast<std::uint64_t>(now.time_since_epoch().count());
  std::uint64_t time = milliseconds / 1000;
  std::uint64_t bits = (milliseconds << 20 ^ ++count) * 0x9e3779b97f4a7c15U;
  out += " rid: ";
  for (int shift = 28; shift >= 0; shift -= 4) out += kDigits[(time >> shift) & 0xf];
  for (int shift = 60; shift >= 0; shift -= 4) {
    if (shift % 32 == 28) out += '-';
    out += kDigits[(bits >> shift) & 0xf];
  }
}

void reply_errcode(const Answer& answer, Services& services, int errcode, std::string errmsg) {
  services.metrics.drop_in_error(errcode);
  append_rid(errmsg, services.clock.wall());
  std::string body = R"({"errcode":)";
  append_number(body, errcode);
  body += R"(,"errmsg":)";
  append_string(body, errmsg);
  body += '}';
  answer.reply({200, kContentType, kNoStore, body});
}

/// What a failure to bring a token is called in WeChat's shape, where 40001 of the platform itself
/// means `refused_credential`.
int errcode_of(const Error& error, int refused_credential) noexcept {
  switch (error.fault) {
    case Fault::unknown_app:
    case Fault::unknown_kind: return kInvalidAppid;
    case Fault::unauthorised:
    case Fault::forbidden: return kInvalidSecret;
    default: break;
  }
  switch (const int code = error.errcode.value_or(kSystemError)) {
    case kInvalidCredential: return refused_credential;
    case 0:
    case 40014:
    case 42001: return kSystemError;  // Several SDKs ask again for ever when they see these.
    default: return code;
  }
}

/// How a route answers.
struct Shape {
  std::string_view begin;      ///< Of the JSON of a success, up to the value.
  int refused_credential = 0;  ///< See errcode_of.

  void append(std::string& out, std::string_view value, std::int64_t expires_in,
              seconds margin) const {
    out += begin;
    append_string(out, value);
    out += R"(,"expires_in":)";
    append_number(out, expires_in + margin.count());
    out += '}';
  }
};
// Of WeChat's token endpoint, 40001 means a wrong secret; of that for tickets, that the access
// token died which Hufu used itself.
constexpr Shape kToken{R"({"access_token":)", kInvalidSecret};
constexpr Shape kTicket{R"({"errcode":0,"errmsg":"ok","ticket":)", kSystemError};

void reply_error(const Answer& answer, Services& services, const Shape& shape, const Error& error) {
  const int errcode = errcode_of(error, shape.refused_credential);
  std::string errmsg = errcode == kSystemError ? "system error: " + error.message : error.message;
  if (!error.next_step.empty()) errmsg += "; " + error.next_step;
  reply_errcode(answer, services, errcode, std::move(errmsg));
}

/// Waits for the store to be read, or says that it is not.
void wait_for_start(const Call& call) {
  if (call.handle_when_started()) return;
  reply_errcode(call, call.services(), kSystemError,
                "system error: the store is still being read after the start, ask again in a "
                "second");
}

void reply_grant(const Answer& answer, const Shape& shape, const Grant& grant, seconds margin) {
  Scratch body;
  shape.append(body.text(), grant.token.reveal(), grant.expires_in.count(), margin);
  answer.reply({200, kContentType, kNoStore, body.text()});
}

/// Answers when the keeper has brought a token, or failed to.
auto when_there(LaterAnswer answer, const Shape& shape, seconds margin) {
  return [answer = std::move(answer), &shape, margin](Result<Grant> grant) {
    if (!grant) return reply_error(answer, answer.services(), shape, grant.error());
    reply_grant(answer, shape, *grant, margin);
  };
}

// ---- Parameters

/// In place of a parameter that was sent, but cannot be read: equal to nothing.
constexpr std::string_view kBroken = "\xff";

std::string_view shown(const Value& value) noexcept {
  return value.broken() ? kBroken : value.text();
}

/// Where the parameters of a request stand: in the query, or in a form in the body of a POST.
std::string_view parameters_of(const net::Request& request, std::string_view needed) {
  const bool in_query = request.method != "POST" || Value(request.query, needed).present();
  return in_query ? request.query : request.body;
}

/// A member of a JSON object as a parameter: a string as it is, another type as broken.
std::string_view member(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return {};
  const boost::json::string* text = value->if_string();
  return text != nullptr ? std::string_view(text->data(), text->size()) : kBroken;
}

/// What the query adds to `expires_in`, or the key does; nothing, and answered, where that is more
/// than can be asked for.
std::optional<seconds> margin_or_reply(const Call& call, seconds of_key) {
  const Value value(call.request().query, "margin");
  if (!value.present()) return of_key;
  const auto margin = value.number();
  if (margin && *margin <= kLargestMargin.count()) return seconds(*margin);
  reply_errcode(call, call.services(), kInvalidParameter,
                "invalid parameter: margin is a whole number of seconds from 0 to 3600");
  return std::nullopt;
}

/// What a token is asked for with. A view is empty where the parameter is missing.
struct Credentials {
  std::string_view appid;
  std::string_view secret;
  std::string_view grant_type;

  [[nodiscard]] bool are_complete() const noexcept {
    return !appid.empty() && appid.size() <= kLongestAppid && !secret.empty() &&
           same_but_case(grant_type, kGrantType);
  }
};

Admission admission_of(const Services& services, const Credentials& with, Right right) {
  const Admission by_key = services.keys.check(with.secret, right, with.appid);
  if (by_key.granted() || !services.keeper.is_secret_of(with.appid, with.secret)) return by_key;
  return {Access::granted, true, seconds(0)};
}

// ---- Refusals

/// A line in the log, since the caller's own log mostly shows no more than "invalid appsecret".
void log_refused_credential(const Call& call, std::string_view appid, std::string_view why) {
  Services& services = call.services();
  const auto held_back = services.refused_credentials.admit("", services.clock.steady());
  spdlog::logger* logger = spdlog::default_logger_raw();
  if (!held_back || logger == nullptr) return;
  logger->warn("a request for the token of {} from {} was refused: its secret is {}{}", appid,
               call.request().peer, why,
               *held_back == 0 ? std::string()
                               : "; " + std::to_string(*held_back) +
                                     " more such requests since this was last said");
}

/// What is wrong with a credential that does not open the app.
std::string reason_of(const Services& services, const Credentials& with,
                      const Admission& with_key) {
  const std::string app(with.appid);
  if (with_key.access == Access::forbidden) {
    return "a key of this Hufu without the right read for " + app;
  }
  const auto info = services.keeper.app(with.appid);
  if (info && !info->secret_login) {
    return "not a key of this Hufu, and the secret of " + app + " itself is not accepted here";
  }
  return "neither a key of this Hufu nor the secret of " + app;
}

/// What is wrong with the parameters, judged in WeChat's order.
void reply_refusal(const Call& call, const Credentials& with, const Admission& admission = {}) {
  Services& services = call.services();
  if (with.appid.empty()) return reply_errcode(call, services, kAppidMissing, "appid missing");
  if (with.appid.size() > kLongestAppid) {
    return reply_errcode(call, services, kInvalidAppid, "invalid appid");
  }
  if (services.may_yet_know(with.appid)) return wait_for_start(call);
  if (!services.keeper.knows(with.appid)) {
    return reply_errcode(call, services, kInvalidAppid, "invalid appid");
  }
  if (with.secret.empty()) {
    return reply_errcode(call, services, kSecretMissing, "appsecret missing");
  }
  if (!same_but_case(with.grant_type, kGrantType)) {
    return reply_errcode(call, services, kInvalidGrantType, "invalid grant_type");
  }
  const std::string why = reason_of(services, with, admission);
  log_refused_credential(call, with.appid, why);
  reply_errcode(call, services, kInvalidSecret, "invalid appsecret: it is " + why);
}

// ---- Tokens

constexpr keeper::Wish kDropInWish{.outside_window = true};

Key access_token_of(std::string_view app) { return {std::string(app), std::string(kAccessToken)}; }

bool asks_again(const Call& call, const Credentials& with) {
  Services& services = call.services();
  return services.recent_asks.asks_again(with.appid, with.secret, call.request().peer,
                                         services.clock.steady());
}

void reply_token(const Call& call, const Credentials& with, seconds margin) {
  Services& services = call.services();
  bool there = false;
  {
    Scratch body;
    there = services.keeper.read(with.appid, kAccessToken, kDropInWish, [&](const auto& view) {
      kToken.append(body.text(), view.token, view.expires_in, margin);
    });
    if (there && !asks_again(call, with)) {
      return call.reply({200, kContentType, kNoStore, body.text()});
    }
  }
  if (there) {
    services.metrics.asked_again();
    return services.keeper.recheck(access_token_of(with.appid), kCheckPatience,
                                   when_there(call.later(), kToken, margin));
  }
  if (services.may_yet_know(with.appid)) return wait_for_start(call);
  services.keeper.get(access_token_of(with.appid), kDropInWish,
                      when_there(call.later(), kToken, margin));
}

/// Asks the keeper what has become of the token with `fingerprint`, and answers with what it has.
void report_and_reply(LaterAnswer answer, std::string_view app, Fingerprint fingerprint,
                      seconds margin) {
  keeper::AsyncKeeper& keeper = answer.services().keeper;
  keeper.report(access_token_of(app), fingerprint,
                [answer = std::move(answer), margin](Result<Report> report) {
                  if (!report)
                    return reply_error(answer, answer.services(), kToken, report.error());
                  reply_grant(answer, kToken, report->grant, margin);
                });
}

void report_current_token(const Call& call, std::string_view app, seconds margin) {
  Services& services = call.services();
  Fingerprint fingerprint;
  if (services.keeper.read(app, kAccessToken, {}, [&fingerprint](const keeper::TokenView& view) {
        fingerprint = view.fingerprint;
      })) {
    return report_and_reply(call.later(), app, fingerprint, margin);
  }
  if (services.may_yet_know(app)) return wait_for_start(call);
  // A token that must be fetched first cannot have been refused; one that nobody is sure of can.
  services.keeper.get(
      access_token_of(app), kDropInWish, [answer = call.later(), margin](Result<Grant> grant) {
        if (!grant) return reply_error(answer, answer.services(), kToken, grant.error());
        if (grant->suspect) {
          return report_and_reply(answer, grant->key.app, grant->fingerprint, margin);
        }
        reply_grant(answer, kToken, *grant, margin);
      });
}

// ---- Tickets

/// "type is jsapi or wx_card"
std::string types_in_words(const Services& services) {
  std::string words;
  for (const auto& [type, kind] : services.ticket_kinds) {
    words += (words.empty() ? "type is " : " or ") + type;
  }
  return words;
}

/// The id of an app, on the stack.
class AppId {
 public:
  /// Of the app whose access token this is; empty for any other text.
  AppId(const keeper::AsyncKeeper& keeper, std::string_view access_token) {
    keeper.owner_of(access_token, [this](std::string_view app, std::string_view kind) {
      if (kind == kAccessToken && app.size() <= text_.size()) {
        size_ = app.copy(text_.data(), text_.size());
      }
    });
  }
  [[nodiscard]] std::string_view view() const noexcept { return {text_.data(), size_}; }

 private:
  std::array<char, kLongestAppid> text_{};
  std::size_t size_ = 0;
};

void reply_ticket(const Call& call, std::string_view app, std::string_view kind, seconds margin) {
  keeper::AsyncKeeper& keeper = call.services().keeper;
  {
    Scratch body;
    if (keeper.read(app, kind, {}, [&](const keeper::TokenView& view) {
          kTicket.append(body.text(), view.token, view.expires_in, margin);
        })) {
      return call.reply({200, kContentType, kNoStore, body.text()});
    }
  }
  keeper.get({std::string(app), std::string(kind)}, {}, when_there(call.later(), kTicket, margin));
}

}  // namespace

void wechat_token(const Call& call) {
  const std::string_view source = parameters_of(call.request(), "appid");
  const Value appid(source, "appid");
  const Value secret(source, "secret");
  const Value grant_type(source, "grant_type");
  const Credentials with{shown(appid), shown(secret), shown(grant_type)};

  // Most requests are in order, so that is looked at first; the order of errors comes second.
  if (!with.are_complete()) return reply_refusal(call, with);
  const Admission admission = admission_of(call.services(), with, Right::read);
  if (!admission.granted()) return reply_refusal(call, with, admission);
  if (const auto margin = margin_or_reply(call, admission.margin)) reply_token(call, with, *margin);
}

void wechat_stable_token(const Call& call) {
  platform::WipingMemory memory;  // Before the value that lives in it.
  boost::system::error_code error;
  const boost::json::value body = boost::json::parse(call.request().body, error, &memory);
  // Not an object: WeChat reads no parameter at all then, and says 41002.
  const boost::json::object* object = error ? nullptr : body.if_object();
  if (object == nullptr) return reply_refusal(call, {});

  const Credentials with{member(*object, "appid"), member(*object, "secret"),
                         member(*object, "grant_type")};
  Services& services = call.services();
  if (!with.are_complete()) return reply_refusal(call, with);
  const Admission admission = admission_of(services, with, Right::read);
  if (!admission.granted()) return reply_refusal(call, with, admission);
  const auto margin = margin_or_reply(call, admission.margin);
  if (!margin) return;

  const boost::json::value* force = object->if_contains("force_refresh");
  const bool forced = force != nullptr && force->is_bool() && force->get_bool();
  if (forced && admission_of(services, with, Right::report).granted()) {
    return report_current_token(call, with.appid, *margin);
  }
  reply_token(call, with, *margin);
}

void wechat_ticket(const Call& call) {
  Services& services = call.services();
  const std::string_view source = parameters_of(call.request(), "access_token");
  const Value token(source, "access_token");
  const Value type(source, "type");
  if (!token.present()) {
    return reply_errcode(call, services, kTokenMissing, "access_token missing");
  }
  const AppId app(services.keeper, shown(token));
  if (app.view().empty()) {
    if (services.starting()) return wait_for_start(call);
    return reply_errcode(call, services, kInvalidCredential,
                         "invalid credential, access_token is invalid or not latest");
  }
  const auto kind = services.ticket_kinds.find(shown(type));
  if (kind == services.ticket_kinds.end()) {
    return reply_errcode(call, services, kInvalidArguments,
                         "invalid args: " + types_in_words(services));
  }
  if (const auto margin = margin_or_reply(call, seconds(0))) {
    reply_ticket(call, app.view(), kind->second, *margin);
  }
}

void wechat_unmatched(const Call& call, std::string_view path) {
  Services& services = call.services();
  if (path == "/cgi-bin/token" || path == kTicketPath) {
    return reply_errcode(call, services, kGetRequired, "require GET method");
  }
  if (path == "/cgi-bin/stable_token") {
    return reply_errcode(call, services, kPostRequired, "require POST method");
  }
  reply_errcode(call, services, kInvalidUrl, "invalid url");
}

}  // namespace hufu::server
