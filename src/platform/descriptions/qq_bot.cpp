#include "platform/description.hpp"
#include "platform/descriptions/refusals.hpp"

// Bots of QQ.
// https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/api-use.html

namespace hufu::platform::descriptions {
namespace {

using std::chrono::seconds;

ErrorMappings token_errors() {
  return {
      {"100007", until_mended("there is no such app", "check the app id {app}")},
      {"100016", until_mended("the app id or its secret is wrong",
                              "check the id {app}, and set its secret anew at q.qq.com")},
  };
}

DropInFailures drop_in_failures() {
  DropInFailures failures;
  failures.body = R"({"code":{code},"message":"{message}"})";
  failures.no_id = "100007";
  failures.unknown_app = "100007";
  failures.no_secret = "100016";
  failures.wrong_secret = "100016";
  failures.wrong_parameter = "100016";
  failures.never = {"0", "11242", "11244"};
  return failures;
}

/// POST /app/getAppAccessToken: the same token until its last minute; then a new one, and both
/// work. No probe: the calls that take this token go to another host.
KindDescription access_token() {
  KindDescription kind;
  kind.name = kAccessToken;
  kind.rule.shape = RenewalRule::Shape::windowed;
  kind.rule.overlap = seconds(60);
  kind.rule.longest_life = seconds(7200);
  kind.issue = {.method = "POST",
                .path = "/app/getAppAccessToken",
                .body = {{"appId", app()}, {"clientSecret", secret()}}};
  kind.answer = {.code = "code", .text = "message"};
  kind.errors = token_errors();
  kind.trial = kind.issue;
  kind.place = {TokenPlace::In::header, "Authorization", "QQBot"};
  // The seconds are a string.
  kind.drop_in = {.methods = {"POST"},
                  .path = kind.issue.path,
                  .parameters = DropInRoute::Parameters::json,
                  .id = "appId",
                  .secret = "clientSecret",
                  .success = R"({"access_token":"{token}","expires_in":"{lifetime}"})"};
  return kind;
}

}  // namespace

PlatformDescription qq_bot() {
  PlatformDescription bot;
  bot.name = "qq_bot";
  bot.title = "QQ Bot";
  bot.base_url = "https://bots.qq.com";
  bot.credentials = {{.name = "secret", .meaning = "the AppSecret of the bot"}};
  bot.kinds = {access_token()};
  bot.drop_in_failures = drop_in_failures();
  return bot;
}

}  // namespace hufu::platform::descriptions
