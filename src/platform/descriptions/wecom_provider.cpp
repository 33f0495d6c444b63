#include "platform/description.hpp"
#include "platform/descriptions/refusals.hpp"

// Service providers of WeCom (企业微信服务商), an app each.
// https://developer.work.weixin.qq.com/document/path/90593 and, for the codes,
// https://developer.work.weixin.qq.com/document/path/90313.

namespace hufu::platform::descriptions {
namespace {

using std::chrono::seconds;

ErrorMappings token_errors() {
  const ErrorMapping wrong_secret =
      until_mended("the provider's secret is wrong",
                   "set the secret of {app} anew, the ProviderSecret at open.work.weixin.qq.com");
  // Clients take 40001 for a dead token: they would fetch and retry without end.
  ErrorMapping wrong_secret_by_its_old_code = wrong_secret;
  wrong_secret_by_its_old_code.passed_on_as = 40091;
  const ErrorMapping dead = about_a_dead_token(-1);
  return {
      {"-1", busy()},
      {"40001", wrong_secret_by_its_old_code},
      {"40013", until_mended("there is no such provider", "check the provider's corpid {app}")},
      {"40014", dead},
      {"40082", dead},
      {"40091", wrong_secret},
      {"41002", until_mended("no corpid arrived", "check that nothing on the way drops the body")},
      {"41004", until_mended("no secret arrived", "set the secret of {app}")},
      {"42001", dead},
      {"43002", until_mended("the call must be a POST",
                             "check that nothing on the way turns the POST into a GET")},
      {"45009",
       {.retry_class = RetryClass::next_minute,
        .words = "there were too many calls",
        .fix = "find out who else fetches tokens for {app}, and who calls with a wrong secret"}},
      {"45033", too_many_at_once()},
      {"47001", until_mended("the body was not understood",
                             "check that nothing on the way changes the body")},
      {"60020", about_this_machine("{ip} is not in the provider's IP list",
                                   "add {ip} to the IP list of {app} at open.work.weixin.qq.com")},
  };
}

DropInFailures drop_in_failures() {
  DropInFailures failures;
  failures.body = R"({"errcode":{code},"errmsg":"{message}, hint: [{rid}]"})";
  failures.no_id = "41002";
  failures.unknown_app = "40013";
  failures.no_secret = "41004";
  failures.wrong_secret = "40091";
  failures.wrong_parameter = "40035";
  failures.post_required = "43002";
  failures.never = {"0", "40001", "40014", "40082", "42001"};
  return failures;
}

/// POST /cgi-bin/service/get_provider_token. No probe: each call that takes this token changes
/// something, or needs what not every provider has.
KindDescription provider_access_token() {
  KindDescription kind;
  kind.name = "provider_access_token";
  kind.rule.shape = RenewalRule::Shape::windowed;
  kind.rule.overlap = seconds(300);
  kind.rule.longest_life = seconds(7200);
  kind.issue = {.method = "POST",
                .path = "/cgi-bin/service/get_provider_token",
                .body = {{"corpid", app()}, {"provider_secret", secret()}}};
  kind.answer.token = "provider_access_token";
  kind.errors = token_errors();
  kind.trial = kind.issue;
  kind.place = {TokenPlace::In::query, "provider_access_token"};
  kind.authority = true;
  kind.drop_in = {.methods = {"POST"},
                  .path = "/cgi-bin/service/get_provider_token",
                  .parameters = DropInRoute::Parameters::json,
                  .id = "corpid",
                  .secret = "provider_secret",
                  .success = R"({"errcode":0,"errmsg":"ok","provider_access_token":"{token}",)"
                             R"("expires_in":{lifetime}})"};
  return kind;
}

}  // namespace

PlatformDescription wecom_provider() {
  PlatformDescription provider;
  provider.name = "wecom_provider";
  provider.title = "WeCom for providers";
  provider.base_url = "https://qyapi.weixin.qq.com";
  provider.credentials = {{.name = "secret", .meaning = "the ProviderSecret"}};
  provider.kinds = {provider_access_token()};
  provider.drop_in_failures = drop_in_failures();
  return provider;
}

}  // namespace hufu::platform::descriptions
