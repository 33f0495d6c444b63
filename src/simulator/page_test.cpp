#include "simulator/page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>
#include <set>

#include "simulator/model.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::simulator {
namespace {

namespace json = boost::json;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

// The dice of these tests always fall on the same side, and their clock begins at 1800000000.
#define REQUEST_ID "18000000000002147483648"

struct Request {
  const char* method = "GET";
  std::string path{};
  std::string query{};
  std::string body{};
  std::map<std::string, std::string> headers{};
};

/// How to ask a platform for a token of the app "app-one", whose secret is "not-a-secret".
struct Asking {
  const char* name;
  Family family;
  Request request;
  const char* success;  ///< The body, with TOKEN for the token.
  std::int64_t lifetime = 7200;
};

const std::string kByQuery = "app-one&secret=not-a-secret&grant_type=client_credential";

Asking wecom() {
  return {"wecom",
          Family::wecom,
          {"GET", "/cgi-bin/gettoken", "corpid=app-one&corpsecret=not-a-secret"},
          R"({"errcode":0,"errmsg":"ok","access_token":"TOKEN","expires_in":7200})"};
}
Asking wecom_provider() {
  return {"wecom_provider",
          Family::wecom_provider,
          {"POST", "/cgi-bin/service/get_provider_token", "",
           R"({"corpid":"app-one","provider_secret":"not-a-secret"})"},
          R"({"errcode":0,"errmsg":"ok","provider_access_token":"TOKEN","expires_in":7200})"};
}
Asking feishu_tenant() {
  return {"feishu_tenant",
          Family::feishu_tenant,
          {"POST", "/open-apis/auth/v3/tenant_access_token/internal", "",
           R"({"app_id":"app-one","app_secret":"not-a-secret"})"},
          R"({"code":0,"msg":"ok","tenant_access_token":"TOKEN","expire":7200})"};
}
Asking feishu_app() {
  return {"feishu_app",
          Family::feishu_app,
          {"POST", "/open-apis/auth/v3/app_access_token/internal", "",
           R"({"app_id":"app-one","app_secret":"not-a-secret"})"},
          R"({"app_access_token":"TOKEN","code":0,"expire":7200,"msg":"ok",)"
          R"("tenant_access_token":"TOKEN"})"};
}
Asking dingtalk() {
  return {"dingtalk",
          Family::dingtalk,
          {"POST", "/v1.0/oauth2/accessToken", "",
           R"({"appKey":"app-one","appSecret":"not-a-secret"})"},
          R"({"accessToken":"TOKEN","expireIn":7200})"};
}
Asking dingtalk_classic() {
  return {"dingtalk_classic",
          Family::dingtalk_classic,
          {"GET", "/gettoken", "appkey=app-one&appsecret=not-a-secret"},
          R"({"errcode":0,"access_token":"TOKEN","errmsg":"ok","expires_in":7200})"};
}
Asking douyin() {
  return {"douyin",
          Family::douyin,
          {"POST", "/api/apps/v2/token", "",
           R"({"appid":"app-one","secret":"not-a-secret","grant_type":"client_credential"})"},
          R"({"err_no":0,"err_tips":"success",)"
          R"("data":{"access_token":"TOKEN","expires_in":7200}})"};
}
Asking douyin_client(const char* name = "douyin_client", Family family = Family::douyin_client,
                     const char* path = "/oauth/client_token/") {
  return {name,
          family,
          {"POST", path, "",
           R"({"client_key":"app-one","client_secret":"not-a-secret",)"
           R"("grant_type":"client_credential"})"},
          R"({"data":{"access_token":"TOKEN","expires_in":7200,"error_code":0,"description":""},)"
          R"("message":"success"})"};
}
Asking douyin_stable_client() {
  return douyin_client("douyin_stable_client", Family::douyin_stable_client,
                       "/oauth/stable_client_token/");
}
Asking qq() {
  return {"qq",
          Family::qq,
          {"GET", "/api/getToken", "appid=" + kByQuery},
          R"({"access_token":"TOKEN","expires_in":7200})"};
}
Asking qq_bot() {
  return {"qq_bot",
          Family::qq_bot,
          {"POST", "/app/getAppAccessToken", "",
           R"({"appId":"app-one","clientSecret":"not-a-secret"})"},
          R"({"access_token":"TOKEN","expires_in":"7200"})"};
}
Asking baidu() {
  return {"baidu",
          Family::baidu,
          {"POST", "/oauth/2.0/token",
           "client_id=app-one&client_secret=not-a-secret&grant_type=client_credentials"},
          R"({"access_token":"TOKEN","expires_in":2592000,"refresh_token":"SIM_unused",)"
          R"("scope":"public","session_key":"SIM_unused","session_secret":"SIM_unused"})",
          2'592'000};
}
Asking kuaishou() {
  return {"kuaishou",
          Family::kuaishou,
          {"POST", "/oauth2/access_token", "",
           "app_id=app-one&app_secret=not-a-secret&grant_type=client_credentials"},
          R"({"result":1,"access_token":"TOKEN","expires_in":172800,"token_type":"bearer"})",
          172'800};
}

// The platforms, and the calls that a client makes to them.
class PageTest : public ::testing::Test {
 protected:
  static constexpr const char* kApp = "app-one";
  static constexpr const char* kSecret = "not-a-secret";

  explicit PageTest(Model::Options options = {}) : model_(clock_, dice_, std::move(options)) {
    model_.put_app({kApp, kSecret});
  }

  Call read(const Request& request, std::string_view peer = "127.0.0.1") {
    WireRequest wire{request.method, request.path, request.query, request.body, peer};
    wire.header = [&request](std::string_view name) {
      auto found = request.headers.find(std::string(name));
      return found == request.headers.end() ? std::string_view() : std::string_view(found->second);
    };
    return read_call(wire);
  }
  Answer send(const Request& request, std::string_view peer = "127.0.0.1") {
    return model_.answer(read(request, peer));
  }

  /// The token of an answer, wherever it stands; the whole body of a refusal.
  static std::string token_in(const std::string& body) {
    const auto begin = body.find("\"SIM_");
    if (begin == std::string::npos) return body;
    return body.substr(begin + 1, body.find('"', begin + 1) - begin - 1);
  }
  std::string token(const Asking& asking) { return token_in(send(asking.request).body); }
  /// How long the platform says that the token lives.
  std::int64_t left(const Asking& asking) {
    const std::string body = send(asking.request).body;
    for (const char* name :
         {R"("expires_in":)", R"("expire":)", R"("expireIn":)", R"("expire_in":)"})
      if (auto at = body.find(name); at != std::string::npos) {
        const std::string value = body.substr(at + std::string_view(name).size());
        return std::stoll(value.starts_with('"') ? value.substr(1) : value);
      }
    ADD_FAILURE() << body;
    return -1;
  }
  bool alive(const std::string& value) const {
    auto entry = model_.token(value);
    return entry && entry->alive(model_.now());
  }
  void set(const char* patch, const char* app = "") {
    auto done = model_.change_settings(app, json::parse(patch).as_object());
    ASSERT_TRUE(done) << done.error().message;
  }

  testing::FakeClock clock_;
  testing::FixedJitter dice_;
  Model model_;
};

// The table.

TEST(Pages, KnowWhatToSayToWhoeverHasNoRightToWhatTheyGive) {
  for (const Page& page : pages()) {
    std::set<Trouble> known;
    for (const Refusal& refusal : page.refusals) known.insert(refusal.trouble);
    if (page.task == Page::Task::token) {
      EXPECT_TRUE(known.contains(Trouble::id_unknown)) << page.path;
      EXPECT_TRUE(known.contains(Trouble::secret_wrong)) << page.path;
    } else if (!page.accepts.empty()) {
      EXPECT_TRUE(known.contains(Trouble::token_missing)) << page.path;
      EXPECT_TRUE(known.contains(Trouble::token_unknown)) << page.path;
      EXPECT_TRUE(known.contains(Trouble::token_expired)) << page.path;
    }
  }
}

TEST(Pages, LeaveWhatIsWeChatsToWeChat) {
  for (const char* path : {"/cgi-bin/token", "/cgi-bin/stable_token", "/cgi-bin/ticket/getticket",
                           "/cgi-bin/clear_quota", "/cgi-bin/getcallbackip", "/cgi-bin/user/get",
                           "/cgi-bin/message/custom/send", "/wxa/getwxacode", "/elsewhere", "/"})
    EXPECT_EQ(page_at(path), nullptr) << path;
}

TEST(Pages, AreFoundWithAndWithoutTheSlashAtTheirEnd) {
  EXPECT_EQ(page_at("/oauth/client_token"), page_at("/oauth/client_token/"));
  EXPECT_EQ(page_at("/gettoken")->makes, Family::dingtalk_classic);
  EXPECT_EQ(page_at("/cgi-bin/gettoken")->makes, Family::wecom);
}

TEST_F(PageTest, HaveOneNameInTheLedger) {
  Asking asking = feishu_tenant();
  token(asking);
  asking.request.path += '/';
  token(asking);
  EXPECT_EQ(model_.calls("", "/open-apis/auth/v3/tenant_access_token/internal").size(), 2U);
  token(wecom());
  EXPECT_EQ(model_.calls(kApp, "gettoken").size(), 1U);
}

// What holds on every platform.

class Everywhere : public PageTest, public ::testing::WithParamInterface<Asking> {};

TEST_P(Everywhere, AnswersATokenInThePlatformsShape) {
  const Asking& asking = GetParam();
  const Answer answer = send(asking.request);
  std::string body = answer.body;
  const std::string value = token_in(body);
  for (auto at = body.find(value); at != std::string::npos; at = body.find(value))
    body.replace(at, value.size(), "TOKEN");
  EXPECT_EQ(body, asking.success);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "application/json; charset=utf-8");
  EXPECT_EQ(value.size(), 136U);
}

TEST_P(Everywhere, RemembersTheTokenAndTheCall) {
  const Asking& asking = GetParam();
  const std::string value = token(asking);
  const auto entry = model_.token(value);
  ASSERT_TRUE(entry) << value;
  EXPECT_EQ(entry->app, kApp);
  EXPECT_EQ(entry->family, asking.family);
  EXPECT_EQ(name_of(entry->family), asking.name);
  EXPECT_EQ(entry->dies_at, clock_.kStart + seconds(asking.lifetime));
  const auto calls = model_.calls(kApp);
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].deed, Deed::made);
  EXPECT_EQ(calls[0].token, entry->serial);
  EXPECT_EQ(model_.totals().token_calls, 1U);
  EXPECT_EQ(model_.totals().tokens_made, 1U);
}

TEST_P(Everywhere, AnswersAnErrcodeInThePlatformsShape) {
  FaultSwitch fault;
  fault.kind = FaultSwitch::Kind::errcode;
  fault.endpoint = read(GetParam().request).name;
  fault.app = kApp;
  model_.add_fault(fault);
  const Visit visit = model_.arrive(read(GetParam().request));
  ASSERT_TRUE(visit.fault);
  const Answer answer = model_.refuse(visit, 4711);
  model_.leave(visit, Ending::answered);
  EXPECT_THAT(answer.body, HasSubstr("4711"));
  EXPECT_THAT(answer.body, HasSubstr("simulated error"));
  EXPECT_THAT(answer.body, ::testing::Not(HasSubstr("rid:"))) << "that is WeChat's";
  EXPECT_TRUE(json::parse(answer.body).is_object());
  EXPECT_EQ(model_.calls().at(0).errcode, 4711);
  EXPECT_EQ(model_.calls().at(0).fault, FaultSwitch::Kind::errcode);
  EXPECT_TRUE(model_.tokens().empty());
}

TEST_P(Everywhere, ObeysTheVerdictAndTheLifetimeOfTheSettings) {
  set(R"({"verdict":4711})");
  EXPECT_THAT(send(GetParam().request).body, HasSubstr("4711"));
  EXPECT_EQ(model_.totals().refused, 1U);
  set(R"({"verdict":0,"lifetime":"90s"})");
  EXPECT_EQ(left(GetParam()), 90);
}

TEST_P(Everywhere, MakesAnotherTokenWhenOneWasTakenBack) {
  const std::string first = token(GetParam());
  EXPECT_EQ(model_.revoke_token(first), 1U);
  const std::string second = token(GetParam());
  EXPECT_NE(second, first);
  EXPECT_TRUE(alive(second));
  EXPECT_EQ(model_.revoke_app(kApp), 1U);
  EXPECT_FALSE(alive(second));
}

TEST_P(Everywhere, SeesCallsOfOneAppThatOverlap) {
  const Visit first = model_.arrive(read(GetParam().request));
  const Visit second = model_.arrive(read(GetParam().request));
  EXPECT_EQ(model_.totals().overlapping_pairs, 1U);
  model_.leave(first, Ending::answered);
  model_.leave(second, Ending::answered);
  token(GetParam());
  EXPECT_EQ(model_.totals().overlapping_pairs, 1U);
}

TEST_P(Everywhere, LeavesTheOtherFamiliesOfAnAppAlone) {
  std::vector<std::string> others;
  for (const Asking& other :
       {wecom(), wecom_provider(), feishu_tenant(), feishu_app(), dingtalk(), dingtalk_classic(),
        douyin(), douyin_client(), douyin_stable_client(), qq(), qq_bot(), baidu(), kuaishou()})
    if (other.family != GetParam().family) others.push_back(token(other));
  for (int i = 0; i < 3; ++i) token(GetParam());
  clock_.advance(minutes(20));
  EXPECT_EQ(others.size(), 12U);
  for (const std::string& each : others) EXPECT_TRUE(alive(each));
}

INSTANTIATE_TEST_SUITE_P(Platforms, Everywhere,
                         ::testing::Values(wecom(), wecom_provider(), feishu_tenant(), feishu_app(),
                                           dingtalk(), dingtalk_classic(), douyin(),
                                           douyin_client(), douyin_stable_client(), qq(), qq_bot(),
                                           baidu(), kuaishou()),
                         [](const auto& row) { return row.param.name; });

// What a platform says to a call for a token, in the order in which it looks.

struct Rejection {
  const char* name;
  Request request;
  const char* body;
  int status = 200;
};

class OrderOfAPage : public PageTest, public ::testing::WithParamInterface<Rejection> {};

TEST_P(OrderOfAPage, IsThePlatforms) {
  const Answer answer = send(GetParam().request);
  EXPECT_EQ(answer.body, GetParam().body);
  EXPECT_EQ(answer.status, GetParam().status);
  EXPECT_TRUE(model_.tokens().empty());
  EXPECT_EQ(model_.calls().at(0).deed, Deed::refused);
  EXPECT_NE(model_.calls().at(0).errcode, 0);
}

#define WECOM_MORE(code)                 \
  ", hint: [" REQUEST_ID                 \
  "], from ip: 127.0.0.1, more info at " \
  "https://open.work.weixin.qq.com/devtool/query?e=" code "\"}"

INSTANTIATE_TEST_SUITE_P(
    Wecom, OrderOfAPage,
    ::testing::Values(
        Rejection{"SecretMissingBeforeCorp",
                  {"GET", "/cgi-bin/gettoken", "corpid=nobody"},
                  R"({"errcode":41004,"errmsg":"corpsecret missing)" WECOM_MORE("41004")},
        Rejection{"CorpMissing",
                  {"GET", "/cgi-bin/gettoken", "corpsecret=x"},
                  R"({"errcode":41002,"errmsg":"corpid missing)" WECOM_MORE("41002")},
        Rejection{"CorpUnknown",
                  {"GET", "/cgi-bin/gettoken", "corpid=nobody&corpsecret=x"},
                  R"({"errcode":40013,"errmsg":"invalid corpid)" WECOM_MORE("40013")},
        Rejection{"SecretWrong",
                  {"GET", "/cgi-bin/gettoken", "corpid=app-one&corpsecret=x"},
                  R"({"errcode":40001,"errmsg":"invalid credential)" WECOM_MORE("40001")},
        Rejection{"ProviderByGet",
                  {"GET", "/cgi-bin/service/get_provider_token"},
                  R"({"errcode":43002,"errmsg":"require POST method)" WECOM_MORE("43002")},
        Rejection{"ProviderReadsNoForm",
                  {"POST", "/cgi-bin/service/get_provider_token", "", "corpid=app-one"},
                  R"({"errcode":47001,"errmsg":"data format error)" WECOM_MORE("47001")},
        Rejection{"ProviderSecretMissing",
                  {"POST", "/cgi-bin/service/get_provider_token", "", R"({"corpid":"app-one"})"},
                  R"({"errcode":41004,"errmsg":"provider_secret missing)" WECOM_MORE("41004")},
        Rejection{"ProviderSecretWrong",
                  {"POST", "/cgi-bin/service/get_provider_token", "",
                   R"({"corpid":"app-one","provider_secret":"x"})"},
                  R"({"errcode":40001,"errmsg":"invalid credential)" WECOM_MORE("40001")}),
    [](const auto& row) { return row.param.name; });

constexpr const char* kTenantPath = "/open-apis/auth/v3/tenant_access_token/internal";
constexpr const char* kAppPath = "/open-apis/auth/v3/app_access_token/internal";
constexpr const char* kInvalidParam = R"({"code":10003,"data":{},"msg":"invalid param"})";
INSTANTIATE_TEST_SUITE_P(
    Feishu, OrderOfAPage,
    ::testing::Values(
        Rejection{"ByGet", {"GET", kTenantPath}, "404 page not found", 404},
        Rejection{
            "OfAnUnknownPath", {"POST", "/open-apis/auth/v3/elsewhere"}, "404 page not found", 404},
        Rejection{"IdMissing", {"POST", kTenantPath, "", "{}"}, kInvalidParam},
        Rejection{"ReadsNoQuery",
                  {"POST", kTenantPath, "app_id=app-one&app_secret=not-a-secret"},
                  kInvalidParam},
        Rejection{
            "SecretMissing", {"POST", kAppPath, "", R"({"app_id":"app-one"})"}, kInvalidParam},
        Rejection{"IdUnknown",
                  {"POST", kTenantPath, "", R"({"app_id":"nobody","app_secret":"x"})"},
                  kInvalidParam},
        Rejection{"SecretWrong",
                  {"POST", kAppPath, "", R"({"app_id":"app-one","app_secret":"x"})"},
                  R"({"code":10014,"data":{},"msg":"app secret invalid"})"}),
    [](const auto& row) { return row.param.name; });

constexpr const char* kDingTalkPath = "/v1.0/oauth2/accessToken";
INSTANTIATE_TEST_SUITE_P(
    DingTalk, OrderOfAPage,
    ::testing::Values(
        Rejection{"ByGet",
                  {"GET", kDingTalkPath},
                  R"({"code":"InvalidAction.NotFound","requestid":")" REQUEST_ID
                  R"(","message":"Specified api is not found, please check your url and method."})",
                  404},
        Rejection{"ReadsNoForm",
                  {"POST", kDingTalkPath, "", "appKey=app-one&appSecret=not-a-secret"},
                  R"({"code":"Missingbody","requestid":")" REQUEST_ID
                  R"(","message":"body is mandatory for this action."})",
                  400},
        Rejection{"KeyMissing",
                  {"POST", kDingTalkPath, "", R"({"appSecret":"x"})"},
                  R"({"code":"MissingappKey","requestid":")" REQUEST_ID
                  R"(","message":"appKey is mandatory for this action."})",
                  400},
        Rejection{"KeyUnknown",
                  {"POST", kDingTalkPath, "", R"({"appKey":"nobody","appSecret":"x"})"},
                  R"({"code":"invalidClientIdOrSecret","requestid":")" REQUEST_ID
                  R"(","message":"无效的clientId或者clientSecret"})",
                  400},
        Rejection{"SecretWrong",
                  {"POST", kDingTalkPath, "", R"({"appKey":"app-one","appSecret":"x"})"},
                  R"({"code":"invalidClientIdOrSecret","requestid":")" REQUEST_ID
                  R"(","message":"无效的clientId或者clientSecret"})",
                  400},
        Rejection{"ClassicKeyMissing",
                  {"GET", "/gettoken", ""},
                  R"({"errcode":40035,"errmsg":"缺少参数 corpid or appkey"})"},
        Rejection{"ClassicSecretMissing",
                  {"GET", "/gettoken", "appkey=app-one"},
                  R"({"errcode":40035,"errmsg":"缺少参数 corpsecret or appsecret"})"},
        Rejection{"ClassicKeyUnknown",
                  {"GET", "/gettoken", "appkey=nobody&appsecret=x"},
                  R"({"errcode":40096,"errmsg":"不合法的appKey或appSecret"})"},
        Rejection{"ClassicSecretWrong",
                  {"GET", "/gettoken", "appkey=app-one&appsecret=x"},
                  R"({"errcode":40096,"errmsg":"不合法的appKey或appSecret"})"}),
    [](const auto& row) { return row.param.name; });

constexpr const char* kDouyinPath = "/api/apps/v2/token";
constexpr const char* kClientPath = "/oauth/client_token/";
constexpr const char* kStableClientPath = "/oauth/stable_client_token/";
constexpr const char* kParametersWrong =
    R"({"data":{"error_code":10002,"description":"参数错误"},"message":"error"})";
INSTANTIATE_TEST_SUITE_P(
    Douyin, OrderOfAPage,
    ::testing::Values(
        Rejection{"ByGet", {"GET", kDouyinPath}, "404 page not found", 404},
        Rejection{"IdMissing",
                  {"POST", kDouyinPath, "", "{}"},
                  R"({"err_no":40015,"err_tips":"bad appid"})"},
        Rejection{"IdUnknown",
                  {"POST", kDouyinPath, "", R"({"appid":"nobody"})"},
                  R"({"err_no":40015,"err_tips":"bad appid"})"},
        Rejection{"GrantWrong",
                  {"POST", kDouyinPath, "",
                   R"({"appid":"app-one","secret":"x","grant_type":"client_credentials"})"},
                  R"({"err_no":40020,"err_tips":"bad grant_type"})"},
        Rejection{"SecretWrong",
                  {"POST", kDouyinPath, "",
                   R"({"appid":"app-one","secret":"x","grant_type":"client_credential"})"},
                  R"({"err_no":40017,"err_tips":"bad secret"})"},
        Rejection{"ClientKeyMissing", {"POST", kClientPath, "", "{}"}, kParametersWrong},
        Rejection{"ClientGrantMissing",
                  {"POST", kStableClientPath, "",
                   R"({"client_key":"app-one","client_secret":"not-a-secret"})"},
                  kParametersWrong},
        Rejection{
            "ClientKeyUnknown",
            {"POST", kClientPath, "",
             R"({"client_key":"nobody","client_secret":"x","grant_type":"client_credential"})"},
            R"({"data":{"error_code":10003,"description":"client_key不存在"},"message":"error"})"},
        Rejection{"ClientSecretWrong",
                  {"POST", kStableClientPath, "",
                   "client_key=app-one&client_secret=x&grant_type=client_credential"},
                  R"({"data":{"error_code":10013,"description":"client_key或者client_secret报错"},)"
                  R"("message":"error"})"}),
    [](const auto& row) { return row.param.name; });

constexpr const char* kBotPath = "/app/getAppAccessToken";
INSTANTIATE_TEST_SUITE_P(
    Qq, OrderOfAPage,
    ::testing::Values(
        Rejection{
            "IdMissing", {"GET", "/api/getToken"}, R"({"errcode":41002,"errmsg":"appid missing"})"},
        Rejection{"IdUnknown",
                  {"GET", "/api/getToken", "appid=nobody"},
                  R"({"errcode":40013,"errmsg":"invalid appid"})"},
        Rejection{"SecretMissing",
                  {"GET", "/api/getToken", "appid=app-one"},
                  R"({"errcode":41004,"errmsg":"appsecret missing"})"},
        Rejection{"GrantMissing",
                  {"GET", "/api/getToken", "appid=app-one&secret=x"},
                  R"({"errcode":40002,"errmsg":"invalid grant_type"})"},
        Rejection{"SecretWrong",
                  {"GET", "/api/getToken", "appid=app-one&secret=x&grant_type=client_credential"},
                  R"({"errcode":40125,"errmsg":"invalid appsecret"})"},
        Rejection{"BotReadsNoNumber",
                  {"POST", kBotPath, "", R"({"appId":7,"clientSecret":"x"})"},
                  R"({"code":100007,"message":"appid invalid"})"},
        Rejection{"BotReadsNoForm",
                  {"POST", kBotPath, "", "appId=app-one&clientSecret=not-a-secret"},
                  R"({"code":100007,"message":"appid invalid"})"},
        Rejection{"BotUnknown",
                  {"POST", kBotPath, "", R"({"appId":"nobody","clientSecret":"x"})"},
                  R"({"code":100016,"message":"invalid appid or secret"})"},
        Rejection{"BotSecretWrong",
                  {"POST", kBotPath, "", R"({"appId":"app-one","clientSecret":"x"})"},
                  R"({"code":100016,"message":"invalid appid or secret"})"}),
    [](const auto& row) { return row.param.name; });

constexpr const char* kBaiduPath = "/oauth/2.0/token";
constexpr const char* kKuaishouPath = "/oauth2/access_token";
INSTANTIATE_TEST_SUITE_P(
    BaiduAndKuaishou, OrderOfAPage,
    ::testing::Values(
        Rejection{"BaiduGrantWrong",
                  {"POST", kBaiduPath, "client_id=app-one&grant_type=client_credential"},
                  R"({"error":"unsupported_grant_type",)"
                  R"("error_description":"The authorization grant type is not supported"})",
                  400},
        Rejection{"BaiduIdMissing",
                  {"POST", kBaiduPath, "grant_type=client_credentials"},
                  R"({"error":"invalid_request",)"
                  R"("error_description":"missing required parameter: client_id"})",
                  400},
        Rejection{"BaiduIdUnknown",
                  {"POST", kBaiduPath, "",
                   "client_id=nobody&client_secret=x&grant_type=client_credentials"},
                  R"({"error":"invalid_client","error_description":"unknown client id"})",
                  401},
        Rejection{
            "BaiduSecretWrong",
            {"GET", kBaiduPath, "client_id=app-one&client_secret=x&grant_type=client_credentials"},
            R"({"error":"invalid_client","error_description":"Client authentication failed"})",
            401},
        Rejection{"KuaishouIdMissing",
                  {"POST", kKuaishouPath},
                  R"({"result":100200100,"error_msg":"invalid_request"})"},
        Rejection{
            "KuaishouIdUnknown",
            {"POST", kKuaishouPath, "", "app_id=nobody&app_secret=x&grant_type=client_credentials"},
            R"({"result":100200101,"error_msg":"unauthorized_client"})"},
        Rejection{"KuaishouSecretWrong",
                  {"POST", kKuaishouPath, "",
                   "app_id=app-one&app_secret=x&grant_type=client_credentials"},
                  R"({"result":100200101,"error_msg":"unauthorized_client"})"}),
    [](const auto& row) { return row.param.name; });

// Business calls.

struct Business {
  const char* name;
  Asking asking;
  Request request;  ///< With TOKEN for the token.
  const char* success;
  const char* missing;
  const char* unknown;
  const char* expired;
  int status = 200;  ///< Of the refusals.
};

class Judging : public PageTest, public ::testing::WithParamInterface<Business> {
 protected:
  static std::string put(std::string text, const std::string& token) {
    if (auto at = text.find("TOKEN"); at != std::string::npos) text.replace(at, 5, token);
    return text;
  }
  Answer call(const std::string& token) {
    Request request = GetParam().request;
    request.query = put(request.query, token);
    request.body = put(request.body, token);
    for (auto& [name, value] : request.headers) value = put(value, token);
    return send(request);
  }
  static std::string without_id(std::string body) {
    const auto at = body.find("18000");
    if (at == std::string::npos) return body;
    return body.replace(at, body.find_first_not_of("0123456789", at) - at, REQUEST_ID);
  }
};

TEST_P(Judging, DistinguishesGoodFromBad) {
  const Business& row = GetParam();
  const std::string value = token(row.asking);
  const Answer good = call(value);
  EXPECT_EQ(good.body, row.success);
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(model_.totals().accepted, 1U);
  EXPECT_EQ(model_.calls(kApp).back().deed, Deed::accepted);

  EXPECT_EQ(call("").body, row.missing);
  EXPECT_EQ(call("SIM_never_made").body, row.unknown);
  const Answer dead = [&] {
    model_.revoke_token(value);
    return call(value);
  }();
  EXPECT_EQ(dead.body, row.unknown);
  EXPECT_EQ(dead.status, row.status);
  EXPECT_EQ(model_.calls(kApp).back().token, model_.token(value)->serial);
  EXPECT_EQ(model_.totals().dead, 3U);

  const std::string next = token(row.asking);
  clock_.advance(seconds(row.asking.lifetime) - Milliseconds(1));
  EXPECT_EQ(call(next).status, 200);
  clock_.advance(Milliseconds(1));
  EXPECT_EQ(without_id(call(next).body), row.expired);
}

TEST_P(Judging, TakesATokenOfAnotherPlatformForNone) {
  const std::set<Family> accepted(page_at(GetParam().request.path)->accepts.begin(),
                                  page_at(GetParam().request.path)->accepts.end());
  EXPECT_LE(accepted.size(), 2U);
  for (const Asking& other : {wecom(), feishu_tenant(), dingtalk(), douyin(), douyin_client(), qq(),
                              qq_bot(), baidu(), kuaishou()}) {
    if (accepted.contains(other.family)) continue;
    EXPECT_EQ(call(token(other)).body, GetParam().unknown) << other.name;
  }
}

constexpr const char* kFeishuBad =
    R"({"code":99991663,"msg":"Invalid access token for authorization. Please make a request with )"
    R"(token attached.","error":{"log_id":")" REQUEST_ID R"("}})";
constexpr const char* kFeishuNone =
    R"({"code":99991661,"msg":"Missing access token for authorization. Please make a request with )"
    R"(token attached.","error":{"log_id":")" REQUEST_ID R"("}})";
constexpr const char* kDingTalkBad = R"({"code":"InvalidAuthentication","requestid":")" REQUEST_ID
                                     R"(","message":"不合法的access_token"})";
constexpr const char* kDingTalkNone =
    R"({"code":"AuthenticationFailed.MissingParameter","requestid":")" REQUEST_ID
    R"(","message":"缺少参数：x-acs-dingtalk-access-token"})";
constexpr const char* kTopBad =
    R"({"errcode":88,"sub_code":"40014","sub_msg":"不合法的access_token",)"
    R"("errmsg":"ding talk error[subcode=40014,submsg=不合法的access_token]",)"
    R"("request_id":")" REQUEST_ID R"("})";
constexpr const char* kClassicBad = R"({"errcode":40014,"errmsg":"不合法的access_token"})";
constexpr const char* kDouyinBad =
    R"({"err_no":28001003,"err_msg":"access_token无效","log_id":")" REQUEST_ID R"("})";
constexpr const char* kClientBad =
    R"({"data":{"error_code":2190002,"description":"access_token无效"},)"
    R"("extra":{"error_code":2190002,"description":"access_token无效","logid":")" REQUEST_ID
    R"("}})";
constexpr const char* kBotBad =
    R"({"message":"token not exist or expire","code":11244,"err_code":11244,)"
    R"("trace_id":")" REQUEST_ID R"("})";
constexpr const char* kBaiduBad =
    R"({"error_code":110,"error_msg":"Access token invalid or no longer valid"})";

INSTANTIATE_TEST_SUITE_P(
    Platforms, Judging,
    ::testing::Values(
        Business{"Wecom",
                 wecom(),
                 {"GET", "/cgi-bin/agent/get", "access_token=TOKEN"},
                 R"({"errcode":0,"errmsg":"ok"})",
                 R"({"errcode":41001,"errmsg":"access_token missing)" WECOM_MORE("41001"),
                 R"({"errcode":40014,"errmsg":"invalid access_token"})",
                 R"({"errcode":42001,"errmsg":"access_token expired)" WECOM_MORE("42001")},
        Business{"WecomProvider",
                 wecom_provider(),
                 {"POST", "/cgi-bin/service/get_login_info", "access_token=TOKEN", "{}"},
                 R"({"errcode":0,"errmsg":"ok"})",
                 R"({"errcode":41001,"errmsg":"access_token missing)" WECOM_MORE("41001"),
                 R"({"errcode":40082,"errmsg":"invalid suite_acccess_token or )"
                 "provider_access_token" WECOM_MORE("40082"),
                 R"({"errcode":40082,"errmsg":"invalid suite_acccess_token or )"
                 "provider_access_token" WECOM_MORE("40082")},
        Business{
            "Feishu",
            feishu_tenant(),
            {"GET", "/open-apis/contact/v3/scopes", "", "", {{"Authorization", "Bearer TOKEN"}}},
            R"({"code":0,"msg":"success","data":{}})",
            kFeishuNone,
            kFeishuBad,
            kFeishuBad,
            400},
        Business{
            "FeishuApp",
            feishu_app(),
            {"GET", "/open-apis/contact/v3/scopes", "", "", {{"Authorization", "Bearer TOKEN"}}},
            R"({"code":0,"msg":"success","data":{}})",
            kFeishuNone,
            kFeishuBad,
            kFeishuBad,
            400},
        Business{
            "DingTalk",
            dingtalk(),
            {"GET", "/v1.0/contact/users/me", "", "", {{"x-acs-dingtalk-access-token", "TOKEN"}}},
            R"({"result":true})",
            kDingTalkNone,
            kDingTalkBad,
            kDingTalkBad,
            400},
        Business{"DingTalkClassic",
                 dingtalk_classic(),
                 {"POST", "/topapi/v2/user/get", "access_token=TOKEN", "{}"},
                 R"({"errcode":0,"errmsg":"ok","result":{},"request_id":")" REQUEST_ID R"("})",
                 R"({"errcode":88,"sub_code":"40000","sub_msg":"access_token is blank",)"
                 R"("errmsg":"ding talk error[subcode=40000,submsg=access_token is blank]",)"
                 R"("request_id":")" REQUEST_ID R"("})",
                 kTopBad,
                 kTopBad},
        Business{"DingTalkOldest",
                 dingtalk_classic(),
                 {"GET", "/user/get", "access_token=TOKEN"},
                 R"({"errcode":0,"errmsg":"ok"})",
                 kClassicBad,
                 kClassicBad,
                 kClassicBad},
        Business{"Douyin",
                 douyin(),
                 {"POST", "/api/apps/v1/url_link/generate", "", R"({"access_token":"TOKEN"})"},
                 R"({"err_no":0,"err_msg":"","log_id":")" REQUEST_ID R"("})",
                 kDouyinBad,
                 kDouyinBad,
                 R"({"err_no":28001008,"err_msg":"access_token过期,请刷新或重新授权",)"
                 R"("log_id":")" REQUEST_ID R"("})"},
        Business{
            "DouyinClient",
            douyin_client(),
            {"GET", "/discovery/ent/rank/item/", "", "", {{"access-token", "TOKEN"}}},
            R"({"data":{"error_code":0,"description":""},"extra":{"error_code":0}})",
            kClientBad,
            kClientBad,
            R"({"data":{"error_code":2190008,"description":"access_token过期,请刷新或重新授权"},)"
            R"("extra":{"error_code":2190008,"description":"access_token过期,请刷新或重新授权",)"
            R"("logid":")" REQUEST_ID R"("}})"},
        Business{"Qq",
                 qq(),
                 {"POST", "/api/json/security/MsgSecCheck", "access_token=TOKEN", "{}"},
                 R"({"errcode":0,"errmsg":"ok"})",
                 R"({"errcode":41001,"errmsg":"access_token missing"})",
                 R"({"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not )"
                 R"(latest"})",
                 R"({"errcode":42001,"errmsg":"access_token expired"})"},
        Business{"QqBot",
                 qq_bot(),
                 {"GET", "/users/@me", "", "", {{"Authorization", "QQBot TOKEN"}}},
                 R"({"id":")" REQUEST_ID R"("})",
                 kBotBad,
                 kBotBad,
                 kBotBad,
                 401},
        Business{"Baidu",
                 baidu(),
                 {"POST", "/rest/2.0/ocr/v1/general_basic", "access_token=TOKEN"},
                 R"({"log_id":")" REQUEST_ID R"("})",
                 kBaiduBad,
                 kBaiduBad,
                 R"({"error_code":111,"error_msg":"Access token expired"})"},
        Business{"Kuaishou",
                 kuaishou(),
                 {"GET", "/openapi/mp/developer/epay/query_order", "access_token=TOKEN"},
                 R"({"result":1})",
                 R"({"result":100200100,"error_msg":"invalid_request"})",
                 R"({"result":100200101,"error_msg":"access_token invalid"})",
                 R"({"result":100200101,"error_msg":"access_token invalid"})"}),
    [](const auto& row) { return row.param.name; });

TEST_F(PageTest, TakesAFeishuTokenWithoutBearerForNone) {
  const Request request{
      "GET", "/open-apis/im/v1/chats", "", "", {{"Authorization", token(feishu_tenant())}}};
  EXPECT_EQ(send(request).body, kFeishuNone);
  EXPECT_EQ(send(request).status, 400);
}

TEST_F(PageTest, TakesATokenOfEitherGenerationOfDingTalk) {
  const std::string classic = token(dingtalk_classic());
  EXPECT_EQ(
      send({"GET", "/v1.0/contact/users/me", "", "", {{"x-acs-dingtalk-access-token", classic}}})
          .status,
      200);
  EXPECT_THAT(send({"POST", "/topapi/v2/user/get", "", "access_token=" + token(dingtalk())}).body,
              HasSubstr(R"("errcode":0)"));
}

TEST_F(PageTest, TellsWhosePageOfACommonPathIsMeantByTheToken) {
  const std::string value = token(wecom());
  const auto probe = [&](const std::string& path, const std::string& token) {
    return send({"GET", path, "access_token=" + token}).body;
  };
  EXPECT_EQ(probe("/cgi-bin/get_api_domain_ip", value),
            R"({"ip_list":["127.0.0.1","127.0.0.2"],"errcode":0,"errmsg":"ok"})");
  EXPECT_EQ(probe("/cgi-bin/user/get", value), R"({"errcode":0,"errmsg":"ok"})");
  model_.revoke_token(value);
  EXPECT_EQ(probe("/cgi-bin/user/get", value),
            R"({"errcode":40014,"errmsg":"invalid access_token"})");
  EXPECT_EQ(model_.calls(kApp, "user/get").back().errcode, 40014);
  // WeChat's own answers stay what they are.
  EXPECT_THAT(probe("/cgi-bin/user/get", "SIM_never_made"), HasSubstr(R"({"errcode":40001,)"));
  EXPECT_THAT(probe("/cgi-bin/ticket/getticket", token(wecom())), HasSubstr(R"("errcode":40001,)"));
  EXPECT_THAT(probe("/wxa/getwxacode", token(wecom())), HasSubstr(R"("errcode":40001,)"));
  const std::string wechat =
      token_in(send({"GET", "/cgi-bin/token",
                     std::string("grant_type=client_credential&appid=app-one&secret=") + kSecret})
                   .body);
  EXPECT_EQ(probe("/cgi-bin/get_api_domain_ip", wechat),
            R"({"ip_list":["127.0.0.1","127.0.0.2"]})");
  EXPECT_THAT(probe("/cgi-bin/agent/get", wechat), HasSubstr("40014"));
}

// Renewal.

TEST_F(PageTest, AnswersTheSameWecomTokenWithWhatItHasLeft) {
  const std::string first = token(wecom());
  clock_.advance(seconds(7199));
  EXPECT_EQ(left(wecom()), 1);
  EXPECT_EQ(token(wecom()), first);
  EXPECT_EQ(model_.token(first)->served, 3U);
  clock_.advance(seconds(1));
  EXPECT_NE(token(wecom()), first);
}

TEST_F(PageTest, AnswersTheSameWecomTokenWithItsWholeLifeAnewWhenToldSo) {
  set(R"({"slides":true})");
  const std::string first = token(wecom());
  clock_.advance(seconds(7000));
  EXPECT_EQ(left(wecom()), 7200);
  EXPECT_EQ(token(wecom()), first);
  clock_.advance(seconds(7199));
  EXPECT_TRUE(alive(first));
  clock_.advance(seconds(1));
  EXPECT_FALSE(alive(first));
}

TEST_F(PageTest, AnswersTheSameFeishuTokenWhileHalfAnHourIsLeftAndThenANewOneBesideIt) {
  for (const Asking& asking : {feishu_tenant(), feishu_app()}) {
    const std::string first = token(asking);
    clock_.advance(minutes(90));
    EXPECT_EQ(left(asking), 1800);
    EXPECT_EQ(token(asking), first);
    clock_.advance(Milliseconds(1));
    const std::string second = token(asking);
    EXPECT_NE(second, first);
    EXPECT_EQ(left(asking), 7200);
    clock_.advance(minutes(30) - Milliseconds(2));
    EXPECT_TRUE(alive(first)) << "both live";
    clock_.advance(Milliseconds(1));
    EXPECT_FALSE(alive(first));
    EXPECT_TRUE(alive(second));
  }
}

TEST_F(PageTest, LetsTheOverlapOfTheSettingsTakeThePlaceOfTheWindow) {
  set(R"({"overlap":"60s"})");
  const std::string first = token(feishu_tenant());
  clock_.advance(minutes(119));
  EXPECT_EQ(token(feishu_tenant()), first);
  clock_.advance(Milliseconds(1));
  EXPECT_NE(token(feishu_tenant()), first);
}

TEST_F(PageTest, ProlongsADingTalkTokenWithEachCall) {
  for (const Asking& asking : {dingtalk(), dingtalk_classic()}) {
    const std::string first = token(asking);
    clock_.advance(seconds(7199));
    EXPECT_EQ(left(asking), 7200);
    clock_.advance(seconds(7199));
    EXPECT_TRUE(alive(first));
    EXPECT_EQ(token(asking), first);
    clock_.advance(seconds(7200));
    EXPECT_FALSE(alive(first));
    EXPECT_NE(token(asking), first);
  }
}

TEST_F(PageTest, DisplacesDouyinAndQqTokensWithEachCall) {
  for (const Asking& asking : {douyin(), douyin_client(), qq()}) {
    const std::string first = token(asking);
    const std::string second = token(asking);
    EXPECT_NE(second, first);
    clock_.advance(seconds(299));
    EXPECT_TRUE(alive(first)) << asking.name;
    const std::string third = token(asking);
    EXPECT_FALSE(alive(first)) << "only the newest two live, " << asking.name;
    clock_.advance(seconds(299));
    EXPECT_TRUE(alive(second)) << asking.name;
    clock_.advance(seconds(1));
    EXPECT_FALSE(alive(second));
    EXPECT_TRUE(alive(third));
  }
}

TEST_F(PageTest, AnswersTheSameStableDouyinTokenUntilItsLastMinutes) {
  const std::string first = token(douyin_stable_client());
  clock_.advance(minutes(115));
  EXPECT_EQ(token(douyin_stable_client()), first);
  EXPECT_EQ(left(douyin_stable_client()), 300);
  clock_.advance(seconds(1));
  EXPECT_NE(token(douyin_stable_client()), first);
  EXPECT_TRUE(alive(first));
}

TEST_F(PageTest, AnswersTheSameBotTokenUntilItsLastMinute) {
  const std::string first = token(qq_bot());
  clock_.advance(minutes(119));
  EXPECT_EQ(left(qq_bot()), 60);
  EXPECT_EQ(token(qq_bot()), first);
  clock_.advance(seconds(1));
  EXPECT_NE(token(qq_bot()), first);
  clock_.advance(seconds(58));
  EXPECT_TRUE(alive(first));
  clock_.advance(seconds(1));
  EXPECT_FALSE(alive(first));
}

TEST_F(PageTest, LetsManyTokensOfBaiduAndKuaishouLiveSideBySide) {
  for (const Asking& asking : {baidu(), kuaishou()}) {
    std::set<std::string> values;
    for (int i = 0; i < 5; ++i) values.insert(token(asking));
    EXPECT_EQ(values.size(), 5U);
    clock_.advance(hours(47));
    for (const std::string& value : values) EXPECT_TRUE(alive(value)) << asking.name;
    clock_.advance(seconds(asking.lifetime) - hours(47));
    for (const std::string& value : values) EXPECT_FALSE(alive(value)) << asking.name;
  }
}

TEST_F(PageTest, GoesOnAnsweringARevokedTokenWhenToldSo) {
  set(R"({"revoked_lingers":true})");
  for (const Asking& asking : {wecom(), feishu_tenant(), dingtalk(), qq_bot()}) {
    const std::string first = token(asking);
    model_.revoke_token(first);
    EXPECT_EQ(token(asking), first) << asking.name;
    EXPECT_FALSE(alive(first)) << asking.name;
    clock_.advance(hours(2));
    EXPECT_NE(token(asking), first) << asking.name;
  }
}

// Tickets.

struct Ticket {
  const char* name;
  Asking asking;
  Request request;  ///< With TOKEN for the token.
  const char* success;
  const char* refusal;  ///< To a token that is none.
  int status = 200;
};

class Tickets : public PageTest, public ::testing::WithParamInterface<Ticket> {
 protected:
  Asking for_token(const std::string& token) {
    Asking asking = GetParam().asking;
    asking.request = GetParam().request;
    if (asking.request.query.starts_with("access_token=")) asking.request.query.insert(13, token);
    for (auto& [name, value] : asking.request.headers) value += token;
    return asking;
  }
};

TEST_P(Tickets, AreMadeForALivingTokenAndAnsweredAgain) {
  const std::string value = token(GetParam().asking);
  const Answer answer = send(for_token(value).request);
  const std::string ticket = token_in(answer.body);
  std::string body = answer.body;
  body.replace(body.find(ticket), ticket.size(), "TICKET");
  EXPECT_EQ(body, GetParam().success);
  EXPECT_EQ(token(for_token(value)), ticket);
  ASSERT_TRUE(model_.token(ticket));
  EXPECT_EQ(name_of(model_.token(ticket)->family), GetParam().name);
  EXPECT_TRUE(is_ticket(model_.token(ticket)->family));
  EXPECT_EQ(model_.token(ticket)->served, 2U);
  EXPECT_EQ(model_.totals().tickets_made, 1U);
  EXPECT_EQ(model_.totals().token_calls, 1U);
}

TEST_P(Tickets, AreMadeForNoDeadTokenAndNoTicket) {
  const Answer answer = send(for_token("SIM_never_made").request);
  EXPECT_EQ(answer.body, GetParam().refusal);
  EXPECT_EQ(answer.status, GetParam().status);
  const std::string value = token(GetParam().asking);
  const std::string ticket = token(for_token(value));
  EXPECT_EQ(send(for_token(ticket).request).body, GetParam().refusal);
  model_.revoke_token(value);
  EXPECT_EQ(send(for_token(value).request).body, GetParam().refusal);
}

TEST_P(Tickets, AreNotMadeForAnAppThatIsGone) {
  const std::string value = token(GetParam().asking);
  model_.remove_app(kApp);
  EXPECT_EQ(send(for_token(value).request).body, GetParam().refusal);
}

constexpr const char* kWecomTicket =
    R"({"errcode":0,"errmsg":"ok","ticket":"TICKET","expires_in":7200})";
constexpr const char* kWecomBad = R"({"errcode":40014,"errmsg":"invalid access_token"})";
INSTANTIATE_TEST_SUITE_P(
    Platforms, Tickets,
    ::testing::Values(
        Ticket{"wecom_jsapi_ticket",
               wecom(),
               {"GET", "/cgi-bin/get_jsapi_ticket", "access_token="},
               kWecomTicket,
               kWecomBad},
        Ticket{"wecom_agent_ticket",
               wecom(),
               {"GET", "/cgi-bin/ticket/get", "access_token=&type=agent_config"},
               kWecomTicket,
               kWecomBad},
        Ticket{"feishu_jsapi_ticket",
               feishu_tenant(),
               {"POST", "/open-apis/jssdk/ticket/get", "", "", {{"Authorization", "Bearer "}}},
               R"({"code":0,"msg":"ok","data":{"expire_in":7200,"ticket":"TICKET"}})",
               kFeishuBad,
               400},
        Ticket{"dingtalk_jsapi_ticket",
               dingtalk(),
               {"POST", "/v1.0/oauth2/jsapiTickets", "", "", {{"x-acs-dingtalk-access-token", ""}}},
               R"({"jsapiTicket":"TICKET","expireIn":7200})",
               kDingTalkBad,
               400},
        Ticket{"dingtalk_classic_jsapi_ticket",
               dingtalk_classic(),
               {"GET", "/get_jsapi_ticket", "access_token="},
               kWecomTicket,
               kClassicBad}),
    [](const auto& row) { return row.param.name; });

TEST_F(PageTest, SaysTheWholeLifeOfAWecomTicketWhateverItHasLeft) {
  const auto ask = [&] {
    return Asking{"",
                  Family::wecom_jsapi_ticket,
                  {"GET", "/cgi-bin/get_jsapi_ticket", "access_token=" + token(wecom())},
                  ""};
  };
  const std::string first = token(ask());
  clock_.advance(seconds(7000));
  EXPECT_EQ(token(ask()), first);
  EXPECT_EQ(left(ask()), 7200);
  set(R"({"ticket_tells_left":true})");
  EXPECT_EQ(left(ask()), 200);
  clock_.advance(seconds(200));
  EXPECT_NE(token(ask()), first);
}

TEST_F(PageTest, TellsWhatAFeishuTicketHasLeftAndProlongsADingTalkOne) {
  const Asking feishu{"",
                      Family::feishu_jsapi_ticket,
                      {"POST",
                       "/open-apis/jssdk/ticket/get",
                       "",
                       "",
                       {{"Authorization", "Bearer " + token(feishu_tenant())}}},
                      ""};
  const Asking classic{"",
                       Family::dingtalk_classic_jsapi_ticket,
                       {"GET", "/get_jsapi_ticket", "access_token=" + token(dingtalk_classic())},
                       ""};
  token(feishu);
  token(classic);
  clock_.advance(seconds(200));
  EXPECT_EQ(left(feishu), 7000);
  EXPECT_EQ(left(classic), 7200);
}

TEST_F(PageTest, KnowsNoOtherTypeOfAWecomTicket) {
  EXPECT_THAT(
      send({"GET", "/cgi-bin/ticket/get", "type=jsapi&access_token=" + token(wecom())}).body,
      HasSubstr(R"({"errcode":40058,)"));
}

// Agents of one corp.

class CorpTest : public PageTest {
 protected:
  CorpTest() {
    model_.put_app({"sales", "secret-of-sales", "ww1"});
    model_.put_app({"support", "secret-of-support", "ww1"});
  }
  std::string of(const std::string& corp, const std::string& secret) {
    return token_in(
        send({"GET", "/cgi-bin/gettoken", "corpid=" + corp + "&corpsecret=" + secret}).body);
  }
};

TEST_F(CorpTest, HaveTokensOfTheirOwn) {
  const std::string sales = of("ww1", "secret-of-sales");
  const std::string support = of("ww1", "secret-of-support");
  EXPECT_NE(sales, support);
  EXPECT_EQ(of("ww1", "secret-of-sales"), sales);
  EXPECT_EQ(model_.token(sales)->app, "sales");
  EXPECT_EQ(model_.token(support)->app, "support");
  EXPECT_EQ(model_.calls("sales").size(), 2U) << "the app is named, not the corp";
  EXPECT_EQ(model_.revoke_app("sales"), 1U);
  EXPECT_TRUE(alive(support));
  EXPECT_THAT(of("ww1", "x"), HasSubstr("40001"));
  EXPECT_THAT(of("sales", "secret-of-sales"), HasSubstr("40013")) << "its id is not its corp";
}

TEST_F(CorpTest, HaveFaultsAndSettingsOfTheirOwn) {
  FaultSwitch fault;
  fault.kind = FaultSwitch::Kind::reset;
  fault.endpoint = "gettoken";
  fault.app = "sales";
  model_.add_fault(fault);
  const auto befalls = [&](const char* secret) {
    Visit visit = model_.arrive(
        read({"GET", "/cgi-bin/gettoken", std::string("corpid=ww1&corpsecret=") + secret}));
    model_.leave(visit, Ending::reset);
    return visit.fault.has_value();
  };
  EXPECT_TRUE(befalls("secret-of-sales"));
  EXPECT_FALSE(befalls("secret-of-support"));
  set(R"({"lifetime":"60s"})", "support");
  EXPECT_EQ(model_.token(of("ww1", "secret-of-support"))->dies_at, model_.now() + seconds(60));
}

TEST_F(CorpTest, GoByTheirNewestSecret) {
  const std::string before = of("ww1", "secret-of-sales");
  model_.put_app({"sales", "another-secret"});
  EXPECT_THAT(of("ww1", "secret-of-sales"), HasSubstr("40001"));
  EXPECT_EQ(of("ww1", "another-secret"), before) << "the corp stays, and the tokens do";
  model_.remove_app("sales");
  EXPECT_THAT(of("ww1", "another-secret"), HasSubstr("40001"));
  model_.remove_app("support");
  EXPECT_THAT(of("ww1", "secret-of-support"), HasSubstr("40013"));
}

TEST_F(CorpTest, MayCallOnlyFromListedAddresses) {
  const std::string value = of("ww1", "secret-of-sales");
  set(R"({"ip_list":["203.0.113.7"]})", "sales");
  EXPECT_THAT(of("ww1", "secret-of-sales"), HasSubstr(R"({"errcode":60020,)"));
  const Request business{"GET", "/cgi-bin/agent/get", "access_token=" + value};
  EXPECT_THAT(send(business).body, HasSubstr(R"({"errcode":60020,)"));
  EXPECT_THAT(send(business, "203.0.113.7").body, HasSubstr(R"("errcode":0)"));
}

// Any app.

class AnyPlatformApp : public PageTest {
 protected:
  static Model::Options any() {
    Model::Options options;
    options.any_app = true;
    options.most_apps = 5;
    return options;
  }
  AnyPlatformApp() : PageTest(any()) {}
  std::string wecom_token(const std::string& corp, const std::string& secret) {
    return token_in(
        send({"GET", "/cgi-bin/gettoken", "corpid=" + corp + "&corpsecret=" + secret}).body);
  }
};

TEST_F(AnyPlatformApp, IsKnownOnEveryPlatformWithAnySecret) {
  for (const Asking& asking :
       {wecom(), wecom_provider(), feishu_tenant(), feishu_app(), dingtalk(), dingtalk_classic(),
        douyin(), douyin_client(), douyin_stable_client(), qq(), qq_bot(), baidu(), kuaishou()}) {
    Asking other = asking;
    for (std::string* part : {&other.request.query, &other.request.body}) {
      if (auto at = part->find("app-one"); at != std::string::npos) part->replace(at, 7, "nobody");
      if (auto at = part->find("not-a-secret"); at != std::string::npos) part->replace(at, 12, "x");
    }
    const auto entry = model_.token(token(other));
    ASSERT_TRUE(entry) << asking.name;
    EXPECT_EQ(entry->app, "nobody") << asking.name;
  }
}

TEST_F(AnyPlatformApp, HasATokenForEachSecretOfACorp) {
  const std::string one = wecom_token("ww1", "one");
  const std::string two = wecom_token("ww1", "two");
  EXPECT_NE(one, two);
  EXPECT_EQ(wecom_token("ww1", "one"), one);
  EXPECT_EQ(wecom_token("ww1", "two"), two);
  EXPECT_EQ(model_.token(one)->app, "ww1");
  EXPECT_EQ(model_.token(two)->app, "ww1#2");
  for (int i = 0; i < 5; ++i) wecom_token("ww1", "more" + std::to_string(i));
  EXPECT_EQ(model_.app_count(), 5U) << "up to the bound";
  EXPECT_EQ(wecom_token("ww1", "two"), two);
}

// Codes that are words.

TEST_F(PageTest, AnswersAWordForACodeAndRemembersIt) {
  Visit visit = model_.arrive(read(dingtalk().request));
  Answer answer = model_.refuse(visit, "Throttling");
  EXPECT_EQ(answer.body,
            R"({"code":"Throttling","requestid":")" REQUEST_ID R"(","message":"simulated error"})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(model_.calls().at(0).word, "Throttling");
  EXPECT_EQ(model_.calls().at(0).errcode, 400) << "the HTTP status";
  visit = model_.arrive(read(baidu().request));
  EXPECT_EQ(model_.refuse(visit, "a\"b").body,
            R"({"error":"a\"b","error_description":"simulated error"})");
  // A code of the table brings its own words and status.
  visit = model_.arrive(read(baidu().request));
  answer = model_.refuse(visit, "invalid_client");
  EXPECT_EQ(answer.body, R"({"error":"invalid_client","error_description":"unknown client id"})");
  EXPECT_EQ(answer.status, 401);
}

}  // namespace
}  // namespace hufu::simulator
