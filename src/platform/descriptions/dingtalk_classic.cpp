#include "platform/description.hpp"
#include "platform/descriptions/refusals.hpp"

// Apps that a company builds for itself in DingTalk, over its older interface.
// https://open.dingtalk.com/document/development/api-gettoken and, for the codes,
// https://developers.dingtalk.com/document/app/server-api-error-codes-1. 88 is said of whatever
// has to do with authorization; sub_code then says what it is.

namespace hufu::platform::descriptions {
namespace {

using std::chrono::seconds;

/// No token or ticket lives longer, and those of which the answer does not say it live as long.
/// (Answers without `expires_in` have been seen: https://developer.aliyun.com/ask/201511.)
constexpr seconds kLife(7200);

Answer answer(std::string token) {
  return {.token = std::move(token), .default_lifetime = kLife, .exact_code = "sub_code"};
}

/// What every call may be refused with.
ErrorMappings common_errors() {
  const ErrorMapping no_permission =
      until_mended("the app has no permission for this call",
                   "check the permissions of {app} at open-dev.dingtalk.com");
  return {
      {"-1", busy()},
      {"88", no_permission},
      {"60011", no_permission},
      {"60020", about_this_machine("{ip} is not in the app's IP list",
                                   "add {ip} to the IP list of {app} at open-dev.dingtalk.com")},
      {"90002", too_many_at_once()},
      {"90018", too_many_at_once()},
  };
}

ErrorMappings token_errors() {
  const ErrorMapping wrong_credentials =
      until_mended("the app id or its secret is wrong",
                   "check the id {app} (its Client ID, once AppKey), and set its secret anew");
  // Clients take 40001 for a dead token: they would fetch and retry without end.
  ErrorMapping wrong_secret_by_another_code = wrong_credentials;
  wrong_secret_by_another_code.passed_on_as = 40096;
  const ErrorMapping dead = about_a_dead_token(-1);

  ErrorMappings errors = common_errors();
  errors.merge(ErrorMappings{
      {"40001", wrong_secret_by_another_code},
      {"40014", dead},
      {"40035", until_mended("the app id or its secret did not arrive",
                             "check that nothing on the way drops parameters")},
      {"40089", wrong_credentials},
      {"40096", wrong_credentials},
      {"42001", dead},
  });
  return errors;
}

ErrorMappings ticket_errors() {
  const ErrorMapping dead = needed_token_is_dead();
  ErrorMappings errors = common_errors();
  errors.merge(ErrorMappings{{"40001", dead}, {"40014", dead}, {"42001", dead}});
  return errors;
}

DropInFailures drop_in_failures() {
  DropInFailures failures;
  failures.body = R"({"errcode":{code},"errmsg":"{message}"})";
  failures.no_id = "40035";
  failures.unknown_app = "40096";
  failures.no_secret = "40035";
  failures.wrong_secret = "40096";
  failures.no_token = "40035";
  failures.dead_token = "40014";
  failures.wrong_parameter = "40035";
  failures.get_required = "43001";
  failures.never = {"0", "88", "40001", "40014", "42001"};
  return failures;
}

/// GET /gettoken: the same token while it lives, its life begun anew by each call.
KindDescription access_token() {
  KindDescription kind;
  kind.name = kAccessToken;
  kind.rule.shape = RenewalRule::Shape::windowed;
  kind.rule.overlap = seconds(300);
  kind.rule.longest_life = kLife;
  kind.issue = {.path = "/gettoken", .query = {{"appkey", app()}, {"appsecret", secret()}}};
  kind.answer = answer("access_token");
  kind.errors = token_errors();
  // To be told that the permission is missing takes a living token.
  kind.probe = {.call = {.path = "/auth/scopes", .query = {{"access_token", token()}}},
                .dead = {"40001", "40014", "42001"},
                .alive = {"60011"},
                .sign_of_life = "auth_org_scopes"};
  kind.trial = kind.issue;
  kind.place = {TokenPlace::In::query, "access_token"};
  kind.drop_in = {.methods = {"GET", "POST"},
                  .path = "/gettoken",
                  .id = "appkey",
                  .secret = "appsecret",
                  .success = R"({"errcode":0,"access_token":"{token}","errmsg":"ok",)"
                             R"("expires_in":{lifetime}})"};
  return kind;
}

/// A call before the end brings another ticket, and whether that ends the one before is not
/// documented: so there is none.
/// https://open.dingtalk.com/document/development/obtain-jsapi_ticket
KindDescription jsapi_ticket() {
  KindDescription kind;
  kind.name = "jsapi_ticket";
  kind.rule.shape = RenewalRule::Shape::sticky;
  kind.rule.longest_life = kLife;
  kind.needs = {{Need::Of::self, std::string(kAccessToken)}};
  kind.issue = {.path = "/get_jsapi_ticket", .query = {{"access_token", needed(0)}}};
  kind.answer = answer("ticket");
  kind.errors = ticket_errors();
  kind.drop_in = {.methods = {"GET", "POST"},
                  .path = "/get_jsapi_ticket",
                  .token = {TokenPlace::In::query, "access_token"},
                  .success = R"({"errcode":0,"errmsg":"ok","ticket":"{token}",)"
                             R"("expires_in":{lifetime}})"};
  return kind;
}

}  // namespace

PlatformDescription dingtalk_classic() {
  PlatformDescription dingtalk;
  dingtalk.name = "dingtalk_classic";
  dingtalk.title = "DingTalk (classic)";
  dingtalk.base_url = "https://oapi.dingtalk.com";
  dingtalk.id = {"ding", 0, 0, UsualForm::Characters::letters_and_digits};
  dingtalk.credentials = {{.name = "secret", .meaning = "the Client Secret (once AppSecret)"}};
  dingtalk.kinds = {access_token(), jsapi_ticket()};
  dingtalk.drop_in_failures = drop_in_failures();
  return dingtalk;
}

}  // namespace hufu::platform::descriptions
