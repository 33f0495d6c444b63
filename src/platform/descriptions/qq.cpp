#include "platform/description.hpp"
#include "platform/descriptions/refusals.hpp"

// Mini programs and mini games of QQ, whose interface is WeChat's of some years ago.
// https://q.qq.com/wiki/develop/game/server/open-port/getAccessToken.html

namespace hufu::platform::descriptions {
namespace {

using std::chrono::seconds;

ErrorMappings token_errors() {
  const ErrorMapping wrong_secret =
      until_mended("the app secret is wrong", "set the secret of {app} anew");
  // Clients take 40001 for a dead token: they would fetch and retry without end.
  ErrorMapping wrong_secret_by_the_code_of_a_dead_token = wrong_secret;
  wrong_secret_by_the_code_of_a_dead_token.passed_on_as = 40125;
  const ErrorMapping dead = about_a_dead_token(-1);
  return {
      {"-1", busy()},
      {"40001", wrong_secret_by_the_code_of_a_dead_token},
      {"40002", until_mended("the grant type was not understood",
                             "check that base_url leads to the platform itself")},
      {"40013", until_mended("there is no such app", "check the app id {app}")},
      {"40014", dead},
      {"40125", wrong_secret},
      {"41002",
       until_mended("no app id arrived", "check that nothing on the way drops parameters")},
      {"41004", until_mended("no app secret arrived", "set the secret of {app}")},
      {"42001", dead},
      {"45009", until_mended("the calls of the day are used up",
                             "find out who else fetches tokens for {app}; wait for the next day")},
      {"45011", minute_is_used_up()},
  };
}

DropInFailures drop_in_failures() {
  DropInFailures failures;
  failures.body = R"({"errcode":{code},"errmsg":"{message}"})";
  failures.no_id = "41002";
  failures.unknown_app = "40013";
  failures.no_secret = "41004";
  failures.wrong_secret = "40125";  // Its own code for it is 40001, see token_errors().
  failures.wrong_grant_type = "40002";
  failures.wrong_parameter = "40035";
  failures.get_required = "43001";
  failures.never = {"0", "40001", "40014", "42001"};
  return failures;
}

/// GET /api/getToken: every call makes a new token, and the one before lives five minutes longer.
/// No probe: no call is known that changes nothing.
KindDescription access_token() {
  KindDescription kind;
  kind.name = kAccessToken;
  kind.rule.shape = RenewalRule::Shape::rotating;
  kind.rule.overlap = seconds(300);
  kind.rule.longest_life = seconds(7200);
  kind.issue = {
      .path = "/api/getToken",
      .query = {{"grant_type", text("client_credential")}, {"appid", app()}, {"secret", secret()}}};
  kind.errors = token_errors();
  kind.place = {TokenPlace::In::query, "access_token"};
  kind.drop_in = {.methods = {"GET", "POST"},
                  .path = "/api/getToken",
                  .id = "appid",
                  .secret = "secret",
                  .grant_type = "client_credential",
                  .success = R"({"access_token":"{token}","expires_in":{lifetime}})"};
  return kind;
}

}  // namespace

PlatformDescription qq() {
  PlatformDescription qq;
  qq.name = "qq";
  qq.title = "QQ";
  qq.base_url = "https://api.q.qq.com";
  qq.credentials = {{.name = "secret", .meaning = "the AppSecret"}};
  qq.kinds = {access_token()};
  qq.drop_in_failures = drop_in_failures();
  return qq;
}

}  // namespace hufu::platform::descriptions
