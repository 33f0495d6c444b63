#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "platform/description.hpp"
#include "platform/descriptions/refusals.hpp"

/// The platform behind /open-apis/, which runs twice: as Feishu in China and as Lark elsewhere.
/// Both are described here but for their names and addresses. Apps that a company builds for itself
/// (自建应用).
/// https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal
/// and, for the codes,
/// https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code. Codes come with
/// HTTP 200 and with HTTP 400.
namespace hufu::platform::descriptions::open_apis {

using std::chrono::minutes;
using std::chrono::seconds;

/// No token or ticket lives longer.
inline constexpr seconds kLongestLife(7200);
inline constexpr const char* kTenantAccessToken = "tenant_access_token";

/// What a call says whose token it does not take: not that it was missing, which is 99991661.
inline std::vector<std::string> dead_codes() {
  return {"99991663", "99991664", "99991668", "99991671", "99991677"};
}

/// What every call may be refused with.
inline ErrorMappings common_errors() {
  return {
      {"1500", busy()},
      {"99991400", minute_is_used_up()},
      {"99991401", about_this_machine("{ip} is not in the app's IP list",
                                      "add {ip} to the IP list of {app} in the developer console")},
      {"99991662",
       until_mended("the app is disabled", "enable {app} in the developer or the admin console")},
      {"99991672", until_mended("the app has no permission for this call",
                                "check the permissions of {app} in the developer console")},
      {"99991673", until_mended("the app is not available to its company",
                                "check that {app} is published and installed")},
  };
}

inline ErrorMappings token_errors() {
  const ErrorMapping wrong_credentials =
      until_mended("there is no such app, it is disabled, or its secret is wrong",
                   "check the id {app}, and set its secret anew");
  ErrorMappings errors = common_errors();
  errors.merge(ErrorMappings{
      {"10003", until_mended("the app id or the secret does not look like one",
                             "check the id {app}, which begins with cli_, and its secret")},
      {"10005", wrong_credentials},
      {"10014", wrong_credentials},
      {"10015", until_mended("the app secret is wrong", "set the secret of {app} anew")},
      {"99991543", wrong_credentials},
  });
  // 1500 is an internal error, after which a call may be made again.
  for (const std::string& code : dead_codes()) errors[code] = about_a_dead_token(1500);
  return errors;
}

inline ErrorMappings ticket_errors() {
  ErrorMappings errors = common_errors();
  for (const std::string& code : dead_codes()) errors[code] = needed_token_is_dead();
  errors["99991661"] = until_mended("no token arrived",
                                    "check that nothing on the way drops the header Authorization");
  return errors;
}

inline DropInFailures drop_in_failures() {
  DropInFailures failures;
  failures.body = R"({"code":{code},"msg":"{message}"})";
  failures.busy = "1500";
  failures.no_id = "10003";
  failures.unknown_app = "10014";
  failures.no_secret = "10003";
  failures.wrong_secret = "10014";
  failures.no_token = "99991661";
  failures.dead_token = "99991663";
  failures.wrong_parameter = "10003";
  failures.post_required = "99991301";
  failures.never = dead_codes();
  failures.never.emplace_back("0");
  return failures;
}

/// The same token while it has half an hour or more to live; after that a new one, and both work.
inline KindDescription access_token(const std::string& name) {
  KindDescription kind;
  kind.name = name;
  kind.rule.shape = RenewalRule::Shape::windowed;
  kind.rule.overlap = minutes(30);
  kind.rule.longest_life = kLongestLife;
  kind.issue = {.method = "POST",
                .path = "/open-apis/auth/v3/" + name + "/internal",
                .body = {{"app_id", app()}, {"app_secret", secret()}}};
  kind.answer = {.token = name, .lifetime = "expire", .code = "code", .text = "msg"};
  kind.errors = token_errors();
  kind.trial = kind.issue;
  kind.place = {TokenPlace::In::header, "Authorization", "Bearer"};
  kind.drop_in = {
      .methods = {"POST"},
      .path = kind.issue.path,
      .parameters = DropInRoute::Parameters::json,
      .id = "app_id",
      .secret = "app_secret",
      .success = R"({"code":0,"msg":"ok",")" + name + R"(":"{token}","expire":{lifetime}})"};
  return kind;
}

inline KindDescription tenant_access_token() {
  KindDescription kind = access_token(kTenantAccessToken);
  // It needs no permission, only a bot. To be told that there is none takes a living token.
  // https://open.feishu.cn/document/ukTMukTMukTM/uAjMxEjLwITMx4CMyETM
  kind.probe = {.call = {.path = "/open-apis/bot/v3/info", .bearer = token()},
                .dead = dead_codes(),
                .alive = {"11205", "99991672"},
                .sign_of_life = "bot"};
  return kind;
}

/// POST /open-apis/jssdk/ticket/get. Whether a call before the end brings another ticket, and
/// whether that ends the one before, is not documented: so there is none.
/// https://open.feishu.cn/document/server-docs/authentication-management/access-token/authorization
inline KindDescription jsapi_ticket() {
  KindDescription kind;
  kind.name = "jsapi_ticket";
  kind.rule.shape = RenewalRule::Shape::sticky;
  kind.rule.longest_life = kLongestLife;
  kind.needs = {{Need::Of::self, kTenantAccessToken}};
  kind.issue = {.method = "POST",
                .path = "/open-apis/jssdk/ticket/get",
                .bearer = needed(0),
                .headers = {{"Content-Type", text("application/json; charset=utf-8")}}};
  kind.answer = {
      .token = "data.ticket", .lifetime = "data.expire_in", .code = "code", .text = "msg"};
  kind.errors = ticket_errors();
  kind.drop_in = {.methods = {"POST"},
                  .path = kind.issue.path,
                  .token = {TokenPlace::In::header, "Authorization", "Bearer"},
                  .success = R"({"code":0,"msg":"ok",)"
                             R"("data":{"expire_in":{lifetime},"ticket":"{token}"}})"};
  return kind;
}

inline PlatformDescription platform(std::string name, std::string title, std::string base_url) {
  PlatformDescription platform;
  platform.name = std::move(name);
  platform.title = std::move(title);
  platform.base_url = std::move(base_url);
  platform.id = {"cli_", 0, 0, UsualForm::Characters::letters_and_digits};
  platform.credentials = {{.name = "secret",
                           .form = {{}, 0, 0, UsualForm::Characters::letters_and_digits},
                           .meaning = "the App Secret"}};
  platform.kinds = {tenant_access_token(), access_token("app_access_token"), jsapi_ticket()};
  platform.drop_in_failures = drop_in_failures();
  return platform;
}

}  // namespace hufu::platform::descriptions::open_apis
