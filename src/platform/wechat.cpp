#include "platform/wechat.hpp"

namespace hufu::platform {
namespace {

using std::chrono::seconds;

/// What the two token endpoints answer with.
/// https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken.html, and what
/// was seen from live servers. Codes only: WeChat changes its texts.
std::map<std::string, ErrorMapping, std::less<>> error_codes() {
  const ErrorMapping wrong_secret{
      RetryClass::slow, "the app secret is wrong",
      "set the secret of {app} anew; mp.weixin.qq.com shows it only at the "
      "moment when it is reset"};
  const ErrorMapping not_listed{
      RetryClass::slow, "this machine's address is not in the app's IP list",
      "add {ip} to the IP list of {app} at mp.weixin.qq.com; it takes effect "
      "after some minutes"};
  const ErrorMapping waits_for_admin{RetryClass::slow,
                                     "this machine's address waits for the admin's consent",
                                     "ask the admin of {app} to confirm {ip} in WeChat"};
  const ErrorMapping out_of_place{RetryClass::backoff, "an error that makes no sense for this call",
                                  "check that base_url leads to WeChat itself"};

  // An old text for a wrong secret: elsewhere this code means a dead token, and a client that took
  // it for one would fetch and retry without end.
  ErrorMapping wrong_secret_by_its_old_code = wrong_secret;
  wrong_secret_by_its_old_code.passed_on_as = 40125;
  // For the same reason, these never leave Hufu under their own number.
  ErrorMapping about_a_dead_token = out_of_place;
  about_a_dead_token.passed_on_as = -1;

  return {
      {"-1",
       {RetryClass::backoff, "the platform is busy", "nothing to do: Hufu tries again by itself"}},
      {"40001", wrong_secret_by_its_old_code},
      {"40002",
       {RetryClass::slow, "the grant type was not understood",
        "check that base_url leads to WeChat itself"}},
      {"40013", {RetryClass::slow, "there is no such app", "check the app id {app}"}},
      {"40014", about_a_dead_token},
      {"40125", wrong_secret},
      {"40164", not_listed},
      {"40243",
       {RetryClass::slow, "the app secret is frozen",
        "unfreeze the secret of {app} at mp.weixin.qq.com; it takes effect after about ten "
        "minutes"}},
      {"41002",
       {RetryClass::slow, "no app id arrived", "check that nothing on the way drops parameters"}},
      {"41004", {RetryClass::slow, "no app secret arrived", "set the secret of {app}"}},
      {"42001", about_a_dead_token},
      {"43002",
       {RetryClass::slow, "the call must be a POST",
        "check that nothing on the way turns the POST into a GET"}},
      {"45009",
       {RetryClass::slow, "the calls of the day are used up",
        "find out who else fetches tokens for {app}; wait for the next day, or clear the quota "
        "(POST /cgi-bin/clear_quota/v2)"}},
      {"45011",
       {RetryClass::next_minute, "the calls of this minute are used up",
        "find out who else fetches tokens for {app}"}},
      {"48001",
       {RetryClass::slow, "the app may not call this interface",
        "check the permissions of {app} at mp.weixin.qq.com"}},
      {"50002",
       {RetryClass::slow, "the account is frozen or restricted",
        "look for a notice of the platform about {app}"}},
      {"50004",
       {RetryClass::slow, "the account may not use access tokens",
        "look for a notice of the platform about {app}"}},
      {"61004", not_listed},
      {"61024",
       {RetryClass::slow,
        "this is the id of a third-party platform, whose tokens are fetched elsewhere",
        "use the id of an official account or a mini program"}},
      {"89501", waits_for_admin},
      {"89502", waits_for_admin},
      {"89503", waits_for_admin},
      {"89504", waits_for_admin},
      {"89505", waits_for_admin},
      {"89506",
       {RetryClass::slow,
        "the admin has refused this machine's address twice; it is barred for 24 hours",
        "ask the admin of {app} whether {ip} may call"}},
      {"89507",
       {RetryClass::slow, "the admin has refused this machine's address; it is barred for an hour",
        "ask the admin of {app} whether {ip} may call"}},
  };
}

/// What both endpoints have in common.
Description wechat(std::string endpoint) {
  Description wechat;
  wechat.platform = "wechat";
  wechat.endpoint = std::move(endpoint);
  wechat.kind = kAccessToken;
  wechat.title = "WeChat";
  wechat.rule.overlap = seconds(300);
  wechat.rule.longest_life = seconds(7200);
  wechat.codes = error_codes();

  Probe probe;
  probe.call.path = "/cgi-bin/getcallbackip";
  probe.call.query = {{"access_token", token()}};
  probe.dead = {"40001", "40014", "42001"};
  probe.sign_of_life = "ip_list";
  wechat.probe = std::move(probe);
  return wechat;
}

}  // namespace

Description wechat_classic() {
  Description classic = wechat("classic");
  classic.rule.shape = RenewalRule::Shape::rotating;
  classic.issue.path = "/cgi-bin/token";
  // Without a trailing s, unlike RFC 6749.
  classic.issue.query = {
      {"grant_type", constant("client_credential")}, {"appid", app()}, {"secret", secret()}};
  return classic;
}

Description wechat_stable() {
  Description stable = wechat("stable");
  stable.rule.shape = RenewalRule::Shape::windowed;
  stable.rule.forced_a_day = 20;
  stable.rule.forced_apart = seconds(30);
  stable.issue.method = "POST";
  stable.issue.path = "/cgi-bin/stable_token";
  stable.issue.body = {{"grant_type", constant("client_credential")},
                       {"appid", app()},
                       {"secret", secret()},
                       {"force_refresh", force()}};
  return stable;
}

}  // namespace hufu::platform
