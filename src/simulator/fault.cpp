#include "simulator/fault.hpp"

#include <array>
#include <boost/json.hpp>
#include <utility>

#include "simulator/settings.hpp"

namespace hufu::simulator {
namespace {

namespace json = boost::json;

using Kind = FaultSwitch::Kind;
constexpr std::array<std::pair<Kind, std::string_view>, 8> kNames = {{
    {Kind::hang, "hang"},
    {Kind::slow, "slow"},
    {Kind::reset, "reset"},
    {Kind::reply, "reply"},
    {Kind::truncated, "truncated"},
    {Kind::cut, "cut"},
    {Kind::absurd, "absurd"},
    {Kind::errcode, "errcode"},
}};

bool read(const json::value& value, std::string& into) {
  if (!value.is_string()) return false;
  into = value.get_string();
  return true;
}

bool read(const json::value& value, int& into) {
  json::error_code error;
  into = value.to_number<int>(error);
  return !error;
}

bool read(const json::value& value, Milliseconds& into) {
  auto span = parse_duration(value.is_string() ? std::string_view(value.get_string()) : "");
  if (span) into = *span;
  return span.has_value();
}

bool read(const json::value& value, std::vector<std::string>& into) {
  if (!value.is_array()) return false;
  for (const json::value& item : value.get_array())
    if (!read(item, into.emplace_back())) return false;
  return true;
}

/// Whether `name` is one of a switch's, and `value` fits it.
bool read_member(std::string_view name, const json::value& value, FaultSwitch& fault) {
  if (name == "kind") {
    auto kind = fault_kind(value.is_string() ? std::string_view(value.get_string()) : "");
    if (kind) fault.kind = *kind;
    return kind.has_value();
  }
  if (name == "endpoint") return read(value, fault.endpoint);
  if (name == "app") return read(value, fault.app);
  if (name == "count") return read(value, fault.count) && fault.count >= 0;
  if (name == "after" && value.is_bool()) {
    fault.after = value.get_bool();
    return true;
  }
  if (name == "delay") return read(value, fault.delay);
  if (name == "errcode") return read(value, fault.errcode) || read(value, fault.word);
  if (name == "status")
    return read(value, fault.status) && fault.status >= 200 && fault.status < 600;
  if (name == "content_type") return read(value, fault.content_type);
  if (name == "body") return read(value, fault.body.emplace());
  if (name == "fields" && value.is_object()) {
    fault.fields = value.get_object();
    return true;
  }
  return name == "remove" && read(value, fault.remove);
}

}  // namespace

std::string_view name_of(Kind kind) noexcept {
  for (const auto& [each, name] : kNames)
    if (each == kind) return name;
  return "unknown";
}

std::optional<Kind> fault_kind(std::string_view name) noexcept {
  for (const auto& [kind, each] : kNames)
    if (each == name) return kind;
  return std::nullopt;
}

Result<FaultSwitch> FaultSwitch::from_json(const json::object& object) {
  FaultSwitch fault;
  if (!object.contains("kind"))
    return fail(Fault::usage, "a fault needs a kind", "docs/simulator.md lists them.");
  for (const auto& [name, value] : object)
    if (!read_member(name, value, fault))
      return fail(Fault::usage, "a fault has no such " + std::string(name),
                  "docs/simulator.md lists what it may have.");
  return fault;
}

json::object FaultSwitch::to_json() const {
  json::object object = {{"kind", name_of(kind)}, {"count", count}, {"after", after}};
  if (!endpoint.empty()) object["endpoint"] = endpoint;
  if (!app.empty()) object["app"] = app;
  if (kind == Kind::slow) object["delay"] = format_duration(delay);
  if (kind == Kind::errcode)
    object["errcode"] = word.empty() ? json::value(errcode) : json::value(word);
  if (kind == Kind::absurd) {
    object["fields"] = fields;
    object["remove"] = json::array(remove.begin(), remove.end());
  }
  if (kind == Kind::reply) {
    object["status"] = status;
    object["content_type"] = content_type;
    if (body) object["body"] = *body;
  }
  return object;
}

std::optional<FaultSwitch> Switchboard::take(std::string_view endpoint, std::string_view app) {
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (!fault->endpoint.empty() && fault->endpoint != endpoint) continue;
    if (!fault->app.empty() && fault->app != app) continue;
    FaultSwitch taken = *fault;
    if (fault->count > 0 && --fault->count == 0) faults_.erase(fault);
    return taken;
  }
  return std::nullopt;
}

}  // namespace hufu::simulator
