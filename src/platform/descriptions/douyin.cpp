#include "platform/description.hpp"
#include "platform/descriptions/refusals.hpp"

// Mini apps of Douyin (抖音小程序).
// https://developer.open-douyin.com/docs/resource/zh-CN/interaction/develop/server/interface-request-credential/get-access-token

namespace hufu::platform::descriptions {
namespace {

using std::chrono::seconds;

ErrorMappings token_errors() {
  return {
      {"-1", busy()},
      {"40015", until_mended("there is no such app", "check the app id {app}")},
      {"40017", until_mended("the app secret is wrong", "set the secret of {app} anew")},
      {"40020", until_mended("the grant type was not understood",
                             "check that base_url leads to the platform itself")},
  };
}

DropInFailures drop_in_failures() {
  DropInFailures failures;
  failures.body =
      R"({"err_no":{code},"err_tips":"{message}","data":{"access_token":"","expires_in":0}})";
  failures.no_id = "40015";
  failures.unknown_app = "40015";
  failures.no_secret = "40017";
  failures.wrong_secret = "40017";
  failures.wrong_grant_type = "40020";
  failures.wrong_parameter = "40001";
  failures.never = {"0", "2190002", "2190008", "28001003", "28001008"};
  return failures;
}

/// POST /api/apps/v2/token: every call makes a new token, and the one before lives five minutes
/// longer. No probe: no call is known that every app may make and that changes nothing. API calls
/// carry the token in their bodies, mostly.
KindDescription access_token() {
  KindDescription kind;
  kind.name = kAccessToken;
  kind.rule.shape = RenewalRule::Shape::rotating;
  kind.rule.overlap = seconds(300);
  kind.rule.longest_life = seconds(7200);
  kind.issue = {
      .method = "POST",
      .path = "/api/apps/v2/token",
      .body = {{"appid", app()}, {"secret", secret()}, {"grant_type", text("client_credential")}}};
  kind.answer = {.token = "data.access_token",
                 .lifetime = "data.expires_in",
                 .code = "err_no",
                 .text = "err_tips"};
  kind.errors = token_errors();
  kind.drop_in = {.methods = {"POST"},
                  .path = kind.issue.path,
                  .parameters = DropInRoute::Parameters::json,
                  .id = "appid",
                  .secret = "secret",
                  .grant_type = "client_credential",
                  .success = R"({"err_no":0,"err_tips":"success",)"
                             R"("data":{"access_token":"{token}","expires_in":{lifetime}}})"};
  return kind;
}

}  // namespace

PlatformDescription douyin() {
  PlatformDescription douyin;
  douyin.name = "douyin";
  douyin.title = "Douyin";
  douyin.base_url = "https://developer.toutiao.com";
  douyin.id = {"tt", 0, 0, UsualForm::Characters::letters_and_digits};
  douyin.credentials = {{.name = "secret", .meaning = "the AppSecret"}};
  douyin.kinds = {access_token()};
  douyin.drop_in_failures = drop_in_failures();
  return douyin;
}

}  // namespace hufu::platform::descriptions
