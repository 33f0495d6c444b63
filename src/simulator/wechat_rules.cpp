#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstdio>

#include "simulator/calendar.hpp"
#include "simulator/model.hpp"

// How WeChat decides on a call: the members of Model that know its pages.

namespace hufu::simulator {
namespace {

namespace json = boost::json;
using std::chrono::seconds;

// The text before " rid: …". Clients must never match on it; people read it.
std::string errmsg_of(int errcode, std::string_view peer) {
  switch (errcode) {
    case -1: return "system error";
    case 40001:
      return "invalid credential, access_token is invalid or not latest, could get access_token by "
             "getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r";
    case 40002: return "invalid grant_type";
    case 40013: return "invalid appid";
    case 40014: return "invalid access_token";
    case 40097: return "invalid args";
    case 40125: return "invalid appsecret";
    case 40164: {
      std::string ip(peer);
      return "invalid ip " + ip + " ipv6 ::ffff:" + ip + ", not in whitelist";
    }
    case 40243: return "appsecret is frozen";
    case 41001: return "access_token missing";
    case 41002: return "appid missing";
    case 41004: return "appsecret missing";
    case 42001: return "access_token expired";
    case 43002: return "require POST method";
    case 45009: return "reach max api daily quota limit";
    case 45011: return "api minute-quota reach limit mustslower retry next minute";
    case 48001: return "api unauthorized,";
    case 48006: return "forbid to clear quota because of reaching the limit";
    case 50002: return "user limited";
    case 50004: return "not allowed to use access token";
    case 61004: return "access clientip is not registered requestIP: " + std::string(peer);
    case 61024: return "must use api(api_component_token) to get token for component acct";
    case 76003: return "invalid cgi_path";
    case 76021: return "cgi_path not found";
    case 89501: return "waiting for the admin to confirm this ip";
    case 89503: return "this ip needs the admin's confirmation";
    case 89506: return "the admin refused this ip twice, retry after 24 hours";
    case 89507: return "the admin refused this ip, retry after 1 hour";
    default: return "simulated error";
  }
}

constexpr std::string_view kOk = R"({"errcode":0,"errmsg":"ok"})";

std::string token_body(const TokenEntry& token, WallTime now) {
  auto left = std::chrono::floor<seconds>(token.expires_at - now).count();
  return R"({"access_token":")" + token.value + R"(","expires_in":)" + std::to_string(left) + "}";
}

std::string ticket_body(const TokenEntry& ticket, WallTime from) {
  auto life = std::chrono::floor<seconds>(ticket.expires_at - from).count();
  return R"({"errcode":0,"errmsg":"ok","ticket":")" + ticket.value + R"(","expires_in":)" +
         std::to_string(life) + "}";
}

bool listed(const std::vector<std::string>& list, const std::string& peer) {
  return list.empty() || std::find(list.begin(), list.end(), peer) != list.end();
}

}  // namespace

Model::Verdict Model::decide(const Call& call) {
  switch (call.endpoint) {
    case Endpoint::token:
    case Endpoint::stable_token: return issue(call);
    case Endpoint::ticket: return issue_ticket(call);
    case Endpoint::clear_quota: return clear_quota(call);
    case Endpoint::clear_quota_v2: return clear_quota_with_secret(call);
    case Endpoint::quota_get: return show_quota(call);
    case Endpoint::quota_clear: return clear_one(call);
    case Endpoint::business: {
      Verdict verdict = judge(call);
      bool ips = call.name == "getcallbackip" || call.name == "get_api_domain_ip";
      verdict.body = ips ? R"({"ip_list":["127.0.0.1","127.0.0.2"]})" : kOk;
      return verdict;
    }
    case Endpoint::page: return serve(call, *call.page);
    case Endpoint::none: break;
  }
  return {};
}

// The first two steps were observed on the live platform (an unknown appid is named even when
// everything else is wrong, too); the rest of the order is inferred.
Model::Verdict Model::issue(const Call& call) {
  Verdict no;
  auto refuse = [&](int errcode) {
    no.errcode = errcode;
    return no;
  };
  bool stable = call.endpoint == Endpoint::stable_token;
  if (stable && !call.post) return refuse(43002);
  if (call.appid.empty()) return refuse(41002);
  App* app = find(call.appid);
  if (app == nullptr) return refuse(40013);
  if (call.secret.empty()) return refuse(41004);
  if (call.grant_type != "client_credential") return refuse(40002);
  if (!options_.any_app && call.secret != app->secret) return refuse(40125);
  const Settings& settings = settings_of(*app);
  if (settings.secret_frozen) return refuse(40243);
  if (!listed(settings.ip_list, call.peer)) return refuse(40164);
  if (settings.verdict != 0) return refuse(settings.verdict);
  WallTime at = now();
  if (!stable) {
    if (!app->token_day.take(day_of(at), settings.token_calls_a_day)) return refuse(45009);
    return issue_normal(call.appid, *app);
  }
  if (!app->stable_minute.take(minute_of(at), settings.stable_calls_a_minute)) return refuse(45011);
  if (!app->stable_day.take(day_of(at), settings.stable_calls_a_day)) return refuse(45009);
  return issue_stable(call.appid, *app, call.force_refresh);
}

Model::Verdict Model::issue_normal(const std::string& id, App& app) {
  const Settings& settings = settings_of(app);
  WallTime at = now();
  TokenRef token = make(id, app, Family::normal, settings.lifetime);
  displace(app.lines[Family::normal], settings, settings.overlap);
  return {Deed::made, 0, token, id, token_body(*token, at)};
}

Model::Verdict Model::issue_stable(const std::string& id, App& app, bool force) {
  const Settings& settings = settings_of(app);
  WallTime at = now();
  Line& line = app.lines[Family::stable];
  if (force && app.forced_at && at - *app.forced_at < settings.forced_apart) force = false;
  if (force && !app.forced_day.take(day_of(at), settings.forced_a_day)) {
    if (settings.forced_excess_refused) return {Deed::refused, 45009, {}, id, {}};
    force = false;
  }
  if (force) app.forced_at = at;

  TokenRef current = line.latest.empty() ? nullptr : line.latest.back();
  if (current && !force) {
    bool lingers = settings.revoked_lingers && current->cause == Cause::revoked;
    bool good = current->alive(at) || lingers;
    if (good && current->expires_at - at > settings.overlap) {
      ++current->served;
      return {Deed::same, 0, current, id, token_body(*current, at)};
    }
  }
  if (force && current) shorten(*current, at, Cause::dropped);
  TokenRef token = make(id, app, Family::stable, settings.lifetime);
  // In the last minutes the token before lives to its own end. One before that is gone for good.
  if (settings.strict)
    for (const TokenRef& each : line.latest)
      if (each != token && each != current) shorten(*each, at, Cause::displaced);
  return {Deed::made, 0, token, id, token_body(*token, at)};
}

// The errcode for another type is not documented (inferred).
Model::Verdict Model::issue_ticket(const Call& call) {
  Verdict verdict = judge(call);
  if (verdict.deed == Deed::refused) return verdict;
  App* app = find(verdict.app);
  if (app == nullptr) return {Deed::refused, 40013, verdict.token, {}, {}};
  const bool card = call.type == "wx_card";
  const Family family = card ? Family::wx_card_ticket : Family::jsapi_ticket;
  if (!card && call.type != "jsapi") return {Deed::refused, 40097, verdict.token, verdict.app, {}};

  Line& line = app->lines[family];
  TokenRef ticket = line.latest.empty() ? nullptr : line.latest.back();
  Deed deed = Deed::same;
  if (ticket && ticket->alive(now())) {
    ++ticket->served;
  } else {
    deed = Deed::made;
    ticket = make(verdict.app, *app, family, settings_of(*app).lifetime);
  }
  const WallTime from = settings_of(*app).ticket_tells_left ? now() : ticket->made_at;
  return {deed, 0, ticket, verdict.app, ticket_body(*ticket, from)};
}

Model::Verdict Model::judge(const Call& call) {
  if (call.access_token.empty()) return {Deed::refused, 41001, {}, {}, {}};
  TokenRef token = ledger_.token(call.access_token);
  if (token && token->family != Family::normal && token->family != Family::stable)
    return {Deed::refused, 40001, {}, {}, {}};
  if (!token) {
    bool malformed = common_.malformed_is_40014 && !call.access_token.starts_with(kMark);
    return {Deed::refused, malformed ? 40014 : 40001, {}, {}, {}};
  }
  if (token->alive(now())) return {Deed::accepted, 0, token, token->app, {}};
  int errcode = token->cause == Cause::expired ? 42001 : 40001;
  return {Deed::refused, errcode, token, token->app, {}};
}

Model::Verdict Model::clear_quota(const Call& call) {
  if (!call.post) return {Deed::refused, 43002, {}, {}, {}};
  Verdict verdict = judge(call);
  if (verdict.deed == Deed::refused) return verdict;
  App* app = find(verdict.app);
  if (app == nullptr || call.appid != verdict.app)
    return {Deed::refused, 40013, verdict.token, verdict.app, {}};
  Verdict cleared = clear_all(*app);
  cleared.token = verdict.token;
  return cleared;
}

Model::Verdict Model::clear_quota_with_secret(const Call& call) {
  if (!call.post) return {Deed::refused, 43002, {}, {}, {}};
  App* app = find(call.appid);
  if (app == nullptr) return {Deed::refused, call.appid.empty() ? 41002 : 40013, {}, {}, {}};
  if (call.secret.empty()) return {Deed::refused, 41004, {}, {}, {}};
  if (!options_.any_app && call.secret != app->secret) return {Deed::refused, 40125, {}, {}, {}};
  return clear_all(*app);
}

// Forced calls are a budget of their own, which clearing does not fill up (inferred).
Model::Verdict Model::clear_all(App& app) {
  constexpr int kClearsAMonth = 10;
  if (!app.clear_month.take(month_of(now()), kClearsAMonth))
    return {Deed::refused, 48006, {}, {}, {}};
  app.token_day.clear();
  app.stable_day.clear();
  app.stable_minute.clear();
  return {Deed::accepted, 0, {}, {}, std::string(kOk)};
}

Model::Verdict Model::show_quota(const Call& call) {
  if (!call.post) return {Deed::refused, 43002, {}, {}, {}};
  Verdict verdict = judge(call);
  if (verdict.deed == Deed::refused) return verdict;
  App* app = find(verdict.app);
  if (app == nullptr) return {Deed::refused, 40013, verdict.token, {}, {}};
  if (!call.cgi_path.starts_with('/')) return {Deed::refused, 76003, verdict.token, {}, {}};
  bool stable = call.cgi_path == "/cgi-bin/stable_token";
  if (!stable && call.cgi_path != "/cgi-bin/token")
    return {Deed::refused, 76021, verdict.token, {}, {}};

  const Settings& settings = settings_of(*app);
  int limit = stable ? settings.stable_calls_a_day : settings.token_calls_a_day;
  int used = (stable ? app->stable_day : app->token_day).used(day_of(now()));
  json::object body = {
      {"errcode", 0},
      {"errmsg", "ok"},
      {"quota", {{"daily_limit", limit}, {"used", used}, {"remain", std::max(0, limit - used)}}}};
  if (stable)
    body["rate_limit"] = {{"call_count", settings.stable_calls_a_minute}, {"refresh_second", 60}};
  verdict.body = json::serialize(body);
  return verdict;
}

Model::Verdict Model::clear_one(const Call& call) {
  if (!call.post) return {Deed::refused, 43002, {}, {}, {}};
  Verdict verdict = judge(call);
  if (verdict.deed == Deed::refused) return verdict;
  App* app = find(verdict.app);
  if (app == nullptr) return {Deed::refused, 40013, verdict.token, {}, {}};
  if (!call.cgi_path.starts_with('/')) return {Deed::refused, 76003, verdict.token, {}, {}};
  if (call.cgi_path == "/cgi-bin/token") {
    app->token_day.clear();
  } else if (call.cgi_path == "/cgi-bin/stable_token") {
    app->stable_day.clear();
    app->stable_minute.clear();
  } else {
    return {Deed::refused, 76021, verdict.token, {}, {}};
  }
  verdict.body = kOk;
  return verdict;
}

std::string Model::error_body(Code code, std::string_view peer) {
  auto unix_seconds = std::chrono::floor<seconds>(now()).time_since_epoch().count();
  std::array<char, 40> rid{};
  std::snprintf(rid.data(), rid.size(), " rid: %08x-%08x-%08x", static_cast<unsigned>(unix_seconds),
                jitter(), jitter());
  json::object body;
  body["errcode"] = code.word.empty() ? json::value(code.number) : json::value(code.word);
  body["errmsg"] = errmsg_of(code.number, peer) + rid.data();
  return json::serialize(body);
}

}  // namespace hufu::simulator
