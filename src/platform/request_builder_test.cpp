#include "platform/request_builder.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>
#include <string>

namespace hufu::platform {
namespace {

using namespace std::string_view_literals;
using std::chrono::seconds;

/// Everything that needs care in a URL or in JSON, a zero byte included.
constexpr auto kNasty = "a&b=c?d#e%f+g h/\"\\\r\n\0\x7f虎"sv;

/// An app with this secret.
IssueRequest asked_with(std::string_view secret, std::string app = "wx1") {
  IssueRequest asked;
  asked.app = std::move(app);
  asked.credentials.emplace(kSecret, Secret(secret));
  asked.timeout = seconds(3);
  return asked;
}

net::HttpRequest built(const Call& call, const IssueRequest& asked = asked_with("s"),
                       std::string_view probed = {}) {
  return build_request(call, "https://host/base", asked, probed);
}

TEST(RequestBuilder, BuildsMethodAddressAndTimeout) {
  Call call;
  call.method = "PUT";
  call.path = "/path";
  auto request = built(call);
  EXPECT_EQ(request.method, "PUT");
  EXPECT_EQ(request.url.reveal(), "https://host/base/path");
  EXPECT_TRUE(request.body.empty());
  EXPECT_EQ(request.timeout, seconds(3));
}

TEST(RequestBuilder, FillsEveryKindOfValueIn) {
  Call call;
  call.path = "/p";
  call.query = {{"1", text("words")}, {"2", app()},           {"3", secret()},
                {"4", force()},       {"5", needed(0)},       {"6", needed(1)},
                {"7", token()},       {"8", refresh_token()}, {"9", parent()}};
  IssueRequest asked = asked_with("s");
  asked.parent = "wx0";
  asked.force = true;
  asked.needed.emplace_back("n0"sv);
  asked.needed.emplace_back("n1"sv);
  asked.refresh_token = Secret("r"sv);
  EXPECT_EQ(built(call, asked, "t").url.reveal(),
            "https://host/base/p?1=words&2=wx1&3=s&4=true&5=n0&6=n1&7=t&8=r&9=wx0");
}

TEST(RequestBuilder, PutsSettingsWhereTheirPlaceholdersStand) {
  Call call;
  call.path = "/{tenant}/token";
  call.query = {{"scope", text("{scope}")}, {"resource", text("api://{app}/{tenant}")}};
  IssueRequest asked = asked_with("s");
  asked.settings = {{"tenant", "a/b"}, {"scope", "read write"}};
  EXPECT_EQ(built(call, asked).url.reveal(),
            "https://host/base/a%2Fb/token?scope=read%20write&resource=api%3A%2F%2Fwx1%2Fa%2Fb");
}

TEST(RequestBuilder, LeavesAParameterOutWhoseSettingIsEmpty) {
  Call call;
  call.method = "POST";
  call.encoding = Call::Encoding::form;
  call.body = {{"grant_type", text("client_credentials")},
               {"scope", text("{scope}")},
               {"resource", text("api://{app}/{tenant}")}};
  EXPECT_EQ(built(call).body.reveal(), "grant_type=client_credentials");
  IssueRequest asked = asked_with("s");
  asked.settings = {{"scope", ""}, {"tenant", "t"}};
  EXPECT_EQ(built(call, asked).body.reveal(),
            "grant_type=client_credentials&resource=api%3A%2F%2Fwx1%2Ft");
}

TEST(RequestBuilder, EncodesQueriesWholly) {
  Call call;
  call.query = {{"s", secret()}};
  EXPECT_EQ(built(call, asked_with(kNasty)).url.reveal(),
            "https://host/base?s=a%26b%3Dc%3Fd%23e%25f%2Bg%20h%2F%22%5C%0D%0A%00%7F%E8%99%8E");
}

TEST(RequestBuilder, EncodesFormsLikeQueries) {
  Call call;
  call.encoding = Call::Encoding::form;
  call.body = {{"app_id", app()}, {"s", secret()}};
  auto request = built(call, asked_with("a&b c"));
  EXPECT_EQ(request.content_type, "application/x-www-form-urlencoded");
  EXPECT_EQ(request.body.reveal(), "app_id=wx1&s=a%26b%20c");
}

TEST(RequestBuilder, EscapesJsonSoThatItReadsBackTheSame) {
  Call call;
  call.body = {{"secret", secret()}, {"force_refresh", force()}};
  auto request = built(call, asked_with(kNasty));
  EXPECT_EQ(request.content_type, "application/json");
  auto body = request.body.reveal();
  auto read = boost::json::parse({body.data(), body.size()}).as_object();
  EXPECT_EQ(std::string(read.at("secret").as_string()), std::string(kNasty));
  EXPECT_EQ(read.at("force_refresh").as_bool(), false) << "a JSON boolean, not a word";
}

TEST(RequestBuilder, HasRoomForTheWorst) {
  Call call;
  call.query = {{"s", secret()}};
  call.body = {{"s", secret()}};
  std::string worst(5000, '\x01');
  auto request = built(call, asked_with(worst));
  EXPECT_EQ(request.url.size(), "https://host/base?s="sv.size() + 3 * worst.size());
  EXPECT_EQ(request.body.size(), "{\"s\":\"\"}"sv.size() + 6 * worst.size());
}

TEST(RequestBuilder, PutsTheAppIntoThePathAndATokenIntoTheHeader) {
  Call call;
  call.path = "/v1.0/{app}/token";
  call.bearer = needed(0);
  IssueRequest asked = asked_with("s", "corp/../1");
  asked.needed.emplace_back("parent"sv);
  auto request = built(call, asked);
  EXPECT_EQ(request.url.reveal(), "https://host/base/v1.0/corp%2F..%2F1/token");
  EXPECT_EQ(request.authorization_scheme, "Bearer");
  EXPECT_EQ(request.authorization.reveal(), "parent");
}

TEST(RequestBuilder, PutsValuesOfEveryKindIntoHeaders) {
  Call call;
  call.headers = {{"X-Token", needed(0)},
                  {"X-Probed", token()},
                  {"X-App", text("{app}/{scope}")},
                  {"Content-Type", text("application/json")}};
  IssueRequest asked = asked_with("s");
  asked.needed.emplace_back("n0"sv);
  auto request = built(call, asked, "t");
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : request.headers) headers[name] = value.reveal();
  EXPECT_EQ(headers,
            (std::map<std::string, std::string>{
                {"X-Token", "n0"}, {"X-Probed", "t"}, {"Content-Type", "application/json"}}))
      << "the one whose setting is empty is left out";
  EXPECT_TRUE(request.body.empty());
}

// RFC 6749, 2.3.1: both are form-encoded before they are joined by a colon.
TEST(RequestBuilder, FormEncodesIdAndSecretForBasic) {
  Call call;
  call.basic = true;
  auto request = built(call, asked_with("s+e/c r:e%t", "my app:1"));
  EXPECT_EQ(request.authorization_scheme, "Basic");
  // my+app%3A1:s%2Be%2Fc+r%3Ae%25t
  EXPECT_EQ(request.authorization.reveal(), "bXkrYXBwJTNBMTpzJTJCZSUyRmMrciUzQWUlMjV0");
  EXPECT_EQ(built(call, asked_with("", "a")).authorization.reveal(), "YTo=");
}

}  // namespace
}  // namespace hufu::platform
