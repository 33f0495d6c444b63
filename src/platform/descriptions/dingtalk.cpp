#include "platform/description.hpp"
#include "platform/descriptions/refusals.hpp"

// Apps that a company builds for itself in DingTalk, over its present interface. Refusals come with
// HTTP 4xx, and their codes are words.
// https://open.dingtalk.com/document/development/obtain-the-access-token-of-an-internal-app

namespace hufu::platform::descriptions {
namespace {

using std::chrono::seconds;

constexpr const char* kTokenHeader = "x-acs-dingtalk-access-token";
/// No token or ticket lives longer, and those of which the answer does not say it live as long.
/// (An `expireIn` of 0 has been seen: https://github.com/chenhg5/cc-connect/pull/969.)
constexpr seconds kLife(7200);

Answer answer(std::string token) {
  return {.token = std::move(token),
          .lifetime = "expireIn",
          .default_lifetime = kLife,
          .code = "code",
          .text = "message"};
}

/// What every call may be refused with.
ErrorMappings common_errors() {
  return {
      {"ServiceUnavailable", busy()},
      {"Forbidden.AccessDenied.AccessTokenPermissionDenied",
       until_mended("the app has no permission for this call",
                    "check the permissions of {app} at open-dev.dingtalk.com")},
      {"Forbidden.AccessDenied.IpNotInWhiteList",
       about_this_machine("{ip} is not in the app's IP list",
                          "add {ip} to the IP list of {app} at open-dev.dingtalk.com")},
      {"Forbidden.AccessDenied.QpmLimitForAppkeyAndApi", minute_is_used_up()},
      {"Forbidden.AccessDenied.QpsLimitForApi", too_many_at_once()},
      {"Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", too_many_at_once()},
  };
}

ErrorMappings token_errors() {
  ErrorMappings errors = common_errors();
  errors.merge(ErrorMappings{
      {"invalidClientIdOrSecret",
       until_mended("the app id or its secret is wrong",
                    "check the id {app} (its Client ID, once AppKey), and set its secret anew")},
      {"MissingappKey",
       until_mended("no app id arrived", "check that nothing on the way drops the body")},
      {"MissingappSecret", until_mended("no app secret arrived", "set the secret of {app}")},
  });
  return errors;
}

ErrorMappings ticket_errors() {
  ErrorMappings errors = common_errors();
  errors["InvalidAuthentication"] = needed_token_is_dead();
  return errors;
}

DropInFailures drop_in_failures() {
  DropInFailures failures;
  failures.body = R"({"requestid":"{rid}","code":"{code}","message":"{message}"})";
  failures.status = 400;
  failures.busy = "ServiceUnavailable";
  failures.busy_status = 503;
  failures.no_id = "MissingappKey";
  failures.unknown_app = "invalidClientIdOrSecret";
  failures.no_secret = "MissingappSecret";
  failures.wrong_secret = "invalidClientIdOrSecret";
  failures.no_token = "InvalidAuthentication";
  failures.dead_token = "InvalidAuthentication";
  failures.wrong_parameter = "InvalidParameter";
  failures.post_required = "InvalidAction.NotFound";
  failures.never = {"InvalidAuthentication"};
  return failures;
}

/// The same token while it lives, its life begun anew by each call.
KindDescription access_token() {
  KindDescription kind;
  kind.name = kAccessToken;
  kind.rule.shape = RenewalRule::Shape::windowed;
  kind.rule.overlap = seconds(300);
  kind.rule.longest_life = kLife;
  kind.issue = {.method = "POST",
                .path = "/v1.0/oauth2/accessToken",
                .body = {{"appKey", app()}, {"appSecret", secret()}}};
  kind.answer = answer("accessToken");
  kind.errors = token_errors();
  // To be told that the permission is missing takes a living token.
  kind.probe = {.call = {.path = "/v1.0/contact/organizations/authInfos",
                         .headers = {{kTokenHeader, token()}}},
                .dead = {"InvalidAuthentication"},
                .alive = {"Forbidden.AccessDenied.AccessTokenPermissionDenied"}};
  kind.trial = kind.issue;
  kind.place = {TokenPlace::In::header, kTokenHeader};
  kind.drop_in = {.methods = {"POST"},
                  .path = kind.issue.path,
                  .parameters = DropInRoute::Parameters::json,
                  .id = "appKey",
                  .secret = "appSecret",
                  .success = R"({"accessToken":"{token}","expireIn":{lifetime}})"};
  return kind;
}

/// A call before the end brings another ticket, and whether that ends the one before is not
/// documented: so there is none.
/// https://open.dingtalk.com/document/development/create-a-jsapi-ticket
KindDescription jsapi_ticket() {
  KindDescription kind;
  kind.name = "jsapi_ticket";
  kind.rule.shape = RenewalRule::Shape::sticky;
  kind.rule.longest_life = kLife;
  kind.needs = {{Need::Of::self, std::string(kAccessToken)}};
  kind.issue = {.method = "POST",
                .path = "/v1.0/oauth2/jsapiTickets",
                .headers = {{kTokenHeader, needed(0)}, {"Content-Type", text("application/json")}}};
  kind.answer = answer("jsapiTicket");
  kind.errors = ticket_errors();
  kind.drop_in = {.methods = {"POST"},
                  .path = kind.issue.path,
                  .token = {TokenPlace::In::header, kTokenHeader},
                  .success = R"({"jsapiTicket":"{token}","expireIn":{lifetime}})"};
  return kind;
}

}  // namespace

PlatformDescription dingtalk() {
  PlatformDescription dingtalk;
  dingtalk.name = "dingtalk";
  dingtalk.title = "DingTalk";
  dingtalk.base_url = "https://api.dingtalk.com";
  dingtalk.id = {"ding", 0, 0, UsualForm::Characters::letters_and_digits};
  dingtalk.credentials = {{.name = "secret", .meaning = "the Client Secret (once AppSecret)"}};
  dingtalk.kinds = {access_token(), jsapi_ticket()};
  dingtalk.drop_in_failures = drop_in_failures();
  return dingtalk;
}

}  // namespace hufu::platform::descriptions
