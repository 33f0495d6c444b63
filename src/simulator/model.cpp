#include "simulator/model.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstdio>

namespace hufu::simulator {
namespace {

namespace json = boost::json;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// Every token begins so: it can be told from a real one, and from rubbish.
constexpr std::string_view kMark = "SIM_";

constexpr std::size_t kTicketLength = 86;  // As the platform's.

// The platform counts its days in Beijing.
constexpr hours kBeijing{8};

std::int64_t day_of(WallTime now) {
  return std::chrono::floor<std::chrono::days>(now + kBeijing).time_since_epoch().count();
}
std::int64_t minute_of(WallTime now) {
  return std::chrono::floor<minutes>(now).time_since_epoch().count();
}
std::int64_t month_of(WallTime now) {
  std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(now + kBeijing));
  return std::int64_t{static_cast<int>(date.year())} * 12 + static_cast<unsigned>(date.month());
}

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

bool is_for_token(const Call& call) {
  return call.endpoint == Endpoint::token || call.endpoint == Endpoint::stable_token;
}

bool listed(const std::vector<std::string>& list, const std::string& peer) {
  return list.empty() || std::find(list.begin(), list.end(), peer) != list.end();
}

}  // namespace

bool Quota::take(std::int64_t window, int limit) noexcept {
  if (window != window_) {
    window_ = window;
    used_ = 0;
  }
  if (limit > 0 && used_ >= limit) return false;
  ++used_;
  return true;
}

Model::Model(const Clock& clock, Random& random, Options options)
    : clock_(clock),
      random_(random),
      options_(std::move(options)),
      wall_origin_(clock.wall()),
      steady_origin_(clock.steady()),
      common_(options_.settings),
      ledger_(options_.memory) {}

// What happens on the wire.

Visit Model::arrive(Call call) {
  Visit visit{0, std::move(call), {}};
  std::lock_guard lock(mutex_);
  CallEntry entry;
  entry.endpoint = visit.call.name;
  entry.app = visit.call.appid;
  entry.peer = visit.call.peer;
  entry.began_at = entry.ended_at = now();
  entry.forced = visit.call.force_refresh;
  if (entry.app.empty() && !visit.call.access_token.empty())
    if (TokenRef token = ledger_.token(visit.call.access_token)) entry.app = token->app;
  visit.fault = faults_.take(entry.endpoint, entry.app);
  if (visit.fault) entry.fault = visit.fault->kind;
  if (is_for_token(visit.call)) {
    ++ledger_.totals.token_calls;
    if (App* app = find(visit.call.appid)) {
      entry.overlaps = app->in_flight++;
      ledger_.totals.overlapping_pairs += static_cast<std::uint64_t>(entry.overlaps);
    }
  }
  visit.id = ledger_.open(std::move(entry));
  return visit;
}

Answer Model::carry_out(const Visit& visit) {
  std::lock_guard lock(mutex_);
  if (visit.call.endpoint == Endpoint::none) return {404, {}};
  Verdict verdict = decide(visit.call);
  note(visit, verdict);
  if (verdict.deed == Deed::refused) return {200, error_body(verdict.errcode, visit.call.peer)};
  return {200, std::move(verdict.body)};
}

void Model::leave(const Visit& visit, Ending ending) {
  std::lock_guard lock(mutex_);
  ledger_.change(visit.id, [&](CallEntry& entry) {
    entry.ended_at = now();
    entry.ending = ending;
  });
  if (!is_for_token(visit.call)) return;
  if (App* app = find(visit.call.appid); app != nullptr && app->in_flight > 0) --app->in_flight;
}

Answer Model::answer(Call call) {
  Visit visit = arrive(std::move(call));
  Answer answer = carry_out(visit);
  leave(visit, Ending::answered);
  return answer;
}

Answer Model::refuse(const Visit& visit, int errcode) {
  std::lock_guard lock(mutex_);
  note(visit, {Deed::refused, errcode, {}, {}, {}});
  return {200, error_body(errcode, visit.call.peer)};
}

void Model::note(const Visit& visit, const Verdict& verdict) {
  Totals& totals = ledger_.totals;
  switch (verdict.deed) {
    case Deed::made: totals.forced += visit.call.force_refresh ? 1 : 0; break;
    case Deed::accepted: ++totals.accepted; break;
    case Deed::refused: ++(is_for_token(visit.call) ? totals.refused : totals.dead); break;
    case Deed::same:
    case Deed::nothing: break;
  }
  ledger_.change(visit.id, [&](CallEntry& entry) {
    entry.deed = verdict.deed;
    entry.errcode = verdict.errcode;
    if (verdict.token) entry.token = verdict.token->serial;
    if (!verdict.app.empty()) entry.app = verdict.app;
  });
}

// What the platform decides.

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
  TokenRef token = make(id, app, app.normal, Family::normal);
  auto& tokens = app.normal.latest;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    bool too_many = settings.strict && i + 2 < tokens.size();
    shorten(*tokens[i], too_many ? at : at + settings.overlap, Cause::displaced);
  }
  return {Deed::made, 0, token, id, token_body(*token, at)};
}

Model::Verdict Model::issue_stable(const std::string& id, App& app, bool force) {
  const Settings& settings = settings_of(app);
  WallTime at = now();
  Line& line = app.stable;
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
  TokenRef token = make(id, app, line, Family::stable);
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
  if (!card && call.type != "jsapi") return {Deed::refused, 40097, verdict.token, verdict.app, {}};

  Line& line = card ? app->wx_card : app->jsapi;
  TokenRef ticket = line.latest.empty() ? nullptr : line.latest.back();
  Deed deed = Deed::same;
  if (ticket && ticket->alive(now())) {
    ++ticket->served;
  } else {
    deed = Deed::made;
    ticket = make(verdict.app, *app, line, card ? Family::wx_card_ticket : Family::jsapi_ticket);
  }
  const WallTime from = settings_of(*app).ticket_tells_left ? now() : ticket->made_at;
  return {deed, 0, ticket, verdict.app, ticket_body(*ticket, from)};
}

Model::Verdict Model::judge(const Call& call) {
  if (call.access_token.empty()) return {Deed::refused, 41001, {}, {}, {}};
  TokenRef token = ledger_.token(call.access_token);
  if (token && is_ticket(token->family)) return {Deed::refused, 40001, {}, {}, {}};
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

Model::TokenRef Model::make(const std::string& id, const App& app, Line& line, Family family) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const Settings& settings = settings_of(app);
  auto token = std::make_shared<TokenEntry>();
  token->app = id;
  token->family = family;
  token->made_at = now();
  token->expires_at = token->dies_at = token->made_at + settings.lifetime;
  token->served = 1;
  // The number keeps values apart even when a test has loaded the jitter.
  token->value = std::string(kMark) + std::to_string(ledger_.next_serial()) + "_";
  auto length = is_ticket(family) ? kTicketLength : static_cast<std::size_t>(settings.token_length);
  while (token->value.size() < length) {
    std::uint32_t bits = jitter();
    for (int i = 0; i < 5 && token->value.size() < length; ++i, bits >>= 6)
      token->value += kAlphabet[bits & 63];
  }
  ledger_.take_in(token, token->made_at);
  if (!line.latest.empty()) line.latest.back()->successor = token->serial;
  std::erase_if(line.latest, [&](const TokenRef& old) { return !old->alive(token->made_at); });
  line.latest.push_back(token);
  return token;
}

void Model::shorten(TokenEntry& token, WallTime end, Cause cause) {
  if (token.dies_at <= end) return;
  token.dies_at = end;
  token.cause = cause;
}

// What the people do who run the platform.

void Model::put_app(AppSpec app) {
  std::lock_guard lock(mutex_);
  apps_[app.id].secret = std::move(app.secret);
}

bool Model::remove_app(std::string_view id) {
  std::lock_guard lock(mutex_);
  auto found = apps_.find(id);
  if (found == apps_.end()) return false;
  apps_.erase(found);
  return true;
}

Result<void> Model::change_settings(std::string_view app, const json::object& patch) {
  std::lock_guard lock(mutex_);
  if (!app.empty()) {
    App* one = find(app);
    if (one == nullptr) return fail(Fault::unknown_app, "no such app");
    Settings changed = settings_of(*one);
    if (auto done = apply(patch, changed); !done) return done;
    one->own = std::make_unique<Settings>(std::move(changed));
    return {};
  }
  if (auto done = apply(patch, common_); !done) return done;
  for (auto& [id, each] : apps_)
    if (each.own) (void)apply(patch, *each.own);  // What fits one fits all.
  return {};
}

void Model::add_fault(FaultSwitch fault) {
  std::lock_guard lock(mutex_);
  faults_.add(std::move(fault));
}

void Model::clear_faults() {
  std::lock_guard lock(mutex_);
  faults_.clear();
}

std::size_t Model::revoke_token(std::string_view value) {
  std::lock_guard lock(mutex_);
  TokenRef token = ledger_.token(value);
  if (!token || !token->alive(now())) return 0;
  shorten(*token, now(), Cause::revoked);
  return 1;
}

std::size_t Model::revoke_app(std::string_view id) {
  std::lock_guard lock(mutex_);
  auto app = apps_.find(id);
  if (app == apps_.end()) return 0;
  App& of = app->second;
  return revoke(of.normal) + revoke(of.stable) + revoke(of.jsapi) + revoke(of.wx_card);
}

std::size_t Model::revoke(Line& line) {
  std::size_t revoked = 0;
  WallTime at = now();
  for (const TokenRef& token : line.latest) {
    if (!token->alive(at)) continue;
    shorten(*token, at, Cause::revoked);
    ++revoked;
  }
  return revoked;
}

// What tests ask.

WallTime Model::now() const { return wall_origin_ + (clock_.steady() - steady_origin_); }

std::optional<TokenEntry> Model::token(std::string_view value) const {
  std::lock_guard lock(mutex_);
  TokenRef token = ledger_.token(value);
  if (!token) return std::nullopt;
  return *token;
}

bool Model::was_alive(std::string_view value, WallTime from, WallTime until) const {
  auto entry = token(value);
  return entry && entry->made_at <= from && until <= entry->dies_at;
}

std::vector<CallEntry> Model::calls(std::string_view app, std::string_view endpoint,
                                    std::uint64_t after, std::size_t limit) const {
  std::vector<CallEntry> found;
  std::lock_guard lock(mutex_);
  for (const CallEntry& call : ledger_.calls()) {
    if (found.size() == limit) break;
    if (call.id <= after || (!app.empty() && call.app != app)) continue;
    if (!endpoint.empty() && call.endpoint != endpoint) continue;
    found.push_back(call);
  }
  return found;
}

std::vector<TokenEntry> Model::tokens(std::string_view app, std::uint64_t after,
                                      std::size_t limit) const {
  std::vector<TokenEntry> found;
  std::lock_guard lock(mutex_);
  for (const auto& token : ledger_.tokens()) {
    if (found.size() == limit) break;
    if (token->serial <= after || (!app.empty() && token->app != app)) continue;
    found.push_back(*token);
  }
  return found;
}

Totals Model::totals() const {
  std::lock_guard lock(mutex_);
  return ledger_.totals;
}

std::vector<FaultSwitch> Model::faults() const {
  std::lock_guard lock(mutex_);
  return {faults_.all().begin(), faults_.all().end()};
}

Settings Model::settings() const {
  std::lock_guard lock(mutex_);
  return common_;
}

std::size_t Model::app_count() const {
  std::lock_guard lock(mutex_);
  return apps_.size();
}

std::vector<AppView> Model::apps(std::string_view only, std::size_t limit) const {
  std::vector<AppView> views;
  std::lock_guard lock(mutex_);
  WallTime at = now();
  auto living = [at](const Line& line) {
    auto count = std::count_if(line.latest.begin(), line.latest.end(),
                               [at](const TokenRef& token) { return token->alive(at); });
    return static_cast<std::size_t>(count);
  };
  for (const auto& [id, app] : apps_) {
    if (views.size() == limit) break;
    if (!only.empty() && id != only) continue;
    views.push_back({id, settings_of(app), app.token_day.used(day_of(at)),
                     app.stable_day.used(day_of(at)), app.forced_day.used(day_of(at)),
                     living(app.normal) + living(app.stable),
                     living(app.jsapi) + living(app.wx_card), app.in_flight});
  }
  return views;
}

// The tools.

Model::App* Model::find(std::string_view id) {
  auto found = apps_.find(id);
  if (found != apps_.end()) return &found->second;
  if (!options_.any_app || id.empty() || apps_.size() >= options_.most_apps) return nullptr;
  return &apps_[std::string(id)];
}

const Settings& Model::settings_of(const App& app) const { return app.own ? *app.own : common_; }

std::string Model::error_body(int errcode, std::string_view peer) {
  auto unix_seconds = std::chrono::floor<seconds>(now()).time_since_epoch().count();
  std::array<char, 40> rid{};
  std::snprintf(rid.data(), rid.size(), " rid: %08x-%08x-%08x", static_cast<unsigned>(unix_seconds),
                jitter(), jitter());
  json::object body = {{"errcode", errcode}, {"errmsg", errmsg_of(errcode, peer) + rid.data()}};
  return json::serialize(body);
}

std::uint32_t Model::jitter() { return static_cast<std::uint32_t>(random_.uniform() * 0x1.0p32); }

}  // namespace hufu::simulator
