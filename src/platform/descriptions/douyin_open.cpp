#include "platform/description.hpp"
#include "platform/descriptions/refusals.hpp"

// Apps of the open platform of Douyin (抖音开放平台).
// https://developer.open-douyin.com/docs/resource/zh-CN/local-life/develop/preparation/client_token
// and, for the codes,
// https://developer.open-douyin.com/docs/resource/zh-CN/dop/develop/openapi/status-code

namespace hufu::platform::descriptions {
namespace {

using std::chrono::seconds;

ErrorMappings token_errors() {
  const ErrorMapping dead = about_a_dead_token(2100004);
  const ErrorMapping wrong_parameters = until_mended(
      "a parameter is missing or wrong", "check that nothing on the way changes the body");
  const ErrorMapping no_permission = until_mended(
      "the app may not do this", "check the permissions of {app} at developer.open-douyin.com");
  const ErrorMapping quota =
      until_mended("the calls of the day are used up",
                   "find out who else fetches tokens for {app}; wait for the next day");
  return {
      {"10002", wrong_parameters},
      {"10003", until_mended("there is no such app", "check the app id {app}, its Client Key")},
      {"10008", dead},
      {"10013", until_mended("the app id or its secret is wrong",
                             "check the id {app}, and set its secret anew")},
      // More than 500 calls within five minutes.
      {"10020", minute_is_used_up()},
      {"2100004", busy()},
      {"2100005", wrong_parameters},
      {"2190001", quota},
      {"2190002", dead},
      {"2190004", no_permission},
      {"2190008", dead},
      {"28001003", dead},
      {"28001005", busy()},
      {"28001006", busy()},
      {"28001007", wrong_parameters},
      {"28001008", dead},
      {"28001016", until_mended("the app is blocked or offline",
                                "look for a notice of the platform about {app}")},
      {"28001018", no_permission},
      {"28003017", quota},
      {"28003018", minute_is_used_up()},
  };
}

DropInFailures drop_in_failures() {
  DropInFailures failures;
  failures.body = R"({"data":{"description":"{message}","error_code":{code}},"message":"error"})";
  failures.busy = "2100004";
  failures.no_id = "10002";
  failures.unknown_app = "10003";
  failures.no_secret = "10002";
  failures.wrong_secret = "10013";
  failures.wrong_grant_type = "10002";
  failures.wrong_parameter = "10002";
  failures.never = {"0", "10008", "2190002", "2190008", "28001003", "28001008"};
  return failures;
}

/// What both endpoints have in common. No probe: each call that takes this token needs a permission
/// that not every app has.
KindDescription client_token(std::string endpoint, std::string path) {
  KindDescription kind;
  kind.name = "client_token";
  kind.when = {"endpoint", std::move(endpoint)};
  kind.rule.overlap = seconds(300);
  kind.rule.longest_life = seconds(7200);
  kind.issue = {.method = "POST",
                .path = std::move(path),
                .body = {{"client_key", app()},
                         {"client_secret", secret()},
                         {"grant_type", text("client_credential")}}};
  kind.answer = {.token = "data.access_token",
                 .lifetime = "data.expires_in",
                 .code = "data.error_code",
                 .text = "data.description"};
  kind.errors = token_errors();
  kind.place = {TokenPlace::In::header, "access-token"};
  // The documentation has shown it as a form and as JSON.
  kind.drop_in = {.methods = {"POST"},
                  .path = kind.issue.path,
                  .parameters = DropInRoute::Parameters::anywhere,
                  .id = "client_key",
                  .secret = "client_secret",
                  .grant_type = "client_credential",
                  .success = R"({"data":{"access_token":"{token}","description":"",)"
                             R"("error_code":0,"expires_in":{lifetime}},"message":"success"})"};
  return kind;
}

/// Every call makes a new token, the one before lives five minutes longer, and those before that
/// one are dead.
KindDescription classic_client_token() {
  KindDescription kind = client_token("classic", "/oauth/client_token/");
  kind.rule.shape = RenewalRule::Shape::rotating;
  return kind;
}

/// The same token until its end. Whether it is another one somewhat earlier is not documented;
/// asked for in the last five minutes, it is found out in time.
/// https://developer.open-douyin.com/docs/resource/zh-CN/dop/develop/openapi/account-permission/generate-stable-client-token
KindDescription stable_client_token() {
  KindDescription kind = client_token("stable", "/oauth/stable_client_token/");
  kind.rule.shape = RenewalRule::Shape::windowed;
  kind.trial = kind.issue;
  return kind;
}

}  // namespace

PlatformDescription douyin_open() {
  PlatformDescription douyin;
  douyin.name = "douyin_open";
  douyin.title = "Douyin Open Platform";
  douyin.base_url = "https://open.douyin.com";
  douyin.settings = {
      {.name = "endpoint",
       .values = {"stable", "classic"},
       .fallback = "stable",
       .meaning = "stable (/oauth/stable_client_token/) or classic (/oauth/client_token/)"}};
  douyin.credentials = {{.name = "secret", .meaning = "the Client Secret"}};
  douyin.kinds = {stable_client_token(), classic_client_token()};
  douyin.drop_in_failures = drop_in_failures();
  return douyin;
}

}  // namespace hufu::platform::descriptions
