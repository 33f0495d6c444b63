#include "platform/description.hpp"
#include "platform/descriptions/refusals.hpp"

// The AI services of Baidu. OAuth 2.0 client credentials (RFC 6749, 4.4), the parameters in the
// query. https://ai.baidu.com/ai-doc/NLP/Tk6z52d7c

namespace hufu::platform::descriptions {
namespace {

using std::chrono::hours;
using Characters = UsualForm::Characters;

ErrorMappings token_errors() {
  const std::string on_the_way = "check that nothing on the way changes parameters";
  return {
      {"invalid_client",
       until_mended("the API Key or the Secret Key is wrong",
                    "check the id {app}, its API Key, and set its secret, the Secret Key, anew")},
      {"invalid_request", until_mended("a parameter is missing or wrong", on_the_way)},
      {"invalid_scope",
       until_mended("the app may not have this scope", "check the services of {app}")},
      {"unauthorized_client",
       until_mended("the app may not use this grant type", "check the services of {app}")},
      {"unsupported_grant_type", until_mended("the grant type was not understood", on_the_way)},
  };
}

DropInFailures drop_in_failures() {
  DropInFailures failures;
  failures.body = R"({"error":"{code}","error_description":"{message}"})";
  failures.status = 400;
  failures.busy = "temporarily_unavailable";
  failures.busy_status = 503;
  failures.no_id = "invalid_request";
  failures.unknown_app = "invalid_client";
  failures.no_secret = "invalid_request";
  failures.wrong_secret = "invalid_client";
  failures.wrong_grant_type = "unsupported_grant_type";
  failures.wrong_parameter = "invalid_request";
  return failures;
}

/// POST /oauth/2.0/token: every call makes a new token, good for 30 days, and none ends another. No
/// probe: each call that takes this token is one that is paid for.
KindDescription access_token() {
  KindDescription kind;
  kind.name = kAccessToken;
  kind.rule.shape = RenewalRule::Shape::independent;
  kind.rule.longest_life = hours(30 * 24);
  kind.issue = {.method = "POST",
                .path = "/oauth/2.0/token",
                .query = {{"grant_type", text("client_credentials")},
                          {"client_id", app()},
                          {"client_secret", secret()}}};
  kind.answer = {.code = "error", .success = "", .text = "error_description"};
  kind.errors = token_errors();
  kind.trial = kind.issue;
  kind.place = {TokenPlace::In::query, "access_token"};
  // The platform's own clients look for brain_all_scope, and sign their calls in another way where
  // they do not find it.
  // https://github.com/Baidu-AIP/python-sdk/blob/master/aip/base.py
  kind.drop_in = {.methods = {"GET", "POST"},
                  .path = "/oauth/2.0/token",
                  .id = "client_id",
                  .secret = "client_secret",
                  .grant_type = "client_credentials",
                  .success = R"({"refresh_token":"","expires_in":{lifetime},"session_key":"",)"
                             R"("access_token":"{token}","scope":"public brain_all_scope",)"
                             R"("session_secret":""})"};
  return kind;
}

}  // namespace

PlatformDescription baidu() {
  PlatformDescription baidu;
  baidu.name = "baidu";
  baidu.title = "Baidu AI";
  baidu.base_url = "https://aip.baidubce.com";
  baidu.id = {{}, 24, 24, Characters::letters_and_digits};
  baidu.credentials = {{.name = "secret",
                        .form = {{}, 32, 32, Characters::letters_and_digits},
                        .meaning = "the Secret Key"}};
  baidu.kinds = {access_token()};
  baidu.drop_in_failures = drop_in_failures();
  return baidu;
}

}  // namespace hufu::platform::descriptions
