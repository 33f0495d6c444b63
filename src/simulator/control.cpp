#include "simulator/control.hpp"

#include <array>
#include <boost/json.hpp>
#include <charconv>

namespace hufu::simulator {
namespace {

namespace json = boost::json;

constexpr std::size_t kPage = 1000;      // Calls or tokens in one answer.
constexpr std::size_t kShownApps = 100;  // Of any_app's possible million.

Answer ok(json::object body) { return {200, json::serialize(body)}; }

Answer bad(const Error& error) {
  json::object body = {{"error", error.message}};
  if (!error.next_step.empty()) body["next_step"] = error.next_step;
  return {error.fault == Fault::unknown_app ? 404 : 400, json::serialize(body)};
}

Answer bad(std::string message) { return bad(Error{Fault::usage, std::move(message), {}, {}, {}}); }

std::int64_t shown(WallTime moment) { return moment.time_since_epoch().count(); }

json::object shown(const TokenEntry& token, WallTime now) {
  return {{"serial", token.serial},
          {"app", token.app},
          {"family", name_of(token.family)},
          {"token", token.value},
          {"alive", token.alive(now)},
          {"made_at", shown(token.made_at)},
          {"expires_at", shown(token.expires_at)},
          {"dies_at", shown(token.dies_at)},
          {"cause", name_of(token.cause)},
          {"successor", token.successor},
          {"served", token.served}};
}

json::object shown(const CallEntry& call) {
  json::object object = {{"id", call.id},
                         {"endpoint", call.endpoint},
                         {"app", call.app},
                         {"peer", call.peer},
                         {"began_at", shown(call.began_at)},
                         {"ended_at", shown(call.ended_at)},
                         {"forced", call.forced},
                         {"deed", name_of(call.deed)},
                         {"errcode", call.errcode},
                         {"token", call.token},
                         {"ending", name_of(call.ending)},
                         {"overlaps", call.overlaps}};
  if (!call.word.empty()) object["errcode"] = call.word;
  object["fault"] = call.fault ? json::value(name_of(*call.fault)) : json::value(nullptr);
  return object;
}

json::object shown(const Totals& totals) {
  return {{"calls", totals.calls},
          {"token_calls", totals.token_calls},
          {"tokens_made", totals.tokens_made},
          {"tickets_made", totals.tickets_made},
          {"forced", totals.forced},
          {"refused", totals.refused},
          {"accepted", totals.accepted},
          {"dead", totals.dead},
          {"overlapping_pairs", totals.overlapping_pairs}};
}

json::object shown(const AppView& app) {
  return {{"id", app.id},
          {"corp", app.corp},
          {"token_calls_today", app.token_calls_today},
          {"stable_calls_today", app.stable_calls_today},
          {"forced_today", app.forced_today},
          {"tokens_alive", app.alive},
          {"tickets_alive", app.tickets_alive},
          {"in_flight", app.in_flight},
          {"settings", to_json(app.settings)}};
}

/// The body as an object; an empty body is an empty one.
std::optional<json::object> object_of(std::string_view body) {
  if (body.empty()) return json::object();
  json::error_code error;
  json::value parsed = json::parse(body, error);
  if (error || !parsed.is_object()) return std::nullopt;
  return std::move(parsed.get_object());
}

/// Takes a member that must be a string out of `object`; nothing if it is not there or no string.
std::optional<std::string> take_text(json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  std::string text(value->get_string());
  object.erase(name);
  return text;
}

template <class Number>
Number number(std::string_view query, std::string_view name, Number otherwise) {
  std::string text = parameter(query, name);
  Number value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : otherwise;
}

constexpr std::string_view kNoObject = "the body must be a JSON object";

}  // namespace

Answer Control::handle(const WireRequest& request) {
  struct Route {
    std::string_view method;
    std::string_view path;
    Answer (Control::*handle)(const WireRequest&);
  };
  static constexpr std::array kRoutes = {
      Route{"GET", "/sim/state", &Control::state},
      Route{"GET", "/sim/calls", &Control::calls},
      Route{"GET", "/sim/tokens", &Control::tokens},
      Route{"GET", "/sim/alive", &Control::alive},
      Route{"POST", "/sim/apps", &Control::put_app},
      Route{"DELETE", "/sim/apps", &Control::remove_app},
      Route{"POST", "/sim/faults", &Control::add_fault},
      Route{"DELETE", "/sim/faults", &Control::clear_faults},
      Route{"POST", "/sim/clock", &Control::move_clock},
      Route{"POST", "/sim/revoke", &Control::revoke},
      Route{"POST", "/sim/settings", &Control::change_settings},
  };
  bool path_exists = false;
  for (const Route& route : kRoutes) {
    if (route.path != request.path) continue;
    path_exists = true;
    if (route.method == request.method) return (this->*route.handle)(request);
  }
  json::array routes;
  for (const Route& route : kRoutes)
    routes.emplace_back(std::string(route.method) + " " + std::string(route.path));
  json::object body = {{"error", "no such route"}, {"routes", std::move(routes)}};
  return {path_exists ? 405 : 404, json::serialize(body)};
}

// Questions.

Answer Control::state(const WireRequest& request) {
  json::array apps;
  for (const AppView& app : model_.apps(parameter(request.query, "app"), kShownApps))
    apps.push_back(shown(app));
  json::array faults;
  for (const FaultSwitch& fault : model_.faults()) faults.push_back(fault.to_json());
  return ok({{"now", shown(model_.now())},
             {"totals", shown(model_.totals())},
             {"settings", to_json(model_.settings())},
             {"app_count", model_.app_count()},
             {"apps", std::move(apps)},
             {"faults", std::move(faults)}});
}

Answer Control::calls(const WireRequest& request) {
  json::array list;
  for (const CallEntry& call :
       model_.calls(parameter(request.query, "app"), parameter(request.query, "endpoint"),
                    number<std::uint64_t>(request.query, "after", 0),
                    number<std::size_t>(request.query, "limit", kPage)))
    list.push_back(shown(call));
  return ok({{"now", shown(model_.now())}, {"calls", std::move(list)}});
}

Answer Control::tokens(const WireRequest& request) {
  WallTime now = model_.now();
  json::array list;
  for (const TokenEntry& token : model_.tokens(parameter(request.query, "app"),
                                               number<std::uint64_t>(request.query, "after", 0),
                                               number<std::size_t>(request.query, "limit", kPage)))
    list.push_back(shown(token, now));
  return ok({{"now", shown(now)}, {"tokens", std::move(list)}});
}

Answer Control::alive(const WireRequest& request) {
  WallTime now = model_.now();
  auto token = model_.token(parameter(request.query, "token"));
  if (!token) return ok({{"now", shown(now)}, {"known", false}, {"alive", false}});
  json::object body = shown(*token, now);
  body["now"] = shown(now);
  body["known"] = true;
  auto from = number<std::int64_t>(request.query, "from", shown(now));
  auto until = number<std::int64_t>(request.query, "until", from);
  body["throughout"] = from >= shown(token->made_at) && until <= shown(token->dies_at);
  return ok(std::move(body));
}

// Interventions.

Answer Control::put_app(const WireRequest& request) {
  auto body = object_of(request.body);
  if (!body) return bad(std::string(kNoObject));
  auto id = take_text(*body, "id");
  auto secret = take_text(*body, "secret");
  auto corp = take_text(*body, "corp");
  if (!id || id->empty() || !secret || secret->empty())
    return bad("an app needs an id and a secret, both strings");
  // What else is there is settings: tried on a copy first, so that a bad one makes no app.
  Settings tried;
  if (auto fits = apply(*body, tried); !fits) return bad(fits.error());
  model_.put_app({*id, *secret, corp.value_or("")});
  if (!body->empty()) (void)model_.change_settings(*id, *body);
  return ok({{"id", *id}});
}

Answer Control::remove_app(const WireRequest& request) {
  if (!model_.remove_app(parameter(request.query, "id")))
    return bad(Error{Fault::unknown_app, "no such app", {}, {}, {}});
  return ok({{"removed", true}});
}

Answer Control::add_fault(const WireRequest& request) {
  auto body = object_of(request.body);
  if (!body) return bad(std::string(kNoObject));
  const json::value* kind = body->if_contains("kind");
  if (kind != nullptr && *kind == "refuse") {
    auto span = parse_duration(take_text(*body, "for").value_or("0s"));
    if (!span) return bad(span.error());
    if (body->size() != 1) return bad("refuse has nothing but a \"for\" (\"2s\")");
    if (auto done = refuse_(*span); !done) return bad(done.error());
    return ok({{"kind", "refuse"}, {"for", format_duration(*span)}});
  }
  auto fault = FaultSwitch::from_json(*body);
  if (!fault) return bad(fault.error());
  json::object echo = fault->to_json();
  model_.add_fault(*std::move(fault));
  return ok(std::move(echo));
}

Answer Control::clear_faults(const WireRequest&) {
  model_.clear_faults();
  accept_();
  return ok({{"faults", json::array()}});
}

Answer Control::move_clock(const WireRequest& request) {
  auto body = object_of(request.body);
  auto text = body ? take_text(*body, "advance") : std::nullopt;
  if (!text || !body->empty()) return bad(R"(say how far: {"advance":"300s"})");
  auto span = parse_duration(*text);
  if (!span) return bad(span.error());
  clock_.advance(*span);
  return ok({{"now", shown(model_.now())}});
}

Answer Control::revoke(const WireRequest& request) {
  auto body = object_of(request.body);
  if (!body) return bad(std::string(kNoObject));
  auto token = take_text(*body, "token");
  auto app = take_text(*body, "app");
  if (token.has_value() == app.has_value() || !body->empty())
    return bad(R"(say what: {"token":"…"} or {"app":"…"})");
  return ok({{"revoked", token ? model_.revoke_token(*token) : model_.revoke_app(*app)}});
}

Answer Control::change_settings(const WireRequest& request) {
  auto body = object_of(request.body);
  if (!body) return bad(std::string(kNoObject));
  std::string app = take_text(*body, "app").value_or("");
  if (auto done = model_.change_settings(app, *body); !done) return bad(done.error());
  auto apps = model_.apps(app, 1);
  return ok(to_json(app.empty() || apps.empty() ? model_.settings() : apps.front().settings));
}

}  // namespace hufu::simulator
