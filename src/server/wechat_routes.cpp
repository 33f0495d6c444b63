#include "server/platform_routes.hpp"

#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <string>

#include "server/json.hpp"
#include "server/query.hpp"

namespace hufu::server {
namespace {

/// WeChat says `encoding=`, where the rest of the world says `charset=`.
constexpr std::string_view kContentType = "application/json; encoding=utf-8";
constexpr std::string_view kNoStore = "Cache-Control: no-store\r\n";
constexpr std::string_view kGrantType = "client_credential";
/// Longer ones are unknown without a look.
constexpr std::size_t kLongestAppid = 128;

/// " rid: 6aac005a-01bfdbee-79769285": Unix seconds and 64 bits that tell answers apart, in hex.
void append_rid(std::string& out, WallTime now) {
  static std::atomic<std::uint64_t> count{0};
  static constexpr char kDigits[] = "0123456789abcdef";
  auto milliseconds = static_cast<std::uint64_t>(now.time_since_epoch().count());
  std::uint64_t seconds = milliseconds / 1000;
  std::uint64_t bits = (milliseconds << 20 ^ ++count) * 0x9e3779b97f4a7c15U;
  out += " rid: ";
  for (int shift = 28; shift >= 0; shift -= 4) out += kDigits[(seconds >> shift) & 0xf];
  for (int shift = 60; shift >= 0; shift -= 4) {
    if (shift % 32 == 28) out += '-';
    out += kDigits[(bits >> shift) & 0xf];
  }
}

void reply_errcode(const Answer& answer, Services& services, int errcode, std::string errmsg) {
  services.metrics.refused_as_platform(errcode);
  append_rid(errmsg, services.clock.wall());
  std::string body = R"({"errcode":)";
  append_number(body, errcode);
  body += R"(,"errmsg":)";
  append_string(body, errmsg);
  body += '}';
  answer.reply({200, kContentType, kNoStore, body});
}

/// What a failure is called in WeChat's shape.
int errcode_of(const Error& error) noexcept {
  constexpr int kSystemError = -1;
  constexpr int kInvalidAppid = 40013;
  constexpr int kInvalidSecret = 40125;
  switch (error.fault) {
    case Fault::unknown_app: return kInvalidAppid;
    case Fault::unauthorised:
    case Fault::forbidden: return kInvalidSecret;
    default: break;
  }
  switch (int code = error.errcode.value_or(kSystemError)) {
    case 40001: return kInvalidSecret;  // Of a token endpoint, this is what it means.
    case 0:
    case 40014:
    case 42001: return kSystemError;  // Several SDKs ask again for ever when they see these.
    default: return code;
  }
}

void reply_error(const Answer& answer, Services& services, const Error& error) {
  int errcode = errcode_of(error);
  std::string errmsg = errcode == -1 ? "system error: " + error.message : error.message;
  if (!error.next_step.empty()) errmsg += "; " + error.next_step;
  reply_errcode(answer, services, errcode, std::move(errmsg));
}

/// One for each thread, so that the hot path finds it warm.
std::string& scratch() {
  thread_local std::string text;
  text.clear();
  return text;
}

void append_token(std::string& out, std::string_view token, std::int64_t expires_in) {
  out += R"({"access_token":)";
  append_string(out, token);
  out += R"(,"expires_in":)";
  append_number(out, expires_in);
  out += '}';
}

void reply_token(const Answer& answer, const Grant& grant) {
  std::string& body = scratch();
  append_token(body, grant.token.reveal(), grant.expires_in.count());
  answer.reply({200, kContentType, kNoStore, body});
}

bool reply_token_at_once(const Call& call, std::string_view app) {
  std::string& body = scratch();
  bool there = call.services().keeper.read(
      app, kAccessToken, 0,
      [&body](const keeper::TokenView& view) { append_token(body, view.token, view.expires_in); });
  if (there) call.reply({200, kContentType, kNoStore, body});
  return there;
}

void reply_token_when_there(const Call& call, std::string_view app) {
  call.services().keeper.get(Key{std::string(app)}, std::chrono::seconds(0),
                             [answer = call.later()](Result<Grant> grant) {
                               if (!grant)
                                 return reply_error(answer, answer.services(), grant.error());
                               reply_token(answer, *grant);
                             });
}

/// What a token is asked for with. A view is empty where the parameter is missing, and equal to
/// nothing where it was broken.
struct Credentials {
  std::string_view appid;
  std::string_view secret;
  std::string_view grant_type;
};

/// In place of a parameter that was sent, but cannot be read.
constexpr std::string_view kBroken = "\xff";

std::string_view shown(const Value& value) noexcept {
  return value.broken() ? kBroken : value.text();
}

bool opens(Services& services, const Credentials& with, Right right) {
  return services.keys.check(with.secret, right, with.appid) == Access::granted ||
         services.keeper.is_secret_of(with.appid, with.secret);
}

bool is_whole(const Credentials& with) noexcept {
  return !with.appid.empty() && with.appid.size() <= kLongestAppid && !with.secret.empty() &&
         same_but_case(with.grant_type, kGrantType);
}

/// What is wrong with credentials, judged in WeChat's order.
void reply_refusal(const Call& call, const Credentials& with) {
  Services& services = call.services();
  if (with.appid.empty()) return reply_errcode(call, services, 41002, "appid missing");
  if (with.appid.size() > kLongestAppid) {
    return reply_errcode(call, services, 40013, "invalid appid");
  }
  if (!services.keeper.knows(with.appid)) {
    // As long as the store is being read, nobody can say that an app does not exist.
    if (!services.keeper.health().started) {
      return reply_errcode(call, services, -1, "system error: starting, ask again in a second");
    }
    return reply_errcode(call, services, 40013, "invalid appid");
  }
  if (with.secret.empty()) return reply_errcode(call, services, 41004, "appsecret missing");
  if (!same_but_case(with.grant_type, kGrantType)) {
    return reply_errcode(call, services, 40002, "invalid grant_type");
  }
  reply_errcode(call, services, 40125, "invalid appsecret");
}

/// Asks the keeper what has become of the token with `fingerprint`, and answers with what it has.
void report_and_reply(LaterAnswer answer, std::string_view app, Fingerprint fingerprint) {
  keeper::AsyncKeeper& keeper = answer.services().keeper;
  keeper.report(Key{std::string(app)}, fingerprint,
                [answer = std::move(answer)](Result<Report> report) {
                  if (!report) return reply_error(answer, answer.services(), report.error());
                  if (report->grant.expires_in.count() < 1) {
                    // Dead, and no renewal is granted yet: a promise of no seconds would be a trap.
                    return reply_error(answer, answer.services(),
                                       {Fault::throttled,
                                        "too many renewals were asked for",
                                        "ask again in half a minute",
                                        {},
                                        {}});
                  }
                  reply_token(answer, report->grant);
                });
}

void report_current_token(const Call& call, std::string_view app) {
  Services& services = call.services();
  Fingerprint fingerprint;
  if (services.keeper.read(app, kAccessToken, 0, [&fingerprint](const keeper::TokenView& view) {
        fingerprint = view.fingerprint;
      })) {
    return report_and_reply(call.later(), app, fingerprint);
  }
  // A token that must be fetched first cannot have been refused; one that nobody is sure of can.
  services.keeper.get(Key{std::string(app)}, std::chrono::seconds(0),
                      [answer = call.later()](Result<Grant> grant) {
                        if (!grant) return reply_error(answer, answer.services(), grant.error());
                        if (grant->suspect)
                          return report_and_reply(answer, grant->key.app, grant->fingerprint);
                        reply_token(answer, *grant);
                      });
}

/// A member of a JSON object as a parameter: a string as it is, another type as broken.
std::string_view member(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return {};
  const boost::json::string* text = value->if_string();
  return text != nullptr ? std::string_view(text->data(), text->size()) : kBroken;
}

}  // namespace

void token_as_platform(const Call& call) {
  std::string_view source = call.request().query;
  Value in_query(source, "appid");
  if (!in_query.present() && call.request().method == "POST") source = call.request().body;

  Value appid(source, "appid");
  Value secret(source, "secret");
  Value grant_type(source, "grant_type");
  Credentials with{shown(appid), shown(secret), shown(grant_type)};

  // Most requests are in order, so that is looked at first; the order of errors comes second.
  if (!is_whole(with) || !opens(call.services(), with, Right::read)) {
    return reply_refusal(call, with);
  }
  if (reply_token_at_once(call, with.appid)) return;
  reply_token_when_there(call, with.appid);
}

void stable_token_as_platform(const Call& call) {
  boost::system::error_code error;
  boost::json::value body = boost::json::parse(call.request().body, error);
  // Not an object: WeChat reads no parameter at all then (facts: 41002).
  const boost::json::object* object = error ? nullptr : body.if_object();
  if (object == nullptr) return reply_refusal(call, {});

  Credentials with{member(*object, "appid"), member(*object, "secret"),
                   member(*object, "grant_type")};
  Services& services = call.services();
  if (!is_whole(with) || !opens(services, with, Right::read)) return reply_refusal(call, with);

  const boost::json::value* force = object->if_contains("force_refresh");
  bool forced = force != nullptr && force->is_bool() && force->get_bool();
  if (forced && opens(services, with, Right::report)) {
    return report_current_token(call, with.appid);
  }
  if (reply_token_at_once(call, with.appid)) return;
  reply_token_when_there(call, with.appid);
}

void stray_as_platform(const Call& call, std::string_view path) {
  Services& services = call.services();
  if (path == "/cgi-bin/token") {
    return reply_errcode(call, services, 43001, "require GET method");
  }
  if (path == "/cgi-bin/stable_token") {
    return reply_errcode(call, services, 43002, "require POST method");
  }
  reply_errcode(call, services, 40066, "invalid url");
}

}  // namespace hufu::server
