#include "platform/compose.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

namespace hufu::platform {
namespace {

using namespace std::string_view_literals;
using std::chrono::seconds;

/// Everything that needs care in a URL or in JSON, a zero byte included.
constexpr auto kNasty = "a&b=c?d#e%f+g h/\"\\\r\n\0\x7f虎"sv;

net::HttpRequest composed(const Call& call, const Materials& materials) {
  return compose(call, "https://host/base", materials, seconds(3));
}

TEST(Compose, BuildsMethodAddressAndTimeout) {
  Call call;
  call.method = "PUT";
  call.path = "/path";
  auto request = composed(call, {});
  EXPECT_EQ(request.method, "PUT");
  EXPECT_EQ(request.url.reveal(), "https://host/base/path");
  EXPECT_TRUE(request.body.empty());
  EXPECT_EQ(request.timeout, seconds(3));
}

TEST(Compose, FillsEveryKindOfValueIn) {
  Call call;
  call.path = "/p";
  call.query = {{"1", constant("text")}, {"2", app()},     {"3", secret()}, {"4", force()},
                {"5", needed(0)},        {"6", needed(1)}, {"7", token()}};
  Materials materials;
  materials.app = "wx1";
  materials.secret = "s";
  materials.force = true;
  materials.needed = {"n0", "n1"};
  materials.token = "t";
  EXPECT_EQ(composed(call, materials).url.reveal(),
            "https://host/base/p?1=text&2=wx1&3=s&4=true&5=n0&6=n1&7=t");
}

TEST(Compose, EncodesQueriesWholly) {
  Call call;
  call.query = {{"s", secret()}};
  Materials materials;
  materials.secret = kNasty;
  EXPECT_EQ(composed(call, materials).url.reveal(),
            "https://host/base?s=a%26b%3Dc%3Fd%23e%25f%2Bg%20h%2F%22%5C%0D%0A%00%7F%E8%99%8E");
}

TEST(Compose, EncodesFormsLikeQueries) {
  Call call;
  call.encoding = Call::Encoding::form;
  call.body = {{"app_id", app()}, {"s", secret()}};
  Materials materials;
  materials.app = "wx1";
  materials.secret = "a&b c";
  auto request = composed(call, materials);
  EXPECT_EQ(request.content_type, "application/x-www-form-urlencoded");
  EXPECT_EQ(request.body.reveal(), "app_id=wx1&s=a%26b%20c");
}

TEST(Compose, EscapesJsonSoThatItReadsBackTheSame) {
  Call call;
  call.body = {{"secret", secret()}, {"force_refresh", force()}};
  Materials materials;
  materials.secret = kNasty;
  auto request = composed(call, materials);
  EXPECT_EQ(request.content_type, "application/json");
  auto body = request.body.reveal();
  auto read = boost::json::parse({body.data(), body.size()}).as_object();
  EXPECT_EQ(std::string(read.at("secret").as_string()), std::string(kNasty));
  EXPECT_EQ(read.at("force_refresh").as_bool(), false) << "a JSON boolean, not a word";
}

TEST(Compose, HasRoomForTheWorst) {
  Call call;
  call.query = {{"s", secret()}};
  call.body = {{"s", secret()}};
  std::string worst(5000, '\x01');
  Materials materials;
  materials.secret = worst;
  auto request = composed(call, materials);
  EXPECT_EQ(request.url.size(), "https://host/base?s="sv.size() + 3 * worst.size());
  EXPECT_EQ(request.body.size(), "{\"s\":\"\"}"sv.size() + 6 * worst.size());
}

TEST(Compose, PutsTheAppIntoThePathAndATokenIntoTheHeader) {
  Call call;
  call.path = "/v1.0/{app}/token";
  call.bearer = needed(0);
  Materials materials;
  materials.app = "corp/../1";
  materials.needed = {"parent"};
  auto request = composed(call, materials);
  EXPECT_EQ(request.url.reveal(), "https://host/base/v1.0/corp%2F..%2F1/token");
  EXPECT_EQ(request.authorization.reveal(), "parent");
}

}  // namespace
}  // namespace hufu::platform
