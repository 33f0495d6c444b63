#include "platform/description.hpp"
#include "platform/descriptions/push_credentials.hpp"
#include "platform/descriptions/refusals.hpp"

// The apps that a corporation builds for itself in WeCom (企业微信).
// https://developer.work.weixin.qq.com/document/path/91039 and, for the codes,
// https://developer.work.weixin.qq.com/document/path/90313. Errors go by their codes only: their
// texts change.

namespace hufu::platform::descriptions {
namespace {

using std::chrono::seconds;
using Characters = UsualForm::Characters;

/// No token or ticket lives longer.
constexpr seconds kLongestLife(7200);

/// What every call may be refused with.
ErrorMappings common_errors() {
  return {
      {"-1", busy()},
      // The punishment lasts as long as the span whose limit was passed: a minute, an hour, or the
      // rest of the day. https://developer.work.weixin.qq.com/document/path/90454
      {"45009",
       {.retry_class = RetryClass::next_minute,
        .words = "there were too many calls",
        .fix = "find out who else fetches tokens for {app}, and who calls with a wrong secret"}},
      {"45033", too_many_at_once()},
      {"48002", until_mended("the app may not call this interface",
                             "check the permissions of {app} at work.weixin.qq.com")},
      {"50003", until_mended("the app is disabled", "enable {app} at work.weixin.qq.com")},
      {"301002", until_mended("the app may not do this",
                              "check the permissions of {app} at work.weixin.qq.com")},
      {"60020", about_this_machine("{ip} is not among the app's trusted addresses",
                                   "add {ip} to the trusted addresses (企业可信IP) of {app} at "
                                   "work.weixin.qq.com; it takes effect after about a minute")},
  };
}

ErrorMappings token_errors() {
  const ErrorMapping wrong_secret =
      until_mended("the secret is wrong",
                   "set the secret of {app} anew; it is that of the app, not of another "
                   "app of the corporation");
  // Clients take 40001 for a dead token: they would fetch and retry without end.
  ErrorMapping wrong_secret_by_its_old_code = wrong_secret;
  wrong_secret_by_its_old_code.passed_on_as = 40091;
  const ErrorMapping dead = about_a_dead_token(-1);

  ErrorMappings errors = common_errors();
  errors.merge(ErrorMappings{
      {"40001", wrong_secret_by_its_old_code},
      {"40013", until_mended("there is no such corporation", "check the corpid of {app}")},
      {"40014", dead},
      {"40091", wrong_secret},
      {"41002", until_mended("no corpid arrived", "set the corpid of {app}")},
      {"41004", until_mended("no secret arrived", "set the secret of {app}")},
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
  failures.body = R"({"errcode":{code},"errmsg":"{message}, hint: [{rid}]"})";
  failures.no_id = "41002";
  failures.unknown_app = "40013";
  failures.no_secret = "41004";
  failures.wrong_secret = "40091";
  failures.no_token = "41001";
  failures.dead_token = "40014";
  failures.unknown_kind = "40005";
  failures.wrong_parameter = "40035";
  failures.get_required = "43001";
  failures.post_required = "43002";
  failures.never = {"0", "40001", "40014", "42001"};
  return failures;
}

/// GET /cgi-bin/gettoken: the same token again for most of its life, either with what is left of it
/// or with its life begun anew; the documentation does not say which.
KindDescription access_token() {
  KindDescription kind;
  kind.name = kAccessToken;
  kind.rule.shape = RenewalRule::Shape::windowed;
  kind.rule.overlap = seconds(300);
  kind.rule.longest_life = kLongestLife;
  kind.issue = {.path = "/cgi-bin/gettoken",
                .query = {{"corpid", text("{corpid}")}, {"corpsecret", secret()}}};
  kind.errors = token_errors();
  // https://developer.work.weixin.qq.com/document/path/92520
  kind.probe = {
      .call = {.path = "/cgi-bin/get_api_domain_ip", .query = {{"access_token", token()}}},
      .dead = {"40001", "40014", "42001"},
      .alive = {"48002"},
      .sign_of_life = "ip_list"};
  kind.trial = kind.issue;
  kind.place = {TokenPlace::In::query, "access_token"};
  kind.drop_in = {.methods = {"GET", "POST"},
                  .path = "/cgi-bin/gettoken",
                  .id = "corpid",
                  .secret = "corpsecret",
                  .success = R"({"errcode":0,"errmsg":"ok","access_token":"{token}",)"
                             R"("expires_in":{lifetime}})"};
  return kind;
}

/// The same ticket until its end, though the answer goes on to say 7200 seconds.
/// https://developer.work.weixin.qq.com/document/path/96909
KindDescription ticket(std::string name, const std::string& path, const std::string& type) {
  KindDescription kind;
  kind.name = std::move(name);
  kind.rule.shape = RenewalRule::Shape::sticky;
  kind.rule.longest_life = kLongestLife;
  kind.needs = {{Need::Of::self, std::string(kAccessToken)}};
  kind.issue = {.path = path, .query = {{"access_token", needed(0)}}};
  if (!type.empty()) kind.issue.query.push_back({"type", text(type)});
  kind.answer.token = "ticket";
  kind.errors = ticket_errors();
  kind.drop_in = {.methods = {"GET", "POST"},
                  .path = path,
                  .token = {TokenPlace::In::query, "access_token"},
                  .success = R"({"errcode":0,"errmsg":"ok","ticket":"{token}",)"
                             R"("expires_in":{lifetime}})"};
  if (!type.empty()) kind.drop_in->query = {{"type", type}};
  return kind;
}

}  // namespace

PlatformDescription wecom() {
  PlatformDescription wecom;
  wecom.name = "wecom";
  wecom.title = "WeCom";
  wecom.base_url = "https://qyapi.weixin.qq.com";
  wecom.account = "corpid";
  wecom.settings = {
      {.name = "corpid", .required = true, .meaning = "the id of the corporation (企业ID)"},
      {.name = "agentid", .meaning = "the id of the app within the corporation (AgentId)"}};
  wecom.credentials = push_credentials();
  wecom.credentials.insert(wecom.credentials.begin(),
                           {.name = "secret", .meaning = "the Secret of the app"});
  wecom.kinds = {access_token(), ticket("jsapi_ticket", "/cgi-bin/get_jsapi_ticket", ""),
                 ticket("agent_ticket", "/cgi-bin/ticket/get", "agent_config")};
  wecom.drop_in_failures = drop_in_failures();
  return wecom;
}

}  // namespace hufu::platform::descriptions
