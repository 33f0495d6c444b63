#include "platform/description.hpp"
#include "platform/descriptions/refusals.hpp"

// Mini programs and apps of Kuaishou.
// https://open.kuaishou.com/platform/openApi and, for the codes,
// https://apifox.com/apidoc/project-462993/doc-355272

namespace hufu::platform::descriptions {
namespace {

using std::chrono::hours;

ErrorMappings token_errors() {
  return {
      {"100200100", until_mended("a parameter is missing or wrong",
                                 "check that nothing on the way changes the body")},
      {"100200101", until_mended("the app id or its secret is wrong",
                                 "check the id {app}, and set its secret anew")},
      {"100200104", until_mended("the grant type was not understood",
                                 "check that base_url leads to the platform itself")},
      {"100200106", until_mended("the app may not have this scope",
                                 "check the permissions of {app} at open.kuaishou.com")},
      {"100200500", busy()},
  };
}

DropInFailures drop_in_failures() {
  DropInFailures failures;
  failures.body = R"({"result":{code},"error_msg":"{message}"})";
  failures.busy = "100200500";
  failures.no_id = "100200100";
  failures.unknown_app = "100200101";
  failures.no_secret = "100200100";
  failures.wrong_secret = "100200101";
  failures.wrong_grant_type = "100200104";
  failures.wrong_parameter = "100200100";
  failures.never = {"1", "100200102", "100200108"};
  return failures;
}

/// POST /oauth2/access_token: every call makes a new token, good for 48 hours, and none ends
/// another. No probe: no call is known that every app may make and that changes nothing.
KindDescription access_token() {
  KindDescription kind;
  kind.name = kAccessToken;
  kind.rule.shape = RenewalRule::Shape::independent;
  kind.rule.longest_life = hours(48);
  kind.issue = {.method = "POST",
                .path = "/oauth2/access_token",
                .body = {{"app_id", app()},
                         {"app_secret", secret()},
                         {"grant_type", text("client_credentials")}},
                .encoding = Call::Encoding::form};
  kind.answer = {
      .code = "result", .success = "1", .success_may_be_silent = false, .text = "error_msg"};
  kind.errors = token_errors();
  kind.trial = kind.issue;
  kind.place = {TokenPlace::In::query, "access_token"};
  // Some clients write the form as JSON.
  kind.drop_in = {.methods = {"POST"},
                  .path = kind.issue.path,
                  .parameters = DropInRoute::Parameters::anywhere,
                  .id = "app_id",
                  .secret = "app_secret",
                  .grant_type = "client_credentials",
                  .success = R"({"result":1,"access_token":"{token}","expires_in":{lifetime}})"};
  return kind;
}

}  // namespace

PlatformDescription kuaishou() {
  PlatformDescription kuaishou;
  kuaishou.name = "kuaishou";
  kuaishou.title = "Kuaishou";
  kuaishou.base_url = "https://open.kuaishou.com";
  kuaishou.id = {"ks", 0, 0, UsualForm::Characters::letters_and_digits};
  kuaishou.credentials = {{.name = "secret", .meaning = "the App Secret"}};
  kuaishou.kinds = {access_token()};
  kuaishou.drop_in_failures = drop_in_failures();
  return kuaishou;
}

}  // namespace hufu::platform::descriptions
