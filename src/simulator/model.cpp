#include "simulator/model.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "simulator/calendar.hpp"

namespace hufu::simulator {
namespace {

namespace json = boost::json;

constexpr std::size_t kTicketLength = 86;  // As the platform's.

bool is_for_token(const Call& call) {
  if (call.page != nullptr) return call.page->task == Page::Task::token;
  return call.endpoint == Endpoint::token || call.endpoint == Endpoint::stable_token;
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
  if (TokenRef token = ledger_.token(visit.call.access_token)) {
    if (entry.app.empty()) entry.app = token->app;
    // Most paths of WeCom are WeChat's, too: the token tells whose page is meant. Not below /wxa/.
    const bool common =
        visit.call.endpoint == Endpoint::business && !visit.call.name.starts_with('/');
    if (common && is_wecom(token->family)) {
      visit.call.endpoint = Endpoint::page;
      visit.call.page = &wecom_page_at("/cgi-bin/" + visit.call.name);
    }
  }
  App* app = nullptr;
  if (is_for_token(visit.call)) {
    Named who = named(visit.call);
    entry.app = std::move(who.id);
    app = who.app;
  }
  visit.fault = faults_.take(entry.endpoint, entry.app);
  if (visit.fault) entry.fault = visit.fault->kind;
  if (is_for_token(visit.call)) ++ledger_.totals.token_calls;
  if (app != nullptr) {
    visit.counted = entry.app;
    entry.overlaps = app->in_flight++;
    ledger_.totals.overlapping_pairs += static_cast<std::uint64_t>(entry.overlaps);
  }
  visit.id = ledger_.open(std::move(entry));
  return visit;
}

Answer Model::carry_out(const Visit& visit) {
  std::lock_guard lock(mutex_);
  if (visit.call.endpoint == Endpoint::none) return {404, {}, "text/plain"};
  return noted(visit, decide(visit.call));
}

Answer Model::refuse(const Visit& visit, Code code) {
  std::lock_guard lock(mutex_);
  const Page* page = visit.call.page;
  if (page != nullptr) return noted(visit, refuse_at(visit.call, *page, code));
  return noted(visit,
               {Deed::refused, code.number, {}, {}, {}, 200, kWechatType, std::string(code.word)});
}

void Model::leave(const Visit& visit, Ending ending) {
  std::lock_guard lock(mutex_);
  ledger_.change(visit.id, [&](CallEntry& entry) {
    entry.ended_at = now();
    entry.ending = ending;
  });
  auto app = apps_.find(visit.counted);
  if (app != apps_.end() && app->second.in_flight > 0) --app->second.in_flight;
}

Answer Model::answer(Call call) {
  Visit visit = arrive(std::move(call));
  Answer answer = carry_out(visit);
  leave(visit, Ending::answered);
  return answer;
}

Answer Model::noted(const Visit& visit, Verdict verdict) {
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
    entry.word = verdict.word;
    if (verdict.token) entry.token = verdict.token->serial;
    if (!verdict.app.empty()) entry.app = verdict.app;
  });
  if (verdict.deed == Deed::refused && visit.call.page == nullptr)
    verdict.body = error_body(verdict.word.empty() ? Code(verdict.errcode) : Code(verdict.word),
                              visit.call.peer);
  return {verdict.status, std::move(verdict.body), verdict.content_type};
}

Model::TokenRef Model::make(const std::string& id, App& app, Family family, Milliseconds lifetime) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const Settings& settings = settings_of(app);
  auto token = std::make_shared<TokenEntry>();
  token->app = id;
  token->family = family;
  token->made_at = now();
  token->expires_at = token->dies_at = token->made_at + lifetime;
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
  Line& line = app.lines[family];
  if (!line.latest.empty()) line.latest.back()->successor = token->serial;
  std::erase_if(line.latest, [&](const TokenRef& old) { return !old->alive(token->made_at); });
  line.latest.push_back(token);
  return token;
}

void Model::displace(Line& line, const Settings& settings, Milliseconds overlap) {
  const WallTime at = now();
  auto& tokens = line.latest;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    const bool too_many = settings.strict && i + 2 < tokens.size();
    shorten(*tokens[i], too_many ? at : at + overlap, Cause::displaced);
  }
}

void Model::shorten(TokenEntry& token, WallTime end, Cause cause) {
  if (token.dies_at <= end) return;
  token.dies_at = end;
  token.cause = cause;
}

// What the people do who run the platform.

void Model::put_app(AppSpec spec) {
  std::lock_guard lock(mutex_);
  App& app = apps_[spec.id];
  forget_agent(spec.id, app);
  app.secret = std::move(spec.secret);
  if (!spec.corp.empty()) app.corp = std::move(spec.corp);
  corps_[corp_of(spec.id, app)][app.secret] = spec.id;
}

bool Model::remove_app(std::string_view id) {
  std::lock_guard lock(mutex_);
  auto found = apps_.find(id);
  if (found == apps_.end()) return false;
  forget_agent(found->first, found->second);
  apps_.erase(found);
  return true;
}

void Model::forget_agent(const std::string& id, const App& app) {
  auto corp = corps_.find(corp_of(id, app));
  if (corp == corps_.end()) return;
  auto agent = corp->second.find(app.secret);
  if (agent != corp->second.end() && agent->second == id) corp->second.erase(agent);
  if (corp->second.empty()) corps_.erase(corp);
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
  std::size_t revoked = 0;
  for (auto& [family, line] : app->second.lines) revoked += revoke(line);
  return revoked;
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
  auto living = [at](const App& app, bool tickets) {
    std::size_t count = 0;
    for (const auto& [family, line] : app.lines)
      if (is_ticket(family) == tickets)
        for (const TokenRef& token : line.latest) count += token->alive(at) ? 1 : 0;
    return count;
  };
  for (const auto& [id, app] : apps_) {
    if (views.size() == limit) break;
    if (!only.empty() && id != only) continue;
    views.push_back({id, corp_of(id, app), settings_of(app), app.token_day.used(day_of(at)),
                     app.stable_day.used(day_of(at)), app.forced_day.used(day_of(at)),
                     living(app, false), living(app, true), app.in_flight});
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

Model::Named Model::named(const Call& call) {
  if (call.page != nullptr && call.page->id_is_corp) return agent(call.appid, call.secret);
  return {call.appid, find(call.appid)};
}

Model::Named Model::agent(const std::string& corp, const std::string& secret) {
  auto agents = corps_.find(corp);
  if (agents != corps_.end())
    if (auto known = agents->second.find(secret); known != agents->second.end())
      return {known->second, find(known->second)};
  if (!options_.any_app || corp.empty() || secret.empty()) return {corp, nullptr};
  // Any secret is right, and a secret of its own is an agent of its own.
  std::string id = corp;
  for (std::size_t number = 2; apps_.contains(id) && !apps_.find(id)->second.secret.empty();
       ++number)
    id = corp + "#" + std::to_string(number);
  App* made = find(id);
  if (made == nullptr) return {corp, nullptr};
  made->secret = secret;
  made->corp = corp;
  corps_[corp][secret] = id;
  return {id, made};
}

const std::string& Model::corp_of(const std::string& id, const App& app) {
  return app.corp.empty() ? id : app.corp;
}

const Settings& Model::settings_of(const App& app) const { return app.own ? *app.own : common_; }

std::uint32_t Model::jitter() { return static_cast<std::uint32_t>(random_.uniform() * 0x1.0p32); }

}  // namespace hufu::simulator
