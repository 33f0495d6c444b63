#include "simulator/page.hpp"

// The pages of the platforms beside WeChat, in the order of docs/simulator.md, which names their
// sources and says what was seen and what is inferred.

namespace hufu::simulator {
namespace {

using enum Trouble;
using Part = Place::Part;
using Task = Page::Task;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::string_view kGrantOfOauth = "client_credentials";
constexpr std::string_view kGrantOfWechat = "client_credential";

constexpr std::array kGrantInQuery = {Place{Part::query, "grant_type"}};
constexpr std::array kGrantInJson = {Place{Part::json, "grant_type"}};
constexpr std::array kTokenInQuery = {Place{Part::query, "access_token"}};

// WeCom. A secret is looked for before a corp. 40014 comes without the hint that all others have.

constexpr std::string_view kWecomMore =
    ", hint: [$ID], from ip: $PEER, more info at "
    "https://open.work.weixin.qq.com/devtool/query?e=$BARE";
constexpr std::string_view kErrcode = R"({"errcode":$CODE,"errmsg":"$TEXT"})";
constexpr std::string_view kErrcodeOk = R"({"errcode":0,"errmsg":"ok"})";
constexpr std::string_view kErrcodeTicket =
    R"({"errcode":0,"errmsg":"ok","ticket":"$TOKEN","expires_in":$LEFT})";

constexpr std::array kCorpInQuery = {Place{Part::query, "corpid"}};
constexpr std::array kCorpInJson = {Place{Part::json, "corpid"}};
constexpr std::array kCorpSecret = {Place{Part::query, "corpsecret"}};
constexpr std::array kProviderSecret = {Place{Part::json, "provider_secret"}};
constexpr std::array kProviderToken = {Place{Part::query, "provider_access_token"},
                                       Place{Part::query, "access_token"}};
constexpr std::array kTicketType = {Place{Part::query, "type"}};

constexpr std::array kWecomTokens = {Family::wecom};
constexpr std::array kProviderTokens = {Family::wecom_provider};

constexpr std::array kWecomTokenRefusals = {
    Refusal{secret_missing, 41004, "corpsecret missing$MORE"},
    Refusal{id_missing, 41002, "corpid missing$MORE"},
    Refusal{id_unknown, 40013, "invalid corpid$MORE"},
    Refusal{secret_wrong, 40001, "invalid credential$MORE"},
    Refusal{address, 60020, "not allow to access from your ip$MORE"},
};
constexpr std::array kProviderTokenRefusals = {
    Refusal{wrong_method, 43002, "require POST method$MORE"},
    Refusal{no_object, 47001, "data format error$MORE"},
    Refusal{secret_missing, 41004, "provider_secret missing$MORE"},
    Refusal{id_missing, 41002, "corpid missing$MORE"},
    Refusal{id_unknown, 40013, "invalid corpid$MORE"},
    Refusal{secret_wrong, 40001, "invalid credential$MORE"},
    Refusal{address, 60020, "not allow to access from your ip$MORE"},
};
constexpr std::array kWecomRefusals = {
    Refusal{token_missing, 41001, "access_token missing$MORE"},
    Refusal{token_unknown, 40014, "invalid access_token"},
    Refusal{token_expired, 42001, "access_token expired$MORE"},
    Refusal{address, 60020, "not allow to access from your ip$MORE"},
    Refusal{type_wrong, 40058, "invalid Request Parameter, ticket type$MORE"},
};
constexpr std::array kProviderRefusals = {
    Refusal{token_missing, 41001, "access_token missing$MORE"},
    Refusal{token_unknown, 40082, "invalid suite_acccess_token or provider_access_token$MORE"},
    Refusal{token_expired, 40082, "invalid suite_acccess_token or provider_access_token$MORE"},
};

constexpr Page wecom(Page page) {
  page.failure = kErrcode;
  page.more = kWecomMore;
  return page;
}

constexpr Page wecom_ticket(Page page) {
  page.task = Task::ticket;
  page.token = kTokenInQuery;
  page.accepts = kWecomTokens;
  page.renewal = Renewal::sticky;
  page.success = kErrcodeTicket;
  page.refusals = kWecomRefusals;
  return wecom(page);
}

constexpr Page wecom_business(std::string_view path, std::string_view success = kErrcodeOk) {
  return wecom({.path = path,
                .token = kTokenInQuery,
                .accepts = kWecomTokens,
                .success = success,
                .refusals = kWecomRefusals});
}

// Feishu and Lark. Calls for a token fail with HTTP 200, all others with 400, and what has no page
// is told so in plain text. A token without "Bearer " is none.

constexpr std::array kFeishuId = {Place{Part::json, "app_id"}};
constexpr std::array kFeishuSecret = {Place{Part::json, "app_secret"}};
constexpr std::array kBearer = {Place{Part::header, "Authorization", "Bearer "}};
constexpr std::array kFeishuTokens = {Family::feishu_tenant, Family::feishu_app};

constexpr std::array kFeishuTokenRefusals = {
    Refusal{wrong_method, {}, "404 page not found", 404},
    Refusal{id_missing, 10003, "invalid param"},
    Refusal{secret_missing, 10003, "invalid param"},
    Refusal{id_unknown, 10003, "invalid param"},
    Refusal{secret_wrong, 10014, "app secret invalid"},
};
constexpr std::array kFeishuRefusals = {
    Refusal{wrong_method, {}, "404 page not found", 404},
    Refusal{token_missing, 99991661,
            "Missing access token for authorization. Please make a request with token attached.",
            400},
    Refusal{token_unknown, 99991663,
            "Invalid access token for authorization. Please make a request with token attached.",
            400},
    Refusal{token_expired, 99991663,
            "Invalid access token for authorization. Please make a request with token attached.",
            400},
    Refusal{address, 99991401, "Can't access API from this IP", 400},
};
constexpr std::array kNoPage = {Refusal{token_missing, {}, "404 page not found", 404},
                                Refusal{token_unknown, {}, "404 page not found", 404}};

constexpr Page feishu_token(Page page) {
  page.task = Task::token;
  page.method = "POST";
  page.id = kFeishuId;
  page.secret = kFeishuSecret;
  page.renewal = Renewal::windowed;
  page.window = minutes(30);
  page.failure = R"({"code":$CODE,"data":{},"msg":"$TEXT"})";
  page.refusals = kFeishuTokenRefusals;
  return page;
}

constexpr Page feishu(Page page) {
  page.token = kBearer;
  page.accepts = kFeishuTokens;
  page.failure = R"({"code":$CODE,"msg":"$TEXT","error":{"log_id":"$ID"}})";
  page.failure_status = 400;
  page.refusals = kFeishuRefusals;
  return page;
}

// DingTalk. The platform says of its tokens that a call inside their life answers the same one and
// prolongs it. Either generation of pages takes the tokens of the other.

constexpr std::array kDingTalkTokens = {Family::dingtalk, Family::dingtalk_classic};

constexpr std::array kAppKeyInJson = {Place{Part::json, "appKey"}};
constexpr std::array kAppSecretInJson = {Place{Part::json, "appSecret"}};
constexpr std::array kDingTalkHeader = {Place{Part::header, "x-acs-dingtalk-access-token"}};

constexpr std::array kDingTalkTokenRefusals = {
    Refusal{wrong_method, "InvalidAction.NotFound",
            "Specified api is not found, please check your url and method.", 404},
    Refusal{no_object, "Missingbody", "body is mandatory for this action.", 400},
    Refusal{id_missing, "MissingappKey", "appKey is mandatory for this action.", 400},
    Refusal{secret_missing, "MissingappSecret", "appSecret is mandatory for this action.", 400},
    Refusal{id_unknown, "invalidClientIdOrSecret", "无效的clientId或者clientSecret", 400},
    Refusal{secret_wrong, "invalidClientIdOrSecret", "无效的clientId或者clientSecret", 400},
};
constexpr std::array kDingTalkRefusals = {
    Refusal{wrong_method, "InvalidAction.NotFound",
            "Specified api is not found, please check your url and method.", 404},
    Refusal{token_missing, "AuthenticationFailed.MissingParameter",
            "缺少参数：x-acs-dingtalk-access-token", 400},
    Refusal{token_unknown, "InvalidAuthentication", "不合法的access_token", 400},
    Refusal{token_expired, "InvalidAuthentication", "不合法的access_token", 400},
    Refusal{address, "Forbidden.AccessDenied.IpNotInWhiteList",
            "访问ip不在白名单之中,request ip=$PEER", 403},
};

constexpr Page dingtalk(Page page) {
  page.token = kDingTalkHeader;
  page.accepts = kDingTalkTokens;
  page.failure = R"({"code":$CODE,"requestid":"$ID","message":"$TEXT"})";
  page.failure_status = 400;
  page.codes_are_text = true;
  if (page.refusals.empty()) page.refusals = kDingTalkRefusals;
  return page;
}

constexpr std::array kAppKeyInQuery = {Place{Part::query, "appkey"}};
constexpr std::array kAppSecretInQuery = {Place{Part::query, "appsecret"}};
constexpr std::array kTokenInQueryOrForm = {Place{Part::query, "access_token"},
                                            Place{Part::form, "access_token"}};

constexpr std::array kClassicTokenRefusals = {
    Refusal{id_missing, 40035, "缺少参数 corpid or appkey"},
    Refusal{secret_missing, 40035, "缺少参数 corpsecret or appsecret"},
    Refusal{id_unknown, 40096, "不合法的appKey或appSecret"},
    Refusal{secret_wrong, 40096, "不合法的appKey或appSecret"},
};
constexpr std::array kClassicRefusals = {
    Refusal{token_missing, 40014, "不合法的access_token"},
    Refusal{token_unknown, 40014, "不合法的access_token"},
    Refusal{token_expired, 40014, "不合法的access_token"},
    Refusal{address, 60020, "访问ip不在白名单之中,request ip=$PEER"},
};
constexpr std::array kTopRefusals = {
    Refusal{token_missing, 40000, "access_token is blank"},
    Refusal{token_unknown, 40014, "不合法的access_token"},
    Refusal{token_expired, 40014, "不合法的access_token"},
    Refusal{address, 60020, "访问ip不在白名单之中,request ip=$PEER"},
};

constexpr Page classic(Page page) {
  page.token = kTokenInQueryOrForm;
  page.accepts = kDingTalkTokens;
  page.failure = kErrcode;
  if (page.refusals.empty()) page.refusals = kClassicRefusals;
  if (page.success.empty()) page.success = kErrcodeOk;
  return page;
}

// Douyin, mini apps and the open platform.

constexpr std::array kDouyinId = {Place{Part::json, "appid"}};
constexpr std::array kDouyinSecret = {Place{Part::json, "secret"}};
constexpr std::array kDouyinToken = {
    Place{Part::header, "access-token"}, Place{Part::header, "X-Token"},
    Place{Part::json, "access_token"}, Place{Part::query, "access_token"}};
constexpr std::array kDouyinTokens = {Family::douyin};

constexpr std::array kDouyinTokenRefusals = {
    Refusal{wrong_method, {}, "404 page not found", 404},
    Refusal{id_missing, 40015, "bad appid"},
    Refusal{id_unknown, 40015, "bad appid"},
    Refusal{grant_wrong, 40020, "bad grant_type"},
    Refusal{secret_missing, 40017, "bad secret"},
    Refusal{secret_wrong, 40017, "bad secret"},
};
constexpr std::array kDouyinRefusals = {
    Refusal{token_missing, 28001003, "access_token无效"},
    Refusal{token_unknown, 28001003, "access_token无效"},
    Refusal{token_expired, 28001008, "access_token过期,请刷新或重新授权"},
};

constexpr std::array kClientKey = {Place{Part::json, "client_key"}, Place{Part::form, "client_key"},
                                   Place{Part::query, "client_key"}};
constexpr std::array kClientSecret = {Place{Part::json, "client_secret"},
                                      Place{Part::form, "client_secret"},
                                      Place{Part::query, "client_secret"}};
constexpr std::array kClientGrant = {Place{Part::json, "grant_type"},
                                     Place{Part::form, "grant_type"},
                                     Place{Part::query, "grant_type"}};
constexpr std::array kClientToken = {Place{Part::header, "access-token"},
                                     Place{Part::query, "access_token"}};
constexpr std::array kClientTokens = {Family::douyin_client, Family::douyin_stable_client};

constexpr std::array kClientTokenRefusals = {
    Refusal{wrong_method, {}, "404 page not found", 404},
    Refusal{id_missing, 10002, "参数错误"},
    Refusal{secret_missing, 10002, "参数错误"},
    Refusal{grant_wrong, 10002, "参数错误"},
    Refusal{id_unknown, 10003, "client_key不存在"},
    Refusal{secret_wrong, 10013, "client_key或者client_secret报错"},
};
constexpr std::array kClientRefusals = {
    Refusal{token_missing, 2190002, "access_token无效"},
    Refusal{token_unknown, 2190002, "access_token无效"},
    Refusal{token_expired, 2190008, "access_token过期,请刷新或重新授权"},
};

constexpr Page douyin_client_token(Page page) {
  page.task = Task::token;
  page.method = "POST";
  page.id = kClientKey;
  page.secret = kClientSecret;
  page.grant = kClientGrant;
  page.grant_value = kGrantOfWechat;
  page.success =
      R"({"data":{"access_token":"$TOKEN","expires_in":$LEFT,"error_code":0,"description":""},)"
      R"("message":"success"})";
  page.failure = R"({"data":{"error_code":$CODE,"description":"$TEXT"},"message":"error"})";
  page.refusals = kClientTokenRefusals;
  return page;
}

constexpr Page douyin_open(std::string_view path) {
  return {.path = path,
          .token = kClientToken,
          .accepts = kClientTokens,
          .success = R"({"data":{"error_code":0,"description":""},"extra":{"error_code":0}})",
          .failure = R"({"data":{"error_code":$CODE,"description":"$TEXT"},)"
                     R"("extra":{"error_code":$CODE,"description":"$TEXT","logid":"$ID"}})",
          .refusals = kClientRefusals};
}

// QQ: mini programs, which answer as WeChat does, and bots.

constexpr std::array kQqId = {Place{Part::query, "appid"}};
constexpr std::array kQqSecret = {Place{Part::query, "secret"}};
constexpr std::array kQqTokens = {Family::qq};

constexpr std::array kQqTokenRefusals = {
    Refusal{id_missing, 41002, "appid missing"},
    Refusal{id_unknown, 40013, "invalid appid"},
    Refusal{secret_missing, 41004, "appsecret missing"},
    Refusal{grant_wrong, 40002, "invalid grant_type"},
    Refusal{secret_wrong, 40125, "invalid appsecret"},
    Refusal{address, 40164, "invalid ip $PEER, not in whitelist"},
};
constexpr std::array kQqRefusals = {
    Refusal{token_missing, 41001, "access_token missing"},
    Refusal{token_unknown, 40001, "invalid credential, access_token is invalid or not latest"},
    Refusal{token_expired, 42001, "access_token expired"},
};

constexpr std::array kBotId = {Place{Part::json, "appId"}};
constexpr std::array kBotSecret = {Place{Part::json, "clientSecret"}};
constexpr std::array kBotToken = {Place{Part::header, "Authorization", "QQBot "}};
constexpr std::array kBotTokens = {Family::qq_bot};

constexpr std::array kBotTokenRefusals = {
    Refusal{id_missing, 100007, "appid invalid"},
    Refusal{secret_missing, 100016, "invalid appid or secret"},
    Refusal{id_unknown, 100016, "invalid appid or secret"},
    Refusal{secret_wrong, 100016, "invalid appid or secret"},
};
constexpr std::array kBotRefusals = {
    Refusal{token_missing, 11244, "token not exist or expire", 401},
    Refusal{token_unknown, 11244, "token not exist or expire", 401},
    Refusal{token_expired, 11244, "token not exist or expire", 401},
    Refusal{address, 11298, "接口访问源IP不在白名单", 401},
};

constexpr Page qq_bot(std::string_view path) {
  return {.path = path,
          .token = kBotToken,
          .accepts = kBotTokens,
          .success = R"({"id":"$ID"})",
          .failure = R"({"message":"$TEXT","code":$CODE,"err_code":$CODE,"trace_id":"$ID"})",
          .refusals = kBotRefusals,
          .failure_status = 401};
}

// Baidu: OAuth 2.0, as RFC 6749 has it, but for the parameters in the query.

constexpr std::array kBaiduId = {Place{Part::query, "client_id"}, Place{Part::form, "client_id"}};
constexpr std::array kBaiduSecret = {Place{Part::query, "client_secret"},
                                     Place{Part::form, "client_secret"}};
constexpr std::array kBaiduGrant = {Place{Part::query, "grant_type"},
                                    Place{Part::form, "grant_type"}};
constexpr std::array kBaiduTokens = {Family::baidu};

constexpr std::array kBaiduTokenRefusals = {
    Refusal{grant_wrong, "unsupported_grant_type", "The authorization grant type is not supported",
            400},
    Refusal{id_missing, "invalid_request", "missing required parameter: client_id", 400},
    Refusal{secret_missing, "invalid_request", "missing required parameter: client_secret", 400},
    Refusal{id_unknown, "invalid_client", "unknown client id", 401},
    Refusal{secret_wrong, "invalid_client", "Client authentication failed", 401},
};
constexpr std::array kBaiduRefusals = {
    Refusal{token_missing, 110, "Access token invalid or no longer valid"},
    Refusal{token_unknown, 110, "Access token invalid or no longer valid"},
    Refusal{token_expired, 111, "Access token expired"},
};

// Kuaishou, mini apps.

constexpr std::array kKuaishouId = {Place{Part::form, "app_id"}, Place{Part::query, "app_id"}};
constexpr std::array kKuaishouSecret = {Place{Part::form, "app_secret"},
                                        Place{Part::query, "app_secret"}};
constexpr std::array kKuaishouGrant = {Place{Part::form, "grant_type"},
                                       Place{Part::query, "grant_type"}};
constexpr std::array kKuaishouTokens = {Family::kuaishou};

constexpr std::array kKuaishouTokenRefusals = {
    Refusal{id_missing, 100200100, "invalid_request"},
    Refusal{secret_missing, 100200100, "invalid_request"},
    Refusal{grant_wrong, 100200100, "invalid_request"},
    Refusal{id_unknown, 100200101, "unauthorized_client"},
    Refusal{secret_wrong, 100200101, "unauthorized_client"},
};
constexpr std::array kKuaishouRefusals = {
    Refusal{token_missing, 100200100, "invalid_request"},
    Refusal{token_unknown, 100200101, "access_token invalid"},
    Refusal{token_expired, 100200101, "access_token invalid"},
};
constexpr std::string_view kKuaishouFailure = R"({"result":$CODE,"error_msg":"$TEXT"})";

constexpr std::array kPages = {
    wecom({.path = "/cgi-bin/gettoken",
           .task = Task::token,
           .id_is_corp = true,
           .id = kCorpInQuery,
           .secret = kCorpSecret,
           .makes = Family::wecom,
           .success = R"({"errcode":0,"errmsg":"ok","access_token":"$TOKEN","expires_in":$LEFT})",
           .refusals = kWecomTokenRefusals}),
    wecom({.path = "/cgi-bin/service/get_provider_token",
           .task = Task::token,
           .method = "POST",
           .id_is_corp = true,
           .id = kCorpInJson,
           .secret = kProviderSecret,
           .makes = Family::wecom_provider,
           .success = R"({"errcode":0,"errmsg":"ok","provider_access_token":"$TOKEN",)"
                      R"("expires_in":$LEFT})",
           .refusals = kProviderTokenRefusals}),
    wecom_ticket({.path = "/cgi-bin/get_jsapi_ticket", .makes = Family::wecom_jsapi_ticket}),
    wecom_ticket({.path = "/cgi-bin/ticket/get",
                  .type = kTicketType,
                  .type_value = "agent_config",
                  .makes = Family::wecom_agent_ticket}),
    wecom({.path = "/cgi-bin/service/*",
           .token = kProviderToken,
           .accepts = kProviderTokens,
           .success = kErrcodeOk,
           .refusals = kProviderRefusals}),
    // What only WeCom has; the rest of its paths are told from WeChat's by the token.
    wecom_business("/cgi-bin/agent/*"),
    wecom_business("/cgi-bin/department/*"),
    wecom_business("/cgi-bin/externalcontact/*"),
    wecom_business("/cgi-bin/message/send"),

    feishu_token(
        {.path = "/open-apis/auth/v3/tenant_access_token/internal",
         .makes = Family::feishu_tenant,
         .success = R"({"code":0,"msg":"ok","tenant_access_token":"$TOKEN","expire":$LEFT})"}),
    feishu_token({.path = "/open-apis/auth/v3/app_access_token/internal",
                  .makes = Family::feishu_app,
                  .success = R"({"app_access_token":"$TOKEN","code":0,"expire":$LEFT,"msg":"ok",)"
                             R"("tenant_access_token":"$TOKEN"})"}),
    feishu({.path = "/open-apis/jssdk/ticket/get",
            .task = Task::ticket,
            .method = "POST",
            .makes = Family::feishu_jsapi_ticket,
            .success = R"({"code":0,"msg":"ok","data":{"expire_in":$LEFT,"ticket":"$TOKEN"}})"}),
    Page{.path = "/open-apis/auth/*", .refusals = kNoPage},
    feishu({.path = "/open-apis/*", .success = R"({"code":0,"msg":"success","data":{}})"}),

    dingtalk({.path = "/v1.0/oauth2/accessToken",
              .task = Task::token,
              .method = "POST",
              .id = kAppKeyInJson,
              .secret = kAppSecretInJson,
              .makes = Family::dingtalk,
              .renewal = Renewal::slides,
              .success = R"({"accessToken":"$TOKEN","expireIn":$LEFT})",
              .refusals = kDingTalkTokenRefusals}),
    dingtalk({.path = "/v1.0/oauth2/jsapiTickets",
              .task = Task::ticket,
              .method = "POST",
              .makes = Family::dingtalk_jsapi_ticket,
              .renewal = Renewal::slides,
              .success = R"({"jsapiTicket":"$TOKEN","expireIn":$LEFT})"}),
    dingtalk({.path = "/v1.0/*", .success = R"({"result":true})"}),
    classic({.path = "/gettoken",
             .task = Task::token,
             .id = kAppKeyInQuery,
             .secret = kAppSecretInQuery,
             .makes = Family::dingtalk_classic,
             .renewal = Renewal::slides,
             .success = R"({"errcode":0,"access_token":"$TOKEN","errmsg":"ok","expires_in":$LEFT})",
             .refusals = kClassicTokenRefusals}),
    classic({.path = "/get_jsapi_ticket",
             .task = Task::ticket,
             .makes = Family::dingtalk_classic_jsapi_ticket,
             .renewal = Renewal::slides,
             .success = kErrcodeTicket}),
    Page{.path = "/topapi/*",
         .token = kTokenInQueryOrForm,
         .accepts = kDingTalkTokens,
         .success = R"({"errcode":0,"errmsg":"ok","result":{},"request_id":"$ID"})",
         .failure = R"({"errcode":88,"sub_code":"$BARE","sub_msg":"$TEXT",)"
                    R"("errmsg":"ding talk error[subcode=$BARE,submsg=$TEXT]",)"
                    R"("request_id":"$ID"})",
         .refusals = kTopRefusals},
    classic({.path = "/user/*"}),
    classic({.path = "/department/*"}),

    Page{.path = "/api/apps/v2/token",
         .task = Task::token,
         .method = "POST",
         .id = kDouyinId,
         .secret = kDouyinSecret,
         .grant = kGrantInJson,
         .grant_value = kGrantOfWechat,
         .makes = Family::douyin,
         .renewal = Renewal::displacing,
         .success = R"({"err_no":0,"err_tips":"success",)"
                    R"("data":{"access_token":"$TOKEN","expires_in":$LEFT}})",
         .failure = R"({"err_no":$CODE,"err_tips":"$TEXT"})",
         .refusals = kDouyinTokenRefusals},
    Page{.path = "/api/apps/*",
         .token = kDouyinToken,
         .accepts = kDouyinTokens,
         .success = R"({"err_no":0,"err_msg":"","log_id":"$ID"})",
         .failure = R"({"err_no":$CODE,"err_msg":"$TEXT","log_id":"$ID"})",
         .refusals = kDouyinRefusals},
    douyin_client_token({.path = "/oauth/client_token/",
                         .makes = Family::douyin_client,
                         .renewal = Renewal::displacing}),
    douyin_client_token({.path = "/oauth/stable_client_token/",
                         .makes = Family::douyin_stable_client,
                         .renewal = Renewal::windowed}),
    douyin_open("/api/douyin/*"),
    douyin_open("/discovery/*"),
    douyin_open("/data/external/*"),

    Page{.path = "/api/getToken",
         .task = Task::token,
         .id = kQqId,
         .secret = kQqSecret,
         .grant = kGrantInQuery,
         .grant_value = kGrantOfWechat,
         .makes = Family::qq,
         .renewal = Renewal::displacing,
         .success = R"({"access_token":"$TOKEN","expires_in":$LEFT})",
         .failure = kErrcode,
         .refusals = kQqTokenRefusals},
    Page{.path = "/api/json/*",
         .token = kTokenInQuery,
         .accepts = kQqTokens,
         .success = kErrcodeOk,
         .failure = kErrcode,
         .refusals = kQqRefusals},
    Page{.path = "/app/getAppAccessToken",
         .task = Task::token,
         .method = "POST",
         .id = kBotId,
         .secret = kBotSecret,
         .makes = Family::qq_bot,
         .renewal = Renewal::windowed,
         .window = seconds(60),
         .success = R"({"access_token":"$TOKEN","expires_in":"$LEFT"})",
         .failure = R"({"code":$CODE,"message":"$TEXT"})",
         .refusals = kBotTokenRefusals},
    qq_bot("/users/@me"),
    qq_bot("/gateway"),
    qq_bot("/gateway/bot"),
    qq_bot("/channels/*"),
    qq_bot("/guilds/*"),
    qq_bot("/v2/*"),

    Page{.path = "/oauth/2.0/token",
         .task = Task::token,
         .id = kBaiduId,
         .secret = kBaiduSecret,
         .grant = kBaiduGrant,
         .grant_value = kGrantOfOauth,
         .makes = Family::baidu,
         .renewal = Renewal::independent,
         .lifetime = hours(30 * 24),
         .success = R"({"access_token":"$TOKEN","expires_in":$LEFT,"refresh_token":"SIM_unused",)"
                    R"("scope":"public","session_key":"SIM_unused","session_secret":"SIM_unused"})",
         .failure = R"({"error":$CODE,"error_description":"$TEXT"})",
         .refusals = kBaiduTokenRefusals,
         .failure_status = 400,
         .codes_are_text = true},
    Page{.path = "/rest/2.0/*",
         .token = kTokenInQuery,
         .accepts = kBaiduTokens,
         .success = R"({"log_id":"$ID"})",
         .failure = R"({"error_code":$CODE,"error_msg":"$TEXT"})",
         .refusals = kBaiduRefusals},

    Page{.path = "/oauth2/access_token",
         .task = Task::token,
         .id = kKuaishouId,
         .secret = kKuaishouSecret,
         .grant = kKuaishouGrant,
         .grant_value = kGrantOfOauth,
         .makes = Family::kuaishou,
         .renewal = Renewal::independent,
         .lifetime = hours(48),
         .success = R"({"result":1,"access_token":"$TOKEN","expires_in":$LEFT,)"
                    R"("token_type":"bearer"})",
         .failure = kKuaishouFailure,
         .refusals = kKuaishouTokenRefusals},
    Page{.path = "/openapi/*",
         .token = kTokenInQuery,
         .accepts = kKuaishouTokens,
         .success = R"({"result":1})",
         .failure = kKuaishouFailure,
         .refusals = kKuaishouRefusals},
};

constexpr std::string_view kWecomIps =
    R"({"ip_list":["127.0.0.1","127.0.0.2"],"errcode":0,"errmsg":"ok"})";
constexpr std::array kSharedWecomPages = {
    wecom_business("/cgi-bin/get_api_domain_ip", kWecomIps),
    wecom_business("/cgi-bin/getcallbackip", kWecomIps),
    wecom_business("/cgi-bin/*"),
};

constexpr std::string_view without_last_slash(std::string_view path) {
  return path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
}

constexpr bool fits(std::string_view path, std::string_view page) {
  if (page.ends_with('*')) return path.starts_with(page.substr(0, page.size() - 1));
  return without_last_slash(path) == without_last_slash(page);
}

}  // namespace

std::span<const Page> pages() noexcept { return kPages; }

const Page* page_at(std::string_view path) noexcept {
  for (const Page& page : kPages)
    if (fits(path, page.path)) return &page;
  return nullptr;
}

const Page& wecom_page_at(std::string_view path) noexcept {
  for (const Page& page : kSharedWecomPages)
    if (fits(path, page.path)) return page;
  return kSharedWecomPages.back();
}

}  // namespace hufu::simulator
