#include "platform/description.hpp"
#include "platform/descriptions/push_credentials.hpp"
#include "platform/descriptions/refusals.hpp"

// Official accounts, mini programs and mini games of WeChat.
// https://developers.weixin.qq.com/doc/service/api/base/api_getaccesstoken.html and the pages
// beside it, and what was seen from live servers. Errors go by their codes only: WeChat changes its
// texts.

namespace hufu::platform::descriptions {
namespace {

using std::chrono::seconds;
using Characters = UsualForm::Characters;

/// No token or ticket lives longer.
constexpr seconds kLongestLife(7200);

ErrorMapping address_not_listed() {
  return about_this_machine("{ip} is not in the app's IP list",
                            "add {ip} to the IP list of {app} at mp.weixin.qq.com; it takes effect "
                            "after some minutes");
}

/// What every call may be refused with.
ErrorMappings common_errors() {
  return {
      {"-1", busy()},
      {"45009",
       until_mended("the calls of the day are used up",
                    "find out who else fetches tokens for {app}; wait for the next day, or "
                    "clear the quota (POST /cgi-bin/clear_quota/v2)")},
      {"45011", minute_is_used_up()},
      {"48001", until_mended("the app may not call this interface",
                             "check the permissions of {app} at mp.weixin.qq.com")},
      {"50002", until_mended("the account is frozen or restricted",
                             "look for a notice of the platform about {app}")},
      {"50004", until_mended("the account may not use access tokens",
                             "look for a notice of the platform about {app}")},
      {"61004", address_not_listed()},
  };
}

/// The two token endpoints.
ErrorMappings token_errors() {
  const std::string waits = "ask the admin of {app} to confirm {ip} in WeChat";
  const std::string barred = "ask the admin of {app} whether {ip} may call";
  const ErrorMapping waits_for_admin =
      about_this_machine("the address {ip} waits for the admin's consent", waits);
  const ErrorMapping wrong_secret = until_mended(
      "the app secret is wrong",
      "set the secret of {app} anew; mp.weixin.qq.com shows it only at the moment when "
      "it is reset");
  // An old text for a wrong secret: elsewhere this code means a dead token, and a client that took
  // it for one would fetch and retry without end.
  ErrorMapping wrong_secret_by_its_old_code = wrong_secret;
  wrong_secret_by_its_old_code.passed_on_as = 40125;
  const ErrorMapping dead = about_a_dead_token(-1);

  ErrorMappings errors = common_errors();
  errors.merge(ErrorMappings{
      {"40001", wrong_secret_by_its_old_code},
      {"40002", until_mended("the grant type was not understood",
                             "check that base_url leads to WeChat itself")},
      {"40013", until_mended("there is no such app", "check the app id {app}")},
      {"40014", dead},
      {"40125", wrong_secret},
      {"40164", address_not_listed()},
      {"40243", until_mended("the app secret is frozen",
                             "unfreeze the secret of {app} at mp.weixin.qq.com; it takes effect "
                             "after about ten minutes")},
      {"41002",
       until_mended("no app id arrived", "check that nothing on the way drops parameters")},
      {"41004", until_mended("no app secret arrived", "set the secret of {app}")},
      {"42001", dead},
      {"43002", until_mended("the call must be a POST",
                             "check that nothing on the way turns the POST into a GET")},
      {"61024", until_mended("this is the id of a third-party platform, whose tokens are fetched "
                             "elsewhere",
                             "use the id of an official account or a mini program")},
      {"89501", waits_for_admin},
      {"89502", waits_for_admin},
      {"89503", waits_for_admin},
      {"89504", waits_for_admin},
      {"89505", waits_for_admin},
      {"89506", about_this_machine("the admin has refused the address {ip} twice; it is barred for "
                                   "24 hours",
                                   barred)},
      {"89507", about_this_machine(
                    "the admin has refused the address {ip}; it is barred for an hour", barred)},
  });
  return errors;
}

ErrorMappings ticket_errors() {
  const ErrorMapping dead = needed_token_is_dead();
  ErrorMappings errors = common_errors();
  errors.merge(ErrorMappings{
      {"40001", dead},
      {"40014", dead},
      {"42001", dead},
      {"40097", until_mended("there is no ticket of this type",
                             "check that base_url leads to WeChat itself")},
  });
  return errors;
}

Call stable_token() {
  return {.method = "POST",
          .path = "/cgi-bin/stable_token",
          .body = {{"grant_type", text("client_credential")},
                   {"appid", app()},
                   {"secret", secret()},
                   {"force_refresh", force()}}};
}

DropInRoute token_route() {
  return {.id = "appid",
          .secret = "secret",
          .grant_type = "client_credential",
          .success = R"({"access_token":"{token}","expires_in":{lifetime}})"};
}

DropInFailures drop_in_failures() {
  DropInFailures failures;
  failures.body = R"({"errcode":{code},"errmsg":"{message} rid: {rid}"})";
  failures.content_type = "application/json; encoding=utf-8";  // Elsewhere it is charset.
  failures.no_id = "41002";
  failures.unknown_app = "40013";
  failures.no_secret = "41004";
  failures.wrong_secret = "40125";
  failures.wrong_grant_type = "40002";
  failures.no_token = "41001";
  failures.dead_token = "40001";
  failures.unknown_kind = "40097";
  failures.wrong_parameter = "40035";
  failures.get_required = "43001";
  failures.post_required = "43002";
  failures.unknown_path = "40066";
  failures.secret_in_words = "appsecret";
  failures.prefix = "/cgi-bin/";
  failures.never = {"0", "40001", "40014", "42001"};
  return failures;
}

/// What both endpoints have in common.
KindDescription access_token(std::string endpoint) {
  KindDescription kind;
  kind.name = kAccessToken;
  kind.when = {"endpoint", std::move(endpoint)};
  kind.rule.overlap = seconds(300);
  kind.rule.longest_life = kLongestLife;
  kind.errors = token_errors();
  kind.probe = {.call = {.path = "/cgi-bin/getcallbackip", .query = {{"access_token", token()}}},
                .dead = {"40001", "40014", "42001"},
                .sign_of_life = "ip_list"};
  // Without force, and isolated from the tokens of the classic endpoint: it displaces none.
  kind.trial = stable_token();
  kind.place = {TokenPlace::In::query, "access_token"};
  return kind;
}

/// GET /cgi-bin/token: every call makes a new access token, and the one before lives about five
/// minutes longer.
/// https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/Get_access_token.html
KindDescription classic_access_token() {
  KindDescription kind = access_token("classic");
  kind.rule.shape = RenewalRule::Shape::rotating;
  kind.issue.path = "/cgi-bin/token";
  // Without a trailing s, unlike RFC 6749.
  kind.issue.query = {
      {"grant_type", text("client_credential")}, {"appid", app()}, {"secret", secret()}};
  kind.drop_in = token_route();
  kind.drop_in->methods = {"GET", "POST"};
  kind.drop_in->path = "/cgi-bin/token";
  return kind;
}

/// POST /cgi-bin/stable_token: the same access token until its last five minutes, unless forced;
/// isolated from the classic one.
/// https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html
KindDescription stable_access_token() {
  KindDescription kind = access_token("stable");
  kind.rule.shape = RenewalRule::Shape::windowed;
  kind.rule.forced_a_day = 20;
  kind.rule.forced_apart = seconds(30);
  kind.issue = stable_token();
  kind.drop_in = token_route();
  kind.drop_in->methods = {"POST"};
  kind.drop_in->path = "/cgi-bin/stable_token";
  kind.drop_in->parameters = DropInRoute::Parameters::json;
  kind.drop_in->force = "force_refresh";
  return kind;
}

/// GET /cgi-bin/ticket/getticket: the same ticket until its end, though the answer goes on to say
/// 7200 seconds.
/// https://developers.weixin.qq.com/doc/service/en/api/webdev/jssdk/api_getticket.html
KindDescription ticket(std::string name, const std::string& type) {
  const std::string path = "/cgi-bin/ticket/getticket";
  KindDescription kind;
  kind.name = std::move(name);
  kind.rule.shape = RenewalRule::Shape::sticky;
  kind.rule.longest_life = kLongestLife;
  kind.needs = {{Need::Of::self, std::string(kAccessToken)}};
  kind.issue = {.path = path, .query = {{"access_token", needed(0)}, {"type", text(type)}}};
  kind.answer.token = "ticket";
  kind.errors = ticket_errors();
  kind.drop_in = {.methods = {"GET", "POST"},
                  .path = path,
                  .token = {TokenPlace::In::query, "access_token"},
                  .query = {{"type", type}},
                  .success = R"({"errcode":0,"errmsg":"ok","ticket":"{token}",)"
                             R"("expires_in":{lifetime}})"};
  return kind;
}

}  // namespace

PlatformDescription wechat() {
  PlatformDescription wechat;
  wechat.name = "wechat";
  wechat.title = "WeChat";
  wechat.base_url = "https://api.weixin.qq.com";
  wechat.environment = "WECHAT";
  wechat.id = {"wx", 16, 16, Characters::lower_hex};
  wechat.settings = {{.name = "endpoint",
                      .values = {"stable", "classic"},
                      .fallback = "stable",
                      .meaning = "stable (/cgi-bin/stable_token) or classic (/cgi-bin/token)"}};
  wechat.credentials = push_credentials();
  wechat.credentials.insert(
      wechat.credentials.begin(),
      {.name = "secret", .form = {{}, 32, 32, Characters::lower_hex}, .meaning = "the AppSecret"});
  wechat.kinds = {stable_access_token(), classic_access_token(), ticket("jsapi_ticket", "jsapi"),
                  ticket("wx_card_ticket", "wx_card")};
  wechat.drop_in_failures = drop_in_failures();
  return wechat;
}

}  // namespace hufu::platform::descriptions
