#include "platform/request_builder.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

namespace hufu::platform {
namespace {

using namespace std::string_view_literals;
using std::chrono::seconds;

/// Everything that needs care in a URL or in JSON, a zero byte included.
constexpr auto kNasty = "a&b=c?d#e%f+g h/\"\\\r\n\0\x7f虎"sv;

net::HttpRequest composed(const Call& call, const CallArguments& arguments) {
  return build_request(call, "https://host/base", arguments, seconds(3));
}

TEST(RequestBuilder, BuildsMethodAddressAndTimeout) {
  Call call;
  call.method = "PUT";
  call.path = "/path";
  auto request = composed(call, {});
  EXPECT_EQ(request.method, "PUT");
  EXPECT_EQ(request.url.reveal(), "https://host/base/path");
  EXPECT_TRUE(request.body.empty());
  EXPECT_EQ(request.timeout, seconds(3));
}

TEST(RequestBuilder, FillsEveryKindOfValueIn) {
  Call call;
  call.path = "/p";
  call.query = {{"1", constant("text")}, {"2", app()},     {"3", secret()}, {"4", force()},
                {"5", needed(0)},        {"6", needed(1)}, {"7", token()}};
  CallArguments arguments;
  arguments.app = "wx1";
  arguments.secret = "s";
  arguments.force = true;
  arguments.needed = {"n0", "n1"};
  arguments.token = "t";
  EXPECT_EQ(composed(call, arguments).url.reveal(),
            "https://host/base/p?1=text&2=wx1&3=s&4=true&5=n0&6=n1&7=t");
}

TEST(RequestBuilder, EncodesQueriesWholly) {
  Call call;
  call.query = {{"s", secret()}};
  CallArguments arguments;
  arguments.secret = kNasty;
  EXPECT_EQ(composed(call, arguments).url.reveal(),
            "https://host/base?s=a%26b%3Dc%3Fd%23e%25f%2Bg%20h%2F%22%5C%0D%0A%00%7F%E8%99%8E");
}

TEST(RequestBuilder, EncodesFormsLikeQueries) {
  Call call;
  call.encoding = Call::Encoding::form;
  call.body = {{"app_id", app()}, {"s", secret()}};
  CallArguments arguments;
  arguments.app = "wx1";
  arguments.secret = "a&b c";
  auto request = composed(call, arguments);
  EXPECT_EQ(request.content_type, "application/x-www-form-urlencoded");
  EXPECT_EQ(request.body.reveal(), "app_id=wx1&s=a%26b%20c");
}

TEST(RequestBuilder, EscapesJsonSoThatItReadsBackTheSame) {
  Call call;
  call.body = {{"secret", secret()}, {"force_refresh", force()}};
  CallArguments arguments;
  arguments.secret = kNasty;
  auto request = composed(call, arguments);
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
  CallArguments arguments;
  arguments.secret = worst;
  auto request = composed(call, arguments);
  EXPECT_EQ(request.url.size(), "https://host/base?s="sv.size() + 3 * worst.size());
  EXPECT_EQ(request.body.size(), "{\"s\":\"\"}"sv.size() + 6 * worst.size());
}

TEST(RequestBuilder, PutsTheAppIntoThePathAndATokenIntoTheHeader) {
  Call call;
  call.path = "/v1.0/{app}/token";
  call.bearer = needed(0);
  CallArguments arguments;
  arguments.app = "corp/../1";
  arguments.needed = {"parent"};
  auto request = composed(call, arguments);
  EXPECT_EQ(request.url.reveal(), "https://host/base/v1.0/corp%2F..%2F1/token");
  EXPECT_EQ(request.authorization.reveal(), "parent");
}

}  // namespace
}  // namespace hufu::platform
