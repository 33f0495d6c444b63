#include <algorithm>
#include <boost/json.hpp>
#include <functional>

#include "simulator/model.hpp"

// How the platforms beside WeChat decide on a call: the members of Model that read a Page.

namespace hufu::simulator {
namespace {

namespace json = boost::json;
using std::chrono::seconds;

constexpr std::string_view kJsonType = "application/json; charset=utf-8";
constexpr std::string_view kTextType = "text/plain";

/// `text` with every "$NAME" put into what `value` says to the name.
std::string fill(std::string_view text, const std::function<std::string(std::string_view)>& value) {
  std::string filled;
  while (!text.empty()) {
    const auto dollar = text.find('$');
    filled += text.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar + 1);
    const auto end = std::min(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), text.size());
    filled += value(text.substr(0, end));
    text.remove_prefix(end);
  }
  return filled;
}

/// `code` as it stands in JSON.
std::string written(const Code& code, bool as_text) {
  if (!code.word.empty()) return json::serialize(json::value(code.word));
  const std::string number = std::to_string(code.number);
  return as_text ? '"' + number + '"' : number;
}

/// The same inside of a JSON text.
std::string bare(const Code& code) {
  const std::string whole = written(code, true);
  return whole.substr(1, whole.size() - 2);
}

bool accepted(const Page& page, Family family) {
  return std::find(page.accepts.begin(), page.accepts.end(), family) != page.accepts.end();
}

// A default that nobody has changed gives way to what the platform itself has.

Milliseconds lifetime_of(const Page& page, const Settings& settings) {
  return settings.lifetime == Settings{}.lifetime ? page.lifetime : settings.lifetime;
}

Milliseconds window_of(const Page& page, const Settings& settings) {
  return settings.overlap == Settings{}.overlap ? page.window : settings.overlap;
}

bool listed(const std::vector<std::string>& list, const std::string& peer) {
  return list.empty() || std::find(list.begin(), list.end(), peer) != list.end();
}

}  // namespace

Model::Verdict Model::serve(const Call& call, const Page& page) {
  const Caller caller = caller_of(call, page);
  for (const Refusal& refusal : page.refusals) {
    if (!applies(refusal.trouble, call, page, caller)) continue;
    Verdict verdict = refuse_with(call, page, refusal);
    verdict.token = ledger_.token(call.access_token);
    return verdict;
  }
  if (page.task != Page::Task::business) return issue(call, page, caller);
  Verdict verdict{Deed::accepted, 0, caller.token, caller.token->app, {}};
  verdict.body = fill(page.success, [&](std::string_view) { return request_id(); });
  verdict.content_type = kJsonType;
  return verdict;
}

Model::Caller Model::caller_of(const Call& call, const Page& page) {
  Caller caller;
  if (page.task == Page::Task::token) {
    caller.named = named(call);
    const App* app = caller.named.app;
    caller.known = app != nullptr || (page.id_is_corp && corps_.contains(call.appid));
    caller.right_secret = app != nullptr && (options_.any_app || app->secret == call.secret);
    return caller;
  }
  TokenRef token = ledger_.token(call.access_token);
  if (!token || !accepted(page, token->family)) return caller;
  auto app = apps_.find(token->app);
  if (app != apps_.end()) caller.named = {app->first, &app->second};
  // A token goes on without its app, but nothing can be made for an app that is not there.
  const bool orphan = caller.named.app == nullptr && page.task == Page::Task::ticket;
  if (!orphan) caller.token = std::move(token);
  return caller;
}

bool Model::applies(Trouble trouble, const Call& call, const Page& page, const Caller& caller) {
  const App* app = caller.named.app;
  const TokenRef& token = caller.token;
  switch (trouble) {
    case Trouble::wrong_method: return !call.method_fits;
    case Trouble::no_object: return !call.object;
    case Trouble::id_missing: return call.appid.empty();
    case Trouble::id_unknown: return !caller.known;
    case Trouble::secret_missing: return call.secret.empty();
    case Trouble::secret_wrong: return !caller.right_secret;
    case Trouble::grant_wrong: return call.grant_type != page.grant_value;
    case Trouble::address: return app != nullptr && !listed(settings_of(*app).ip_list, call.peer);
    case Trouble::token_missing: return call.access_token.empty();
    case Trouble::token_unknown:
      return !token || (!token->alive(now()) && token->cause != Cause::expired);
    case Trouble::token_expired: return token && !token->alive(now());
    case Trouble::type_wrong: return call.type != page.type_value;
  }
  return false;
}

Model::Verdict Model::issue(const Call& call, const Page& page, const Caller& caller) {
  const std::string& id = caller.named.id;
  App& app = *caller.named.app;
  const Settings& settings = settings_of(app);
  if (page.task == Page::Task::token && settings.verdict != 0)
    return refuse_at(call, page, settings.verdict);

  Verdict verdict{Deed::same, 0, current(app, page), id, {}};
  if (verdict.token) {
    ++verdict.token->served;
  } else {
    verdict.deed = Deed::made;
    verdict.token = make(id, app, page.makes, lifetime_of(page, settings));
    if (page.renewal == Renewal::displacing)
      displace(app.lines[page.makes], settings, window_of(page, settings));
  }
  const TokenEntry& token = *verdict.token;
  const bool whole = page.renewal == Renewal::sticky && !settings.ticket_tells_left;
  const auto left = token.expires_at - (whole ? token.made_at : now());
  verdict.body = fill(page.success, [&](std::string_view name) {
    if (name == "TOKEN") return token.value;
    return std::to_string(std::chrono::floor<seconds>(left).count());
  });
  verdict.content_type = kJsonType;
  return verdict;
}

Model::TokenRef Model::current(App& app, const Page& page) {
  if (page.renewal == Renewal::displacing || page.renewal == Renewal::independent) return nullptr;
  const Settings& settings = settings_of(app);
  const WallTime at = now();
  const Line& line = app.lines[page.makes];
  if (line.latest.empty()) return nullptr;
  const TokenRef& token = line.latest.back();
  const bool lingers = settings.revoked_lingers && token->cause == Cause::revoked;
  if (!token->alive(at) && !(lingers && at < token->expires_at)) return nullptr;
  if (page.renewal == Renewal::windowed && token->expires_at - at < window_of(page, settings))
    return nullptr;
  const bool slides =
      page.renewal == Renewal::slides || (page.renewal == Renewal::same && settings.slides);
  if (slides && token->alive(at))
    token->expires_at = token->dies_at = at + lifetime_of(page, settings);
  return token;
}

Model::Verdict Model::refuse_at(const Call& call, const Page& page, Code code) {
  for (const Refusal& refusal : page.refusals)
    if (refusal.code == code) return refuse_with(call, page, refusal);
  return refuse_with(call, page, {{}, code, "simulated error", page.failure_status});
}

// Names in bodies and texts: $TOKEN, $LEFT (seconds), $CODE (as JSON), $BARE (the code without
// quotes), $TEXT and $MORE (of the refusal), $PEER (the client's address), $ID (of the request).
Model::Verdict Model::refuse_with(const Call& call, const Page& page, const Refusal& refusal) {
  const Code& code = refusal.code;
  Verdict verdict{Deed::refused, refusal.status, {}, {}, {}};
  verdict.status = refusal.status;
  if (code.none()) {
    verdict.body = refusal.text;
    verdict.content_type = kTextType;
    return verdict;
  }
  if (code.word.empty()) verdict.errcode = code.number;
  verdict.word = code.word;
  const std::string id = request_id();
  std::function<std::string(std::string_view)> value = [&](std::string_view name) -> std::string {
    if (name == "CODE") return written(code, page.codes_are_text);
    if (name == "BARE") return bare(code);
    if (name == "TEXT") return fill(refusal.text, value);
    if (name == "MORE") return fill(page.more, value);
    return name == "PEER" ? call.peer : id;
  };
  verdict.body = fill(page.failure, value);
  verdict.content_type = kJsonType;
  return verdict;
}

std::string Model::request_id() {
  return std::to_string(now().time_since_epoch().count()) + std::to_string(jitter());
}

}  // namespace hufu::simulator
